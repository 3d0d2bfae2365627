//! What hostile bytes do to a decoder.

use super::super::deflaters;
use super::super::number::{push_bytes, push_difference, push_unsigned};
use super::super::row::{BY_NUMBER, BY_ROW, DEPENDENCIES, OTHERS, STREAM, VERBATIM};
use super::*;
use crate::{FRAME_BYTES_MAX, Frame};

/// The plain bytes of a delta of so many rows, before the rows.
fn head(rows: u64) -> Vec<u8> {
    let mut plain = Vec::new();
    push_unsigned(&mut plain, rows);
    push_difference(&mut plain, 0, 0);
    push_difference(&mut plain, 1, 0);
    push_bytes(&mut plain, &[]);
    plain
}

/// A stream and a document that are told, after the flags.
fn told(plain: &mut Vec<u8>) {
    plain.push(0);
    push_bytes(plain, b"s");
    plain.push(0);
    plain.extend([7; 48]);
    plain.push(0);
    push_bytes(plain, b"c");
    push_bytes(plain, b"k");
}

/// The first delta of a stream.
fn deflated(plain: &[u8]) -> Vec<u8> {
    Deflaters::default().deflate(&mut deflaters::Stream::default(), plain).unwrap()
}

/// A frame of plain bytes with the digest of what an honest encoder would have meant by them.
fn forged(plain: &[u8], bodies: &[&[u8]]) -> PackedDelta {
    let rows: Vec<Row> = bodies
        .iter()
        .map(|body| Row { document: 0, origin: 0, sequence: 1, body: body.to_vec(), follow: None })
        .collect();
    let deflated = deflated(plain);
    PackedDelta { generation: 0, restarts: true, check: check_of(0, plain, &rows), deflated }
}

#[track_caller]
fn refused(plain: &[u8], error: DecodeError) {
    assert_eq!(DeltaDecoder::default().unpack(&forged(plain, &[]), |_, _| None), Err(error));
}

#[test]
fn a_row_that_is_forged_soundly_is_read() {
    let mut plain = head(1);
    plain.push(STREAM | VERBATIM);
    told(&mut plain);
    push_bytes(&mut plain, b"body");
    let unpacked = DeltaDecoder::default().unpack(&forged(&plain, &[b"body"]), |_, _| None);
    let Ok(Unpacked::Delta(delta)) = unpacked else { panic!("{unpacked:?}") };
    assert_eq!((delta.rows[0].sequence, delta.to), (1, 1));
}

#[test]
fn what_a_newer_version_adds_is_passed_over() {
    // W-21.
    let mut plain = Vec::new();
    push_unsigned(&mut plain, 0);
    push_difference(&mut plain, 3, 0);
    push_difference(&mut plain, 5, 3);
    push_bytes(&mut plain, b"\xa1\x00\x07");
    let unpacked = DeltaDecoder::default().unpack(&forged(&plain, &[]), |_, _| None);
    assert_eq!(unpacked, Ok(Unpacked::Delta(Delta { from: 3, to: 5, ..Delta::default() })));
}

#[test]
fn numbers_that_name_nothing_are_refused() {
    // W-28.
    let mut stream = head(1);
    stream.extend([STREAM, 3]);
    refused(&stream, DecodeError::Table);
    let mut none = head(1);
    none.extend([0, 1]);
    refused(&none, DecodeError::Table);
    for (flags, tail) in [
        (DEPENDENCIES, vec![0, 1, u8::try_from(BY_NUMBER).unwrap()]),
        (DEPENDENCIES, vec![0, 1, u8::try_from(BY_ROW).unwrap(), 0]),
        (OTHERS, vec![0, 1, 9]),
    ] {
        let mut plain = head(1);
        plain.push(STREAM | flags);
        told(&mut plain);
        plain.extend(tail);
        refused(&plain, DecodeError::Table);
    }
    // A document of one space in a row of another.
    let mut plain = head(2);
    plain.push(STREAM | VERBATIM);
    told(&mut plain);
    plain.push(0);
    plain.extend([STREAM | VERBATIM, 0]);
    push_bytes(&mut plain, b"t");
    plain.extend([1, 1, 0]);
    refused(&plain, DecodeError::Table);
}

