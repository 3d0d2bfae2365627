//! Scenario files: a schedule in TOML, with names and units for people. See `schemas/scenario.md`.

mod rule;

use super::{Change, Discarded, EVENTS_MAX, Event, Header, Schedule, Scheduled};
use crate::network::{Direction, LinkNumber};
use crate::topology::{NODES_MAX, NODES_MIN, NodeId, Shape, Strangeness, Stranger, Topology};
use serde::Deserialize;

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The text is no TOML, or a field is not there, or none of its.
    #[error("the scenario cannot be read: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A time that is none.
    #[error("'{found}' is no time: write a number and a unit, as in \"61.2s\", \"44ms\" or \"2h\"")]
    Time {
        /// What was found.
        found: Box<str>,
    },
    /// A node that is not there.
    #[error(
        "there is no node '{found}': the nodes are hub, site-1, site-2 and so on, as many as `nodes` says"
    )]
    Node {
        /// What was found.
        found: Box<str>,
    },
    /// Two nodes without a link.
    #[error("there is no link between '{from}' and '{to}': `sim run FILE --print` shows what is linked")]
    Link {
        /// One end.
        from: Box<str>,
        /// The other.
        to: Box<str>,
    },
    /// A field that this kind needs.
    #[error("'{kind}' at {at} needs the field '{field}'")]
    Missing {
        /// Of fault or operation.
        kind: Box<str>,
        /// When.
        at: Box<str>,
        /// Which field.
        field: &'static str,
    },
    /// Rules without an authority, or an authority where it cannot be.
    #[error("rules need `authority = true`, which a star or a chain without a stranger may have")]
    Authority,
    /// Too few or too many nodes, or events.
    #[error("a scenario has {NODES_MIN} to {NODES_MAX} nodes and at most {EVENTS_MAX} events")]
    Size,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    seed: u64,
    shape: Shape,
    nodes: usize,
    stranger: Option<Named>,
    #[serde(default)]
    authority: bool,
    #[serde(default)]
    rule: Vec<rule::Rule>,
    #[serde(default)]
    fault: Vec<Fault>,
    #[serde(default)]
    op: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    node: String,
    kind: Strangeness,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FaultKind {
    Cut,
    Flap,
    Crash,
    Pause,
    Full,
    Eio,
    Slow,
    Rot,
    Wipe,
    Image,
    Restore,
    Clock,
    Core,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    at: String,
    kind: FaultKind,
    node: Option<String>,
    #[serde(default)]
    nodes: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    oneway: bool,
    #[serde(rename = "for")]
    lasts: Option<String>,
    times: Option<u64>,
    #[serde(default)]
    keep_percent: u64,
    #[serde(default)]
    at_once: bool,
    #[serde(default)]
    keeps_incarnation: bool,
    #[serde(default)]
    row: u64,
    wrong: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Doing {
    Sell,
    Stock,
    Price,
    Note,
    Grant,
    Promise,
    Report,
    Delete,
    Look,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    at: String,
    node: String,
    #[serde(rename = "do")]
    doing: Doing,
    space: Option<String>,
    key: Option<String>,
    #[serde(default = "one")]
    quantity: u64,
    #[serde(default = "one")]
    times: u64,
    every: Option<String>,
    #[serde(default)]
    retried: bool,
}

const fn one() -> u64 {
    1
}

pub(super) fn read(text: &str) -> Result<Schedule, ScenarioError> {
    let scenario: Scenario = toml::from_str(text)?;
    if !(NODES_MIN..=NODES_MAX).contains(&scenario.nodes) {
        return Err(ScenarioError::Size);
    }
    let topology = Topology::new(scenario.seed, scenario.shape, scenario.nodes);
    let stranger = scenario.stranger.map(|named| {
        Ok::<_, ScenarioError>(Stranger { node: node(&topology, &named.node)?, kind: named.kind })
    });
    let header = Header {
        seed: scenario.seed,
        shape: scenario.shape,
        nodes: topology.nodes.len(),
        stranger: stranger.transpose()?,
        authority: scenario.authority,
    };
    let may_rule = !header.shape.is_dense() && header.stranger.is_none();
    if (header.authority && !may_rule) || (!header.authority && !scenario.rule.is_empty()) {
        return Err(ScenarioError::Authority);
    }
    let mut events = scenario.rule.iter().map(|rule| rule.event(&topology)).collect::<Result<Vec<_>, _>>()?;
    for fault in &scenario.fault {
        add_fault(&topology, fault, &mut events)?;
    }
    let mut id = 0;
    for operation in &scenario.op {
        add_operation(&topology, operation, &mut id, &mut events)?;
    }
    if events.len() > EVENTS_MAX {
        return Err(ScenarioError::Size);
    }
    events.sort_by_key(|scheduled| scheduled.at_us);
    Ok(Schedule { header, events })
}

/// Microseconds of a number with a unit.
fn time(text: &str) -> Result<u64, ScenarioError> {
    let wrong = || ScenarioError::Time { found: text.into() };
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_us: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "min" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        "y" => 365 * 86_400_000_000,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.trim().split_once('.').unwrap_or((number.trim(), "0"));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let digits = u32::try_from(part.len()).ok().filter(|digits| *digits <= 6).ok_or_else(wrong)?;
    let part: u64 = part.parse().map_err(|_| wrong())?;
    let part_us = part.checked_mul(unit_us).ok_or_else(wrong)? / 10_u64.pow(digits);
    whole.checked_mul(unit_us).and_then(|us| us.checked_add(part_us)).ok_or_else(wrong)
}

fn node(topology: &Topology, name: &str) -> Result<NodeId, ScenarioError> {
    let mut nodes = (0..topology.nodes.len()).map(NodeId);
    nodes.find(|node| Topology::name(*node) == name).ok_or_else(|| ScenarioError::Node { found: name.into() })
}

/// The link between two nodes, and which way goes from the first to the second.
fn link(topology: &Topology, from: &str, to: &str) -> Result<(LinkNumber, Direction), ScenarioError> {
    let (one, other) = (node(topology, from)?, node(topology, to)?);
    let joins = |way: (NodeId, NodeId)| {
        topology.links.iter().position(|link| (link.dialer, link.acceptor) == way).map(LinkNumber)
    };
    let up = joins((one, other)).map(|link| (link, Direction::Up));
    let found = up.or_else(|| joins((other, one)).map(|link| (link, Direction::Down)));
    found.ok_or_else(|| ScenarioError::Link { from: from.into(), to: to.into() })
}

impl Fault {
    fn needs<'a, T: ?Sized>(
        &self,
        field: &'static str,
        value: Option<&'a T>,
    ) -> Result<&'a T, ScenarioError> {
        let kind = match self.kind {
            FaultKind::Cut => "cut",
            FaultKind::Flap => "flap",
            FaultKind::Crash => "crash",
            FaultKind::Pause => "pause",
            FaultKind::Full => "full",
            FaultKind::Eio => "eio",
            FaultKind::Slow => "slow",
            FaultKind::Rot => "rot",
            FaultKind::Wipe => "wipe",
            FaultKind::Image => "image",
            FaultKind::Restore => "restore",
            FaultKind::Clock => "clock",
            FaultKind::Core => "core",
        };
        value.ok_or_else(|| ScenarioError::Missing { kind: kind.into(), at: self.at.as_str().into(), field })
    }

    fn lasts_us(&self) -> Result<u64, ScenarioError> {
        time(self.needs("for", self.lasts.as_deref())?)
    }

    fn link(&self, topology: &Topology) -> Result<(LinkNumber, Direction), ScenarioError> {
        let ends = (self.needs("from", self.from.as_deref())?, self.needs("to", self.to.as_deref())?);
        let (link, way) = link(topology, ends.0, ends.1)?;
        Ok((link, if self.oneway { way } else { Direction::Both }))
    }
}

