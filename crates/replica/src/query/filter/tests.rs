use super::*;
use crate::query::sample;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn what_passes_is_as_the_module_says() {
    let table = [
        (Test::Equal(json!(1)), json!(1.0), true),
        (Test::Equal(json!(9_007_199_254_740_993_i64)), json!(9_007_199_254_740_992.0), false),
        (Test::Equal(json!(null)), json!(null), true),
        (Test::Equal(json!("1")), json!(1), false),
        (Test::Equal(json!([1, {"a": 2}])), json!([1.0, {"a": 2.0}]), true),
        (Test::Equal(json!([1, 2])), json!([2, 1]), false),
        (Test::NotEqual(json!(1)), json!("1"), true),
        (Test::NotEqual(json!(1)), json!(1.0), false),
        (Test::Less(json!(2)), json!(1.9), true),
        (Test::Less(json!(2)), json!("1"), false),
        (Test::Less(json!(2)), json!(null), false),
        (Test::Less(json!("b")), json!("a"), true),
        (Test::Less(json!(true)), json!(false), true),
        (Test::AtMost(json!(2)), json!(2), true),
        (Test::More(json!(u64::MAX - 1)), json!(u64::MAX), true),
        (Test::AtLeast(json!("é")), json!("f"), false),
        (Test::Between(json!(1), json!(2)), json!(2.0), true),
        (Test::Between(json!(1), json!(2)), json!(2.1), false),
        (Test::Between(json!(2), json!(1)), json!(1.5), false),
        (Test::In(vec![json!(1), json!("x")]), json!("x"), true),
        (Test::In(vec![]), json!("x"), false),
        (Test::Exists(true), json!(null), true),
        (Test::Exists(false), json!(null), false),
        (Test::Contains(json!(1)), json!(["x", 1.0]), true),
        (Test::Contains(json!(1)), json!(1), false),
        (Test::Contains(json!("a")), json!({"a": 1}), false),
        (Test::StartsWith("mi".into()), json!("milk"), true),
        (Test::StartsWith("mi".into()), json!(["milk"]), false),
    ];
    for (test, value, passes) in table {
        assert_eq!(test.passes(Some(&value)), passes, "{test:?} of {value}");
        assert_eq!(test.passes(None), test == Test::Exists(false), "{test:?} of nothing");
    }
}

#[track_caller]
fn refused(test: Test, why: &str) {
    let filter = Filter { field: Pointer::parse("/a").unwrap(), test };
    assert_eq!(filter.check().unwrap_err().to_string(), why);
}

#[test]
fn a_test_that_makes_no_sense_is_refused() {
    refused(
        Test::Less(json!(null)),
        "the filter of /a has 'less' with null, an array or an object: it takes a number, string or boolean",
    );
    refused(
        Test::Between(json!(1), json!("2")),
        "the filter of /a is between values of two types: give two numbers, two strings or two booleans",
    );
    refused(
        Test::In(vec![json!(1); IN_VALUES_MAX + 1]),
        "the filter of /a has 101 values, 100 are allowed: ask in parts",
    );
    refused(
        Test::StartsWith("x".repeat(OPERAND_BYTES_MAX)),
        "the filter of /a compares with 1026 bytes of JSON, 1024 are allowed",
    );
    let filter =
        Filter { field: Pointer::parse("/a").unwrap(), test: Test::Between(json!(false), json!(true)) };
    assert_eq!(filter.check(), Ok(()));
}

#[test]
fn a_plan_shows_the_beginning_of_a_long_value() {
    let words = Test::Equal(json!("ü".repeat(100))).words();
    assert_eq!(words, format!("equal to \"{}…", "ü".repeat(63)));
}

proptest! {
    #[test]
    fn what_passes_is_within_the_spans(query in sample::query(), value in sample::scalar()) {
        for filter in &query.filters {
            let Some(spans) = filter.test.spans() else { continue };
            for value in [Some(&value), None] {
                let row = [rank::of(value).as_slice(), b"key"].concat();
                let is_within = spans.ranges.iter().any(|range| range.start <= row && row < range.end);
                prop_assert!(is_within || !filter.test.passes(value), "{:?} of {value:?}", filter.test);
            }
        }
    }

    #[test]
    fn tests_of_order_agree_with_the_order(value in sample::scalar(), operand in sample::scalar()) {
        let alike = std::mem::discriminant(&value) == std::mem::discriminant(&operand) && !value.is_null();
        let order = sample::order(&value, &operand);
        let passes = |test: fn(Value) -> Test| test(operand.clone()).passes(Some(&value));
        prop_assert_eq!(passes(Test::Less), alike && order.is_lt());
        prop_assert_eq!(passes(Test::AtMost), alike && order.is_le());
        prop_assert_eq!(passes(Test::More), alike && order.is_gt());
        prop_assert_eq!(passes(Test::AtLeast), alike && order.is_ge());
        prop_assert_eq!(passes(Test::Equal), sample::equal(&value, &operand));
        prop_assert_eq!(passes(Test::NotEqual), !sample::equal(&value, &operand));
    }
}
