//! From nothing to a hub and its sites by commands alone; who is refused, renewed and revoked.

use crate::command::{fails, words};
use serde_json::{Value, json};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use tests::faults::wrong_clock;
use tests::process::{DEADLINE, Process};
use tests::program::{self, run_well};
use tests::{eventually, eventually_async};

pub(crate) const SPACES: &str = "store-1=write,catalog=read";
pub(crate) const MILK: &str = "store-1/inventory/milk";

/// A hub in a directory of its own, not running.
pub(crate) struct Hub {
    directory: TempDir,
    address: String,
}

impl Hub {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // A port that is free, and stays the same when the hub is started again.
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let data = directory.path().join("hub");
        let made = run_well(words("hub init", &data, &["--address", &address, "--listen", &address]));
        assert!(made.contains("isle serve --data"), "{made}");
        Self { directory, address }
    }

    /// With certificates that are valid for so long.
    pub(crate) fn with_certificates(self, certificate: &str) -> Self {
        let path = self.data().join("isle.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("certificate = \"30d\"", &format!("certificate = \"{certificate}\"")))
            .unwrap();
        self
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("hub")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn start(&self) -> Process {
        Process::start(self.data())
    }

    pub(crate) fn invite(&self, site: &str, more: &[&str]) -> String {
        let rest = [&[site, "--spaces", SPACES][..], more].concat();
        run_well(words("hub invite", &self.data(), &rest)).trim().to_owned()
    }

    /// The site `store-1` in the directory `name`, joined and running.
    pub(crate) fn joined(&self, name: &str) -> Process {
        let data = self.path(name);
        run_well(words("join", &data, &[&self.invite("store-1", &[])]));
        Process::start(data)
    }

    pub(crate) fn sites(&self) -> Value {
        let listed = run_well(words("hub sites", &self.data(), &["--json"]));
        listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
    }

    fn state(&self) -> String {
        self.sites()[0]["state"].as_str().unwrap().to_owned()
    }
}

