//! Any exchange between sites, held against a model that knows nothing of Automerge.

mod calls;
mod model;
mod site;

use super::every_kind;
use crate::{Document, HistoryQuery, Origin};
use proptest::prelude::*;
use serde_json::Value;
use site::Sites;

/// What a site does.
#[derive(Clone, Debug)]
enum Act {
    /// Sets the register; nothing removes it.
    Name(Option<u8>),
    Count(i64),
    Grant {
        to: usize,
        by: u64,
    },
    Spend(u64),
    Transfer {
        to: usize,
        by: u64,
    },
    Add(u8),
    Remove(u8),
    /// Inserts so many items into the list, at a place taken modulo its length.
    Insert {
        at: usize,
        count: usize,
    },
    Take {
        at: usize,
    },
    /// Inserts so many characters into the text.
    Type {
        at: usize,
        count: usize,
    },
    Erase {
        at: usize,
    },
    Delete,
    /// Puts a document with just a name and a count.
    Put {
        name: u8,
        count: i64,
    },
    /// Puts what is shown with another name, just these of the elements, one more item and one more character.
    PutAll {
        name: u8,
        elements: u8,
    },
    /// Sets or removes a member of one of the [`NESTED`] fields.
    Member {
        field: &'static str,
        key: u8,
        value: Option<u8>,
    },
    /// Sets or removes a plain value where members may be.
    Plain(Option<u8>),
    /// Sets the register by a JSON Patch which tests first that it is another.
    PatchName {
        expected: u8,
        name: u8,
    },
    /// Decides between the values of the register.
    Settle(u8),
    /// Puts another item in the place of one, by a JSON Patch.
    Replace {
        at: usize,
    },
    Clear(&'static str),
}

/// Fields with members: a map, and one that the schema does not know.
const NESTED: [&str; 2] = ["attributes", "extra"];

#[derive(Clone, Debug)]
enum Step {
    At(usize, Act),
    /// One site gets the first changes that it lacks from another, at most so many.
    Exchange {
        from: usize,
        to: usize,
        most: usize,
    },
}

fn any_act(sites: usize) -> impl Strategy<Value = Act> {
    let (place, count) = (0..64_usize, 1..4_usize);
    prop_oneof![
        30 => any_act_without_sequences(sites),
        3 => (place.clone(), count.clone()).prop_map(|(at, count)| Act::Insert { at, count }),
        2 => place.clone().prop_map(|at| Act::Take { at }),
        3 => (place.clone(), count).prop_map(|(at, count)| Act::Type { at, count }),
        2 => place.clone().prop_map(|at| Act::Erase { at }),
        2 => (0..4_u8, 0..8_u8).prop_map(|(name, elements)| Act::PutAll { name, elements }),
        3 => place.prop_map(|at| Act::Replace { at }),
        1 => prop::sample::select(&["lines", "body"][..]).prop_map(Act::Clear),
    ]
}

/// What a document is kept a table of entries with: nothing of lists and texts.
fn any_act_without_sequences(sites: usize) -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => prop::option::of(0..4_u8).prop_map(Act::Name),
        3 => (-9..9_i64).prop_filter("counts", |by| *by != 0).prop_map(Act::Count),
        2 => (0..sites, 1..6_u64).prop_map(|(to, by)| Act::Grant { to, by }),
        3 => (1..5_u64).prop_map(Act::Spend),
        2 => (0..sites, 1..4_u64).prop_map(|(to, by)| Act::Transfer { to, by }),
        3 => (0..3_u8).prop_map(Act::Add),
        2 => (0..3_u8).prop_map(Act::Remove),
        1 => Just(Act::Delete),
        2 => (0..4_u8, -9..9_i64).prop_map(|(name, count)| Act::Put { name, count }),
        5 => (prop::sample::select(&NESTED[..]), 0..2_u8, prop::option::of(0..3_u8))
            .prop_map(|(field, key, value)| Act::Member { field, key, value }),
        2 => prop::option::of(0..3_u8).prop_map(Act::Plain),
        2 => (0..4_u8, 0..4_u8).prop_map(|(expected, name)| Act::PatchName { expected, name }),
        2 => (0..4_u8).prop_map(Act::Settle),
        2 => prop::sample::select(vec!["name", "tags", "attributes"]).prop_map(Act::Clear),
    ]
}

/// Long enough that Automerge is given what waits for it; seldom somebody gets others' changes, or reads history.
fn any_long_steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    (2..4_usize).prop_flat_map(|sites| {
        let exchange =
            (0..sites, 0..sites, 1..60_usize).prop_map(|(from, to, most)| Step::Exchange { from, to, most });
        let at = (0..sites, any_act_without_sequences(sites)).prop_map(|(site, act)| Step::At(site, act));
        (Just(sites), prop::collection::vec(prop_oneof![30 => at, 1 => exchange], 100..260))
    })
}

fn any_steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    (2..6_usize).prop_flat_map(|sites| {
        let exchange =
            (0..sites, 0..sites, 1..6_usize).prop_map(|(from, to, most)| Step::Exchange { from, to, most });
        let at = (0..sites, any_act(sites)).prop_map(|(site, act)| Step::At(site, act));
        (Just(sites), prop::collection::vec(prop_oneof![2 => at, 1 => exchange], 1..48))
    })
}

fn origin(site: usize) -> Origin {
    // Not in the order of the sites, which decides between equal Lamport numbers.
    Origin([u8::try_from(site * 7 % 5).unwrap() + 1; 16])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]
    #[test]
    fn any_exchange_of_any_operations_converges_to_what_the_model_says((count, steps) in any_steps()) {
        converges(count, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn documents_that_are_tables_converge_to_what_the_model_says((count, steps) in any_long_steps()) {
        converges(count, steps);
    }
}

fn converges(count: usize, steps: Vec<Step>) {
    let mut sites = Sites::new(count);
    for step in steps {
        match step {
            Step::At(site, act) => sites.act(site, &act),
            Step::Exchange { from, to, most } => sites.exchange(from, to, most),
        }
    }
    for site in 0..count {
        let document = sites.document(site);
        let loaded = Document::load(&document.save()).unwrap();
        assert_eq!((loaded.json(), loaded.heads()), (document.json(), document.heads()));
    }
    for _ in 0..2 {
        (0..count).for_each(|site| sites.exchange(site, (site + 1) % count, usize::MAX));
    }
    sites.check_equal();
    check_history(sites.document(0));
}

/// Each change is told as what differs between two reads of the document, however the history is cut into pages.
fn check_history(document: &Document) {
    let shown = |heads: &[_]| document.json_at(heads).unwrap().unwrap_or(Value::Null);
    let mut before = None;
    loop {
        let page = document.history(HistoryQuery { before, limit: 5 }).unwrap();
        for entry in &page {
            let patch = json_patch::diff(&shown(&entry.dependencies), &shown(&[entry.hash]));
            assert_eq!(entry.patch, patch, "{:?}", entry.hash);
        }
        let Some(last) = page.last() else { return };
        before = Some(last.hash);
    }
}

#[test]
fn a_replica_that_starts_from_a_saved_document_shows_the_same() {
    let mut sites = Sites::new(2);
    for act in [Act::Insert { at: 0, count: 3 }, Act::Type { at: 0, count: 3 }, Act::Add(1), Act::Count(2)] {
        sites.act(0, &act);
    }
    sites.exchange(0, 1, usize::MAX);
    sites.act(1, &Act::Take { at: 1 });
    let document = sites.document(1);
    let loaded = Document::load(&document.save()).unwrap();
    assert_eq!((loaded.json(), loaded.heads()), (document.json(), document.heads()));
}
