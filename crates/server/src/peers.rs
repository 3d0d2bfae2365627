//! Connections to peers: dialling, accepting, and carrying frames between a connection and the event loop.

mod acceptor;
mod dialer;
mod link;
mod pace;
mod presence;
mod timetable;

pub(crate) use acceptor::Acceptor;
pub(crate) use dialer::Dialer;
pub(crate) use link::Carrier;
pub(crate) use timetable::Timetable;
