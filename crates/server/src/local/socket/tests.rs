use super::super::{
    CallError, ConnectError, LocalClient, Reading, RefusalKind, Request, Response, WatchEvent, Written,
};
use super::*;
use crate::clock::Clocks;
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::event_loop::{Core, EventLoop, Opening, Pulse, StopOrder, arrivals};
use crate::local::Attached;
use crate::peers::Presence;
use replica::{Batch, Keyspace, ReadRows as _, Store as _, Turn, Write};
use serde_json::{Value, json};
use store::{FjallStore, Options};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::task::JoinHandle;

/// A server without peers, in this process.
struct Server {
    directory: TempDir,
    order: StopOrder,
    tasks: Vec<JoinHandle<()>>,
    /// What serves one more connection.
    attached: (Arrivals, Arc<Context>),
    stop: Stop,
}

impl Server {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "")
    }

    /// `peers` goes on in the configuration; nobody dials them.
    fn start_in(directory: TempDir, peers: &str) -> Self {
        let text = "name = \"alone\"\n[spaces]\nnotes = \"write\"\ncatalog = \"read\"\n";
        let config = Config::parse(&format!("{text}{peers}"), directory.path()).unwrap();
        let settings = config.settings(document::Schemas::default(), [1; 32], [2; 16], 3);
        let mut opening = Opening {
            directory: DataDirectory::new(directory.path()),
            settings,
            durability: config.durability(),
            clocks: Clocks::start(),
            must_renew: false,
            refused_bytes: 0,
            rows: crate::server::Rows::Disk,
        };
        let core: Core = opening.open().unwrap();
        let (order, stop) = Stop::new();
        let (arrivals, queue) = arrivals(1);
        let identity = directory.path().join("identity");
        if !identity.exists() {
            transport::Authority::create("fleet").unwrap().issue("alone", &identity).unwrap();
        }
        let identity = transport::Identity::load(&identity).unwrap();
        let endpoint = transport::Endpoint::bind("127.0.0.1:0".parse().unwrap(), &identity).unwrap();
        let context = Arc::new(Context {
            attached: Attached::Network(endpoint),
            renewed_by: None,
            admissions: Admissions::none(),
            presence: Presence::of(std::iter::empty()),
        });
        let socket = LocalSocket::bind(&directory.path().join("isle.sock")).unwrap();
        let attached = (arrivals.clone(), Arc::clone(&context));
        let serving = tokio::spawn(socket.run(arrivals, context, stop.clone()));
        let stopped = stop.clone();
        let looping = tokio::spawn(async move {
            drop(EventLoop::new(queue, stopped, Pulse::new()).run(core, &mut opening).await)
        });
        Self { directory, order, tasks: vec![serving, looping], attached, stop }
    }

    async fn client(&self) -> LocalClient {
        LocalClient::connect(self.directory.path()).await.unwrap()
    }

    /// A connection on terms of its own.
    fn client_on(&self, terms: Terms) -> (LocalClient, JoinHandle<()>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let serving = tokio::spawn(serve(ours, self.attached.clone(), terms, self.stop.clone()));
        (LocalClient::over(theirs), serving)
    }

    async fn stop(self) -> TempDir {
        self.order.give();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.directory
    }

    /// Sends lines as they are, and returns all answers.
    async fn raw(&self, lines: &[u8]) -> Vec<Value> {
        let stream = UnixStream::connect(self.directory.path().join("isle.sock")).await.unwrap();
        let (reader, mut writer) = stream.into_split();
        // A refused line may end the connection before all of it is written.
        let _ = writer.write_all(lines).await;
        writer.shutdown().await.ok();
        let mut answers = BufReader::new(reader).lines();
        let mut values = Vec::new();
        while let Ok(Some(line)) = answers.next_line().await {
            values.push(serde_json::from_str(&line).unwrap());
        }
        values
    }
}

fn put(key: &str, value: Value) -> Request {
    let address = format!("notes/note/{key}").parse().unwrap();
    Request::write(address, vec![document::Operation::Put(value)])
}

fn nothing() -> Response {
    Response::Document(Reading::default())
}