fn add_fault(topology: &Topology, fault: &Fault, events: &mut Vec<Scheduled>) -> Result<(), ScenarioError> {
    let at_us = time(&fault.at)?;
    let on = || node(topology, fault.needs("node", fault.node.as_deref())?);
    let event = match fault.kind {
        FaultKind::Cut => {
            let (link, direction) = fault.link(topology)?;
            Event::Cut { link, direction, for_us: fault.lasts_us()? }
        }
        FaultKind::Flap => {
            let ((link, direction), period_us) = (fault.link(topology)?, fault.lasts_us()?);
            let cut = Event::Cut { link, direction, for_us: period_us / 2 };
            for number in 0..(*fault.needs("times", fault.times.as_ref())?).min(EVENTS_MAX as u64) {
                events.push(Scheduled { at_us: at_us + number * period_us, event: cut.clone() });
            }
            return Ok(());
        }
        FaultKind::Crash => {
            Event::Crash { node: on()?, keep_percent: fault.keep_percent, down_us: fault.lasts_us()? }
        }
        FaultKind::Pause => Event::Pause { node: on()?, for_us: fault.lasts_us()? },
        FaultKind::Full => Event::Full { node: on()?, at_once: fault.at_once, for_us: fault.lasts_us()? },
        FaultKind::Eio => Event::Eio { node: on()? },
        FaultKind::Slow => {
            let times = *fault.needs("times", fault.times.as_ref())?;
            Event::Slow { node: on()?, times, for_us: fault.lasts_us()? }
        }
        FaultKind::Rot => Event::Rot { node: on()?, row: fault.row, found_us: fault.lasts_us()? },
        FaultKind::Wipe => Event::Wipe { node: on()?, down_us: fault.lasts_us()? },
        FaultKind::Image => Event::Image { node: on()? },
        FaultKind::Restore => Event::Restore {
            node: on()?,
            keeps_incarnation: fault.keeps_incarnation,
            down_us: fault.lasts_us()?,
        },
        FaultKind::Clock => {
            let wrong = fault.needs("wrong", fault.wrong.as_deref())?;
            let (sign, length) = wrong.strip_prefix('-').map_or((1, wrong), |length| (-1, length));
            let wrong_ms = i64::try_from(time(length)? / 1_000).unwrap_or(i64::MAX) * sign;
            Event::Clock { node: on()?, wrong_ms }
        }
        FaultKind::Core => {
            let nodes = fault.nodes.iter().map(|name| node(topology, name)).collect::<Result<_, _>>()?;
            Event::Core { nodes }
        }
    };
    events.push(Scheduled { at_us, event });
    Ok(())
}

