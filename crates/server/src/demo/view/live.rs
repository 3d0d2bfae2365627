use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use console::{StyledObject, Term, style};
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::board::{Board, Event, Link, ShopLine, Stage};
use super::super::data::Week;
use super::super::fleet::HUB;
use super::{Calendar, words};

/// Redraws a second, at most.
const DRAWS_PER_S: u8 = 12;
/// What happened last, in so many lines.
const NEWS_LINES: usize = 4;

/// A table that is drawn over itself.
pub(in crate::demo) struct Live {
    calendar: Calendar,
    started: Instant,
    span: Duration,
    name_width: usize,
    /// Keeps the bars together on the screen.
    _table: MultiProgress,
    /// Lines that do not change.
    fixed: Vec<ProgressBar>,
    week: ProgressBar,
    hub: ProgressBar,
    shops: Vec<ProgressBar>,
    news: VecDeque<String>,
    news_lines: Vec<ProgressBar>,
}

impl Live {
    pub(super) fn new(week: &Week, seed: u64, board: &Board) -> Self {
        let table = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(DRAWS_PER_S));
        let text = |line: String| {
            let bar = table.add(ProgressBar::new(0).with_style(bar_style("{msg}")));
            bar.set_message(line);
            bar
        };
        let name_width = board.shops.iter().map(|shop| shop.site.len()).max().unwrap_or(0);
        let bar_width = bar_width(name_width);
        let title =
            format!("a hub and {} shops, {} units to sell", board.shops.len(), HumanCount(week.units()));
        let seed = style(format!("seed {seed}")).dim();
        let mut fixed = vec![text(format!(" {}  {title}  {seed}", style("Isle").cyan().bold()))];
        let span = u64::try_from(week.span.as_millis()).unwrap_or(u64::MAX);
        let week_style = bar_style(&format!(" {{prefix}} {{bar:{bar_width}.cyan/dim}} {{msg}}"));
        let week_bar = table.add(ProgressBar::new(span).with_style(week_style));
        fixed.push(text(" ".to_owned()));
        let hub = text(" ".to_owned());
        fixed.push(text(style(heading(name_width, bar_width)).dim().to_string()));
        let shop_style = bar_style(&format!("{{prefix}} {{bar:{bar_width}.green/dim}} {{msg}}"));
        let shop =
            |line: &ShopLine| table.add(ProgressBar::new(line.units_planned).with_style(shop_style.clone()));
        let shops = board.shops.iter().map(shop).collect();
        fixed.push(text(" ".to_owned()));
        let news_lines = (0..NEWS_LINES).map(|_| text(" ".to_owned())).collect();
        fixed.iter().for_each(ProgressBar::tick);
        Self {
            calendar: Calendar::new(week),
            started: Instant::now(),
            span: week.span,
            name_width,
            _table: table,
            fixed,
            week: week_bar,
            hub,
            shops,
            news: VecDeque::new(),
            news_lines,
        }
    }

    pub(super) fn note(&mut self, event: &Event, board: &Board) {
        let Some(words) = words(event, board) else { return };
        if self.news.len() >= NEWS_LINES {
            self.news.pop_front();
        }
        let when = style(self.calendar.show(board.time)).dim();
        self.news.push_back(format!("   {when}  {words}"));
    }

    pub(super) fn draw(&mut self, board: &Board) {
        let time = board.time.min(self.span);
        self.week.set_position(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.week.set_prefix(self.calendar.show(time));
        let elapsed = format!("{:>5.1} s", self.started.elapsed().as_secs_f64());
        self.week.set_message(format!("{}  {}", style(elapsed).dim(), stage(board.stage)));
        self.hub.set_message(hub_line(board, self.name_width));
        for (bar, line) in self.shops.iter().zip(&board.shops) {
            bar.set_position(line.units);
            let link = line.link();
            let name = format!("{:<width$}", line.site, width = self.name_width);
            bar.set_prefix(format!(" {} {name} {}", shape(link), word(link)));
            bar.set_message(shop_line(line, board.price_round));
        }
        for (bar, words) in self.news_lines.iter().zip(&self.news) {
            bar.set_message(words.clone());
        }
    }

    /// Leaves the table as it is.
    pub(super) fn finish(&self) {
        let bars = [&self.week, &self.hub].into_iter().chain(&self.fixed).chain(&self.shops);
        bars.chain(&self.news_lines).for_each(ProgressBar::abandon);
        // The table ends without a line end.
        let _ = writeln!(io::stdout().lock());
    }
}

