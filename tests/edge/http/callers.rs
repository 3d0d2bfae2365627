use super::{MERGE, OPERATIONS, item};
use serde_json::json;
use std::net::SocketAddr;
use std::process::Command;
use tests::http::HttpClient;
use tests::process::{Fleet, Process, site_config};
use tests::program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Where the site answers services over TCP.
pub(crate) fn address(site: &Process) -> SocketAddr {
    let log = site.log();
    let line = log.lines().find(|line| line.contains("addresses")).unwrap();
    line.rsplit_once("http=\"").unwrap().1.trim_end_matches('"').parse().unwrap()
}

/// What a command of the data directory prints.
pub(super) fn isle(site: &Process, arguments: &[&str]) -> String {
    let output =
        Command::new(program::path()).args(arguments).arg("--data").arg(&site.data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn over_tcp_a_token_says_who_calls_and_what_it_may() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let mut service = HttpClient::at(address(&site)).await;
    let refused = service.get(&item("milk")).await;
    assert_eq!((refused.status.as_u16(), refused.header("www-authenticate").as_str()), (401, "Bearer"));
    let rights =
        ["token", "create", "till-3", "--space", "store-1", "--rights", "inventory=read,inventory=write"];
    let token = format!("Bearer {}", isle(&site, &rights));
    let shown = ("authorization", token.as_str());
    // It says who it is; the token knows better.
    let headers = [shown, ("isle-author", "the boss")];
    let put = service.call("PUT", &item("milk"), &headers, r#"{"on_hand": 1}"#).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    // Another token counts its sales alike: each has keys of its own.
    let sale = r#"[{"op": "increment", "field": "/on_hand", "by": 1}]"#;
    let other = ["token", "create", "till-4", "--space", "store-1", "--rights", "read,write"];
    let other = format!("Bearer {}", isle(&site, &other));
    for shown in [shown, ("authorization", other.as_str()), shown] {
        let headers = [shown, OPERATIONS, ("idempotency-key", "receipt-1")];
        assert_eq!(service.call("PATCH", &item("milk"), &headers, sale).await.status.as_u16(), 200);
    }
    assert_eq!(service.call("GET", &item("milk"), &[shown], "").await.json()["on_hand"], 3);
    let history = service.call("GET", &format!("{}/history", item("milk")), &[shown], "").await.json();
    assert_eq!(history["changes"][2]["author"], "till-3");
    for (method, path) in [
        ("GET", "/v1/spaces/catalog/product/milk"),
        ("GET", "/v1/spaces/store-1/note/milk"),
        ("PATCH", "/v1/spaces/store-1/note/milk"),
        ("GET", "/v1/watch?space=store-1"),
    ] {
        let refused = service.call(method, path, &[shown, MERGE], "{}").await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (403, "forbidden"),
            "{method} {path}"
        );
    }
    let watched = "/v1/watch?space=store-1&collection=inventory";
    let mut feed = HttpClient::at(address(&site)).await.feed(watched, &[shown]).await;
    assert_eq!(
        (feed.next().await.unwrap().name, feed.next().await.unwrap().name),
        ("document".into(), "synced".into())
    );
    isle(&site, &["token", "revoke", "till-3"]);
    let owner = HttpClient::of(&site).await.call("PUT", &item("milk"), &[], r#"{"on_hand": 2}"#).await;
    assert_eq!(owner.status.as_u16(), 200);
    let told = feed.next().await.unwrap();
    assert_eq!((told.name.as_str(), told.data["status"].as_u64()), ("problem", Some(401)), "{told:?}");
    assert_eq!(feed.next().await, None);
    let revoked = service.call("GET", &item("milk"), &[shown], "").await;
    assert_eq!(revoked.problem(), "unauthorized", "from the next request on");
}

#[tokio::test]
async fn this_machine_needs_no_token_where_the_operator_says_so() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let mut service = HttpClient::at(address(&site)).await;
    assert_eq!(service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await.status.as_u16(), 200);
    for page in [("origin", "https://evil.example"), ("host", "rebound.example:7480")] {
        let refused = service.call("GET", &item("milk"), &[page], "").await;
        assert_eq!(refused.problem(), "forbidden", "{page:?}");
    }
    // As HTTP/1.0 has it, without a host: no browser does.
    for (headers, status) in [("", "200"), ("origin: https://evil.example\r\n", "403")] {
        let mut stream = TcpStream::connect(address(&site)).await.unwrap();
        let asked = format!("GET {} HTTP/1.0\r\n{headers}\r\n", item("milk"));
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.0 {status} ")), "{answer}");
    }
    let wrong = service.call("GET", &item("milk"), &[("authorization", "Bearer nonsense")], "").await;
    assert_eq!(wrong.status.as_u16(), 401, "a token that is shown counts");
}

#[tokio::test]
async fn a_token_tells_nothing_of_what_it_gives_no_right_to() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let writes = ["token", "create", "scanner", "--space", "store-1", "--rights", "inventory=write"];
    let token = format!("Bearer {}", isle(&site, &writes));
    let shown = ("authorization", token.as_str());
    let mut service = HttpClient::at(address(&site)).await;
    // It may write, and not find out what is there.
    let steps = r#"[{"op": "test", "path": "/on_hand", "value": 1}]"#;
    let json_patch = ("content-type", "application/json-patch+json");
    let copy = r#"[{"op": "copy", "from": "/cost", "path": "/shelf"}]"#;
    let choose = format!(r#"[{{"op": "choose", "field": "/shelf", "hash": "{}"}}]"#, "5f".repeat(32));
    for (kind, body) in [(json_patch, steps), (json_patch, copy), (OPERATIONS, choose.as_str())] {
        let refused = service.call("PATCH", &item("milk"), &[shown, kind], body.to_owned()).await;
        assert_eq!(refused.problem(), "forbidden", "{body}: {refused:?}");
    }
    let within = format!(
        r#"{{"writes": [{{"collection": "inventory", "key": "milk", "operations": [{{"op": "patch", "patch": {steps}}}]}}]}}"#
    );
    let path = "/v1/spaces/store-1/transactions";
    assert_eq!(service.call("POST", path, &[shown], within).await.problem(), "forbidden");
    let added = r#"[{"op": "add", "path": "/on_hand", "value": 1}]"#;
    let added = service.call("PATCH", &item("milk"), &[shown, json_patch], added).await;
    assert_eq!(added.status.as_u16(), 200, "{added:?}");
    // Its own collection's schema, and its own space.
    let listed = service.call("GET", "/v1/schemas", &[shown], "").await.json();
    let listed = listed["schemas"].as_array().unwrap();
    assert_eq!(listed.iter().map(|schema| &schema["collection"]).collect::<Vec<_>>(), ["inventory"]);
    let schema = |collection: &str| format!("/v1/schemas/{collection}");
    assert_eq!(service.call("GET", &schema("inventory"), &[shown], "").await.status.as_u16(), 200);
    assert_eq!(service.call("GET", &schema("basket"), &[shown], "").await.problem(), "forbidden");
    // A count would tell whether a write found what it wrote there already.
    let shelf = ("content-type", "application/merge-patch+json");
    let mut told = Vec::new();
    for _ in 0..2 {
        let written = service.call("PATCH", &item("milk"), &[shown, shelf], r#"{"shelf": "A-17"}"#).await;
        assert_eq!(written.status.as_u16(), 200, "{written:?}");
        let mut status = service.call("GET", "/v1/status", &[shown], "").await.json();
        assert_eq!((&status["name"], &status["spaces"]), (&json!("store-1"), &json!([])));
        for unknown in ["head", "trimmed", "documents", "documents_open", "values_broken", "refused_count"] {
            assert!(
                status.get(unknown).is_none(),
                "{unknown}: what it may not know is not said to be 0: {status}"
            );
        }
        let peer = &status["peers"][0];
        assert!(
            peer["peer"].is_string() && peer.get("lag_ms").is_none() && peer.get("backlog_rows").is_none()
        );
        // Its end is as far away as it was, in milliseconds.
        status["certificate"] = json!(null);
        told.push(status);
    }
    assert_eq!(told[0], told[1]);
    let reads = ["token", "create", "monitor", "--space", "store-1", "--rights", "read"];
    let token = format!("Bearer {}", isle(&site, &reads));
    let status = service.call("GET", "/v1/status", &[("authorization", &token)], "").await.json();
    assert_eq!(status["spaces"][0]["space"], "store-1");
    assert!(status["spaces"][0]["changes"].as_u64() > Some(0) && status.get("head").is_none(), "{status}");
    let all = HttpClient::of(&site).await.get("/v1/status").await.json();
    assert!(
        all["spaces"].as_array().unwrap().len() > 1 && all["head"].as_u64() > Some(0),
        "the owner sees all: {all}"
    );
}

/// A result that is lines lasts as long as its reader takes.
#[tokio::test]
async fn a_token_that_is_revoked_gets_no_further_page() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let mut owner = HttpClient::of(&site).await;
    // A page has 1 MiB, and all of them more than both ends of a connection keep: the last is asked for when others were taken.
    let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(150 << 10));
    for number in 0..72 {
        let path = format!("/v1/spaces/store-1/note/{number}");
        assert_eq!(owner.call("PUT", &path, &[], long.clone()).await.status.as_u16(), 200);
    }
    let token = isle(&site, &["token", "create", "export", "--space", "store-1", "--rights", "read"]);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut reader = socket.connect(address(&site)).await.unwrap();
    let request = format!(
        "GET /v1/spaces/store-1/note HTTP/1.1\r\nhost: site\r\nconnection: close\r\naccept: application/x-ndjson\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    isle(&site, &["token", "revoke", "export"]);
    reader.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let tail = answer.get(answer.len() - 2_000..).unwrap();
    assert!(tail.contains("urn:isle:problem:unauthorized") && !tail.contains("\"end\""), "{tail}");
    assert!((1 << 20..8 << 20).contains(&answer.len()), "the first page was whole: {}", answer.len());
}
