//! A call of the HTTP API, and its answer.

use crate::error::{CallError, Problem};
use crate::written::Written;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use hyper::header::{ETAG, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What stands for itself in a segment of a path and in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest answer, a page of 1,000 documents: what is longer is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The key under which it counts once; a read has none, and may be sent again as it is.
    pub(crate) key: Option<String>,
    /// How long its answer may wait for the hub.
    pub(crate) waits: Duration,
}

impl Call {
    pub(crate) fn new(method: Method, target: String) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, target, headers, body, key: None, waits: Duration::ZERO }
    }

    pub(crate) fn get(target: String) -> Self {
        Self::new(Method::GET, target)
    }

    /// With a header that people read.
    pub(crate) fn words(self, name: &'static str, words: &str) -> Result<Self, CallError> {
        self.header(name, &header_words(words))
    }

    /// With a header. What a header cannot say is an error.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self, CallError> {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| CallError::Unsendable {
            cause: format!("'{value}' is no text for the header {name}"),
        })?;
        self.headers.append(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// With a body.
    pub(crate) fn json(
        mut self,
        media_type: &'static str,
        value: &impl Serialize,
    ) -> Result<Self, CallError> {
        self.body = serde_json::to_vec(value)
            .map_err(|error| CallError::Unsendable { cause: error.to_string() })?
            .into();
        self.headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        Ok(self)
    }

    /// As hyper and the server's code take it.
    pub(crate) fn request(&self, origin: &str) -> Result<Request<Bytes>, CallError> {
        let uri = format!("{origin}{}", self.target);
        let request = Request::builder().method(self.method.clone()).uri(uri).body(self.body.clone());
        let mut request = request.map_err(|error| CallError::Unsendable { cause: error.to_string() })?;
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }
}

/// A segment of a path, or a value in a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Words as a header has them: as they are, unless they would be read as something else. What begins as an extended value
/// (RFC 8187, 3.2) is sent as one, and so is what begins or ends with a space, which no header keeps.
pub(crate) fn header_words(words: &str) -> Cow<'_, str> {
    let is_taken_for_extended = words.get(..6).is_some_and(|set| set.eq_ignore_ascii_case("utf-8'"));
    let is_cut = words.starts_with(' ') || words.ends_with(' ');
    // A control character is left to be refused as it is.
    match (is_taken_for_extended || is_cut) && !words.contains(char::is_control) {
        true => Cow::Owned(format!("UTF-8''{}", encoded(words))),
        false => Cow::Borrowed(words),
    }
}

/// A body of either way.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended early, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BodyError(String);

/// A body of one way as one of either.
pub(crate) fn either_way<B, E>(body: B) -> Body
where
    B: hyper::body::Body<Data = Bytes, Error = E> + Send + 'static,
    E: fmt::Display,
{
    body.map_err(|error| BodyError(error.to_string())).boxed_unsync()
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads it whole; what comes of it when it cannot be is in words.
    pub(crate) async fn read(response: Response<Body>) -> Result<Self, String> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(Self { status: head.status, headers: head.headers, body })
    }

    /// Itself, unless it is a problem.
    pub(crate) fn done(self) -> Result<Self, CallError> {
        if self.status.is_success() { Ok(self) } else { Err(CallError::Refused(self.problem())) }
    }

    /// Its JSON.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| CallError::Answer { cause: error.to_string() })
    }

    /// What came of a write. Where that cannot be read the write may be done.
    pub(crate) fn written(self, call: &Call) -> Result<Written, CallError> {
        self.done()?.value().map_err(|error| match &call.key {
            Some(key) => CallError::OutcomeUnknown { key: key.clone(), cause: error.to_string() },
            None => error,
        })
    }

    /// The problem that it is.
    pub(crate) fn problem(&self) -> Box<Problem> {
        let unread = |_| Problem {
            urn: "about:blank".into(),
            status: self.status.as_u16(),
            detail: format!("the answer has status {}", self.status).into(),
            hint: None,
            document: None,
            field: None,
            pointer: None,
            violations: Box::default(),
            limit: None,
        };
        Box::new(serde_json::from_slice(&self.body).unwrap_or_else(unread))
    }

    /// The heads of the document.
    pub(crate) fn heads(&self) -> Vec<String> {
        let tag = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        let tag = tag.trim_start_matches("W/").trim_matches('"');
        tag.split('-').filter(|head| !head.is_empty()).map(str::to_owned).collect()
    }
}

/// Heads as `If-Match` names them.
pub(crate) fn tag(heads: &[String]) -> String {
    format!("\"{}\"", heads.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    /// What RFC 8187 reads, and a header keeps.
    fn read(header: &str) -> String {
        let kept = header.trim_matches(' ');
        let mut parts = kept.splitn(3, '\'');
        let (set, language, rest) = (parts.next(), parts.next(), parts.next());
        let is_language = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match (set, language, rest) {
            (Some(set), Some(language), Some(rest))
                if set.eq_ignore_ascii_case("utf-8") && is_language(language) =>
            {
                percent_decode_str(rest).decode_utf8().unwrap().into_owned()
            }
            _ => kept.to_owned(),
        }
    }

    #[test]
    fn words_stay_readable_where_they_can() {
        for plain in ["", "basket 7", "Gr\u{fc}\u{df}e \u{1f95b}", "utf-8", "utf-16'en'x", "\u{fc}tf-8''"] {
            assert_eq!(header_words(plain), plain);
        }
        assert_eq!(header_words("utf-8''100%"), "UTF-8''utf-8%27%27100%25");
        assert_eq!(header_words(" a"), "UTF-8''%20a");
        assert_eq!(header_words("utf-8'\n"), "utf-8'\n", "it is refused as any control character is");
    }

    proptest! {
        #[test]
        fn words_are_read_as_they_were_said(begin in "(?i:utf-8)?'?[a-z-]{0,3}'?| *", rest in "[^\\p{Cc}]{0,20}") {
            let words = begin + &rest;
            prop_assert_eq!(read(&header_words(&words)), words);
        }
    }
}
