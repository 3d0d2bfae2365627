use super::command::words;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use tests::process::Fleet;
use tests::program;

/// Changes, and how many of them a reader is shown before it is killed.
const CHANGES: u64 = 120;
const SHOWN: usize = 17;

/// A pipeline of another process: it is killed wherever it is, and started again after the last line that it took up.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_killed_again_and_again_takes_every_change_once() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:1");
    site.put("store-1/inventory/first", json!({"on_hand": 0})).await;
    let data = site.data.clone();
    let (tell, synced) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut taken, mut cursor, mut tell) = (Vec::new(), None::<String>, Some(tell));
        while taken.last() != Some(&CHANGES) {
            let mut words = words("watch", &data, &["store-1/inventory"]);
            words.extend(cursor.iter().flat_map(|cursor| ["--from", cursor.as_str()]));
            let mut reader =
                Command::new(program::path()).args(&words).stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(reader.stdout.take().unwrap()).lines();
            let left = CHANGES - taken.last().copied().unwrap_or(0);
            for line in lines.take(SHOWN.min(left.try_into().unwrap())) {
                let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
                if event["event"] == "synced"
                    && let Some(tell) = tell.take()
                {
                    tell.send(()).unwrap();
                }
                taken.extend(event["changes"][0]["stamp"]["sequence"].as_u64());
                cursor = event["cursor"].as_str().map(str::to_owned);
            }
            reader.kill().unwrap();
            reader.wait().unwrap();
        }
        taken
    });
    // What is written before it has the state is in that.
    synced.await.unwrap();
    for number in 2..=CHANGES {
        site.put("store-1/inventory/milk", json!({"on_hand": number})).await;
    }
    assert_eq!(reading.await.unwrap(), (2..=CHANGES).collect::<Vec<_>>());
}
