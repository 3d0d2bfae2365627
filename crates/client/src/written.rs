//! What comes of a write.

use serde::Deserialize;

/// A write that was made.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let written = milk.counter("/on_hand").add(1).await?;
/// let label = milk.change().merge(&serde_json::json!({ "shelf": "A-12" })).if_heads(written.heads);
/// if label.await.is_err_and(|error| error.is_condition_failed()) {
///     println!("somebody wrote it since");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Written {
    /// The change; `None` when everything was so already, and for who may not read all that it writes.
    #[serde(default)]
    pub stamp: Option<Stamp>,
    /// How safe it is.
    pub ack: Acked,
    /// The heads of the document after it, for [`Change::if_heads`](crate::Change::if_heads), also where it had to be sent again
    /// and others have written since; none of a transaction of several documents, and for who may not read what it writes.
    #[serde(default)]
    pub heads: Vec<String>,
}

/// How safe a write is.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// if milk.counter("/on_hand").add(1).await?.ack == isle_client::Acked::Hub {
///     println!("the hub has it");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Acked {
    /// On the disk of the replica that was asked.
    Local,
    /// On the hub's too.
    Hub,
}

/// Names a change: its number among the changes of its origin in the space, from 1 without gaps.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// if let Some(stamp) = milk.counter("/on_hand").add(1).await?.stamp {
///     println!("change {} of {}", stamp.sequence, stamp.origin);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub struct Stamp {
    /// Which replica wrote it, in hexadecimal.
    pub origin: String,
    /// The number.
    pub sequence: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_may_not_read_what_it_writes_is_told_how_safe_it_is() {
        let written: Written = serde_json::from_value(json!({"ack": "hub"})).unwrap();
        assert_eq!(written, Written { stamp: None, ack: Acked::Hub, heads: Vec::new() });
    }
}
