use serde_json::Value;
use std::fs::File;
use std::process::{Command, Stdio};
use tests::process::DEADLINE;
use tests::{eventually, program, skipped};

#[test]
fn the_main_job_ends_with_every_document_equal() {
    let report = program::run_well(["demo", "--json", "--shops", "4", "--pace", "4", "--seed", "7"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    let units = &report["units"];
    assert_eq!((&units["hub"], &units["shops"]), (&units["expected"], &units["expected"]));
    assert!(units["expected"].as_u64().unwrap() > 2_500, "{units}");
    let differences = [&report["stock"]["different"], &report["catalog"]["different"]];
    assert_eq!(differences, [0, 0]);
    // It proves something only if something happened.
    assert!(report["kills"].as_u64().unwrap() >= 1 && report["units_while_cut"].as_u64().unwrap() > 0);
}

/// The replicas go on when the demo has checked them, until it is told to end.
#[test]
fn a_demo_serves_until_it_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut demo = Command::new(program::path())
        .args(["demo", "--json", "--shops", "1", "--pace", "0", "--serve"])
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let told = || std::fs::read_to_string(&log).unwrap();
    eventually(DEADLINE, "it says where the replicas are", || told().contains("go on until Ctrl-C"));
    let list = told()
        .lines()
        .find_map(|line| line.trim().strip_prefix("isle doc list ").map(str::to_owned))
        .unwrap();
    let products = program::run_well(["doc", "list"].into_iter().chain(list.split(' ')));
    assert!(products.lines().count() > 10, "{products}");
    let sale = told()
        .lines()
        .find_map(|line| line.trim().strip_prefix("ISLE_DATA=").map(str::to_owned))
        .expect("a service to run is named");
    let (data, run) = sale.split_once(' ').unwrap();
    assert!(std::path::Path::new(data).join("isle.toml").exists(), "{data}");
    assert_eq!(run, "cargo run -p client --example point_of_sale");
    assert!(Command::new("kill").arg(demo.id().to_string()).status().unwrap().success());
    assert!(demo.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "its directory is left behind");
}

/// Shops in network namespaces, behind narrow lines that lose datagrams where nft is there.
#[test]
fn shops_behind_narrow_lines_lose_nothing() {
    let arguments = ["demo", "--json", "--netns", "--shops", "2", "--pace", "3", "--seed", "7"];
    let output = program::run(arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    if told.contains("--netns needs") {
        return skipped("demo_netns", &told);
    }
    assert!(told.contains("1 Mbit/s and 75ms each way"), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap().stdout;
    let namespaces = String::from_utf8(namespaces).unwrap();
    assert!(!namespaces.contains("isle-demo-"), "left behind: {namespaces}");
}
