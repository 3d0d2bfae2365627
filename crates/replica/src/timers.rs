/// What a replica is to be woken for: see [`crate::Replica::poll_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wake {
    /// A request that waits for the hub is answered, whether the hub has confirmed its change or not.
    Deadline,
    /// A fill of which the peer says nothing is given up, with the connection.
    Fill,
}
