//! `http.get`: reads of a document over loopback by wrk, 64 connections that are kept; the reference is a bare axum handler
//! that answers the same bytes, in the same run on the same cores.
//! `http.patch`: increments of 1,000 documents in a random order, each answered when it is durable, by the same; the
//! reference is `update.durable64.increment` of the same run, the core and the store without a socket. `http.patch.p99` is
//! the slowest of a hundred.
//! Without wrk nothing is measured.
//!
//! Measured on two shared cores with the profile `dist`: 76,300 and 81,100 reads/s of 126,000 and 136,000 (60 %); 14,200 and
//! 15,800 writes/s of 20,400 and 18,800 without a socket (70 and 84 %), at the 99th percentile 14 ms.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use benches::cpu::median;
use benches::durable::{DOCUMENTS, OPEN_BYTES, measure};
use benches::reach::{Goal, Row, measuring, record};
use benches::small_update::Kind;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use tests::process::{Fleet, Process, put, site_config};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const CONNECTIONS: &str = "64";

fn row(name: &str, unit: &str, value: f64, reference: Option<f64>, goal: Goal) {
    println!("{name}: {value:.2} {unit}, reference {reference:?}");
    let row = Row { name: name.into(), unit: unit.into(), value, reference, goal };
    record(&row).expect("the row is written");
}

/// A document of the size of those that sites have.
fn item() -> Value {
    json!({"product": "1029743", "on_hand": 100, "shelf": "A-12",
        "attributes": {"brand": "National", "colour": "red", "season": "all", "size": "11 OZ"}})
}

/// Requests a second, and the slowest of a hundred in milliseconds.
struct Load {
    rate: f64,
    p99_ms: f64,
}

/// Has wrk ask for a while. `None` when there is no wrk.
fn wrk(url: &str, script: Option<&str>) -> Option<Load> {
    let seconds = if measuring() { "4s" } else { "1s" };
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c", CONNECTIONS, "-d", seconds, "--latency"]);
    if let Some(script) = script {
        let path = directory.path().join("script.lua");
        fs::write(&path, script).expect("written");
        command.arg("-s").arg(path);
    }
    let output = command.arg(url).output().ok()?;
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Non-2xx"), "{told}");
    let word = |after: &str| {
        let rest =
            told.lines().find_map(|line| line.trim().strip_prefix(after)).expect("what wrk always says");
        rest.trim().to_owned()
    };
    let p99 = word("99%");
    let units = [("ms", 1.0), ("us", 1e-3), ("s", 1e3)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((p99.strip_suffix(unit)?, *factor))).expect("a time");
    Some(Load {
        rate: word("Requests/sec:").parse().expect("a rate"),
        p99_ms: number.parse::<f64>().expect("a number") * factor,
    })
}

/// The address of a handler that answers the same bytes to all.
async fn bare() -> String {
    let bytes = Bytes::from(item().to_string());
    let answer = move || {
        let bytes = bytes.clone();
        async move { ([(CONTENT_TYPE, "application/json")], bytes) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/item", get(answer))).await });
    format!("http://{address}/item")
}

async fn site(fleet: &Fleet) -> (Process, String) {
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\n";
    // Room for all documents, as the reference has.
    let config = format!("open_documents_mib_max = 64\n{}{http}", site_config("store-1", "127.0.0.1:9"));
    let site = fleet.start("store-1", &config);
    let log = site.log();
    let line = log.lines().find(|line| line.contains("addresses")).expect("its addresses");
    let address = line.rsplit_once("http=\"").expect("an address").1.trim_end_matches('"');
    let base = format!("http://{address}/v1/spaces/store-1/inventory");
    let mut client = site.client().await;
    for number in 0..DOCUMENTS {
        client.call(&put(&format!("store-1/inventory/{number}"), item(), None)).await.expect("written");
    }
    (site, base)
}

fn reads_and_writes(_: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let fleet = Fleet::new();
    let (_site, base) = runtime.block_on(site(&fleet));
    let bare = runtime.block_on(bare());
    let rounds = if measuring() { 5 } else { 1 };
    let (mut reads, mut references) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (Some(read), Some(reference)) = (wrk(&format!("{base}/7"), None), wrk(&bare, None)) else {
            println!("http.*: skipped: wrk is not installed");
            return;
        };
        println!("reads/s {:.0}, of a bare handler {:.0}", read.rate, reference.rate);
        reads.push(read.rate);
        references.push(reference.rate);
    }
    row("http.get", "reads/s", median(reads), Some(median(references)), Goal::ratio_at_least(0.6));

    let script = format!(
        "wrk.method = \"PATCH\"\nwrk.headers[\"Content-Type\"] = \"application/vnd.isle.operations+json\"\n\
         wrk.body = '[{{\"op\": \"increment\", \"field\": \"/on_hand\", \"by\": -1}}]'\n\
         function request() return wrk.format(nil, \"/v1/spaces/store-1/inventory/\" .. math.random(0, {})) end\n",
        DOCUMENTS - 1
    );
    let writes: Vec<Load> = (0..rounds).filter_map(|_| wrk(&base, Some(&script))).collect();
    let rates: Vec<f64> = writes.iter().map(|load| load.rate).collect();
    println!("writes/s, round by round: {rates:.0?}");
    let reference = measure(Kind::Sale, OPEN_BYTES).0;
    row("http.patch", "writes/s", median(rates.clone()), None, Goal::value_at_least(10_000.0));
    row("http.patch.core", "writes/s", median(rates), Some(reference), Goal::ratio_at_least(0.5));
    let p99 = median(writes.iter().map(|load| load.p99_ms).collect());
    row("http.patch.p99", "ms", p99, None, Goal::value_at_most(20.0));
}

criterion_group!(http, reads_and_writes);
criterion_main!(http);
