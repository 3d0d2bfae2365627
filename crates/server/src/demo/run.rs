use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::arguments::Arguments;
use super::board::{Board, Event, Stage};
use super::data::Week;
use super::error::DemoError;
use super::fleet::{Fleet, HUB};
use super::load::load;
use super::plan::Plan;
use super::reading;
use super::replay::{EVENTS_MAX, Events, Replay, tell_time, watch};
use super::report::{self, Reading, Report};
use super::status::{Probe, all_in_step};
use super::till::Till;
use super::view::{Mode, View};
use super::week_clock::WeekClock;

/// How long the shops may take until they have products, prices and stock.
const LOADING_DEADLINE: Duration = Duration::from_secs(60);
/// How long the replicas may take at the end until they are in step; a lost connection is found dead after some
/// seconds, and dialled again with growing pauses.
const CONVERGENCE_DEADLINE: Duration = Duration::from_secs(30);
/// Between two drawings of the live view.
const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

const DIFFERENT: u8 = 1;
const WRONG_INPUT: u8 = 2;
const NOT_RUN: u8 = 3;

/// Runs the demo and prints its report.
///
/// The exit code is 0 when every document is as it has to be, 1 when one is not, 2 when a file is wrong and nothing
/// was started, 3 when it could not run to its end.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "a command is run once, with its arguments")]
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match prepared(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            ExitCode::from(if matches!(error, DemoError::Data(_)) { WRONG_INPUT } else { NOT_RUN })
        }
    }
}

fn prepared(arguments: &Arguments) -> Result<ExitCode, DemoError> {
    let week = arguments.week()?;
    let plan = Plan::draw(&week, arguments.seed());
    let mode = match (arguments.is_json(), io::stdout().is_terminal()) {
        (true, _) => Mode::Quiet,
        (false, true) => Mode::Live,
        (false, false) => Mode::Lines,
    };
    let demo = Demo {
        week: Arc::new(week),
        plan: Arc::new(plan),
        seed: arguments.seed(),
        pace: arguments.pace(),
        serves: arguments.serves(),
        has_lines: arguments.has_lines(),
    };
    let directory = tempfile::Builder::new().prefix("isle-demo-").tempdir().map_err(DemoError::Directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(DemoError::Runtime)?;
    let result = runtime.block_on(demo.run(mode, directory.path()));
    let is_wanted = !matches!(&result, Ok((Report { ok: true, .. }, _)) | Err(DemoError::Interrupted));
    let code = result.map(|(report, fleet)| {
        let code = printed(&report, arguments.is_json());
        fleet.into_iter().for_each(|fleet| runtime.block_on(serve(fleet)));
        code
    });
    // With the runtime end the processes that a task still has; only then can their files be removed.
    drop(runtime);
    if is_wanted {
        keep(directory);
    }
    code
}

/// Keeps the replicas until somebody ends it, and says where they are.
async fn serve(fleet: Fleet) {
    let (hub, shop) =
        (fleet.hub.data(), fleet.shops.first().map_or(fleet.hub.data(), |site| site.process.data()));
    let examples = ["point_of_sale", "warehouse", "low_stock", "pricing_engine"];
    let examples = examples
        .map(|example| format!("\n  ISLE_DATA={} cargo run -p client --example {example}", shop.display()));
    let _ = writeln!(
        io::stderr().lock(),
        "\nthe hub and its shops go on until Ctrl-C, in {}; look at them from another terminal:\n  \
         isle status --data {}\n  isle doc list --data {} catalog/product\n  isle watch --data {} {}\n\
         or run a service of a shop, in the sources of Isle:{}",
        hub.parent().unwrap_or(hub).display(),
        hub.display(),
        shop.display(),
        shop.display(),
        fleet.shops.first().map_or(HUB, |site| site.process.name()),
        examples.concat(),
    );
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return fleet.stop().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    fleet.stop().await;
}

/// Leaves everything for somebody to look at.
fn keep(directory: TempDir) {
    let path = directory.keep();
    let _ = writeln!(io::stderr().lock(), "stores and logs of all replicas are kept in {}", path.display());
}

fn printed(report: &Report, as_json: bool) -> ExitCode {
    let mut out = io::stdout().lock();
    let written = if as_json {
        serde_json::to_writer_pretty(&mut out, report).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        writeln!(out).and_then(|()| report::print(report, &mut out))
    };
    match written {
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {}", DemoError::Output(error));
            ExitCode::from(NOT_RUN)
        }
        Ok(()) if report.ok => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(DIFFERENT),
    }
}

