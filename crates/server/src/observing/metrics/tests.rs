use super::*;
use crate::local::StoreFailure;
use document::{Origin, Space};
use replica::{FillSteps, IdempotencyStatus, PeerStatus, Sessions, SpaceMode};

fn status() -> Status {
    let space = Space::new("store-1").unwrap();
    Status {
        name: "store-1".to_owned(),
        origin: Origin([1; 16]),
        head: 40,
        trimmed: 0,
        documents: 12,
        documents_open: 3,
        room: Room::Shed,
        values_broken: 2,
        sessions: Sessions { cursor: 4, ..Sessions::default() },
        idempotency: IdempotencyStatus { keys: 70_000, oldest_ms: Some(7_200_900), gone_early: 3 },
        fills: FillSteps { documents: 9, snapshots: 8, ..FillSteps::default() },
        spaces: vec![SpaceStatus {
            space,
            mode: SpaceMode::Write,
            lacks_read: false,
            lacks_write: false,
            changes: 40,
            is_filling: false,
        }],
        peers: vec![PeerStatus {
            peer: "hub".to_owned(),
            connected: true,
            backlog_rows: 7,
            lag_ms: 1_500,
            stopped: Vec::new(),
            stopped_count: 3,
        }],
    }
}

#[test]
fn every_number_is_on_the_page_with_its_unit_and_label() {
    let mut beside = Beside {
        failure: Some(StoreFailure { error: "full".to_owned(), times: 3, ago_ms: 10 }),
        ..Beside::default()
    };
    beside.conduct.refused_count = 2;
    beside.conduct.counts = Counts { strikes: 7, refused: 40 };
    let machine = Machine {
        certificate_end: Some(Duration::from_secs(1_797_592_000)),
        disk_free_bytes: Some(4_096),
        waiting: vec!["hub".to_owned()],
    };
    let page = page(Some((&status(), &beside)), machine).unwrap();
    for line in [
        "# TYPE isle_documents gauge",
        "isle_documents 12",
        "isle_documents_open 3",
        "isle_journal_head 40",
        "isle_certificate_end_seconds 1797592000",
        "isle_disk_free_bytes 4096",
        "isle_store_open 1",
        "isle_store_failures 3",
        "isle_disk_room{state=\"nearly_full\"} 1",
        "isle_disk_room{state=\"ample\"} 0",
        "isle_values_broken_total 2",
        "isle_idempotency_keys 70000",
        "isle_idempotency_oldest_seconds 7200",
        "isle_idempotency_keys_gone_early_total 3",
        "isle_sessions_total{began_with=\"cursor\"} 4",
        "isle_fill_steps_total{step=\"document\"} 9",
        "isle_fill_steps_total{step=\"snapshot\"} 8",
        "isle_fill_steps_total{step=\"listing\"} 0",
        "isle_space_changes{space=\"store-1\"} 40",
        "isle_space_filling{space=\"store-1\"} 0",
        "isle_peer_connected{peer=\"hub\"} 1",
        "isle_peer_waits{peer=\"hub\"} 1",
        "isle_space_rights_lacking{space=\"store-1\"} 0",
        "isle_peer_backlog{peer=\"hub\"} 7",
        "isle_peer_lag_seconds{peer=\"hub\"} 1.5",
        "isle_peer_streams_stopped{peer=\"hub\"} 3",
        "isle_peers_refused 2",
        "isle_peer_strikes_total 7",
        "isle_peer_connections_refused_total 40",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
    assert!(page.lines().any(|line| line.starts_with("isle_resident_memory_bytes ")), "{page}");
}

#[test]
fn a_replica_that_is_not_open_says_only_that() {
    let page = page(None, Machine::default()).unwrap();
    assert!(page.contains("isle_store_open 0\n") && !page.contains("isle_documents"), "{page}");
}
