mod output;
mod planted;
mod run;
mod seeds;

use clap::Subcommand;
use sim::{FailureKind, NODES_MAX, NODES_MIN};
use std::path::PathBuf;
use std::process::ExitCode;

/// What the program can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs one seed, a scenario, or a schedule from a file, and prints its trace hash and what was done.
    ///
    /// A seed first becomes a list of events: what is cut, crashed, stalled, written and read, and when. `--print`
    /// shows the list, one JSON object a line. Put into a file and edited, it runs with `--events`: take out events
    /// until the failure is gone, and you know which of them it needs.
    Run(RunArguments),
    /// Runs all seeds of a range, and stops at the first failure.
    ///
    /// Prints one hash over all traces: two runs of the same range, in two processes, print the same.
    /// With `--twice` each seed runs twice, and the two must leave the same trace.
    Seeds(SeedsArguments),
    /// Plants bugs in the core, one after another, and says how many seeds it takes to find each.
    ///
    /// The core is built with the bugs in it for that. Fails when one is not found.
    Planted(PlantedArguments),
}

#[derive(clap::Args)]
pub(crate) struct PlantedArguments {
    /// Most seeds for a bug.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This bug alone, by the name that the table gives it. May be given several times.
    #[arg(long)]
    bug: Vec<String>,
}

#[derive(clap::Args)]
pub(crate) struct RunArguments {
    /// A scenario file: see schemas/scenario.md, and sim/scenarios for examples.
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    /// The seed.
    #[arg(long, required_unless_present_any = ["events", "scenario"], conflicts_with_all = ["events", "scenario"])]
    seed: Option<u64>,
    /// How many nodes there are, instead of what the seed draws (a mesh or a cluster has at most five).
    #[arg(long, value_parser = nodes, conflicts_with_all = ["events", "scenario"])]
    nodes: Option<usize>,
    /// Runs the schedule of this file, as `--print` prints it.
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    events: Option<PathBuf>,
    /// Prints the schedule instead of running it.
    #[arg(long)]
    print: bool,
}

#[derive(clap::Args)]
pub(crate) struct SeedsArguments {
    /// The first seed and the one after the last, as in 0..200.
    #[arg(value_name = "FROM..TO", value_parser = range)]
    range: std::ops::Range<u64>,
    /// How many nodes there are, instead of what each seed draws.
    #[arg(long, value_parser = nodes)]
    nodes: Option<usize>,
    /// Runs each seed twice and compares the traces.
    #[arg(long)]
    twice: bool,
    /// Goes on after a failure, and fails at the end.
    #[arg(long)]
    keep_going: bool,
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Passed,
    Failed(FailureKind),
    Usage,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Passed => 0,
            Ending::Failed(FailureKind::Correctness) => 1,
            Ending::Failed(FailureKind::Liveness) => 2,
            Ending::Failed(FailureKind::Crash) => 3,
            Ending::Usage => 64,
        })
    }
}

impl Command {
    pub(crate) fn carry_out(self) -> Ending {
        match self {
            Self::Run(arguments) => run::run(&arguments),
            Self::Seeds(arguments) => seeds::seeds(arguments),
            Self::Planted(arguments) => planted::planted(&arguments),
        }
    }
}

/// Why an argument is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum ArgumentError {
    #[error("write two numbers with two points between them, the smaller first, as in 0..200")]
    Range,
    #[error("a world has {NODES_MIN} to {NODES_MAX} nodes")]
    Nodes,
}

fn range(text: &str) -> Result<std::ops::Range<u64>, ArgumentError> {
    let (from, to) = text.split_once("..").ok_or(ArgumentError::Range)?;
    let (from, to) =
        from.parse().and_then(|from| Ok((from, to.parse()?))).map_err(|_| ArgumentError::Range)?;
    if from < to { Ok(from..to) } else { Err(ArgumentError::Range) }
}

fn nodes(text: &str) -> Result<usize, ArgumentError> {
    let nodes = text.parse().map_err(|_| ArgumentError::Nodes)?;
    if (NODES_MIN..=NODES_MAX).contains(&nodes) { Ok(nodes) } else { Err(ArgumentError::Nodes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("0..200"), Ok(0..200));
        for wrong in ["200", "3..3", "4..3", "a..b", "1..", "-1..2"] {
            assert_eq!(range(wrong), Err(ArgumentError::Range), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_nodes_are_bounded() {
        assert_eq!((nodes("3"), nodes("10")), (Ok(3), Ok(10)));
        assert_eq!((nodes("1"), nodes("1002")), (Err(ArgumentError::Nodes), Err(ArgumentError::Nodes)));
    }
}
