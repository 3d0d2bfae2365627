use super::*;
use crate::query::Test;
use crate::query::sample::pointer;
use serde_json::json;

fn ranges(text: &[(&str, &str)]) -> Vec<Range<Vec<u8>>> {
    text.iter().map(|(from, to)| from.as_bytes().to_vec()..to.as_bytes().to_vec()).collect()
}

#[test]
fn ranges_meet_where_both_are() {
    let (one, other) = (ranges(&[("a", "d"), ("f", "h")]), ranges(&[("b", "c"), ("c", "g"), ("h", "i")]));
    assert_eq!(intersect(&one, &other), ranges(&[("b", "c"), ("c", "d"), ("f", "g")]));
    assert_eq!(intersect(&one, &[]), []);
}

fn query(tests: &[(&str, Test)], order: Order) -> Query {
    let filters =
        tests.iter().map(|(field, test)| Filter { field: pointer(field), test: test.clone() }).collect();
    Query { filters, order, ..Query::default() }
}

#[test]
fn two_open_ends_are_a_range() {
    let from = ("/a", Test::AtLeast(json!(1)));
    let to = ("/a", Test::Less(json!(3)));
    let found = spans(&query(&[from, to], Order::Key), &Field::new(&pointer("/a"))).unwrap();
    assert_eq!(found.breadth, Breadth::Bounded);
    let row = |value| [rank::of(Some(&json!(value))).as_slice(), b"k"].concat();
    let within: Vec<bool> = [0, 1, 2, 4].iter().map(|value| found.ranges[0].contains(&row(*value))).collect();
    assert_eq!((found.ranges.len(), within), (1, vec![false, true, true, false]));
}

#[test]
fn tests_that_no_value_passes_leave_no_range() {
    let tests = [("/a", Test::Equal(json!(1))), ("/a", Test::Equal(json!("x")))];
    let found = spans(&query(&tests, Order::Key), &Field::new(&pointer("/a"))).unwrap();
    assert_eq!(found.ranges, []);
}

#[test]
fn one_value_is_read_in_the_order_of_keys() {
    let (name, price) = (Field::new(&pointer("/name")), Field::new(&pointer("/price")));
    let tests = [("/price", Test::AtLeast(json!(1))), ("/name", Test::Equal(json!("x")))];
    let plan = choose(&query(&tests, Order::Key), &[price, name.clone()]);
    assert!(plan.gather.is_none() && matches!(plan.source, Source::Point(scan) if scan.field == name));
}

#[test]
fn without_an_index_the_order_is_by_sorting() {
    let plan = choose(&query(&[], Order::Field(pointer("/name"))), &[]);
    let sort = Some(Field::new(&pointer("/name")));
    assert_eq!(plan, Plan { gather: None, source: Source::Keys, sort });
}
