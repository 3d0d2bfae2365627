//! Two network namespaces with a narrow line between them: a hub's and a site's machine.

use crate::disk::run;
use std::process::{Command, id};

/// The hub's address.
pub const HUB: &str = "10.77.0.1";
/// The site's addresses: it has one at a time.
pub const SITES: [&str; 2] = ["10.77.0.2", "10.77.0.3"];
/// What the line carries, each way, and how long it keeps what does not fit.
const LINE: [&str; 7] = ["tbf", "rate", "1mbit", "burst", "4kb", "latency", "400ms"];

/// The namespaces; they are gone when it is dropped.
pub struct Namespaces {
    /// The hub's.
    pub hub: String,
    /// The site's.
    pub site: String,
}

impl Namespaces {
    /// Makes them. None, with the reason told, where that is not allowed.
    pub fn new(test: &str) -> Option<Self> {
        let made = Self { hub: format!("isle-h{}", id()), site: format!("isle-s{}", id()) };
        let ends = [(&made.hub, "isle-hub", HUB), (&made.site, "isle-site", SITES[0])];
        for (namespace, ..) in ends {
            run(Command::new("ip").args(["netns", "add", namespace]), test).then_some(())?;
        }
        let pair = ["type", "veth", "peer", "name", "isle-site", "netns", &made.site];
        let mut link = Command::new("ip");
        link.args(["-n", &made.hub, "link", "add", "isle-hub"]).args(pair);
        run(&mut link, test).then_some(())?;
        for (namespace, device, address) in ends {
            ip(namespace, &["addr", "add", &format!("{address}/24"), "dev", device]);
            ip(namespace, &["link", "set", device, "up"]);
            let mut line = Command::new("tc");
            line.args(["-n", namespace, "qdisc", "add", "dev", device, "root"]).args(LINE);
            run(&mut line, test).then_some(())?;
        }
        Some(made)
    }

    /// Has the kernel lose so many of a hundred datagrams, each way. False, with the reason told, where nothing can lose them.
    pub fn lose(&self, of_100: u32, test: &str) -> bool {
        let chain = |hook: &str| {
            format!(
                "chain {hook} {{ type filter hook {hook} priority 0; meta l4proto udp numgen random mod 100 < {of_100} drop; }}"
            )
        };
        let table = format!("table inet isle {{\n{}\n{}\n}}", chain("input"), chain("output"));
        run(Command::new("ip").args(["netns", "exec", &self.site, "nft", &table]), test)
    }

    /// Takes the site's end of the line down, or up again.
    pub fn set_line(&self, is_up: bool) {
        ip(&self.site, &["link", "set", "isle-site", if is_up { "up" } else { "down" }]);
    }

    /// Loses all that the hub sends, and nothing that the site sends: the hub has a wrong hardware address for it.
    pub fn cut_to_site(&self) {
        let nobody = ["lladdr", "02:00:00:00:00:01", "dev", "isle-hub", "nud", "permanent"];
        ip(&self.hub, &[&["neigh", "replace", SITES[0]][..], &nobody].concat());
    }

    /// Mends it.
    pub fn mend_to_site(&self) {
        ip(&self.hub, &["neigh", "del", SITES[0], "dev", "isle-hub"]);
    }

    /// Gives the site its other address.
    pub fn move_site(&self) {
        let [old, new] = SITES.map(|address| format!("{address}/24"));
        ip(&self.site, &["addr", "add", &new, "dev", "isle-site"]);
        ip(&self.site, &["addr", "del", &old, "dev", "isle-site"]);
        // The second of a network goes with the first unless it is promoted.
        let _ = Command::new("ip").args(["-n", &self.site, "addr", "add", &new, "dev", "isle-site"]).output();
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in [&self.hub, &self.site] {
            // One that was not made cannot be removed.
            let _ = Command::new("ip").args(["netns", "del", namespace]).output();
        }
    }
}

fn ip(namespace: &str, arguments: &[&str]) {
    let output = Command::new("ip").args(["-n", namespace]).args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
