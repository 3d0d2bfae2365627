//! Server-sent events (HTML standard, 9.2.6), as far as a replica sends them.

use std::mem;

/// Longest event: what is longer is no event of a replica, which leaves long documents out.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Takes bytes as they come and gives whole events.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// How much of the buffer was looked at.
    looked: usize,
}

/// The event is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.buffer.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole event, past comments; `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Option<RawEvent> {
        loop {
            let unseen = self.buffer.get(self.looked..).unwrap_or_default();
            let Some(end) = unseen.windows(2).position(|pair| pair == b"\n\n") else {
                // The last byte may be the first of the two.
                self.looked = self.buffer.len().saturating_sub(1);
                return None;
            };
            let rest = self.buffer.split_off(self.looked + end + 2);
            let block = mem::replace(&mut self.buffer, rest);
            self.looked = 0;
            let event = parse(&String::from_utf8_lossy(&block));
            if event != RawEvent::default() {
                return Some(event);
            }
        }
    }
}

fn parse(block: &str) -> RawEvent {
    let mut event = RawEvent::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut event.name),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(value);
            }
            // Cursors are in the data too; a line that begins with a colon is a comment.
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Also those of which nothing is an event, and however they are cut.
        #[test]
        fn whatever_bytes_come_events_are_the_same(
            parts in prop::collection::vec(prop_oneof![
                Just(b"\n\n".to_vec()), Just(b"data: {}\n".to_vec()), Just(b"event:".to_vec()), Just(b":\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..20),
            ], 0..20),
            step in 1_usize..40,
        ) {
            let bytes = parts.concat();
            let events = |step: usize| {
                let (mut decoder, mut events) = (Decoder::default(), Vec::new());
                for bytes in bytes.chunks(step) {
                    decoder.push(bytes).unwrap();
                    events.extend(std::iter::from_fn(|| decoder.next()));
                }
                events
            };
            prop_assert_eq!(events(step), events(usize::MAX));
        }
    }

    #[test]
    fn events_come_whole_however_their_bytes_come() {
        let text = ": a heartbeat\n\nevent: synced\nid: c1\ndata: {\"a\":\"ä\"}\n\n:\n\nevent: changed\ndata: 1\ndata: 2\n\n";
        for step in 1..text.len() {
            let (mut decoder, mut events) = (Decoder::default(), Vec::new());
            for bytes in text.as_bytes().chunks(step) {
                decoder.push(bytes).unwrap();
                events.extend(std::iter::from_fn(|| decoder.next()));
            }
            let shown: Vec<_> =
                events.iter().map(|event| (event.name.as_str(), event.data.as_str())).collect();
            assert_eq!(shown, [("synced", "{\"a\":\"ä\"}"), ("changed", "1\n2")], "in steps of {step}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut decoder = Decoder::default();
        let bytes = vec![b'x'; EVENT_BYTES_MAX];
        assert_eq!(decoder.push(&bytes), Ok(()));
        assert_eq!(decoder.next(), None);
        assert_eq!(decoder.push(b"y"), Err(TooLong));
    }
}
