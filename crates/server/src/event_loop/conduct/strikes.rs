//! Which keys are let in, by what their connections did. Pure: it is told the time.
//!
//! A connection that ends because the peer broke a rule is a strike against the key in its certificate; one that is lost is
//! none, however often. From the third strike on the key is refused for a time that doubles with each further one. Who
//! connects again and again faster than [`PAUSE`] is refused for a while, too. Both end by themselves.

use replica::Misbehaviour;
use std::collections::BTreeMap;
use std::time::Duration;
use transport::Rate;

/// The strike from which on a key is refused. The first ones may be of two versions that meet in the middle of an upgrade.
const STRIKES_MAX: u32 = 3;

/// How long a key is refused at first.
const REFUSED_MIN: Duration = Duration::from_secs(30);

/// The longest: so long an operator who mended a peer waits at most.
const REFUSED_MAX: Duration = Duration::from_mins(10);

/// After so long without another strike a key has none.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// Connections that a key may make at once: one that is started again and again is no fault of its peers.
const BURST: u32 = 60;

/// Pause that earns one more. A handshake takes 1.6 ms of the accepting end.
const PAUSE: Duration = Duration::from_secs(1);

/// Keys that are known. Who has most of them is the authority: nobody else makes one that gets this far.
const KEYS_MAX: usize = 4_096;

/// Keys that an operator is shown.
pub(super) const SHOWN_MAX: usize = 32;

/// An Ed25519 public key.
pub(super) type Key = [u8; 32];

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    /// It broke rules again and again.
    #[error("its replica misbehaved {strikes} times, the last time so: {last}")]
    Misbehaved {
        /// How often.
        strikes: u32,
        /// The last rule that it broke.
        last: Misbehaviour,
    },
    /// It connects too often.
    #[error("it connected more than {BURST} times, and faster than once in {} s", PAUSE.as_secs())]
    TooOften,
}

/// A key is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this key is refused for {} s more: {cause}", left.as_secs().max(1))]
pub(crate) struct Refused {
    /// Why.
    pub(crate) cause: Cause,
    /// For how long.
    pub(crate) left: Duration,
}

/// A key that is refused at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedKey {
    /// The name in its last certificate.
    pub(crate) name: String,
    pub(crate) public_key: Key,
    pub(crate) refused: Refused,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that ended because the peer broke a rule.
    pub(crate) strikes: u64,
    /// Connections that were refused.
    pub(crate) refused: u64,
}

/// What is known of a key.
#[derive(Debug)]
struct Record {
    name: String,
    /// When it last connected, or had a strike.
    seen: Duration,
    strikes: u32,
    struck: Duration,
    /// Until when it is refused, and why.
    refused: Option<(Duration, Cause)>,
    /// Of its connections.
    rate: Rate,
}

/// All keys that connected. Time is monotonic.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    by_key: BTreeMap<Key, Record>,
    counts: Counts,
}

impl Strikes {
    /// Whether a key is let in, which connects now.
    pub(super) fn admit(&mut self, key: &Key, name: &str, now: Duration) -> Result<(), Refused> {
        let record = self.record(key, name, now);
        let admitted = match record.refused(now) {
            Some(refused) => Err(refused),
            None if record.rate.admit(now) => Ok(()),
            None => Err(record.refuse(REFUSED_MIN, Cause::TooOften, now)),
        };
        self.counts.refused += u64::from(admitted.is_err());
        admitted
    }

    /// Whether a key asked to be let in.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// A connection of a key ended because the peer broke a rule. Returns how the key is refused from here on.
    pub(super) fn strike(
        &mut self,
        key: &Key,
        name: &str,
        last: Misbehaviour,
        now: Duration,
    ) -> Option<Refused> {
        self.counts.strikes += 1;
        let record = self.record(key, name, now);
        let end = record.refused.map_or(Duration::ZERO, |(end, _)| end).max(record.struck);
        if now.saturating_sub(end) >= FORGOTTEN_AFTER {
            record.strikes = 0;
        }
        record.strikes = record.strikes.saturating_add(1);
        record.struck = now;
        let times = record.strikes.checked_sub(STRIKES_MAX)?;
        let longer = 2_u32.checked_pow(times).unwrap_or(u32::MAX);
        let cause = Cause::Misbehaved { strikes: record.strikes, last };
        Some(record.refuse(REFUSED_MIN.saturating_mul(longer).min(REFUSED_MAX), cause, now))
    }

    /// The keys that are refused at the moment: some of them, and how many they are.
    pub(super) fn refused(&self, now: Duration) -> (Vec<RefusedKey>, usize) {
        let refused =
            || self.by_key.iter().filter_map(|(key, record)| Some((key, record, record.refused(now)?)));
        let shown = refused().map(|(public_key, record, refused)| RefusedKey {
            name: record.name.clone(),
            public_key: *public_key,
            refused,
        });
        (shown.take(SHOWN_MAX).collect(), refused().count())
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Where too many are known the one is forgotten that is not refused and was longest not seen.
    fn record(&mut self, key: &Key, name: &str, now: Duration) -> &mut Record {
        if !self.by_key.contains_key(key) && self.by_key.len() >= KEYS_MAX {
            let worth = |record: &Record| (record.refused(now).is_some(), record.seen);
            let least = self.by_key.iter().min_by_key(|(_, record)| worth(record)).map(|(key, _)| *key);
            least.and_then(|least| self.by_key.remove(&least));
        }
        let record = self.by_key.entry(*key).or_insert_with(|| Record {
            name: String::new(),
            seen: now,
            strikes: 0,
            struck: Duration::ZERO,
            refused: None,
            rate: Rate::new(BURST, PAUSE, now),
        });
        name.clone_into(&mut record.name);
        record.seen = now;
        record
    }
}

impl Record {
    fn refused(&self, now: Duration) -> Option<Refused> {
        let (end, cause) = self.refused?;
        let left = end.saturating_sub(now);
        (!left.is_zero()).then_some(Refused { cause, left })
    }

    fn refuse(&mut self, left: Duration, cause: Cause, now: Duration) -> Refused {
        self.refused = Some((now.saturating_add(left), cause));
        Refused { cause, left }
    }
}

#[cfg(test)]
mod tests;
