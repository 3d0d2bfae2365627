//! The numbers, as a page of text.

use crate::event_loop::{Beside, Counts};
use crate::memory::resident_bytes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric, Registry, Unit};
use replica::{Room, SpaceStatus, Status};
use std::fmt;
use std::time::Duration;

/// The page. Without a status, because the store is not open, it says only that, and what the process is.
pub(super) fn page(status: Option<(&Status, &Beside)>, machine: Machine) -> Result<String, fmt::Error> {
    let shown = status.map(|(status, beside)| (status.clone(), beside.clone()));
    let collector = Shown { status: shown, resident_bytes: resident_bytes(), machine };
    let mut registry = Registry::with_prefix("isle");
    registry.register_collector(Box::new(collector));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

/// What the core does not know, and an alarm is to ring for before anything stops.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// The last moment of this replica's certificate, since 1970; none before it is shown to anybody.
    pub(super) certificate_end: Option<Duration>,
    /// What the system says of the disk of the store.
    pub(super) disk_free_bytes: Option<u64>,
    /// Peers that are not connected because their schedule says so.
    pub(super) waiting: Vec<String>,
}

#[derive(Debug)]
struct Shown {
    machine: Machine,
    /// How the replica is, and what the loop knows beside it.
    status: Option<(Status, Beside)>,
    resident_bytes: Option<u64>,
}

/// A number of one label's value.
type Labelled<'a> = (&'a str, i64);

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.measured(name, help, None, value)
    }

    fn measured(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: i64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, help, unit, gauge.metric_type())?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, counter.metric_type())?)
    }

    /// A number for each value of a label.
    fn each<'l, M: Metric>(
        &mut self,
        (name, help, unit): (&str, &str, Option<&Unit>),
        label: &str,
        values: impl Iterator<Item = (&'l str, M)>,
    ) -> fmt::Result {
        let mut values = values.peekable();
        let Some((_, first)) = values.peek() else { return Ok(()) };
        let mut family = self.0.encode_descriptor(name, help, unit, first.metric_type())?;
        for (value, metric) in values {
            metric.encode(family.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }

    fn gauges<'l>(
        &mut self,
        (name, help): (&str, &str),
        label: &str,
        values: impl Iterator<Item = Labelled<'l>>,
    ) -> fmt::Result {
        let values = values.map(|(value, number)| (value, ConstGauge::new(number)));
        self.each((name, help, None), label, values)
    }
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = Encoder(encoder);
        let version = std::iter::once((env!("CARGO_PKG_VERSION"), 1));
        encoder.gauges(("build", "The program"), "version", version)?;
        if let Some(bytes) = self.resident_bytes {
            encoder.measured(
                "resident_memory",
                "Memory of the process in RAM",
                Some(&Unit::Bytes),
                whole(bytes),
            )?;
        }
        let Machine { certificate_end, disk_free_bytes, waiting } = &self.machine;
        if let Some(end) = *certificate_end {
            let help = "When this replica's certificate ends, since 1970";
            encoder.measured("certificate_end", help, Some(&Unit::Seconds), whole(end.as_secs()))?;
        }
        if let Some(bytes) = *disk_free_bytes {
            let help = "Free room on the disk of the store";
            encoder.measured("disk_free", help, Some(&Unit::Bytes), whole(bytes))?;
        }
        encoder.gauge("store_open", "Whether requests are answered", i64::from(self.status.is_some()))?;
        let Some((status, beside)) = &self.status else { return Ok(()) };
        let failures = beside.failure.as_ref().map_or(0, |failure| i64::from(failure.times));
        encoder.gauge(
            "store_failures",
            "Failures of the store in a row, the last of which may be over",
            failures,
        )?;
        replica(&mut encoder, status)?;
        spaces(&mut encoder, &status.spaces)?;
        peers(&mut encoder, status, waiting)?;
        conduct(&mut encoder, beside)
    }
}

