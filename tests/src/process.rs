//! Replicas as processes, with certificates of one authority, on loopback.

use crate::memory_limit::MemoryLimit;
use crate::{eventually, eventually_async, program};
use document::Operation;
use serde_json::{Value, json};
use server::local::{LocalClient, Request, Response, Status};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use transport::{Authority, Identity};

/// For everything that happens within a few round trips or a reconnect (15 s at most), on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A directory with an authority.
pub struct Fleet {
    authority: Authority,
    /// Where the data directories are.
    pub directory: TempDir,
}

impl Fleet {
    /// A new authority in a new directory.
    pub fn new() -> Self {
        Self { authority: Authority::create("fleet").unwrap(), directory: tempfile::tempdir().unwrap() }
    }

    /// The data directory of a replica.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A hub for the sites `store-1` and `store-2`, running.
    pub fn hub(&self) -> Process {
        self.start("hub", &hub_config())
    }

    /// A site of the hub at `address`, running.
    pub fn site(&self, name: &str, address: &str) -> Process {
        self.start(name, &site_config(name, address))
    }

    /// A replica with a configuration, running and ready.
    pub fn start(&self, name: &str, config: &str) -> Process {
        Process::start(self.prepare(name, config))
    }

    /// The data directory of a replica with a configuration.
    pub fn prepare(&self, name: &str, config: &str) -> PathBuf {
        let data = self.path(name);
        self.authority.issue(name, &data.join("identity")).unwrap();
        fs::write(data.join("isle.toml"), config).unwrap();
        data
    }

    /// Puts a certificate for its key in place of a replica's, which ends after so long.
    pub fn certify(&self, name: &str, lifetime: Duration) {
        let identity = self.path(name).join("identity");
        let key = Identity::load(&identity).unwrap().public_key();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let certificate = self.authority.certify(name, &key, now, lifetime).unwrap();
        certificate.replace_in(&identity).unwrap();
    }
}

/// The configuration of a hub for the sites `store-1` and `store-2`.
pub fn hub_config() -> String {
    let sites = ["store-1", "store-2"].map(|site| {
        format!("[peers.{site}]\n[peers.{site}.spaces]\ncatalog = {{ read = true }}\n{site} = {{ read = true, write = true }}\n")
    });
    let spaces = "[spaces]\ncatalog = \"write\"\nstore-1 = \"write\"\nstore-2 = \"write\"\n";
    format!("name = \"hub\"\nhub = true\nlisten = \"127.0.0.1:0\"\n{spaces}{}", sites.concat())
}

/// The configuration of a site of the hub at `address`.
pub fn site_config(name: &str, address: &str) -> String {
    format!(
        "name = \"{name}\"\n[spaces]\ncatalog = \"read\"\n{name} = \"write\"\n\
         [peers.hub]\naddress = \"{address}\"\nrelay = true\nhub = true\n\
         [peers.hub.spaces]\ncatalog = {{ write = true }}\n{name} = {{ read = true, write = true }}\n"
    )
}

/// A running server. Killed when dropped.
pub struct Process {
    /// Its data directory.
    pub data: PathBuf,
    /// Where its output and its log are.
    told_in: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a server and waits until it says that it is ready.
    pub fn start(data: PathBuf) -> Self {
        Self::start_with(data, &[])
    }

    /// As [`Process::start`], with more variables in its environment.
    pub fn start_with(data: PathBuf, variables: &[(&str, String)]) -> Self {
        Self::spawn_with(data, variables).ready()
    }

    /// As [`Process::start_with`], of a server that may end before it is ready.
    pub fn spawn_with(data: PathBuf, variables: &[(&str, String)]) -> Self {
        let mut command = Command::new(program::path());
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let child = serve(command, &data, &data);
        Self { child, told_in: data.clone(), data }
    }

    /// As [`Process::start`], with its log somewhere else than in its directory: where nobody takes it, for instance.
    pub fn start_logging_to(data: PathBuf, log: impl Into<Stdio>) -> Self {
        let mut command = serving(Command::new(program::path()), &data, &data);
        let child = command.stderr(log).spawn().unwrap();
        Self { child, told_in: data.clone(), data }.ready()
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// As [`Process::start`], with its output and its log in another directory: the data directory's disk may be full.
    pub fn start_beside(data: PathBuf, told_in: &Path) -> Self {
        let child = serve(Command::new(program::path()), &data, told_in);
        Self { child, told_in: told_in.to_owned(), data }.ready()
    }

    /// As [`Process::start`], in a network namespace.
    pub fn start_in(data: PathBuf, namespace: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program::path());
        let child = serve(command, &data, &data);
        Self { child, told_in: data.clone(), data }.ready()
    }

    /// As [`Process::start`], with a limit on its memory.
    pub fn start_within(data: PathBuf, limit: &MemoryLimit) -> Self {
        Self::start_under(data, &format!("echo $$ > {}", limit.processes().display()))
    }