fn get(key: &str) -> Request {
    Request::Get { address: format!("notes/note/{key}").parse().unwrap(), at: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_writes_and_reads() {
    let server = Server::start();
    let mut client = server.client().await;
    assert_eq!(client.call(&get("a")).await.unwrap(), nothing());
    let Response::Written(Some(Written { stamp, heads })) =
        client.call(&put("a", json!({"text": "x"}))).await.unwrap()
    else {
        panic!("not written")
    };
    assert_eq!((stamp.sequence, stamp.origin.len()), (1, 32));
    assert_eq!(client.call(&put("a", json!({"text": "x"}))).await.unwrap(), Response::Written(None));
    let Response::Document(reading) = client.call(&get("a")).await.unwrap() else { panic!("not read") };
    assert_eq!((reading.value, &reading.heads), (Some(json!({"text": "x"})), &heads));
    assert_eq!((heads.len(), heads[0].len()), (1, 64));
    let list = Request::List {
        space: "notes".parse().unwrap(),
        collection: "note".parse().unwrap(),
        after: None,
        limit: 10,
    };
    let Response::Listed(listed) = client.call(&list).await.unwrap() else { panic!("not listed") };
    assert_eq!((listed.documents.len(), listed.documents[0].key.as_str(), listed.next), (1, "a", None));
    let Response::Status(status) = client.call(&Request::Status).await.unwrap() else { panic!("no status") };
    assert_eq!((status.name.as_str(), status.documents, status.origin), ("alone", 1, stamp.origin));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_are_on_their_way_up_to_the_limit() {
    let server = Server::start();
    let mut client = server.client().await;
    for number in 0..REQUESTS_IN_FLIGHT_MAX {
        client.send(&put(&number.to_string(), json!({"number": number}))).await.unwrap();
    }
    assert!(matches!(client.send(&Request::Status).await, Err(CallError::TooManyInFlight)));
    let mut answered = std::collections::BTreeSet::new();
    while client.unanswered() > 0 {
        let (id, result) = client.receive().await.unwrap();
        assert!(matches!(result, Ok(Response::Written(Some(_)))) && answered.insert(id));
    }
    assert_eq!(answered.len(), REQUESTS_IN_FLIGHT_MAX);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_came_early_is_kept() {
    let server = Server::start();
    let mut client = server.client().await;
    let sent = client.send(&put("a", json!({"text": "x"}))).await.unwrap();
    assert_eq!(client.call(&get("b")).await.unwrap(), nothing());
    let (id, result) = client.receive().await.unwrap();
    assert!(id == sent && matches!(result, Ok(Response::Written(Some(_)))));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_the_connection_goes_on() {
    let server = Server::start();
    let lines = br#"not json
{"id": 4, "request": {"get": {"adress": "notes/note/a"}}}
{"id": 5, "request": {"get": {"address": "notes"}}}
{"id": 6, "request": {"write": {"address": "notes/note/a", "operations": [{"op": "increment", "field": "/n", "by": 1}]}}}
{"id": 7, "request": {"write": {"address": "catalog/product/1", "operations": [{"op": "put", "value": {}}]}}}
{"id": 8, "request": {"get": {"address": "elsewhere/note/a"}}}
{"id": 9, "request": "status"}
"#;
    let mut answers = server.raw(lines).await;
    answers.sort_by_key(|answer| answer["id"].as_u64());
    let kinds: Vec<_> =
        answers.iter().map(|answer| (answer["id"].as_u64(), answer["error"]["kind"].as_str())).collect();
    let expected = [
        (None, Some("malformed")),
        (Some(4), Some("malformed")),
        (Some(5), Some("malformed")),
        (Some(6), Some("invalid")),
        (Some(7), Some("read_only")),
        (Some(8), Some("unknown_space")),
        (Some(9), None),
    ];
    assert_eq!(kinds, expected);
    let message = |index: usize| answers[index]["error"]["message"].as_str().unwrap();
    assert!(message(1).contains("adress") && message(1).contains("`address`"), "{}", message(1));
    assert!(message(2).contains("space/collection/key"), "{}", message(2));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_long_ends_the_connection_and_no_other() {
    let server = Server::start();
    let answers = server.raw(&vec![b'x'; REQUEST_BYTES_MAX + 1]).await;
    assert_eq!((answers.len(), answers[0]["error"]["kind"].as_str()), (1, Some("too_long")));
    assert_eq!(server.client().await.call(&get("a")).await.unwrap(), nothing());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answers_what_it_took_and_is_found_no_more() {
    let server = Server::start();
    let mut client = server.client().await;
    assert!(client.call(&put("a", json!({"text": "x"}))).await.is_ok());
    let data = server.directory.path().to_owned();
    // The directory is kept until the end of the test.
    let Server { directory, order, tasks, .. } = server;
    order.give();
    for task in tasks {
        task.await.unwrap();
    }
    let error = client.call(&get("a")).await.unwrap_err();
    assert!(matches!(error, CallError::OutcomeUnknown { unanswered: 1 }), "{error}");
    let error = LocalClient::connect(&data).await.unwrap_err();
    assert!(matches!(&error, ConnectError::NotRunning { .. }), "{error}");
    assert!(error.to_string().contains("isle serve --data"), "{error}");
    drop(directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_hub_when_the_server_stops_is_told_that_the_change_is_here() {
    let hub =
        "[peers.hub]\naddress = \"127.0.0.1:9\"\nhub = true\n[peers.hub.spaces]\nnotes = { read = true }\n";
    let server = Server::start_in(tempfile::tempdir().unwrap(), hub);
    let mut client = server.client().await;
    let mut request = put("a", json!({"text": "x"}));
    let Request::Write { hub_within_ms, .. } = &mut request else { panic!("no write") };
    *hub_within_ms = Some(60_000);
    let waiting = client.send(&request).await.unwrap();
    // What comes after it is durable, and so is it.
    assert!(matches!(client.call(&put("b", json!({"text": "y"}))).await, Ok(Response::Written(Some(_)))));
    server.order.give();
    let (id, result) = client.receive().await.unwrap();
    assert!(matches!(result, Ok(Response::Reached { stamp: Some(_), hub: false, .. })), "{result:?}");
    assert_eq!(id, waiting);
    drop(client);
    server.stop().await;
}

/// Changes a byte of the only snapshot in a store.
fn damage_snapshot(directory: &Path) {
    let path = DataDirectory::new(directory).store();
    let mut store = FjallStore::open(&path, Options::default(), |_| ()).unwrap();
    let (key, mut value) =
        store.scan(Keyspace::Changes, b"s".to_vec()..b"t".to_vec()).next().unwrap().unwrap();
    *value.last_mut().unwrap() ^= 1;
    let write = Write { keyspace: Keyspace::Changes, key, value: Some(value) };
    store.submit(Turn(1), Batch { writes: vec![write] }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_document_is_refused_with_words_and_the_server_goes_on() {
    let server = Server::start();
    let mut client = server.client().await;
    for number in 0..400 {
        client.call(&put("a", json!({ "number": number }))).await.unwrap();
    }
    drop(client);
    let directory = server.stop().await;
    damage_snapshot(directory.path());
    let server = Server::start_in(directory, "");
    let mut client = server.client().await;
    for _ in 0..2 {
        let refused = client.call(&put("a", json!({"number": 0}))).await.unwrap_err();
        let CallError::Refused(refusal) = refused else { panic!("{refused}") };
        assert_eq!(refusal.kind, RefusalKind::Damaged);
        assert!(refusal.message.contains("notes/note/a"), "{refusal}");
        assert!(refusal.hint.unwrap().contains("isle repair"));
    }
    let Response::Document(reading) = client.call(&get("a")).await.unwrap() else { panic!("no document") };
    assert_eq!(reading.value, Some(json!({"number": 399})), "it is read as before");
    assert!(reading.blocked.is_some_and(|reason| reason.contains("damaged")));
    assert!(matches!(client.call(&put("b", json!({"number": 1}))).await, Ok(Response::Written(Some(_)))));
    let Response::Status(status) = client.call(&Request::Status).await.unwrap() else { panic!("no status") };
    assert_eq!(status.store_failure, None);
    server.stop().await;
}

#[tokio::test]
async fn the_outcome_of_what_a_dead_server_had_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("isle.sock")).unwrap();
    let mut client = LocalClient::connect(directory.path()).await.unwrap();
    client.send(&put("a", json!({}))).await.unwrap();
    client.send(&put("b", json!({}))).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read_u8().await.is_ok());
    drop(stream);
    let error = client.receive().await.unwrap_err();
    assert!(matches!(error, CallError::OutcomeUnknown { unanswered: 2 }), "{error}");
    assert!(error.is_outcome_unknown());
    assert!(matches!(client.receive().await, Err(CallError::Closed)));
}

#[tokio::test]
async fn a_socket_is_for_its_owner_and_replaces_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("isle.sock");
    drop(UnixListener::bind(&path).unwrap());
    let _socket = LocalSocket::bind(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(UnixStream::connect(&path).await.is_ok());
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["isle.sock"]);
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_refused() {
    let path = PathBuf::from("/tmp").join("d".repeat(100)).join("isle.sock");
    assert!(matches!(LocalSocket::bind(&path), Err(SocketError::PathTooLong { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_watches_and_goes_on_where_it_was() {
    let server = Server::start();
    let (mut writer, mut reader) = (server.client().await, server.client().await);
    // More than are on their way at a time.
    let count = 3 * WATCH_EVENTS_MAX as usize;
    for number in 0..count {
        writer.call(&put(&format!("{number:03}"), json!({"number": number}))).await.unwrap();
    }
    let watch =
        |from| Request::Watch { space: "notes".parse().unwrap(), collection: None, prefix: None, from };
    let id = reader.send(&watch(None)).await.unwrap();
    let mut events = Vec::new();
    while events.len() < count + 1 {
        let (of, Ok(Response::Watched(more))) = reader.receive().await.unwrap() else { panic!("no events") };
        assert_eq!(of, id);
        events.extend(more);
    }
    let Some(WatchEvent::Synced { cursor }) = events.pop() else { panic!("no mark: {events:?}") };
    writer.call(&put("x", json!({}))).await.unwrap();
    // Another reader goes on there, and both are shown the same.
    let mut again = server.client().await;
    again.send(&watch(Some(cursor))).await.unwrap();
    let (_, live) = reader.receive().await.unwrap();
    assert_eq!(again.receive().await.unwrap().1, live);
    let Ok(Response::Watched(live)) = live else { panic!("{live:?}") };
    let [WatchEvent::Changed { changes, .. }] = live.as_slice() else { panic!("{live:?}") };
    assert_eq!((changes[0].stamp.sequence, changes[0].document.value.clone()), (count as u64 + 1, json!({})));
    again.send(&watch(Some("x".into()))).await.unwrap();
    assert_eq!(again.receive().await.unwrap().1.unwrap_err().kind, RefusalKind::Invalid);
    drop(reader);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_hub_that_nobody_knows_is_refused() {
    let server = Server::start();
    let Request::Write { address, operations, .. } = put("a", json!({})) else { panic!() };
    let mut write = Request::write(address, operations);
    if let Request::Write { hub_within_ms, .. } = &mut write {
        *hub_within_ms = Some(1_000);
    }
    let error = server.client().await.call(&write).await.unwrap_err();
    assert!(error.to_string().contains("hub"), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_nothing_is_closed_and_told_so() {
    let server = Server::start();
    let terms = Terms { idle: Some(Duration::from_millis(20)), ..Terms::SERVICE };
    let (mut idle, serving) = server.client_on(terms);
    // One that watches has something on its way, and half a line is nothing.
    let (mut watching, still_serving) = server.client_on(terms);
    let (space, collection) = ("notes".parse().unwrap(), None);
    watching.send(&Request::Watch { space, collection, prefix: None, from: None }).await.unwrap();
    serving.await.unwrap();
    let refused = idle.call(&get("a")).await.unwrap_err();
    assert!(refused.to_string().contains("nothing was asked for"), "{refused}");
    assert!(!refused.is_outcome_unknown());
    watching.receive().await.unwrap().1.unwrap();
    assert!(!still_serving.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_kept_for_commands_has_no_watch() {
    let server = Server::start();
    let (mut client, _serving) = server.client_on(Terms::KEPT);
    assert_eq!(client.call(&get("a")).await.unwrap(), nothing());
    let (space, collection) = ("notes".parse().unwrap(), None);
    let refused = client.call(&Request::Watch { space, collection, prefix: None, from: None }).await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
}
