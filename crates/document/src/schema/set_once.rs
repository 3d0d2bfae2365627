//! Fields that are set once: what was paid is not paid otherwise.

use super::fields::SetOnce;
use super::{Violation, shortened};
use serde_json::Value;

impl SetOnce {
    /// What is wrong with a write before which these values stood, the one that was shown last, and after which those do.
    /// Null and the default are no values yet, also where they are shown in place of one.
    pub(crate) fn check(&self, before: &[Value], after: &[Value], is_settled: bool) -> Option<Violation> {
        let is_value = |value: &Value| !value.is_null() && Some(value) != self.default.as_ref();
        let had = before.iter().rev().find(|value| is_value(value))?;
        let has = after.last();
        if before == after || is_settled && has.is_some_and(|has| is_value(has) && before.contains(has)) {
            return None;
        }
        let becomes = match has {
            Some(has) if has == had => return None,
            Some(has) => format!("become {}", shortened(has)),
            None => "be taken away".to_owned(),
        };
        let message = format!("{} is set once, and cannot {becomes}", shortened(had));
        Some(Violation { field: self.field.to_string(), rule: self.rule.clone(), message })
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::tests::{of_field, shipped};
    use crate::{Document, Operation, Origin, Pointer, Schema, SchemaError, Signature, WriteError};
    use serde_json::{Value, json};

    fn write(
        document: &mut Document,
        schema: &Schema,
        origin: u8,
        operation: Operation,
    ) -> Result<(), WriteError> {
        let signature = Signature::of(Origin([origin; 16]), 0);
        document.write(&signature, Some(schema), &[operation]).map(|_| ())
    }

    fn merge(document: &mut Document, schema: &Schema, patch: Value) -> Result<(), WriteError> {
        write(document, schema, 1, Operation::MergePatch(patch))
    }

    fn paid(sum: f64) -> Value {
        json!({"state": "paid", "totals": {"units": 1, "sum": sum}, "closed_ms": 7})
    }

    #[track_caller]
    fn refused(written: Result<(), WriteError>, rules: &[&str]) {
        let Err(WriteError::Invalid(violations)) = written else { panic!("{written:?}") };
        let broken: Vec<_> = violations.iter().map(|violation| violation.rule.as_str()).collect();
        assert_eq!(broken, rules, "{violations:?}");
    }

    #[test]
    fn a_basket_is_paid_once() {
        let schema = shipped("basket");
        let mut basket = Document::new();
        write(&mut basket, &schema, 1, Operation::Put(json!({"till": "a", "state": "open"}))).unwrap();
        merge(&mut basket, &schema, paid(2.5)).unwrap();
        // The same once more is no change, and what is not set once can still be written.
        merge(&mut basket, &schema, paid(2.5)).unwrap();
        merge(&mut basket, &schema, json!({"till": "b"})).unwrap();
        let state = "/properties/state/x-set-once";
        refused(merge(&mut basket, &schema, json!({"state": "cancelled"})), &[state]);
        refused(merge(&mut basket, &schema, json!({"state": "open"})), &[state]);
        let totals = "/properties/totals/x-set-once";
        refused(merge(&mut basket, &schema, json!({"totals": {"units": 1, "sum": 2}})), &[totals]);
        let all =
            merge(&mut basket, &schema, json!({"state": "cancelled", "totals": null, "closed_ms": null}));
        refused(all, &["/properties/closed_ms/x-set-once", state, totals]);
        assert_eq!(basket.json().unwrap()["totals"]["sum"], 2.5);
        // Of a document that was deleted nothing is set.
        write(&mut basket, &schema, 1, Operation::Delete).unwrap();
        write(&mut basket, &schema, 1, Operation::Put(paid(4.5))).unwrap();
        assert_eq!(basket.json().unwrap()["totals"]["sum"], 4.5);
    }

    #[test]
    fn null_and_the_default_are_no_values_yet() {
        let field = json!({"type": ["string", "null"], "default": "new", "x-set-once": true});
        let schema = of_field(&field).unwrap();
        let mut document = Document::new();
        for value in [json!("new"), Value::Null, json!("new"), json!("old")] {
            write(&mut document, &schema, 1, Operation::Put(json!({"f": value}))).unwrap();
        }
        let again = write(&mut document, &schema, 1, Operation::Put(json!({"f": "older"})));
        let Err(WriteError::Invalid(violations)) = again else { panic!("{again:?}") };
        let words = "/f: \"old\" is set once, and cannot become \"older\" (rule /properties/f/x-set-once)";
        assert_eq!(violations[0].to_string(), words);
    }

    #[test]
    fn what_two_set_cut_off_is_settled_on_one_of_both() {
        let schema = of_field(&json!({"type": "string", "x-set-once": true})).unwrap();
        let (mut here, mut there) = (Document::new(), Document::new());
        write(&mut here, &schema, 1, Operation::Put(json!({"f": "a"}))).unwrap();
        let signature = Signature::of(Origin([2; 16]), 0);
        let put = Operation::Put(json!({"f": "b"}));
        let change = there.write(&signature, Some(&schema), &[put]).unwrap().unwrap();
        here.apply(&[change.chunk]).unwrap();
        let shown = here.json().unwrap()["f"].clone();
        let other = if shown == "a" { json!("b") } else { json!("a") };
        let field = Pointer::parse("/f").unwrap();
        let settle = |value| Operation::Settle { field: field.clone(), value };
        refused(merge(&mut here, &schema, json!({"f": other.clone()})), &["/properties/f/x-set-once"]);
        refused(write(&mut here, &schema, 1, settle(json!("c"))), &["/properties/f/x-set-once"]);
        // What counts is what is left there.
        let both = [settle(other.clone()), Operation::Put(json!({"f": "c"}))];
        let written = here.write(&Signature::of(Origin([1; 16]), 0), Some(&schema), &both).map(|_| ());
        refused(written, &["/properties/f/x-set-once"]);
        write(&mut here, &schema, 1, settle(other.clone())).unwrap();
        assert_eq!(here.json().unwrap()["f"], other);
        refused(write(&mut here, &schema, 1, settle(shown)), &["/properties/f/x-set-once"]);
    }

    /// What counts is what somebody set, also where a default that somebody else wrote meanwhile is shown.
    #[test]
    fn a_default_that_wins_takes_nothing_back() {
        let schema = of_field(&json!({"type": "string", "default": "open", "x-set-once": true})).unwrap();
        for (first, other) in [(1, 2), (2, 1)] {
            let (mut here, mut there) = (Document::new(), Document::new());
            write(&mut here, &schema, first, Operation::Put(json!({"f": "paid"}))).unwrap();
            let open = Operation::Put(json!({"f": "open"}));
            let change =
                there.write(&Signature::of(Origin([other; 16]), 0), Some(&schema), &[open]).unwrap().unwrap();
            here.apply(&[change.chunk]).unwrap();
            let field = Pointer::parse("/f").unwrap();
            let settle = |value: &str| Operation::Settle { field: field.clone(), value: json!(value) };
            let rule = ["/properties/f/x-set-once"];
            refused(merge(&mut here, &schema, json!({"f": "cancelled"})), &rule);
            refused(write(&mut here, &schema, 1, settle("open")), &rule);
            refused(merge(&mut here, &schema, json!({"f": null})), &rule);
            // What else there is can be written meanwhile.
            merge(&mut here, &schema, json!({"g": 1})).unwrap();
            write(&mut here, &schema, 1, settle("paid")).unwrap();
            assert_eq!(here.json().unwrap()["f"], "paid");
        }
    }

    #[test]
    fn only_registers_are_set_once() {
        let refused = [
            json!({"x-set-once": true}),
            json!({"type": "object", "x-set-once": true}),
            json!({"type": "integer", "x-crdt": "counter", "x-set-once": true}),
            json!({"type": "array", "x-crdt": "list", "x-set-once": true}),
        ];
        for field in refused {
            let at = "/properties/f/x-set-once".to_owned();
            assert_eq!(of_field(&field).unwrap_err(), SchemaError::SetOnce { at }, "{field}");
        }
        let inside = json!({"type": "array", "items": {"type": "string", "x-set-once": true}});
        assert!(matches!(of_field(&inside), Err(SchemaError::Misplaced { keyword: "x-set-once", .. })));
        let unclear = of_field(&json!({"type": "string", "x-set-once": 1}));
        assert!(matches!(unclear, Err(SchemaError::Expected { .. })));
        assert!(of_field(&json!({"type": "string", "x-set-once": false})).unwrap().set_once().is_empty());
    }

    #[test]
    fn a_later_version_lets_it_be_set_again_and_not_the_other_way() {
        let of = |version: u32, field: Value| {
            crate::schema::tests::with(json!({"x-version": version, "properties": {"f": field}})).unwrap()
        };
        let once = |version| of(version, json!({"type": "string", "x-set-once": true}));
        let open = |version| of(version, json!({"type": "string"}));
        let said = |version| of(version, json!({"type": "string", "x-set-once": false}));
        for later in [open(2), said(2), once(2)] {
            assert_eq!(later.follows(&once(1)), Ok(()));
        }
        assert_eq!(said(2).follows(&open(1)), Ok(()));
        let at = "/properties/f/x-set-once".to_owned();
        assert_eq!(once(2).follows(&open(1)), Err(SchemaError::Tightened { at }));
    }
}
