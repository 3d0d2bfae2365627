use proptest::prelude::*;

use super::*;

const GOLDEN: &str = include_str!("../../../../../schemas/golden/transport/v1/enrolment.json");

pub(crate) fn token() -> JoinToken {
    JoinToken {
        fingerprint: Fingerprint([0x5f; 32]),
        secret: JoinSecret::new([0x0b; 16]),
        hub: "hub".to_owned(),
        site: "store-367".to_owned(),
        address: "hub.example:7400".to_owned(),
    }
}

/// W-102.
#[test]
fn the_golden_token_is_read_and_written() {
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    let text = golden["token"].as_str().unwrap();
    assert_eq!(token().to_string(), text);
    assert_eq!(text.parse(), Ok(token()));
}

/// W-102.
#[test]
fn a_token_is_read_however_it_was_wrapped_and_written() {
    let text = token().to_string();
    let wrapped = format!("  {}\r\n{}\n", &text[..40], &text[40..]);
    for text in [text.to_ascii_uppercase(), wrapped] {
        assert_eq!(text.parse(), Ok(token()), "{text}");
    }
}

/// W-103.
#[test]
fn every_mistyped_or_cut_token_is_told() {
    let text = token().to_string();
    for end in PREFIX.len()..text.len() {
        assert_eq!(text[..end].parse::<JoinToken>(), Err(TokenError::Checksum), "cut at {end}");
    }
    for at in PREFIX.len()..text.len() {
        let mut mistyped = text.clone();
        let other = if &text[at..=at] == "a" { "b" } else { "a" };
        mistyped.replace_range(at..=at, other);
        assert_eq!(mistyped.parse::<JoinToken>(), Err(TokenError::Checksum), "at {at}");
        mistyped.replace_range(at..=at, "1");
        let position = at - PREFIX.len() + 1;
        assert_eq!(mistyped.parse::<JoinToken>(), Err(TokenError::Character { position }));
    }
    assert_eq!("isle".parse::<JoinToken>(), Err(TokenError::NoToken));
    assert_eq!("a".repeat(TOKEN_BYTES_MAX + 1).parse::<JoinToken>(), Err(TokenError::TooLong));
}

/// A token of these bytes with a right checksum.
fn sealed(content: &[u8]) -> Result<JoinToken, TokenError> {
    let bytes = [content, &checksum(content)].concat();
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes)).parse()
}

/// W-103.
#[test]
fn what_has_a_right_checksum_and_is_no_token_is_refused() {
    let bytes = token().encode();
    let content = &bytes[..bytes.len() - CHECKSUM_BYTES];
    assert_eq!(sealed(content), Ok(token()));
    for end in 1..content.len() {
        assert_eq!(sealed(&content[..end]), Err(TokenError::Malformed), "cut at {end}");
    }
    assert_eq!(sealed(&[content, &[0]].concat()), Err(TokenError::Malformed));
    assert_eq!(sealed(&[&[9], &content[1..]].concat()), Err(TokenError::Version { version: 9 }));
    let named = |hub: &str, address: &str| {
        let token = JoinToken { hub: hub.to_owned(), address: address.to_owned(), ..token() };
        token.to_string().parse::<JoinToken>()
    };
    assert!(matches!(named("Hub", "a:1"), Err(TokenError::Name(_))));
    for address in ["", "a b:1", "a\n:1"] {
        assert_eq!(named("hub", address), Err(TokenError::Malformed), "{address:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_the_parser(text in ".{0,200}", tail in "[a-z2-7 \n]{0,300}") {
        let _ = text.parse::<JoinToken>();
        let _ = format!("{PREFIX}{tail}").parse::<JoinToken>();
    }

    #[test]
    fn no_bytes_panic_the_parser(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = sealed(&content);
        let _ = sealed(&[&[VERSION], content.as_slice()].concat());
    }

    #[test]
    fn every_token_is_read_as_it_was_written(
        fingerprint: [u8; 32], secret: [u8; 16], site in "[a-z]([a-z0-9-]{0,61}[a-z0-9])?", address in "[!-~]{1,255}",
    ) {
        let (fingerprint, secret) = (Fingerprint(fingerprint), JoinSecret::new(secret));
        let token = JoinToken { fingerprint, secret, site, address, ..token() };
        prop_assume!(token.check().is_ok());
        prop_assert_eq!(token.to_string().parse(), Ok(token));
    }
}
