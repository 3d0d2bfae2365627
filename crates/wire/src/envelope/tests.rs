mod limits;

use super::*;
use crate::fill::*;
use crate::frame::*;
use crate::limit::Changes;
use proptest::prelude::*;

fn any_vector() -> impl Strategy<Value = Vec<SpaceVector>> {
    let entry = (any::<[u8; 16]>(), any::<u64>(), any::<[u8; 8]>())
        .prop_map(|(origin, sequence, chain)| VectorEntry { origin, sequence, chain });
    let space = ("[a-z0-9-]{1,20}", prop::collection::vec(entry, 0..4), any::<bool>())
        .prop_map(|(space, entries, takes)| SpaceVector { space, entries, takes });
    prop::collection::vec(space, 0..4)
}

fn any_packed() -> impl Strategy<Value = PackedDelta> {
    let deflated = prop::collection::vec(any::<u8>(), 0..200);
    (any::<u32>(), any::<bool>(), any::<[u8; 8]>(), deflated).prop_map(
        |(generation, restarts, check, deflated)| PackedDelta { generation, restarts, check, deflated },
    )
}

fn any_hub() -> impl Strategy<Value = Option<Vec<HubSpace>>> {
    let entry =
        (any::<[u8; 16]>(), any::<u64>()).prop_map(|(origin, sequence)| HubEntry { origin, sequence });
    let space = ("[a-z0-9-]{1,20}", prop::collection::vec(entry, 0..4))
        .prop_map(|(space, entries)| HubSpace { space, entries });
    prop::option::of(prop::collection::vec(space, 0..4))
}

