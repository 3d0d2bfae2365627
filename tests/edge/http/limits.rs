use super::{MERGE, OPERATIONS, item, site_with_a_service};
use serde_json::json;
use tests::eventually_async;
use tests::http::{Answer, HttpClient};
use tests::process::{DEADLINE, Fleet, site_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

#[tokio::test]
async fn what_is_too_much_is_refused_with_its_limit() {
    let fleet = Fleet::new();
    let limits = "[http]\nbody_kib_max = 1\ndepth_max = 3\nwatches_max = 1\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + limits));
    let mut service = HttpClient::of(&site).await;
    let long = format!(r#"{{"shelf": "{}"}}"#, "x".repeat(2_000));
    let refused = service.call("PUT", &item("milk"), &[], long).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["limit"]), (413, &1_024.into()), "{refused:?}");
    let mut service = HttpClient::of(&site).await;
    let deep = service.call("PUT", &item("milk"), &[], r#"{"attributes": {"a": {"b": {}}}}"#).await;
    assert_eq!((deep.problem().as_str(), &deep.json()["limit"]), ("invalid", &3.into()), "{deep:?}");
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "synced");
    let second = service.get("/v1/watch?space=store-1").await;
    assert_eq!((second.status.as_u16(), second.header("retry-after").as_str()), (503, "1"), "{second:?}");
    assert_eq!(second.problem(), "busy");
}

/// Sends bytes over a connection of its own; what came until the server ended it.
async fn told(site: &tests::process::Process, bytes: &str) -> String {
    let mut stream = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Where it has not read all that was sent, its end is an error, behind the answer.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("it ends the connection");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn chunks_that_are_none_are_not_called_too_large() {
    let (_fleet, site, _) = site_with_a_service().await;
    let chunks = "transfer-encoding: chunked\r\n\r\nnonsense\r\n{}\r\n0\r\n\r\n";
    let answer = told(&site, &format!("PUT {} HTTP/1.1\r\nhost: site\r\n{chunks}", item("milk"))).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("urn:isle:problem:malformed"), "{answer}");
    let long = format!("transfer-encoding: chunked\r\n\r\n200000\r\n{}", "x".repeat(2 << 20));
    let mut stream = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nhost: site\r\n", item("milk"));
    // It may stop reading before all is sent.
    let _ = stream.write_all(format!("{head}{long}").as_bytes()).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

/// What is refused before it is a request has no problem document, and the description says so.
#[tokio::test]
async fn a_head_that_is_too_long_is_refused_as_described() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    let head = |headers: &str| format!("GET {} HTTP/1.1\r\nhost: site\r\n{headers}\r\n", item("milk"));
    let long = head(&format!("isle-message: {}\r\n", "x".repeat(16 << 10)));
    let many = head(&"a: b\r\n".repeat(100));
    for (request, status) in [(long, "431"), (many, "431"), ("nonsense\r\n\r\n".to_owned(), "400")] {
        let answer = told(&site, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "it has no body: {answer}");
    }
    let fitting = service.call("GET", &item("milk"), &[("isle-message", &"x".repeat(15 << 10))], "").await;
    assert_eq!(fitting.problem(), "not-found", "{fitting:?}");
    let description = service.get("/openapi.json").await.json();
    let told = description["info"]["description"].as_str().unwrap();
    for word in ["400", "431", "16 KiB", "100 headers"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

/// Who asks before it sends is not invited to send what is refused.
#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_not_invited() {
    let (_fleet, site, _) = site_with_a_service().await;
    let head = "host: site\r\nexpect: 100-continue\r\ncontent-length: 2000000\r\nconnection: close\r\n\r\n";
    let answer = told(&site, &format!("PUT {} HTTP/1.1\r\n{head}", item("milk"))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("urn:isle:problem:too-large") && answer.contains("1048576"), "{answer}");
}

#[tokio::test]
async fn a_body_in_another_coding_is_told_so() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let coded = [OPERATIONS, ("content-encoding", "gzip")];
    let refused = service.call("PATCH", &item("milk"), &coded, "\u{1f}").await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (415, "content-type"), "{refused:?}");
    assert_eq!(refused.header("accept-encoding"), "identity");
}

