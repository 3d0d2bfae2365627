use super::{Item, inventory, site};
use crate::command::words;
use isle_client::{CallError, Client, ConnectError, Connection};
use std::time::Duration;
use tests::process::{Fleet, site_config};
use tests::program::run_well;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;

#[tokio::test]
async fn without_patience_a_replica_that_is_away_is_told_at_once() {
    let fleet = Fleet::new();
    let mut site = site(&fleet);
    let client = Client::connect(Connection::unix(site.data.join("http.sock"))).unwrap();
    let milk = inventory(&client).document("milk");
    milk.create(&Item::default()).await.unwrap();
    site.kill();
    // The first may go into a connection that stood: whether that was read nobody knows.
    let first = milk.counter("/on_hand").add(1).await.unwrap_err();
    assert!(matches!(first, CallError::Unreachable { .. } | CallError::OutcomeUnknown { .. }), "{first}");
    let away = milk.counter("/on_hand").add(1).await.unwrap_err();
    assert!(matches!(away, CallError::Unreachable { .. }), "{away}");
    assert!(matches!(milk.get().await.unwrap_err(), CallError::Unreachable { .. }));
    assert!(matches!(milk.watch().begin().await.unwrap_err(), CallError::Unreachable { .. }));
    // The same client, when it is back.
    let _site = site.restart();
    milk.counter("/on_hand").add(2).await.unwrap();
    assert_eq!(milk.get().await.unwrap().unwrap().value.on_hand, 2);
}

/// The limit is there for programs, and what to do about it in words.
#[tokio::test]
async fn a_change_that_is_too_long_says_how_long_it_may_be() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let client = Client::connect(Connection::unix(site.data.join("http.sock"))).unwrap();
    let long = Item { shelf: Some("x".repeat(200_000)), ..Item::default() };
    let error = inventory(&client).document("milk").create(&long).await.unwrap_err();
    let CallError::Refused(problem) = &error else { panic!("{error}") };
    assert_eq!(problem.limit, Some(196_608), "{problem:?}");
    let words = error.to_string();
    assert!(words.contains("196608 are allowed") && words.contains("split it"), "{words}");
}

/// What is answered to a write by somebody on the way, or with another answer than there is, says nothing of the write.
#[tokio::test]
async fn an_answer_that_is_none_leaves_the_outcome_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let unreadable = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{";
    let proxy = "HTTP/1.1 502 Proxy\r\ncontent-length: 5\r\n\r\nproxy";
    // A right that ended after the write was done, and its answer was lost.
    let ended =
        "HTTP/1.1 401 No\r\ncontent-length: 43\r\n\r\n{\"type\": \"urn:isle:problem:unauthorized\"}  ";
    for (number, answers) in [vec![unreadable], vec![proxy], vec!["", ended]].into_iter().enumerate() {
        let socket = directory.path().join(number.to_string());
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            }
        });
        let client = Client::connect(Connection::unix(&socket)).unwrap();
        let told = inventory(&client).document("milk").counter("/on_hand").add(1).key("k").await.unwrap_err();
        assert!(matches!(&told, CallError::OutcomeUnknown { key, .. } if key == "k"), "{number}: {told}");
    }
}

