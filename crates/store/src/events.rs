//! Notices, on their way to the caller from several threads.

use std::sync::{Mutex, PoisonError};

use replica::{Room, StoreError, Turn};

use crate::room::RoomGauge;

/// What became of submitted batches, and of the disk. Notices about turns come in the order of turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitNotice {
    /// This turn and every earlier one is with the operating system and visible: it survives the end of the process,
    /// not of the machine. Only under [`crate::Durability::Interval`].
    Written(Turn),
    /// This turn and every earlier one is on the disk and visible.
    Durable(Turn),
    /// This turn and every later one was not made durable.
    Failed {
        /// The first turn that was not made durable.
        turn: Turn,
        /// Why; [`StoreError::Full`] and [`StoreError::Io`] tell an operator what to do.
        error: StoreError,
        /// What is known about them.
        outcome: Outcome,
    },
    /// The room on the disk changed. It is [`Room::Ample`] when a store is opened, until this says otherwise.
    Room(Room),
}

/// What is known about the batches of a failed commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing of them was written, and nothing ever will be. With [`StoreError::Full`] the store goes on: it takes
    /// the failed turn again, and refuses others until then; [`Room::ReadOnly`] was told before and holds until there is
    /// room for that turn. With another error this is the last notice about turns.
    NotWritten,
    /// After the store is opened again, each batch is either wholly there or wholly absent, and none is there without
    /// those before it. The last notice about turns: the store takes no more.
    Unknown,
}

type OnNotice = Box<dyn FnMut(CommitNotice) + Send>;

/// The caller's function, called by one thread at a time.
pub(crate) struct Events(Mutex<OnNotice>);

impl Events {
    pub(crate) fn new(on_notice: impl FnMut(CommitNotice) + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(on_notice)))
    }

    pub(crate) fn send(&self, notice: CommitNotice) {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(notice);
    }

    /// Looks at the room, before a commit of `bytes` or of none, and tells of a change, in the order of looking.
    pub(crate) fn look(&self, gauge: &RoomGauge, bytes: usize) {
        let mut on_notice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = gauge.look(bytes) {
            match room {
                Room::Ample => tracing::info!("the disk has room"),
                Room::Low => tracing::warn!("the disk has little room: free space"),
                Room::Shed => tracing::warn!(
                    "the disk is nearly full: free space; fills, the building of indexes and imports are put off"
                ),
                Room::ReadOnly => {
                    tracing::error!("the disk is full: writes are refused until space is freed")
                }
            }
            on_notice(CommitNotice::Room(room));
        }
    }
}
