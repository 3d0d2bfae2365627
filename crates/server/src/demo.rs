//! `isle demo`: a hub and shops as processes of this machine, a week of real sales, cut links, killed processes —
//! and a check of every document at the end.
//!
//! The demo reaches its replicas as services do, over the local socket, and their links through a [`proxy`] between
//! them: no replica knows that it is in a demo. What happens is drawn from a seed before anything starts ([`plan`]);
//! when it happens depends on the machine, and the result must not.
//!
//! It is a demonstration and a test of the whole. It measures nothing that a benchmark should.

mod arguments;
mod board;
mod check;
mod data;
mod documents;
mod error;
mod fleet;
mod load;
mod plan;
mod proxy;
mod reading;
mod replay;
mod report;
mod run;
mod status;
mod till;
mod view;
mod week_clock;

pub(crate) use arguments::Arguments;
pub(crate) use run::run;
