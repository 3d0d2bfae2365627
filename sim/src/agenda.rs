use std::collections::BTreeMap;

/// Names an event that is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) at_ns: u64,
    number: u64,
}

/// What is going to happen, by time; at one time, in the order in which it was planned.
pub(crate) struct Agenda<E> {
    now_ns: u64,
    planned: u64,
    entries: BTreeMap<(u64, u64), E>,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self { now_ns: 0, planned: 0, entries: BTreeMap::new() }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Plans an event; one in the past happens now.
    pub(crate) fn plan(&mut self, at_ns: u64, event: E) -> Planned {
        let (at_ns, number) = (at_ns.max(self.now_ns), self.planned);
        self.entries.insert((at_ns, number), event);
        self.planned += 1;
        Planned { at_ns, number }
    }

    /// An event does not happen after all; none when it happened already.
    pub(crate) fn cancel(&mut self, planned: Planned) {
        self.entries.remove(&(planned.at_ns, planned.number));
    }

    /// The next event up to `until_ns`; time moves to it. `None` when there is none; time stands.
    pub(crate) fn next(&mut self, until_ns: u64) -> Option<E> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= until_ns)?;
        self.now_ns = entry.key().0;
        Some(entry.remove())
    }

    /// Nothing happens until then.
    pub(crate) fn advance(&mut self, to_ns: u64) {
        self.now_ns = self.now_ns.max(to_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_in_the_order_of_planning() {
        let mut agenda = Agenda::new();
        agenda.plan(20, 'c');
        agenda.plan(10, 'a');
        agenda.plan(10, 'b');
        let order: Vec<_> = std::iter::from_fn(|| agenda.next(15)).collect();
        assert_eq!((order, agenda.now_ns()), (vec!['a', 'b'], 10));
        agenda.plan(3, 'd');
        let planned = agenda.plan(50, 'e');
        agenda.cancel(planned);
        assert_eq!((agenda.next(100), agenda.next(100), agenda.next(100)), (Some('d'), Some('c'), None));
    }
}
