use super::*;
use crate::{Document, Operation, Signature};
use serde_json::json;

fn body() -> Vec<u8> {
    let mut document = Document::new();
    let put = Operation::Put(json!({"name": "milk", "tags": [1, 2], "price": 1.25, "sold": 3, "none": null}));
    let change =
        document.write(&Signature::of(Origin([9; 16]), 1_700_000_000_123), None, &[put]).unwrap().unwrap();
    ForeignChange::body(&change.chunk).unwrap().to_vec()
}

#[test]
fn a_real_change_comes_back_whole() {
    let parsed = ForeignChange::parse(&body()).unwrap();
    let change = automerge::Change::from_bytes(parsed.chunk.clone()).unwrap();
    assert_eq!(parsed.hash, change.hash());
    assert_eq!(parsed.origin, Origin([9; 16]));
    assert_eq!((parsed.document_sequence, parsed.wall_ms), (1, 1_700_000_000_123));
    assert_eq!(parsed.chunk, change.raw_bytes());
}

#[test]
fn every_shortened_change_is_refused() {
    let body = body();
    for bytes in 0..body.len() {
        assert!(ForeignChange::parse(&body[..bytes]).is_err(), "{bytes}");
    }
}

/// A change of origin 9 that puts null at `a`, as columns: what a foe starts from.
#[derive(Clone)]
struct Forged {
    others: Vec<u8>,
    columns: Vec<(u8, Vec<u8>)>,
}

impl Forged {
    fn new() -> Self {
        let columns = [
            (0x15, vec![0x7f, 1, b'a']),
            (0x34, vec![1]),
            (0x42, vec![0x7f, 1]),
            (0x56, vec![0x7f, 0]),
            (0x70, vec![0x7f, 0]),
        ];
        Self { others: Vec::new(), columns: columns.into() }
    }

    /// The same with a column made otherwise, taken away when empty.
    fn with(mut self, column: u8, bytes: &[u8]) -> Self {
        self.columns.retain(|(number, _)| *number != column);
        if !bytes.is_empty() {
            self.columns.push((column, bytes.to_vec()));
        }
        self.columns.sort();
        self
    }

    fn body(&self) -> Vec<u8> {
        let mut body = vec![0, 16];
        body.extend_from_slice(&[9; 16]);
        body.extend_from_slice(&[1, 5, 0, 0]); // sequence, first operation, time, no message
        body.push(u8::try_from(self.others.len()).unwrap());
        for other in &self.others {
            body.push(16);
            body.extend_from_slice(&[*other; 16]);
        }
        body.push(u8::try_from(self.columns.len()).unwrap());
        for (number, bytes) in &self.columns {
            push_unsigned(&mut body, u64::from(*number));
            push_unsigned(&mut body, bytes.len() as u64);
        }
        self.columns.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
        body
    }

    fn parse(&self) -> Result<(), ChangeRefusal> {
        ForeignChange::parse(&self.body()).map(drop)
    }
}

#[track_caller]
fn refuse(forged: &Forged, refusal: ChangeRefusal) {
    assert_eq!(forged.parse(), Err(refusal));
}

#[test]
fn a_run_of_ten_million_operations_is_refused_unexpanded() {
    let ten_million = [0x80, 0xad, 0xe2, 0x04, 0x01];
    let too_many = ChangeRefusal::TooMany("operations");
    refuse(&Forged::new().with(0x42, &ten_million), too_many);
    refuse(&Forged::new().with(0x15, &[0x00, 0x80, 0xad, 0xe2, 0x04]), too_many);
    refuse(&Forged::new().with(0x34, &ten_million[..4]), too_many);
    refuse(&Forged::new().with(0x70, &ten_million).with(0x71, &ten_million), too_many);
}

