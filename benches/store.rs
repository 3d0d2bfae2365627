//! The store on a real disk: durable batches as a small update writes them, point reads, opening, memory.
//!
//! References are measured in the same run on the same disk: `fdatasync` after an append, and fjall alone with a
//! committer that drains what has arrived. Loading, opening and memory are measured in a process of their own: this
//! program, started again with [`SCENE`] in its environment, which prints one number a line.
//!
//! Measured on 2 cores with a disk that does 3,500 to 4,400 `fdatasync`s a second: `store.commit64` 17,900 to 21,600
//! batches/s, 0.85 of fjall alone, which the processor bounds as well: 5 for each `fdatasync`, and 25 or more while the
//! disk does 300 a second. Its 99th percentile is 16 to 19 ms, of fjall alone with memtables of 64 MiB 4.5 to 5.3: a
//! memtable of 3 MiB is full every 150 ms, and the processor that would write it out is taken by the flood.
//! `store.commit1` 0.68 to 0.74 of `fdatasync` alone, and all of it while that takes 4 ms: the rest is two threads that
//! wake one another. `store.rss` 51.4 MiB, `store.open` 0.45 s and 9.3 MiB.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group};
use fjall::{Database, Keyspace as Tree, KeyspaceCreateOptions, PersistMode};
use replica::{Batch, Keyspace, ReadRows as _, Store as _, Turn, Write};
use store::{CommitNotice, FjallStore, Options};

/// Which part this process plays, and where its store is.
const SCENE: &str = "STORE_BENCH_SCENE";
const DIRECTORY: &str = "STORE_BENCH_DIRECTORY";
const WRITERS: usize = 64;

fn documents() -> u64 {
    if measuring() || std::env::var_os(SCENE).is_some() { scale() } else { 2_000 }
}

