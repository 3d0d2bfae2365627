use super::callers::isle;
use super::{item, site_with_a_service};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::process::Command;
use tests::http::{Answer, HttpClient};
use tests::process::{Fleet, Process, site_config};
use tests::skipped;
use tests::web_socket::{Ended, WebSocket};

/// Where `tests/run` says that the program is.
const SCHEMATHESIS: &str = "ISLE_TESTS_SCHEMATHESIS";

/// What is there, so that requests come further than the check of names.
const SETTINGS: &str = r#"
[parameters]
"path.space" = "store-1"
"path.collection" = "inventory"
"path.key" = "milk"
"#;

/// Each holds for every answer, and left out are: `positive_data_acceptance`, since a write whose condition does not hold, or
/// whose key belongs to another write, is refused as it should be and no pattern says so; `missing_required_header`, as no
/// header is required; and `object_level_authorization`, which knows callers by their answers alone (`unread` and `callers`
/// have what a token may see).
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,\
                      use_after_free,ensure_resource_availability,ignored_auth";

/// Asks a site what its description allows, and more; `more` is said to the program beside.
fn asks(schemathesis: &OsStr, site: &Process, description: &Value, more: &[&str]) {
    let directory = site.data.parent().unwrap();
    std::fs::write(directory.join("openapi.json"), description.to_string()).unwrap();
    std::fs::write(directory.join("schemathesis.toml"), SETTINGS).unwrap();
    let url = format!("http://{}", super::callers::address(site));
    // A feed does not end: `Description` holds its answers against what is said of them.
    let arguments = "--config-file schemathesis.toml run openapi.json --exclude-path /v1/watch --seed 1 \
         --generation-database none --phases examples,coverage,fuzzing,stateful --no-color";
    let run = Command::new(schemathesis)
        .args(arguments.split_whitespace())
        .args(["--checks", CHECKS, "--url", &url])
        .args(more)
        .current_dir(directory)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
    for phase in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        assert!(told.contains(&format!("✅ {phase}")), "{phase} was left out:\n{told}");
    }
}

/// A site over TCP with a document, and its description.
async fn site(fleet: &Fleet, settings: &str) -> (Process, Value) {
    let http = format!("[http]\nlisten = \"127.0.0.1:0\"\n{settings}");
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + &http));
    let mut owner = HttpClient::of(&site).await;
    owner.call("PUT", &item("milk"), &[], r#"{"on_hand": 1, "shelf": "A"}"#).await;
    let description = owner.get("/openapi.json").await.json();
    (site, description)
}

/// Requests made from the description, fitting and not: no answer is a failure of the server, or one that the description
/// does not have, and what does not fit is refused.
#[tokio::test]
async fn every_answer_is_in_the_description() {
    let Some(schemathesis) = std::env::var_os(SCHEMATHESIS) else {
        return skipped("contract of the HTTP API", "schemathesis is not installed; tests/run installs it");
    };
    let fleet = Fleet::new();
    let (site, description) = site(&fleet, "loopback_without_token = true\n").await;
    asks(&schemathesis, &site, &description, &["--max-examples", "25"]);
    let status = site.status().await;
    assert!(status.head > 1, "some of it was taken: {status:?}");
}

/// The same of one who may do little, where nobody may do anything without a token.
#[tokio::test]
async fn every_answer_to_a_token_is_in_the_description() {
    let Some(schemathesis) = std::env::var_os(SCHEMATHESIS) else {
        return skipped("contract for tokens", "schemathesis is not installed; tests/run installs it");
    };
    let fleet = Fleet::new();
    let (site, mut description) = site(&fleet, "").await;
    // A certificate is another way, and there is no socket here.
    description["security"] = json!([{"token": []}]);
    let rights = ["token", "create", "scanner", "--space", "store-1", "--rights", "inventory=write"];
    let token = format!("Authorization: Bearer {}", isle(&site, &rights));
    asks(&schemathesis, &site, &description, &["--max-examples", "10", "--header", &token]);
}

/// The description, as far as it is of feeds.
pub(super) struct Description(pub(super) Value);

impl Description {
    pub(super) async fn of(service: &mut HttpClient) -> Self {
        Self(service.get("/openapi.json").await.json())
    }

    fn of_feeds(&self) -> &Value {
        self.0.pointer("/paths/~1v1~1watch/get").unwrap()
    }

    /// What is wrong with a value of a named shape.
    pub(super) fn misfits(&self, shape: &Value, value: &Value) -> Vec<String> {
        let mut schema = shape.clone();
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// The shape of what a status comes with, as one of its media types.
    fn shape(&self, status: &str, kind: &str) -> &Value {
        let content = &self.of_feeds()["responses"][status]["content"][kind]["schema"];
        assert!(content.is_object(), "{status} as {kind} is in the description: {}", self.of_feeds());
        content
    }

    fn holds(&self, answer: &Answer) {
        let shape = self.shape(answer.status.as_str(), &answer.header("content-type"));
        assert_eq!(self.misfits(shape, &answer.json()), Vec::<String>::new(), "{answer:?}");
    }
}

/// Every parameter of a feed is described, and no other is taken.
#[tokio::test]
async fn feeds_take_what_is_described() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    let description = Description::of(&mut service).await;
    let parameters = description.of_feeds()["parameters"].as_array().unwrap();
    let named = |place: &str| -> Vec<&str> {
        let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
        of_place.map(|parameter| parameter["name"].as_str().unwrap()).collect()
    };
    assert_eq!(named("query"), ["space", "collection", "prefix", "after"]);
    assert_eq!(named("header"), ["Last-Event-ID"]);
    let required = parameters.iter().filter(|parameter| parameter["required"] == true);
    assert_eq!(required.map(|parameter| &parameter["name"]).collect::<Vec<_>>(), ["space"]);
    let path = "/v1/watch?space=store-1&collection=inventory&prefix=mi";
    let mut feed = HttpClient::of(&site).await.feed(path, &[]).await;
    let cursor = feed.next().await.unwrap().id;
    for (path, header) in [
        (format!("{path}&after={cursor}"), None),
        (path.to_owned(), Some(("last-event-id", cursor.as_str()))),
    ] {
        let headers: Vec<_> = header.into_iter().collect();
        let mut feed = HttpClient::of(&site).await.feed(&path, &headers).await;
        service.call("PUT", &item("milk"), &[], json!({"shelf": path}).to_string()).await;
        assert_eq!(feed.next().await.unwrap().name, "changed", "{path}");
    }
    let other = service.get("/v1/watch?space=store-1&since=yesterday").await;
    assert_eq!(other.problem(), "malformed", "{other:?}");
}

