//! What a peer of a later version of the protocol sends that this version does not know.

use super::garbage;
use crate::dice::Dice;

/// Kinds of frames from here on have no meaning yet.
const FIRST_KIND: u64 = 128;
/// A field whose number has no meaning yet, as CBOR, and its value: a list of a map and a text.
const FIELD: [u8; 9] = [0x18, 200, 0x82, 0xa1, 0x00, 0x01, 0x62, b'o', b'k'];
/// CBOR maps of fewer fields than 23 begin with this byte and their number.
const MAP: u8 = 0xa0;
/// See [`MAP`].
const MAP_LAST: u8 = MAP + 22;

/// A frame of a kind that nobody knows. Its flags and its body are of no concern either.
pub(super) fn unknown_frame(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(dice.between(FIRST_KIND, 255)).unwrap_or(u8::MAX)];
    bytes.push(u8::try_from(dice.below(256)).unwrap_or(0));
    bytes.extend(garbage(dice));
    bytes
}

/// A frame with one more field that nobody knows, where it is not compressed.
pub(super) fn with_field(frame: &[u8]) -> Vec<u8> {
    match frame {
        [kind, 0, map @ MAP..=MAP_LAST, fields @ ..] => [&[*kind, 0, *map + 1], fields, &FIELD].concat(),
        _ => frame.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Ack, Frame, Hello};

    #[test]
    fn what_nobody_knows_is_well_formed() {
        let hello = Frame::Hello(Hello {
            protocol: wire::PROTOCOL_VERSION + 1,
            epoch: 1,
            cursor: None,
            spaces: Vec::new(),
            since: 0,
            head: 0,
            subscription: [0; 8],
            incomplete: Vec::new(),
        });
        for frame in [hello, Frame::Ack(Ack::default())] {
            let known = wire::encode(&frame).unwrap();
            let bytes = with_field(&known);
            assert!(bytes.len() == known.len() + FIELD.len() && wire::decode(&bytes) == Ok(frame));
        }
        let mut dice = Dice::of(1, "test", &[]);
        assert!((0..50).all(|_| matches!(wire::decode(&unknown_frame(&mut dice)), Ok(Frame::Unknown(_)))));
    }
}
