//! Parts of a request, each refused with a problem where it is none.

use super::asking::{Api, Place};
use super::problem::{Kind, Problem};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use document::{Address, AddressError, Collection, Key, Space};
use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// A header's text, where it is there.
pub(super) fn header<'a>(parts: &'a Parts, name: &str) -> Result<Option<&'a str>, Problem> {
    only_text(&parts.headers, name)
}

/// The text of a header that may be there once.
pub(super) fn only_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    text(only_line(headers, name)?, name)
}

/// A header that may be there once: of two nobody knows which one is meant, and who is between may know another than we.
pub(super) fn only_line<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (line, None) => Ok(line),
        (_, Some(_)) => {
            Err(Problem::new(Kind::MALFORMED, format!("the header {name} is there twice"), "send it once"))
        }
    }
}

pub(super) fn text<'a>(value: Option<&'a HeaderValue>, name: &str) -> Result<Option<&'a str>, Problem> {
    let unreadable = |_| {
        let detail = format!("the header {name} is not printable ASCII");
        Problem::new(
            Kind::MALFORMED,
            detail,
            "send what stands for other characters in it, or leave them out",
        )
    };
    value.map(|value| value.to_str().map_err(unreadable)).transpose()
}

/// The text of a header that people read: UTF-8, or, from what cannot send that, an extended value of RFC 8187, 3.2. It is shown
/// on terminals: no control characters. What is longer than so many bytes is refused here, since not every write takes it as far
/// as the document: one whose condition does not hold does not, nor the author of a token.
pub(super) fn words(
    value: Option<&HeaderValue>,
    name: &str,
    bytes_max: usize,
) -> Result<Option<String>, Problem> {
    let unreadable = || {
        let hint = "UTF-8 without control characters, or as in UTF-8''Gr%C3%BCn";
        Problem::new(Kind::MALFORMED, format!("the header {name} is no text"), hint)
    };
    let Some(value) = value else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| unreadable())?;
    let text = match extended(text) {
        None => text.to_owned(),
        Some(encoded) if !is_encoded(encoded) => return Err(unreadable()),
        Some(encoded) => percent_decode_str(encoded).decode_utf8().map_err(|_| unreadable())?.into_owned(),
    };
    if text.len() > bytes_max {
        let detail = format!("the header {name} has {} bytes, {bytes_max} are allowed", text.len());
        return Err(Problem::new(Kind::MALFORMED, detail, "say it in fewer words")
            .limit(u64::try_from(bytes_max).unwrap_or(u64::MAX)));
    }
    if text.chars().any(char::is_control) { Err(unreadable()) } else { Ok(Some(text)) }
}

/// What stands behind the character set and the language of an extended value; `None` where it is none.
fn extended(text: &str) -> Option<&str> {
    let (set, rest) = text.split_once('\'')?;
    let (language, encoded) = rest.split_once('\'')?;
    let is_language = language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (set.eq_ignore_ascii_case("utf-8") && is_language).then_some(encoded)
}

/// Whether each `%` is of two digits.
fn is_encoded(text: &str) -> bool {
    let digits =
        |part: &str| part.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    text.split('%').skip(1).all(digits)
}

/// A request has a place as long as this is held.
impl FromRequestParts<Api> for Place {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        api.place()
    }
}

/// The document that a path names.
pub(super) struct OfDocument(pub(super) Address);

/// The collection that a path names.
pub(super) struct OfCollection(pub(super) Space, pub(super) Collection);

/// The only name in a path.
pub(super) struct Named<T>(pub(super) T);

impl FromRequestParts<Api> for OfDocument {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let (space, collection, key) = names::<(String, String, String)>(parts, api).await?;
        let key = Key::new(key).map_err(|error| no_name(&error))?;
        Ok(Self(Address { space: name(&space)?, collection: name(&collection)?, key }))
    }
}

impl FromRequestParts<Api> for OfCollection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let (space, collection) = names::<(String, String)>(parts, api).await?;
        Ok(Self(name(&space)?, name(&collection)?))
    }
}

impl<T: FromStr<Err = AddressError>> FromRequestParts<Api> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Ok(Self(name(&names::<String>(parts, api).await?)?))
    }
}

async fn names<T>(parts: &mut Parts, api: &Api) -> Result<T, Problem>
where
    T: serde::de::DeserializeOwned + Send,
{
    // What stands behind a `%` would be taken as it is.
    if !is_encoded(parts.uri.path()) {
        return Err(not_encoded(parts.uri.path()));
    }
    let path = Path::<T>::from_request_parts(parts, api).await;
    path.map(|Path(names)| names).map_err(|_| not_encoded(parts.uri.path()))
}

pub(super) fn name<T: FromStr<Err = AddressError>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| no_name(&error))
}

