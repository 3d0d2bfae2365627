//! The report for people.

use std::io::{self, Write};

use console::style;
use indicatif::{BinaryBytes, HumanCount};

use super::super::check::Comparison;
use super::{Report, ShopReport};

/// Differences that are shown of each kind; the JSON report has more.
const SHOWN_MAX: usize = 8;

/// Writes the report as a table of the shops and a line for each check.
///
/// # Errors
/// If nothing more can be written.
pub(in crate::demo) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    shops(report, out)?;
    writeln!(out)?;
    checks(report, out)?;
    let seconds = format!("{:.1} s, seed {}", seconds(report.wall_ms), report.seed);
    let verdict = if report.ok {
        style("Nothing was lost.").green().bold()
    } else {
        style("Something differs.").red().bold()
    };
    writeln!(out, "\n {verdict}  {}", style(seconds).dim())
}

fn shops(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let width = report.shops.iter().map(|shop| shop.site.len()).max().unwrap_or(0);
    let heads = [
        format!(
            "   {:width$} {:^20}  {:^15}  {:<14} {:>10}",
            "", "units sold by", "sold cut off", "in step", "on the"
        ),
        format!(
            "   {:width$} {:>6} {:>6} {:>6}  {:>6} {:>8}  {:<14} {:>10}",
            "", "file", "hub", "shop", "units", "baskets", "again after", "wire"
        ),
    ];
    for head in heads {
        writeln!(out, "{}", style(head).dim())?;
    }
    for shop in &report.shops {
        let line = Line {
            site: &shop.site,
            units: [count(shop.units_expected), signed(shop.units_hub), signed(shop.units_shop)],
            cut_off: (shop.cuts > 0).then_some((shop.units_while_cut, shop.baskets_while_cut)),
            in_step: durations(&shop.converged_after_ms),
            wire_bytes: shop.traffic.bytes(),
        };
        writeln!(out, " {} {}", mark(shop.units_agree()), line.format(width))?;
    }
    let units = report.units;
    let all = Line {
        site: "all",
        units: [count(units.expected), signed(units.hub), signed(units.shops)],
        cut_off: Some((report.units_while_cut, report.baskets_while_cut)),
        in_step: String::new(),
        wire_bytes: report.wire_bytes,
    };
    writeln!(out, "   {}", style(all.format(width)).bold())
}

/// A row of the table of shops.
struct Line<'a> {
    site: &'a str,
    /// By the file, at the hub, at the shop.
    units: [String; 3],
    /// Units and baskets.
    cut_off: Option<(u64, u64)>,
    in_step: String,
    wire_bytes: u64,
}

impl Line<'_> {
    fn format(&self, width: usize) -> String {
        let [file, hub, shop] = &self.units;
        let (units, baskets) = match self.cut_off {
            Some((units, baskets)) => (count(units), count(baskets)),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let wire = BinaryBytes(self.wire_bytes).to_string();
        format!(
            "{:<width$} {file:>6} {hub:>6} {shop:>6}  {units:>6} {baskets:>8}  {:<14} {wire:>10}",
            self.site, self.in_step
        )
    }
}

fn checks(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let agree = report.shops.iter().all(ShopReport::units_agree);
    let units = report.units;
    let sold = format!(
        "{} sold, {} off the shelves at the hub, {} at the shops",
        count(units.expected),
        signed(units.hub),
        signed(units.shops)
    );
    check(out, agree, "units", &sold)?;
    compared(out, &report.stock, "stock", "documents at hub and shops are opening stock less sales")?;
    let prices = format!(
        "documents of {} catalogs hold the last of {} price changes",
        report.shops.len() + 1,
        report.price_changes
    );
    compared(out, &report.catalog, "prices", &prices)?;
    let heals: Vec<u64> = report.shops.iter().flat_map(|shop| shop.converged_after_ms.clone()).collect();
    let cuts: usize = report.shops.iter().map(|shop| shop.cuts).sum();
    let links = format!("{cuts} cuts healed{}", range(&heals, ", in step again "));
    check(out, report.not_converged.is_empty(), "links", &links)?;
    for replica in report.not_converged.iter().take(SHOWN_MAX) {
        writeln!(out, "     {replica}")?;
    }
    let restarts: Vec<u64> = report.shops.iter().flat_map(|shop| shop.restarted_after_ms.clone()).collect();
    let killed = report.shops.iter().filter(|shop| !shop.restarted_after_ms.is_empty());
    let killed: Vec<&str> = killed.map(|shop| shop.site.as_str()).collect();
    let kills = if killed.is_empty() {
        "no process was killed".to_owned()
    } else {
        format!("{} killed while writing{}", killed.join(", "), range(&restarts, ", back "))
    };
    check(out, true, "kills", &kills)
}

fn check(out: &mut impl Write, holds: bool, name: &str, what: &str) -> io::Result<()> {
    writeln!(out, " {} {} {what}", mark(holds), style(format!("{name:<7}")).bold())
}

fn compared(out: &mut impl Write, comparison: &Comparison, name: &str, what: &str) -> io::Result<()> {
    let (documents, different) = (count(comparison.documents), count(comparison.different));
    if comparison.is_equal() {
        return check(out, true, name, &format!("all {documents} {what}"));
    }
    check(out, false, name, &format!("{different} of {documents} documents differ"))?;
    for difference in comparison.differences.iter().take(SHOWN_MAX) {
        writeln!(out, "     {difference}")?;
    }
    let hidden = comparison.different.saturating_sub(SHOWN_MAX as u64);
    if hidden > 0 {
        writeln!(out, "     and {} more", count(hidden))?;
    }
    Ok(())
}

fn mark(holds: bool) -> console::StyledObject<&'static str> {
    if holds { style("✓").green().bold() } else { style("✗").red().bold() }
}

fn durations(all_ms: &[u64]) -> String {
    if all_ms.is_empty() {
        return "–".to_owned();
    }
    all_ms.iter().map(|ms| format!("{:.2} s", seconds(*ms))).collect::<Vec<_>>().join(", ")
}

/// `after 0.3 to 2.1 s`; nothing of none.
fn range(all_ms: &[u64], before: &str) -> String {
    let (Some(least), Some(most)) = (all_ms.iter().min(), all_ms.iter().max()) else { return String::new() };
    let (least, most) = (format!("{:.2}", seconds(*least)), format!("{:.2}", seconds(*most)));
    if least == most {
        format!("{before}after {most} s")
    } else {
        format!("{before}after {least} to {most} s")
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", HumanCount(number.unsigned_abs()))
}
