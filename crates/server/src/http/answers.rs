//! Long answers: their bytes are counted until the caller has taken them, however slowly it does.

use super::asking::{Api, Place};
use super::problem::Problem;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Answers up to this are not counted: there are no more of them than connections.
const SHORT_BYTES: u64 = 32 * 1024;

/// An answer that may be long, if there is room for it.
pub(super) fn counted(api: &Api, answer: Response) -> Result<Response, Problem> {
    match answer.body().size_hint().exact() {
        Some(bytes) if bytes > SHORT_BYTES => {
            let place = api.answer_room(usize::try_from(bytes).unwrap_or(usize::MAX))?;
            Ok(answer.map(|body| Body::new(Counted { body, rest: Bytes::new(), _place: place })))
        }
        Some(_) | None => Ok(answer),
    }
}

/// What of an answer goes to its connection at once: the next is asked for when that was taken.
const PIECE_BYTES: usize = 16 * 1024;

/// A body that has its place until all but its last piece was taken, or its connection ended.
struct Counted {
    body: Body,
    /// What of the last frame is still to be given.
    rest: Bytes,
    _place: Place,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context).map_ok(Frame::into_data) {
                Poll::Ready(Some(Ok(Ok(bytes)))) => self.rest = bytes,
                Poll::Ready(Some(Ok(Err(other)))) => return Poll::Ready(Some(Ok(other))),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        let piece = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.size_hint();
        hint.exact().map_or_else(SizeHint::default, |bytes| SizeHint::with_exact(bytes + rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Waker;
    use tokio::sync::Semaphore;

    #[test]
    fn an_answer_has_its_place_until_its_last_piece() {
        let room = Arc::new(Semaphore::new(1));
        let place = Place::of(Arc::clone(&room).try_acquire_owned().unwrap());
        let all: Vec<u8> = (0..=255).cycle().take(3 * PIECE_BYTES + 1).collect();
        let mut body = Counted { body: Body::from(all.clone()), rest: Bytes::new(), _place: place };
        let mut read = Vec::new();
        while !body.is_end_stream() {
            assert_eq!(body.size_hint().exact(), Some((all.len() - read.len()) as u64));
            assert_eq!(room.available_permits(), 0);
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) else {
                panic!("all of it is there")
            };
            let piece = frame.into_data().unwrap();
            assert!(piece.len() <= PIECE_BYTES);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, all);
        drop(body);
        assert_eq!(room.available_permits(), 1);
    }
}
