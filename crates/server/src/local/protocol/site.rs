use serde::{Deserialize, Serialize};

/// A site that a hub has invited. Times are in milliseconds since 1970, by the hub's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteStatus {
    /// Its name.
    pub site: String,
    /// How far it is.
    pub state: SiteState,
    /// What it may do, as in an invitation: `catalog=read,store-367=write`.
    pub spaces: String,
    /// Its public key, in hexadecimal; of a site that was revoked the last one. None before it joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Until when it may join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation_expires_ms: Option<i64>,
    /// When it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_ms: Option<i64>,
    /// The end of its newest certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_ends_ms: Option<i64>,
    /// When it was last connected, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<i64>,
    /// When a key of it was last revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<i64>,
}

/// How far a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SiteState {
    /// It may join.
    Invited,
    /// It was invited, and did not join in time.
    Expired,
    /// It has joined, and is not connected.
    Joined,
    /// It has joined, and is connected.
    Connected,
    /// Its key, or its invitation, was revoked.
    Revoked,
    /// A state that a newer server knows.
    #[serde(other)]
    Other,
}