struct Demo {
    week: Arc<Week>,
    plan: Arc<Plan>,
    seed: u64,
    pace: Duration,
    serves: bool,
    has_lines: bool,
}

impl Demo {
    /// Runs all of it, and stops in order at Ctrl-C. The replicas go on if they are to serve.
    async fn run(self, mode: Mode, directory: &Path) -> Result<(Report, Option<Fleet>), DemoError> {
        let started = Instant::now();
        let mut terminate = signal(SignalKind::terminate()).map_err(DemoError::Runtime)?;
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let showing = show(mode, &self.week, self.seed, receiver);
        let events = Events(sender);
        let result = tokio::select! {
            result = self.stages(events, directory) => result,
            _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
            _ = terminate.recv() => Err(DemoError::Interrupted),
        };
        // Every sender of events is gone by now, so the view ends.
        let board = showing.await?;
        let report = |reading| Report::new(self.seed, started.elapsed(), &board, reading);
        result.map(|(reading, fleet)| (report(reading), fleet))
    }

    async fn stages(&self, events: Events, directory: &Path) -> Result<(Reading, Option<Fleet>), DemoError> {
        events.add(Event::Stage(Stage::Starting)).await;
        let mut fleet = Fleet::start(&self.week, directory, self.has_lines).await?;
        if let Some(lines) = &fleet.lines {
            let _ = writeln!(io::stderr().lock(), "each shop is in a network of its own: {lines}");
        }
        let reading = match self.with(&mut fleet, &events).await {
            Err(error) => Err(fleet.hub.explain(error).await),
            reading => reading,
        };
        let serving = if self.serves && reading.is_ok() {
            Some(fleet)
        } else {
            fleet.stop().await;
            None
        };
        events.add(Event::Stage(Stage::Done)).await;
        Ok((reading?, serving))
    }

    async fn with(&self, fleet: &mut Fleet, events: &Events) -> Result<Reading, DemoError> {
        let (mut hub, mut shops) = probes(fleet);
        let watching = abort_on_drop(tokio::spawn(watch(
            hub.another(),
            shops.iter().map(Probe::another).collect(),
            events.clone(),
        )));
        events.add(Event::Stage(Stage::Loading)).await;
        load(&mut Till::open(HUB, fleet.hub.data()).await?, &self.week).await?;
        let waiting = all_in_step(&mut hub, &mut shops, LOADING_DEADLINE).await;
        if !waiting.is_empty() {
            return Err(DemoError::NotLoaded { waited_s: LOADING_DEADLINE.as_secs(), waiting });
        }

        events.add(Event::Stage(Stage::Replaying)).await;
        let clock = WeekClock::start(self.week.span, self.pace);
        let ticking = abort_on_drop(tokio::spawn(tell_time(clock, events.clone())));
        let (week, plan) = (Arc::clone(&self.week), Arc::clone(&self.plan));
        Replay { week, plan, clock, events: events.clone() }.run(fleet).await?;
        drop(ticking);
        events.add(Event::Time(clock.now())).await;

        events.add(Event::Stage(Stage::Converging)).await;
        let not_converged = all_in_step(&mut hub, &mut shops, CONVERGENCE_DEADLINE).await;
        events.add(Event::Stage(Stage::Checking)).await;
        let reading = reading::read(fleet, &self.week, &self.plan, not_converged).await?;
        drop(watching);
        Ok(reading)
    }
}

/// Ends its task when it is dropped, as at an error.
struct Background(JoinHandle<()>);

fn abort_on_drop(task: JoinHandle<()>) -> Background {
    Background(task)
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn probes(fleet: &Fleet) -> (Probe, Vec<Probe>) {
    let hub = Probe::new(HUB, fleet.hub.data().to_owned());
    let shops = fleet.shops.iter().map(|site| &site.process);
    (hub, shops.map(|process| Probe::new(process.name(), process.data().to_owned())).collect())
}

/// Adds events up and shows them until the last sender is gone; what they add up to.
fn show(mode: Mode, week: &Week, seed: u64, mut events: mpsc::Receiver<Event>) -> JoinHandle<Board> {
    let mut board = Board::new(week);
    let mut view = View::new(mode, week, seed, &board);
    tokio::spawn(async move {
        let mut refresh = interval(REFRESH_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        board.add(&event);
                        view.show(&event, &board);
                    }
                    None => break,
                },
                _ = refresh.tick() => view.refresh(&board),
            }
        }
        view.finish(&board);
        board
    })
}
