//! Half a server looks well to who started it: one without its dialer is cut off, and answers its till. So it is all or nothing.

use super::ServeError;
use crate::event_loop::StopOrder;
use std::any::Any;
use tokio::task::{JoinError, JoinSet};

/// Runs an event loop beside the tasks of its server. One of them that panics ends them all, in order, and what started the
/// server starts it again. `before_stop` is called before that order is given.
pub(super) async fn guarded<T>(
    running: impl Future<Output = T>,
    tasks: &mut JoinSet<()>,
    order: &StopOrder,
    before_stop: impl Fn(),
) -> (T, Result<(), ServeError>) {
    let mut running = std::pin::pin!(running);
    let mut whole = Ok(());
    loop {
        tokio::select! {
            biased;
            ended = &mut running => return (ended, whole),
            Some(task) = tasks.join_next() => {
                let panicked = task.err().filter(|_| whole.is_ok()).and_then(said);
                if let Some(said) = panicked {
                    tracing::error!(%said, "a part of the server panicked: it stops, to be started again");
                    whole = Err(ServeError::Panicked { said });
                    before_stop();
                    order.give();
                }
            }
        }
    }
}

/// What a panic said; none of a task that was only cancelled.
fn said(error: JoinError) -> Option<String> {
    let payload: Box<dyn Any + Send> = error.try_into_panic().ok()?;
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Some(text.unwrap_or_else(|| "it said nothing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::Stop;
    use std::cell::Cell;

    #[tokio::test]
    async fn a_part_that_panics_ends_all_of_it_in_order() {
        let (order, stop) = Stop::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { panic!("no {}", "dialer") });
        let mut heard = stop.clone();
        let told = Cell::new(0);
        let running = async move {
            heard.ordered().await;
            7
        };
        let (ended, whole) = guarded(running, &mut tasks, &order, || told.set(told.get() + 1)).await;
        assert_eq!((ended, told.get(), stop.is_ordered()), (7, 1, true));
        let error = whole.unwrap_err().to_string();
        assert!(error.contains("no dialer") && error.contains("start it again"), "{error}");
    }

    #[tokio::test]
    async fn parts_that_end_by_themselves_end_nobody_else() {
        let (order, stop) = Stop::new();
        let mut tasks = JoinSet::new();
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn(async { drop(done) });
        let cancelled = tasks.spawn(std::future::pending());
        cancelled.abort();
        let running = async { drop(is_done.await) };
        let (_, whole) = guarded(running, &mut tasks, &order, || ()).await;
        assert!(whole.is_ok() && !stop.is_ordered());
    }
}
