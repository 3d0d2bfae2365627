//! Which of the addresses of a name is dialled.

use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Addresses that are remembered: more than a name has.
const ADDRESSES_MAX: usize = 64;

/// The addresses that did not lead to the peer. Of those that its name has the first is dialled that is not among them, so that
/// one that worked is dialled again, and after a failure another.
#[derive(Debug, Default)]
pub(crate) struct Tried(BTreeSet<SocketAddr>);

impl Tried {
    /// The next to dial, of those that were looked up and that `local` can dial.
    pub(crate) fn next(
        &mut self,
        found: impl IntoIterator<Item = SocketAddr>,
        local: SocketAddr,
    ) -> Option<SocketAddr> {
        let found: Vec<_> =
            found.into_iter().filter(|address| local.is_ipv6() || address.is_ipv4()).collect();
        if self.0.len() >= ADDRESSES_MAX || found.iter().all(|address| self.0.contains(address)) {
            self.0.clear();
        }
        found.into_iter().find(|address| !self.0.contains(address))
    }

    /// It did not lead to the peer.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        self.0.insert(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_another_address_is_dialled_and_one_that_works_again() {
        let [first, second, third] =
            ["[2001:db8::1]:7400", "192.0.2.1:7400", "192.0.2.2:7400"].map(|text| text.parse().unwrap());
        let (both, ipv4) = ("[::]:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
        let found = [first, second, third];
        let mut tried = Tried::default();
        assert_eq!(tried.next(found, ipv4), Some(second));
        assert_eq!(tried.next([first], ipv4), None);
        for expected in [first, second, third, first] {
            assert_eq!(tried.next(found, both), Some(expected));
            tried.failed(expected);
        }
        // Whatever order they come in.
        assert_eq!(tried.next([first, third, second], both), Some(third));
        assert_eq!(tried.next(found, both), Some(second));
        assert_eq!(tried.next(found, both), Some(second), "it works");
        assert_eq!(tried.next([], both), None);
    }
}
