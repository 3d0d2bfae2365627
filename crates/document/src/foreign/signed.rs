use super::leb::Reader;
use super::{ChangeRefusal, ForeignChange, MESSAGE_BYTES_MAX, header};

/// What a change says about itself, read from its stored bytes alone. It costs no more than its head is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSignature {
    /// When it was written by its author's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The service or user, where it was said.
    pub author: Option<String>,
    /// Why, where it was said.
    pub message: Option<String>,
}

impl ChangeSignature {
    /// Reads it from a whole chunk, as it is stored.
    ///
    /// # Errors
    /// [`ChangeRefusal`] when the chunk is not one uncompressed change.
    pub fn of_chunk(chunk: &[u8]) -> Result<Self, ChangeRefusal> {
        let mut reader = Reader::new(ForeignChange::body(chunk)?);
        header::read_dependencies(&mut reader)?;
        header::read_origin(&mut reader)?;
        // Its number, and that of its first operation.
        reader.unsigned()?;
        reader.unsigned()?;
        let wall_ms = reader.signed()?;
        let bytes = reader.count(MESSAGE_BYTES_MAX, "message bytes")?;
        let text = std::str::from_utf8(reader.take(bytes)?).map_err(|_| ChangeRefusal::Malformed)?;
        let (author, message) = text.split_once('\n').unwrap_or((text, ""));
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self { wall_ms, author: given(author), message: given(message) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Operation, Origin, Signature};

    #[test]
    fn a_signature_is_read_as_it_was_given() {
        let given =
            [(None, None), (Some("till"), None), (None, Some("why")), (Some("till"), Some("two\nlines"))];
        for (author, message) in given {
            let mut document = Document::new();
            let signature = Signature { author, message, ..Signature::of(Origin([1; 16]), -5) };
            let put = Operation::Put(serde_json::json!({"a": 1}));
            let change = document.write(&signature, None, &[put]).unwrap().unwrap();
            let read = ChangeSignature::of_chunk(&change.chunk).unwrap();
            assert_eq!(
                (read.wall_ms, read.author.as_deref(), read.message.as_deref()),
                (-5, author, message)
            );
            for end in 0..change.chunk.len() {
                assert!(ChangeSignature::of_chunk(&change.chunk[..end]).is_err());
            }
        }
    }
}
