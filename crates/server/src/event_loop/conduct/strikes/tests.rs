use super::*;
use proptest::prelude::*;

const KEY: Key = [1; 32];
const OTHER: Key = [2; 32];

fn s(seconds: u64) -> Duration {
    Duration::from_secs(1_000 + seconds)
}

/// For how many seconds a strike has the key refused.
fn strike(strikes: &mut Strikes, now: Duration) -> Option<u64> {
    strikes.strike(&KEY, "store-1", Misbehaviour::Order, now).map(|refused| refused.left.as_secs())
}

fn left(strikes: &mut Strikes, key: &Key, now: Duration) -> Option<u64> {
    strikes.admit(key, "store-1", now).err().map(|refused| refused.left.as_secs())
}

#[test]
fn from_the_third_strike_on_a_key_is_refused_for_longer_and_longer() {
    let mut strikes = Strikes::default();
    let mut now = s(0);
    let mut times = Vec::new();
    for _ in 0..10 {
        assert_eq!(left(&mut strikes, &KEY, now), None, "the last refusal is over");
        times.push(strike(&mut strikes, now));
        now += Duration::from_secs(times.last().copied().flatten().unwrap_or(1));
    }
    let expected =
        [None, None, Some(30), Some(60), Some(120), Some(240), Some(480), Some(600), Some(600), Some(600)];
    assert_eq!(times, expected);
    assert_eq!(left(&mut strikes, &OTHER, now), None, "another key is none of it");
}

#[test]
fn a_refusal_says_why_and_ends_by_itself() {
    let mut strikes = Strikes::default();
    let _ = [0, 1, 2].map(|at| strike(&mut strikes, s(at)));
    let refused = strikes.admit(&KEY, "store-1", s(12)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "this key is refused for 20 s more: its replica misbehaved 3 times, the last time so: a frame came before the \
         hello, or a second hello"
    );
    let (shown, count) = strikes.refused(s(12));
    let expected = RefusedKey { name: "store-1".to_owned(), public_key: KEY, refused };
    assert_eq!((shown, count), (vec![expected], 1));
    assert_eq!((left(&mut strikes, &KEY, s(31)), left(&mut strikes, &KEY, s(32))), (Some(1), None));
    assert_eq!(strikes.refused(s(32)), (vec![], 0));
    assert_eq!(strikes.counts(), Counts { strikes: 3, refused: 2 });
}

#[test]
fn strikes_are_forgotten_after_an_hour_without_another() {
    let mut strikes = Strikes::default();
    assert_eq!([0, 1].map(|at| strike(&mut strikes, s(at))), [None, None]);
    assert_eq!([3_601, 3_602].map(|at| strike(&mut strikes, s(at))), [None, None], "they begin anew");
    assert_eq!(strike(&mut strikes, s(7_201)), Some(30), "an hour less a second after the last");
    // A refusal is no time of good conduct.
    assert_eq!(strike(&mut strikes, s(7_201 + 30 + 3_599)), Some(60));
}

#[test]
fn who_connects_faster_than_the_limit_is_refused_for_a_while() {
    let mut strikes = Strikes::default();
    let admitted = (0..1_000).filter(|_| left(&mut strikes, &KEY, s(0)).is_none()).count();
    assert_eq!(admitted, 60);
    let refused = strikes.admit(&KEY, "store-1", s(1)).unwrap_err();
    assert_eq!(
        (refused.cause, refused.left.as_secs()),
        (Cause::TooOften, 29),
        "trying on does not prolong it"
    );
    assert_eq!(left(&mut strikes, &KEY, s(30)), None);
    assert_eq!(left(&mut strikes, &OTHER, s(0)), None);
    // Once a second, for ever.
    let mut steady = Strikes::default();
    assert!((0..10_000).all(|second| left(&mut steady, &KEY, s(second)).is_none()));
}

#[test]
fn the_table_is_bounded_and_keeps_who_is_refused() {
    let key = |number: usize| {
        let mut key = [0xFF; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    };
    let mut strikes = Strikes::default();
    let _ = [0, 0, 0].map(|at| strike(&mut strikes, s(at)));
    for number in 0..KEYS_MAX + 10 {
        assert_eq!(left(&mut strikes, &key(number), s(1)), None);
    }
    assert_eq!(strikes.by_key.len(), KEYS_MAX);
    assert_eq!(left(&mut strikes, &KEY, s(1)), Some(29));
    // Those that were seen first went.
    let has = |number: usize| strikes.by_key.contains_key(&key(number));
    assert_eq!((0..KEYS_MAX + 10).filter(|number| !has(*number)).count(), 11);
    assert!(has(KEYS_MAX + 9));
}

proptest! {
    /// Whatever a key does, and whatever the times are: it is refused only after strikes or in excess, and never for longer
    /// than the longest time.
    #[test]
    fn a_refusal_is_never_longer_than_the_longest(events in prop::collection::vec((any::<bool>(), 0..4_000_u64), 0..200)) {
        let (mut strikes, mut now, mut count) = (Strikes::default(), s(0), 0);
        for (is_strike, later) in events {
            now += Duration::from_secs(later);
            let refused = if is_strike {
                count += 1;
                strikes.strike(&KEY, "store-1", Misbehaviour::Order, now)
            } else {
                strikes.admit(&KEY, "store-1", now).err()
            };
            if let Some(refused) = refused {
                prop_assert!(refused.left <= REFUSED_MAX);
                prop_assert!(refused.cause == Cause::TooOften || count >= STRIKES_MAX);
            }
        }
        prop_assert_eq!(strikes.admit(&KEY, "store-1", now + REFUSED_MAX), Ok(()));
    }
}