async fn is_connected(replica: &Process) -> bool {
    replica.status().await.peers.iter().any(|peer| peer.connected)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_hub_is_made_a_site_invited_and_both_replicate() {
    let hub = Hub::new();
    for key in ["authority/authority-key.pem", "identity/key.pem", "enrolment.json"] {
        assert_eq!(mode(&hub.data().join(key)), 0o600, "{key}");
    }
    let running = hub.start();
    let token = hub.invite("store-1", &[]);
    let secret_free = fs::read_to_string(hub.data().join("enrolment.json")).unwrap();
    assert!(!secret_free.contains(&token), "{secret_free}");
    assert_eq!(hub.state(), "invited");
    let data = hub.path("site");
    let joined = run_well(words("join", &data, &[&token]));
    assert!(joined.contains("store-1 has joined hub: catalog=read,store-1=write"), "{joined}");
    assert_eq!(mode(&data.join("identity/key.pem")), 0o600);
    assert_eq!(hub.state(), "joined");

    let site = Process::start(data);
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    let refused = run_well(words("hub sites", &hub.data(), &[]));
    assert!(refused.contains("store-1  connected"), "{refused}");
    // The rights are a document that replicates, and can be read at the site.
    let key = hub.sites()[0]["public_key"].as_str().unwrap().to_owned();
    let access = format!("system/access/{key}");
    site.has(&access, running.get(&access).await.unwrap()).await;
    assert_eq!(running.get(&access).await.unwrap()["spaces"]["store-1"], json!(["read", "write"]));
    fails(&words("doc put", &site.data, &["catalog/product/milk", "{}"]), 1, &["read-only"]);
    // What the hub carries is what sites were invited to; and it is there after a restart.
    running.put("catalog/product/milk", json!({"price": 1.19})).await;
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    let running = running.restart();
    assert_eq!(running.get("catalog/product/milk").await, Some(json!({"price": 1.19})));
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
    assert_eq!(hub.state(), "connected");
    let status = run_well(words("status", &site.data, &[]));
    assert!(status.contains("renewed by hub") && !status.contains("WARNING"), "{status}");
}

#[test]
fn each_token_that_is_of_no_use_gets_its_own_refusal() {
    let hub = Hub::new();
    let token = hub.invite("store-1", &[]);
    let (site, other) = (hub.path("site"), hub.path("other"));
    // Before anything is dialled: nobody answers there.
    fails(
        &words("join", &site, &[&token[..token.len() - 4]]),
        1,
        &["mistyped or cut off", "isle hub invite"],
    );
    fails(&words("join", &site, &["hello"]), 1, &["no join token"]);
    assert!(!site.exists());
    fails(&words("join", &site, &[&token]), 1, &["nobody answers", "join again with the same token"]);

    let _running = hub.start();
    let expired = hub.invite("store-2", &["--expires", "0s"]);
    fails(&words("join", &other, &[&expired]), 1, &["has expired", "isle hub invite"]);
    let replaced = hub.invite("store-2", &[]);
    let newer = hub.invite("store-2", &[]);
    fails(&words("join", &other, &[&replaced]), 1, &["knows no such invitation", "replaced by a newer one"]);
    // Of another hub that took this one's address.
    let elsewhere = Hub::new();
    let wrong = elsewhere.invite("store-2", &["--address", &hub.address]);
    fails(&words("join", &other, &[&wrong]), 1, &["is not of the fleet of the token", "in between"]);

    run_well(words("join", &site, &[&token]));
    fails(
        &words("join", &site, &[&token]),
        1,
        &["certificate.pem", "an identity already", "isle join --new-key"],
    );
    fails(&words("join", &other, &[&token]), 1, &["was used already, by another key"]);
    // The answer was lost: the same key gets its certificate again.
    let key = fs::read(site.join("identity/key.pem")).unwrap();
    fs::remove_file(site.join("identity/certificate.pem")).unwrap();
    let joined = run_well(words("join", &site, &[&token]));
    assert!(joined.contains("is there already and says the same"), "{joined}");
    assert_eq!(fs::read(site.join("identity/key.pem")).unwrap(), key);
    // A copied data directory is no second site.
    fs::remove_file(site.join("identity/certificate.pem")).unwrap();
    fails(&words("join", &site, &[&newer]), 1, &["belongs to another site"]);
    fs::set_permissions(other.join("identity/key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    fails(&words("join", &other, &[&newer]), 1, &["can be read by others", "chmod 600"]);
}

#[test]
fn a_hub_refuses_what_it_cannot_do_and_says_so() {
    let hub = Hub::new();
    let data = hub.data();
    fails(&words("hub init", &data, &["--address", "hub:7400"]), 1, &["is there already"]);
    fails(&words("hub invite", &data, &["Store", "--spaces", SPACES]), 1, &["cannot name a replica"]);
    fails(&words("hub invite", &data, &["hub", "--spaces", SPACES]), 1, &["this hub itself"]);
    fails(&words("hub invite", &data, &["store-1", "--spaces", "a"]), 1, &["store-367=write,catalog=read"]);
    fails(&words("hub invite", &data, &["s1", "--spaces", SPACES, "--expires", "90d"]), 1, &["30 days"]);
    fails(&words("hub revoke", &data, &["store-9"]), 1, &["no site store-9", "isle hub sites"]);
    let (site, _running) = (hub.path("plain"), hub.start());
    fails(&words("hub init", &data, &["--address", "hub:7400"]), 1, &["another server is running"]);
    fails(&words("hub invite", &data, &["hub", "--spaces", SPACES]), 1, &["this hub itself"]);
    run_well(words("join", &site, &[&hub.invite("store-1", &[])]));
    fails(&words("hub invite", &data, &["store-1", "--spaces", SPACES]), 1, &["has joined already"]);
    // A site is no hub.
    fails(&words("hub sites", &site, &[]), 1, &["no hub with an authority", "isle hub init"]);
    let _site = Process::start(site.clone());
    fails(&words("hub sites", &site, &[]), 1, &["enrols nobody", "isle hub init"]);
}

#[tokio::test]
async fn a_site_with_a_configuration_keeps_it_and_is_told_what_is_missing() {
    let hub = Hub::new();
    let _running = hub.start();
    let data = hub.path("site");
    fs::create_dir(&data).unwrap();
    let own = "name = \"store-1\"\n[spaces]\nnotes = \"write\"\n";
    fs::write(data.join("isle.toml"), own).unwrap();
    let joined = run_well(words("join", &data, &[&hub.invite("store-1", &[])]));
    for line in ["stays as it is", "[peers.hub]", "renews = true", "authority = "] {
        assert!(joined.contains(line), "{joined}");
    }
    assert_eq!(fs::read_to_string(data.join("isle.toml")).unwrap(), own);
    let site = Process::start(data);
    assert!(site.status().await.certificate.unwrap().renewed_by.is_none());
}

#[tokio::test]
async fn a_revoked_site_is_cut_off_within_a_second_and_may_join_with_a_new_key() {
    let hub = Hub::new();
    let running = hub.start();
    let site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    let revoked = run_well(words("hub revoke", &hub.data(), &["store-1"]));
    let started = Instant::now();
    assert!(
        revoked.contains("store-1 is revoked") && revoked.contains("nothing that it writes"),
        "{revoked}"
    );
    eventually_async(DEADLINE, "the connection has ended", async || !is_connected(&running).await).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    site.logs(&["revoked at the hub"]);
    assert_eq!(hub.state(), "revoked");
    // It is refused for good, also after a restart of both.
    site.add(MILK, 4, None).await;
    let (running, site) = (running.restart(), site.restart());
    site.logs(&["revoked at the hub"]);
    running.logs(&["a revoked key is refused"]);
    assert_eq!(running.get(MILK).await, Some(json!({"on_hand": 3})), "what came before stays, and no more");
    let key = hub.sites()[0]["public_key"].as_str().unwrap().to_owned();
    assert_eq!(running.get(&format!("system/access/{key}")).await.unwrap()["revoked"], json!(true));
    drop(site);

    let site = hub.joined("new");
    site.has_on_hand(MILK, 3).await;
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
    assert_eq!(hub.state(), "connected");
}

#[tokio::test]
async fn a_site_that_was_revoked_while_the_hub_was_down_never_gets_in_again() {
    let hub = Hub::new();
    let mut running = hub.start();
    let site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    running.kill();
    let revoked = run_well(words("hub revoke", &hub.data(), &["store-1"]));
    assert!(revoked.contains("as soon as the hub runs"), "{revoked}");
    site.add(MILK, 4, None).await;
    let running = running.restart();
    site.logs(&["revoked at the hub"]);
    let key = hub.sites()[0]["public_key"].as_str().unwrap().to_owned();
    let access = format!("system/access/{key}");
    eventually_async(DEADLINE, "the cut is written", async || {
        running.get(&access).await.is_some_and(|access| access["revoked"] == json!(true))
    })
    .await;
    assert_eq!(running.get(MILK).await, Some(json!({"on_hand": 3})));
}

#[tokio::test]
async fn a_hub_that_lost_its_store_still_lets_its_sites_in() {
    let hub = Hub::new();
    let mut running = hub.start();
    let site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    running.kill();
    fs::remove_dir_all(hub.data().join("store")).unwrap();
    let running = running.restart();
    running.has_on_hand(MILK, 3).await;
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
}

/// The end of the certificate that a running replica shows, in milliseconds since 1970.
pub(crate) async fn ends_ms(replica: &Process) -> i64 {
    replica.status().await.certificate.unwrap().ends_ms
}

pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

#[tokio::test]
async fn certificates_are_renewed_by_running_processes() {
    let hub = Hub::new().with_certificates("10s");
    let running = hub.start();
    let site = hub.joined("site");
    let key = fs::read(site.data.join("identity/key.pem")).unwrap();
    let first = ends_ms(&site).await;
    eventually_async(DEADLINE, "the first certificates have ended", async || now_ms() > first + 1_000).await;
    assert!(ends_ms(&site).await > first, "{}", site.log());
    site.logs(&["certificate renewed", "hub=hub"]);
    assert_eq!(fs::read(site.data.join("identity/key.pem")).unwrap(), key);
    // The connection ended with the certificate that it was made with, and was made again without a failure in between.
    site.logs(&["disconnected", "has ended"]);
    eventually_async(DEADLINE, "they are connected again", async || is_connected(&site).await).await;
    assert!(!site.log().contains("not connected"), "{}", site.log());
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 1).await;
    // The same without a restart of the site.
    let running = running.restart();
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 4).await;
    assert!(hub.sites()[0]["certificate_ends_ms"].as_i64().unwrap() > first);
}

#[tokio::test]
async fn a_site_that_was_off_past_its_certificates_end_comes_back_within_the_grace() {
    let hub = Hub::new().with_certificates("10s");
    let running = hub.start();
    let mut site = hub.joined("site");
    site.add(MILK, 3, None).await;
    site.kill();
    let last = site.data.join("identity/certificate.pem");
    let before = fs::read(&last).unwrap();
    let end = now_ms() + 11_000;
    eventually(DEADLINE, "its certificate has ended", || now_ms() > end);
    let site = site.restart();
    site.logs(&["WARN", "the certificate ended", "within its grace"]);
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
    assert_ne!(fs::read(&last).unwrap(), before);
}

/// Its clock is two days ahead for a while: what it certifies then is not valid yet, to its sites and later to itself.
#[tokio::test]
async fn a_hub_whose_clock_ran_ahead_strands_no_site() {
    let hub = Hub::new().with_certificates("10s");
    let Some(ahead) = wrong_clock(&hub.path(""), 2 * 24 * 60 * 60) else { return };
    let mut running = hub.start();
    let site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    let certificate = site.data.join("identity/certificate.pem");
    let before = fs::read(&certificate).unwrap();
    running.kill();
    let mut running = Process::start_with(hub.data(), &ahead);
    site.logs(&["WARN", "certificate not renewed", "here or at the hub"]);
    assert_eq!(fs::read(&certificate).unwrap(), before);
    // Who joins by a clock that is right is told; by one that is wrong like the hub's it has a certificate of the wrong time.
    let invite = ["store-2", "--spaces", "store-2=write"];
    let token = run_well(words("hub invite", &hub.data(), &invite)).trim().to_owned();
    let early = hub.path("early");
    fails(&words("join", &early, &[&token]), 1, &["that is wrong, here or at the hub", "the same token"]);
    assert!(!early.join("identity/certificate.pem").exists());
    let mut join = Command::new(program::path());
    join.args(words("join", &early, &[&token])).envs(ahead.iter().map(|(name, value)| (name, value)));
    assert!(join.output().unwrap().status.success());

    running.kill();
    let running = Process::start(hub.data());
    let early = Process::start(early);
    early.logs(&["WARN", "before this replica's certificate begins", "this one or hub's"]);
    early.add("store-2/inventory/milk", 1, None).await;
    running.has_on_hand("store-2/inventory/milk", 1).await;
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
}

/// By a machine without a battery for its clock.
#[test]
fn no_hub_is_made_in_1970() {
    let directory = tempfile::tempdir().unwrap();
    let Some(behind) = wrong_clock(directory.path(), -now_ms() / 1_000 + 60) else { return };
    let data = directory.path().join("hub");
    let mut init = Command::new(program::path());
    init.args(words("hub init", &data, &["--address", "hub:7400"]));
    let refused = init.envs(behind.iter().map(|(name, value)| (name, value))).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("clock shows 1970-01-01") && said.contains("set it first"), "{said}");
    assert!(!data.exists());
    run_well(words("hub init", &data, &["--address", "hub:7400"]));
}

