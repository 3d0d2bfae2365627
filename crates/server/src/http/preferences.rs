//! Headers that say how a write is to be done.

use super::calling::Caller;
use super::extract::{only_line, only_text, text, words};
use super::listed;
use super::problem::{Kind, Problem};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use document::{ChangeHash, MESSAGE_BYTES_MAX};
use replica::{Condition, IdempotencyKey, WaitFor, WriteTerms};
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// Longest that a write may wait for the hub.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Bytes of an idempotency key.
const KEY_BYTES_MAX: u64 = 64;

/// How long it waits where it says nothing.
const WAIT_DEFAULT: Duration = Duration::from_secs(10);

/// The terms of a write by somebody.
pub(super) fn terms(headers: &HeaderMap, caller: &Caller) -> Result<WriteTerms, Problem> {
    let idempotency_key = idempotency_key(headers)?.map(|key| caller.own_key(key));
    let author = caller.author();
    let message = words(only_line(headers, "Isle-Message")?, "Isle-Message", MESSAGE_BYTES_MAX)?;
    Ok(WriteTerms { idempotency_key, author, message, wait: wait(headers)?, can_wait: false })
}

/// The name that a client gave to a write.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(text) = only_text(headers, "Idempotency-Key")? else { return Ok(None) };
    // Some have it in quotes (the IETF's draft of the header): it is the same key.
    let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    IdempotencyKey::new(unquoted).map(Some).map_err(|error| {
        let hint = "make one for each write, as a UUID, and send it again with that write alone";
        Problem::new(Kind::MALFORMED, format!("Idempotency-Key: {error}"), hint).limit(KEY_BYTES_MAX)
    })
}

/// How long a write with such terms waits for the hub.
pub(super) fn within(wait: &WaitFor) -> Duration {
    match wait {
        WaitFor::Local => Duration::ZERO,
        WaitFor::Hub { within_ms } => Duration::from_millis(*within_ms),
    }
}

/// `Prefer: ack=hub; wait=5s` (RFC 7240): of each preference the first counts, and what the service does not know of it is
/// passed over. `wait` is looked at where it says something: beside `ack=hub`.
fn wait(headers: &HeaderMap) -> Result<WaitFor, Problem> {
    let (mut ack, mut alone) = (None, None);
    for line in headers.get_all("prefer") {
        for preference in listed::parts(text(Some(line), "Prefer")?.unwrap_or_default(), ',') {
            let (name, value) = named(preference);
            match name.as_str() {
                "ack" if ack.is_none() => {
                    let (_, wait) = listed::with_parameter(preference, "wait");
                    ack = Some((preference, value, wait));
                }
                "wait" if alone.is_none() => alone = Some(value),
                _ => {}
            }
        }
    }
    let (preference, wait) = match ack {
        None | Some((_, "local", _)) => return Ok(WaitFor::Local),
        Some((preference, "hub", wait)) => (preference, wait.or(alone)),
        Some((preference, ..)) => return Err(no_preference(preference, "ack is local or hub")),
    };
    let within = match wait {
        None => WAIT_DEFAULT,
        Some(wait) => {
            let refused = || no_preference(preference, "wait is up to 300 seconds, as in wait=5s");
            let wait = seconds(wait).ok_or_else(refused)?;
            if wait > WAIT_MAX {
                return Err(refused().limit(WAIT_MAX.as_secs()));
            }
            wait
        }
    };
    Ok(WaitFor::Hub { within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX) })
}

