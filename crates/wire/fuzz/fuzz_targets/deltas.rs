//! A stream of deltas neither panics nor takes more than its limits, and what is read comes through an honest encoder as
//! it was.
//!
//! The input is the plain bytes of deltas, each with its length before it in two bytes: they are put into stored blocks
//! of the deflate stream. The digest is not looked at.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Deflaters, Delta, DeltaDecoder, DeltaEncoder, Frame, PackedDelta, Unpacked};

/// Kind, flags, generation 0, a digest, and the plain bytes as a stored block, then the start of the flush.
fn frame(restarts: bool, plain: &[u8]) -> PackedDelta {
    let length = u16::try_from(plain.len()).unwrap_or(u16::MAX).to_le_bytes();
    let head = [2, if restarts { 2 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let stored = [0, length[0], length[1], !length[0], !length[1]];
    let bytes = [&head[..], &stored, plain, &[0]].concat();
    match wire::decode(&bytes) {
        Ok(Frame::Delta(packed)) => packed,
        other => panic!("{other:?}"),
    }
}

/// A row's space, collection and key, its sequence, its body, and how many rows follow it in its transaction.
type Named<'a> = (&'a str, &'a str, &'a str, u64, &'a [u8], u16);

/// What does not depend on how often a document is listed.
fn rows(delta: &Delta) -> Vec<Named<'_>> {
    let named = delta.rows.iter().map(|row| {
        let document = &delta.documents[row.document as usize];
        let space = delta.spaces[document.space as usize].as_str();
        let follow = row.follow.map_or(0, |follow| follow.get());
        (
            space,
            document.collection.as_str(),
            document.key.as_str(),
            row.sequence,
            row.body.as_slice(),
            follow,
        )
    });
    named.collect()
}

fuzz_target!(|input: &[u8]| {
    let (mut decoder, mut encoder, mut honest) =
        (DeltaDecoder::default(), DeltaEncoder::default(), DeltaDecoder::default());
    // Each delta is packed with a context made anew from the window.
    let mut deflaters = Deflaters::at_most(0);
    let (mut rest, mut restarts) = (input, true);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (plain, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        rest = after;
        let resolve = |_: &wire::DocumentPlace<'_>, prefix: &[u8; 8]| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(prefix);
            (prefix[0] != 0).then_some(hash)
        };
        match decoder.unpack(&frame(restarts, plain), resolve) {
            Ok(Unpacked::Delta(delta)) => {
                restarts = false;
                let packed =
                    encoder.pack(&delta, &mut deflaters, |_, _| false).expect("what was read can be sent");
                let again = honest.unpack(&packed, |_, _| None).expect("what was sent can be read");
                let Unpacked::Delta(again) = again else { panic!("a gap") };
                assert_eq!(rows(&again), rows(&delta));
            }
            Ok(Unpacked::Gap) | Err(_) => restarts = true,
        }
    }
});
