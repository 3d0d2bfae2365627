//! What the program prints: results to standard output, failures and faults of use to standard error.

use super::run::PROGRAM;
use sim::{Failure, Report, Schedule};
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A result. That nobody reads it is no failure.
pub(super) fn result(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Where schedules of failures are put.
const DIRECTORY: &str = "target/simulator";

/// Puts a schedule into a file, so that it can be edited and run again whatever becomes of what expands seeds.
#[expect(clippy::disallowed_methods, reason = "the program writes here, not the simulated world")]
fn keep(directory: &Path, schedule: &Schedule) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(directory)?;
    let header = &schedule.header;
    let path = directory.join(format!("seed-{}-nodes-{}.events", header.seed, header.nodes));
    std::fs::write(&path, schedule.to_lines())?;
    Ok(path)
}

/// Something that went wrong.
pub(super) fn error(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A property that does not hold, with what led to it and how to see it again.
pub(super) fn failure(schedule: &Schedule, failure: &Failure, report: &Report, replay: &str) {
    error(story(schedule, failure, report, replay));
    match keep(Path::new(DIRECTORY), schedule) {
        Ok(path) => error(format_args!("events    {PROGRAM} run --events {}", path.display())),
        Err(fault) => error(format_args!("events    cannot be kept in {DIRECTORY}: {fault}")),
    }
}

fn story(schedule: &Schedule, failure: &Failure, report: &Report, replay: &str) -> String {
    let lines: String = report.last_lines.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "\nseed {} FAILED\n\nthe last that happened:\n{lines}\nproperty  {}\nfound     {}\ntrace     {}\n\
         again     {replay}",
        schedule.header.seed, failure.property, failure.finding, report.trace_hash
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_of_a_failure_is_kept_as_it_ran() {
        let directory = tempfile::tempdir().unwrap();
        let schedule = Schedule::of_seed(3, Some(3));
        let path = keep(&directory.path().join("new"), &schedule).unwrap();
        let kept = Schedule::from_lines(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(kept, schedule);
    }

    #[test]
    fn a_failure_says_what_happened_last_what_was_found_and_how_to_see_it_again() {
        let schedule = Schedule::of_seed(3, Some(3));
        let failure = Failure::correctness("goods_stay", "the milk is gone".to_owned());
        let report = Report {
            tally: sim::Tally::default(),
            trace_hash: "77aa".to_owned(),
            milestones: Vec::new(),
            rest_ns: 0,
            failure: Some(failure.clone()),
            last_lines: vec!["the hub opened".to_owned(), "the hub crashed".to_owned()],
        };
        let told = story(&schedule, &failure, &report, "cargo sim run --seed 3 --nodes 3");
        let expected = "\nseed 3 FAILED\n\nthe last that happened:\n  the hub opened\n  the hub crashed\n\n\
                        property  goods_stay\nfound     the milk is gone\ntrace     77aa\n\
                        again     cargo sim run --seed 3 --nodes 3";
        assert_eq!(told, expected);
    }
}