/// What a shop's line takes besides its name and its bar.
const LINE_WIDTH: usize = 62;

/// As wide as the terminal allows.
fn bar_width(name_width: usize) -> usize {
    let (_, columns) = Term::stdout().size();
    usize::from(columns).saturating_sub(LINE_WIDTH + name_width).clamp(4, 30)
}

fn heading(name_width: usize, bar_width: usize) -> String {
    let space = name_width + bar_width;
    format!(
        "{:space$}              {:^11} {:^8} {:<7} {:<9} prices",
        "", "units sold", "lag", "to hub", "from hub"
    )
}

fn shop_line(line: &ShopLine, rounds_known: u64) -> String {
    let units = format!("{:>5}/{:<5}", line.units, line.units_planned);
    if line.link() == Link::Killed {
        return format!("{units}  {}", style("no process").dim());
    }
    let state = line.state;
    let rows = |text: String, rows: u64| {
        if rows == 0 { style(text).dim() } else { style(text).yellow() }
    };
    let to_hub = rows(format!("↑{:<6}", state.to_hub_rows), state.to_hub_rows);
    let from_hub = rows(format!("↓{:<8}", state.from_hub_rows), state.from_hub_rows);
    let round = style(format!("{}/{rounds_known}", state.price_round));
    let round = if state.price_round == rounds_known { round.dim() } else { round.yellow() };
    let lag = style(lag(state.lag_ms));
    let lag = if state.lag_ms == 0 { lag.dim() } else { lag };
    format!("{units} {lag} {to_hub} {from_hub} {round}")
}

fn hub_line(board: &Board, name_width: usize) -> String {
    let hub = board.hub;
    format!(
        " {} {} {:<8} {} documents, {} changes, price round {}",
        style("■").cyan(),
        style(format!("{HUB:<name_width$}")).bold(),
        format!("{}/{} up", hub.connected, board.shops.len()),
        HumanCount(hub.documents),
        HumanCount(hub.head),
        board.price_round,
    )
}

/// Age of the oldest change under way, in eight characters.
fn lag(ms: u64) -> String {
    match ms {
        0 => "   –    ".to_owned(),
        1..1_000 => format!("{ms:>4} ms "),
        _ => format!("{:>4.1} s  ", Duration::from_millis(ms).as_secs_f64()),
    }
}

/// A shape for each link, so that colour is not all that tells them apart.
fn shape(link: Link) -> StyledObject<&'static str> {
    match link {
        Link::Up => style("●").green(),
        Link::Cut => style("○").yellow().bold(),
        Link::Joining => style("◐").cyan(),
        Link::Killed => style("✗").red().bold(),
    }
}

fn word(link: Link) -> StyledObject<&'static str> {
    match link {
        Link::Up => style("up      ").green(),
        Link::Cut => style("CUT OFF ").yellow().bold(),
        Link::Joining => style("joining ").cyan(),
        Link::Killed => style("KILLED  ").red().bold(),
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Starting => "starting processes",
        Stage::Loading => "loading products, prices and stock",
        Stage::Replaying => "replaying",
        Stage::Converging => "waiting for what is missing",
        Stage::Checking => "comparing documents",
        Stage::Done => "done",
    }
}

/// The templates are fixed and tested; if one were wrong, the bar would look plain.
fn bar_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}
