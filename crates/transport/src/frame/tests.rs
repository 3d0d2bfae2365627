use super::*;
use crate::fleet::Pair;
use crate::lanes::Lanes;

/// Pushes `stream` in chunks of at most `chunk_bytes`, and gives the frames that come out.
fn frames(stream: &[u8], chunk_bytes: usize) -> Result<Vec<Vec<u8>>, ReceiveError> {
    let mut partial = PartialFrame::default();
    let mut frames = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk_bytes.min(partial.missing_bytes()).min(rest.len()));
        frames.extend(partial.push(chunk)?);
        rest = after;
    }
    Ok(frames)
}

#[test]
fn frames_come_out_however_they_are_cut() {
    let stream = b"\0\0\0\x01a\0\0\0\x05hello\0\0\0\x02ok";
    for chunk_bytes in 1..=stream.len() {
        let expected = [b"a".to_vec(), b"hello".to_vec(), b"ok".to_vec()];
        assert_eq!(frames(stream, chunk_bytes).unwrap(), expected, "{chunk_bytes}");
    }
}

#[test]
fn lengths_out_of_range_are_refused() {
    assert_eq!(frames(&[0, 0, 0, 0], 4), Err(ReceiveError::Empty));
    assert_eq!(frames(&[0xff; 4], 1), Err(ReceiveError::TooLong { bytes: u32::MAX }));
    let longest = u32::try_from(FRAME_BYTES_MAX).unwrap();
    assert_eq!(checked_length(longest), Ok(FRAME_BYTES_MAX));
    assert_eq!(checked_length(longest + 1), Err(ReceiveError::TooLong { bytes: longest + 1 }));
}

#[test]
fn memory_is_taken_as_bytes_arrive() {
    let mut partial = PartialFrame::default();
    let announced = u32::try_from(FRAME_BYTES_MAX).unwrap();
    partial.push(&announced.to_be_bytes()).unwrap();
    assert_eq!(partial.content.capacity(), 0);
    for _ in 0..100 {
        partial.push(&[7; 1000]).unwrap();
        assert!(partial.content.capacity() <= 2 * partial.content.len());
    }
}

#[tokio::test]
async fn frames_go_both_ways_up_to_the_limit() {
    let Pair { dialler, accepter, .. } = Pair::connected().await;
    let Lanes { sender: mut to_accepter, receiver: mut from_accepter, .. } = dialler.split();
    let Lanes { sender: mut to_dialler, receiver: mut from_dialler, .. } = accepter.split();
    let longest: Vec<u8> = (0..FRAME_BYTES_MAX).map(|at| at.to_le_bytes()[0]).collect();
    // 1 MiB does not fit into the window: both ends send at once and have to read meanwhile.
    let (there, back, at_accepter, at_dialler) = tokio::join!(
        async {
            to_accepter.send(b"one").await?;
            to_accepter.send(&longest).await
        },
        to_dialler.send(&longest),
        async { (from_dialler.receive().await, from_dialler.receive().await) },
        from_accepter.receive(),
    );
    assert_eq!((there, back), (Ok(()), Ok(())));
    assert_eq!(at_accepter.0, Ok(Some(b"one".to_vec())));
    assert!(at_accepter.1 == Ok(Some(longest.clone())) && at_dialler == Ok(Some(longest)));
}

