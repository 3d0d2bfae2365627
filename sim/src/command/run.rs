use super::{Ending, RunArguments, output};
use sim::{LineError, Sabotage, Schedule};
use std::path::{Path, PathBuf};

/// Why there is no schedule.
#[derive(Debug, thiserror::Error)]
enum ScheduleError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {}", path.display(), with_cause(source))]
    Lines { path: PathBuf, source: LineError },
}

fn with_cause(error: &LineError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

pub(super) fn run(arguments: &RunArguments) -> Ending {
    let schedule = match &arguments.events {
        Some(path) => from_file(path),
        None => Ok(Schedule::of_seed(arguments.seed.unwrap_or_default(), arguments.nodes)),
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
        let what = format!("seed {}", schedule.header.seed);
        output::failure(&what, failure, &report, &replay(arguments));
        return Ending::Failed(failure.kind);
    }
    output::result(format_args!("trace  {}", report.trace_hash));
    output::result(format_args!("did    {}", report.tally));
    output::result(format_args!("rest   {} ms after the last fault", report.rest_ns / sim::MILLISECOND_NS));
    Ending::Passed
}

fn from_file(path: &Path) -> Result<Schedule, ScheduleError> {
    let read = |source| ScheduleError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(read)?;
    Schedule::from_lines(&text).map_err(|source| ScheduleError::Lines { path: path.to_owned(), source })
}

fn replay(arguments: &RunArguments) -> String {
    match &arguments.events {
        Some(path) => format!("cargo sim run --events {}", path.display()),
        None => command(arguments.seed.unwrap_or_default(), arguments.nodes),
    }
}

/// The command that runs a seed again.
pub(super) fn command(seed: u64, nodes: Option<usize>) -> String {
    match nodes {
        Some(nodes) => format!("cargo sim run --seed {seed} --nodes {nodes}"),
        None => format!("cargo sim run --seed {seed}"),
    }
}
