//! Bugs on purpose, so that it can be shown that the simulator finds bugs. Compiled with `--cfg isle_planted` alone,
//! which the program refuses to be built with.
//!
//! The choice is the thread's: no signature of the core knows of it.

use std::cell::Cell;

thread_local! {
    static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Peers are told that changes are durable before they are.
    AckBeforeSync,
    /// Services are answered before what they wrote is durable.
    ReplyBeforeSync,
    /// The sender's cursor moves over rows whose batch is on its way.
    CursorBeforeBatch,
    /// The first row that a peer lacks is left out when it connects.
    RowDroppedAtReconnect,
    /// A peer is sent back what it sent.
    EchoFilterLost,
    /// Rows are sent before the hello.
    DeltasBeforeHello,
    /// A write that is sent again is done again.
    IdempotencyForgotten,
    /// Changes of others are taken from a peer that may not relay.
    AcceptedByDeliverer,
    /// Changes to a space are taken from a peer that may not write it.
    WriteRightForgotten,
    /// A peer is sent changes of spaces that it may not read.
    ReadRightForgotten,
    /// The last sequence is given again after a restart.
    SequenceReused,
    /// Changes may be missing between two of an origin.
    GapAccepted,
    /// A peer that asks for changes again does not get them.
    RewindIgnored,
    /// The changes of a transaction are batches of their own.
    TransactionSplit,
    /// The changes of a transaction may come in two frames.
    TransactionCutByFrame,
    /// A foreign change does not become a head.
    HeadsNotUpdated,
    /// A document's value lacks the changes that came last.
    ValueNotRefreshed,
    /// An index keeps the rows of former values.
    IndexRowKept,
    /// Writes are taken though the disk has no room.
    RoomIgnored,
    /// Peers are sent more than the window allows.
    WindowIgnored,
    /// A fork is cut one change before the histories part.
    ForkCutEarly,
    /// A fork is cut one change after the histories part.
    ForkCutLate,
    /// What was in a branch is written again twice.
    WrittenAgainTwice,
    /// A watch that goes on from its cursor passes over the next change.
    WatchChangeSkipped,
    /// A watch shows each change of a transaction by itself.
    WatchTransactionSplit,
    /// Changes of a key that lost the right to write are taken beyond the cut.
    CutForgotten,
    /// Changes of a stream that a peer stopped count as had by it.
    StoppedCountedAsHad,
    /// A rewind takes back what the peer has shown to have since.
    ShownForgotten,
    /// What any peer acknowledges counts as had by the hub.
    HubVectorFromAck,
    /// Of the documents that differ, as symbols tell, one is not asked for.
    DifferenceLeftOut,
    /// The vector of a fill is taken with its first document.
    AdoptedEarly,
    /// It is not kept how far documents of a fill are ahead of the vector.
    ReachForgotten,
    /// A trimmed row brings changes back into the journal that came by a fill.
    FirstLowered,
    /// A stream that stopped for want of a right is not taken up when the right comes.
    RightNeverWakes,
    /// A replica that is shown that its store is an old copy goes on under its origin.
    OriginKept,
    /// An item of a difference is taken from the symbols next to those that it was added to.
    SymbolOffByOne,
    /// A request that waits only for another, which was carried out early, is not let go of.
    HeldForgotten,
    /// The tip of a document is taken for what the document is, whatever came since.
    TipKept,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 38] = [
        Self::AckBeforeSync,
        Self::ReplyBeforeSync,
        Self::CursorBeforeBatch,
        Self::RowDroppedAtReconnect,
        Self::EchoFilterLost,
        Self::DeltasBeforeHello,
        Self::IdempotencyForgotten,
        Self::AcceptedByDeliverer,
        Self::WriteRightForgotten,
        Self::ReadRightForgotten,
        Self::SequenceReused,
        Self::GapAccepted,
        Self::RewindIgnored,
        Self::TransactionSplit,
        Self::TransactionCutByFrame,
        Self::HeadsNotUpdated,
        Self::ValueNotRefreshed,
        Self::IndexRowKept,
        Self::RoomIgnored,
        Self::WindowIgnored,
        Self::ForkCutEarly,
        Self::ForkCutLate,
        Self::WrittenAgainTwice,
        Self::WatchChangeSkipped,
        Self::WatchTransactionSplit,
        Self::CutForgotten,
        Self::StoppedCountedAsHad,
        Self::ShownForgotten,
        Self::HubVectorFromAck,
        Self::DifferenceLeftOut,
        Self::AdoptedEarly,
        Self::ReachForgotten,
        Self::FirstLowered,
        Self::RightNeverWakes,
        Self::OriginKept,
        Self::SymbolOffByOne,
        Self::HeldForgotten,
        Self::TipKept,
    ];
}

/// Plants a bug in every replica of this thread, or with `None` takes it out.
pub fn plant(bug: Option<Bug>) {
    CHOSEN.set(bug);
}

/// Whether a bug is planted.
pub(crate) fn is(bug: Bug) -> bool {
    CHOSEN.get() == Some(bug)
}
