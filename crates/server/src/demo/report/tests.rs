use std::collections::BTreeMap;

use super::super::board::{Event, ShopState};
use super::super::data::Week;
use super::super::documents::final_inventory;
use super::*;

/// A run of three shops in which all went well.
fn board() -> Board {
    let mut board = Board::new(&Week::built_in(Some(3)).unwrap());
    let events = [
        Event::Cut { shop: 1 },
        Event::Sold { shop: 1, units: 31, while_cut: true },
        Event::Healed { shop: 1 },
        Event::Converged { shop: 1, after: Duration::from_millis(430) },
        Event::Killed { shop: 2, unanswered: 3 },
        Event::Restarted { shop: 2, after: Duration::from_millis(810) },
        Event::Shop { shop: 1, state: ShopState { price_round: 8, ..ShopState::default() } },
        Event::Prices { round: 8, changes: 5 },
    ];
    events.iter().for_each(|event| board.add(event));
    board
}

fn reading() -> Reading {
    let shop = |units| ShopReading { units_hub: units, units_shop: units, traffic: Traffic::default() };
    Reading {
        stock: Comparison { documents: 1_000, ..Comparison::default() },
        catalog: Comparison { documents: 2_000, ..Comparison::default() },
        not_converged: Vec::new(),
        shops: [836, 829, 709].map(shop).to_vec(),
    }
}

fn report(reading: Reading) -> Report {
    Report::new(7, Duration::from_millis(23_400), &board(), reading)
}

fn printed(report: &Report) -> String {
    console::set_colors_enabled(false);
    let mut out = Vec::new();
    print(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_run_without_differences_is_fine() {
    let report = report(reading());
    assert!(report.ok);
    assert_eq!(report.units, Units { expected: 2_374, hub: 2_374, shops: 2_374 });
    assert_eq!((report.units_while_cut, report.baskets_while_cut, report.kills), (31, 1, 1));
    let text = printed(&report);
    assert!(!text.contains('✗'), "{text}");
    assert!(text.contains("✓ store-367      829    829    829      31        1  0.43 s "), "{text}");
    assert!(text.contains("2,374 sold, 2,374 off the shelves at the hub, 2,374 at the shops"), "{text}");
    assert!(text.contains("store-31782 killed while writing, back after 0.81 s"), "{text}");
    assert!(text.ends_with("Nothing was lost.  23.4 s, seed 7\n"), "{text}");
}

#[test]
fn units_that_differ_are_a_failure() {
    let mut reading = reading();
    reading.shops[1].units_hub = 828;
    let report = report(reading);
    assert!(!report.ok);
    let text = printed(&report);
    assert!(text.contains("✗ store-367      829    828    829"), "{text}");
    assert!(text.contains("✗ units"), "{text}");
    assert!(text.contains("Something differs."), "{text}");
}

#[test]
fn documents_that_differ_are_named_and_the_list_is_short() {
    let mut reading = reading();
    let expected = final_inventory(&Week::built_in(None).unwrap().shops[0]).unwrap();
    reading.stock.compare("hub", &expected, &BTreeMap::new());
    let report = report(reading);
    assert!(!report.ok);
    let text = printed(&report);
    assert!(text.contains("✗ stock"), "{text}");
    assert_eq!(text.matches("store-406/inventory/").count(), 8, "{text}");
    assert!(text.contains(&format!("and {} more", expected.documents.len() - 8)), "{text}");
}

#[test]
fn replicas_that_never_met_again_are_a_failure() {
    let mut reading = reading();
    reading.not_converged.push("store-367 has 3 changes that the hub has not".to_owned());
    let report = report(reading);
    assert!(!report.ok);
    assert!(printed(&report).contains("✗ links"));
}

#[test]
fn a_shop_that_was_not_read_is_a_failure() {
    let mut reading = reading();
    reading.shops.pop();
    assert!(!report(reading).ok);
}

#[test]
fn the_json_report_has_what_a_program_looks_for() {
    let json = serde_json::to_value(report(reading())).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["units"]["hub"], 2_374);
    assert_eq!(json["shops"][1]["converged_after_ms"], serde_json::json!([430]));
}
