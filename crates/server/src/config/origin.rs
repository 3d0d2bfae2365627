//! Origins of pages, whose browsers let them read answers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Most of them; a request's is held against each.
const ORIGINS_MAX: usize = 64;
/// Longest one, in bytes: a name of the DNS and what stands around it.
const ORIGIN_BYTES_MAX: usize = 300;

/// Where a page is from, as its browser says it (RFC 6454): `https://dash.example`, `http://127.0.0.1:3000`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageOrigin(String);

/// The origins of pages that may read answers. As a text they are separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PageOrigin>", into = "Vec<PageOrigin>")]
pub struct PageOrigins(Vec<PageOrigin>);

/// Why a text is no list of origins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageOriginError {
    /// No browser would say it so, so that no page would have it.
    #[error(
        "'{given}' is no origin of a page: write it as browsers do, as in \"https://dash.example\" or \
         \"http://127.0.0.1:3000\": http or https, small letters, no path, no '*', and a port only where it is not the usual one"
    )]
    Form {
        /// What was given.
        given: String,
    },
    /// Too many.
    #[error("at most {ORIGINS_MAX} origins can be listed")]
    Count,
}

impl PageOrigin {
    /// The text, as browsers send it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PageOrigin {
    type Err = PageOriginError;
    fn from_str(text: &str) -> Result<Self, PageOriginError> {
        if is_origin(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PageOriginError::Form { given: text.to_owned() })
        }
    }
}

fn is_origin(text: &str) -> bool {
    let (rest, usual) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443),
        (None, Some(rest)) => (rest, 80),
        (None, None) => return false,
    };
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (rest, None),
    };
    text.len() <= ORIGIN_BYTES_MAX && is_host(host) && port.is_none_or(|port| is_port(port, usual))
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    host.split('.').all(|label| !label.is_empty() && label.bytes().all(is_letter))
}

fn is_port(port: &str, usual: u16) -> bool {
    port.parse::<u16>().is_ok_and(|number| number != 0 && number != usual && number.to_string() == port)
}

impl TryFrom<String> for PageOrigin {
    type Error = PageOriginError;
    fn try_from(text: String) -> Result<Self, PageOriginError> {
        text.parse()
    }
}

impl From<PageOrigin> for String {
    fn from(origin: PageOrigin) -> Self {
        origin.0
    }
}

impl PageOrigins {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &PageOrigin> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<PageOrigin>> for PageOrigins {
    type Error = PageOriginError;
    fn try_from(origins: Vec<PageOrigin>) -> Result<Self, PageOriginError> {
        if origins.len() > ORIGINS_MAX { Err(PageOriginError::Count) } else { Ok(Self(origins)) }
    }
}

impl From<PageOrigins> for Vec<PageOrigin> {
    fn from(origins: PageOrigins) -> Self {
        origins.0
    }
}

impl FromStr for PageOrigins {
    type Err = PageOriginError;
    fn from_str(text: &str) -> Result<Self, PageOriginError> {
        text.split(',').map(|origin| origin.trim().parse()).collect::<Result<Vec<_>, _>>()?.try_into()
    }
}

impl fmt::Display for PageOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(PageOrigin::as_str).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_send_is_an_origin_and_nothing_else() {
        for text in [
            "https://dash.example",
            "http://127.0.0.1:3000",
            "http://localhost:8080",
            "https://[::1]:8443",
            "http://[2001:db8::1]",
            "https://xn--caf-dma.example:80",
        ] {
            assert_eq!(text.parse::<PageOrigin>().map(String::from).as_deref(), Ok(text));
        }
        for text in [
            "",
            "*",
            "null",
            "dash.example",
            "https://",
            "https://*.example",
            "https://dash.example/",
            "https://dash.example/page",
            "https://Dash.example",
            "HTTPS://dash.example",
            "https://dash.example:443",
            "http://dash.example:80",
            "https://dash.example:0",
            "https://dash.example:08443",
            "https://dash.example:",
            "https://dash..example",
            "https://user@dash.example",
            "https://café.example",
            "https://[::0:1]",
            "https://::1",
            "ftp://dash.example",
            "https://dash.example,https://other.example",
        ] {
            let refused = text.parse::<PageOrigin>().unwrap_err().to_string();
            assert!(refused.contains("https://dash.example\""), "{text}: {refused}");
        }
    }

    #[test]
    fn a_list_is_bounded_and_comes_back() {
        let two = "https://a.example,http://b.example:81";
        assert_eq!(two.parse::<PageOrigins>().unwrap().to_string(), two);
        let many = vec!["https://a.example"; ORIGINS_MAX + 1].join(",");
        assert_eq!(many.parse::<PageOrigins>(), Err(PageOriginError::Count));
    }
}
