//! Documents with fields of every kind, as a person changes and asks for them.

use crate::command::{fails, words};
use serde_json::{Value, json};
use tests::process::{Fleet, Process, site_config};
use tests::program::run_well;

const ADDRESS: &str = "store-1/inventory/milk";

fn site(fleet: &Fleet) -> Process {
    Process::start(fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9")))
}

#[test]
fn stock_is_granted_spent_patched_deleted_and_its_history_told() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let run = |command: &str, rest: &[&str]| run_well(words(command, &site.data, rest));
    let got = || serde_json::from_str::<Value>(&run("doc get", &[ADDRESS])).unwrap();

    run("doc put", &[ADDRESS, r#"{"on_hand": 12, "sellable": 10}"#]);
    let sale = r#"[{"op": "spend", "field": "/sellable", "by": 2}, {"op": "increment", "field": "/on_hand", "by": -2}]"#;
    run("doc change", &[ADDRESS, sale, "--author", "till-3", "--message", "sold"]);
    run("doc patch", &[ADDRESS, r#"{"shelf": "A-12", "attributes": {"colour": "white"}}"#]);
    let expected = json!({"on_hand": 10, "sellable": 8, "shelf": "A-12", "attributes": {"colour": "white"}});
    assert_eq!(got(), expected);

    let too_much = r#"[{"op": "spend", "field": "/sellable", "by": 9}]"#;
    fails(&words("doc change", &site.data, &[ADDRESS, too_much]), 1, &["/sellable", "1"]);
    let precondition =
        r#"[{"op": "test", "path": "/shelf", "value": "B"}, {"op": "remove", "path": "/shelf"}]"#;
    fails(&words("doc patch", &site.data, &[ADDRESS, precondition]), 7, &["/shelf", "A-12"]);
    assert_eq!(got(), expected, "what is refused changes nothing");

    let history = run("doc history", &[ADDRESS]);
    assert_eq!(history.lines().filter(|line| line.contains("origin")).count(), 3, "{history}");
    assert!(history.contains("by till-3  \"sold\""), "{history}");
    assert!(history.contains("replace /on_hand 10"), "{history}");
    let newest: Value =
        serde_json::from_str(&run("doc history", &[ADDRESS, "--json", "--limit", "1"])).unwrap();
    let before = newest["dependencies"][0].as_str().unwrap();
    let earlier: Value = serde_json::from_str(&run("doc get", &[ADDRESS, "--heads", before])).unwrap();
    assert_eq!(earlier, json!({"on_hand": 10, "sellable": 8}));
    fails(&words("doc get", &site.data, &[ADDRESS, "--at", "2001-01-01T00:00:00Z"]), 1, &["no document"]);
    assert_eq!(run("doc conflicts", &[ADDRESS]), "no conflicts\n");

    run("doc delete", &[ADDRESS]);
    fails(&words("doc get", &site.data, &[ADDRESS]), 1, &["no document"]);
    fails(&words("doc patch", &site.data, &[ADDRESS, "{}"]), 1, &["deleted"]);
    run("doc put", &[ADDRESS, r#"{"on_hand": 3}"#]);
    assert_eq!(got()["on_hand"], 3);
}

#[test]
fn a_collection_is_asked_by_its_fields() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    for (key, price) in [("milk", 120), ("bread", 310), ("salt", 90)] {
        let product = json!({"name": key, "department": "GROCERY", "price": price}).to_string();
        run_well(words("doc put", &site.data, &[&format!("store-1/product/{key}"), &product]));
    }
    let query = |rest: &[&str]| run_well(words("query", &site.data, &[&["store-1/product"], rest].concat()));
    let keys = |text: &str| -> Vec<String> {
        let key =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
        text.lines().map(key).collect()
    };
    assert_eq!(keys(&query(&["--where", "/price<200", "--order", "/price"])), ["salt", "milk"]);
    assert_eq!(keys(&query(&["--order", "/price", "--descending", "--limit", "1"])), ["bread"]);
    assert_eq!(
        query(&["--prefix", "mi", "--fields", "/price"]),
        "{\"key\":\"milk\",\"value\":{\"price\":120}}\n"
    );
    assert!(query(&["--where", "/department=DRUG"]).is_empty());
    fails(&words("query", &site.data, &["store-1/product", "--where", "price<1"]), 1, &["'/price<500'"]);
}

#[test]
fn a_schema_of_the_data_directory_is_held() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    std::fs::create_dir(data.join("schemas")).unwrap();
    let schema = |minimum: &str| {
        format!(
            r#"{{"x-version": 1, "type": "object", "properties": {{
                "celsius": {{"type": "number", "minimum": {minimum}, "default": 4}}}}}}"#
        )
    };
    let path = data.join("schemas/fridge.json");
    std::fs::write(&path, schema("\"cold\"")).unwrap();
    fails(&words("serve", &data, &[]), 1, &["fridge.json", "/properties/celsius/minimum"]);
    std::fs::write(&path, schema("-30")).unwrap();
    let site = Process::start(data);
    let put = |text: &str| words("doc put", &site.data, &["store-1/fridge/1", text]).join("\u{1}");
    fails(&put(r#"{"celsius": -300}"#).split('\u{1}').collect::<Vec<_>>(), 1, &["/celsius", "-300"]);
    run_well(words("doc put", &site.data, &["store-1/fridge/1", r#"{"door": "shut"}"#]));
    let got = run_well(words("doc get", &site.data, &["store-1/fridge/1"]));
    assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), json!({"celsius": 4, "door": "shut"}));
}

#[test]
fn a_write_is_made_only_while_its_document_is_as_its_writer_knows_it() {
    let fleet = Fleet::new();
    let mut site = site(&fleet);
    let data = site.data.clone();
    let put = |rest: &[&str]| words("doc put", &data, &[&[ADDRESS][..], rest].concat()).join("\u{1}");
    let fails_with_7 = |line: &str, parts: &[&str]| fails(&line.split('\u{1}').collect::<Vec<_>>(), 7, parts);
    let run = |line: &str| run_well(line.split('\u{1}'));
    fails_with_7(
        &put(&["{}", "--if-exists"]),
        &["there is no document store-1/inventory/milk", "nothing was written"],
    );
    let made: Value =
        serde_json::from_str(&run(&put(&[r#"{"on_hand": 1}"#, "--if-absent", "--json"]))).unwrap();
    let read = || -> Value {
        serde_json::from_str(&run_well(words("doc get", &data, &[ADDRESS, "--json"]))).unwrap()
    };
    assert_eq!(made["heads"], read()["heads"]);
    let heads = made["heads"][0].as_str().unwrap().to_owned();
    fails_with_7(&put(&[r#"{"on_hand": 2}"#, "--if-absent"]), &[&heads, "read the document again", "hint"]);

    let sold =
        words("doc increment", &data, &[ADDRESS, "/on_hand", "-1", "--if-heads", &heads]).join("\u{1}");
    let keyed = [&sold[..], "--idempotency-key", "sale-1"].join("\u{1}");
    let first = run(&keyed);
    fails_with_7(&sold, &["has the heads"]);
    assert_eq!(run(&keyed), first, "a retry is answered, though its own success ended the condition");
    assert_eq!(read()["value"], json!({"on_hand": 0}));
    for command in ["doc patch", "doc change"] {
        let rest = [ADDRESS, if command == "doc patch" { "{}" } else { "[]" }, "--if-heads", &heads];
        fails(&words(command, &data, &rest), 7, &["has the heads"]);
    }
    fails(&words("doc delete", &data, &[ADDRESS, "--if-heads", "5f"]), 1, &["'5f' is no hash"]);
    fails(&words("doc delete", &data, &[ADDRESS, "--if-exists", "--if-absent"]), 2, &["cannot be used with"]);
    let known = read()["heads"][0].as_str().unwrap().to_owned();
    run_well(words("doc delete", &data, &[ADDRESS, "--if-heads", &known]));
    // Without a server it is the same.
    site.kill();
    fails_with_7(&put(&["{}", "--if-exists"]), &["is deleted and has the heads"]);
    run(&put(&[r#"{"on_hand": 3}"#, "--if-absent"]));
}