/// The description says how long a change may be, and that is so.
#[tokio::test]
async fn a_change_is_as_long_as_the_description_says() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let put = |length: usize| format!(r#"{{"shelf": "{}"}}"#, "x".repeat(length));
    let refused = service.call("PUT", &item("milk"), &[], put(196_608)).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (422, "invalid"), "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("196608"), "{refused:?}");
    let says_how = |refused: &Answer, limit: u64| {
        let problem = refused.json();
        assert_eq!((refused.status.as_u16(), &problem["limit"]), (422, &limit.into()), "{refused:?}");
        assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("split it")), "{refused:?}");
    };
    says_how(&refused, 196_608);
    let patched = service.call("PATCH", &item("milk"), &[MERGE], put(196_608)).await;
    says_how(&patched, 196_608);
    let transaction = |writes: &[(usize, usize)]| {
        let writes = writes.iter().map(|(key, length)| {
            let operation = json!({"op": "put", "value": {"shelf": "x".repeat(*length)}});
            json!({"collection": "inventory", "key": key.to_string(), "operations": [operation]})
        });
        json!({"writes": writes.collect::<Vec<_>>()}).to_string()
    };
    let transactions = "/v1/spaces/store-1/transactions";
    let one_is_long = service.call("POST", transactions, &[], transaction(&[(1, 1), (2, 196_608)])).await;
    says_how(&one_is_long, 196_608);
    assert_eq!(one_is_long.json()["document"], "store-1/inventory/2", "{one_is_long:?}");
    let all = transaction(&[(1, 190_000), (2, 190_000), (3, 190_000)]);
    says_how(&service.call("POST", transactions, &[], all).await, 524_288);
    let taken = service.call("PUT", &item("milk"), &[], put(190_000)).await;
    assert_eq!(taken.status.as_u16(), 200, "{taken:?}");
    let description = service.get("/openapi.json").await.json();
    for method in ["put", "patch"] {
        let operation = &description["paths"]["/v1/spaces/{space}/{collection}/{key}"][method];
        assert!(operation["description"].as_str().unwrap().contains("196,608 bytes"), "{operation:#}");
    }
    let told = &description["paths"]["/v1/spaces/{space}/transactions"]["post"]["description"];
    for limit in ["196,608 bytes", "524,288"] {
        assert!(told.as_str().unwrap().contains(limit), "{told}");
    }
}

/// A short text can be a large tree.
#[tokio::test]
async fn a_body_of_many_objects_is_as_large_as_what_it_becomes() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    let of = |objects: usize| format!(r#"{{"attributes": [{}0]}}"#, r#"{"":0},"#.repeat(objects));
    let refused = service.call("PUT", &item("milk"), &[], of(100_000)).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (413, "too-large"), "{refused:?}");
    // Also where text and tree together are too much, and neither alone is.
    let numbers = format!(r#"{{"attributes": [{}0]}}"#, "1000000,".repeat(129_000));
    let refused = service.call("PUT", &item("milk"), &[], numbers).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (413, "too-large"), "{refused:?}");
    let read = service.call("PUT", &item("milk"), &[], of(1_000)).await;
    assert!(![413, 503].contains(&read.status.as_u16()), "{read:?}");
}

