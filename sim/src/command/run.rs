use super::{Ending, RunArguments, output};
use sim::{LineError, Sabotage, ScenarioError, Schedule};
use std::path::{Path, PathBuf};

/// Why there is no schedule.
#[derive(Debug, thiserror::Error)]
enum ScheduleError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {}", path.display(), with_cause(source))]
    Lines { path: PathBuf, source: LineError },
    #[error("{}: {source}", path.display())]
    Scenario { path: PathBuf, source: ScenarioError },
}

fn with_cause(error: &LineError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

pub(super) fn run(arguments: &RunArguments) -> Ending {
    let schedule = match (&arguments.scenario, &arguments.events) {
        (Some(path), _) => from_scenario(path),
        (None, Some(path)) => from_file(path),
        (None, None) => Ok(Schedule::of_seed(arguments.seed.unwrap_or_default(), arguments.nodes)),
    };
    let schedule = match schedule {
        Ok(schedule) => schedule,
        Err(error) => {
            output::error(error);
            return Ending::Usage;
        }
    };
    if arguments.print {
        output::result(schedule.to_lines().trim_end());
        return Ending::Passed;
    }
    let report = sim::run(&schedule, Sabotage::None);
    if let Some(failure) = &report.failure {
        output::failure(&schedule, failure, &report, &replay(arguments));
        return Ending::Failed(failure.kind);
    }
    output::result(format_args!("trace  {}", report.trace_hash));
    output::result(format_args!("did    {}", report.tally));
    output::result(format_args!("rest   {} ms after the last fault", report.rest_ns / sim::MILLISECOND_NS));
    Ending::Passed
}

fn read(path: &Path) -> Result<String, ScheduleError> {
    std::fs::read_to_string(path).map_err(|source| ScheduleError::Read { path: path.to_owned(), source })
}

fn from_scenario(path: &Path) -> Result<Schedule, ScheduleError> {
    let wrong = |source| ScheduleError::Scenario { path: path.to_owned(), source };
    Schedule::from_scenario(&read(path)?).map_err(wrong)
}

fn from_file(path: &Path) -> Result<Schedule, ScheduleError> {
    Schedule::from_lines(&read(path)?)
        .map_err(|source| ScheduleError::Lines { path: path.to_owned(), source })
}

/// This program as it was built: an overflow is found where those are checked.
pub(super) const PROGRAM: &str =
    if cfg!(debug_assertions) { "cargo run --quiet --package sim --bin sim --" } else { "cargo sim" };

fn replay(arguments: &RunArguments) -> String {
    match (&arguments.scenario, &arguments.events) {
        (Some(path), _) => format!("{PROGRAM} run {}", path.display()),
        (None, Some(path)) => format!("{PROGRAM} run --events {}", path.display()),
        (None, None) => command(arguments.seed.unwrap_or_default(), arguments.nodes),
    }
}

/// The command that runs a seed again.
pub(super) fn command(seed: u64, nodes: Option<usize>) -> String {
    match nodes {
        Some(nodes) => format!("{PROGRAM} run --seed {seed} --nodes {nodes}"),
        None => format!("{PROGRAM} run --seed {seed}"),
    }
}
