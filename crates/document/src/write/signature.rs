use super::WriteError;
use crate::Origin;

/// Longest name of an author, in bytes.
pub const AUTHOR_BYTES_MAX: usize = 64;
/// Longest message of a change, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 512;

/// What a change says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The replica that makes it.
    pub origin: Origin,
    /// Wall time in milliseconds since 1970; it is shown to people and decides nothing.
    pub wall_ms: i64,
    /// The service or user, at most [`AUTHOR_BYTES_MAX`] and without control characters.
    pub author: Option<&'a str>,
    /// Why, at most [`MESSAGE_BYTES_MAX`].
    pub message: Option<&'a str>,
}

impl Signature<'_> {
    /// A change without author and message.
    #[must_use]
    pub const fn of(origin: Origin, wall_ms: i64) -> Self {
        Self { origin, wall_ms, author: None, message: None }
    }

    /// The text of the change's message: who in the first line, why in the rest. Nothing when neither is given.
    pub(crate) fn text(&self) -> Result<Option<String>, WriteError> {
        let (author, message) = (self.author.unwrap_or_default(), self.message.unwrap_or_default());
        if author.len() > AUTHOR_BYTES_MAX || author.chars().any(char::is_control) {
            return Err(WriteError::Author);
        }
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(WriteError::Message(message.len()));
        }
        Ok(match (author.is_empty(), message.is_empty()) {
            (true, true) => None,
            (false, true) => Some(author.to_owned()),
            (_, false) => Some(format!("{author}\n{message}")),
        })
    }
}
