//! Answers to writes.

use super::preferences::etag;
use super::problem::{Kind, Problem};
use super::sight::Sight;
use crate::local::{self, stamp_shown};
use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use replica::Level;
use serde::Serialize;
use utoipa::ToSchema;

/// A write is durable at this replica, or more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    /// The change; null when everything was so already. Left out for who may not read all that it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<local::Stamp>, required = false)]
    stamp: Option<Option<local::Stamp>>,
    /// How safe it is: `local` is on this replica's disk, `hub` on the hub's too.
    ack: Ack,
    /// The heads of the document after it; its ETag. Of an earlier answer that is given again, those of then: others may have
    /// written since. Left out for a transaction of several documents, and for who may not read what it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    heads: Vec<String>,
}

/// How safe a change is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ack {
    Local,
    Hub,
}

impl Written {
    /// From the core's answer; who does not see all that was written is told nothing that depends on what was there.
    pub(super) fn of(response: replica::Response, sight: &Sight) -> Result<Self, Problem> {
        let (stamp, heads, level) = if let replica::Response::Written(written) = response {
            (written.stamp, written.heads, Level::Local)
        } else if let replica::Response::Reached { stamp, heads, level } = response {
            (stamp, heads, level)
        } else {
            return Err(unexpected());
        };
        let ack = if level == Level::Hub { Ack::Hub } else { Ack::Local };
        if !sight.is_whole() {
            return Ok(Self { stamp: None, ack, heads: Vec::new() });
        }
        let heads = heads.iter().map(ToString::to_string).collect();
        Ok(Self { stamp: Some(stamp.map(stamp_shown)), ack, heads })
    }
}

/// The core answered something else than it was asked.
pub(super) fn unexpected() -> Problem {
    let hint = "the server's log may say more: tell who runs it";
    Problem::new(Kind::OTHER, "the replica gave another answer than was asked for", hint)
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let tag = etag(&self.heads);
        let mut response = Json(self).into_response();
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}
