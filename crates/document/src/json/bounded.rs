use std::collections::BTreeMap;

/// What the entries of a bounded counter say.
///
/// Rights are made by a grant of an origin to itself, moved by a grant to another and used up by a spend, each written by
/// its giver or spender alone (Balegas et al., "Extending Eventually Consistent Cloud Databases for Enforcing Numeric
/// Invariants", SRDS 2015). The value is where the counter started, plus what was made, less what was spent: the start
/// plus everybody's rights. Nobody spends or gives more than it holds, so the value is never below the start. Where that
/// is not 0 it stands in an entry of its own, put with the first rights: so it is read without a schema, and a schema
/// that lowers the bound shifts no value.
///
/// A whole number at the field's own name is the counter's base (module `write::counter`): the value counts on from it
/// where it is above the start. It is nobody's right, so what is spent never comes out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    bound: i64,
    base: Option<i64>,
    made: i128,
    spent: i128,
    holders: BTreeMap<String, i128>,
}

impl Ledger {
    pub(super) fn set_bound(&mut self, bound: i64) {
        self.bound = bound;
    }

    pub(super) fn set_base(&mut self, base: Option<i64>) {
        self.base = base;
    }

    /// A counter without entries, which starts at `bound`, on a plain value.
    pub(crate) fn without_entries(bound: i64, base: Option<i64>) -> Self {
        Self { bound, base, ..Self::default() }
    }

    /// What a foe writes below zero counts as nothing.
    pub(super) fn add_grant(&mut self, from: &str, to: &str, amount: i64) {
        let amount = i128::from(amount.max(0));
        if from == to {
            self.made += amount;
        } else {
            *self.holders.entry(from.to_owned()).or_default() -= amount;
        }
        *self.holders.entry(to.to_owned()).or_default() += amount;
    }

    pub(super) fn add_spend(&mut self, origin: &str, amount: i64) {
        let amount = i128::from(amount.max(0));
        self.spent += amount;
        *self.holders.entry(origin.to_owned()).or_default() -= amount;
    }

    /// The counter's value.
    pub(crate) fn value(&self) -> i128 {
        i128::from(self.base.unwrap_or(self.bound).max(self.bound)) + self.rights()
    }

    /// Everybody's rights.
    pub(crate) fn rights(&self) -> i128 {
        self.made - self.spent
    }

    /// Where it started.
    pub(crate) fn start(&self) -> i64 {
        self.bound
    }

    /// The number that it counts on from.
    pub(crate) fn base(&self) -> Option<i64> {
        self.base
    }

    /// What the origin of this short form may spend or give.
    pub(crate) fn held(&self, short: &str) -> u64 {
        let rights = self.holders.get(short).copied().unwrap_or(0).max(0);
        u64::try_from(rights).unwrap_or(u64::MAX)
    }

    /// Who holds rights besides the origin of this short form, and how many, the most first.
    pub(crate) fn holders_besides(&self, short: &str) -> Vec<(String, u64)> {
        let others = self.holders.keys().filter(|holder| *holder != short);
        let mut holders: Vec<_> = others.map(|holder| (holder.clone(), self.held(holder))).collect();
        holders.retain(|(_, held)| *held > 0);
        holders.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        holders
    }
}
