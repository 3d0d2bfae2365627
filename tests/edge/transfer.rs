//! Collections as files, and back.

use crate::command::{fails, words};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::eventually;
use tests::process::{DEADLINE, Fleet, Process};
use tests::program::{self, run, run_well};

const PLACE: &str = "notes/inventory";
const MILK: &str = "notes/inventory/milk";

/// A replica with two spaces, and a directory for files.
struct Site {
    _fleet: Fleet,
    process: Process,
    files: PathBuf,
}

impl Site {
    fn new() -> Self {
        let fleet = Fleet::new();
        let config =
            "name = \"store-1\"\n[spaces]\nnotes = \"write\"\nempty = \"write\"\ncatalog = \"read\"\n";
        let process = fleet.start("store-1", config);
        let files = fleet.directory.path().to_owned();
        Self { _fleet: fleet, process, files }
    }

    fn data(&self) -> &Path {
        &self.process.data
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.files.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn import(&self, file: &str, more: &[&str]) -> String {
        run_well(words("import", self.data(), &[&[PLACE, file], more].concat()))
    }

    fn export(&self, place: &str, format: &str) -> String {
        run_well(words("export", self.data(), &[place, "--format", format]))
    }
}

#[tokio::test]
async fn what_is_exported_can_be_imported_elsewhere_and_is_the_same() {
    let site = Site::new();
    let documents = [
        ("a/b", json!({"on_hand": 3, "product": "12", "shelf": "", "price_override": 0.1})),
        (
            "milk",
            json!({"attributes": {"color": "white", "a/b~": "x,\"y\"\nz", "none": {}}, "tags": [1, "2", null]}),
        ),
        ("empty", json!({"shelf": "\"quoted\""})),
        ("text", json!({"free": "12", "other": "true", "key": "its own"})),
    ];
    for (key, value) in &documents {
        let address = format!("{PLACE}/{}", key.replace('/', "%2F"));
        site.process.put(&address, value.clone()).await;
    }
    for format in ["csv", "jsonl"] {
        let exported = site.export(PLACE, format);
        let file = site.file(&format!("all.{format}"), &exported);
        let elsewhere = ["empty/inventory", &file, "--as", format];
        let said = run_well(words("import", site.data(), &elsewhere));
        assert_eq!(said, "imported 4 documents\n");
        assert_eq!(site.export("empty/inventory", format), exported);
        for (key, value) in &documents {
            let address = format!("empty/inventory/{}", key.replace('/', "%2F"));
            assert_eq!(site.process.get(&address).await.as_ref(), Some(value));
        }
        // Put back for the other format.
        for (key, _) in &documents {
            let address = format!("empty/inventory/{}", key.replace('/', "%2F"));
            run_well(words("doc delete", site.data(), &[&address]));
        }
    }
    let output = site.files.join("out.csv");
    let said = run_well(words("export", site.data(), &[PLACE, "--output", output.to_str().unwrap()]));
    assert!(said.starts_with("exported 4 documents to "), "{said}");
    assert_eq!(fs::read_to_string(output).unwrap(), site.export(PLACE, "csv"));
}

#[tokio::test]
async fn an_import_that_is_run_again_sets_no_counter_back() {
    let site = Site::new();
    let file = site.file("stock.csv", "product,on_hand,shelf\nmilk,10,A\nbread,5,B\n");
    assert_eq!(site.import(&file, &["--key", "product"]), "imported 2 documents\n");
    // A pipe that has a name is read once.
    let bread = "key,on_hand\nsalt,1\nrice,2\n";
    let piped = Command::new("bash")
        .args(["-c", "\"$0\" import --data \"$1\" \"$2\" <(printf \"$3\") --format csv"])
        .args([program::path().as_os_str(), site.data().as_os_str()])
        .args([PLACE, bread])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&piped.stdout), "imported 2 documents\n", "{piped:?}");
    let milk = json!({"product": "milk", "on_hand": 10, "shelf": "A"});
    site.process.has(MILK, milk).await;
    site.process.add(MILK, -3, None).await;
    site.import(&file, &["--key", "product"]);
    assert_eq!(site.process.get(MILK).await.unwrap()["on_hand"], json!(7), "what was sold stays sold");
    // Another count: the put counts to the number in the file.
    site.import(&file, &["--key", "product", "--as", "second count"]);
    assert_eq!(site.process.get(MILK).await.unwrap()["on_hand"], json!(10));
    // A part of the fields.
    let file = site.file("shelves.csv", "key,shelf\nmilk,C\n");
    site.import(&file, &["--merge"]);
    let milk = json!({"product": "milk", "on_hand": 10, "shelf": "C"});
    assert_eq!(site.process.get(MILK).await, Some(milk));
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_where_it_was() {
    let site = Site::new();
    let rows: String = (0..1_000).map(|n| format!("{n},7\n")).collect();
    let text = format!("key,on_hand\n{rows}");
    let mut import = Command::new(program::path())
        .args(words("import", site.data(), &[PLACE, "-", "--format", "csv"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = import.stdin.take().unwrap();
    input.write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    input.flush().unwrap();
    let first = format!("{PLACE}/0");
    let written = words("doc get", site.data(), &[&first]);
    eventually(DEADLINE, "a part is written", || run(&written).status.success());
    import.kill().unwrap();
    import.wait().unwrap();
    site.process.add(&first, -2, None).await;
    assert!(site.export(PLACE, "jsonl").lines().count() < 600, "the other half was never there");

    let file = site.file("stock.csv", &text);
    assert_eq!(site.import(&file, &[]), "imported 1000 documents\n");
    let exported = site.export(PLACE, "jsonl");
    let full = exported.lines().filter(|line| line.contains("\"on_hand\":7")).count();
    assert_eq!((exported.lines().count(), full), (1_000, 999));
    site.process.has(&first, json!({"on_hand": 5})).await;
}

/// What `--help` and the hint say: the mended lines alone.
#[tokio::test]
async fn mending_a_skipped_line_sets_no_counter_back() {
    let site = Site::new();
    let rows: String = (0..300).map(|n| format!("{n},{}\n", if n == 50 { "many" } else { "7" })).collect();
    let text = format!("key,on_hand\n{rows}");
    let file = site.file("stock.csv", &text);
    let skipped = run(words("import", site.data(), &[PLACE, &file, "--continue"]));
    assert_eq!(skipped.status.code(), Some(6));
    let sold = [format!("{PLACE}/7"), format!("{PLACE}/60"), format!("{PLACE}/250")];
    for address in &sold {
        site.process.add(address, -3, None).await;
    }
    site.import(&site.file("mended.csv", "key,on_hand\n50,9\n"), &[]);
    // Also the whole file, mended, leaves lines alone that are not beside the one that was.
    site.import(&site.file("whole.csv", &text.replace("many", "9")), &[]);
    site.process.has(&format!("{PLACE}/50"), json!({"on_hand": 9})).await;
    site.process.has(&sold[2], json!({"on_hand": 4})).await;
    assert_eq!(site.export(PLACE, "jsonl").lines().count(), 300);
}

#[tokio::test]
async fn lines_that_are_no_documents_are_told_with_line_and_column() {
    let site = Site::new();
    let text = "key,on_hand,price_override\nmilk,1,1.5\nbread,many,1\nsalt,2,-3\neggs,4,\n";
    let file = site.file("stock.csv", text);
    let import = |more: &[&str]| {
        let rest = [&[PLACE, file.as_str()], more].concat();
        run(words("import", site.data(), &rest))
    };
    let told = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let bread = "line 3, column 2 (on_hand): 'many' is no whole number";
    let dry = import(&["--dry-run"]);
    for part in [bread, "line 4: /price_override: ", "2 lines would be refused"] {
        assert!(told(&dry).contains(part), "{}", told(&dry));
    }
    assert_eq!((dry.status.code(), site.process.get(MILK).await), (Some(1), None));
    let counted = import(&["--dry-run", "--json"]);
    assert!(String::from_utf8_lossy(&counted.stdout).contains("\"documents\":2"), "{counted:?}");

    // A file is read to its end before anything is written; of what comes through a pipe the first lines are in.
    let refused = import(&[]);
    assert!(told(&refused).contains(bread) && told(&refused).contains("mend the line"), "{}", told(&refused));
    assert_eq!((refused.status.code(), site.process.get(MILK).await), (Some(1), None));
    let mut piped = Command::new(program::path())
        .args(words("import", site.data(), &[PLACE, "-", "--format", "csv"]))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let stopped = piped.wait_with_output().unwrap();
    for part in [bread, "1 documents before it", "a file of their own"] {
        assert!(told(&stopped).contains(part), "{}", told(&stopped));
    }
    assert_eq!(stopped.status.code(), Some(6));
    let skipped = import(&["--continue", "--json"]);
    for part in [bread, "line 4: ", "2 lines were skipped; 2 documents are imported"] {
        assert!(told(&skipped).contains(part), "{}", told(&skipped));
    }
    assert_eq!(skipped.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&skipped.stdout).contains("\"skipped\":2"));
    assert_eq!(site.export(PLACE, "jsonl").lines().count(), 2);
    // What is wrong with all of it writes nothing.
    fails(&words("import", site.data(), &["catalog/product", &file]), 1, &["read-only"]);
    fails(&words("import", site.data(), &[PLACE, &file, "--key", "sku"]), 1, &["no column 'sku'", "--key"]);
    fails(&words("import", site.data(), &[PLACE, "stock.txt"]), 1, &["--format csv"]);
    let first = site.file("first.csv", "key,on_hand\nmilk,x\n");
    fails(&words("import", site.data(), &[PLACE, &first]), 1, &["line 2, column 2", "--continue"]);
}

/// What is no file, and what a link leads to, is written to and stays what it is.
#[tokio::test]
async fn an_export_replaces_nothing_but_files() {
    let site = Site::new();
    site.process.put(MILK, json!({"on_hand": 3})).await;
    let expected = site.export(PLACE, "jsonl");
    let path = |name: &str| site.files.join(name);
    let export = |name: &str| {
        let (output, file) = (path(name), ["--format", "jsonl", "--output"]);
        let rest = [&[PLACE][..], &file, &[output.to_str().unwrap()]].concat();
        run_well(words("export", site.data(), &rest))
    };
    let pipe = path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    export("pipe");
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), expected);

    fs::create_dir(path("elsewhere")).unwrap();
    for (link, target) in [("link", "elsewhere/there"), ("dangling", "elsewhere/new")] {
        std::os::unix::fs::symlink(target, path(link)).unwrap();
    }
    fs::write(path("elsewhere/there"), "old").unwrap();
    for (link, target) in [("link", "elsewhere/there"), ("dangling", "elsewhere/new")] {
        export(link);
        assert!(path(link).is_symlink(), "{link}");
        assert_eq!(fs::read_to_string(path(target)).unwrap(), expected, "{link}");
    }
    export("plain");
    assert_eq!(fs::read_to_string(path("plain")).unwrap(), expected);
}