/// A preference's name, in small letters, and its value.
fn named(preference: &str) -> (String, &str) {
    let first = listed::parts(preference, ';').next().unwrap_or_default();
    let (name, value) = first.split_once('=').unwrap_or((first, ""));
    (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'))
}

/// `5`, `5s` or `500ms`.
fn seconds(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.trim().parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s').unwrap_or(text).trim().parse().ok().map(Duration::from_secs)
}

fn no_preference(preference: &str, hint: &str) -> Problem {
    Problem::new(Kind::MALFORMED, format!("Prefer: '{}' is not understood", preference.trim()), hint)
}

/// What a write says of the document as it is, by `If-Match` and `If-None-Match` (RFC 9110, 13.1).
pub(super) fn condition(headers: &HeaderMap) -> Result<Option<Condition>, Problem> {
    decided(tags(headers, &header::IF_MATCH)?, tags(headers, &header::IF_NONE_MATCH)?)
}

/// Refuses a condition by headers: of several documents it does not say which one it is of.
pub(super) fn no_condition(headers: &HeaderMap) -> Result<(), Problem> {
    for (name, member) in [(header::IF_MATCH, "if_match"), (header::IF_NONE_MATCH, "if_none_match")] {
        if headers.contains_key(&name) {
            let detail =
                format!("a transaction takes no header {name}: each of its writes has its own condition");
            let hint = format!("say it as `{member}` of the write in the body");
            return Err(Problem::new(Kind::MALFORMED, detail, hint));
        }
    }
    Ok(())
}

/// The same of one document of a transaction; the pointer of a problem is from there.
pub(super) fn condition_of(
    matching: Option<&str>,
    other: Option<&str>,
) -> Result<Option<Condition>, Problem> {
    let tags = |list: Option<&str>, name: &str| {
        let parsed = list.map(|list| parse(list.as_bytes(), name)).transpose();
        parsed.map_err(|problem| problem.pointer(format!("/{name}")))
    };
    decided(tags(matching, "if_match")?, tags(other, "if_none_match")?)
}

fn decided(matching: Option<Tags>, other: Option<Tags>) -> Result<Option<Condition>, Problem> {
    match (matching, other) {
        (None, None) => Ok(None),
        (Some(Tags::Any), None) => Ok(Some(Condition::Exists)),
        (Some(Tags::Some(tags)), None) => Ok(Some(Condition::HeadsAmong(strong(tags)))),
        (None, Some(Tags::Any)) => Ok(Some(Condition::Absent)),
        (None, Some(Tags::Some(_))) => {
            let hint = "If-Match says which state of the document the write is for";
            Err(Problem::new(Kind::MALFORMED, "a write takes `If-None-Match: *` and no other", hint))
        }
        (Some(_), Some(_)) => Err(Problem::new(
            Kind::MALFORMED,
            "a write takes one of If-Match and If-None-Match",
            "the first says which state it is for, the second that the document is new: both cannot hold",
        )),
    }
}

/// What a read says of the document, which is looked at before the document is: what cannot be read is refused also where there
/// is none.
pub(super) struct ReadConditions {
    matching: Option<Tags>,
    other: Option<Tags>,
}

impl ReadConditions {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            matching: tags(headers, &header::IF_MATCH)?,
            other: tags(headers, &header::IF_NONE_MATCH)?,
        })
    }

    /// Whether `If-None-Match` names what would be shown. Weak tags compare alike: heads name content, not bytes.
    pub(super) fn know(&self, heads: &[ChangeHash]) -> bool {
        match &self.other {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Some(tags)) => tags.iter().any(|tag| tag.heads == heads),
        }
    }

    /// Whether `If-Match` names what would be shown, where it is there.
    pub(super) fn want(&self, heads: &[ChangeHash]) -> bool {
        match &self.matching {
            None | Some(Tags::Any) => true,
            Some(Tags::Some(tags)) => tags.iter().any(|tag| !tag.is_weak && tag.heads == heads),
        }
    }
}

enum Tags {
    Any,
    /// Those that may be of a document here. Any other, as of a cache on the way, is the tag of no document, and matches none.
    Some(Vec<Tag>),
}

struct Tag {
    is_weak: bool,
    heads: Vec<ChangeHash>,
}

/// What `If-Match` compares: a weak tag is equal to none (RFC 9110, 8.8.3.2).
fn strong(tags: Vec<Tag>) -> Vec<Vec<ChangeHash>> {
    tags.into_iter().filter(|tag| !tag.is_weak).map(|tag| tag.heads).collect()
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut lists = Vec::new();
    for value in headers.get_all(name) {
        lists.push(value.as_bytes());
    }
    if lists.is_empty() {
        return Ok(None);
    }
    parse(&lists.join(&b','), name.as_str()).map(Some)
}

fn parse(list: &[u8], name: &str) -> Result<Tags, Problem> {
    let malformed = || {
        let list = String::from_utf8_lossy(list);
        let hint =
            "send what the header ETag said, quotes included; several with commas between them, or `*`";
        Problem::new(Kind::MALFORMED, format!("{name}: '{list}' is no list of ETags"), hint)
    };
    if list.trim_ascii() == b"*" {
        return Ok(Tags::Any);
    }
    let (mut tags, mut rest) = (Vec::new(), list.trim_ascii());
    while !rest.is_empty() {
        // Empty members of a list are passed over.
        if let Some(next) = rest.strip_prefix(b",") {
            rest = next.trim_ascii_start();
            continue;
        }
        let (is_weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |quoted| (true, quoted));
        let text = quoted.strip_prefix(b"\"").ok_or_else(malformed)?;
        let end = text.iter().position(|byte| *byte == b'"').ok_or_else(malformed)?;
        let (text, next) = text.split_at_checked(end).ok_or_else(malformed)?;
        // No spaces and no control characters: RFC 9110, 8.8.3.
        if text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(malformed());
        }
        tags.extend(heads(text).map(|heads| Tag { is_weak, heads }));
        rest = next.strip_prefix(b"\"").unwrap_or_default().trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return Err(malformed());
        }
    }
    Ok(Tags::Some(tags))
}

/// The heads that the text of an ETag names, as `5f…-77…`; `None` of a tag that is of no document.
fn heads(text: &[u8]) -> Option<Vec<ChangeHash>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut heads = text.split('-').map(|head| head.parse().ok()).collect::<Option<Vec<ChangeHash>>>()?;
    heads.sort_unstable();
    Some(heads)
}

