//! Certificates that an authority has signed, on their way to who has the key.

use std::path::Path;

use crate::identity::CERTIFICATE_FILE;
use crate::pem_file::{FileError, NewFile, replace};
use crate::validity::Validity;

/// A certificate of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    der: Vec<u8>,
    validity: Validity,
}

impl IssuedCertificate {
    pub(crate) fn new(der: Vec<u8>, validity: Validity) -> Self {
        Self { der, validity }
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// From when until when it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Puts it in place of the certificate of an identity. Durable when this returns; the key stays as it is.
    ///
    /// # Errors
    /// If the file system refuses; then the old one is there.
    pub fn replace_in(&self, identity: &Path) -> Result<(), FileError> {
        let content = pem("CERTIFICATE", &self.der);
        replace(identity, &NewFile { name: CERTIFICATE_FILE, content: &content, private: false })
    }
}

/// DER in PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let mut text = format!("-----BEGIN {label}-----\n");
    let base64 = data_encoding::BASE64.encode(der);
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(LINE.min(rest.len())).filter(|_| !rest.is_empty()) {
        text += line;
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Fleet;
    use crate::identity::{AUTHORITY_FILE, read_certificate};

    #[test]
    fn pem_is_as_others_write_it() {
        let fleet = Fleet::new();
        let path = fleet.issue("a").join(AUTHORITY_FILE);
        let der = read_certificate(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(pem("CERTIFICATE", &der), text.replace("\r\n", "\n"));
        assert_eq!(pem("X", &[]), "-----BEGIN X-----\n-----END X-----\n");
    }
}
