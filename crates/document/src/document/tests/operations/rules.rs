//! What is refused: by a rule of the schema, a kind or a limit.

use super::*;

#[test]
fn a_bounded_counter_says_what_is_missing_and_who_holds_it() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let third = Origin([3; 16]);
    let granted = here.write(json!([
        {"op": "grant", "field": "/sellable", "by": 10},
        {"op": "grant", "field": "/sellable", "by": 4, "to": third},
        {"op": "transfer", "field": "/sellable", "by": 3, "to": THERE}
    ]));
    there.take(&[&granted]);
    there.shows(json!({"sellable": 14}));
    assert_eq!(
        there.refused(json!([{"op": "spend", "field": "/sellable", "by": 5}])),
        "/sellable: 2 more rights are needed here; AQEBAQEBAQEBAQEB holds 7, AwMDAwMDAwMDAwMD holds 4"
    );
    let spent = there.write(json!([{"op": "spend", "field": "/sellable", "by": 3}]));
    let error = there.try_write(json!([{"op": "put", "value": {"sellable": 10}}])).unwrap_err();
    let holders = vec![(HERE.short(), 7), (third.short(), 4)];
    assert_eq!(error, WriteError::NotEnough { field: field("/sellable"), missing: 1, holders });
    here.write(json!([{"op": "put", "value": {"sellable": 7}}]));
    here.take(&[&spent]);
    here.shows(json!({"sellable": 4}));
    assert!(
        here.refused(json!([{"op": "transfer", "field": "/sellable", "by": 1, "to": THERE}]))
            .contains("1 more")
    );
    assert!(
        here.refused(json!([{"op": "clear", "field": "/sellable"}])).contains("others hold their rights")
    );
    for operation in ["spend", "grant"] {
        let most = json!([{"op": operation, "field": "/sellable", "by": u64::MAX}]);
        assert!(!here.refused(most).is_empty(), "no total leaves 64 bits");
    }
}

#[test]
fn a_write_breaks_no_rule_but_mends_what_a_merge_broke() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let full = |by: i64| json!([{"op": "increment", "field": "/on_hand", "by": by}]);
    let refused = here.refused(full(1_001));
    assert!(refused.starts_with("the document would break its schema: /on_hand: "), "{refused}");
    assert!(here.refused(json!([{"op": "put", "value": {"name": "much too long"}}])).contains("/name"));
    here.write(full(900));
    let theirs = there.write(full(300));
    here.take(&[&theirs]);
    here.shows(json!({"on_hand": 1_200}));
    assert_eq!(here.document.violations(&here.schema).len(), 1);
    here.write(full(-1));
    here.write(json!([{"op": "put", "value": {"name": "fine"}}]));
    assert!(here.refused(json!([{"op": "put", "value": {"name": "much too long"}}])).contains("/name"));
    here.shows(json!({"name": "fine", "on_hand": 1_199}));
    // Nor does it make a broken rule worse.
    assert!(here.refused(full(1)).contains("/on_hand: 1200 is greater than"));
    assert!(here.refused(json!([{"op": "merge_patch", "patch": {"on_hand": 9_999}}])).contains("/on_hand"));
    assert!(
        here.refused(json!([{"op": "merge_patch", "patch": {"on_hand": 1_500, "name": "x"}}]))
            .contains("/on_hand")
    );
    here.write(json!([{"op": "merge_patch", "patch": {"on_hand": 1_100, "name": "x"}}]));
    here.write(json!([{"op": "merge_patch", "patch": {"name": "y"}}]));
    here.write(full(-100));
    here.shows(json!({"name": "y", "on_hand": 1_000}));
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let mut site = Site::new(HERE);
    site.write(json!([{"op": "put", "value": {"on_hand": 10.0, "sellable": 4.0, "depth": -2.0}}]));
    site.write(json!([
        {"op": "increment", "field": "/on_hand", "by": -3.0},
        {"op": "spend", "field": "/sellable", "by": 1.0},
        {"op": "grant", "field": "/depth", "by": 2e0}
    ]));
    site.shows(json!({"on_hand": 7, "sellable": 3, "depth": 0}));
    assert!(
        site.refused(json!([{"op": "put", "value": {"on_hand": 1e300}}])).contains("takes a whole number")
    );
    assert!(site.refused(json!([{"op": "put", "value": {"on_hand": 7.5}}])).contains("takes a whole number"));
    for by in [json!(1.5), json!(1e30), json!("1"), json!(-1)] {
        let spend = json!({"op": "spend", "field": "/sellable", "by": by});
        assert!(serde_json::from_value::<Operation>(spend.clone()).is_err(), "{spend}");
    }
}

