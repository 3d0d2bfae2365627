//! Parts of a request, each refused with a problem where it is none.

use super::asking::{Api, Place};
use super::problem::{Kind, Problem};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use document::{Address, AddressError, Collection, Key, Space};
use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// A header's text, where it is there.
pub(super) fn header<'a>(parts: &'a Parts, name: &str) -> Result<Option<&'a str>, Problem> {
    text(parts.headers.get(name), name)
}

pub(super) fn text<'a>(value: Option<&'a HeaderValue>, name: &str) -> Result<Option<&'a str>, Problem> {
    let unreadable = |_| Problem::new(Kind::MALFORMED, format!("the header {name} is not printable ASCII"));
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
        Problem::new(Kind::MALFORMED, format!("the header {name} is no text"))
            .hint("UTF-8 without control characters, or as in UTF-8''Gr%C3%BCn")
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
        return Err(Problem::new(Kind::MALFORMED, detail)
            .hint("say it in fewer words")
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
    let path = Path::<T>::from_request_parts(parts, api).await;
    path.map(|Path(names)| names).map_err(|rejection| Problem::new(Kind::MALFORMED, rejection.body_text()))
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
        )
        .hint("most clients take such steps out of a path before they send it: choose another name")),
        false => Ok(()),
    }
}

pub(super) fn no_name(error: &AddressError) -> Problem {
    Problem::new(Kind::MALFORMED, error.to_string())
}

/// The parameters of a query string, in their order.
pub(super) struct Parameters(Vec<(String, String)>);

impl FromRequestParts<Api> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, api).await;
        match query {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(Problem::new(Kind::MALFORMED, rejection.body_text())),
        }
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
            Some((name, _)) => Err(Problem::new(Kind::MALFORMED, format!("there is no parameter '{name}'"))
                .hint(match known {
                    [] => "there are none here".to_owned(),
                    _ => format!("there are {}", known.join(", ")),
                })),
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
            (_, Some(_)) => Err(Problem::new(Kind::MALFORMED, format!("'{name}' is given twice"))),
        }
    }

    /// The same, read as something.
    pub(super) fn read<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| {
            text.parse()
                .map_err(|_| Problem::new(Kind::MALFORMED, format!("'{name}' is {what}, not '{text}'")))
        };
        self.one(name)?.map(read).transpose()
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
