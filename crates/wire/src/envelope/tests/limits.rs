//! Lists at their limits, and beyond.

use super::*;

#[test]
fn lists_that_are_too_long_are_refused() {
    // W-6.
    assert!(decode(&encode(&Frame::Hello(hello_of(4, VECTOR_ENTRIES_MAX / 4))).unwrap()).is_ok());
    let limits = [too_many::<VectorEntries>(), too_many::<VectorEntries>(), too_many::<Spaces>()];
    let long = [hello_of(1, VECTOR_ENTRIES_MAX + 1), hello_of(4, 4_097), hello_of(TABLE_MAX + 1, 0)];
    for (hello, limit) in long.into_iter().zip(limits) {
        assert_eq!(decode(&unchecked(KIND_HELLO, &hello)), Err(limit));
        let rewind = Rewind { generation: 1, spaces: hello.spaces };
        assert_eq!(decode(&unchecked(KIND_REWIND, &rewind)), Err(limit));
    }
}

fn too_many<L: Limit>() -> DecodeError {
    DecodeError::TooMany { list: L::LIST, limit: L::MAX }
}

/// The bytes of a frame with a list that has one element more than its limit.
type Over = (u8, Vec<u8>, DecodeError);

fn over<L: Limit>(kind: u8, frame: &impl minicbor::Encode<()>) -> Over {
    (kind, unchecked(kind, frame), too_many::<L>())
}

/// Of frames of the session.
fn session_over() -> Vec<Over> {
    let (origin, sequence) = ([7; 16], 1);
    let fork = Fork { space: String::new(), origin, agreed: 0, differs: 2, chains: vec![], asks: false };
    let chain = ForkChain { sequence, chain: [0; 8], change: None };
    let stopped = Stopped { space: String::new(), origin, sequence, cause: None };
    let hub = HubSpace { space: String::new(), entries: vec![] };
    let incomplete = vec![String::new(); TABLE_MAX + 1];
    vec![
        over::<Incomplete>(KIND_HELLO, &Hello { incomplete, ..hello_of(0, 0) }),
        over::<StoppedStreams>(KIND_ACK, &Ack { stopped: vec![stopped; STOPPED_MAX + 1], ..Ack::default() }),
        over::<HubEntries>(KIND_ACK, &Ack { hub: Some(vec![hub; HUB_ENTRIES_MAX + 1]), ..Ack::default() }),
        over::<Chains>(KIND_FORK, &Fork { chains: vec![chain; FORK_CHAINS_MAX + 1], ..fork }),
    ]
}

/// Of what comes before and after the documents of a fill.
fn fill_over() -> Vec<Over> {
    let key = OriginKey { public_key: [7; 32], incarnation: [7; 16] };
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
    let origins = vec![FillOrigin { key, sequence: 1, chain: [0; 32] }; TABLE_MAX + 1];
    let symbols = vec![0; SYMBOL_BYTES_MAX + 1];
    let documents = vec![Wanted { document: 1, heads: vec![] }; LISTED_MAX + 1];
    let entries = vec![VectorEntry { origin: [7; 16], sequence: 1, chain: [0; 8] }; VECTOR_ENTRIES_MAX + 1];
    vec![
        over::<Origins>(KIND_FILL_OFFER, &FillOffer { origins, ..offer.clone() }),
        over::<SymbolBytes>(KIND_FILL_OFFER, &FillOffer { symbols: symbols.clone(), ..offer }),
        over::<SymbolBytes>(KIND_FILL_SYMBOLS, &FillSymbols { fill: 1, first: 0, symbols }),
        over::<WantedDocuments>(KIND_FILL_WANT, &FillWant { fill: 1, documents, ..FillWant::default() }),
        over::<VectorEntries>(KIND_FILL_FINISHED, &FillFinished { fill: 1, taken: true, entries }),
    ]
}

/// Of documents of a fill.
fn documents_over() -> Vec<Over> {
    let key = OriginKey { public_key: [7; 32], incarnation: [7; 16] };
    let name = FillName { collection: String::new(), key: String::new() };
    let document = FillDocument { name, snapshot: None, changes: vec![], heads: vec![] };
    let long = FillDocument { changes: vec![Body(vec![]); FILL_CHANGES_MAX + 1], ..document.clone() };
    let reach = vec![Reach { origin: [7; 16], sequence: 1 }; VECTOR_ENTRIES_MAX + 1];
    let frame = FillDocuments { fill: 1, number: 1, ..FillDocuments::default() };
    let origins = FillDocuments { origins: vec![key; TABLE_MAX + 1], ..frame.clone() };
    let documents = vec![document; FILL_DOCUMENTS_MAX + 1];
    vec![
        over::<Origins>(KIND_FILL_DOCUMENTS, &origins),
        over::<Documents>(KIND_FILL_DOCUMENTS, &FillDocuments { documents, ..frame.clone() }),
        over::<Changes>(KIND_FILL_DOCUMENTS, &FillDocuments { documents: vec![long], ..frame.clone() }),
        over::<VectorEntries>(KIND_FILL_DOCUMENTS, &FillDocuments { vector: reach.clone(), ..frame.clone() }),
        over::<FilledEntries>(KIND_FILL_DOCUMENTS, &FillDocuments { filled: reach, ..frame }),
    ]
}

#[test]
fn each_list_that_has_a_limit_is_held_to_it() {
    // W-6, W-49.
    for (kind, bytes, refusal) in [session_over(), fill_over(), documents_over()].concat() {
        assert_eq!(decode(&bytes), Err(refusal), "kind {kind}");
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
    assert_eq!(too_many::<Spaces>().to_string(), "the frame has more than 4096 spaces");
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
    assert_eq!(decode(&bytes), Err(too_many::<HubEntries>()));
}
