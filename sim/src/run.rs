mod writes;

use crate::checker;
use crate::failure::{Failure, FailureKind};
use crate::sabotage::Sabotage;
use crate::schedule::{Event, Schedule, Scheduled};
use crate::tally::Tally;
use crate::time::{MICROSECOND_NS, SECOND_NS};
use crate::world::{Rule, Ruling, World};
use document::Space;
use replica::Request;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How long a world may take to come to rest once the last fault is over, in nanoseconds of virtual time.
pub const REST_NS_MAX: u64 = 120 * SECOND_NS;

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was done.
    pub tally: Tally,
    /// Hash over all that happened, in hexadecimal.
    pub trace_hash: String,
    /// The same after every [`crate::MILESTONE_EVENTS`] events: two runs that differ went apart after the last that is
    /// equal.
    pub milestones: Vec<[u8; 32]>,
    /// How long the replicas took to come to rest after the last fault, in nanoseconds.
    pub rest_ns: u64,
    /// What does not hold.
    pub failure: Option<Failure>,
    /// The last that happened, when something does not hold.
    pub last_lines: Vec<String>,
}

/// Runs a schedule with every checker. A panic of the code under test is caught and is a failure.
#[must_use]
pub fn run(schedule: &Schedule, sabotage: Sabotage) -> Report {
    let mut world = World::new(&schedule.topology(), sabotage);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        checker::all().into_iter().for_each(|checker| world.watch(checker));
        world.add_watchers();
        play(&mut world, schedule)
    }));
    let failure = match ran {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(panic) => Some(crash(panic.as_ref())),
    };
    let last_lines = if failure.is_some() { world.last_lines() } else { Vec::new() };
    let rest_ns = world.now_ns().saturating_sub(schedule.end_ns());
    Report {
        tally: world.tally(),
        trace_hash: world.trace_hash(),
        milestones: world.milestones().to_vec(),
        rest_ns,
        failure,
        last_lines,
    }
}

fn crash(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    Failure { property: "never_panics", kind: FailureKind::Crash, finding: format!("panicked: {text}") }
}

fn play(world: &mut World, schedule: &Schedule) -> Result<(), Failure> {
    world.open()?;
    for Scheduled { at_us, event } in &schedule.events {
        world.run_until(at_us.saturating_mul(MICROSECOND_NS))?;
        happen(world, event)?;
    }
    world.run_until(schedule.end_ns())?;
    world.silence();
    if !world.run_until_quiet(REST_NS_MAX)? {
        let finding =
            format!("{} s after the last fault something is still going on", REST_NS_MAX / SECOND_NS);
        return Err(Failure::liveness("comes_to_rest", finding));
    }
    world.settle()
}

fn happen(world: &mut World, event: &Event) -> Result<(), Failure> {
    let ns = |us: &u64| us.saturating_mul(MICROSECOND_NS);
    match event {
        Event::Cut { link, direction, for_us } => world.cut_for(*link, *direction, ns(for_us)),
        Event::Crash { node, keep_percent, down_us } => {
            return world.crash(*node, *keep_percent, ns(down_us));
        }
        Event::Pause { node, for_us } => world.pause(*node, ns(for_us)),
        Event::Full { node, at_once, for_us } => return world.fill(*node, *at_once, ns(for_us)),
        Event::Eio { node } => world.fail_sync(*node),
        Event::Slow { node, times, for_us } => world.slow_down(*node, *times, ns(for_us)),
        Event::Rot { node, row, found_us } => world.rot(*node, *row, ns(found_us)),
        Event::Wipe { node, down_us } => return world.wipe(*node, ns(down_us)),
        Event::Image { node } => world.take_image(*node),
        Event::Restore { node, keeps_incarnation, down_us } => {
            return world.restore(*node, *keeps_incarnation, ns(down_us));
        }
        Event::Clock { node, wrong_ms } => world.set_clock(*node, *wrong_ms),
        Event::Core { nodes } => return world.converge(nodes),
        Event::Grant { node, narrow } => {
            return world.rule(Ruling { node: *node, rule: if *narrow { Rule::Narrow } else { Rule::Full } });
        }
        Event::Revoke { node } => return world.rule(Ruling { node: *node, rule: Rule::Revoked }),
        Event::Schema { collection } => world.next_schema(collection),
        Event::Write { id, node, space, key, change, retried } => {
            let write = writes::client_write((*id, *node), (space, key), (*change, *retried), world.nodes());
            if let Some(write) = write {
                return world.write(write);
            }
        }
        Event::Read { node, space, key } => {
            if let Some(address) = writes::address(space, "inventory", key) {
                world.ask(*node, Request::Get { address, at: None });
            }
        }
        Event::Look { node, space } => {
            if let Ok(space) = Space::new(space.as_str()) {
                return world.look(*node, &space);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
