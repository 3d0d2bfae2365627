//! How a write is to be made.

use crate::call::{Call, tag};
use crate::error::CallError;
use std::time::Duration;

/// How safe a write is to be when it returns.
///
/// ```no_run
/// use isle_client::{Ack, Acked};
/// use std::time::Duration;
///
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let written = milk.counter("/on_hand").add(1).ack(Ack::Hub { within: Duration::from_secs(5) }).await?;
/// if written.ack == Acked::Local {
///     println!("it is here, and not at the hub yet");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// On the disk of the replica that was asked.
    #[default]
    Local,
    /// On the hub's disk too, or as long has passed: the answer says which. At most 300 seconds. A write that changes nothing waits
    /// for nothing: it is [`Acked::Local`](crate::Acked::Local), and says nothing of whether the hub has what made it so.
    Hub {
        /// How long to wait for it.
        within: Duration,
    },
}

/// What must hold of a document for a write of it to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Exists,
    Absent,
    Heads(Vec<String>),
}

impl Condition {
    /// Refuses heads that are none: as a condition they would say nothing, and no reading has them.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        match self {
            Self::Heads(heads) if heads.is_empty() => Err(CallError::Unsendable {
                cause: "`if_heads` got no heads: a transaction of several documents is answered without them; read the document, and \
                        take those of the reading"
                    .to_owned(),
            }),
            Self::Exists | Self::Absent | Self::Heads(_) => Ok(()),
        }
    }

    /// As a header, or a member of a transaction's write: whether it is the positive one, and its text.
    pub(crate) fn shown(&self) -> (bool, String) {
        match self {
            Self::Exists => (true, "*".to_owned()),
            Self::Absent => (false, "*".to_owned()),
            Self::Heads(heads) => (true, tag(heads)),
        }
    }
}

/// The terms of a write, but for conditions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) ack: Ack,
    pub(crate) key: Option<String>,
    pub(crate) message: Option<String>,
}

impl Terms {
    /// Puts them on a call. Without a key one is drawn.
    pub(crate) fn on(&self, mut call: Call) -> Result<Call, CallError> {
        if let Ack::Hub { within } = self.ack {
            call.waits = within;
            call = call.header("prefer", &format!("ack=hub; wait={}ms", within.as_millis()))?;
        }
        if let Some(message) = &self.message {
            call = call.words("isle-message", message)?;
        }
        let key = match &self.key {
            Some(key) => key.clone(),
            None => drawn_key()?,
        };
        call = call.header("idempotency-key", &key)?;
        call.key = Some(key);
        Ok(call)
    }
}

/// 128 random bits.
fn drawn_key() -> Result<String, CallError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| CallError::Unsendable {
        cause: format!("the system gives no randomness for a key: {error}"),
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The methods of what is written on terms, once for all.
macro_rules! on_terms {
    () => {
        /// Waits until the write is as safe as this.
        ///
        /// ```no_run
        /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
        /// milk.counter("/on_hand").add(1).ack(isle_client::Ack::Hub { within: std::time::Duration::from_secs(5) }).await?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn ack(mut self, ack: crate::Ack) -> Self {
            self.terms.ack = ack;
            self
        }

        /// Under this key, of 1 to 64 printable characters, instead of one that is drawn: the same key with the same write
        /// counts once at this replica, also from another process: see [`crate`] for how long.
        ///
        /// ```no_run
        /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
        /// milk.counter("/on_hand").add(-2).key("receipt-4711").await?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn key(mut self, key: impl Into<String>) -> Self {
            self.terms.key = Some(key.into());
            self
        }

        /// Says why, in words without control characters; kept with the change in the document's history.
        ///
        /// ```no_run
        /// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
        /// milk.counter("/on_hand").add(-2).message("stocktaking").await?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn message(mut self, message: impl Into<String>) -> Self {
            self.terms.message = Some(message.into());
            self
        }
    };
}
pub(crate) use on_terms;