#[test]
fn rows_that_end_early_or_go_on_are_malformed() {
    // W-29.
    refused(&head(1), DecodeError::Row);
    refused(&[&head(0)[..], &[0]].concat(), DecodeError::Row);
    refused(&head(ROWS_MAX as u64 + 1), DecodeError::TooMany { list: "rows", limit: ROWS_MAX });
    refused(&[], DecodeError::Row);
}

#[test]
fn small_rows_that_become_long_changes_are_refused_at_the_limit() {
    // W-34. Each row names 1,024 other authors by a byte each: 17 bytes in the change.
    let mut plain = head(100);
    for row in 0..100 {
        plain.push(OTHERS | if row == 0 { STREAM } else { 0 });
        if row == 0 {
            told(&mut plain)
        } else {
            plain.push(1)
        }
        plain.push(0);
        push_unsigned(&mut plain, 1_024);
        plain.extend([1; 1_024]);
        plain.push(0);
    }
    refused(&plain, DecodeError::TooLong);
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    // W-34.
    let deflated = deflated(&vec![0; 16 * FRAME_BYTES_MAX]);
    assert!(deflated.len() < 40_000);
    let packed = PackedDelta { generation: 0, restarts: true, check: [0; CHECK_BYTES], deflated };
    assert_eq!(DeltaDecoder::default().unpack(&packed, |_, _| None), Err(DecodeError::TooLong));
}

#[test]
fn a_stream_that_ends_is_refused() {
    // W-33. An empty last block.
    let packed = PackedDelta { generation: 0, restarts: true, check: [0; CHECK_BYTES], deflated: vec![3, 0] };
    assert_eq!(DeltaDecoder::default().unpack(&packed, |_, _| None), Err(DecodeError::Inflate));
}

#[test]
fn a_delta_that_is_lost_is_noticed() {
    // W-32.
    let steps: Vec<_> = (0..40).map(|n| history::Step::Write { site: 1, document: n % 5, kind: 0 }).collect();
    let mut ends = Ends::default();
    let rows = rows_of(&steps);
    ends.takes(0, 0, &rows[..20]);
    ends.pack(&delta_of(0, 20, &rows[20..30]));
    assert!(ends.carry(&delta_of(0, 30, &rows[30..])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_flipped_bit_is_refused_or_changes_nothing(
        steps in any_steps(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        // W-32.
        let rows = rows_of(&steps);
        let half = rows.len() / 2;
        let mut ends = Ends::default();
        ends.takes(0, 0, &rows[..half]);
        let delta = delta_of(0, half as u64, &rows[half..]);
        let mut bytes = crate::encode(&Frame::Delta(ends.pack(&delta))).unwrap();
        // The kind is the envelope's.
        let at = 1 + at.index(bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        let Ok(Frame::Delta(packed)) = crate::decode(&bytes) else { return Ok(()) };
        if let Ok(unpacked) = unpack(&mut ends.decoder, &ends.has, &packed) {
            prop_assert!(unpacked == Unpacked::Gap || unpacked == Unpacked::Delta(delta));
        }
    }

    #[test]
    fn any_bytes_never_panic(plain in prop::collection::vec(any::<u8>(), 0..400), rows in 0..9_u8) {
        let mut sound = head(rows.into());
        sound.push(STREAM | VERBATIM);
        told(&mut sound);
        push_bytes(&mut sound, b"body");
        sound.extend_from_slice(&plain);
        for plain in [&plain, &sound] {
            let _ = DeltaDecoder::default().unpack(&forged(plain, &[]), |_, _| Some([9; 32]));
        }
        let packed = PackedDelta { generation: 0, restarts: true, check: [0; CHECK_BYTES], deflated: plain };
        let _ = DeltaDecoder::default().unpack(&packed, |_, _| None);
    }
}
