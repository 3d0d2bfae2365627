//! How many seeds each planted bug takes.

use super::{Ending, PlantedArguments, output};

/// Compiles the crates of this workspace, and no others, with the bugs in them: a build of the tests serves for the rest.
#[cfg(not(isle_planted))]
const COMPILER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rustc-planted");

/// Built without bugs: builds itself with them, and runs that.
#[cfg(not(isle_planted))]
pub(super) fn planted(arguments: &PlantedArguments) -> Ending {
    let program = match built() {
        Ok(program) => program,
        Err(error) => {
            output::error(format_args!("the simulator cannot be built with bugs: {error}"));
            return Ending::Usage;
        }
    };
    let mut command = std::process::Command::new(program);
    command.args(["planted", "--seeds", &arguments.seeds.to_string(), "--from", &arguments.from.to_string()]);
    command.args(arguments.bug.iter().flat_map(|bug| ["--bug", bug.as_str()]));
    match command.status() {
        Ok(status) if status.success() => Ending::Passed,
        Ok(_) => Ending::Failed(sim::FailureKind::Correctness),
        Err(error) => {
            output::error(format_args!("the simulator with bugs cannot be run: {error}"));
            Ending::Usage
        }
    }
}

/// Builds it, and says where it is. Of the whole workspace, so that dependencies have the features of the tests' build: else
/// they would be built again. Unoptimised programs of the core take two to three times as long to run, and a tenth to build.
#[cfg(not(isle_planted))]
fn built() -> Result<String, String> {
    let arguments = ["build", "--quiet", "--locked", "--workspace", "--bin", "sim"];
    let mut command = std::process::Command::new("cargo");
    command.args(arguments).arg("--message-format=json-render-diagnostics");
    command.env("RUSTC_WORKSPACE_WRAPPER", COMPILER).stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|error| format!("cargo cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages.filter_map(|message| message.get("executable")?.as_str().map(str::to_owned));
    programs.next_back().filter(|_| output.status.success()).ok_or_else(|| "cargo says why".to_owned())
}

/// Runs the default swarm on each bug until a seed fails.
#[cfg(isle_planted)]
pub(super) fn planted(arguments: &PlantedArguments) -> Ending {
    use replica::planted::{Bug, plant};
    let run = |bug, seed| {
        plant(bug);
        sim::run(&sim::Schedule::of_seed(seed, None), sim::Sabotage::None).failure
    };
    let mut ending = Ending::Passed;
    let all: Vec<_> = Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect();
    if let Some(unknown) = arguments.bug.iter().find(|name| !all.contains(name)) {
        output::error(format_args!("there is no bug '{unknown}': they are {}", all.join(", ")));
        return Ending::Usage;
    }
    output::result(format_args!("{:<24} {:>5}  {:<28} {:>8}", "bug", "seeds", "seen by", "seconds"));
    let chosen = |bug: &Bug| arguments.bug.is_empty() || arguments.bug.contains(&format!("{bug:?}"));
    for bug in Bug::ALL.into_iter().filter(chosen) {
        let started = std::time::Instant::now();
        let found = (0..arguments.seeds).find_map(|number| {
            let seed = arguments.from.saturating_add(number);
            // What fails without the bug does not show it.
            let failure = run(Some(bug), seed).filter(|_| run(None, seed).is_none());
            failure.map(|failure| (number + 1, failure.property))
        });
        plant(None);
        let (seeds, property) = match found {
            Some((seeds, property)) => (seeds.to_string(), property),
            None => {
                ending = Ending::Failed(sim::FailureKind::Correctness);
                (format!(">{}", arguments.seeds), "nobody")
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        output::result(format_args!("{:<24} {seeds:>5}  {property:<28} {seconds:>8.1}", format!("{bug:?}")));
    }
    ending
}
