use super::*;
use crate::frame::*;
use proptest::prelude::*;

fn any_vector() -> impl Strategy<Value = Vec<SpaceVector>> {
    let entry = (any::<[u8; 16]>(), any::<u64>(), any::<[u8; 8]>())
        .prop_map(|(origin, sequence, chain)| VectorEntry { origin, sequence, chain });
    let space = ("[a-z0-9-]{1,20}", prop::collection::vec(entry, 0..4), any::<bool>())
        .prop_map(|(space, entries, takes)| SpaceVector { space, entries, takes });
    prop::collection::vec(space, 0..4)
}

fn any_delta() -> impl Strategy<Value = Delta> {
    let row = (any::<u32>(), any::<u32>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(document, origin, sequence, body)| Row { document, origin, sequence, body });
    let document = (any::<u32>(), "[a-z]{1,9}", "\\PC{1,9}")
        .prop_map(|(space, collection, key)| DocumentName { space, collection, key });
    let origin = (any::<[u8; 32]>(), any::<[u8; 16]>())
        .prop_map(|(public_key, incarnation)| OriginKey { public_key, incarnation });
    let tables = (
        prop::collection::vec("[a-z]{1,9}", 0..3),
        prop::collection::vec(origin, 0..3),
        prop::collection::vec(document, 0..5),
        prop::collection::vec(row, 0..20),
    );
    (any::<u32>(), any::<u64>(), any::<u64>(), tables).prop_map(
        |(generation, from, to, (spaces, origins, documents, rows))| Delta {
            generation,
            from,
            to,
            spaces,
            origins,
            documents,
            rows,
        },
    )
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let hello = (any::<u16>(), any::<u64>(), any::<Option<(u64, u64)>>(), any_vector()).prop_map(
        |(protocol, epoch, cursor, spaces)| {
            let cursor = cursor.map(|(epoch, lsn)| Cursor { epoch, lsn });
            Frame::Hello(Hello { protocol, epoch, cursor, spaces })
        },
    );
    prop_oneof![
        hello,
        any_delta().prop_map(Frame::Delta),
        any::<u64>().prop_map(|durable| Frame::Ack(Ack { durable })),
        (any::<u32>(), any_vector())
            .prop_map(|(generation, spaces)| Frame::Rewind(Rewind { generation, spaces })),
    ]
}

proptest! {
    #[test]
    fn frames_come_back_as_they_were(frame in any_frame()) {
        prop_assert_eq!(decode(&encode(&frame).unwrap()), Ok(frame));
    }

    #[test]
    fn damaged_frames_never_panic(frame in any_frame(), at in any::<prop::sample::Index>(), bits in 1..=255_u8) {
        let mut bytes = encode(&frame).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        let _ = decode(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }
}

#[test]
fn a_frame_of_a_newer_version_is_passed_over() {
    assert_eq!(decode(&[200, 0, 1, 2, 3]), Ok(Frame::Unknown(200)));
    // A map with field 0 (durable) and a field 9 that this version does not know.
    assert_eq!(decode(&[KIND_ACK, 0, 0xa2, 0x00, 0x07, 0x09, 0x01]), Ok(Frame::Ack(Ack { durable: 7 })));
}

#[test]
fn a_deflate_bomb_is_refused_at_the_limit() {
    let mut compress = Compress::new(Compression::new(9), false);
    let mut bomb = Vec::with_capacity(100_000);
    compress.compress_vec(&vec![0; 64 * FRAME_BYTES_MAX], &mut bomb, FlushCompress::Finish).unwrap();
    let bytes = [&[KIND_DELTA, FLAG_DEFLATED][..], &bomb].concat();
    assert!(bytes.len() < 80_000);
    assert_eq!(decode(&bytes), Err(DecodeError::TooLong));
}

#[test]
fn a_length_that_the_bytes_do_not_hold_is_refused() {
    // Field 6 (rows) claims 2^32 - 1 rows.
    let bytes = [KIND_DELTA, 0, 0xa1, 0x06, 0x9a, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(decode(&bytes), Err(DecodeError::Body));
}

#[test]
fn refusals_name_the_rule() {
    assert_eq!(decode(&[]), Err(DecodeError::CutShort));
    assert_eq!(decode(&[KIND_ACK, 8]), Err(DecodeError::Flags));
    assert_eq!(decode(&[KIND_ACK, 0, 0xa1, 0x00, 0x07, 0x00]), Err(DecodeError::Body), "trailing byte");
    assert_eq!(decode(&vec![0; FRAME_BYTES_MAX + 3]), Err(DecodeError::TooLong));
    let body = vec![0; FRAME_BYTES_MAX];
    let rows = vec![Row { document: 0, origin: 0, sequence: 1, body }];
    assert!(matches!(
        encode(&Frame::Delta(Delta { rows, ..Delta::default() })),
        Err(EncodeError::TooLong(_))
    ));
}

#[test]
fn lists_have_limits_and_frames_no_tail() {
    let document = |n: usize| DocumentName { space: 0, collection: "c".into(), key: n.to_string() };
    let delta =
        |documents: usize| Delta { documents: (0..documents).map(document).collect(), ..Delta::default() };
    let bytes = |documents| encode(&Frame::Delta(delta(documents))).unwrap();
    assert!(decode(&bytes(ROWS_MAX)).is_ok());
    assert_eq!(decode(&bytes(ROWS_MAX + 1)), Err(DecodeError::Body));
    let mut tail = bytes(100);
    assert_eq!(tail[1], FLAG_DEFLATED);
    tail.push(0);
    assert_eq!(decode(&tail), Err(DecodeError::Inflate));
}