/// Refuses to make a document that no address reaches: `.` and `..` are taken out of a path before it is sent (RFC 3986, 5.2.4),
/// also where they are percent-encoded (URL Standard). One that is there can be read and deleted.
pub(super) fn reachable(collection: &Collection, key: &Key) -> Result<(), Problem> {
    let is_step = |name: &str| matches!(name, "." | "..");
    match is_step(key.as_str()) || is_step(collection.as_str()) {
        true => Err(Problem::new(
            Kind::MALFORMED,
            "a document called '.' or '..', or in a collection of that name, has no URL",
            "most clients take such steps out of a path before they send it: choose another name",
        )),
        false => Ok(()),
    }
}

pub(super) fn no_name(error: &AddressError) -> Problem {
    let hint = "names are of small letters, digits, '-', '_' and '.', up to 64 bytes; a key is of printable characters, up to 256";
    let limit = if let AddressError::TooLong { bytes_max, .. } = error { Some(*bytes_max) } else { None };
    Problem::new(Kind::MALFORMED, error.to_string(), hint).limited(limit)
}

/// Of a text in a URL whose `%` are not each of two digits, or are of no UTF-8.
fn not_encoded(text: &str) -> Problem {
    let hint = "percent-encode the UTF-8 of each text, as in Gr%C3%BCn; `%` itself is %25";
    Problem::new(Kind::MALFORMED, format!("'{text}' is not percent-encoded UTF-8"), hint)
}

/// A name or a value of a query string, as forms write it (URL Standard, 5.1), but that nothing is made of what is broken.
fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) if is_encoded(text) => Ok(decoded.into_owned()),
        Ok(_) | Err(_) => Err(not_encoded(text)),
    }
}

/// The parameters of a query string, in their order.
pub(super) struct Parameters(Vec<(String, String)>);

impl FromRequestParts<Api> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let given = query.split('&').filter(|parameter| !parameter.is_empty()).map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        given.collect::<Result<_, _>>().map(Self)
    }
}

/// That there are none: an operation without parameters refuses what it is sent, as the others refuse what they do not know.
pub(super) struct NoParameters;

impl FromRequestParts<Api> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Parameters::from_request_parts(parts, api).await?.only(&[]).map(|()| Self)
    }
}

impl Parameters {
    /// Refuses one that is not among these: a misspelt one is noticed.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let hint = match known {
                    [] => "there are none here".to_owned(),
                    _ => format!("there are {}", known.join(", ")),
                };
                Err(Problem::new(Kind::MALFORMED, format!("there is no parameter '{name}'"), hint))
            }
        }
    }

    /// The values of a parameter that may be given several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The value of one that is given once.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => {
                Err(Problem::new(Kind::MALFORMED, format!("'{name}' is given twice"), "give it once"))
            }
        }
    }

    /// The same, read as something.
    pub(super) fn read<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                let detail = format!("'{name}' is {what}, not '{text}'");
                Problem::new(Kind::MALFORMED, detail, "leave it out, or give it as /docs says")
            })
        };
        self.one(name)?.map(read).transpose()
    }

    /// How many are asked for: from one to so many.
    pub(super) fn count(&self, name: &str, most: u32) -> Result<Option<u32>, Problem> {
        let count: Option<u32> = self.read(name, "a number")?;
        match count.filter(|count| !(1..=most).contains(count)) {
            None => Ok(count),
            Some(count) => {
                let detail = format!("'{name}' is from 1 to {most}, not {count}");
                let hint = "where there are more, the answer's `next` says how to go on";
                Err(Problem::new(Kind::INVALID, detail, hint).limit(most.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_of_any_language() {
        let of = |bytes: &[u8]| words(Some(&HeaderValue::from_bytes(bytes).unwrap()), "Isle-Message", 512);
        for (sent, read) in [
            ("basket 7", "basket 7"),
            ("Grüße \u{1F95B}", "Grüße \u{1F95B}"),
            ("UTF-8''Gr%C3%BC%C3%9Fe", "Grüße"),
            ("utf-8'de-AT'Gr%C3%BCn", "Grün"),
            ("utf-8", "utf-8"),
            ("utf-8' and 'utf-16", "utf-8' and 'utf-16"),
        ] {
            assert_eq!(of(sent.as_bytes()).unwrap().as_deref(), Some(read));
        }
        for wrong in [
            &b"\xff"[..],
            b"utf-8''%FF",
            b"utf-8''100%",
            b"utf-8''%0A",
            b"utf-8'en'%1B",
            b"a\tb",
            "\u{85}".as_bytes(),
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
        assert!(of("ü".repeat(256).as_bytes()).is_ok() && of("ü".repeat(257).as_bytes()).is_err());
        assert!(words(None, "Isle-Message", 512).unwrap().is_none());
    }
}