/// The ETag of heads; `None` where there are none.
pub(super) fn etag<H: Display>(heads: &[H]) -> Option<HeaderValue> {
    let (first, others) = heads.split_first()?;
    let mut tag = format!("\"{first}");
    others.iter().try_for_each(|head| write!(tag, "-{head}")).ok()?;
    tag.push('"');
    HeaderValue::try_from(tag).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn with_bytes(name: &'static str, value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        headers
    }

    fn is_known(headers: &HeaderMap, heads: &[ChangeHash]) -> bool {
        ReadConditions::of(headers).unwrap().know(heads)
    }

    fn is_wanted(headers: &HeaderMap, heads: &[ChangeHash]) -> bool {
        ReadConditions::of(headers).unwrap().want(heads)
    }

    #[test]
    fn a_key_in_quotes_is_the_key() {
        let of = |text: &str| idempotency_key(&with("idempotency-key", text)).map(|key| key.unwrap());
        let key = IdempotencyKey::new("k1").unwrap();
        for text in ["k1", "\"k1\""] {
            assert_eq!(of(text).unwrap(), key, "{text}");
        }
        assert_eq!(of("\"").unwrap(), IdempotencyKey::new("\"").unwrap());
        assert!(of(&format!("\"{}\"", "k".repeat(64))).is_ok());
        for wrong in ["", "\"\"", &"k".repeat(65)] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let mut twice = with("idempotency-key", "k1");
        twice.append("idempotency-key", "k1".parse().unwrap());
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn a_preference_says_how_safe_and_for_how_long() {
        for (value, expected) in [
            ("ack=hub; wait=5s", Some(5_000)),
            ("ack=hub, wait=5", Some(5_000)),
            ("wait=250ms, respond-async, ack=\"hub\"", Some(250)),
            ("ack=hub", Some(10_000)),
            ("ack=local; wait=5", None),
            ("return=minimal", None),
            // Nothing waits.
            ("wait=1000", None),
            ("respond-async, wait=soon", None),
            ("ack=local; wait=1000", None),
            // The first counts.
            ("ack=local, ack=hub", None),
            ("ack=hub; wait=1, ack=local", Some(1_000)),
            ("ack=hub; wait=1; wait=2", Some(1_000)),
            ("wait=2, ack=hub, wait=3", Some(2_000)),
            // What is meant for it counts before what is said beside it.
            ("wait=1000, ack=hub; wait=4", Some(4_000)),
            ("note=\"a, ack=hub; wait=1\"", None),
        ] {
            let expected = expected.map_or(WaitFor::Local, |within_ms| WaitFor::Hub { within_ms });
            assert_eq!(wait(&with("prefer", value)).unwrap(), expected, "{value}");
        }
        for value in ["ack=moon", "ack=hub; wait=soon", "ack=hub, wait=301"] {
            assert!(wait(&with("prefer", value)).is_err(), "{value}");
        }
    }

    #[test]
    fn tags_are_heads() {
        let (one, other) = ("5f".repeat(32), "0a".repeat(32));
        let both = etag(&[other.clone(), one.clone()]).unwrap();
        let headers = with("if-match", both.to_str().unwrap());
        let expected = vec![vec![other.parse().unwrap(), one.parse().unwrap()]];
        assert_eq!(condition(&headers).unwrap(), Some(Condition::HeadsAmong(expected)));
        let list = format!("W/\"{one}\", \"{other}\"");
        assert!(is_known(&with("if-none-match", &list), &[other.parse().unwrap()]));
        assert!(!is_known(&with("if-none-match", &list), &[]));
        assert_eq!(condition(&with("if-none-match", "*")).unwrap(), Some(Condition::Absent));
        assert_eq!(condition(&with("if-match", "*")).unwrap(), Some(Condition::Exists));
        for wrong in ["5f", "\"5f", "*, \"5f\"", "\"a b\"", "\"a\" \"b\"", "w/\"a\""] {
            assert!(condition(&with("if-match", wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_tag_of_somebody_else_matches_nothing() {
        let head = "5f".repeat(32);
        let heads = [head.parse().unwrap()];
        for foreign in ["\"5f\"", "\"\"", "\"a,b\"", "W/\"a\" , ,\"b\"", "\"\u{fc}\""] {
            let sent = |name| with_bytes(name, foreign.as_bytes());
            assert_eq!(condition(&sent("if-match")).unwrap(), Some(Condition::HeadsAmong(Vec::new())));
            assert!(!is_wanted(&sent("if-match"), &heads), "{foreign}");
            assert!(!is_known(&sent("if-none-match"), &heads), "{foreign}");
        }
        let list = format!("\"a,b\", \"{head}\"");
        assert!(is_wanted(&with("if-match", &list), &heads));
        let weak = format!("W/\"{head}\"");
        assert!(!is_wanted(&with("if-match", &weak), &heads), "it is compared strongly");
        assert!(is_known(&with("if-none-match", &weak), &heads), "it is compared weakly");
    }
}
