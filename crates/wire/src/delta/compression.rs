//! One deflate stream (RFC 1951) for each direction of a connection, flushed after each delta.

use crate::{DecodeError, FRAME_BYTES_MAX};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// The window: 2^12 bytes. A hub keeps two for each peer; 32 KiB gain 4 % and take eight times the memory.
const WINDOW_BITS: u8 = 12;
/// Sizes the buffer of literals. Both directions take about 200 KiB a connection: zlib-rs keeps a hash table of one size.
const MEMORY_LEVEL: i32 = 4;
const LEVEL: i32 = 6;
/// The end of a flush (RFC 7692 §7.2.1), which is not sent.
const FLUSH_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

pub(super) struct Deflater(Deflate);

impl Deflater {
    pub(super) fn new() -> Self {
        let config = DeflateConfig {
            level: LEVEL,
            window_bits: -i32::from(WINDOW_BITS),
            mem_level: MEMORY_LEVEL,
            ..DeflateConfig::default()
        };
        Self(Deflate::new_with_config(config))
    }

    /// The plain bytes deflated, up to a byte boundary; `None` when the library breaks its promise.
    pub(super) fn deflate(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut deflated = vec![0; plain.len() / 2 + 64];
        let (mut rest, mut written) = (plain, 0);
        loop {
            let (read_before, written_before) = (self.0.total_in(), self.0.total_out());
            self.0.compress(rest, deflated.get_mut(written..)?, DeflateFlush::SyncFlush).ok()?;
            rest = rest.get(usize::try_from(self.0.total_in() - read_before).ok()?..)?;
            written += usize::try_from(self.0.total_out() - written_before).ok()?;
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
}

pub(super) struct Inflater(Inflate);

impl Inflater {
    pub(super) fn new() -> Self {
        Self(Inflate::new(false, WINDOW_BITS))
    }

    /// The plain bytes of a delta, at most [`FRAME_BYTES_MAX`] of them (W-34).
    pub(super) fn inflate(&mut self, deflated: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut plain = vec![0; deflated.len().saturating_mul(4).clamp(256, FRAME_BYTES_MAX + 1)];
        let mut written = 0;
        for mut part in [deflated, &FLUSH_TAIL] {
            loop {
                let room = plain.get_mut(written..).unwrap_or_default();
                let (read_before, written_before) = (self.0.total_in(), self.0.total_out());
                let status = self.0.decompress(part, room, InflateFlush::SyncFlush);
                // The stream of a connection has no end.
                let Ok(Status::Ok | Status::BufError) = status else { return Err(DecodeError::Inflate) };
                let count = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(usize::MAX);
                part = part.get(count(self.0.total_in(), read_before)..).unwrap_or_default();
                written += count(self.0.total_out(), written_before);
                if written > FRAME_BYTES_MAX {
                    return Err(DecodeError::TooLong);
                }
                if written < plain.len() {
                    break;
                }
                plain.resize((plain.len() * 2).min(FRAME_BYTES_MAX + 1), 0);
            }
            if !part.is_empty() {
                return Err(DecodeError::Inflate);
            }
        }
        plain.truncate(written);
        Ok(plain)
    }
}
