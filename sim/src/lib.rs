//! The deterministic simulator: real replicas on simulated disks, links and time.
//!
//! A [`Schedule`] (drawn from a seed, or read from a file) is run in a [`World`]: one thread, virtual time, the real
//! `document`, `wire` and `replica`. [`checker`]s watch, each one property, with models that know nothing of
//! Automerge. [`run`] puts them together; a world can also be driven by hand, by tests and benchmarks.
//!
//! Not simulated: QUIC and TLS (a link carries ordered frames, as a stream does), and fjall (a disk keeps batches that
//! were synced and a prefix of those that were not, and can be full, slow, rotten, lost or replaced by an old copy).
//!
//! Invariants:
//! - A schedule gives the same trace, byte for byte, in every run: no clock, no thread, no hash map, and every draw
//!   comes from the seed and the number of what is drawn for. So taking one event out of a schedule leaves what is
//!   drawn for the others as it was.
//! - Nothing is taken from a replica but its effects; checkers also read its version vectors.
//! - The environment keeps its promises (order on a stream, whole batches, nothing synced is lost) unless a
//!   [`Sabotage`] breaks one, which shows that the checkers see it.

mod agenda;
pub mod checker;
mod dice;
mod disk;
mod failure;
mod network;
mod observation;
mod run;
mod sabotage;
mod schedule;
mod tally;
mod time;
mod topology;
mod trace;
mod world;

pub use disk::{Disk, DiskSnapshot, SimulatedDisk};
pub use failure::{Failure, FailureKind};
pub use network::{
    ConnectionId, Direction, End, FillPart, FilledChange, LinkNumber, Message, Passage, RowName, Traffic,
};
pub use observation::{Checker, Observation};
pub use run::{REST_NS_MAX, Report, run};
pub use sabotage::Sabotage;
pub use schedule::{
    BIN_PREFIX, Change, Discarded, EVENTS_MAX, Event, Header, LineError, ScenarioError, Schedule, Scheduled,
    bin,
};
pub use tally::Tally;
pub use time::{MICROSECOND_NS, MILLISECOND_NS, SECOND_NS};
pub use topology::{
    LinkPlan, MESH_NODES_MAX, NODES_DRAWN_MAX, NODES_MAX, NODES_MIN, NodeId, Shape, Strangeness, Stranger,
    Topology,
};
pub use trace::MILESTONE_EVENTS;
pub use world::{ClientWrite, INDEXED, Nodes, Rule, Ruling, Settled, SettledSpace, World};
