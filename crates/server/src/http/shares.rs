//! Places of which each caller has a share: one whose readers take long leaves places to all others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many callers it takes to have all places.
const CALLERS: u32 = 4;

/// Places, and who has them.
#[derive(Clone)]
pub(super) struct Shares(Arc<Places>);

struct Places {
    /// For all callers together.
    all: u32,
    /// For one of them.
    each: u32,
    taken: Mutex<Taken>,
}

/// A caller is known by the name of its token or certificate; the owner has none. Who has no place is not kept.
#[derive(Default)]
struct Taken {
    all: u32,
    by: BTreeMap<Option<String>, u32>,
}

/// A place of a caller, as long as it is held.
pub(super) struct Share {
    places: Arc<Places>,
    caller: Option<String>,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// So many are taken, by all callers.
    All(u32),
    /// The caller itself has so many.
    Caller(u32),
}

impl Shares {
    /// So many places, of which a caller has at most a quarter, and at least one.
    pub(super) fn quarters(all: u32) -> Self {
        Self::of(all, (all / CALLERS).max(1))
    }

    /// So many places for the only caller that there is.
    pub(super) fn whole(all: u32) -> Self {
        Self::of(all, all)
    }

    fn of(all: u32, each: u32) -> Self {
        Self(Arc::new(Places { all, each, taken: Mutex::default() }))
    }

    /// A place, if one is free for this caller.
    pub(super) fn take(&self, caller: Option<&str>) -> Result<Share, Full> {
        let caller = caller.map(str::to_owned);
        let mut taken = self.0.taken();
        let own = taken.by.get(&caller).copied().unwrap_or_default();
        if own >= self.0.each {
            return Err(Full::Caller(self.0.each));
        }
        if taken.all >= self.0.all {
            return Err(Full::All(self.0.all));
        }
        taken.all += 1;
        taken.by.insert(caller.clone(), own + 1);
        drop(taken);
        Ok(Share { places: Arc::clone(&self.0), caller })
    }
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing that can panic is done under it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        let own = taken.by.get(&self.caller).copied().unwrap_or_default();
        if own > 1 {
            taken.by.insert(self.caller.take(), own - 1);
        } else {
            taken.by.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(shares: &Shares, caller: Option<&str>) -> Option<Full> {
        shares.take(caller).err()
    }

    #[test]
    fn one_caller_leaves_three_quarters_to_others() {
        let shares = Shares::quarters(9);
        let owner = [(); 2].map(|()| shares.take(None).ok().unwrap());
        assert_eq!(full(&shares, None), Some(Full::Caller(2)));
        let tills: Vec<Share> = ["till-1", "till-1", "till-2", "till-2", "till-3", "till-3", "till-4"]
            .into_iter()
            .map(|till| shares.take(Some(till)).ok().unwrap())
            .collect();
        assert_eq!(full(&shares, Some("till-4")), Some(Full::All(9)));
        assert_eq!(full(&shares, Some("till-1")), Some(Full::Caller(2)), "its own limit is told first");
        drop(owner);
        assert_eq!(full(&shares, Some("till-4")), None);
        drop(tills);
        assert!(
            shares.0.taken().by.is_empty() && shares.0.taken().all == 0,
            "nothing is kept of who has none"
        );
    }

    #[test]
    fn few_places_are_one_for_each_caller() {
        let shares = Shares::quarters(2);
        let held = [shares.take(None), shares.take(Some("till-1"))];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(
            (full(&shares, None), full(&shares, Some("till-2"))),
            (Some(Full::Caller(1)), Some(Full::All(2)))
        );
        let alone = Shares::whole(2);
        let held = [alone.take(None), alone.take(None)];
        assert!(held.iter().all(Result::is_ok) && full(&alone, None) == Some(Full::Caller(2)));
    }
}
