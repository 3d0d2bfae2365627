//! A server under systemd, and what an installation is made from: completions, manual pages, what it says at its start.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use tests::process::{Fleet, Process, site_config};
use tests::program::run_well;

/// The next message of these; a message may have several lines.
fn hear(socket: &UnixDatagram, line: &str) {
    let mut buffer = [0; 4_096];
    loop {
        let bytes = match socket.recv(&mut buffer) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => panic!("'{line}' was not said: {error}"),
        };
        if String::from_utf8_lossy(&buffer[..bytes]).lines().any(|said| said.starts_with(line)) {
            return;
        }
    }
}

#[test]
fn systemd_is_told_of_the_start_the_loop_and_the_stop() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let path = fleet.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let variables = [("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", 100_000.to_string())];
    let mut site = Process::start_with(data, &variables);
    // A store that takes long to open is no failed start.
    hear(&socket, "EXTEND_TIMEOUT_USEC=60000000");
    hear(&socket, "READY=1");
    for _ in 0..3 {
        hear(&socket, "WATCHDOG=1");
    }
    site.signal("TERM");
    hear(&socket, "STOPPING=1");
    assert!(site.ended().success());
}

#[test]
fn a_server_lists_at_its_start_what_it_uses() {
    let fleet = Fleet::new();
    let site = fleet
        .start("store-1", &format!("observe = \"127.0.0.1:0\"\n{}", site_config("store-1", "127.0.0.1:9")));
    let path = |name: &str| site.data.join(name).display().to_string();
    site.logs(&["INFO", &path("isle.toml"), &path("identity"), &path("store"), &path("isle.sock")]);
    site.logs(&["INFO", &path("http.sock"), &path("tokens.json"), &path("denied.txt")]);
    site.logs(&["INFO", "addresses", "udp=", "monitoring=\"127.0.0.1:"]);
    site.logs(&["INFO", "certificate", "until=\"20", "renewed_by=\"nobody\""]);
    site.logs(&["INFO", "peer=hub", "127.0.0.1:9"]);
}

#[test]
fn completions_and_manual_pages_have_every_command() {
    for (shell, part) in
        [("bash", "complete -F _isle"), ("zsh", "#compdef isle"), ("fish", "complete -c isle")]
    {
        let script = run_well(["completions", shell]);
        assert!(script.contains(part) && script.contains("doctor"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    run_well(["man", pages.to_str().unwrap()]);
    let page = std::fs::read_to_string(pages.join("isle-serve.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("Type=notify"), "{page}");
    for command in ["isle", "isle-config-show", "isle-doc-put", "isle-doctor"] {
        assert!(pages.join(format!("{command}.1")).exists(), "{command}");
    }
}