/// In its own directory, with all that it has.
#[tokio::test]
async fn a_revoked_site_joins_again_with_a_new_key_where_it_is() {
    let hub = Hub::new();
    let running = hub.start();
    let mut site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    run_well(words("hub revoke", &hub.data(), &["store-1"]));
    site.logs(&["revoked at the hub"]);
    site.kill();
    let token = hub.invite("store-1", &[]);
    fails(&words("join", &site.data, &[&token]), 1, &["an identity already", "isle join --new-key TOKEN"]);
    // Without its certificate it shows the key that was revoked.
    let certificate = site.data.join("identity/certificate.pem");
    let kept = fs::read(&certificate).unwrap();
    fs::remove_file(&certificate).unwrap();
    fails(&words("join", &site.data, &[&token]), 1, &["revoked", "isle join --new-key TOKEN"]);
    fs::write(&certificate, &kept).unwrap();

    let key = fs::read(site.data.join("identity/key.pem")).unwrap();
    // In vain: it has what it had.
    let short = &token[..token.len() - 4];
    fails(&words("join", &site.data, &["--new-key", short]), 1, &["mistyped or cut off"]);
    assert_eq!(fs::read(site.data.join("identity/key.pem")).unwrap(), key);
    let joined = run_well(words("join", &site.data, &["--new-key", &token]));
    assert!(
        joined.contains("its former key and certificate are in") && joined.contains("says the same"),
        "{joined}"
    );
    assert_eq!(fs::read(site.data.join("identity.old-1/key.pem")).unwrap(), key);
    assert_ne!(fs::read(site.data.join("identity/key.pem")).unwrap(), key);
    let site = site.restart();
    site.has_on_hand(MILK, 3).await;
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
    running.put("catalog/product/milk", json!({"price": 1.19})).await;
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    assert_eq!(hub.state(), "connected");
}

#[tokio::test]
async fn a_site_past_its_grace_joins_again_with_a_new_key_where_it_is() {
    let hub = Hub::new().with_certificates("10s");
    let path = hub.data().join("isle.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("grace = \"90d\""), "{text}");
    fs::write(&path, text.replace("grace = \"90d\"", "grace = \"1s\"")).unwrap();
    let mut running = hub.start();
    let mut site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    site.kill();
    running.kill();
    let end = now_ms() + 13_000;
    eventually(DEADLINE, "the grace is over", || now_ms() > end);
    let (running, mut site) = (running.restart(), site.restart());
    site.logs(&["certificate not renewed", "isle join --new-key"]);
    site.kill();
    run_well(words("hub revoke", &hub.data(), &["store-1"]));
    run_well(words("join", &site.data, &["--new-key", &hub.invite("store-1", &[])]));
    let site = site.restart();
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
}
