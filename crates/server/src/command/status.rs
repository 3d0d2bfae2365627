//! `isle status`.

use super::answer::answer;
use super::{CommandError, call, unasked};
use crate::arguments::StatusArguments;
use crate::enrolment::date;
use crate::local::{
    CertificateStatus, PeerStatus, RefusedPeer, Request, Response, SpaceMode, SpaceStatus, Status,
    StoppedStream, StoreFailure,
};
use std::time::Duration;

pub(super) async fn run(arguments: &StatusArguments) -> Result<(), CommandError> {
    let Response::Status(status) = call(&arguments.data.data, &Request::Status).await? else {
        return Err(unasked());
    };
    answer(arguments.json, &status, &shown(&status))
}

fn shown(status: &Status) -> String {
    let replica = [
        row(["replica", &status.name]),
        row(["origin", &status.origin]),
        row(["address", &address(status)]),
        row(["journal", &journal(status)]),
        row(["documents", &format!("{}, {} of them open", status.documents, status.documents_open)]),
        row(["disk", &status.disk]),
    ];
    let memory = status.memory_bytes.map(|bytes| row(["memory", &mebibytes(bytes)]));
    let broken = Some(status.values_broken).filter(|broken| *broken > 0);
    let broken = broken.map(|broken| row(["broken", &format!("{broken} values break a rule since a merge")]));
    let failure = status.store_failure.iter().map(failure_row);
    let certificate = status.certificate.iter().flat_map(certificate_rows);
    let starts = status.starts_warning.iter().map(|warning| row(["WARNING", warning]));
    let notes = memory.into_iter().chain(certificate).chain(starts).chain(broken).chain(failure);
    let spaces = status.spaces.iter().map(space_row);
    let peers = status.peers.iter().map(peer_row);
    let mut text = table(&replica.into_iter().chain(notes).collect::<Vec<_>>());
    text.push('\n');
    text += &table(&std::iter::once(row(["SPACE", "SERVICES", "CHANGES"])).chain(spaces).collect::<Vec<_>>());
    if !status.peers.is_empty() {
        text.push('\n');
        let heading = row(["PEER", "CONNECTED", "BACKLOG", "LAG"]);
        text += &table(&std::iter::once(heading).chain(peers).collect::<Vec<_>>());
    }
    for PeerStatus { peer, trouble, .. } in &status.peers {
        if let Some(trouble) = trouble {
            text += &format!("\n{peer} is not connected: {trouble}\n");
        }
    }
    text + &stopped(status) + &refused(status)
}

fn stopped(status: &Status) -> String {
    let mut text = String::new();
    for PeerStatus { peer, stopped, stopped_count, .. } in &status.peers {
        for StoppedStream { space, origin, sequence, cause } in stopped {
            let of = if *origin == status.origin { "this replica" } else { origin };
            let cause = cause.as_deref().unwrap_or("its version does not say why; its log does");
            text += &format!("\n{peer} takes no more of {space} by {of} after change {sequence}: {cause}\n");
        }
        let more = beyond(*stopped_count, stopped.len());
        if more > 0 {
            text += &format!("\n{peer} takes no more of {more} other streams\n");
        }
    }
    text
}

/// How many there are beyond those that are listed.
fn beyond(count: u64, listed: usize) -> u64 {
    count.saturating_sub(u64::try_from(listed).unwrap_or(u64::MAX))
}

fn refused(status: &Status) -> String {
    let mut text = String::new();
    for RefusedPeer { peer, left_ms, cause, .. } in &status.refused {
        text += &format!("\n{peer} is refused for {} more: {cause}\n", age(*left_ms));
    }
    let more = beyond(status.refused_count, status.refused.len());
    if more > 0 {
        text += &format!("\n{more} more are refused\n");
    }
    text
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// With one digit behind the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn address(status: &Status) -> String {
    let none = || "none: no server is running".to_owned();
    Some(status.address.clone()).filter(|address| !address.is_empty()).unwrap_or_else(none)
}

fn certificate_rows(certificate: &CertificateStatus) -> Vec<Vec<String>> {
    let ends = Duration::from_millis(u64::try_from(certificate.ends_ms).unwrap_or(0));
    let renewed = match &certificate.renewed_by {
        Some(hub) => format!("renewed by {hub}"),
        None => "not renewed by itself".to_owned(),
    };
    let until = row(["certificate", &format!("until {}, {renewed}", date(ends))]);
    let warning = certificate.warning.iter().map(|warning| row(["WARNING", warning]));
    std::iter::once(until).chain(warning).collect()
}

fn failure_row(failure: &StoreFailure) -> Vec<String> {
    let times =
        if failure.times == 1 { "once".to_owned() } else { format!("{} times in a row", failure.times) };
    row(["failed", &format!("{times}, {} ago: {}", age(failure.ago_ms), failure.error)])
}

