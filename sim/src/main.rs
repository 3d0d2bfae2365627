//! The `sim` program: runs schedules of the deterministic simulator, and says what does not hold.

mod command;

use clap::Parser as _;
use clap::error::ErrorKind;
use command::{Command, Ending};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Shakes replicas in a world where every fault is drawn from a seed, and checks what must hold whatever happens.
///
/// The same seed gives the same run, byte for byte. A failure prints the one command that runs it again.
///
/// Exit codes: 0 all properties hold; 1 one does not (correctness); 2 replicas did not come to rest, or not to the
/// same state, in time (liveness); 3 the code under test panicked; 64 the command is wrong.
#[derive(clap::Parser)]
#[command(name = "sim", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let ending = match Arguments::try_parse() {
        Ok(arguments) => arguments.command.carry_out(),
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // There is nobody left to tell that this cannot be printed.
            let _ = error.print();
            if asked { Ending::Passed } else { Ending::Usage }
        }
    };
    ending.into()
}
