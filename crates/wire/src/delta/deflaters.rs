//! One deflate stream (RFC 1951) for each direction of a connection, flushed after each delta.

use super::window::{WINDOW_BITS, Window};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

/// Sizes the buffer of literals.
const MEMORY_LEVEL: i32 = 4;
const LEVEL: i32 = 6;
/// The end of a flush (RFC 7692 §7.2.1), which is not sent.
pub(super) const FLUSH_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Contexts that a replica keeps, unless it says otherwise.
const LIVE_MAX: usize = 16;

/// The compression contexts of a replica: a few for all its connections.
///
/// A context takes 154 KiB, because zlib-rs keeps a hash table of one size. So only those last used are kept; another
/// stream is taken up from the last plain bytes of its direction, which costs some 40 µs, and gives the same plain bytes
/// to the receiver. An encoder is always given the same contexts.
pub struct Deflaters {
    live: Vec<Live>,
    live_max: usize,
    /// Deltas that were deflated; the number of each is that of a use.
    uses: u64,
}

struct Live {
    /// Its last use, by which its stream knows it: another stream has used it since if the numbers differ.
    used: u64,
    deflate: Deflate,
}

/// What is left of a stream while it has no context.
#[derive(Default)]
pub(super) struct Stream {
    window: Window,
    /// The last use of its context; 0 before the first.
    used: u64,
}

impl Default for Deflaters {
    fn default() -> Self {
        Self::at_most(LIVE_MAX)
    }
}

impl Deflaters {
    /// Keeps so many contexts.
    #[must_use]
    pub fn at_most(live_max: usize) -> Self {
        Self { live: Vec::new(), live_max, uses: 0 }
    }

    /// The plain bytes deflated as the next of the stream, up to a byte boundary; `None` when the library breaks its
    /// promise. The stream is of no use then.
    pub(super) fn deflate(&mut self, stream: &mut Stream, plain: &[u8]) -> Option<Vec<u8>> {
        let mut deflate = self.take(stream)?;
        let deflated = flushed(&mut deflate, plain)?;
        stream.window.push(plain);
        self.uses += 1;
        stream.used = self.uses;
        if self.live.len() < self.live_max {
            self.live.push(Live { used: self.uses, deflate });
        }
        Some(deflated)
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live.len()
    }

    /// The context of the stream, or that of the stream that waits for the longest time, made its own.
    fn take(&mut self, stream: &Stream) -> Option<Deflate> {
        if let Some(index) = self.live.iter().position(|live| live.used == stream.used) {
            return Some(self.live.swap_remove(index).deflate);
        }
        let oldest = self.live.iter().enumerate().min_by_key(|(_, live)| live.used);
        let mut deflate = match oldest {
            Some((index, _)) if self.live.len() >= self.live_max => {
                let mut deflate = self.live.swap_remove(index).deflate;
                deflate.reset();
                deflate
            }
            _ => Deflate::new_with_config(DeflateConfig {
                level: LEVEL,
                window_bits: -i32::from(WINDOW_BITS),
                mem_level: MEMORY_LEVEL,
                ..DeflateConfig::default()
            }),
        };
        deflate.set_dictionary(stream.window.bytes()).ok()?;
        Some(deflate)
    }
}

fn flushed(deflate: &mut Deflate, plain: &[u8]) -> Option<Vec<u8>> {
    let mut deflated = vec![0; plain.len() / 2 + 64];
    let (mut rest, mut written) = (plain, 0);
    loop {
        let (read_before, written_before) = (deflate.total_in(), deflate.total_out());
        deflate.compress(rest, deflated.get_mut(written..)?, DeflateFlush::SyncFlush).ok()?;
        rest = rest.get(usize::try_from(deflate.total_in() - read_before).ok()?..)?;
        written += usize::try_from(deflate.total_out() - written_before).ok()?;
        if rest.is_empty() && written < deflated.len() {
            break;
        }
        deflated.resize(deflated.len() * 2, 0);
    }
    deflated.truncate(written);
    deflated.ends_with(&FLUSH_TAIL).then(|| deflated.truncate(written - FLUSH_TAIL.len()))?;
    deflated.shrink_to_fit();
    Some(deflated)
}
