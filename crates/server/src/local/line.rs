//! Reading lines of bounded length.

use tokio::io::{self, AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Why no line was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// Longer than allowed. What follows cannot be told from the rest of it.
    #[error("the line is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

/// Reads a line without its end; `None` when the other side ended. A last line without an end counts as cut off:
/// it is not given out.
pub(super) async fn read_line<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, LineError> {
    let mut line = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() >= bytes_max => Err(LineError::TooLong { bytes_max }),
        Some(_) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &str) -> (Vec<String>, bool) {
        let mut reader = text.as_bytes();
        let mut lines = Vec::new();
        loop {
            match read_line(&mut reader, 4).await {
                Ok(Some(line)) => lines.push(String::from_utf8(line).unwrap()),
                Ok(None) => return (lines, false),
                Err(_) => return (lines, true),
            }
        }
    }

    #[tokio::test]
    async fn lines_up_to_the_limit_are_read_and_a_longer_one_is_refused() {
        assert_eq!(lines("ab\n\nabcd\n").await, (vec!["ab".into(), String::new(), "abcd".into()], false));
        assert_eq!(lines("ab\nabcde\n").await, (vec!["ab".into()], true));
        assert_eq!(lines("abcdefgh").await, (vec![], true));
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_is_not_given_out() {
        assert_eq!(lines("ab\nabc").await, (vec!["ab".into()], false));
    }
}
