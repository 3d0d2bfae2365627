use document::{Address, Collection, Key, Operation, Space, WriteError};
use serde_json::Value;

/// Most documents of one listing.
pub const LIST_MAX: usize = 1_000;

/// What a service can ask of its replica.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A document's present value.
    Get {
        /// Which.
        address: Address,
    },
    /// Operations on a document: one change or none. The document is made when it is not there.
    Write {
        /// Which.
        address: Address,
        /// What to do, in this order.
        operations: Vec<Operation>,
        /// Makes it safe to send the request again when its answer was lost.
        idempotency_key: Option<IdempotencyKey>,
    },
    /// Documents of a collection in the order of their keys.
    List {
        /// Where.
        space: Space,
        /// Of what.
        collection: Collection,
        /// Only keys after this one.
        after: Option<Key>,
        /// At most so many, from 1 to [`LIST_MAX`].
        limit: usize,
    },
    /// How the replica and its peers are.
    Status,
}

/// A client's name for a write, 1 to 64 bytes. The replica keeps the newest 65,536 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

/// Why a text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 64 bytes, this one has {0}")]
pub struct IdempotencyKeyError(pub usize);

impl IdempotencyKey {
    /// Checks the length.
    ///
    /// # Errors
    /// [`IdempotencyKeyError`] when it has not 1 to 64 bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, IdempotencyKeyError> {
        let text = text.into();
        if (1..=64).contains(&text.len()) { Ok(Self(text)) } else { Err(IdempotencyKeyError(text.len())) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To [`Request::Get`]: the document; `None` when it was never written.
    Document(Option<Value>),
    /// To [`Request::Write`], and durable: the change's stamp; `None` when the document was so already.
    Written(Option<Stamp>),
    /// To [`Request::List`].
    Listed(Listed),
    /// To [`Request::Status`].
    Status(Box<crate::Status>),
}

/// Part of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Keys and documents, in order of the keys.
    pub documents: Vec<(Key, Value)>,
    /// Keys among them whose documents are blocked: see [`RequestError::Blocked`].
    pub blocked: Vec<Key>,
    /// Where there are more: the key after which to list them.
    pub next: Option<Key>,
}

/// Names a change of this replica: its number among the replica's changes in the space, gap-free from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The replica's origin.
    pub origin: document::Origin,
    /// The number.
    pub sequence: u64,
}

/// Why a request was refused. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The replica does not carry the space.
    #[error("this replica does not carry the space '{0}'")]
    UnknownSpace(Space),
    /// The replica's services may not write the space.
    #[error("the space '{0}' is read-only here: another replica writes it")]
    ReadOnly(Space),
    /// The operations do not fit the document.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A change of the document cannot be applied by this version; the document waits for an upgrade.
    #[error("{0} is blocked: one of its changes cannot be applied by this version")]
    Blocked(Address),
    /// The idempotency key was used for another write.
    #[error("the idempotency key was used for another write: use a new key for each")]
    KeyReused,
}