#[test]
fn other_kinds_and_columns_are_refused() {
    assert_eq!(Forged::new().parse(), Ok(()));
    refuse(&Forged::new().with(0x4a, &[1]), ChangeRefusal::Columns);
    refuse(&Forged::new().with(0x94, &[1]), ChangeRefusal::Columns);
    let mut turned = Forged::new();
    turned.columns.reverse();
    refuse(&turned, ChangeRefusal::Columns);
    let mut empty = Forged::new();
    empty.columns.insert(0, (0x01, Vec::new()));
    refuse(&empty, ChangeRefusal::Columns);
    let (_, mut chunk) = seal(&body());
    chunk[8] = 2;
    assert_eq!(ForeignChange::body(&chunk), Err(ChangeRefusal::Kind), "deflated change");
    let mut actor = body();
    actor[1] = 15;
    assert_eq!(ForeignChange::parse(&actor), Err(ChangeRefusal::Actor));
    let long = vec![0; CHANGE_BYTES_MAX + 1];
    assert_eq!(ForeignChange::parse(&long), Err(ChangeRefusal::TooLong(CHANGE_BYTES_MAX + 1)));
    let trailing = [Forged::new().body(), vec![0]].concat();
    assert_eq!(ForeignChange::parse(&trailing), Err(ChangeRefusal::Columns));
}

#[test]
fn a_column_is_written_one_way() {
    let malformed = ChangeRefusal::Malformed;
    let two = |column, bytes: &[u8]| {
        let forged = Forged::new().with(0x15, &[0x7e, 1, b'a', 1, b'b']).with(0x34, &[2]);
        forged.with(0x42, &[2, 1]).with(0x56, &[2, 0]).with(0x70, &[2, 0]).with(column, bytes)
    };
    assert_eq!(two(0x42, &[2, 1]).parse(), Ok(()));
    for bytes in [
        &[0x7e, 1, 1][..],      // listed though equal
        &[0x7f, 1, 0x7f, 1],    // two lists
        &[1, 1, 1, 1],          // runs of one
        &[2, 1, 2, 1],          // too long
        &[0x7f, 1],             // too short for the other columns
        &[2, 1, 0, 0],          // no nulls
        &[0x82, 0x80, 0x00, 1], // a number with a byte too many
    ] {
        assert!(two(0x42, bytes).parse().is_err(), "{bytes:?}");
    }
    refuse(&two(0x34, &[1, 0, 1]), malformed);
    refuse(&two(0x34, &[1]), malformed);
    refuse(&two(0x34, &[2, 1]), malformed);
    refuse(&two(0x01, &[0, 2]), malformed); // only nulls
    refuse(&two(0x70, &[0x7f, 0]), malformed);
    refuse(&two(0x42, &[0, 1, 0x7f, 1]), malformed); // no action
}

#[test]
fn every_value_has_its_kind_and_length() {
    let value = |kind: u8, bytes: &[u8]| Forged::new().with(0x56, &[0x7f, kind]).with(0x57, bytes).parse();
    for (kind, bytes) in
        [(0x13, &[5][..]), (0x14, &[0x7b]), (0x26, b"ab"), (0x17, &[0xff]), (1, &[]), (2, &[])]
    {
        assert_eq!(value(kind, bytes), Ok(()), "{kind:x}");
    }
    for (kind, bytes, refusal) in [
        (0x10, &[0][..], ChangeRefusal::Value),       // null of one byte
        (0x11, &[0], ChangeRefusal::Value),           // false of one byte
        (0x15, &[0], ChangeRefusal::Value),           // a float of one byte
        (0x18, &[1], ChangeRefusal::Value),           // Automerge's counter
        (0x19, &[1], ChangeRefusal::Value),           // its time
        (0x1a, &[1], ChangeRefusal::Value),           // unknown
        (0x23, &[5, 5], ChangeRefusal::Malformed),    // a byte after the number
        (0x23, &[0x85, 0], ChangeRefusal::Malformed), // a byte too many in it
        (0x24, &[0xff, 0x7f], ChangeRefusal::Malformed),
        (0x16, &[0xff], ChangeRefusal::Malformed), // no UTF-8
        (0x26, b"a", ChangeRefusal::Malformed),    // cut short
        (0x06, b"a", ChangeRefusal::Malformed),    // bytes that are no value's
    ] {
        assert_eq!(value(kind, bytes), Err(refusal), "{kind:x}");
    }
}

