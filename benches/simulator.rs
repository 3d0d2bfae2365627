//! How fast the simulator runs, in processor time of its thread: operations that services ask for, with every checker
//! and random faults; and how long the seeds of the gate take.
//!
//! Measured, beside another process on 2 cores: 2,130 operations/s with three nodes (1,790 to 2,130; goal 3,000), 1,570 with
//! ten (1,000); 1,000 sites 388 MiB (8 GiB); the gate 101 s (180). With three nodes over a quarter is Automerge, a fifth
//! allocation, a tenth the comparison of all nodes at rest.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::thread_time;
use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group, criterion_main};
use sim::{NodeId, Sabotage, Schedule, Shape, Topology, World};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs so many seeds; returns operations and the seconds of processor time that they took. With a number of nodes those
/// whose worlds have as many: a mesh has few at most.
fn run(seeds: usize, nodes: Option<usize>) -> (u64, f64) {
    let schedules = (0..).map(|seed| Schedule::of_seed(seed, nodes));
    let schedules = schedules.filter(|schedule| nodes.is_none_or(|nodes| schedule.header.nodes == nodes));
    let schedules: Vec<_> = schedules.take(seeds).collect();
    let before = thread_time();
    let mut operations = 0;
    for schedule in &schedules {
        let report = sim::run(schedule, Sabotage::None);
        assert_eq!(report.failure, None, "seed {}", schedule.header.seed);
        operations += report.tally.operations;
    }
    (operations, (thread_time() - before).as_secs_f64())
}

fn keep(name: &str, unit: &str, value: f64, goal: Goal) {
    println!("{name}: {value:.0} {unit}");
    let row = Row { name: name.into(), unit: unit.into(), value, reference: None, goal };
    record(&row).expect("the row is written");
}

fn rate(_: &mut Criterion) {
    for (nodes, least) in [(3, 3_000.0), (10, 1_000.0)] {
        let (operations, seconds) = run(if measuring() { 60 } else { 2 }, Some(nodes));
        let goal = Goal::value_at_least(least);
        keep(&format!("sim.rate.{nodes}"), "operations/s", operations as f64 / seconds, goal);
    }
}

fn gate(_: &mut Criterion) {
    let (_, seconds) = run(if measuring() { 300 } else { 2 }, None);
    keep("sim.gate", "seconds", seconds, Goal::value_at_most(180.0));
}

/// A hub with 1,000 sites, each of which writes once: what the process holds at its highest, in MiB.
fn crowd(_: &mut Criterion) {
    let sites = if measuring() { 1_000 } else { 20 };
    let mut world = World::new(&Topology::new(1, Shape::Star, sites + 1), Sabotage::None);
    world.open().expect("the nodes open");
    for site in 1..=sites {
        let address = format!("store-{site}/inventory/milk").parse().expect("an address");
        let operations = vec![document::Operation::increment("/on_hand", 5).expect("an operation")];
        let answer = world.request(NodeId(site), replica::Request::write(address, operations));
        assert!(answer.is_ok_and(|answer| answer.is_some_and(|answer| answer.is_ok())));
    }
    assert!(world.run_until_quiet(600 * sim::SECOND_NS).expect("nothing fails"), "no rest");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak: f64 = peak.and_then(|peak| peak.trim().parse().ok()).unwrap_or(f64::NAN);
    keep("sim.crowd", "MiB", peak / 1024.0, Goal::value_at_most(8.0 * 1024.0));
}

criterion_group!(simulator, rate, crowd, gate);
criterion_main!(simulator);
