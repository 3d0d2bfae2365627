//! Decoding a frame neither panics nor takes more than its limit, whatever the bytes are; what is read is written so
//! that it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{EncodeError, Frame};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = wire::decode(bytes) else { return };
    match wire::encode(&frame) {
        Ok(again) => assert_eq!(wire::decode(&again), Ok(frame)),
        // A shorter form was read than is written.
        Err(error) => assert!(matches!(
            (error, frame),
            (EncodeError::Unknown, Frame::Unknown(_)) | (EncodeError::TooLong(_), _)
        )),
    }
});
