use super::{ConnectionId, End};
use crate::dice::Dice;
use crate::time::MILLISECOND_NS;
use crate::topology::LinkPlan;

/// Pause before a try to connect; it doubles with each that fails.
const PAUSE_NS_MIN: u64 = 50 * MILLISECOND_NS;
/// Longest of these pauses.
const PAUSE_NS_MAX: u64 = 3_000 * MILLISECOND_NS;

/// Names a link: its place in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct LinkNumber(pub usize);

/// Which frames a cut holds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// All.
    Both,
    /// Those from the dialer.
    Up,
    /// Those from the acceptor.
    Down,
}

impl Direction {
    fn holds_up(self, end: End) -> bool {
        match (self, end) {
            (Self::Both, _) | (Self::Up, End::Dialer) | (Self::Down, End::Acceptor) => true,
            (Self::Up, End::Acceptor) | (Self::Down, End::Dialer) => false,
        }
    }
}

/// What an end of a link has sent since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One end of a link.
#[derive(Default)]
pub(super) struct Side {
    /// Cuts that hold up what it sends.
    pub(super) cuts: u32,
    pub(super) traffic: Traffic,
}

pub(super) struct Link {
    pub(super) plan: LinkPlan,
    dialer: Side,
    acceptor: Side,
    /// Cuts so far.
    pub(super) cuts: u64,
    /// The number of the cut that lasts.
    pub(super) cut: Option<u64>,
    /// The dialer's connection.
    pub(super) current: Option<ConnectionId>,
    /// Whether a try is planned.
    pub(super) is_dialing: bool,
    /// Tries since the last connection.
    pub(super) tries: u32,
    all_tries: u64,
    /// Connections so far.
    pub(super) connections: u64,
    /// It is never dialled again.
    pub(super) is_retired: bool,
}

impl Link {
    pub(super) fn new(plan: LinkPlan) -> Self {
        Self {
            plan,
            dialer: Side::default(),
            acceptor: Side::default(),
            cuts: 0,
            cut: None,
            current: None,
            is_dialing: false,
            tries: 0,
            all_tries: 0,
            connections: 0,
            is_retired: false,
        }
    }

    pub(super) fn side(&self, end: End) -> &Side {
        match end {
            End::Dialer => &self.dialer,
            End::Acceptor => &self.acceptor,
        }
    }

    pub(super) fn side_mut(&mut self, end: End) -> &mut Side {
        match end {
            End::Dialer => &mut self.dialer,
            End::Acceptor => &mut self.acceptor,
        }
    }

    /// Whether frames of either end are held up.
    pub(super) fn is_cut(&self) -> bool {
        self.dialer.cuts + self.acceptor.cuts > 0
    }

    pub(super) fn cut_by(&mut self, direction: Direction) {
        for end in [End::Dialer, End::Acceptor] {
            self.side_mut(end).cuts += u32::from(direction.holds_up(end));
        }
    }

    pub(super) fn heal_by(&mut self, direction: Direction) {
        for end in [End::Dialer, End::Acceptor] {
            let side = self.side_mut(end);
            side.cuts = side.cuts.saturating_sub(u32::from(direction.holds_up(end)));
        }
    }

    /// How long the dialer waits before its next try: exponential, with full jitter of the upper half.
    pub(super) fn next_pause_ns(&mut self, seed: u64, number: LinkNumber) -> u64 {
        let pause_ns = PAUSE_NS_MAX.min(PAUSE_NS_MIN << self.tries.min(16));
        self.tries += 1;
        self.all_tries += 1;
        let mut dice = Dice::of(seed, "pause", &[number.0 as u64, self.all_tries]);
        dice.between(pause_ns / 2, pause_ns)
    }
}
