//! The configuration: a file, over it variables, over those flags.

use std::path::Path;
use std::process::{Command, Output};
use tests::process::{Fleet, Process, site_config};
use tests::program;

/// A command on a data directory with variables of its own.
fn isle(arguments: &[&str], data: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program::path());
    command.args(arguments).arg("--data").arg(data).env_remove("ISLE_LOG").envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn what_holds_is_shown_with_where_it_comes_from() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let variables = [("ISLE_OBSERVE", "127.0.0.1:0"), ("ISLE_LISTEN", "127.0.0.1:1")];
    let shown = isle(&["config", "show", "--listen", "127.0.0.1:0", "--json"], &data, &variables);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let settings = shown["settings"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(
        (&of("listen")["value"], &of("listen")["from"]["name"]),
        (&"127.0.0.1:0".into(), &"--listen".into())
    );
    assert_eq!(of("observe")["from"]["name"], "ISLE_OBSERVE");
    assert_eq!(
        (&of("peers.hub.address")["from"]["line"], &of("hub")["from"]["kind"]),
        (&6.into(), &"default".into())
    );
    let table = String::from_utf8(isle(&["config", "show"], &data, &variables).stdout).unwrap();
    let line = table.lines().find(|line| line.starts_with("observe ")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["observe", "127.0.0.1:0", "ISLE_OBSERVE"]);
    let checked = isle(&["config", "check"], &data, &variables);
    assert!(checked.status.success());
    assert!(String::from_utf8(checked.stdout).unwrap().contains("nothing is wrong"));
}

#[test]
fn a_check_says_all_that_is_wrong_and_ends_with_1() {
    let fleet = Fleet::new();
    let text = site_config("store-1", "127.0.0.1:9").replace("address", "adress").replace("relay", "reley");
    let data = fleet.prepare("store-1", &text);
    for command in [&["config", "check"][..], &["serve"]] {
        let refused = isle(command, &data, &[("ISLE_LISTN", "127.0.0.1:0")]);
        assert_eq!(refused.status.code(), Some(1));
        let errors = String::from_utf8(refused.stderr).unwrap();
        for part in ["isle.toml:6: peers.hub.adress", "mean 'address'?", "mean 'relay'?", "mean ISLE_LISTEN?"]
        {
            assert!(errors.contains(part), "'{part}' is not in: {errors}");
        }
    }
    let data = fleet.prepare("store-2", &site_config("store-1", "127.0.0.1:9"));
    for command in [&["config", "check"][..], &["serve"]] {
        let refused = isle(command, &data, &[]);
        let errors = String::from_utf8(refused.stderr).unwrap();
        let is_told = errors.contains("is for \"store-2\": use the right one of the two");
        assert!(refused.status.code() == Some(1) && is_told, "{errors}");
    }
}

#[tokio::test]
async fn a_server_goes_by_its_variables_and_every_command_by_isle_data() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let variables = [("ISLE_OBSERVE", "127.0.0.1:0".to_owned()), ("ISLE_LOG_FORMAT", "json".to_owned())];
    let site = Process::start_with(data.clone(), &variables);
    assert!(site.output().contains("answers monitoring on http://127.0.0.1:"), "{}", site.output());
    let status = Command::new(program::path()).args(["status"]).env("ISLE_DATA", &data).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
}