fn replica(encoder: &mut Encoder<'_>, status: &Status) -> fmt::Result {
    encoder.gauge("documents", "Documents that the replica has", whole(status.documents))?;
    encoder.gauge("documents_open", "Documents open in memory", whole(status.documents_open))?;
    encoder.gauge("journal_head", "Last position of the journal", whole(status.head))?;
    let rooms =
        [("ample", Room::Ample), ("low", Room::Low), ("nearly_full", Room::Shed), ("full", Room::ReadOnly)];
    let rooms = rooms.into_iter().map(|(name, room)| (name, i64::from(status.room == room)));
    encoder.gauges(
        ("disk_room", "The room on the disk: 1 for what it is; full refuses writes"),
        "state",
        rooms,
    )?;
    let broken = "Values that merges made break their schema, since the store was opened";
    encoder.counter("values_broken", broken, status.values_broken)?;
    idempotency(encoder, status.idempotency)?;
    let replica::Sessions { equal, cursor, vector, reconcile, fill } = status.sessions;
    let steps =
        [("equal", equal), ("cursor", cursor), ("vector", vector), ("reconcile", reconcile), ("fill", fill)];
    let steps = steps.into_iter().map(|(step, count)| (step, ConstCounter::new(count)));
    let help = "Sessions with peers by what they began with, since the store was opened";
    encoder.each(("sessions", help, None), "began_with", steps)?;
    let replica::FillSteps { symbols, listings, documents, snapshots } = status.fills;
    let steps =
        [("symbols", symbols), ("listing", listings), ("document", documents), ("snapshot", snapshots)];
    let steps = steps.into_iter().map(|(step, count)| (step, ConstCounter::new(count)));
    let help =
        "What filling the spaces of peers took, since the store was opened; a snapshot begins a document";
    encoder.each(("fill_steps", help, None), "step", steps)
}

fn idempotency(encoder: &mut Encoder<'_>, kept: replica::IdempotencyStatus) -> fmt::Result {
    let replica::IdempotencyStatus { keys, oldest_ms, gone_early } = kept;
    encoder.gauge("idempotency_keys", "Idempotency keys that are kept", whole(keys))?;
    if let Some(oldest_ms) = oldest_ms {
        let help = "Age of the idempotency key that goes next";
        encoder.measured("idempotency_oldest", help, Some(&Unit::Seconds), whole(oldest_ms / 1_000))?;
    }
    let help =
        "Idempotency keys that went before a day was over, for want of room, since the store was opened";
    encoder.counter("idempotency_keys_gone_early", help, gone_early)
}

fn spaces(encoder: &mut Encoder<'_>, spaces: &[SpaceStatus]) -> fmt::Result {
    let changes = spaces.iter().map(|space| (space.space.as_str(), whole(space.changes)));
    encoder.gauges(("space_changes", "Changes of a space that are here"), "space", changes)?;
    let filling = spaces.iter().map(|space| (space.space.as_str(), i64::from(space.is_filling)));
    encoder.gauges(("space_filling", "Whether documents of a space are missing here"), "space", filling)?;
    let lacking = spaces.iter();
    let lacking =
        lacking.map(|space| (space.space.as_str(), i64::from(space.lacks_read || space.lacks_write)));
    let help = "Whether the hub gives less of a space than the configuration says";
    encoder.gauges(("space_rights_lacking", help), "space", lacking)
}

fn peers(encoder: &mut Encoder<'_>, status: &Status, waiting: &[String]) -> fmt::Result {
    let each = || status.peers.iter();
    let connected = each().map(|peer| (peer.peer.as_str(), i64::from(peer.connected)));
    encoder.gauges(("peer_connected", "Whether a peer is connected"), "peer", connected)?;
    let waits = each().map(|peer| (peer.peer.as_str(), i64::from(waiting.contains(&peer.peer))));
    let help = "Whether a peer is not connected because its schedule says so";
    encoder.gauges(("peer_waits", help), "peer", waits)?;
    let backlog = each().map(|peer| (peer.peer.as_str(), whole(peer.backlog_rows)));
    encoder.gauges(("peer_backlog", "Changes that a peer has not confirmed"), "peer", backlog)?;
    let stopped = each().map(|peer| (peer.peer.as_str(), whole(peer.stopped_count)));
    let help = "Streams of changes of which a peer takes no more; isle status lists them";
    encoder.gauges(("peer_streams_stopped", help), "peer", stopped)?;
    let seconds = |lag_ms: u64| Duration::from_millis(lag_ms).as_secs_f64();
    let lag = each().map(|peer| (peer.peer.as_str(), ConstGauge::new(seconds(peer.lag_ms))));
    let help = "Age of the oldest change that a peer has not confirmed";
    encoder.each(("peer_lag", help, Some(&Unit::Seconds)), "peer", lag)
}

fn conduct(encoder: &mut Encoder<'_>, beside: &Beside) -> fmt::Result {
    let now = i64::try_from(beside.conduct.refused_count).unwrap_or(i64::MAX);
    encoder.gauge("peers_refused", "Peers that are refused at present for what they did", now)?;
    let Counts { strikes, refused } = beside.conduct.counts;
    encoder.counter("peer_strikes", "Connections that ended because the peer broke a rule", strikes)?;
    let help = "Connections of peers that were refused for what they did before";
    encoder.counter("peer_connections_refused", help, refused)
}

#[cfg(test)]
mod tests;
