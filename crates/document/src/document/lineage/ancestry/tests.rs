use super::*;
use crate::document::applying::TOGETHER_MAX;
use crate::foreign;

/// The body of a change by one author, of one operation, after the change of this number.
fn body(number: u16, after: Option<ChangeHash>) -> Vec<u8> {
    let mut body = vec![u8::from(after.is_some())];
    after.iter().for_each(|hash| body.extend_from_slice(&hash.0));
    body.push(16);
    body.extend_from_slice(&[7; 16]);
    let mut low = number + 1;
    let mut numbered = Vec::new();
    while low > 127 {
        numbered.push(low.to_le_bytes()[0] | 128);
        low >>= 7;
    }
    numbered.push(low.to_le_bytes()[0]);
    // Its sequence and its first operation; no time, no message, no other authors, no columns.
    [body, numbered.clone(), numbered, vec![0, 0, 0, 0]].concat()
}

fn hash(number: u16) -> ChangeHash {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    ChangeHash(hash)
}

/// What the sets of what is before what take.
fn bytes(ancestry: &Ancestry<'_>) -> usize {
    let words = ancestry.members.iter().map(|member| member.before.0.capacity() + member.heads.0.capacity());
    words.sum::<usize>() * 8
}

#[test]
fn as_many_as_are_checked_together_take_little_memory() {
    let document = Automerge::new();
    let mut ancestry = Ancestry::new(&document);
    for number in 0..u16::try_from(TOGETHER_MAX).unwrap() {
        let body = body(number, number.checked_sub(1).map(hash));
        let (header, columns) = foreign::read(&body).unwrap();
        let change = Candidate { hash: hash(number), header, columns, body_bytes: body.len() };
        ancestry.add(&change).unwrap();
        ancestry.end(usize::from(number), u64::from(number) + 1);
    }
    assert!(ancestry.is_before(0, TOGETHER_MAX - 1) && !ancestry.is_before(TOGETHER_MAX - 1, 0));
    // Half of what each could hold; a vector may have as much again in reserve.
    assert!(bytes(&ancestry) <= 2 << 20, "{}", bytes(&ancestry));
}
