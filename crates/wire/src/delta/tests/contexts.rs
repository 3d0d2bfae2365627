//! A stream is one (W-33), whichever context packs or reads a part of it.

use super::super::deflaters::{FLUSH_TAIL, Stream};
use super::super::inflate::inflate;
use super::super::window::{WINDOW_BITS, Window};
use super::*;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

/// Packs all of a direction with one context.
fn packed_in_one(deflate: &mut Deflate, plain: &[u8]) -> Vec<u8> {
    let mut deflated = vec![0; plain.len() + 1_000];
    let before = deflate.total_out();
    deflate.compress(plain, &mut deflated, DeflateFlush::SyncFlush).unwrap();
    deflated.truncate(usize::try_from(deflate.total_out() - before).unwrap());
    assert!(deflated.ends_with(&FLUSH_TAIL));
    deflated.truncate(deflated.len() - FLUSH_TAIL.len());
    deflated
}

/// Reads all of a direction with one context.
fn read_in_one(inflate: &mut Inflate, deflated: &[u8], length: usize) -> Vec<u8> {
    let mut plain = vec![0; length + 1];
    let before = inflate.total_out();
    let bytes = [deflated, &FLUSH_TAIL].concat();
    assert_eq!(inflate.decompress(&bytes, &mut plain, InflateFlush::SyncFlush), Ok(Status::Ok));
    plain.truncate(usize::try_from(inflate.total_out() - before).unwrap());
    plain
}

/// No delta is empty. Text that comes again and again, a little changed, with noise in it.
fn text(seed: u8, length: usize) -> Vec<u8> {
    let noise = change_hash(&[seed]);
    let lines = (0_usize..).flat_map(|line| {
        let mut bytes = format!("{}/inventory/{line} sold ", seed % 5).into_bytes();
        bytes.extend([noise[line % 32], noise[(line / 3) % 32]]);
        bytes
    });
    lines.take(length).collect()
}

fn any_deltas() -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    let length = prop_oneof![4 => 1..90_usize, 2 => 90..3_000_usize, 1 => 3_000..20_000_usize];
    let delta = (0..5_usize, any::<u8>(), length);
    prop::collection::vec(delta.prop_map(|(stream, seed, length)| (stream, text(seed, length))), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn contexts_that_are_given_up_and_made_again_carry_the_same_bytes(deltas in any_deltas(), live_max in 0..4_usize) {
        // W-33. Five streams and fewer contexts; read with a context for each delta, and with one for all.
        let mut deflaters = Deflaters::at_most(live_max);
        let mut streams: Vec<_> = (0..5).map(|_| (Stream::default(), Window::default(), Inflate::new(false, WINDOW_BITS))).collect();
        for (stream, plain) in deltas {
            let (stream, window, one) = &mut streams[stream];
            let deflated = deflaters.deflate(stream, &plain).unwrap();
            prop_assert_eq!(&read_in_one(one, &deflated, plain.len()), &plain);
            prop_assert_eq!(inflate(window, &deflated), Ok(plain));
            prop_assert!(deflaters.live() <= live_max);
        }
    }

    #[test]
    fn what_one_context_packs_is_read(deltas in any_deltas()) {
        // W-33.
        let mut one = Deflate::new(6, false, WINDOW_BITS);
        let mut window = Window::default();
        for (_, plain) in deltas {
            prop_assert_eq!(inflate(&mut window, &packed_in_one(&mut one, &plain)), Ok(plain));
        }
    }

    #[test]
    fn connections_share_fewer_contexts(
        steps in any_steps(),
        lengths in prop::collection::vec(1..5_usize, 1..4),
        live_max in 0..3_usize,
    ) {
        // W-20.
        let rows = rows_of(&steps);
        let mut deflaters = Deflaters::at_most(live_max);
        let mut ends: Vec<_> = (0..4).map(|_| (DeltaEncoder::default(), DeltaDecoder::default())).collect();
        let mut from = 0;
        for frame in in_frames(&rows, &lengths) {
            let delta = delta_of(0, from, frame);
            from = delta.to;
            for (encoder, decoder) in &mut ends {
                let packed = encoder.pack(&delta, &mut deflaters, |_, _| false).unwrap();
                prop_assert_eq!(unpack(decoder, &BTreeSet::new(), &packed), Ok(Unpacked::Delta(delta.clone())));
            }
        }
    }
}

#[test]
fn a_context_made_again_packs_about_as_well() {
    let steps =
        (0..400_u16).map(|n| history::Step::Write { site: 1, document: n % 5, kind: u8::from(n < 5) });
    let rows = rows_of(&steps.collect::<Vec<_>>());
    let bytes = |live_max| {
        let mut ends = Ends { deflaters: Deflaters::at_most(live_max), ..Ends::default() };
        for (n, row) in rows.chunks(1).enumerate() {
            ends.takes(0, n as u64, row);
        }
        ends.bytes
    };
    let (kept, made_again) = (bytes(1), bytes(0));
    assert!(made_again <= kept + kept / 50, "{kept} {made_again}");
}

#[test]
fn a_distance_beyond_the_window_is_refused() {
    // W-33. A window of 32 KiB.
    let mut deflate = Deflate::new(9, false, 15);
    let noise = |seed| (0..=255).flat_map(|n| change_hash(&[seed, n])).collect::<Vec<_>>();
    let mut window = Window::default();
    for plain in [noise(1), noise(2)] {
        assert_eq!(inflate(&mut window, &packed_in_one(&mut deflate, &plain)), Ok(plain));
    }
    let again = packed_in_one(&mut deflate, &noise(1));
    assert_eq!(inflate(&mut window, &again), Err(DecodeError::Inflate));
}

#[test]
fn a_delta_that_breaks_off_leaves_nothing_to_the_next() {
    // W-33. The next delta is read as one, though the last byte of a stored block of the one before never came.
    let mut window = Window::default();
    let broken = [0, 5, 0, !5, !0];
    assert_eq!(inflate(&mut window, &broken).map(|plain| plain.len()), Ok(4));
    let mut streams = (Deflaters::default(), Stream::default());
    let sound = streams.0.deflate(&mut streams.1, b"sound").unwrap();
    assert_eq!(inflate(&mut window, &sound), Ok(b"sound".to_vec()));
}
