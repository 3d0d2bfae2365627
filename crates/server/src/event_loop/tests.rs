use super::*;
use crate::clock::Clocks;
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::server::Rows;
use document::{Address, Operation};
use replica::{Query, Request, Response};
use serde_json::json;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// The way into a loop without peers, its end, and the loop, which is still to be run.
fn prepared(rows: Rows, readers: usize) -> (Arrivals, StopOrder, impl Future<Output = ()> + Send) {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("identity")).unwrap();
    let config = Config::parse("name = \"alone\"\n[spaces]\nnotes = \"write\"\n", home.path()).unwrap();
    let mut opening = Opening {
        directory: DataDirectory::new(home.path()),
        settings: config.settings(document::Schemas::default(), [1; 32], [2; 16], 3),
        durability: config.durability(),
        clocks: Clocks::start(),
        must_renew: false,
        refused_bytes: 0,
        rows,
    };
    let core = opening.open().unwrap();
    let (order, stop) = Stop::new();
    let (arrivals, queue) = arrivals(readers);
    let running = async move {
        drop(EventLoop::new(queue, stop, Pulse::new()).run(core, &mut opening).await);
        drop(home);
    };
    (arrivals, order, running)
}

/// On one thread: while the test does not wait, the loop does nothing.
#[tokio::test]
async fn what_is_durable_is_read_while_the_loop_does_nothing_and_until_it_ends() {
    let (arrivals, order, running) = prepared(Rows::Disk, 1);
    let looping = tokio::spawn(running);
    let address: Address = "notes/note/a".parse().unwrap();
    assert_eq!(arrivals.viewed(&address), None, "it is not open yet");
    let put = Request::write(address.clone(), vec![Operation::Put(json!({"text": "x"}))]);
    arrivals.ask(put).await.unwrap();
    let viewed = arrivals.viewed(&address).expect("a document");
    assert_eq!((viewed.json.as_slice(), viewed.heads.len()), (br#"{"text":"x"}"#.as_slice(), 1));
    let query = Request::Query {
        space: address.space.clone(),
        collection: address.collection.clone(),
        query: Box::<Query>::default(),
    };
    let views = arrivals.views();
    let Some(Ok(Reply::Core(Response::Queried(found)))) = views.answer(&query).await else {
        panic!("the rows do not answer")
    };
    assert_eq!(found.page.documents, [(address.key.clone(), json!({"text": "x"}))]);
    order.give();
    looping.await.unwrap();
    assert_eq!(arrivals.viewed(&address), None);
    assert!(views.answer(&query).await.is_none());
}

#[tokio::test]
async fn a_store_in_memory_is_read_by_its_core() {
    let rows = Rows::Memory { mib_max: NonZeroU32::MIN };
    let (arrivals, order, running) = prepared(rows, 1);
    let looping = tokio::spawn(running);
    let address: Address = "notes/note/a".parse().unwrap();
    arrivals.ask(Request::write(address.clone(), vec![Operation::Put(json!({}))])).await.unwrap();
    assert_eq!(arrivals.viewed(&address), None);
    order.give();
    looping.await.unwrap();
}

/// More than one turn takes, and so cheap that no turn ends by its time.
#[tokio::test]
async fn every_request_of_a_burst_is_answered() {
    const BURST: u64 = 400;
    let (arrivals, order, running) = prepared(Rows::Disk, 0);
    let (outcomes, mut answers) = mpsc::channel(usize::try_from(BURST).unwrap());
    let places = Arc::new(Semaphore::new(usize::try_from(BURST).unwrap()));
    for id in 0..BURST {
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        arrivals.request(Request::Schemas, Waiting::new(id, outcomes.clone(), place), 1).await;
    }
    let looping = tokio::spawn(running);
    for _ in 0..BURST {
        assert_eq!(answers.recv().await.unwrap().result, Ok(Reply::Core(Response::Schemas(Vec::new()))));
    }
    order.give();
    looping.await.unwrap();
}
