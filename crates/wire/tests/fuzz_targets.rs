//! The fuzz targets, compiled by this toolchain and run on their seeds: a change of the crate that breaks one is seen
//! here, not when somebody next fuzzes with nightly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "seeds are files, and a target fails by panicking"
)]

extern crate self as libfuzzer_sys;

use std::path::Path;

#[path = "../fuzz/fuzz_targets/deltas.rs"]
#[allow(unused_attributes, reason = "it is a program of its own for libFuzzer")]
mod deltas;
#[path = "../fuzz/fuzz_targets/frames.rs"]
#[allow(unused_attributes, reason = "it is a program of its own for libFuzzer")]
mod frames;

/// As libFuzzer's, a function in place of an entry point. After the targets, which import it by its path.
#[macro_export]
macro_rules! fuzz_target {
    (|$input:ident: $kind:ty| $body:block) => {
        pub(super) fn run($input: $kind) $body
    };
}

/// Runs a target on each of its seeds, on the seed cut short, and on it with a byte changed.
fn run_seeds(name: &str, target: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        let mut bytes = std::fs::read(seed.unwrap().path()).unwrap();
        target(&bytes);
        target(&bytes[..bytes.len() / 2]);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        target(&bytes);
        count += 1;
    }
    assert!(count > 1, "{name} has seeds");
}

#[test]
fn the_fuzz_targets_pass_on_their_seeds() {
    run_seeds("frames", frames::run);
    run_seeds("deltas", deltas::run);
}