/// Merges of documents that each keep the limits.
fn joined(schema: Option<&Schema>, values: impl Iterator<Item = Value>) -> Document {
    let mut joined = Document::new();
    for (site, value) in (1..).zip(values) {
        let put = [Operation::Put(value)];
        let mut document = Document::new();
        let change = document.write(&Signature::of(Origin([site; 16]), 0), schema, &put).unwrap().unwrap();
        joined.apply(&[change.chunk]).unwrap();
    }
    joined
}

#[test]
fn a_document_that_a_merge_made_too_large_is_mended_by_steps() {
    let fields = |site: usize| -> serde_json::Map<String, Value> {
        (0..2_500).map(|n| (format!("{site} {n}"), json!(n))).collect()
    };
    let mut document = joined(None, (0..2).map(|site| fields(site).into()));
    let mut write = |operation: Value| {
        let operation: Operation = serde_json::from_value(operation).unwrap();
        document.write(&Signature::of(HERE, 0), None, &[operation]).map(|change| change.is_some())
    };
    let more = json!({"op": "merge_patch", "patch": {"more": 1}});
    let refused = write(more.clone()).unwrap_err();
    assert_eq!(refused.to_string(), "a document has at most 4096 fields");
    assert_eq!(write(json!({"op": "merge_patch", "patch": {"0 1": null, "0 2": 7}})), Ok(true));
    assert_eq!(write(json!({"op": "patch", "patch": [{"op": "remove", "path": "/0 3"}]})), Ok(true));
    assert_eq!(write(json!({"op": "put", "value": fields(1)})), Ok(true));
    assert_eq!(write(more), Ok(true));
}

#[test]
fn a_document_that_breaks_many_rules_is_mended_by_steps() {
    let strict = r#"{"x-version":1,"type":"object","additionalProperties":{"type":"string"}}"#;
    let strict = Schema::parse(strict).unwrap();
    let fields: serde_json::Map<String, Value> = (0..300).map(|n| (n.to_string(), json!(n))).collect();
    let mut document = joined(None, std::iter::once(Value::from(fields)));
    assert_eq!(document.violations(&strict).len(), crate::VIOLATIONS_MAX);
    let mut write = |patch: Value| {
        let patch = [Operation::MergePatch(patch)];
        document.write(&Signature::of(HERE, 0), Some(&strict), &patch).map(|change| change.is_some())
    };
    assert_eq!(write(json!({"0": "zero", "99": "more"})), Ok(true));
    assert_eq!(write(json!({"0": "none"})), Ok(true), "what is broken elsewhere is no matter");
    assert!(matches!(write(json!({"100": 7})), Err(WriteError::Invalid(new)) if new.len() == 1));
    assert!(matches!(write(json!({"more": 1})), Err(WriteError::Invalid(new)) if new.len() == 1));
}

#[test]
fn operations_need_a_field_of_their_kind() {
    let mut site = Site::new(HERE);
    for (operation, kind) in [
        (json!({"op": "spend", "field": "/name", "by": 1}), "bounded-counter"),
        (json!({"op": "grant", "field": "/on_hand", "by": 1}), "bounded-counter"),
        (json!({"op": "add", "field": "/lines", "element": 1}), "set"),
        (json!({"op": "insert", "field": "/tags", "index": 0, "values": []}), "list"),
        (json!({"op": "splice", "field": "/body", "index": 0, "insert": []}), "list"),
        (json!({"op": "splice", "field": "/lines", "index": 0, "insert": ""}), "text"),
    ] {
        let refused = site.refused(json!([operation]));
        assert!(
            refused.contains(&format!(" is no {kind}: name it in the collection's schema with")),
            "{refused}"
        );
    }
}

#[test]
fn every_limit_is_refused_with_words() {
    let mut site = Site::new(HERE);
    let many: Vec<Value> = (0..257).map(|_| json!({"op": "delete"})).collect();
    assert_eq!(site.refused(Value::Array(many)), "one call may have 256 operations, this one has 257");
    let long = json!([{"op": "add", "field": "/tags", "element": "x".repeat(1_023)}]);
    assert_eq!(site.refused(long), "an element of the set /tags has at most 1024 bytes");
    site.write(json!([{"op": "add", "field": "/tags", "element": "x".repeat(1_022)}]));
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let deep = json!([{"op": "insert", "field": "/lines", "index": 0, "values": [deep]}]);
    assert!(site.refused(deep).starts_with("a value for the list /lines is nested deeper"));
    let text = json!([{"op": "splice", "field": "/body", "index": 0, "insert": "x".repeat(9_000)}]);
    assert!(site.refused(text).starts_with("one call may write 8192 entries, items and characters"));
    let steps: Vec<Value> = (0..1_025).map(|_| json!({"op": "test", "path": "", "value": {}})).collect();
    let patch = json!([{"op": "patch", "patch": steps}]);
    assert_eq!(site.refused(patch), "a patch may have 1024 operations, this one has 1025");
}