#[tokio::test]
async fn bodies_that_are_no_json_are_told_so() {
    let (_fleet, _site, mut service) = site_with_a_service().await;
    for body in ["", "{", "nonsense", "[1,2", "\u{0}", r#"{"a": 1e999}"#] {
        let refused = service.call("PUT", &item("milk"), &[], body).await;
        assert_eq!(refused.problem(), "malformed", "{body:?}: {refused:?}");
    }
    let unclosed = service.call("PUT", &item("milk"), &[], "[".repeat(100_000)).await;
    assert_eq!(unclosed.problem(), "malformed", "{unclosed:?}");
    let deep = service.call("PUT", &item("milk"), &[], "[".repeat(100_000) + &"]".repeat(100_000)).await;
    assert_eq!((deep.problem().as_str(), &deep.json()["limit"]), ("invalid", &64.into()), "{deep:?}");
    // What does not fit is told with its place.
    let sales = r#"[{"op": "increment", "field": "/on_hand", "by": 1}, {"op": "increment", "field": "on_hand", "by": 1}]"#;
    let refused = service.call("PATCH", &item("milk"), &[OPERATIONS], sales).await;
    assert_eq!((refused.problem().as_str(), &refused.json()["pointer"]), ("malformed", &"/1/field".into()));
    assert!(refused.json()["field"].is_null(), "it is no place of the document: {refused:?}");
    let writes =
        r#"{"writes": [{"collection": "inventory", "key": "milk", "operations": [{"op": "spend"}]}]}"#;
    let refused = service.call("POST", "/v1/spaces/store-1/transactions", &[], writes).await;
    assert_eq!(&refused.json()["pointer"], "/writes/0/operations/0", "{refused:?}");
    let writes = r#"{"writes": [{"collection": "inventory", "key": "a", "operations": []}, {"collection": "a b", "key": "b", "operations": []}]}"#;
    let refused = service.call("POST", "/v1/spaces/store-1/transactions", &[], writes).await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["pointer"]),
        ("malformed", &"/writes/1/collection".into())
    );
    for body in ["7", "[]", "null", "\"text\""] {
        let refused = service.call("PUT", &item("milk"), &[], body).await;
        assert_eq!(refused.status.as_u16(), 422, "{body:?}: {refused:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_here_at_once_have_a_bound() {
    let fleet = Fleet::new();
    let limits = "[http]\nbody_kib_max = 8192\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + limits));
    // All the room there is but a byte, for a body that does not end.
    let mut slow = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    let length = 8 << 20;
    let head = format!("PUT {} HTTP/1.1\r\nhost: site\r\ncontent-length: {length}\r\n\r\n", item("milk"));
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&vec![b' '; length - 1]).await.unwrap();
    let mut service = HttpClient::of(&site).await;
    eventually_async(DEADLINE, "what was sent has come", async || {
        let put = service.call("PUT", &item("bread"), &[], r#"{"on_hand": 1}"#).await;
        put.problem() == "busy" && put.header("retry-after") == "1"
    })
    .await;
    assert_eq!(service.get(&item("milk")).await.problem(), "not-found", "what has no body goes on");
    drop(slow);
    eventually_async(DEADLINE, "there is room again", async || {
        service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await.status.is_success()
    })
    .await;
}

/// The hub may be away for hours: whoever wants to hear from it waits alone.
#[tokio::test]
async fn who_waits_for_the_hub_keeps_nobody_from_selling() {
    let fleet = Fleet::new();
    let limits = "[http]\nrequests_max = 1\nbody_kib_max = 8192\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + limits));
    let sale = r#"[{"op": "increment", "field": "/on_hand", "by": -1}]"#;
    let for_hub = [OPERATIONS, ("prefer", "ack=hub; wait=300s")];
    let mut waiting = HttpClient::of(&site).await;
    let (path, waits) = (item("milk"), item("milk"));
    // Its body has all the room there is, until it is read.
    let long = format!("{}{sale}", " ".repeat(7_900 << 10));
    let waits = tokio::spawn(async move { waiting.try_call("PATCH", &waits, &for_hub, long).await });
    let mut service = HttpClient::of(&site).await;
    // It is written here before it waits, and has taken the one place by then. Whoever asked with `soon` for that moment
    // would hold the place itself, and have this one refused.
    eventually_async(DEADLINE, "it waits", async || {
        let read = service.get(&path).await;
        read.status.is_success() && read.json()["on_hand"] == -1
    })
    .await;
    let soon = [OPERATIONS, ("prefer", "ack=hub; wait=1ms")];
    let second = service.call("PATCH", &path, &soon, sale).await;
    assert_eq!((second.problem().as_str(), &second.json()["limit"]), ("busy", &1.into()), "{second:?}");
    let sold = service.call("PATCH", &path, &[OPERATIONS], sale).await;
    assert_eq!(sold.status.as_u16(), 200, "{sold:?}");
    assert_eq!(service.get(&path).await.status.as_u16(), 200);
    let long = format!("{}{{}}", " ".repeat(900 << 10));
    let put = service.call("PUT", &item("bread"), &[], long).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    let lines =
        service.call("GET", "/v1/spaces/store-1/inventory", &[("accept", "application/x-ndjson")], "").await;
    assert_eq!(lines.status.as_u16(), 200, "{lines:?}");
    assert!(!waits.is_finished());
    waits.abort();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_so() {
    let fleet = Fleet::new();
    let limits = "[http]\ntime_max = \"1s\"\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + limits));
    let mut slow = UnixStream::connect(site.data.join("http.sock")).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nhost: site\r\ncontent-length: 20\r\n\r\n{{", item("milk"));
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("urn:isle:problem:too-slow"), "{answer}");
}
