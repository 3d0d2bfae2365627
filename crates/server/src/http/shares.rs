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

/// Places of a caller, as long as they are held.
pub(super) struct Share {
    places: Arc<Places>,
    caller: Option<String>,
    count: u32,
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
        let mut share = self.none(caller);
        share.grow(1)?;
        Ok(share)
    }

    /// What has no place yet, and may grow.
    pub(super) fn none(&self, caller: Option<&str>) -> Share {
        Share { places: Arc::clone(&self.0), caller: caller.map(str::to_owned), count: 0 }
    }
}

impl Share {
    /// So many places more, if they are free for its caller. One that is all that its caller has may be larger than a share:
    /// otherwise it could never be.
    pub(super) fn grow(&mut self, more: u32) -> Result<(), Full> {
        let Places { all, each, .. } = *self.places;
        let mut taken = self.places.taken();
        let own = taken.by.get(&self.caller).copied().unwrap_or_default();
        if own != self.count && own.saturating_add(more) > each {
            return Err(Full::Caller(each));
        }
        if taken.all.saturating_add(more) > all {
            return Err(Full::All(all));
        }
        taken.all += more;
        taken.by.insert(self.caller.clone(), own + more);
        self.count += more;
        Ok(())
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
        taken.all = taken.all.saturating_sub(self.count);
        let own = taken.by.get(&self.caller).copied().unwrap_or_default();
        if own > self.count {
            taken.by.insert(self.caller.take(), own - self.count);
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
    fn what_grows_has_its_callers_share_or_is_all_that_it_has() {
        let shares = Shares::quarters(80);
        let (mut one, mut other) = (shares.none(Some("till-1")), shares.none(Some("till-1")));
        assert_eq!((one.grow(15), other.grow(6)), (Ok(()), Err(Full::Caller(20))));
        assert_eq!((other.grow(5), one.grow(1)), (Ok(()), Err(Full::Caller(20))));
        drop(other);
        assert_eq!(one.grow(45), Ok(()), "it is the only one");
        let mut owner = shares.none(None);
        assert_eq!((owner.grow(21), owner.grow(20)), (Err(Full::All(80)), Ok(())));
        drop((one, owner));
        assert!(shares.0.taken().by.is_empty() && shares.0.taken().all == 0);
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
