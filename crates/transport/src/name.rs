//! Names of replicas.

use rustls_pki_types::DnsName;

const NAME_BYTES_MAX: usize = 63;

/// A name that no replica can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot name a replica: use 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-', no '-' at either end \
     and not only a number"
)]
pub struct NameError {
    /// The name as it was given.
    pub name: String,
}

/// Checks that `name` is one DNS label in lower case, as `store-367`.
///
/// One label, so that no part of it can be taken for a domain; not a number, so that it can never be taken
/// for an address.
///
/// # Errors
/// [`NameError`] says what a name is.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = name.len() <= NAME_BYTES_MAX && name.bytes().all(allowed) && DnsName::try_from(name).is_ok();
    if fits { Ok(()) } else { Err(NameError { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names() {
        let longest = "a".repeat(NAME_BYTES_MAX);
        for name in ["hub", "store-367", "7eleven-4", "x", &longest] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let too_long = "a".repeat(NAME_BYTES_MAX + 1);
        let refused =
            ["", "-a", "a-", "Hub", "a.b", "a b", "a_b", "*", "café", "367", "0x1f", "hub\n", &too_long];
        for name in refused {
            assert_eq!(check_name(name), Err(NameError { name: name.to_owned() }), "{name}");
        }
    }
}
