use super::*;

fn mark(number: u64, byte: u8) -> Mark {
    Mark { number, digest: [byte; 32] }
}

fn group(rows: &[(&[u8], Option<&[u8]>)]) -> Group {
    let row =
        |(key, value): &(&[u8], Option<&[u8]>)| ((Keyspace::Meta, key.to_vec()), value.map(<[u8]>::to_vec));
    rows.iter().map(row).collect()
}

#[test]
fn the_newest_readable_slot_counts() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("high-water");
    let (file, found) = MarkFile::open(&path).unwrap();
    assert_eq!(found, None);
    for number in 1..=5 {
        file.write(mark(number, 7));
        assert_eq!(MarkFile::open(&path).unwrap().1, Some(mark(number, 7)));
    }
    file.sync();
    // The slot of the fifth commit is torn: the fourth is left. Then nothing is.
    for (place, left) in [(SLOT_STRIDE + 20, Some(mark(4, 7))), (20, None)] {
        file.file.write_all_at(&[0xff], place).unwrap();
        assert_eq!(MarkFile::open(&path).unwrap().1, left);
    }
}

#[test]
fn a_file_of_another_length_holds_no_mark() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("high-water");
    for length in [0, 1, SLOT_BYTES, 4_096, 10_000] {
        std::fs::write(&path, vec![1; length]).unwrap();
        assert_eq!(MarkFile::open(&path).unwrap().1, None, "{length} bytes");
    }
}

#[test]
fn a_reset_forgets_a_later_mark() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("high-water");
    let (file, _) = MarkFile::open(&path).unwrap();
    file.write(mark(8, 1));
    file.write(mark(9, 1));
    file.reset(mark(3, 2)).unwrap();
    assert_eq!(MarkFile::open(&path).unwrap().1, Some(mark(3, 2)));
}

#[test]
fn rows_and_mark_are_compared() {
    let cases = [
        (mark(0, 0), None, Ok(HighWater::New)),
        (mark(0, 0), Some(mark(0, 0)), Ok(HighWater::New)),
        (mark(3, 1), None, Ok(HighWater::Missing)),
        (mark(3, 1), Some(mark(3, 1)), Ok(HighWater::Agrees)),
        (mark(9, 1), Some(mark(3, 2)), Ok(HighWater::Behind { commits: 6 })),
        (mark(3, 1), Some(mark(3, 2)), Err(Mismatch::Other { number: 3 })),
        (mark(3, 1), Some(mark(4, 2)), Err(Mismatch::Shortened { expected: 4, found: 3 })),
        (mark(0, 0), Some(mark(4, 2)), Err(Mismatch::Shortened { expected: 4, found: 0 })),
    ];
    for (row, file, expected) in cases {
        assert_eq!(compare(row, file), expected, "{row:?} {file:?}");
    }
}

#[test]
fn the_digest_depends_on_every_row_and_on_what_came_before() {
    let groups = [
        group(&[]),
        group(&[(b"a", None)]),
        group(&[(b"a", Some(b""))]),
        group(&[(b"a", Some(b"b"))]),
        group(&[(b"ab", Some(b""))]),
        group(&[(b"a", Some(b"b")), (b"c", None)]),
    ];
    let mut buffer = Vec::new();
    let mut digests = std::collections::BTreeSet::new();
    for before in [mark(0, 0), mark(0, 1), mark(1, 0)] {
        for group in &groups {
            let after = before.after(group, &mut buffer);
            assert_eq!(after.number, before.number + 1);
            assert!(digests.insert(after.digest), "{group:?} after {before:?}");
        }
    }
}

#[test]
fn a_row_comes_back_and_another_length_is_damage() {
    let one = mark(u64::MAX, 9);
    assert_eq!(Mark::from_row(Some(&one.to_row())), Ok(one));
    assert_eq!(Mark::from_row(None), Ok(Mark::default()));
    for length in [0, 39, 41] {
        assert!(Mark::from_row(Some(&vec![0; length])).is_err(), "{length} bytes");
    }
}
