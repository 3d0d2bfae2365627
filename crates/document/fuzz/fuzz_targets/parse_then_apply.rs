//! Changes that the parse accepts: applied together or one by one they come to the same, a document that takes them can
//! be saved, loaded and read, and Automerge panics on none.
//!
//! The input is bodies of changes, each with its length before it in two bytes. Their checksums are made here.
#![no_main]

use document::{ApplyReason, Document, ForeignChange, HistoryQuery};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut chunks = Vec::new();
    let mut rest = input;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        if let Ok(change) = ForeignChange::parse(body) {
            chunks.push(change.chunk);
        }
    }
    let (mut alone, mut together) = (Document::new(), Document::new());
    let one_by_one = chunks.iter().try_for_each(|chunk| alone.apply(std::slice::from_ref(chunk)));
    let at_once = together.apply(&chunks);
    let reason =
        |result: Result<(), document::ApplyError>| result.map_err(|error| (error.change, error.reason));
    assert_eq!(reason(at_once), reason(one_by_one));
    if let Err(error) = at_once {
        assert!(!matches!(error.reason, ApplyReason::Panicked | ApplyReason::SaveDiffers), "{error}");
    }
    assert_eq!((together.heads(), together.json()), (alone.heads(), alone.json()));
    let loaded = Document::load(&together.save()).expect("what is saved loads");
    assert_eq!((loaded.heads(), loaded.json()), (together.heads(), together.json()));
    let told = together.history(HistoryQuery { before: None, limit: 8 }).expect("no change is named");
    assert!(told.iter().all(|entry| together.change(&entry.hash).is_some()));
    assert_eq!(loaded.conflicts(), together.conflicts());
});