    /// As [`Process::start`], with limits that a command of a shell sets.
    pub fn start_under(data: PathBuf, limits: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]).arg(program::path());
        let child = serve(command, &data, &data);
        Self { child, told_in: data.clone(), data }.ready()
    }

    fn ready(self) -> Self {
        let mut process = self;
        eventually(DEADLINE, "the server is ready", || {
            if let Some(status) = process.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", process.log());
            }
            process.output().contains(" is ready: ")
        });
        process
    }

    /// What it said on standard output since it was started last.
    pub fn output(&self) -> String {
        fs::read_to_string(self.told_in.join("output")).unwrap()
    }

    /// What it logged since it was started last.
    pub fn log(&self) -> String {
        fs::read_to_string(self.told_in.join("log")).unwrap()
    }

    /// How many files it may have open: its soft and its hard limit.
    pub fn open_files_max(&self) -> (u64, u64) {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let limits = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let mut limits = limits.split_whitespace().map(|limit| limit.parse().unwrap());
        (limits.next().unwrap(), limits.next().unwrap())
    }

    /// Bytes of memory that it has resident.
    pub fn resident_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    /// The most bytes of memory that it ever had resident.
    pub fn peak_bytes(&self) -> u64 {
        self.memory_bytes("VmHWM:")
    }

    fn memory_bytes(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// SIGKILL: it has no chance to do anything more.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in the same directory.
    pub fn restart(self) -> Self {
        let data = self.data.clone();
        drop(self);
        Self::start(data)
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually(DEADLINE, "the server has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// A connection to its socket.
    pub async fn client(&self) -> LocalClient {
        LocalClient::connect(&self.data).await.unwrap()
    }

    /// How it is.
    pub async fn status(&self) -> Status {
        let response = self.client().await.call(&Request::Status).await.unwrap();
        let Response::Status(status) = response else { panic!("{response:?}") };
        *status
    }

    /// The document, if it is there.
    pub async fn get(&self, address: &str) -> Option<Value> {
        let request = Request::Get { address: address.parse().unwrap(), at: None };
        let response = self.client().await.call(&request).await.unwrap();
        let Response::Document(reading) = response else { panic!("{response:?}") };
        reading.value
    }

    /// Puts a document; it must be a change.
    pub async fn put(&self, address: &str, value: Value) {
        let written = self.client().await.call(&put(address, value, None)).await.unwrap();
        assert!(matches!(written, Response::Written(Some(_))), "{written:?}");
    }

    /// Adds to `/on_hand`; returns whether that was a change.
    pub async fn add(&self, address: &str, by: i64, key: Option<&str>) -> bool {
        let response = self.client().await.call(&increment(address, by, key)).await.unwrap();
        let Response::Written(stamp) = response else { panic!("{response:?}") };
        stamp.is_some()
    }

    /// Waits until the document has this value.
    pub async fn has(&self, address: &str, value: Value) {
        let name = self.data.file_name().unwrap().to_string_lossy().into_owned();
        let what = format!("{name} has {address} = {value}");
        let mut shown = None;
        let has_it = async || {
            let found = self.get(address).await;
            let is_it = found.as_ref() == Some(&value);
            if found != shown {
                println!("{name} has {address} = {found:?}");
            }
            shown = found;
            is_it
        };
        eventually_async(DEADLINE, &what, has_it).await;
    }

    /// Waits until `/on_hand` is `count`.
    pub async fn has_on_hand(&self, address: &str, count: i64) {
        self.has(address, json!({ "on_hand": count })).await;
    }

    /// Waits until a line of the log has all these parts.
    pub fn logs(&self, parts: &[&str]) {
        eventually(DEADLINE, &format!("the log has {parts:?}"), || {
            self.log().lines().any(|line| parts.iter().all(|part| line.contains(part)))
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- log of {}:\n{}", self.data.display(), self.log());
        }
    }
}

/// Starts the server of a data directory, with its output and log in files there.
pub fn spawn(data: &Path) -> Child {
    serve(Command::new(program::path()), data, data)
}

fn serve(program: Command, data: &Path, told_in: &Path) -> Child {
    serving(program, data, told_in).spawn().unwrap()
}

fn serving(mut program: Command, data: &Path, told_in: &Path) -> Command {
    let file = |name: &str| File::create(told_in.join(name)).unwrap();
    program
        .args(["serve", "--data"])
        .arg(data)
        .env_remove("ISLE_LOG")
        .stdin(Stdio::null())
        .stdout(file("output"))
        .stderr(file("log"));
    program
}

/// A put.
pub fn put(address: &str, value: Value, key: Option<&str>) -> Request {
    let request = Request::write(address.parse().unwrap(), vec![Operation::Put(value)]);
    request.under(key.map(str::to_owned))
}

/// An increment of `/on_hand`.
pub fn increment(address: &str, by: i64, key: Option<&str>) -> Request {
    let operation = Operation::increment("/on_hand", by).unwrap();
    let request = Request::write(address.parse().unwrap(), vec![operation]);
    request.under(key.map(str::to_owned))
}
