//! Connections for which there is no place: they are told so, and when to come again.

use crate::event_loop::Stop;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// For the request to begin, and for the answer to be taken: each.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same for everybody: nothing of the request is looked at.
const BODY: &str = concat!(
    r#"{"type":"urn:isle:problem:busy","title":"Too much is asked at once","status":503,"#,
    r#""detail":"all connections are taken","#,
    r#""hint":"try again in a moment; `connections_max` of `[http]` in isle.toml has the limit"}"#,
);

/// Answers whatever is asked, and ends the connection.
pub(super) async fn turn_away<S>(mut stream: S, mut stop: Stop, _spare: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        biased;
        () = stop.ordered() => {}
        _ = told(&mut stream) => {}
    }
}

async fn told<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut passed_over = [0; 1024];
    // Some clients take what comes before they have asked for an answer to nothing.
    if timeout(PATIENCE, stream.read(&mut passed_over)).await?? == 0 {
        return Ok(());
    }
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // A connection that is closed before all was read is reset, and its answer lost.
        while stream.read(&mut passed_over).await? > 0 {}
        Ok(())
    };
    timeout(PATIENCE, said).await?
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Kind, Problem};
    use super::*;
    use serde_json::Value;
    use std::sync::Arc;
    use tokio::io::duplex;
    use tokio::sync::Semaphore;
    use tokio::time::Instant;

    fn turned_away() -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
        let (client, server) = duplex(4_096);
        let spare = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let serving = tokio::spawn(async move {
            let (_order, stop) = Stop::new();
            turn_away(server, stop, spare).await;
        });
        (client, serving)
    }

    #[tokio::test]
    async fn who_asks_is_told_as_by_the_api() {
        let (mut client, serving) = turned_away();
        client.write_all(b"GET / HTTP/1.1\r\nhost: site\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);
        serving.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1\r\n"), "{head}");
        let told: Value = serde_json::from_str(body).unwrap();
        let said = |member: &str| told[member].as_str().unwrap().to_owned();
        let usual = Problem::new(Kind::BUSY, said("detail"), said("hint"));
        assert_eq!(told, serde_json::to_value(usual).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_let_go() {
        let (_client, serving) = turned_away();
        let began = Instant::now();
        serving.await.unwrap();
        assert!((PATIENCE..PATIENCE * 2).contains(&began.elapsed()));
    }
}
