use super::*;

const SITE: &str = r#"name = "store-367"
listen = "127.0.0.1:7401"

[spaces]
catalog = "read"
store-367 = "write"

[peers.hub]
address = "127.0.0.1:7400"
relay = true

[peers.hub.spaces]
catalog = { write = true }
store-367 = { read = true, write = true }
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("isle.toml"))
}

fn space(text: &str) -> Space {
    Space::new(text).unwrap()
}

#[test]
fn a_site_becomes_settings_of_the_core() {
    let settings = parse(SITE).unwrap().settings(Schemas::default(), [1; 32], [2; 16], 3);
    assert_eq!((settings.name.as_str(), settings.epoch), ("store-367", 3));
    assert_eq!(settings.key, OriginKey { public_key: [1; 32], incarnation: [2; 16] });
    assert_eq!(settings.spaces[&space("catalog")], replica::SpaceMode::Read);
    assert_eq!(settings.spaces[&space("store-367")], replica::SpaceMode::Write);
    let hub = &settings.peers["hub"];
    assert!(hub.relay);
    assert_eq!(hub.spaces[&space("catalog")], Access { read: false, write: true });
    assert_eq!(hub.spaces[&space("store-367")], Access { read: true, write: true });
}

#[test]
fn the_authority_is_a_key() {
    let with = |key: &str| parse(&format!("authority = \"{key}\"\n{SITE}"));
    let config = with(&"0f".repeat(32)).unwrap();
    let settings = config.settings(Schemas::default(), [1; 32], [2; 16], 3);
    assert_eq!(settings.authority, Some([0x0f; 32]));
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    assert!(with("0f").unwrap_err().to_string().contains("64 hexadecimal digits"));
}

#[test]
fn a_hub_says_how_it_enrols() {
    let with = |lines: &str| parse(&format!("{SITE}\n[enrolment]\n{lines}"));
    let config = with("certificate = \"12h\"\naddress = \"hub.example:7400\"\n").unwrap();
    assert_eq!(config.enrolment.certificate.0, Duration::from_hours(12));
    assert_eq!(config.enrolment.grace.0, RENEWAL_GRACE);
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    assert!(with("certificate = \"30\"\n").unwrap_err().to_string().contains("a number and its unit"));
    assert!(with("certificate = \"9s\"\n").unwrap_err().to_string().contains("isle.toml:17:"));
}

#[test]
fn a_link_may_have_a_schedule_and_caps() {
    let with = |lines: &str| parse(&format!("{SITE}\n[peers.hub.schedule]\n{lines}"));
    let config = with("every = \"5m\"\nbetween = [\"22:00-05:00\"]\nat_once = [\"store-367\"]\n").unwrap();
    let schedule = config.peers["hub"].schedule.clone().unwrap();
    assert_eq!(schedule.every.unwrap().0, Duration::from_mins(5));
    assert_eq!((schedule.between[0].to_string().as_str(), schedule.at_once.len()), ("22:00-05:00", 1));
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    for (lines, part) in [
        ("every = \"1s\"", "10 s at least"),
        ("between = [\"22-5\"]", "as in \"22:00-05:00\""),
        ("at_once = [\"alerts\"]", "'alerts', which this replica does not carry"),
    ] {
        let message = with(lines).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("isle.toml:1"), "{message}");
    }
    refused("address = \"127.0.0.1:7400\"", "schedule = { every = \"5m\" }", &["this peer dials"]);
    let capped = SITE.replacen("relay = true", "relay = true\nsend_kbit_s_max = 512", 1);
    assert_eq!(parse(&capped).unwrap().peers["hub"].send_kbit_s_max.unwrap().get(), 512);
    refused("relay = true", "send_kbit_s_max = 0", &["send_kbit_s_max", "nonzero"]);
}

#[test]
fn the_journal_is_kept_as_long_as_the_core_would() {
    let settings = |text: &str| parse(text).unwrap().settings(Schemas::default(), [1; 32], [2; 16], 3);
    assert_eq!(settings(SITE).trimming, TrimPolicy::default());
    let short = settings(&format!("{SITE}\n[journal]\nkeep = \"1d\"\nmib_max = 64\n")).trimming;
    assert_eq!(short, TrimPolicy { age_ms: 86_400_000, bytes: 64 << 20 });
}

#[test]
fn what_is_written_is_read_back() {
    let config = parse(SITE).unwrap();
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn a_replica_alone_needs_a_name_and_spaces_only() {
    let config = parse("name = \"alone\"\n[spaces]\nnotes = \"write\"\n").unwrap();
    assert_eq!((config.listen, config.peers.len()), (None, 0));
}

#[track_caller]
fn refused(from: &str, to: &str, parts: &[&str]) {
    let text = SITE.replacen(from, to, 1);
    assert_ne!(text, SITE);
    let message = parse(&text).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

#[test]
fn a_refusal_names_file_line_key_and_what_is_right() {
    refused("listen =", "listn =", &["isle.toml:2:", "listn", "expected", "`listen`"]);
    refused("\"read\"", "\"readonly\"", &["isle.toml:5:", "catalog", "`read` or `write`"]);
    refused("127.0.0.1:7401", "127.0.0.1", &["isle.toml:2:", "listen", "socket address"]);
    refused("127.0.0.1:7400", "hub", &["isle.toml:9:", "address", "host and port"]);
    refused("store-367 = \"write\"", "Store = \"write\"", &["isle.toml:6:", "Store", "small letters"]);
    refused("{ write = true }", "{ wite = true }", &["isle.toml:13:", "wite", "`write`"]);
    refused("name = \"store-367\"\n", "", &["isle.toml", "name"]);
    refused("relay = true", "relay = yes", &["isle.toml:10:", "relay"]);
}

#[test]
fn what_contradicts_itself_is_refused_with_its_line() {
    refused("catalog = \"read\"\n", "", &["isle.toml:12:", "peers.hub.spaces.catalog", "add it to [spaces]"]);
    refused("name = \"store-367\"", "name = \"hub\"", &["isle.toml:8:", "peers.hub is this replica itself"]);
}

#[test]
fn a_missing_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = Config::load(&directory.path().join("isle.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }) && error.to_string().contains("isle.toml"));
}
