//! How a replica is attached to its peers: what dials, accepts, enrols and renews.

use super::{ServeError, renewed_by};
use crate::config::{Config, PeerAddress};
use crate::data_directory::DataDirectory;
use crate::enrolment::{
    Admissions, DenyList, Denying, Hub, LOOK_INTERVAL, Refusals, Registrar, Reloader, Renewer, admissions,
};
use crate::event_loop::{Arrivals, Stop};
use crate::http::HttpError;
use crate::local::{Attached, Context, LocalSocket};
use crate::peers::{Acceptor, Carrier, Dialer, Timetable, Tried, unbound};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use transport::{BindError, Endpoint, Identity, ServiceAcceptor, Socket};

/// The addresses of a replica: nobody else has them, and nothing goes through them yet.
pub(super) struct Addresses {
    peers: Socket,
    /// Not listened on: who calls is refused by the system. What listens later shares the address with it.
    services: Option<TcpSocket>,
}

/// The socket to peers, open; nobody is taken yet.
pub(super) struct Network(Endpoint);

impl Addresses {
    /// To be called before anything is written: an address that another program has is the commonest reason not to start.
    /// `services` is where services call, if they do.
    pub(super) fn take(
        directory: &DataDirectory,
        config: &Config,
        services: Option<SocketAddr>,
    ) -> Result<Self, ServeError> {
        LocalSocket::check_path(&directory.socket())?;
        let peers = config.listen.map_or_else(|| any_port(config), Socket::bind)?;
        Ok(Self { peers, services: services.map(reserved).transpose()? })
    }

    /// Opens the socket to peers. What is returned beside it is kept until somebody listens for services.
    pub(super) fn open(self, identity: &Identity) -> Result<(Network, Option<TcpSocket>), ServeError> {
        Ok((Network(Endpoint::on(self.peers, identity)?), self.services))
    }
}

/// Keeps an address, and does not listen on it.
fn reserved(address: SocketAddr) -> Result<TcpSocket, HttpError> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    });
    bound.map_err(|source| HttpError::Address { address, source })
}

impl Network {
    /// What takes services over TLS, with the certificate that peers are shown.
    pub(super) fn services(&self) -> ServiceAcceptor {
        self.0.services()
    }

    /// Connects a replica with its peers, as its configuration says. The tasks end when it is to stop.
    pub(super) fn attach(
        self,
        (directory, config, (hub, denied)): (&DataDirectory, &Config, (Option<Hub>, Refusals)),
        (arrivals, stop): (&Arrivals, &Stop),
        tasks: &mut JoinSet<()>,
    ) -> (Endpoint, Arc<Context>) {
        let Self(endpoint) = self;
        let renewed_by = renewed_by(config, hub.as_ref().is_some_and(Hub::certifies));
        let admissions = match hub {
            Some(hub) => admit(hub, directory, &endpoint, (arrivals, stop), tasks),
            None => deny(directory, denied, stop, tasks),
        };
        let reached = (endpoint.clone(), admissions.clone());
        let carrier = Carrier::new(arrivals.clone(), reached, &config.peers);
        let context = Context {
            attached: Attached::Network(endpoint.clone()),
            renewed_by: renewed_by.map(str::to_owned),
            admissions: admissions.clone(),
            presence: carrier.presence(),
        };
        let acceptor = Acceptor {
            endpoint: endpoint.clone(),
            carrier: carrier.clone(),
            admissions,
            takes_peers: config.listen.is_some(),
            stop: stop.clone(),
        };
        tasks.spawn(acceptor.run());
        for dialer in dialers(config, &endpoint, (arrivals, &carrier, stop)) {
            tasks.spawn(dialer.run());
        }
        let renewing = renewed_by.and_then(|hub| Some((hub, config.peers.get(hub)?.address.clone()?)));
        if let Some((hub, address)) = renewing {
            let (endpoint, identity) = (endpoint.clone(), directory.identity());
            let renewer = Renewer {
                endpoint,
                identity,
                hub: hub.to_owned(),
                address,
                tried: Tried::default(),
                stop: stop.clone(),
            };
            tasks.spawn(renewer.run());
        } else if context.renewed_by.is_none() {
            let (endpoint, identity) = (endpoint.clone(), directory.identity());
            let reloader = Reloader { endpoint, identity, interval: LOOK_INTERVAL, stop: stop.clone() };
            tasks.spawn(reloader.run());
        }
        (endpoint, Arc::new(context))
    }
}

/// Refuses those on the list, where no hub has a book of them.
fn deny(directory: &DataDirectory, denied: Refusals, stop: &Stop, tasks: &mut JoinSet<()>) -> Admissions {
    let (admissions, revoked) = Admissions::denying(Arc::new(denied));
    tasks.spawn(Denying { list: DenyList::of(directory), revoked, stop: stop.clone() }.run());
    admissions
}

/// Starts to let sites in, as the hub's book says.
fn admit(
    hub: Hub,
    directory: &DataDirectory,
    endpoint: &Endpoint,
    (arrivals, stop): (&Arrivals, &Stop),
    tasks: &mut JoinSet<()>,
) -> Admissions {
    if hub.certifies() {
        endpoint.enrol(hub.grace);
    }
    let (admissions, queues, revoked) = admissions(Arc::new(Refusals::of_keys(hub.book().revoked())));
    let (endpoint, arrivals, stop) = (endpoint.clone(), arrivals.clone(), stop.clone());
    let identity = directory.identity();
    tasks.spawn(Registrar { hub, identity, endpoint, arrivals, queues, revoked, stop }.run());
    admissions
}

/// One for each peer whose address is known.
fn dialers(
    config: &Config,
    endpoint: &Endpoint,
    (arrivals, carrier, stop): (&Arrivals, &Carrier, &Stop),
) -> impl Iterator<Item = Dialer> {
    let known = config.peers.iter().filter_map(|(peer, of)| Some((peer, of, of.address.as_ref()?)));
    known.map(move |(peer, of, address)| Dialer {
        endpoint: endpoint.clone(),
        peer: peer.clone(),
        address: address.clone(),
        carrier: carrier.clone(),
        timetable: Timetable::new(of.schedule.clone(), arrivals.clone()),
        tried: Tried::default(),
        stop: stop.clone(),
    })
}

/// Any port, from which addresses of both families are dialled: a name may have either, and another one next year. Where the
/// system cannot, of the family in which peers are written.
fn any_port(config: &Config) -> Result<Socket, BindError> {
    Socket::bind_both().or_else(|_| {
        let mut addresses = config.peers.values().filter_map(|peer| peer.address.as_ref());
        Socket::bind(unbound(addresses.any(|address: &PeerAddress| address.as_str().starts_with('['))))
    })
}
