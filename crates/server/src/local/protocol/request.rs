use crate::local::text;
use document::{Address, Collection, Key, Operation, Space};
use replica::Query;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a service can ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A document's value, at present or at an earlier moment.
    Get {
        /// Which.
        #[serde(with = "text")]
        address: Address,
        /// When; without it, at present.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Moment>,
    },
    /// Operations on a document: one change or none. The document is made when it is not there.
    Write {
        /// Which.
        #[serde(with = "text")]
        address: Address,
        /// What to do, in this order.
        operations: Vec<Operation>,
        /// What must hold of the document; otherwise nothing is written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<Condition>,
        /// 1 to 64 bytes. With it the request may be sent again when its answer was lost, and counts once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
        /// Who writes; kept with the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        /// Why; kept with the change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Answer when the hub has the change, or after so many milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hub_within_ms: Option<u64>,
    },
    /// Operations on several documents of a space, which become visible together everywhere, or not at all.
    Transaction {
        /// Which space.
        #[serde(with = "text")]
        space: Space,
        /// The documents, each once.
        writes: Vec<DocumentWrite>,
        /// As for a write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
        /// As for a write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        /// As for a write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// As for a write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hub_within_ms: Option<u64>,
        /// Whether it can wait: it is refused while the disk is nearly full.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        can_wait: bool,
    },
    /// Documents of a collection that fit a query.
    Query {
        /// Where.
        #[serde(with = "text")]
        space: Space,
        /// Of what.
        #[serde(with = "text")]
        collection: Collection,
        /// Which, in which order, and what of them.
        query: Query,
    },
    /// A document's changes, the newest first.
    History {
        /// Which.
        #[serde(with = "text")]
        address: Address,
        /// Only those before this change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// The fields of a document that were written at the same time.
    Conflicts {
        /// Which.
        #[serde(with = "text")]
        address: Address,
    },
    /// Documents that have changes which this version cannot apply.
    Blocked {
        /// Only those after this one.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
        after: Option<Address>,
    },
    /// Try again to apply the changes of a blocked document.
    Retry {
        /// Which.
        #[serde(with = "text")]
        address: Address,
    },
    /// Drop the change that blocks a document, for good: it stays stored and is sent to peers, but it and every change
    /// that depends on it is passed over when the document is read.
    Drop {
        /// Which document.
        #[serde(with = "text")]
        address: Address,
    },
    /// Copy the store, while everything goes on, into a directory that is not there or empty.
    Backup {
        /// Where, as the server sees it: an absolute path.
        directory: PathBuf,
    },
    /// Documents of a collection in the order of their keys.
    List {
        /// Where.
        #[serde(with = "text")]
        space: Space,
        /// Of what.
        #[serde(with = "text")]
        collection: Collection,
        /// Only keys after this one.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
        after: Option<Key>,
        /// At most so many; 1,000 at most.
        #[serde(default = "list_limit")]
        limit: usize,
    },
    /// A feed of changes: answers with events follow until the connection ends, with the number of this request.
    Watch {
        /// Where.
        #[serde(with = "text")]
        space: Space,
        /// Only this collection.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
        collection: Option<Collection>,
        /// Only keys of the collection that start so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// Go on after the event that had this cursor; without it, begin with the present state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// Invite a site. For a hub with an authority.
    Invite {
        /// The name that it will have.
        site: String,
        /// What it may do: `catalog=read,store-367=write`.
        spaces: String,
        /// For how long it may join, in milliseconds.
        expires_in_ms: u64,
        /// Where it dials the hub, if not where the hub's configuration says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Let a site in by its certificate. For a hub whose sites an organisation's own authority certifies.
    Admit {
        /// Its certificate in PEM, and behind it those of authorities between it and the hub's.
        certificate: String,
        /// What it may do: `catalog=read,store-367=write`.
        spaces: String,
    },
    /// End what a site may do, for ever: its connection, its certificate, and its changes beyond those that are here. For a
    /// hub with an authority.
    Revoke {
        /// Its name.
        site: String,
    },
    /// Say what a site may do from here on, in place of what it might before. For a hub with an authority.
    SetRights {
        /// Its name.
        site: String,
        /// `catalog=read,store-367=write`; it may do nothing in any other space.
        spaces: String,
    },
    /// The sites that were invited. For a hub with an authority.
    Sites,
    /// The schemas in force.
    Schemas,
    /// Give every replica a schema of a collection, or the version that follows. For the replica whose key is the authority.
    AddSchema {
        /// Of which collection.
        #[serde(with = "text")]
        collection: Collection,
        /// The schema.
        text: String,
    },
    /// How the replica and its peers are.
    Status,
}

fn list_limit() -> usize {
    replica::LIST_MAX
}

impl Request {
    /// Operations on a document.
    #[must_use]
    pub fn write(address: Address, operations: Vec<Operation>) -> Self {
        Self::Write {
            address,
            operations,
            condition: None,
            idempotency_key: None,
            author: None,
            message: None,
            hub_within_ms: None,
        }
    }

    /// The same request under a name by which it counts once; only writes have one.
    #[must_use]
    pub fn under(mut self, key: Option<String>) -> Self {
        if let Self::Write { idempotency_key, .. } | Self::Transaction { idempotency_key, .. } = &mut self {
            *idempotency_key = key;
        }
        self
    }
}

/// An earlier moment of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Moment {
    /// With these heads, in hexadecimal.
    Heads(Vec<String>),
    /// At this time by the clocks of its writers, in milliseconds since 1970.
    WallMs(i64),
}

/// What must hold of a document when it is written. It is held against the document with all changes that this replica
/// has; what other replicas write at the same time merges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// It is shown: it was written, and is not deleted.
    Exists,
    /// It is not shown.
    Absent,
    /// Its heads are one of these sets, in hexadecimal, as a reading or the answer to a write told them.
    HeadsAmong(Vec<Vec<String>>),
}

/// One document's part of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentWrite {
    /// Its collection.
    #[serde(with = "text")]
    pub collection: Collection,
    /// Its key, as in an address.
    #[serde(with = "text")]
    pub key: Key,
    /// What to do, in this order.
    pub operations: Vec<Operation>,
    /// What must hold of the document; otherwise none of the transaction's is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}