fn add_operation(
    topology: &Topology,
    operation: &Operation,
    id: &mut u64,
    events: &mut Vec<Scheduled>,
) -> Result<(), ScenarioError> {
    let (at_us, node) = (time(&operation.at)?, node(topology, &operation.node)?);
    let every_us = operation.every.as_deref().map_or(Ok(0), time)?;
    let own = match topology.shape {
        Shape::Mesh | Shape::Cluster => "shared".to_owned(),
        Shape::Star | Shape::Chain if node.0 == 0 => "catalog".to_owned(),
        Shape::Star | Shape::Chain => format!("store-{}", node.0),
    };
    let (space, key) =
        (operation.space.clone().unwrap_or(own), operation.key.clone().unwrap_or_else(|| "milk".into()));
    let units = i64::try_from(operation.quantity).unwrap_or(i64::MAX);
    let change = match operation.doing {
        Doing::Sell => Change::Count(-units),
        Doing::Stock => Change::Stock(units),
        Doing::Price => Change::Price,
        Doing::Note => Change::Note(usize::try_from(operation.quantity).unwrap_or(0)),
        Doing::Grant => Change::Grant(operation.quantity),
        Doing::Promise => Change::Spend(operation.quantity),
        Doing::Report => Change::Report,
        Doing::Delete => Change::Discard(Discarded::Goods),
        Doing::Look => {
            events.push(Scheduled { at_us, event: Event::Look { node, space } });
            return Ok(());
        }
    };
    for number in 0..operation.times.min(EVENTS_MAX as u64) {
        let retried = operation.retried;
        let event = Event::Write { id: *id, node, space: space.clone(), key: key.clone(), change, retried };
        events.push(Scheduled { at_us: at_us + number * every_us, event });
        *id += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "seed = 1\nshape = \"star\"\nnodes = 3\n";

    fn refused(rest: &str) -> String {
        read(&format!("{HEAD}{rest}")).unwrap_err().to_string()
    }

    #[test]
    fn times_have_units() {
        let us = |text| time(text).unwrap();
        assert_eq!(
            (us("61.2s"), us("44ms"), us("2h"), us("0.5min")),
            (61_200_000, 44_000, 7_200_000_000, 30_000_000)
        );
        for wrong in ["61", "s", "1.2.3s", "-1s", "1 week", "1.1234567s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(
            refused("[[fault]]\nat = \"1s\"\nkind = \"cut\"\nfrom = \"hub\"\nto = \"site-1\"")
                .contains("needs the field 'for'")
        );
        assert!(
            refused("[[fault]]\nat = \"1s\"\nkind = \"eio\"\nnode = \"site-9\"").contains("no node 'site-9'")
        );
        assert!(
            refused(
                "[[fault]]\nat = \"1s\"\nkind = \"cut\"\nfrom = \"site-1\"\nto = \"site-2\"\nfor = \"1s\""
            )
            .contains("no link")
        );
        assert!(refused("[[fault]]\nat = \"1s\"\nkind = \"flood\"").contains("cannot be read"));
        let revoke = "[[rule]]\nat = \"1s\"\nkind = \"revoke\"\n";
        assert!(refused(&format!("{revoke}node = \"site-1\"")).contains("need `authority = true`"));
        assert!(refused(&format!("authority = true\n{revoke}")).contains("needs the field 'node'"));
        assert!(refused("colour = 1").contains("cannot be read"));
    }

    #[test]
    fn a_direction_is_seen_from_who_sends() {
        let fault = |from, to| {
            format!(
                "{HEAD}[[fault]]\nat = \"1s\"\nkind = \"cut\"\noneway = true\nfor = \"1s\"\nfrom = \"{from}\"\nto = \"{to}\"\n"
            )
        };
        let direction = |text: String| {
            let schedule = read(&text).unwrap();
            let Event::Cut { direction, .. } = schedule.events[0].event else { panic!("no cut") };
            direction
        };
        assert_eq!(direction(fault("site-1", "hub")), Direction::Up);
        assert_eq!(direction(fault("hub", "site-1")), Direction::Down);
    }
}
