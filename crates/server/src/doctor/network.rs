//! The way to the peers that this replica dials.

use super::{Finding, Patient};
use crate::config::PeerAddress;
use crate::peers::{Reach, WAITS, reach, unbound};
use std::net::SocketAddr;
use tokio::net::lookup_host;
use transport::{ConnectError, Endpoint, Identity};

/// Peers that are tried, one after the other: each that does not answer takes up to eleven seconds.
const PEERS_MAX: usize = 8;

pub(super) async fn peers(patient: &Patient<'_>, tell: &mut impl FnMut(Finding)) {
    let Some(effective) = &patient.effective else { return };
    let peers = &effective.config.peers;
    let dialled = || peers.iter().filter_map(|(name, peer)| Some((name, peer.address.as_ref()?)));
    for (name, address) in dialled().take(PEERS_MAX) {
        tell(peer(patient, name, address).await);
    }
    let more = dialled().count().saturating_sub(PEERS_MAX);
    if more > 0 {
        tell(Finding::ok("peers", format!("{more} more were not tried: `isle status` has them")));
    }
    if let (Some(_), None) = (effective.config.listen, dialled().next()) {
        tell(Finding::ok("peers", "none is dialled from here: they dial in"));
    }
}

async fn peer(patient: &Patient<'_>, name: &str, address: &PeerAddress) -> Finding {
    let check = format!("peer {name}");
    let known = patient.status.as_ref().and_then(|status| status.peers.iter().find(|peer| peer.peer == name));
    if known.is_some_and(|peer| peer.connected) {
        return Finding::ok(&check, format!("connected to {address}"));
    }
    let trouble = known.and_then(|peer| peer.trouble.as_deref());
    if let Some(waits) = trouble.filter(|trouble| trouble.starts_with(WAITS)) {
        return Finding::ok(&check, format!("{address}: {waits}"));
    }
    let found = match lookup_host(address.as_str()).await {
        Ok(mut found) => found.next(),
        Err(error) => {
            return Finding::fail(&check, format!("cannot look up {address}: {error}")).with_hint(
                "correct the name, see to DNS (/etc/resolv.conf), or write the address as a number",
            );
        }
    };
    let Some(socket) = found else { return Finding::fail(&check, format!("{address} has no address")) };
    let reached = reach(socket).await;
    if !matches!(reached, Reach::Answers { .. }) {
        return Finding::fail(&check, reached.to_string());
    }
    // A running server has tried the rest, and a second connection would replace its own.
    if let Some(known) = known {
        return match &known.trouble {
            Some(trouble) => Finding::fail(&check, trouble.clone()),
            None => Finding::warn(
                &check,
                format!("QUIC answers at {socket}, and the server is not connected yet"),
            )
            .with_hint("look again in some seconds"),
        };
    }
    match &patient.identity {
        None => Finding::warn(
            &check,
            format!("QUIC answers at {socket}; without an identity no more can be tried"),
        ),
        Some(_) if patient.is_running => Finding::ok(&check, format!("QUIC answers at {socket}")),
        Some(identity) => match shake_hands(identity, socket, name).await {
            Ok(()) => {
                Finding::ok(&check, format!("{socket} is {name}, and takes this replica's certificate"))
            }
            Err(error) => Finding::fail(&check, error),
        },
    }
}

/// Both ends show their certificates; then the connection is closed.
async fn shake_hands(identity: &Identity, address: SocketAddr, name: &str) -> Result<(), String> {
    let endpoint = Endpoint::bind(unbound(address.is_ipv6()), identity).map_err(|error| error.to_string())?;
    let connected = endpoint.connect(address, name).await;
    endpoint.close("only a check");
    endpoint.wait_idle().await;
    connected.map(drop).map_err(|error: ConnectError| error.to_string())
}
