use super::{Ending, SeedsArguments, output, run};
use indicatif::{ProgressBar, ProgressStyle};
use sim::{Failure, Report, Sabotage, Schedule, Tally};
use std::time::Duration;

const PROGRESS: &str = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left  {msg}";

pub(super) fn seeds(arguments: SeedsArguments) -> Ending {
    // Hidden where standard error is no terminal.
    let progress = ProgressBar::new(arguments.range.end - arguments.range.start);
    progress
        .set_style(ProgressStyle::with_template(PROGRESS).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut tally = Tally::default();
    let (mut passed, mut failed) = (0_u64, 0_u64);
    let mut ending = Ending::Passed;
    let mut traces = blake3::Hasher::new();
    for seed in arguments.range {
        let schedule = Schedule::of_seed(seed, arguments.nodes);
        let report = run_schedule(&schedule, arguments.twice);
        tally += report.tally;
        traces.update(report.trace_hash.as_bytes());
        progress.inc(1);
        let Some(failure) = &report.failure else {
            passed += 1;
            continue;
        };
        failed += 1;
        if ending == Ending::Passed {
            ending = Ending::Failed(failure.kind);
        }
        let replay = run::command(seed, arguments.nodes);
        progress.set_message(format!("{failed} failed"));
        progress.suspend(|| output::failure(&schedule, failure, &report, &replay));
        if !arguments.keep_going {
            break;
        }
    }
    let took = progress.elapsed();
    progress.finish_and_clear();
    output::result(summary(&tally, took));
    output::result(format_args!("traces {}", traces.finalize().to_hex()));
    output::result(format_args!("{passed} passed, {failed} failed"));
    ending
}

fn run_schedule(schedule: &Schedule, twice: bool) -> Report {
    let mut report = sim::run(schedule, Sabotage::None);
    if twice && report.failure.is_none() {
        let again = sim::run(schedule, Sabotage::None);
        if again.trace_hash != report.trace_hash {
            let same =
                report.milestones.iter().zip(&again.milestones).take_while(|(one, other)| one == other);
            let after = same.count() as u64 * sim::MILESTONE_EVENTS;
            let finding = format!(
                "two runs went apart within {} events after the first {after}",
                sim::MILESTONE_EVENTS
            );
            report.failure = Some(Failure::correctness("a_seed_replays", finding));
        }
    }
    report
}

/// Rates are of wall time, which the simulation itself never sees.
fn summary(tally: &Tally, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let per_second = |count: u64| format!("{:.0}", count as f64 / seconds);
    format!(
        "{tally}\n{seconds:.1} s: {} operations/s, {} virtual seconds a second",
        per_second(tally.operations),
        per_second(tally.virtual_ns / sim::SECOND_NS),
    )
}
