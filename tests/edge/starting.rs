//! A server that cannot start, or not well: it says in one sentence what is wrong and what to do, and damages nothing.

use serde_json::json;
use server::data_directory::DataDirectory;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tests::disk::Disk;
use tests::faults::wrong_clock;
use tests::process::{DEADLINE, Fleet, Process, put, site_config, spawn};
use tests::{eventually, eventually_async, program};

const DAY_S: i64 = 24 * 60 * 60;

/// Serves a directory, which fails with one error of these parts and, where there is one, a hint.
#[track_caller]
fn fails(data: &Path, parts: &[&str]) {
    let output = program::run(["serve", "--data", data.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
    for part in parts {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

#[test]
fn a_damaged_store_is_told_with_its_remedy_and_left_as_it_is() {
    let fleet = Fleet::new();
    let mut site = fleet.site("store-1", "127.0.0.1:9");
    site.kill();
    let list = site.data.join("store/rows/keyspaces/1/current");
    let mut bytes = fs::read(&list).unwrap();
    bytes.fill(0xAA);
    fs::write(&list, &bytes).unwrap();
    for _ in 0..2 {
        fails(&site.data, &["is damaged", "hint: `isle repair` sets the store aside"]);
    }
    assert!(fs::read(&list).unwrap() == bytes, "the damaged file was changed");
}

/// Nobody comes to a shop for a flipped bit: it goes on with what was before it, and what was behind it is kept.
#[tokio::test]
async fn a_damaged_journal_ends_there_and_the_site_goes_on() {
    const MARK: &str = "a shelf that nobody else has";
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    for number in 0..50 {
        site.put(&format!("store-1/note/{number}"), json!({ "text": format!("{MARK} {number}") })).await;
    }
    hub.has("store-1/note/49", json!({ "text": format!("{MARK} 49") })).await;
    site.kill();
    let journal = site.data.join("store/rows/0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    let text = format!("{MARK} 20");
    let place = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[place] ^= 0x10;
    fs::write(&journal, &bytes).unwrap();
    let site = site.restart();
    site.logs(&["a journal is damaged"]);
    site.logs(&["goes on under a new origin"]);
    // The hub brings back what was behind it.
    site.has("store-1/note/49", json!({ "text": format!("{MARK} 49") })).await;
    let kept = fs::read(site.data.join("store/journals.damaged-1/0.jnl")).unwrap();
    assert!(kept[..] == bytes[..kept.len()], "what was damaged is kept as it was");
}

#[test]
fn a_directory_of_a_newer_version_is_left_as_it_is() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    let data = site.data.clone();
    drop(site);
    let format = data.join("store/format");
    fs::write(&format, "isle store 7\n").unwrap();
    fails(
        &data,
        &["was written by a newer version of isle (format 7", "start it with the version that wrote it"],
    );
    assert_eq!(fs::read_to_string(&format).unwrap(), "isle store 7\n");
    fs::write(&format, "isle store 1\n").unwrap();
    drop(Process::start(data));
}

/// All files of a directory, but for the lock, which says who had it last.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), Vec::new());
                directories.push(path);
            } else if !path.ends_with("lock") {
                // A socket that a killed server left is not read.
                let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// As [`fails`]: no file is made, changed or removed.
#[track_caller]
fn fails_and_changes_nothing(data: &Path, parts: &[&str]) {
    let before = files(data);
    fails(data, parts);
    let after = files(data);
    let changed = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes));
    let changed: Vec<_> = changed.map(|(path, _)| path).collect();
    let made: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(changed.is_empty() && made.is_empty(), "changed {changed:?}, made {made:?}");
}

#[test]
fn a_port_in_use_is_told_with_the_setting_and_nothing_is_changed() {
    let fleet = Fleet::new();
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (udp, tcp) =
        (udp.local_addr().map(|at| (udp, at)).unwrap(), tcp.local_addr().map(|at| (tcp, at)).unwrap());
    let site = site_config("store-1", "127.0.0.1:9");
    let data = fleet.prepare("store-1", &format!("listen = \"{}\"\n{site}", udp.1));
    let write = |config: &str| fs::write(data.join("isle.toml"), config).unwrap();
    let in_use = format!("cannot use UDP address {}: another program has it", udp.1);
    fails_and_changes_nothing(&data, &[&in_use, "isle config show"]);
    write(&format!("observe = \"{}\"\n{site}", tcp.1));
    let in_use = format!("cannot listen on {} for monitoring", tcp.1);
    fails_and_changes_nothing(&data, &[&in_use, "in use", "isle config show"]);
    write(&format!("{site}[http]\nlisten = \"{}\"\n", tcp.1));
    let in_use = format!("cannot listen on {} for services", tcp.1);
    fails_and_changes_nothing(&data, &[&in_use, "in use", "isle config show"]);
    write(&format!("listen = \"192.0.2.1:7400\"\n{site}"));
    fails_and_changes_nothing(&data, &["192.0.2.1:7400: it is no address of this machine"]);
    // When the port is free it starts, and listens there.
    let address = tcp.1;
    drop(tcp);
    write(&format!("{site}[http]\nlisten = \"{address}\"\n"));
    let running = Process::start(data.clone());
    assert!(TcpListener::bind(address).is_err());
    // And what is there is left as it is, too.
    drop(running);
    write(&format!("listen = \"{}\"\n{site}", udp.1));
    fails_and_changes_nothing(&data, &["another program has it"]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_lost() {
    let fleet = Fleet::new();
    let data = fleet.path("store-1");
    fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::in_memory(&data, 24, "full disks") else { return };
    fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let filler = data.join("filler");
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[1; 4_096]).is_ok() {}
    };
    fill();
    fails(&data, &["hint: free space on the disk of the data directory"]);
    fs::remove_file(&filler).unwrap();
    let site = Process::start(data.clone());
    site.put("store-1/note/1", json!({"text": "x"})).await;
    drop(site);
    // A store that is there has kept something back: it starts, is read, and takes no writes.
    fill();
    let site = Process::start_beside(data.clone(), fleet.directory.path());
    assert_eq!(site.get("store-1/note/1").await, Some(json!({"text": "x"})));
    assert_eq!(site.status().await.disk, "full: read only");
    site.logs(&["ERROR", "the disk is full: writes are refused until space is freed"]);
    fs::remove_file(&filler).unwrap();
    eventually_async(DEADLINE, "writes are taken again", async || {
        let put = put("store-1/note/2", json!({"text": "y"}), None);
        site.client().await.call(&put).await.is_ok()
    })
    .await;
    drop(site);
    drop(disk);
}

#[tokio::test]
async fn a_clock_in_1970_and_an_expired_certificate_are_told_and_local_work_goes_on() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let now_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let cases = [
        (9 - now_s, ["this machine's clock shows 1970-01-01T00:00:", "set the clock"]),
        (400 * DAY_S, ["the certificate ended 20", "set the clock, or put a new certificate"]),
    ];
    for (number, (ahead_s, parts)) in cases.into_iter().enumerate() {
        let Some(variables) = wrong_clock(fleet.directory.path(), ahead_s) else { return };
        let site = Process::start_with(data.clone(), &variables);
        site.logs(&["WARN", parts[0], parts[1], "no peer is connected"]);
        site.put(&format!("store-1/note/{number}"), json!({"text": "x"})).await;
        let certificate = site.status().await.certificate.unwrap();
        assert!(certificate.warning.unwrap().contains(parts[0]));
    }
    let site = Process::start(data);
    assert_eq!(site.get("store-1/note/0").await, Some(json!({"text": "x"})));
    assert_eq!(site.status().await.certificate.unwrap().warning, None);
}

#[test]
fn a_command_that_has_the_directory_for_a_moment_is_waited_for() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let directory = DataDirectory::new(&data);
    let lock = directory.lock().unwrap();
    let process = format!("process={}", std::process::id());
    fails(&data, &["another server is running in", &process.replace('=', " ")]);
    let mut server = spawn(&data);
    let read = |name: &str| fs::read_to_string(data.join(name)).unwrap();
    eventually(DEADLINE, "the server waits", || read("log").contains("waiting for a moment"));
    assert!(read("log").contains(&process));
    drop(lock);
    eventually(DEADLINE, "the server is ready", || read("output").contains(" is ready: "));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_directory_without_configuration_or_identity_says_what_makes_them() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    for file in ["identity/certificate.pem", "isle.toml"] {
        fs::remove_file(data.join(file)).unwrap();
        fails(&data, &[file, "No such file", "hint: `isle join TOKEN`", "isle hub init"]);
    }
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_said_to_be_that() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 20; exec \"$0\" serve --data \"$1\""]).arg(program::path()).arg(&data);
    let output = limited.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("may have 20 files open") && said.contains("hint: the limit of open files"),
        "{said}"
    );
    assert!(said.contains("LimitNOFILE=") && said.lines().count() == 2, "{said}");
}

/// Systems start programs with a low limit that they may raise.
#[test]
fn a_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let site = Process::start_under(data, "ulimit -S -n 100 && ulimit -H -n 600");
    assert_eq!(site.open_files_max(), (600, 600));
}

/// An installation sets variables of its own for whatever is called isle.
#[test]
fn variables_of_others_are_no_mistyped_settings() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let names = ["ISLE_TAG", "ISLE_HOME", "ISLE_NODE", "ISLE_POD", "ISLE_HOST"];
    let variables = names.map(|name| (name, "x".to_owned()));
    let site = Process::start_with(data, &variables);
    names.iter().for_each(|name| site.logs(&["WARN", name, "makes no setting"]));
}
