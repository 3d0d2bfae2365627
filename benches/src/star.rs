//! A hub and many sites on simulated disks, joined by hand.

use crate::cpu::thread_time;
use crate::pair::{Node, settings};
use document::{Address, Space};
use replica::{Access, Input, LinkId, PeerSettings, Settings, SpaceMode};
use sim::Disk;
use std::time::Duration;

/// Bytes of frames that were carried, and how often frames were on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From the hub to all sites.
    pub from_hub: usize,
    /// From all sites to the hub.
    pub from_sites: usize,
    /// Times that frames went, in one direction or both at once: half round trips.
    pub half_trips: usize,
}

/// A hub, and sites that relay nothing.
pub struct Star {
    /// Shares with each site what that one carries.
    pub hub: Node,
    /// Sites.
    pub sites: Vec<Node>,
    /// The hub's connection to the first site; the others follow.
    first_link: u64,
}

/// An inventory document of a space.
#[must_use]
pub fn inventory(space: &str, number: usize) -> Address {
    format!("{space}/inventory/{number:07}").parse().expect("an address")
}

fn space(name: &str) -> Space {
    Space::new(name).expect("a space")
}

fn site_name(site: usize) -> String {
    format!("site-{site}")
}

/// Settings of the replica with this number; the hub has 0. Few documents stay open.
fn settings_of(number: usize, spaces: &[String]) -> Settings {
    let mut settings = settings(&site_name(number), 0, "hub");
    let number = u64::try_from(number).expect("64 bits");
    settings.key.public_key[..8].copy_from_slice(&number.to_be_bytes());
    settings.key.incarnation[..8].copy_from_slice(&number.to_be_bytes());
    settings.epoch = number + 1;
    settings.spaces = spaces.iter().map(|name| (space(name), SpaceMode::Write)).collect();
    settings.peers = [("hub".to_owned(), shared(spaces, true))].into();
    settings.open_documents_bytes_max = 0;
    settings
}

fn shared(spaces: &[String], relay: bool) -> PeerSettings {
    let access = Access { read: true, write: true };
    PeerSettings {
        spaces: spaces.iter().map(|name| (space(name), access)).collect(),
        relay,
        snapshots: true,
        hub: relay,
    }
}

impl Star {
    /// A hub and so many sites; `spaces` says which ones a site carries. Open documents may take `open_bytes`.
    #[must_use]
    pub fn new(sites: usize, open_bytes: u64, spaces: impl Fn(usize) -> Vec<String>) -> Self {
        let with = |settings| Settings { open_documents_bytes_max: open_bytes, ..settings };
        let mut hub = settings_of(0, &[]);
        (hub.name, hub.is_hub) = ("hub".to_owned(), true);
        hub.peers.clear();
        let mut nodes = Vec::new();
        for site in 1..=sites {
            let spaces = spaces(site);
            hub.spaces.extend(spaces.iter().map(|name| (space(name), SpaceMode::Write)));
            hub.peers.insert(site_name(site), shared(&spaces, false));
            nodes.push(Node::on(Disk::default(), with(settings_of(site, &spaces))));
        }
        Self { hub: Node::on(Disk::default(), with(hub)), sites: nodes, first_link: 0 }
    }

    /// Ends all connections and processes.
    pub fn cut(&mut self) {
        self.hub.restart();
        self.sites.iter_mut().for_each(Node::restart);
    }

    /// Ends all connections; the processes go on.
    pub fn disconnect(&mut self) {
        for (index, site) in self.sites.iter_mut().enumerate() {
            let link = LinkId(self.first_link + index as u64);
            self.hub.input(Input::PeerDown { link });
            site.input(Input::PeerDown { link });
        }
    }

    /// Connects every site, and carries frames until all are silent.
    pub fn connect(&mut self) -> Carried {
        self.introduce();
        self.carry()
    }

    /// Connects every site; nothing is carried yet.
    pub fn introduce(&mut self) {
        self.first_link += self.sites.len() as u64;
        for (index, site) in self.sites.iter_mut().enumerate() {
            let link = LinkId(self.first_link + index as u64);
            let (hub_key, site_key) = (self.hub.settings.key.public_key, site.settings.key.public_key);
            let peer = site.settings.name.clone();
            self.hub.input(Input::PeerUp { link, peer, public_key: site_key });
            site.input(Input::PeerUp { link, peer: "hub".into(), public_key: hub_key });
        }
    }

    /// Carries frames until all are silent.
    pub fn carry(&mut self) -> Carried {
        let mut carried = Carried::default();
        while self.carry_once(&mut carried) {}
        carried
    }

    /// Carries what is on its way, in both directions; false when that is nothing.
    pub fn carry_once(&mut self, carried: &mut Carried) -> bool {
        self.hub.settle();
        self.sites.iter_mut().for_each(Node::settle);
        let to_sites = std::mem::take(&mut self.hub.frames);
        let from_sites = self.take_from_sites();
        if to_sites.is_empty() && from_sites.is_empty() {
            return false;
        }
        carried.half_trips += 1;
        for (link, frame) in to_sites {
            carried.from_hub += frame.len();
            self.give_to_site(link, frame);
        }
        for (link, frame) in from_sites {
            carried.from_sites += frame.len();
            self.hub.input(Input::Frame { link, bytes: frame });
        }
        true
    }

    /// Carries frames until all are silent, one turn of the hub at a time. Returns the hub's processor time.
    pub fn forward(&mut self) -> Duration {
        let mut spent = Duration::ZERO;
        loop {
            self.sites.iter_mut().for_each(Node::settle);
            let frames = self.take_from_sites();
            let before = thread_time();
            for (link, bytes) in frames {
                self.hub.input(Input::Frame { link, bytes });
            }
            self.hub.turn();
            spent += thread_time() - before;
            if self.give_to_sites() == 0 {
                return spent;
            }
        }
    }

    /// Carries what the sites have to send, and nothing back, until the hub has all of it applied. Returns its
    /// processor time.
    pub fn apply(&mut self) -> Duration {
        let frames = self.take_from_sites();
        let before = thread_time();
        for (link, bytes) in frames {
            self.hub.input(Input::Frame { link, bytes });
        }
        self.hub.settle();
        thread_time() - before
    }

    /// Gives sites what the hub has to send, and returns how many frames that were.
    pub fn give_to_sites(&mut self) -> usize {
        let frames = std::mem::take(&mut self.hub.frames);
        let count = frames.len();
        frames.into_iter().for_each(|(link, frame)| self.give_to_site(link, frame));
        count
    }

    fn give_to_site(&mut self, link: LinkId, bytes: Vec<u8>) {
        let index = usize::try_from(link.0 - self.first_link).expect("few sites");
        self.sites[index].input(Input::Frame { link, bytes });
    }

    fn take_from_sites(&mut self) -> Vec<(LinkId, Vec<u8>)> {
        self.sites.iter_mut().flat_map(|site| std::mem::take(&mut site.frames)).collect()
    }
}
