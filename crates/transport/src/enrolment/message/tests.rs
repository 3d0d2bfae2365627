use proptest::prelude::*;
use serde_json::Value;

use super::*;

const GOLDEN: &str = include_str!("../../../../../schemas/golden/transport/v1/enrolment.json");

fn bytes(golden: &Value) -> Vec<u8> {
    let text = golden.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn join() -> JoinMessage {
    JoinMessage { site: "store-367".to_owned(), secret: [0x0b; 16], signing_request: vec![0x30, 0x00] }
}

fn granted() -> Result<(Vec<u8>, Vec<GrantedSpace>), Refusal> {
    let space = |space: &str, rights| GrantedSpace { space: space.to_owned(), rights };
    Ok((vec![0x30, 0x01, 0x02], vec![space("catalog", 1), space("store-367", 3)]))
}

#[track_caller]
fn check<M: Encode<()> + for<'a> Decode<'a, ()> + PartialEq + std::fmt::Debug>(name: &str, message: &M) {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let golden = bytes(&golden["messages"][name]);
    assert_eq!(hex(&encode(message)), hex(&golden), "{name}");
    assert_eq!(decode::<M>(&golden).as_ref(), Some(message), "{name}");
}

/// W-107.
#[test]
fn golden_messages_are_read_and_written() {
    check("join", &join());
    check("renewal", &RenewalMessage {});
    check("granted", &AnswerMessage::new(&granted()));
    check("used", &AnswerMessage::new(&Err(Refusal::Used)));
}

/// W-107.
#[test]
fn unknown_fields_are_passed_over() {
    // A map of one unknown field more: 9 → "x".
    let mut longer = encode(&join());
    longer[0] += 1;
    longer.extend([9, 0x61, b'x']);
    assert_eq!(decode(&longer), Some(join()));
    assert_eq!(decode::<RenewalMessage>(&[0xa1, 9, 0x61, b'x']), Some(RenewalMessage {}));
}

/// W-107.
#[test]
fn a_message_is_exactly_one_value() {
    let whole = encode(&join());
    for end in 0..whole.len() {
        assert_eq!(decode::<JoinMessage>(&whole[..end]), None, "cut at {end}");
    }
    assert_eq!(decode::<JoinMessage>(&[&whole[..], &[0]].concat()), None);
    let mut short_secret = join();
    short_secret.site = "s".repeat(3);
    assert!(decode::<JoinMessage>(&encode(&short_secret)).is_some());
}

/// W-108.
#[test]
fn refusals_have_their_numbers() {
    for code in 1..=255 {
        let refusal = Refusal::of_code(code);
        assert_eq!(refusal.code(), code);
        assert_eq!(AnswerMessage::new(&Err(refusal)).read(), Some(Err(refusal)));
        assert_eq!(matches!(refusal, Refusal::Other { .. }), code > 8);
    }
}

/// W-108.
#[test]
fn an_answer_that_says_nothing_or_too_much_is_refused() {
    assert_eq!(AnswerMessage::new(&granted()).read(), Some(granted()));
    assert_eq!(AnswerMessage::default().read(), None);
    let spaces = vec![GrantedSpace { space: "s".to_owned(), rights: 1 }; GRANTED_SPACES_MAX + 1];
    let answer = AnswerMessage { certificate: Some(Vec::new()), spaces: Some(spaces), refusal: None };
    assert_eq!(answer.read(), None);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<JoinMessage>(&bytes);
        let _ = decode::<RenewalMessage>(&bytes);
        let _ = decode::<AnswerMessage>(&bytes).and_then(AnswerMessage::read);
    }
}