/// Refusals of a feed are of statuses, types and shapes that are described.
#[tokio::test]
async fn refused_feeds_are_as_described() {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\nwatches_max = 1\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let mut service = HttpClient::at(super::callers::address(&site)).await;
    let description = Description::of(&mut service).await;
    let token = ["token", "create", "till", "--space", "store-1", "--rights", "inventory=read"];
    let bearer = format!("Bearer {}", isle(&site, &token));
    for (status, query, token) in [
        (400, "", None),
        (400, "space=store-1&prefix=a", None),
        (401, "space=store-1", Some("Bearer nonsense")),
        (403, "space=store-1", Some(bearer.as_str())),
        (404, "space=moon", None),
        (422, "space=store-1&after=nonsense", None),
    ] {
        let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
        let refused = service.call("GET", &format!("/v1/watch?{query}"), &headers, "").await;
        assert_eq!(refused.status.as_u16(), status, "{query}: {refused:?}");
        description.holds(&refused);
    }
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "synced");
    let busy = service.get("/v1/watch?space=store-1").await;
    assert_eq!(busy.status.as_u16(), 503, "{busy:?}");
    description.holds(&busy);
}

/// Documents, a transaction by somebody who says why, and a deletion.
async fn write_for_feeds(service: &mut HttpClient) {
    let told = [("isle-author", "till-3"), ("isle-message", "counted")];
    let operations = json!([{"op": "put", "value": {"on_hand": 2}}]);
    let writes = json!([
        {"collection": "inventory", "key": "milk", "operations": operations},
        {"collection": "inventory", "key": "bread", "operations": operations},
    ]);
    let transaction = json!({"writes": writes}).to_string();
    service.call("POST", "/v1/spaces/store-1/transactions", &told, transaction).await;
    service.call("DELETE", &item("milk"), &[], "").await;
}

/// What a feed says of that, where a document was there before.
const NAMES: [&str; 4] = ["document", "synced", "changed", "changed"];

/// Every event of a feed has the shape that is described.
#[tokio::test]
async fn events_are_as_described() {
    let (_fleet, site, mut service) = site_with_a_service().await;
    let description = Description::of(&mut service).await;
    let shape = description.shape("200", "text/event-stream");
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1}"#).await;
    let mut feed = HttpClient::of(&site).await.feed("/v1/watch?space=store-1", &[]).await;
    write_for_feeds(&mut service).await;
    for name in NAMES {
        let event = feed.next().await.unwrap();
        assert_eq!((event.name.as_str(), &event.data["event"]), (name, &json!(name)));
        assert_eq!(event.data["cursor"], json!(event.id), "the id is the cursor");
        assert_eq!(description.misfits(shape, &event.data), Vec::<String>::new(), "{event:?}");
        assert!(
            !description.misfits(shape, &json!({"event": name})).is_empty(),
            "the shape of '{name}' says something"
        );
    }
}

/// Likewise every message of a feed over a WebSocket, the last one too.
#[tokio::test]
async fn messages_of_a_web_socket_are_as_described() {
    let fleet = Fleet::new();
    let (site, description) = site(&fleet, "").await;
    let description = Description(description);
    let shape = description.shape("101", "application/json");
    let token = ["token", "create", "board", "--space", "store-1", "--rights", "read"];
    let protocols = format!("isle, isle.token.{}", isle(&site, &token));
    let shown = [("sec-websocket-protocol", protocols.as_str())];
    let address = super::callers::address(&site);
    let mut feed = WebSocket::at(address, "/v1/watch?space=store-1", &shown).await;
    let mut owner = HttpClient::of(&site).await;
    write_for_feeds(&mut owner).await;
    for name in NAMES {
        let message = feed.next().await.unwrap();
        assert_eq!(message["event"], json!(name));
        assert_eq!(description.misfits(shape, &message), Vec::<String>::new(), "{message}");
    }
    isle(&site, &["token", "revoke", "board"]);
    owner.call("PUT", &item("bread"), &[], r#"{"on_hand": 3}"#).await;
    let message = feed.next().await.unwrap();
    assert_eq!((&message["event"], &message["problem"]["status"]), (&json!("problem"), &json!(401)));
    assert_eq!(description.misfits(shape, &message), Vec::<String>::new(), "{message}");
    assert_eq!(feed.next().await, Err(Ended::Closed(1011)));
    let slow = json!({"event": "slow", "hint": "connect again with the last cursor"});
    assert_eq!(description.misfits(shape, &slow), Vec::<String>::new());
    for name in ["document", "synced", "changed", "reset", "slow", "problem", "other"] {
        assert!(!description.misfits(shape, &json!({"event": name})).is_empty(), "'{name}' says something");
    }
}