#[test]
fn references_are_to_authors_listed_and_to_what_is_before() {
    let reference = ChangeRefusal::Reference;
    let replacing = |author: u8, counter: u8| {
        let mut forged = Forged::new();
        forged.others.push(8);
        forged.with(0x70, &[0x7f, 1]).with(0x71, &[0x7f, author]).with(0x73, &[0x7f, counter])
    };
    assert_eq!(replacing(1, 4).parse(), Ok(()));
    refuse(&replacing(2, 4), reference);
    refuse(&replacing(1, 5), reference); // itself
    refuse(&replacing(1, 0), reference);
    refuse(&replacing(1, 0x7f), ChangeRefusal::Numbering); // -1
    refuse(&replacing(0, 4), ChangeRefusal::Malformed); // the other author is named nowhere
    let two = |counters: &[u8]| {
        replacing(1, 1).with(0x70, &[0x7f, 2]).with(0x71, &[2, 1]).with(0x73, counters).parse()
    };
    assert_eq!(two(&[0x7e, 1, 2]), Ok(()));
    assert_eq!(two(&[0x7e, 2, 0]), Err(reference)); // twice the same
    assert_eq!(two(&[0x7e, 2, 0x7f]), Err(reference)); // out of order
    refuse(&replacing(1, 1).with(0x70, &[0x7f, 2]), ChangeRefusal::Malformed); // one short
    refuse(&replacing(1, 1).with(0x70, &[0x7f, 0]), ChangeRefusal::Malformed); // one too many
    for others in [&[9][..], &[8, 8], &[8, 7]] {
        let forged = Forged { others: others.to_vec(), ..Forged::new() };
        refuse(&forged, ChangeRefusal::Actor);
    }
}

#[test]
fn an_operation_is_one_that_our_documents_have() {
    let operation = ChangeRefusal::Operation;
    for action in [0, 2, 4, 5, 6, 7, 100] {
        refuse(&Forged::new().with(0x42, &[0x7f, action]), operation);
    }
    refuse(&Forged::new().with(0x42, &[0x7f, 3]), operation); // deletes nothing
    refuse(&Forged::new().with(0x34, &[0, 1]), operation); // inserts at an entry
    let none = Forged { columns: Vec::new(), ..Forged::new() };
    refuse(&none, operation);
    // In a sequence: created by the author 8, after its start.
    let inserting = || {
        let mut forged = Forged::new().with(0x15, &[]).with(0x34, &[0, 1]);
        forged.others.push(8);
        forged.with(0x01, &[0x7f, 1]).with(0x02, &[0x7f, 1]).with(0x13, &[0x7f, 0])
    };
    assert_eq!(inserting().parse(), Ok(()));
    refuse(&inserting().with(0x34, &[1]), operation); // puts at the start
    refuse(&inserting().with(0x02, &[0x7f, 2]), ChangeRefusal::Reference); // an object that is no sequence
    refuse(&inserting().with(0x02, &[]), ChangeRefusal::Reference);
    refuse(&inserting().with(0x13, &[]), ChangeRefusal::Reference);
    refuse(&inserting().with(0x11, &[0x7f, 1]), ChangeRefusal::Reference); // element 0 of an author
    refuse(&inserting().with(0x15, &[0x7f, 1, b'a']), ChangeRefusal::Reference); // element and entry
}

#[test]
fn a_wall_time_and_a_number_out_of_range_are_refused() {
    let mut late = Forged::new().body();
    late.splice(20..21, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xff, 0x00]);
    assert_eq!(ForeignChange::parse(&late), Err(ChangeRefusal::Time));
    for at in [18, 19] {
        let mut numbered = Forged::new().body();
        numbered[at] = 0;
        assert_eq!(ForeignChange::parse(&numbered), Err(ChangeRefusal::Numbering));
    }
    // 2^31 is the last number that there is.
    let mut last = Forged::new().with(0x15, &[0x7e, 1, b'a', 1, b'b']).with(0x34, &[2]);
    last = last.with(0x42, &[2, 1]).with(0x56, &[2, 0]).with(0x70, &[2, 0]);
    let mut body = last.body();
    body.splice(19..20, [0xff, 0xff, 0xff, 0xff, 0x07]);
    assert!(ForeignChange::parse(&body).is_ok());
    body.splice(19..24, [0x80, 0x80, 0x80, 0x80, 0x08]);
    assert_eq!(ForeignChange::parse(&body), Err(ChangeRefusal::Numbering));
}

