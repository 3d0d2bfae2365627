//! What monitoring asks of a server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use tests::process::{DEADLINE, Fleet, Process, site_config};

/// A site's configuration with an address for monitoring.
pub(crate) fn observed_config(name: &str, hub: &str) -> String {
    format!("observe = \"127.0.0.1:0\"\n{}", site_config(name, hub))
}

/// Where it answers.
pub(crate) fn observed_at(site: &Process) -> String {
    let output = site.output();
    let (_, address) = output.split_once("http://").expect("it says where");
    address.trim().to_owned()
}

/// The status line and the body of an answer.
pub(crate) fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn a_site_without_its_hub_is_healthy_and_ready_and_tells_its_numbers() {
    let fleet = Fleet::new();
    let site = Process::start(fleet.prepare("store-1", &observed_config("store-1", "127.0.0.1:9")));
    let address = observed_at(&site);
    assert_eq!(get(&address, "/health"), ("HTTP/1.1 200 OK".to_owned(), "alive\n".to_owned()));
    assert_eq!(get(&address, "/ready"), ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned()));
    let (status, page) = get(&address, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in ["isle_store_open 1", "isle_peer_connected{peer=\"hub\"} 0", "isle_documents 0", "# EOF"] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
    for name in ["isle_certificate_end_seconds 1", "isle_disk_free_bytes "] {
        assert!(page.lines().any(|found| found.starts_with(name)), "{name} is missing in\n{page}");
    }
    assert_eq!(get(&address, "/").0, "HTTP/1.1 404 Not Found");
}

#[test]
fn who_connects_and_says_nothing_keeps_its_place_for_seconds_only() {
    let fleet = Fleet::new();
    let site = Process::start(fleet.prepare("store-1", &observed_config("store-1", "127.0.0.1:9")));
    let address = observed_at(&site);
    // As many as there are places.
    let silent: Vec<_> = (0..8).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(get(&address, "/health").0, "HTTP/1.1 200 OK");
    drop(silent);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let fleet = Fleet::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = format!("observe = \"{address}\"\n{}", site_config("store-1", "127.0.0.1:9"));
    let data = fleet.prepare("store-1", &config);
    let refused = tests::program::run(["serve", "--data", data.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8(refused.stderr).unwrap();
    let expected = format!("cannot listen on {address} for monitoring (`observe` in isle.toml)");
    assert!(error.contains(&expected), "{error}");
}