fn any_name() -> impl Strategy<Value = FillName> {
    ("[a-z]{1,9}", "\\PC{1,9}").prop_map(|(collection, key)| FillName { collection, key })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> + Clone {
    prop::collection::vec(any::<u8>(), 0..99)
}

fn any_entries() -> impl Strategy<Value = Vec<VectorEntry>> {
    let entry = (any::<[u8; 16]>(), any::<u64>(), any::<[u8; 8]>())
        .prop_map(|(origin, sequence, chain)| VectorEntry { origin, sequence, chain });
    prop::collection::vec(entry, 0..4)
}

fn any_fill() -> impl Strategy<Value = Frame> {
    let key = (any::<[u8; 32]>(), any::<[u8; 16]>())
        .prop_map(|(public_key, incarnation)| OriginKey { public_key, incarnation });
    let origin = (key.clone(), any::<u64>(), any::<[u8; 32]>())
        .prop_map(|(key, sequence, chain)| FillOrigin { key, sequence, chain });
    let offer = (any::<u64>(), any::<[u8; 32]>(), prop::collection::vec(origin, 0..3), any_bytes()).prop_map(
        |(fill, key, origins, symbols)| {
            Frame::FillOffer(FillOffer {
                fill,
                space: "s".into(),
                key,
                documents: fill,
                origins,
                symbols,
                is_ahead: fill % 2 == 0,
                more: fill % 3 == 0,
            })
        },
    );
    let more = (any::<Option<u32>>(), prop::option::of(any_name()))
        .prop_map(|(symbols, after)| Frame::FillMore(FillMore { fill: 1, symbols, after }));
    let symbols = (any::<u32>(), any_bytes())
        .prop_map(|(first, symbols)| Frame::FillSymbols(FillSymbols { fill: 1, first, symbols }));
    let listing = (prop::option::of(any_name()), any_bytes())
        .prop_map(|(to, entries)| Frame::FillListing(FillListing { fill: 1, to, entries }));
    let wanted = (any::<u64>(), any_bytes()).prop_map(|(document, heads)| Wanted { document, heads });
    let want = (any::<bool>(), prop::option::of(any_name()), prop::collection::vec(wanted, 0..4)).prop_map(
        |(all, to, documents)| {
            let after = to.clone();
            Frame::FillWant(FillWant { fill: 1, all, snapshots: !all, after, to, documents, more: all })
        },
    );
    let body = any_bytes().prop_map(Body);
    let document =
        (any_name(), prop::option::of(body.clone()), prop::collection::vec(body, 0..3), any_bytes())
            .prop_map(|(name, snapshot, changes, heads)| FillDocument { name, snapshot, changes, heads });
    let documents = (
        prop::collection::vec(key, 0..3),
        prop::collection::vec(document, 0..3),
        prop::collection::vec(any::<([u8; 16], u64)>(), 0..4),
        any::<bool>(),
    )
        .prop_map(|(origins, documents, reach, is_done)| {
            let filled: Vec<_> =
                reach.into_iter().map(|(origin, sequence)| Reach { origin, sequence }).collect();
            let vector = filled.iter().skip(1).copied().collect();
            Frame::FillDocuments(FillDocuments {
                fill: 1,
                number: 2,
                origins,
                documents,
                is_done,
                vector,
                filled,
                is_short: is_done,
            })
        });
    let ack = any::<u32>().prop_map(|number| Frame::FillAck(FillAck { fill: 1, number }));
    let finished = (any::<bool>(), any_entries())
        .prop_map(|(taken, entries)| Frame::FillFinished(FillFinished { fill: 1, taken, entries }));
    let ahead =
        ("[a-z]{1,9}", any::<bool>()).prop_map(|(space, asks)| Frame::FillAhead(FillAhead { space, asks }));
    prop_oneof![offer, more, symbols, listing, want, documents, ack, finished, ahead]
}

#[test]
fn symbols_have_a_limit() {
    // W-49.
    let frame = |length| Frame::FillSymbols(FillSymbols { fill: 1, first: 0, symbols: vec![7; length] });
    assert!(decode(&encode(&frame(SYMBOL_BYTES_MAX)).unwrap()).is_ok());
    assert!(matches!(encode(&frame(SYMBOL_BYTES_MAX + 1)), Err(EncodeError::TooMany { .. })));
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let base = (any::<u64>(), any::<u64>(), any::<[u8; 8]>(), prop::collection::vec("[a-z]{1,9}", 0..3));
    let hello = (any::<u16>(), any::<u64>(), any::<Option<(u64, u64)>>(), any_vector(), base).prop_map(
        |(protocol, epoch, cursor, spaces, (since, head, subscription, incomplete))| {
            let cursor = cursor.map(|(epoch, lsn)| Cursor { epoch, lsn });
            Frame::Hello(Hello { protocol, epoch, cursor, spaces, since, head, subscription, incomplete })
        },
    );
    let stopped = ("[a-z]{1,9}", any::<[u8; 16]>(), any::<u64>(), any::<Option<u8>>())
        .prop_map(|(space, origin, sequence, cause)| Stopped { space, origin, sequence, cause });
    let heard = any::<Option<(u64, [u8; 8])>>()
        .prop_map(|heard| heard.map(|(lsn, subscription)| Heard { lsn, subscription }));
    let ack = (any::<Option<u64>>(), any_hub(), heard, prop::collection::vec(stopped, 0..3))
        .prop_map(|(durable, hub, heard, stopped)| Frame::Ack(Ack { durable, hub, heard, stopped }));
    let change = ("[a-z]{1,9}", "[a-z]{1,9}", any::<[u8; 32]>())
        .prop_map(|(collection, key, hash)| ForkChange { collection, key, hash });
    let chain = (any::<u64>(), any::<[u8; 8]>(), prop::option::of(change))
        .prop_map(|(sequence, chain, change)| ForkChain { sequence, chain, change });
    let chains = prop::collection::vec(chain, 0..5);
    let fork = ("[a-z]{1,9}", any::<([u8; 16], u64, u64, bool)>(), chains).prop_map(
        |(space, (origin, agreed, differs, asks), chains)| {
            Frame::Fork(Fork { space, origin, agreed, differs, chains, asks })
        },
    );
    prop_oneof![
        hello,
        any_packed().prop_map(Frame::Delta),
        any_fill(),
        ack,
        Just(Frame::Ask),
        fork,
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

/// A hello as a later version may have it.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct NewerHello {
    #[n(0)]
    protocol: u16,
    #[n(1)]
    epoch: u64,
    #[n(2)]
    cursor: Option<Cursor>,
    #[n(3)]
    spaces: Vec<NewerVector>,
    #[n(30)]
    capabilities: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
struct NewerVector {
    #[n(0)]
    space: String,
    #[n(1)]
    entries: Vec<VectorEntry>,
    #[n(2)]
    takes: bool,
    #[n(9)]
    digest: Option<u64>,
}

#[test]
fn hellos_of_an_older_and_a_newer_version_are_read_by_each_other() {
    // W-3: fields that are not known are passed over, fields that are not there have their absence's meaning.
    let older = hello_of(2, 3);
    let newer = NewerHello {
        protocol: older.protocol,
        epoch: older.epoch,
        cursor: older.cursor,
        spaces: older
            .spaces
            .iter()
            .map(|vector| NewerVector {
                space: vector.space.clone(),
                entries: vector.entries.clone(),
                takes: vector.takes,
                digest: Some(7),
            })
            .collect(),
        capabilities: Some(vec!["later".into()]),
    };
    assert_eq!(decode(&unchecked(KIND_HELLO, &newer)), Ok(Frame::Hello(older.clone())));
    let read: NewerHello = minicbor::decode(&to_vec(&older)).unwrap();
    assert_eq!((read.capabilities, read.spaces[0].digest), (None, None));
}

#[test]
fn a_frame_of_a_newer_version_is_passed_over() {
    // W-2: whatever its flags and its body are.
    assert_eq!(decode(&[200, 0, 1, 2, 3]), Ok(Frame::Unknown(200)));
    assert_eq!(decode(&[200, 0xff, 1, 2, 3]), Ok(Frame::Unknown(200)));
    assert_eq!(decode(&[200, FLAG_DEFLATED, 0xff]), Ok(Frame::Unknown(200)));
    // W-3: a map with field 0 (durable) and a field 9 that this version does not know.
    assert_eq!(
        decode(&[KIND_ACK, 0, 0xa2, 0x00, 0x07, 0x09, 0x01]),
        Ok(Frame::Ack(Ack { durable: Some(7), ..Ack::default() }))
    );
}

#[test]
fn a_deflate_bomb_is_refused_at_the_limit() {
    // W-4.
    let mut compress = Compress::new(Compression::new(9), false);
    let mut bomb = Vec::with_capacity(100_000);
    compress.compress_vec(&vec![0; 64 * FRAME_BYTES_MAX], &mut bomb, FlushCompress::Finish).unwrap();
    let bytes = [&[KIND_HELLO, FLAG_DEFLATED][..], &bomb].concat();
    assert!(bytes.len() < 80_000);
    assert_eq!(decode(&bytes), Err(DecodeError::TooLong));
}

#[test]
fn a_length_that_the_bytes_do_not_hold_is_refused() {
    // W-6.
    // Field 3 (spaces) claims 2^32 - 1 spaces.
    let bytes = [KIND_HELLO, 0, 0xa1, 0x03, 0x9a, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(decode(&bytes), Err(DecodeError::Body));
}

#[test]
fn refusals_name_the_rule() {
    // W-1, W-4, W-5, W-7.
    assert_eq!(decode(&[]), Err(DecodeError::CutShort));
    assert_eq!(decode(&[KIND_ACK, 8]), Err(DecodeError::Flags));
    assert_eq!(decode(&[KIND_ASK, 1]), Err(DecodeError::Flags));
    assert_eq!(decode(&[KIND_ASK, 0, 0xa0]), Ok(Frame::Ask), "a field that is not known here");
    assert_eq!(decode(&[KIND_ACK, 0, 0xa1, 0x00, 0x07, 0x00]), Err(DecodeError::Body), "trailing byte");
    assert_eq!(decode(&vec![0; FRAME_BYTES_MAX + 3]), Err(DecodeError::TooLong));
    let packed = |deflated| PackedDelta { generation: 0, restarts: false, check: [0; 8], deflated };
    assert!(decode(&encode(&Frame::Delta(packed(vec![0; FRAME_BYTES_MAX - 9]))).unwrap()).is_ok());
    let long = Frame::Delta(packed(vec![0; FRAME_BYTES_MAX - 8]));
    assert_eq!(encode(&long), Err(EncodeError::TooLong(FRAME_BYTES_MAX + 1)));
    assert_eq!(decode(&[KIND_DELTA, FLAG_DEFLATED, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Flags));
    assert_eq!(decode(&[KIND_DELTA, FLAG_RESTARTS, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Body));
}

fn hello_of(spaces: usize, entries: usize) -> Hello {
    let entry = VectorEntry { origin: [7; 16], sequence: 1, chain: [7; 8] };
    let vector = SpaceVector { space: "s".into(), entries: vec![entry; entries], takes: true };
    let spaces = vec![vector; spaces];
    Hello {
        protocol: PROTOCOL_VERSION,
        epoch: 1,
        cursor: None,
        spaces,
        since: 0,
        head: 0,
        subscription: [0; 8],
        incomplete: vec![],
    }
}

/// What a peer without limits would send.
fn unchecked<T: minicbor::Encode<()>>(kind: u8, value: &T) -> Vec<u8> {
    let body = to_vec(value);
    let (flags, body) = deflate(&body).map_or((0, body), |deflated| (FLAG_DEFLATED, deflated));
    [&[kind, flags][..], &body].concat()
}

#[test]
fn a_deflated_frame_has_no_tail_and_the_limit_of_any_frame() {
    let mut tail = encode(&Frame::Hello(hello_of(100, 1))).unwrap();
    assert_eq!(tail[1], FLAG_DEFLATED);
    tail.push(0);
    assert_eq!(decode(&tail), Err(DecodeError::Inflate));
    let mut long = vec![0; FRAME_BYTES_MAX + 3];
    long[..2].copy_from_slice(&[KIND_HELLO, FLAG_DEFLATED]);
    assert_eq!(decode(&long), Err(DecodeError::TooLong));
}

#[test]
fn a_vector_of_an_older_version_takes_changes() {
    // A rewind with generation 1 and one vector of two fields: space "s", no entries.
    let vector = |rest: &[u8]| {
        let rewind = [0xa2, 0x00, 0x01, 0x01, 0x81];
        [&[KIND_REWIND, 0], &rewind[..], &[0x80 + 2 + u8::from(!rest.is_empty()), 0x61, b's', 0x80], rest]
            .concat()
    };
    for (rest, takes) in [(&[][..], true), (&[0xf5][..], true), (&[0xf4][..], false)] {
        let Ok(Frame::Rewind(rewind)) = decode(&vector(rest)) else { panic!("{rest:?}") };
        assert_eq!(rewind.spaces, [SpaceVector { space: "s".into(), entries: vec![], takes }]);
    }
}
