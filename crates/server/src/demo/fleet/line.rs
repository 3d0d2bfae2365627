//! A shop's own network: a namespace with a narrow line to the hub's machine that loses datagrams, made by the kernel.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use std::time::Duration;

/// What the line carries each way, and how much of it waits.
const RATE: [&str; 7] = ["tbf", "rate", "1mbit", "burst", "4kb", "latency", "400ms"];
/// Datagrams of a hundred that are lost each way, where nft is there to lose them.
const LOST_OF_100: u8 = 3;
/// How long a datagram is under way on it, each way. Not by the kernel: many have no netem.
pub(super) const DELAY: Duration = Duration::from_millis(75);
/// Shops that have an address: the third number of it.
pub(super) const LINES_MAX: usize = 250;

/// A namespace and its line; gone when it is dropped, with what runs in it cut off.
#[derive(Debug)]
pub(in crate::demo) struct Line {
    namespace: String,
    hub: Ipv4Addr,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(in crate::demo) enum LineError {
    #[error("--netns needs the programs ip and tc (package iproute2): {0}")]
    NoProgram(io::Error),
    #[error("--netns needs root and a kernel with network namespaces: '{command}' says: {told}")]
    Refused { command: String, told: String },
    #[error("--netns has addresses for {LINES_MAX} shops")]
    TooManyShops,
}

impl Line {
    /// Makes the line of the shop with this number.
    pub(super) fn new(number: usize) -> Result<Self, LineError> {
        let third = u8::try_from(number).ok().filter(|_| number < LINES_MAX);
        let third = third.ok_or(LineError::TooManyShops)?;
        let process = std::process::id();
        let namespace = format!("isle-demo-{process}-{number}");
        let (near, far) = (format!("ih{process}x{number}"), format!("is{process}x{number}"));
        let hub = Ipv4Addr::new(10, 213, third, 1);
        let shop = Ipv4Addr::new(10, 213, third, 2);
        run("ip", &["netns", "add", &namespace])?;
        // From here on what was made is taken away again by `drop`.
        let line = Self { namespace, hub };
        let namespace = line.namespace.as_str();
        run("ip", &["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", namespace])?;
        run("ip", &["addr", "add", &format!("{hub}/24"), "dev", &near])?;
        run("ip", &["link", "set", &near, "up"])?;
        run("ip", &["-n", namespace, "addr", "add", &format!("{shop}/24"), "dev", &far])?;
        run("ip", &["-n", namespace, "link", "set", &far, "up"])?;
        run("tc", &[&["qdisc", "add", "dev", &near, "root"], RATE.as_slice()].concat())?;
        run("tc", &[&["-n", namespace, "qdisc", "add", "dev", &far, "root"], RATE.as_slice()].concat())?;
        Ok(line)
    }

    /// Has the kernel lose datagrams, both ways; whether it does.
    pub(super) fn lose(&self) -> bool {
        let drop = format!("numgen random mod 100 < {LOST_OF_100} drop");
        let chain = |hook: &str| {
            format!("chain {hook} {{ type filter hook {hook} priority 0; meta l4proto udp {drop}; }}")
        };
        let table = format!("table inet isle {{\n{}\n{}\n}}", chain("input"), chain("output"));
        let namespace = self.namespace.as_str();
        run("ip", &["netns", "exec", namespace, "nft", &table]).is_ok()
    }

    /// Its end at the hub's machine.
    pub(super) fn hub(&self) -> Ipv4Addr {
        self.hub
    }

    /// What starts a program in it; the program and its arguments follow.
    pub(super) fn enter(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.namespace]
    }

    /// What it is, for people.
    pub(super) fn told(loses: bool) -> String {
        match loses {
            true => format!("1 Mbit/s and {DELAY:?} each way, {LOST_OF_100} % of the datagrams lost"),
            false => format!("1 Mbit/s and {DELAY:?} each way (install nftables to lose datagrams as well)"),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The kernel takes the line away with the namespace.
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).output();
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), LineError> {
    let Output { status, stderr, .. } =
        Command::new(program).args(arguments).output().map_err(LineError::NoProgram)?;
    if status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&stderr).trim().to_owned();
    Err(LineError::Refused { command: format!("{program} {}", arguments.join(" ")), told })
}
