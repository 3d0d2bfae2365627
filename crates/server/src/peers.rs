//! Connections to peers: dialling, accepting, and carrying frames between a connection and the event loop.

mod acceptor;
mod dialer;
mod link;
mod pace;
mod presence;
mod reach;
mod timetable;
mod tried;

pub(crate) use acceptor::Acceptor;
pub(crate) use dialer::Dialer;
pub(crate) use link::Carrier;
pub(crate) use presence::Presence;
pub(crate) use reach::{Reach, reach};
pub(crate) use timetable::{Timetable, WAITS};
pub(crate) use tried::Tried;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Any port of any address of this machine, of one family.
pub(crate) fn unbound(is_ipv6: bool) -> SocketAddr {
    if is_ipv6 { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() }
}
