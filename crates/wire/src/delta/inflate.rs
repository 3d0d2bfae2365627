use super::deflaters::FLUSH_TAIL;
use super::window::{WINDOW_BITS, Window};
use crate::{DecodeError, FRAME_BYTES_MAX};
use zlib_rs::{Inflate, InflateFlush, Status};

/// The plain bytes of a delta, at most [`FRAME_BYTES_MAX`] of them (W-34); the window takes them.
///
/// Each delta has a context of its own, which begins with the window: that costs less than 1 µs, and a stream that does
/// not end a delta as it must (W-33) leaves nothing behind for the next.
pub(super) fn inflate(window: &mut Window, deflated: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut inflate = Inflate::new(false, WINDOW_BITS);
    inflate.set_dictionary(window.bytes()).map_err(|_| DecodeError::Inflate)?;
    let mut plain = vec![0; deflated.len().saturating_mul(4).clamp(256, FRAME_BYTES_MAX + 1)];
    let mut written = 0;
    for mut part in [deflated, &FLUSH_TAIL] {
        loop {
            let room = plain.get_mut(written..).unwrap_or_default();
            let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(part, room, InflateFlush::SyncFlush);
            // The stream of a connection has no end.
            let Ok(Status::Ok | Status::BufError) = status else { return Err(DecodeError::Inflate) };
            let count = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(usize::MAX);
            part = part.get(count(inflate.total_in(), read_before)..).unwrap_or_default();
            written += count(inflate.total_out(), written_before);
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
    window.push(&plain);
    Ok(plain)
}