/// Documents of a measurement.
fn scale() -> u64 {
    std::env::var("STORE_BENCH_DOCUMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

fn seconds() -> Duration {
    if measuring() { Duration::from_secs(4) } else { Duration::from_millis(100) }
}

/// Bytes that do not compress, and differ.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let word = |place: u64| scrambled(seed.wrapping_mul(1 << 20).wrapping_add(place)).to_be_bytes();
    (0..length.div_ceil(8) as u64).flat_map(word).take(length).collect()
}

/// splitmix64.
fn scrambled(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn write(keyspace: Keyspace, kind: u8, key: &[u8], value: Vec<u8>) -> Write {
    Write { keyspace, key: [&[kind], key].concat(), value: Some(value) }
}

/// The rows of a small update: change, hash, journal, stamp, document row, value, counters.
fn update(document: u64, sequence: u64) -> Batch {
    let (document_key, lsn) = (document.to_be_bytes(), sequence.to_be_bytes());
    let hash = scrambled(sequence).to_be_bytes();
    let writes = vec![
        write(Keyspace::Changes, 1, &[document_key, lsn].concat(), bytes(sequence, 130)),
        write(Keyspace::Changes, 2, &[document_key, hash].concat(), lsn.to_vec()),
        write(Keyspace::Journal, 1, &lsn, bytes(sequence + 1, 70)),
        write(Keyspace::Journal, 2, &[[0; 8], lsn].concat(), lsn.to_vec()),
        write(Keyspace::Documents, 1, &document_key, bytes(sequence + 2, 110)),
        write(Keyspace::Documents, 2, &document_key, bytes(sequence + 3, 350)),
        write(Keyspace::Meta, 1, b"counters", bytes(sequence, 20)),
    ];
    Batch { writes }
}

/// The rows of a document that is loaded.
fn document(number: u64) -> [Write; 7] {
    let key = number.to_be_bytes();
    let name = [b"store-367/inventory/".as_slice(), number.to_string().as_bytes(), &[b'.'; 30]].concat();
    [
        write(Keyspace::Changes, 1, &[key, key].concat(), bytes(number, 300)),
        write(Keyspace::Changes, 2, &[key, scrambled(number).to_be_bytes()].concat(), key.to_vec()),
        write(Keyspace::Journal, 1, &key, bytes(number + 1, 60)),
        write(Keyspace::Journal, 2, &[[0; 8], key].concat(), key.to_vec()),
        write(Keyspace::Documents, 1, &key, bytes(number + 2, 100)),
        write(Keyspace::Documents, 3, &name, key.to_vec()),
        write(Keyspace::Documents, 2, &key, bytes(number + 3, 400)),
    ]
}

fn opened(directory: &Path) -> (FjallStore, Receiver<u64>) {
    let (durable, received) = mpsc::channel();
    let on_notice = move |notice| match notice {
        CommitNotice::Durable(turn) => durable.send(turn.0).expect("somebody waits"),
        CommitNotice::Room(_) => {}
        CommitNotice::Written(_) | CommitNotice::Failed { .. } => panic!("{notice:?}"),
    };
    (FjallStore::open(directory, Options::default(), on_notice).expect("it opens"), received)
}

/// Batches a second and the 99th percentile of their latency in seconds. `writers` batches are always on their way.
fn commits(writers: usize, submit: &mut dyn FnMut(u64, Batch), received: &Receiver<u64>) -> (f64, f64) {
    let started = Instant::now();
    let (mut sent, mut done) = (0_usize, 0_usize);
    let mut begun = Vec::new();
    let mut latencies = Vec::new();
    while started.elapsed() < seconds() {
        while sent < done + writers {
            sent += 1;
            begun.push(Instant::now());
            submit(sent as u64, update(sent as u64 % 1_000, sent as u64));
        }
        let durable = received.recv().expect("a notice") as usize;
        latencies.extend(begun[done..durable].iter().map(Instant::elapsed));
        done = durable;
    }
    let rate = done as f64 / started.elapsed().as_secs_f64();
    while done < sent {
        done = received.recv().expect("a notice") as usize;
    }
    latencies.sort_unstable();
    (rate, latencies[latencies.len() * 99 / 100].as_secs_f64())
}

fn store_commits(writers: usize) -> (f64, f64) {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, received) = opened(directory.path());
    let mut submit = |turn, batch| store.submit(Turn(turn), batch).expect("taken");
    commits(writers, &mut submit, &received)
}

/// fjall with the least committer that groups: no bounds, no checks of its own.
fn fjall_commits(writers: usize) -> (f64, f64) {
    let directory = tempfile::tempdir().expect("a directory");
    let database = bare(directory.path());
    let trees = trees(&database);
    let (submit, arrived) = mpsc::channel();
    let (durable, received) = mpsc::channel();
    let committer = thread::spawn(move || drain(&database, &trees, &arrived, &durable));
    let measured = commits(writers, &mut |turn, batch| submit.send((turn, batch)).expect("taken"), &received);
    drop(submit);
    committer.join().expect("the committer ends");
    measured
}

fn drain(database: &Database, trees: &[Tree], arrived: &Receiver<(u64, Batch)>, durable: &Sender<u64>) {
    while let Ok(first) = arrived.recv() {
        let mut group = database.batch().durability(Some(PersistMode::SyncData));
        let mut last = 0;
        for (turn, batch) in std::iter::once(first).chain(arrived.try_iter()) {
            for write in batch.writes {
                let tree = &trees[write.keyspace as usize];
                group.insert(tree, write.key, write.value.unwrap_or_default());
            }
            last = turn;
        }
        group.commit().expect("committed");
        durable.send(last).expect("somebody waits");
    }
}

fn bare(directory: &Path) -> Database {
    Database::builder(directory).cache_size(8 << 20).worker_threads(2).open().expect("it opens")
}

fn trees(database: &Database) -> Vec<Tree> {
    let tree = |keyspace: Keyspace| database.keyspace(keyspace.name(), KeyspaceCreateOptions::default);
    Keyspace::ALL.map(|keyspace| tree(keyspace).expect("it opens")).into()
}

/// Appends as long as one update, each with its `fdatasync`: how many a second.
fn fdatasyncs() -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = File::create(directory.path().join("file")).expect("a file");
    let content = bytes(1, 900);
    let (started, mut done) = (Instant::now(), 0_u32);
    while started.elapsed() < seconds() / 4 {
        file.write_all(&content).expect("written");
        file.sync_data().expect("synced");
        done += 1;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

fn row(name: &str, unit: &str, value: f64, reference: Option<f64>, goal: Goal) {
    println!("{name}: {value:.6} {unit}, reference {reference:?}");
    record(&Row { name: name.into(), unit: unit.into(), value, reference, goal })
        .expect("the row is written");
}

/// The pairs of measurements whose ratio is the median: a disk that others use changes from second to second.
fn median(mut pairs: Vec<(f64, f64)>) -> (f64, f64) {
    pairs.sort_by(|one, two| (one.0 / one.1).total_cmp(&(two.0 / two.1)));
    pairs[pairs.len() / 2]
}

fn committing(_: &mut Criterion) {
    let rounds = if measuring() { 3 } else { 1 };
    let mut grouped = Vec::new();
    let mut single = Vec::new();
    let mut synced = Vec::new();
    let mut slowest = Vec::new();
    for _ in 0..rounds {
        let fdatasyncs_before = fdatasyncs();
        let (rate, p99) = store_commits(WRITERS);
        let (bare, bare_p99) = fjall_commits(WRITERS);
        println!("99th percentile: {:.1} ms, fjall alone {:.1} ms", p99 * 1e3, bare_p99 * 1e3);
        grouped.push((rate, bare));
        let fsync_rate = f64::midpoint(fdatasyncs_before, fdatasyncs());
        synced.push((rate, fsync_rate));
        slowest.push((p99, 1.0 / fsync_rate));
        single.push((store_commits(1).0, fdatasyncs()));
    }
    let (rate, reference) = median(grouped);
    row("store.commit64", "batches/s", rate, Some(reference), Goal::ratio_at_least(0.6));
    let (rate, reference) = median(synced);
    row("store.commit64.fdatasync", "batches/s", rate, Some(reference), Goal::ratio_at_least(10.0));
    let (p99, reference) = median(slowest);
    row("store.commit64.p99", "s", p99, Some(reference), Goal::ratio_at_most(5.0));
    let (rate, reference) = median(single);
    row("store.commit1", "batches/s", rate, Some(reference), Goal::ratio_at_least(0.85));
}

/// Loads the documents, 1,000 a turn, and updates a tenth of them, 64 a turn.
fn load(directory: &Path) {
    let (mut store, received) = opened(directory);
    let mut turn = 0;
    let mut submit = |writes: Vec<Write>| {
        turn += 1;
        store.submit(Turn(turn), Batch { writes }).expect("taken");
        let _ = received.try_iter().count();
    };
    let chunk = |first: u64, length: u64, end: u64| first..end.min(first + length);
    for first in (0..documents()).step_by(1_000) {
        submit(chunk(first, 1_000, documents()).flat_map(document).collect());
    }
    let updated = documents() / 10;
    for first in (0..updated).step_by(64) {
        let of = |number| update(scrambled(number) % documents(), documents() + number);
        submit(chunk(first, 64, updated).flat_map(|number| of(number).writes).collect());
    }
    drop(store);
}

/// Reads of random values, a second.
fn reads(get: impl Fn(&[u8]) -> Option<Vec<u8>>) -> f64 {
    let (started, mut done) = (Instant::now(), 0_u64);
    while started.elapsed() < seconds() {
        let number = scrambled(done) % documents();
        let key = [[2].as_slice(), &number.to_be_bytes()].concat();
        assert!(get(&key).is_some(), "document {number}");
        done += 1;
    }
    done as f64 / started.elapsed().as_secs_f64()
}

/// Peak memory of this process so far, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1_024.0
}

/// Plays one scene in this process; prints its numbers.
fn play(scene: &str, directory: &Path) {
    match scene {
        "load" => {
            let started = Instant::now();
            load(directory);
            println!("{}\n{}", peak_mib(), started.elapsed().as_secs_f64());
        }
        "kill" => {
            let (mut store, received) = opened(directory);
            for turn in 1..=documents() / 64 / 50 {
                let of = |number: u64| update(scrambled(number) % documents(), scrambled(number));
                let writes = (turn * 64..turn * 64 + 64).flat_map(|number| of(number).writes);
                store.submit(Turn(turn), Batch { writes: writes.collect() }).expect("taken");
                received.recv().expect("a notice");
            }
            // Nothing is closed.
            std::process::exit(0);
        }
        "open" => {
            let started = Instant::now();
            let (store, _) = opened(directory);
            let (seconds, mib) = (started.elapsed().as_secs_f64(), peak_mib());
            drop(store);
            println!("{seconds}\n{mib}");
        }
        "read" => {
            let (store, _) = opened(directory);
            println!("{}", reads(|key| store.get(Keyspace::Documents, key).expect("read")));
        }
        "bare" => {
            let database = bare(&directory.join("rows"));
            let trees = trees(&database);
            let tree = &trees[Keyspace::Documents as usize];
            println!("{}", reads(|key| tree.get(key).expect("read").map(|value| value.to_vec())));
        }
        other => panic!("no scene {other}"),
    }
}

/// Plays a scene in a process of its own.
fn scene(scene: &str, directory: &Path) -> Vec<f64> {
    let output = Command::new(std::env::current_exe().expect("a program"))
        .args(if measuring() { ["--bench"] } else { ["--test"] })
        .env(SCENE, scene)
        .env("STORE_BENCH_DOCUMENTS", documents().to_string())
        .env(DIRECTORY, directory)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{scene}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

fn large(_: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let loaded = scene("load", directory.path());
    println!("{} documents and their updates: {:.1} s", documents(), loaded[1]);
    row("store.rss", "MiB", loaded[0], None, Goal::value_at_most(64.0));
    let mut opened = vec![scene("open", directory.path())];
    // What is read at an opening is the journal, which grows to 64 MB and begins anew: the worst of five of its lengths.
    for _ in 0..5 {
        scene("kill", directory.path());
        opened.push(scene("open", directory.path()));
    }
    println!("opened in {:.2?} s", opened.iter().map(|opened| opened[0]).collect::<Vec<_>>());
    let worst = |which: usize| opened.iter().map(|opened| opened[which]).fold(0.0, f64::max);
    row("store.open", "s", worst(0), None, Goal::value_at_most(1.0));
    row("store.open.rss", "MiB", worst(1), None, Goal::value_at_most(32.0));
    // In turns, on the same rows.
    let rounds = if measuring() { 3 } else { 1 };
    let pair = |_| (scene("read", directory.path())[0], scene("bare", directory.path())[0]);
    let (read, bare) = median((0..rounds).map(pair).collect());
    row("store.read", "reads/s", read, Some(bare), Goal::ratio_at_least(0.6));
}

criterion_group!(store_benches, committing, large);

fn main() {
    match (std::env::var(SCENE), std::env::var_os(DIRECTORY)) {
        (Ok(scene), Some(directory)) => play(&scene, Path::new(&directory)),
        _ => store_benches(),
    }
}