/// A change of origin 9 that puts null at these names.
fn with_names(names: &[&str]) -> Result<(), ChangeRefusal> {
    let count = i64::try_from(names.len()).unwrap();
    let one = count == 1;
    let run = |value: u8| {
        let mut column = Vec::new();
        if one {
            column.push(0x7f);
        } else {
            push_unsigned(&mut column, names.len() as u64);
        }
        column.push(value);
        column
    };
    let [low, high, ..] = (-count << 1).to_le_bytes();
    let mut column = if count < 64 { vec![low >> 1] } else { vec![low >> 1 | 0x80, high & 0x7f] };
    for name in names {
        push_unsigned(&mut column, name.len() as u64);
        column.extend_from_slice(name.as_bytes());
    }
    let mut insert = Vec::new();
    push_unsigned(&mut insert, names.len() as u64);
    let forged = Forged::new().with(0x15, &column).with(0x34, &insert);
    forged.with(0x42, &run(1)).with(0x56, &run(0)).with(0x70, &run(0)).parse()
}

#[test]
fn a_name_that_no_document_can_have_is_refused() {
    assert_eq!(with_names(&["a/b", &"a/".repeat(31)]), Ok(()));
    assert_eq!(with_names(&[&"a/".repeat(32)]), Err(ChangeRefusal::Name));
    assert_eq!(with_names(&[&"a/".repeat(5_000)]), Err(ChangeRefusal::Name));
    assert_eq!(with_names(&[&"a".repeat(1_025)]), Err(ChangeRefusal::Name));
}

#[test]
fn only_an_origin_writes_its_share() {
    let share = |kind: &str, number| format!("on_hand/+{kind}{}", Origin([number; 16]).short());
    assert_eq!(with_names(&[&share("", 9), "+reserved"]), Ok(()));
    for kind in ["", "!", ">"] {
        assert_eq!(with_names(&[&share(kind, 9)]), Ok(()), "{kind}");
        assert_eq!(with_names(&[&share(kind, 8)]), Err(ChangeRefusal::Tally), "{kind}");
        assert_eq!(with_names(&[&format!("on_hand/+{kind}x")]), Err(ChangeRefusal::Tally), "{kind}");
    }
    let given = share(">", 9) + &Origin([8; 16]).short();
    assert_eq!(with_names(&[&given]), Ok(()));
    assert_eq!(with_names(&["tags/+=", "tags/+=\"red\"", "lines/+["]), Ok(()));
}

#[test]
fn the_creation_of_a_marked_sequence_is_no_dependency() {
    let mut body = Forged::new().with(0x15, b"\x7f\x08lines/+[").body();
    let creation = sequence::creation(SequenceKind::List, "lines").hash;
    body.splice(0..1, [&[2][..], &[7; 32], &creation.0].concat());
    let sorted = creation.0 > [7; 32];
    assert_eq!(ForeignChange::parse(&body).unwrap().dependencies, [ChangeHash([7; 32])], "{sorted}");
    let marks: Vec<String> = (0..=MARKS_MAX).map(|n| format!("f{n}/+[")).collect();
    let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
    assert_eq!(with_names(&marks), Err(ChangeRefusal::TooMany("lists and texts")));
    assert_eq!(with_names(&marks[1..]), Ok(()));
}

#[test]
fn a_change_names_no_more_entries_than_it_has_bytes() {
    let run = |value| [0x90, 0xce, 0x00, value];
    let forged = Forged::new().with(0x15, &[0x90, 0xce, 0x00, 1, b'a']).with(0x34, &[0x90, 0x4e]);
    let forged = forged.with(0x42, &run(1)).with(0x56, &run(0)).with(0x70, &run(0));
    refuse(&forged, ChangeRefusal::TooMany("operations"));
}
