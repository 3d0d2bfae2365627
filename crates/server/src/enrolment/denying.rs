//! Takes what somebody writes into the list of those that are refused, while the server runs.

use super::admissions::Revoked;
use super::denied::DenyList;
use crate::event_loop::Stop;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks at the file: who is denied is to be gone within a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Looks after the list.
pub(crate) struct Denying {
    pub(crate) list: DenyList,
    pub(crate) revoked: watch::Sender<Revoked>,
    pub(crate) stop: Stop,
}

/// Tells one state of the file from another.
#[derive(PartialEq, Eq)]
struct State(u64, u64, [i64; 4]);

impl Denying {
    /// Runs until the server stops. A list that cannot be read is told once for each state of it, and the last one holds.
    pub(crate) async fn run(mut self) {
        // None: it is read once more than it was at the start. What is being written is not read: half a list would let in
        // who stands in the other half.
        let (mut seen, mut taken) = (None, None);
        loop {
            let state = Some(self.state());
            if state == seen && state != taken {
                match self.list.read() {
                    _ if Some(self.state()) != state => {
                        seen = None;
                        continue;
                    }
                    Ok(refusals) => self.publish(Arc::new(refusals)),
                    Err(error) => {
                        tracing::error!(%error, "the list of denied replicas is not taken: the last one holds")
                    }
                }
                taken = state;
            } else {
                seen = state;
            }
            tokio::select! {
                biased;
                () = self.stop.ordered() => return,
                () = sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    fn publish(&self, refusals: Revoked) {
        if *self.revoked.borrow() != refusals {
            tracing::warn!("the list of denied replicas has changed, and counts from here on");
            self.revoked.send_replace(refusals);
        }
    }

    fn state(&self) -> Result<State, io::ErrorKind> {
        let of = fs::metadata(self.list.path()).map_err(|error| error.kind())?;
        Ok(State(of.ino(), of.len(), [of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()]))
    }
}