#[tokio::test]
async fn what_is_out_of_range_is_not_sent() {
    let pair = Pair::connected().await;
    let Lanes { mut sender, receiver: _receiver, .. } = pair.dialler.split();
    let too_long = vec![0; FRAME_BYTES_MAX + 1];
    assert_eq!(sender.send(&too_long).await, Err(SendError::TooLong { bytes: FRAME_BYTES_MAX + 1 }));
    assert_eq!(sender.send(&[]).await, Err(SendError::Empty));
    sender.send(b"good").await.unwrap();
    assert_eq!(pair.accepter.split().receiver.receive().await, Ok(Some(b"good".to_vec())));
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_and_ends_the_connection() {
    let pair = Pair::connected().await;
    let watch = pair.dialler.handle();
    let Lanes { mut sender, receiver: _from_accepter, .. } = pair.dialler.split();
    let Lanes { sender: _to_dialler, mut receiver, .. } = pair.accepter.split();
    sender.stream.write_all(b"\0\0\0\x01a\xff\xff\xff\xff").await.unwrap();
    sender.stream.write_all(b"\0\0\0\x01b").await.unwrap();
    assert_eq!(receiver.receive().await, Ok(Some(b"a".to_vec())));
    let refused = Err(ReceiveError::TooLong { bytes: u32::MAX });
    assert_eq!(receiver.receive().await, refused);
    assert_eq!(receiver.receive().await, refused, "what follows is not read as a frame");
    let Disconnect::ClosedByPeer { reason } = watch.closed().await else { panic!("not closed by the peer") };
    assert!(reason.contains("4294967295 bytes"), "{reason}");
}

#[tokio::test]
async fn an_empty_frame_is_refused() {
    let pair = Pair::connected().await;
    let Lanes { mut sender, receiver: _from_accepter, .. } = pair.dialler.split();
    let Lanes { sender: _to_dialler, mut receiver, .. } = pair.accepter.split();
    sender.stream.write_all(&[0; 4]).await.unwrap();
    assert_eq!(receiver.receive().await, Err(ReceiveError::Empty));
    assert_eq!(receiver.receive().await, Err(ReceiveError::Empty), "the cause stays what it was");
}

#[tokio::test]
async fn an_orderly_end_is_told_from_a_broken_one() {
    let pair = Pair::connected().await;
    let Lanes { mut sender, receiver: mut from_accepter, .. } = pair.dialler.split();
    let Lanes { sender: mut to_dialler, mut receiver, .. } = pair.accepter.split();
    sender.send(b"last").await.unwrap();
    sender.finish().await.unwrap();
    assert_eq!(receiver.receive().await, Ok(Some(b"last".to_vec())));
    assert_eq!(receiver.receive().await, Ok(None));

    to_dialler.send(b"first").await.unwrap();
    assert_eq!(from_accepter.receive().await, Ok(Some(b"first".to_vec())));
    drop(to_dialler);
    assert_eq!(from_accepter.receive().await, Err(ReceiveError::Abandoned));
}

#[tokio::test]
async fn an_end_within_a_frame_is_no_orderly_end() {
    let pair = Pair::connected().await;
    let Lanes { mut sender, receiver: _from_accepter, .. } = pair.dialler.split();
    let Lanes { sender: _to_dialler, mut receiver, .. } = pair.accepter.split();
    sender.stream.write_all(b"\0\0\0\x05hel").await.unwrap();
    sender.stream.finish().unwrap();
    assert_eq!(receiver.receive().await, Err(ReceiveError::Truncated));
}

#[tokio::test]
async fn a_dropped_send_makes_the_sender_unusable() {
    let pair = Pair::connected().await;
    let Lanes { mut sender, receiver: _from_accepter, .. } = pair.dialler.split();
    let frame = vec![1; FRAME_BYTES_MAX];
    // Nobody reads, so the window fills and sending waits.
    let sent = tokio::select! {
        biased;
        sent = sender.send(&frame) => Some(sent),
        () = tokio::task::yield_now() => None,
    };
    assert_eq!(sent, None);
    assert_eq!(sender.send(b"next").await, Err(SendError::Torn));
    assert_eq!(sender.finish().await, Err(SendError::Torn));
}

#[tokio::test]
async fn a_dropped_receive_loses_nothing() {
    let pair = Pair::connected().await;
    let Lanes { mut sender, receiver: _from_accepter, .. } = pair.dialler.split();
    let Lanes { sender: _to_dialler, mut receiver, .. } = pair.accepter.split();
    let frame = vec![3; 300_000];
    let sending = async {
        for _ in 0..5 {
            sender.send(&frame).await.unwrap();
        }
        sender.finish().await
    };
    let receiving = async {
        let mut count = 0;
        loop {
            let received = tokio::select! {
                biased;
                received = receiver.receive() => received.unwrap(),
                () = tokio::task::yield_now() => continue,
            };
            match received {
                Some(received) => assert!(received == frame),
                None => return count,
            }
            count += 1;
        }
    };
    let (sent, received) = tokio::join!(sending, receiving);
    assert_eq!((sent, received), (Ok(()), 5));
}