/// Somebody who takes requests and never answers, so that every answer is lost.
#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_unknown_and_tells_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("http.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = tokio::spawn(async move {
        let mut keys = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4_096];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            keys.extend(
                head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned),
            );
        }
        keys
    });
    let client = Client::connect(Connection::unix(&socket)).unwrap();
    let lost = inventory(&client).document("milk").counter("/on_hand").add(1).await.unwrap_err();
    let CallError::OutcomeUnknown { key, .. } = lost else { panic!("{lost}") };
    assert_eq!(asked.await.unwrap(), [key.clone(), key], "sent again under the same key");
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    for (number, answer) in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7",
        "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 503 Busy\r\nretry-after: 18446744073709551615\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Proxy\r\ncontent-length: 5\r\n\r\nproxy",
        "HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n{",
        "HTTP/1.1 200 OK\r\netag: \u{ff}\r\ncontent-length: 4\r\n\r\nnull",
    ]
    .into_iter()
    .enumerate()
    {
        let socket = directory.path().join(number.to_string());
        let listener = UnixListener::bind(&socket).unwrap();
        let answering = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            }
        });
        let client = Client::connect(Connection::unix(&socket)).unwrap();
        let milk = inventory(&client).document("milk");
        assert!(milk.get().await.is_err(), "{answer}");
        // Whoever answers so may have passed the write on before.
        let lost = milk.counter("/on_hand").add(1).await.unwrap_err();
        let is_unknown = matches!(lost, CallError::OutcomeUnknown { .. } | CallError::Answer { .. });
        assert!(is_unknown, "{answer}: {lost:?}");
        assert!(inventory(&client).find().page().await.is_err(), "{answer}");
        answering.abort();
    }
}

#[tokio::test]
async fn a_token_says_who_calls_over_the_network() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let address = crate::http::callers::address(&site).to_string();
    let nobody = Client::connect(Connection::tcp(address.clone())).unwrap();
    let refused = inventory(&nobody).document("milk").get().await.unwrap_err();
    assert_eq!(refused.kind(), Some("unauthorized"));
    let rights = ["--space", "store-1", "--rights", "read"];
    let token = run_well(words("token create scanner", &site.data, &rights));
    let scanner = Client::connect(Connection::tcp(address).token(token.trim())).unwrap();
    assert_eq!(inventory(&scanner).document("milk").get().await.unwrap(), None);
    let written = inventory(&scanner).document("milk").counter("/on_hand").add(1).await.unwrap_err();
    assert_eq!(written.kind(), Some("forbidden"));
}

#[tokio::test]
async fn over_tls_a_certificate_says_who_calls_and_the_replica_is_who_it_should_be() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\ntls = true\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let till = fleet.prepare("till-3", "").join("identity");
    let authority = site.data.join("identity/authority.pem");
    let address = crate::http::callers::address(&site).to_string();
    let to = |name: &str| Connection::tls(address.clone(), name, &authority);
    let milk = |connection| inventory(&Client::connect(connection).unwrap()).document("milk");
    let nobody = milk(to("store-1")).get().await.unwrap_err();
    assert_eq!(nobody.kind(), Some("unauthorized"));
    let other = milk(to("store-2").identity(&till)).get().await.unwrap_err();
    assert!(matches!(other, CallError::Unreachable { .. }), "{other}");
    let rights = ["--certificate", "--space", "store-1", "--rights", "read,write"];
    run_well(words("token create till-3", &site.data, &rights));
    let shown = milk(to("store-1").identity(&till));
    shown.create(&Item { on_hand: 2, ..Item::default() }).await.unwrap();
    let history = shown.history(None, 1).await.unwrap();
    assert_eq!(history.changes[0].author.as_deref(), Some("till-3"));
    let missing = Client::connect(Connection::tls("x:1", "store-1", "/no/such/file")).unwrap_err();
    assert!(missing.to_string().contains("/no/such/file"), "{missing}");
    for name in ["", "a b", "-"] {
        assert!(Client::connect(to(name)).is_err(), "{name}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for address in ["", "a b", "http://x", "x/y"] {
        let refused = Client::connect(Connection::tcp(address)).unwrap_err();
        assert!(matches!(refused, ConnectError::Address { .. }), "{address}: {refused}");
    }
    let refused = Client::connect(Connection::unix("/x").token("a\nb")).unwrap_err();
    assert!(matches!(refused, ConnectError::Text { what: "token" }));
    let patient = Connection::tcp("localhost:1").patience(Duration::from_secs(1)).author("ä\n");
    assert!(Client::connect(patient).is_err());
}
