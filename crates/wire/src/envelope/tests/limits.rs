//! Lists at their limits, and beyond.

use super::*;

#[test]
fn lists_that_are_too_long_are_refused() {
    // W-6.
    assert!(decode(&encode(&Frame::Hello(hello_of(4, VECTOR_ENTRIES_MAX / 4))).unwrap()).is_ok());
    let limits = [VECTOR_ENTRIES_MAX, VECTOR_ENTRIES_MAX, TABLE_MAX];
    let long = [hello_of(1, VECTOR_ENTRIES_MAX + 1), hello_of(4, 4_097), hello_of(TABLE_MAX + 1, 0)];
    for (hello, limit) in long.into_iter().zip(limits) {
        assert_eq!(decode(&unchecked(KIND_HELLO, &hello)), Err(DecodeError::TooMany { limit }));
        let rewind = Rewind { generation: 1, spaces: hello.spaces };
        assert_eq!(decode(&unchecked(KIND_REWIND, &rewind)), Err(DecodeError::TooMany { limit }));
    }
}

/// A frame for each list that has a limit, with one element more than that.
fn one_too_many() -> Vec<(u8, Vec<u8>, usize)> {
    let key = OriginKey { public_key: [7; 32], incarnation: [7; 16] };
    let name = FillName { collection: String::new(), key: String::new() };
    let (origin, sequence) = ([7; 16], 1);
    let offer = FillOffer {
        fill: 1,
        space: String::new(),
        key: [0; 32],
        documents: 0,
        origins: vec![],
        symbols: vec![],
        is_ahead: false,
        more: false,
    };
    let document = FillDocument { name, snapshot: None, changes: vec![], heads: vec![] };
    let documents = FillDocuments { fill: 1, number: 1, ..FillDocuments::default() };
    let reach = |count| vec![Reach { origin, sequence }; count];
    let fork = Fork { space: String::new(), origin, agreed: 0, differs: 2, chains: vec![], asks: false };
    let chain = ForkChain { sequence, chain: [0; 8], change: None };
    let stopped = Stopped { space: String::new(), origin, sequence, cause: None };
    let hub = HubSpace { space: String::new(), entries: vec![] };
    let want = FillWant { fill: 1, ..FillWant::default() };
    let wanted = Wanted { document: 1, heads: vec![] };
    let finished = FillFinished { fill: 1, taken: true, entries: vec![] };
    let entry = VectorEntry { origin, sequence, chain: [0; 8] };
    let hello = hello_of(0, 0);
    macro_rules! over {
        ($kind:expr, $frame:expr, $limit:expr) => {
            ($kind, unchecked($kind, &$frame), $limit)
        };
    }
    let symbols = vec![0; SYMBOL_BYTES_MAX + 1];
    vec![
        over!(KIND_HELLO, Hello { incomplete: vec![String::new(); TABLE_MAX + 1], ..hello }, TABLE_MAX),
        over!(KIND_ACK, Ack { stopped: vec![stopped; STOPPED_MAX + 1], ..Ack::default() }, STOPPED_MAX),
        over!(KIND_ACK, Ack { hub: Some(vec![hub; HUB_ENTRIES_MAX + 1]), ..Ack::default() }, HUB_ENTRIES_MAX),
        over!(KIND_FORK, Fork { chains: vec![chain; FORK_CHAINS_MAX + 1], ..fork }, FORK_CHAINS_MAX),
        over!(
            KIND_FILL_OFFER,
            FillOffer {
                origins: vec![FillOrigin { key, sequence, chain: [0; 32] }; TABLE_MAX + 1],
                ..offer.clone()
            },
            TABLE_MAX
        ),
        over!(KIND_FILL_OFFER, FillOffer { symbols: symbols.clone(), ..offer }, SYMBOL_BYTES_MAX),
        over!(KIND_FILL_SYMBOLS, FillSymbols { fill: 1, first: 0, symbols }, SYMBOL_BYTES_MAX),
        over!(KIND_FILL_WANT, FillWant { documents: vec![wanted; LISTED_MAX + 1], ..want }, LISTED_MAX),
        over!(
            KIND_FILL_DOCUMENTS,
            FillDocuments { origins: vec![key; TABLE_MAX + 1], ..documents.clone() },
            TABLE_MAX
        ),
        over!(
            KIND_FILL_DOCUMENTS,
            FillDocuments { documents: vec![document.clone(); FILL_DOCUMENTS_MAX + 1], ..documents.clone() },
            FILL_DOCUMENTS_MAX
        ),
        over!(
            KIND_FILL_DOCUMENTS,
            FillDocuments {
                documents: vec![FillDocument {
                    changes: vec![Body(vec![]); FILL_CHANGES_MAX + 1],
                    ..document
                }],
                ..documents.clone()
            },
            FILL_CHANGES_MAX
        ),
        over!(
            KIND_FILL_DOCUMENTS,
            FillDocuments { vector: reach(VECTOR_ENTRIES_MAX + 1), ..documents.clone() },
            VECTOR_ENTRIES_MAX
        ),
        over!(
            KIND_FILL_DOCUMENTS,
            FillDocuments { filled: reach(VECTOR_ENTRIES_MAX + 1), ..documents },
            VECTOR_ENTRIES_MAX
        ),
        over!(
            KIND_FILL_FINISHED,
            FillFinished { entries: vec![entry; VECTOR_ENTRIES_MAX + 1], ..finished },
            VECTOR_ENTRIES_MAX
        ),
    ]
}

#[test]
fn each_list_that_has_a_limit_is_held_to_it() {
    // W-6, W-49.
    for (kind, bytes, limit) in one_too_many() {
        assert_eq!(decode(&bytes), Err(DecodeError::TooMany { limit }), "kind {kind}");
    }
}

#[test]
fn a_frame_that_every_peer_would_refuse_is_not_made() {
    let refusal = |frame| encode(&frame).unwrap_err().to_string();
    assert_eq!(
        refusal(Frame::Hello(hello_of(4, 4_097))),
        "the frame has 16388 vector entries, 16384 are allowed"
    );
    let spaces = hello_of(TABLE_MAX + 1, 0).spaces;
    assert_eq!(
        refusal(Frame::Rewind(Rewind { generation: 1, spaces })),
        "the frame has 4097 spaces, 4096 are allowed"
    );
}

#[test]
fn a_list_of_what_the_hub_has_is_bounded_both_ways() {
    let entries = vec![HubEntry { origin: [1; 16], sequence: 1 }; HUB_ENTRIES_MAX];
    let space = |entries| HubSpace { space: "s".into(), entries };
    let fits = Frame::Ack(Ack { hub: Some(vec![space(entries.clone())]), ..Ack::default() });
    assert_eq!(decode(&encode(&fits).unwrap()), Ok(fits));
    let long =
        Ack { hub: Some(vec![space(entries.clone()), space(entries[..1].to_vec())]), ..Ack::default() };
    assert!(matches!(encode(&Frame::Ack(long.clone())), Err(EncodeError::TooMany { .. })));
    let bytes = [&[KIND_ACK, 0][..], &to_vec(&long)].concat();
    assert_eq!(decode(&bytes), Err(DecodeError::TooMany { limit: HUB_ENTRIES_MAX }));
}
