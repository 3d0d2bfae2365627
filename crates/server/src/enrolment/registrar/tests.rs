use super::*;
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::enrolment::{admissions, init};
use crate::event_loop::arrivals;
use std::future::pending;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

/// Who takes a refusal and keeps its connection has an answer on its way. A stranger can have as many as there are.
#[tokio::test(flavor = "multi_thread")]
async fn operators_and_connections_do_not_wait_for_answers_to_strangers() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = DataDirectory::new(temporary.path());
    init(&directory, "hub", &"hub.example:7400".parse().unwrap(), None, None).unwrap();
    let config = Config::load(&directory.config()).unwrap();
    let hub = Hub::open(&directory, &config).unwrap().unwrap();
    let identity = Identity::load(&directory.identity()).unwrap();
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), &identity).unwrap();
    let (admissions, queues, revoked) = admissions(Revoked::default());
    let ((arrivals, _queue), (order, stop)) = (arrivals(0), Stop::new());
    let identity = directory.identity();
    let registrar = Registrar { hub, identity, endpoint, arrivals, queues, revoked, stop };
    let mut answers = JoinSet::new();
    (0..ANSWERS_MAX).for_each(|_| drop(answers.spawn(pending::<()>())));
    let work = Work { connected: BTreeMap::new(), writing: Writing::new(), answers, seen: Seen::new() };
    let running = tokio::spawn(registrar.go_on(work));

    let told = async {
        // More than would fit into any queue.
        for _ in 0..1_000 {
            admissions.tell(Order::Up([7; 32])).await;
        }
        let (outcomes, mut outcome) = mpsc::channel(1);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        admissions.ask(HubRequest::Sites, Waiting::new(1, outcomes, place)).await;
        outcome.recv().await.unwrap().result
    };
    let listed = timeout(DEADLINE, told).await.unwrap();
    assert!(matches!(listed, Ok(Reply::Hub(Response::Sites(_)))));
    order.give();
    timeout(DEADLINE, running).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_sites_were_seen_is_written_seldom_and_before_long() {
    let mut seen = Seen::new();
    assert!(!seen.is_due(false) && !seen.is_due(true));
    tokio::time::advance(SEEN_INTERVAL).await;
    assert!(!seen.is_due(true), "nobody came or went");
    seen.has_changed = true;
    assert!(seen.is_due(false));
    seen = Seen::new();
    tokio::time::advance(CONNECTED_INTERVAL).await;
    assert!(seen.is_due(true) && !seen.is_due(false));
}
