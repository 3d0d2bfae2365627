use super::*;
use crate::query::sample;
use proptest::prelude::*;
use serde_json::json;
use std::cmp::Ordering;

#[test]
fn ranks_are_in_the_order_of_values() {
    let long = "x".repeat(64);
    let values = [
        json!(null),
        json!(false),
        json!(true),
        json!(f64::MIN),
        json!(i64::MIN),
        json!(i64::MIN + 1),
        json!(-1.5),
        json!(-1),
        json!(-f64::MIN_POSITIVE),
        json!(0),
        json!(f64::from_bits(1)),
        json!(0.1),
        json!(1),
        json!(1.5),
        json!((1_i64 << 53) - 1),
        json!(9_007_199_254_740_992.0),
        json!((1_i64 << 53) + 1),
        json!(i64::MAX - 1),
        json!(i64::MAX),
        json!(9_223_372_036_854_775_808.0),
        json!((1_u64 << 63) + 1),
        json!(u64::MAX - 1),
        json!(u64::MAX),
        json!(18_446_744_073_709_551_616.0),
        json!(1e300),
        json!(""),
        json!("\0"),
        json!("\0\0"),
        json!("a"),
        json!("a\0"),
        json!("a\0b"),
        json!("a\u{1}"),
        json!("ab"),
        json!("b"),
        json!(long),
        json!(format!("{long}\0")),
        json!("ü"),
        json!([]),
    ];
    assert!(of(None) < of(values.first()));
    for pair in values.windows(2) {
        assert!(of(Some(&pair[0])) < of(Some(&pair[1])), "{} before {}", pair[0], pair[1]);
    }
}

#[test]
fn one_number_has_one_rank_whatever_its_form() {
    for (one, other) in
        [(json!(1), json!(1.0)), (json!(0), json!(-0.0)), (json!(1_u64 << 63), json!(2_f64.powi(63)))]
    {
        assert_eq!(of(Some(&one)), of(Some(&other)));
    }
}

#[test]
fn a_rank_is_short() {
    let longest = of(Some(&json!("\0".repeat(1_000))));
    assert_eq!(longest.len(), 2 + 2 * STRING_BYTES_MAX);
}

#[test]
fn what_is_no_rank_has_no_length() {
    for bytes in [&[][..], &[0], &[8, 1], &[5, 1, 2], &[6], &[6, b'a'], &[6, 0xff], &[0xff]] {
        assert_eq!(length(bytes), None, "{bytes:?}");
    }
    assert_eq!(length(&[&[6][..], &[b'x'; 64], &[2]].concat()), None, "neither ended nor cut");
}

/// The order of two values that an index tells apart, without ranks: `None` where the index does not say.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let cut = |text: &str| text.as_bytes()[..text.len().min(STRING_BYTES_MAX)].to_vec();
    match (one, other) {
        (Value::String(one), Value::String(other)) if one != other && cut(one) == cut(other) => {
            let both_cut = one.len() > STRING_BYTES_MAX && other.len() > STRING_BYTES_MAX;
            if both_cut { None } else { Some(one.len().cmp(&other.len())) }
        }
        (one, other) => Some(sample::order(one, other)),
    }
}

proptest! {
    #[test]
    fn order_of_ranks_is_order_of_values(one in sample::scalar(), other in sample::scalar()) {
        let expected = order(&one, &other).unwrap_or(Ordering::Equal);
        prop_assert_eq!(of(Some(&one)).cmp(&of(Some(&other))), expected);
    }

    #[test]
    fn numbers_next_to_each_other_are_told_apart(bits in any::<u64>(), step in 0..3_i64) {
        let integer = bits.cast_signed();
        let double = json!(integer as f64);
        let near = json!(integer.saturating_add(step - 1));
        prop_assert_eq!(of(Some(&near)).cmp(&of(Some(&double))), sample::order(&near, &double));
        prop_assert_eq!(of(Some(&json!(integer))).cmp(&of(Some(&near))), sample::order(&json!(integer), &near));
    }

    #[test]
    fn a_rank_ends_itself(value in sample::scalar(), key in "[a-z\u{10fff0}-\u{10ffff}]{1,4}") {
        let rank = of(Some(&value));
        let row = [rank.as_slice(), key.as_bytes()].concat();
        prop_assert_eq!(length(&row), Some(rank.len()));
        prop_assert!(point(&rank).contains(&row));
    }

    #[test]
    fn ranges_hold_what_they_say(one in sample::scalar(), other in sample::scalar(), key in "[a-z]{1,3}") {
        let (rank, row) = (of(Some(&one)), [of(Some(&other)), key.into_bytes()].concat());
        let alike = std::mem::discriminant(&one) == std::mem::discriminant(&other);
        let order = sample::order(&other, &one);
        // A range may hold more than it says, of the same kind and at its ends only: every document is tested again.
        prop_assert!(!alike || order.is_gt() || up_to(&rank).contains(&row));
        prop_assert!(!alike || order.is_lt() || from(&rank).contains(&row));
        prop_assert!(alike || !up_to(&rank).contains(&row) && !from(&rank).contains(&row));
        prop_assert!(!alike || order.is_ge() || before(&rank).contains(&row));
        prop_assert!(!alike || order.is_le() || after(&rank).contains(&row));
        prop_assert!(order.is_ne() || is_cut(&rank) || !before(&rank).contains(&row) && !after(&rank).contains(&row));
        prop_assert!(all().contains(&row) && all().contains(&of(None)));
        if let (Some(prefix), Some(text)) = (one.as_str(), other.as_str()) {
            prop_assert!(!text.starts_with(prefix) || strings_from(prefix).contains(&row));
        }
    }
}
