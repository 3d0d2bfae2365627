use super::*;
use crate::{Document, Operation};
use serde_json::json;

fn body() -> Vec<u8> {
    let mut document = Document::new();
    let put = Operation::Put(json!({"name": "milk", "tags": [1, 2], "price": 1.25, "sold": 3, "none": null}));
    let change = document.write(Origin([9; 16]), None, &[put], 1_700_000_000_123).unwrap().unwrap();
    ForeignChange::body(&change.chunk).unwrap().to_vec()
}

#[test]
fn a_real_change_comes_back_whole() {
    let parsed = ForeignChange::parse(&body()).unwrap();
    let change = automerge::Change::from_bytes(parsed.chunk.clone()).unwrap();
    assert_eq!(parsed.hash, change.hash());
    assert_eq!(parsed.origin, Origin([9; 16]));
    assert_eq!((parsed.document_sequence, parsed.wall_ms), (1, 1_700_000_000_123));
    assert_eq!(parsed.chunk, change.raw_bytes());
}

#[test]
fn every_shortened_change_is_refused() {
    let body = body();
    for bytes in 0..body.len() {
        assert!(ForeignChange::parse(&body[..bytes]).is_err(), "{bytes}");
    }
}

/// A change of one author with these columns.
fn with_columns(columns: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 16];
    body.extend_from_slice(&[9; 16]);
    body.extend_from_slice(&[1, 1, 0, 0, 0]); // sequence, first operation, time, no message, no other authors
    body.push(u8::try_from(columns.len()).unwrap());
    columns
        .iter()
        .for_each(|(column, bytes)| body.extend_from_slice(&[*column, u8::try_from(bytes.len()).unwrap()]));
    columns.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
    body
}

#[test]
fn a_run_of_ten_million_operations_is_refused_unexpanded() {
    let ten_million = [0x80, 0xad, 0xe2, 0x04, 0x01];
    assert_eq!(
        ForeignChange::parse(&with_columns(&[(0x42, &ten_million)])),
        Err(ChangeRefusal::TooMany("operations"))
    );
    let nulls = [0x00, 0x80, 0xad, 0xe2, 0x04];
    assert_eq!(
        ForeignChange::parse(&with_columns(&[(0x15, &nulls)])),
        Err(ChangeRefusal::TooMany("operations"))
    );
    assert_eq!(
        ForeignChange::parse(&with_columns(&[(0x34, &ten_million[..4])])),
        Err(ChangeRefusal::TooMany("operations"))
    );
}

#[test]
fn other_kinds_and_columns_are_refused() {
    assert_eq!(
        ForeignChange::parse(&with_columns(&[(0x4a, &[])])),
        Err(ChangeRefusal::Columns),
        "deflated column"
    );
    assert_eq!(
        ForeignChange::parse(&with_columns(&[(0x42, &[]), (0x34, &[])])),
        Err(ChangeRefusal::Columns),
        "order"
    );
    let (_, mut chunk) = seal(&body());
    chunk[8] = 2;
    assert_eq!(ForeignChange::body(&chunk), Err(ChangeRefusal::Kind), "deflated change");
    let mut actor = body();
    actor[1] = 15;
    assert_eq!(ForeignChange::parse(&actor), Err(ChangeRefusal::Actor));
    assert_eq!(
        ForeignChange::parse(&vec![0; CHANGE_BYTES_MAX + 1]),
        Err(ChangeRefusal::TooLong(CHANGE_BYTES_MAX + 1))
    );
}

/// A change of origin 9 that puts null at these names.
fn with_names(names: &[&str]) -> Vec<u8> {
    let mut column = Vec::new();
    for name in names {
        column.push(0x7f);
        leb::push_unsigned(&mut column, name.len() as u64);
        column.extend_from_slice(name.as_bytes());
    }
    let mut body = with_columns(&[]);
    body.pop();
    body.extend_from_slice(&[1, 0x15]);
    leb::push_unsigned(&mut body, column.len() as u64);
    body.extend_from_slice(&column);
    body
}

#[test]
fn a_name_that_no_document_can_have_is_refused() {
    assert!(ForeignChange::parse(&with_names(&["a/b", &"a/".repeat(31)])).is_ok());
    assert_eq!(ForeignChange::parse(&with_names(&[&"a/".repeat(32)])), Err(ChangeRefusal::Name));
    assert_eq!(ForeignChange::parse(&with_names(&[&"a/".repeat(5_000)])), Err(ChangeRefusal::Name));
    assert_eq!(ForeignChange::parse(&with_names(&[&"a".repeat(1_025)])), Err(ChangeRefusal::Name));
}

#[test]
fn only_an_origin_writes_its_tally() {
    let tally = |number| format!("on_hand/+{}", Origin([number; 16]).short());
    assert!(ForeignChange::parse(&with_names(&[&tally(9), "+reserved"])).is_ok());
    assert_eq!(ForeignChange::parse(&with_names(&[&tally(8)])), Err(ChangeRefusal::Tally));
    assert_eq!(ForeignChange::parse(&with_names(&["on_hand/+"])), Err(ChangeRefusal::Tally));
}

#[test]
fn a_change_has_no_more_operations_than_bytes() {
    let ten_thousand = [0x90, 0xce, 0x00, 0x01];
    assert_eq!(
        ForeignChange::parse(&with_columns(&[(0x42, &ten_thousand)])),
        Err(ChangeRefusal::TooMany("operations"))
    );
}