fn space_row(space: &SpaceStatus) -> Vec<String> {
    let mode = match space.mode {
        SpaceMode::Read => "read",
        SpaceMode::Write => "read, write",
    };
    let mode = if space.lacks_write { "read" } else { mode };
    let mut notes = Vec::new();
    notes.extend(space.is_filling.then_some("being filled"));
    notes.extend(space.lacks_write.then_some("the hub gives no right to write"));
    notes.extend(space.lacks_read.then_some("the hub sends nothing more of it"));
    row([&space.space, mode, &space.changes.to_string(), &notes.join("; ")])
}

fn journal(status: &Status) -> String {
    match status.trimmed {
        0 => format!("{} rows", status.head),
        trimmed => format!("{} rows, {trimmed} of them trimmed", status.head),
    }
}

fn peer_row(peer: &PeerStatus) -> Vec<String> {
    let connected = if peer.connected { "yes" } else { "no" };
    let lag = if peer.backlog_rows == 0 { "-".to_owned() } else { age(peer.lag_ms) };
    row([&peer.peer, connected, &peer.backlog_rows.to_string(), &lag])
}

/// In the unit that a reader would choose.
fn age(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    match seconds {
        0 => format!("{ms} ms"),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Columns as wide as their widest cell, two blanks apart.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(name: &str, mode: SpaceMode, changes: u64) -> SpaceStatus {
        SpaceStatus {
            space: name.to_owned(),
            mode,
            lacks_read: false,
            lacks_write: false,
            changes,
            is_filling: false,
        }
    }

    fn status() -> Status {
        Status {
            name: "store-367".into(),
            origin: "0b".repeat(16),
            address: "127.0.0.1:7401".into(),
            head: 12,
            trimmed: 5,
            documents: 3,
            documents_open: 1,
            memory_bytes: Some(20_500_000),
            disk: "ample".into(),
            values_broken: 2,
            store_failure: Some(StoreFailure { error: "the disk is full".into(), times: 3, ago_ms: 2_500 }),
            starts_warning: Some("30 of 56".into()),
            certificate: Some(CertificateStatus {
                ends_ms: 1_797_592_000_000,
                renewed_by: None,
                warning: Some("it ends soon".into()),
            }),
            spaces: vec![
                SpaceStatus { lacks_read: true, is_filling: true, ..space("catalog", SpaceMode::Read, 2) },
                SpaceStatus { lacks_write: true, ..space("region", SpaceMode::Write, 3) },
                space("store-367", SpaceMode::Write, 10),
            ],
            peers: vec![PeerStatus {
                peer: "hub".into(),
                connected: false,
                backlog_rows: 10,
                lag_ms: 90_500,
                trouble: Some("its name is not known".into()),
                stopped: vec![
                    StoppedStream {
                        space: "store-367".into(),
                        origin: "0b".repeat(16),
                        sequence: 4,
                        cause: Some("the writer may not write the space".into()),
                    },
                    StoppedStream { space: "a".into(), origin: "0c".repeat(16), sequence: 0, cause: None },
                ],
                stopped_count: 5,
            }],
            refused: vec![RefusedPeer {
                peer: "store-9".into(),
                public_key: "0a".repeat(32),
                left_ms: 20_500,
                cause: "its replica misbehaved 3 times".into(),
            }],
            refused_count: 3,
        }
    }

    #[test]
    fn a_status_is_an_aligned_table() {
        let expected = "\
replica      store-367
origin       0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b
address      127.0.0.1:7401
journal      12 rows, 5 of them trimmed
documents    3, 1 of them open
disk         ample
memory       19.5 MiB
certificate  until 2026-12-18T11:06:40Z, not renewed by itself
WARNING      it ends soon
WARNING      30 of 56
broken       2 values break a rule since a merge
failed       3 times in a row, 2 s ago: the disk is full

SPACE      SERVICES     CHANGES
catalog    read         2        being filled; the hub sends nothing more of it
region     read         3        the hub gives no right to write
store-367  read, write  10

PEER  CONNECTED  BACKLOG  LAG
hub   no         10       90 s

hub is not connected: its name is not known

hub takes no more of store-367 by this replica after change 4: the writer may not write the space

hub takes no more of a by 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c after change 0: its version does not say why; its log does

hub takes no more of 3 other streams

store-9 is refused for 20 s more: its replica misbehaved 3 times

2 more are refused
";
        assert_eq!(shown(&status()), expected);
    }

    #[test]
    fn ages_are_in_the_unit_of_a_reader() {
        let ages = [0, 999, 1_000, 119_999, 120_000, 7_199_999, 7_200_000, 172_800_000].map(age);
        assert_eq!(ages, ["0 ms", "999 ms", "1 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }
}
