//! What became of a document, and where its writers differ.

use serde::Deserialize;
use serde_json::Value;

/// Part of a document's history.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let newest = milk.history(None, 20).await?;
/// println!("{} changes, and more: {}", newest.changes.len(), newest.next.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The newest first.
    pub changes: Vec<HistoryEntry>,
    /// Where there may be more: the `before` to ask with.
    #[serde(default)]
    pub next: Option<String>,
}

/// A change of a document.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// for change in milk.history(None, 10).await?.changes {
///     println!("{:?} at {}: {}", change.author, change.wall_ms, change.patch);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Its hash, in hexadecimal; the document with this change and all before it has this head.
    pub hash: String,
    /// The changes that it was made on.
    pub dependencies: Vec<String>,
    /// Which replica made it, in hexadecimal.
    pub origin: String,
    /// When, by that replica's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// Who, where it was said.
    #[serde(default)]
    pub author: Option<String>,
    /// Why, where it was said.
    #[serde(default)]
    pub message: Option<String>,
    /// What, as a JSON Patch (RFC 6902).
    pub patch: Value,
}

#[derive(Deserialize)]
pub(crate) struct Conflicts {
    pub(crate) conflicts: Vec<Conflict>,
}

/// A field that several replicas wrote at the same time.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// for conflict in milk.conflicts().await? {
///     println!("{}: {} values", conflict.field, conflict.values.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Conflict {
    /// The field, as a JSON Pointer; empty for the document itself.
    pub field: String,
    /// Every value, the one that is shown last.
    pub values: Vec<ConflictingValue>,
    /// Whether [`Document::settle`](crate::Document::settle) takes one of them: not of what another kind of
    /// field or members hide, or of a document that was deleted. Whoever writes those anew decides what is shown; what
    /// a former kind of the field held stays listed.
    #[serde(default)]
    pub choosable: bool,
}

/// One of several values of a field.
///
/// ```no_run
/// # async fn example(milk: isle_client::Document<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// for conflict in milk.conflicts().await? {
///     conflict.values.iter().for_each(|value| println!("{:?} wrote {}", value.author, value.value));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ConflictingValue {
    /// The value.
    pub value: Value,
    /// Whether it is the one that is shown.
    pub wins: bool,
    /// The change that wrote it, in hexadecimal.
    pub hash: String,
    /// Which replica wrote it, in hexadecimal.
    pub origin: String,
    /// When, by that replica's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// Who, where it was said.
    #[serde(default)]
    pub author: Option<String>,
}
