mod contexts;
mod damage;
mod golden;
pub(crate) mod history;
mod rules;

use super::*;
use history::{Named, any_steps, delta_of, named, rows_of};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Two ends of a connection, and what the receiver has.
#[derive(Default)]
struct Ends {
    encoder: DeltaEncoder,
    deflaters: Deflaters,
    decoder: DeltaDecoder,
    /// Hashes of changes, with their documents.
    has: BTreeSet<([u8; 32], String)>,
    bytes: usize,
}

impl Ends {
    fn pack(&mut self, delta: &Delta) -> PackedDelta {
        let shared = |document: usize, hash: &[u8; 32]| {
            self.has.contains(&(*hash, delta.documents[document].key.clone()))
        };
        self.encoder.pack(delta, &mut self.deflaters, shared).unwrap()
    }

    /// Through bytes, as a connection carries them.
    fn carry(&mut self, delta: &Delta) -> Result<Unpacked, DecodeError> {
        let packed = self.pack(delta);
        let bytes = crate::encode(&crate::Frame::Delta(packed)).unwrap();
        self.bytes += bytes.len();
        let crate::Frame::Delta(packed) = crate::decode(&bytes).unwrap() else { panic!("another frame") };
        let unpacked = unpack(&mut self.decoder, &self.has, &packed);
        self.has.extend(named(delta).into_iter().map(|row| (row.hash(), row.key)));
        unpacked
    }

    #[track_caller]
    fn takes(&mut self, generation: u32, from: u64, rows: &[Named]) {
        let delta = delta_of(generation, from, rows);
        assert_eq!(self.carry(&delta), Ok(Unpacked::Delta(delta)));
    }
}

fn unpack(
    decoder: &mut DeltaDecoder,
    has: &BTreeSet<([u8; 32], String)>,
    packed: &PackedDelta,
) -> Result<Unpacked, DecodeError> {
    decoder.unpack(packed, |place, prefix| {
        let mut first = [0; 32];
        first[..8].copy_from_slice(prefix);
        let mut found = has.range((first, String::new())..);
        let found = found.find(|(hash, key)| hash[..8] != prefix[..] || key == place.key);
        found.filter(|(hash, _)| hash[..8] == prefix[..]).map(|(hash, _)| *hash)
    })
}

/// The journal in frames of these lengths, again and again.
fn in_frames<'a>(rows: &'a [Named], lengths: &[usize]) -> Vec<&'a [Named]> {
    let (mut rest, mut frames) = (rows, Vec::new());
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (frame, after) = rest.split_at((*length).min(rest.len()));
        frames.push(frame);
        rest = after;
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn real_changes_come_back_bit_by_bit(
        steps in any_steps(),
        lengths in prop::collection::vec(1..9_usize, 1..6),
        rewind in any::<prop::sample::Index>(),
    ) {
        // W-20, W-24, W-25, W-27.
        let rows = rows_of(&steps);
        prop_assert!(rows.iter().all(|row| change::Change::read(&row.body).is_some()), "all are slim");
        let mut ends = Ends::default();
        let frames = in_frames(&rows, &lengths);
        let (mut from, rewind) = (0, rewind.index(frames.len() + 1));
        for (number, frame) in frames.into_iter().enumerate() {
            let delta = delta_of(u32::from(number >= rewind), from, frame);
            prop_assert_eq!(ends.carry(&delta), Ok(Unpacked::Delta(delta.clone())));
            from = delta.to;
        }
    }

    #[test]
    fn bodies_of_any_shape_come_back(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), any::<u64>(), any::<u16>()), 1..12),
    ) {
        let named = |(body, sequence, follow): (Vec<u8>, u64, u16)| Named {
            space: "s".into(),
            collection: "c".into(),
            key: (sequence % 3).to_string(),
            origin: history::key(u8::try_from(sequence % 2).unwrap()),
            sequence,
            body,
            follow,
        };
        // W-26.
        let rows: Vec<_> = bodies.into_iter().map(named).collect();
        let mut ends = Ends::default();
        for frame in rows.chunks(3) {
            ends.takes(0, u64::MAX - 5, frame);
        }
    }
}

#[test]
fn a_change_is_small_once_its_document_is_known() {
    let steps =
        (0..400_u16).map(|n| history::Step::Write { site: 1, document: n % 5, kind: u8::from(n < 5) });
    let rows = rows_of(&steps.collect::<Vec<_>>());
    let mut ends = Ends::default();
    ends.takes(0, 0, &rows[..100]);
    let before = ends.bytes;
    ends.takes(0, 100, &rows[100..]);
    let each = (ends.bytes - before) / 300;
    assert!(each <= 25, "{each}");
}

#[test]
fn documents_that_were_forgotten_are_told_again() {
    // W-22. Twice as many documents as numbers, twice; frames in which a document is forgotten and told again, too.
    let row = |document: usize, body: &[u8], sequence: usize| Named {
        space: "s".into(),
        collection: "c".into(),
        key: document.to_string(),
        origin: history::key(1),
        sequence: sequence as u64,
        body: body.to_vec(),
        follow: 0,
    };
    let changes = rows_of(&[
        history::Step::Write { site: 1, document: 0, kind: 0 },
        history::Step::Write { site: 1, document: 0, kind: 0 },
    ]);
    let turns = (0..2).flat_map(|turn| (0..2 * SLOTS).map(move |document| (turn, document)));
    let rows: Vec<_> = turns
        .zip(1..)
        .map(|((turn, document), sequence)| row(document, &changes[turn].body, sequence))
        .collect();
    for length in [100, rows.len()] {
        let mut ends = Ends::default();
        for frame in rows.chunks(length) {
            let delta = delta_of(0, 0, frame);
            let Ok(Unpacked::Delta(unpacked)) = ends.carry(&delta) else { panic!("{length}") };
            assert_eq!(named(&unpacked), frame);
        }
    }
}
