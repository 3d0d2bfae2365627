use super::super::{SYMBOLS_MAX, difference_of, symbols_for};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn key() -> ItemKey {
    ItemKey::new(&[7; 32])
}

fn item(number: u64) -> Item {
    key().item(&number.to_be_bytes(), &[number.to_le_bytes()[0]; 32])
}

fn sketch(items: impl IntoIterator<Item = Item>, symbols: usize) -> Vec<Symbol> {
    let mut sketch = vec![Symbol::default(); symbols];
    for item in items {
        toggle(&mut sketch, &item, key().checksum(&item), 1);
    }
    sketch
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_unstable();
    items
}

proptest! {
    #[test]
    fn what_is_decoded_is_the_difference(
        theirs in prop::collection::btree_set(0..400_u64, 0..200),
        ours in prop::collection::btree_set(0..400_u64, 0..200),
    ) {
        let (theirs, ours): (BTreeSet<_>, BTreeSet<_>) =
            (theirs.into_iter().map(item).collect(), ours.into_iter().map(item).collect());
        let difference = subtract(&sketch(theirs.clone(), 2_000), &sketch(ours.clone(), 2_000));
        let decoded = decode(&key(), difference).unwrap();
        prop_assert_eq!(sorted(decoded.theirs), theirs.difference(&ours).copied().collect::<Vec<_>>());
        prop_assert_eq!(sorted(decoded.ours), ours.difference(&theirs).copied().collect::<Vec<_>>());
    }

    #[test]
    fn symbols_are_linear(
        some in prop::collection::btree_set(0..99_u64, 0..60),
        others in prop::collection::btree_set(100..199_u64, 0..60),
    ) {
        let both = sketch(some.iter().chain(&others).copied().map(item), 64);
        let other = sketch(others.iter().copied().map(item), 64);
        prop_assert_eq!(subtract(&both, &other), sketch(some.iter().copied().map(item), 64));
    }

    #[test]
    fn packed_symbols_come_back(items in 0..5_000_u64, claimed in any::<u64>(), first in 0..SYMBOLS_MAX) {
        let symbols = sketch((0..items).map(item), 40);
        prop_assert_eq!(unpack(&pack(&symbols, first, claimed), first, claimed), Some(symbols));
    }

    #[test]
    fn forged_symbols_end(bytes in prop::collection::vec(any::<u8>(), 0..3_000), items in any::<u64>()) {
        if let Some(symbols) = unpack(&bytes, 0, items) {
            difference_of(&symbols);
            decode(&key(), symbols);
        }
    }
}

#[test]
fn places_are_the_same_on_every_machine() {
    // W-45.
    let places = |checksum| {
        let mut places = Places::of(checksum);
        let step = |_| {
            places.advance();
            places.place
        };
        (0..12).map(step).collect::<Vec<u64>>()
    };
    assert_eq!(places(0), [1, 3, 27, 28, 89, 157, 379, 432, 874, 896, 1424, 1633]);
    assert_eq!(places(u64::MAX), [1, 2, 6, 10, 13, 15, 16, 34, 39, 366, 3057, 3405]);
    let golden = Item { document: 12_786_533_530_450_725_264, heads: 11_200_678_324_093_249_925 };
    assert_eq!(item(1), golden);
}

#[test]
fn an_item_is_in_symbol_i_with_probability_2_over_2_plus_i() {
    let sketch = sketch((0..20_000).map(item), 200);
    for (symbol, place) in sketch.iter().zip(0_i64..).step_by(7) {
        let expected = 40_000 / (place + 2);
        let off = (symbol.count - expected).abs();
        assert!(off * off <= 16 * expected.max(1), "{place}: {} instead of {expected}", symbol.count);
    }
}

#[test]
fn a_difference_takes_less_than_two_symbols_an_item_and_its_size_is_estimated() {
    for differing in [0_u64, 1, 10, 100, 1_000, 5_000] {
        let theirs = sketch((0..6_000).map(item), SYMBOLS_MAX);
        let ours = sketch((0..6_000 - differing).chain(10_000..10_000 + differing).map(item), SYMBOLS_MAX);
        let difference = subtract(&theirs, &ours);
        let estimate = difference_of(&difference[..256]);
        let (least, most) = (differing * 2 * 3 / 4, differing * 2 * 5 / 4 + 20);
        assert!((least..=most).contains(&estimate), "{differing}: {estimate}");
        let enough = symbols_for(differing * 2);
        let decoded = decode(&key(), difference[..enough].to_vec()).unwrap();
        assert_eq!((decoded.theirs.len() as u64, decoded.ours.len() as u64), (differing, differing));
    }
}

#[test]
fn too_few_symbols_and_items_that_collide_are_no_difference() {
    let ours = sketch([], 64);
    assert_eq!(decode(&key(), subtract(&sketch((0..500).map(item), 64), &ours)), None);
    assert_eq!(decode(&key(), subtract(&sketch([item(1), item(1)], 64), &ours)), None);
    assert_eq!(decode(&key(), vec![]), None);
}

#[test]
fn a_symbol_costs_about_25_bytes() {
    let symbols = sketch((0..100_000).map(item), 3_000);
    let bytes = pack(&symbols, 0, 100_000).len();
    assert!((75_000..77_000).contains(&bytes), "{bytes}");
}
