//! The rules of `schemas/wire/protocol.md` that no round trip shows.

use super::history::{Step, key};
use super::*;
use crate::EncodeError;

fn two_rows() -> Vec<Named> {
    let write = Step::Write { site: 1, document: 0, kind: 0 };
    rows_of(&[write.clone(), write])
}

#[test]
fn a_change_that_depends_on_what_is_not_here_is_a_gap_and_after_a_rewind_it_is_named_in_full() {
    // W-27, W-30, W-31.
    let rows = two_rows();
    let delta = delta_of(0, 1, &rows[1..]);
    let (mut encoder, mut decoder) = (DeltaEncoder::default(), DeltaDecoder::default());
    let packed = encoder.pack(&delta, &mut Deflaters::default(), |_, _| true).unwrap();
    assert_eq!(decoder.unpack(&packed, |_, _| None), Ok(Unpacked::Gap));
    let next = encoder.pack(&delta, &mut Deflaters::default(), |_, _| true).unwrap();
    assert!(!next.restarts);
    assert_eq!(decoder.unpack(&next, |_, _| None), Err(DecodeError::Restart));
    let again = Delta { generation: 1, ..delta };
    let packed =
        encoder.pack(&again, &mut Deflaters::default(), |_, _| panic!("not asked after a rewind")).unwrap();
    assert!(packed.restarts);
    assert_eq!(decoder.unpack(&packed, |_, _| None), Ok(Unpacked::Delta(again)));
}

#[test]
fn a_prefix_is_looked_for_in_the_document_of_its_row() {
    // W-27.
    let rows = two_rows();
    let (mut encoder, mut decoder) = (DeltaEncoder::default(), DeltaDecoder::default());
    let delta = delta_of(0, 1, &rows[1..]);
    let packed = encoder
        .pack(&delta, &mut Deflaters::default(), |document, hash| document == 0 && *hash == rows[0].hash())
        .unwrap();
    let unpacked = decoder.unpack(&packed, |place, prefix| {
        assert_eq!((place.space, place.collection, place.key), ("store-0", "inventory", "102970"));
        rows[0].hash().starts_with(prefix).then(|| rows[0].hash())
    });
    assert_eq!(unpacked, Ok(Unpacked::Delta(delta)));
}

#[test]
fn a_prefix_of_two_changes_is_a_gap_where_the_other_one_was_found() {
    // W-27, W-32: the receiver finds the first of two; what it rebuilds is not what was sent.
    let rows = two_rows();
    let delta = delta_of(0, 1, &rows[1..]);
    let packed = DeltaEncoder::default().pack(&delta, &mut Deflaters::default(), |_, _| true).unwrap();
    let mut other = rows[0].hash();
    other[31] ^= 1;
    let mut decoder = DeltaDecoder::default();
    let unpacked = decoder.unpack(&packed, |_, prefix| other.starts_with(prefix).then_some(other));
    assert_eq!(unpacked, Ok(Unpacked::Gap));
    assert_eq!(
        decoder.unpack(&PackedDelta { restarts: false, ..packed }, |_, _| None),
        Err(DecodeError::Restart)
    );
}

#[test]
fn a_prefix_of_two_changes_is_a_gap_also_where_others_are_named_after_it() {
    // W-27: two heads, whose hashes begin alike as far as the receiver is concerned.
    let write = |site| Step::Write { site, document: 0, kind: 0 };
    let rows = rows_of(&[write(1), write(2), write(1), write(2), write(2)]);
    let unpacked = |generation| {
        let delta = delta_of(generation, 2, &rows[2..]);
        let packed = DeltaEncoder::default().pack(&delta, &mut Deflaters::default(), |_, _| true).unwrap();
        DeltaDecoder::default().unpack(&packed, |_, _| Some(rows[0].hash()))
    };
    assert_eq!(unpacked(0), Ok(Unpacked::Gap));
    assert_eq!(unpacked(1), Ok(Unpacked::Delta(delta_of(1, 2, &rows[2..]))));
}

#[test]
fn an_encoder_gives_back_its_memory_and_begins_anew() {
    // W-30.
    let mut ends = Ends::default();
    let rows = two_rows();
    ends.takes(0, 0, &rows[..1]);
    ends.encoder.restart();
    let delta = delta_of(0, 1, &rows[1..]);
    assert!(ends.pack(&delta).restarts);
    ends.encoder.restart();
    assert_eq!(ends.carry(&delta), Ok(Unpacked::Delta(delta)));
}

#[test]
fn a_transaction_counts_down_by_itself() {
    // W-23.
    let mut rows = two_rows();
    rows.extend(two_rows());
    for (row, follow) in rows.iter_mut().zip([3, 2, 1, 0]) {
        row.follow = follow;
    }
    let counted = Ends::default().pack(&delta_of(0, 0, &rows)).deflated.len();
    Ends::default().takes(0, 0, &rows);
    rows[1].follow = 7;
    assert!(Ends::default().pack(&delta_of(0, 0, &rows)).deflated.len() > counted);
    Ends::default().takes(0, 0, &rows);
}

#[test]
fn what_breaks_a_limit_is_not_packed() {
    let refused = |delta: &Delta| {
        DeltaEncoder::default().pack(delta, &mut Deflaters::default(), |_, _| false).unwrap_err()
    };
    let row = |name: &str, body: Vec<u8>| Named {
        space: "s".into(),
        collection: "c".into(),
        key: name.into(),
        origin: key(1),
        sequence: 1,
        body,
        follow: 0,
    };
    // W-34: at the limit, and past it.
    let rows = vec![row("1", vec![0]); ROWS_MAX];
    Ends::default().takes(0, 0, &rows);
    let many = delta_of(0, 0, &vec![row("1", vec![0]); ROWS_MAX + 1]);
    assert_eq!(refused(&many).to_string(), "the frame has 4097 rows, 4096 are allowed");
    let long = delta_of(0, 0, &[row("1", vec![0; crate::FRAME_BYTES_MAX])]);
    assert!(matches!(refused(&long), EncodeError::TooLong(_)));
    let name = delta_of(0, 0, &[row(&"k".repeat(NAME_BYTES_MAX + 1), vec![0])]);
    assert_eq!(refused(&name), EncodeError::NameTooLong(NAME_BYTES_MAX + 1));
    let mut nowhere = delta_of(0, 0, &[row("1", vec![0])]);
    nowhere.rows[0].document = 1;
    assert_eq!(refused(&nowhere), EncodeError::Reference);
}

#[test]
fn an_encoder_that_refused_goes_on_anew() {
    let mut ends = Ends::default();
    let rows = two_rows();
    ends.takes(0, 0, &rows[..1]);
    let mut nowhere = delta_of(0, 1, &rows[1..]);
    nowhere.rows[0].origin = 1;
    assert!(ends.encoder.pack(&nowhere, &mut Deflaters::default(), |_, _| false).is_err());
    ends.takes(0, 1, &rows[1..]);
}
