use super::settings::SETTINGS;
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

fn parse(text: &str) -> Result<Config, ConfigErrors> {
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
    assert!(hub.relay && !hub.snapshots);
    let trusted = parse(&SITE.replacen("relay = true", "snapshots = true", 1)).unwrap();
    assert!(trusted.settings(Schemas::default(), [1; 32], [2; 16], 3).peers["hub"].snapshots);
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
fn pages_are_let_in_by_exact_origins() {
    let with = |origins: &str| parse(&format!("{SITE}\n[http]\nallow_origins = {origins}\n"));
    let config = with("[\"https://dash.example\", \"http://127.0.0.1:3000\"]").unwrap();
    let origins: Vec<_> = config.http.allow_origins.iter().map(PageOrigin::as_str).collect();
    assert_eq!(origins, ["https://dash.example", "http://127.0.0.1:3000"]);
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    for origins in ["[\"*\"]", "[\"null\"]", "[\"https://dash.example/\"]", "[\"dash.example\"]"] {
        let said = with(origins).unwrap_err().to_string();
        assert!(
            said.contains("isle.toml:17: http.allow_origins: ") && said.contains("as browsers do"),
            "{said}"
        );
    }
    assert!(with("\"https://dash.example\"").is_err(), "a list");
}

#[test]
fn tls_is_spoken_at_an_address() {
    let with = |lines: &str| parse(&format!("{SITE}\n[http]\n{lines}\n"));
    assert!(with("tls = true\nlisten = \"127.0.0.1:7480\"").unwrap().http.tls);
    let said = with("tls = true").unwrap_err().to_string();
    assert!(said.starts_with("isle.toml:17: http.tls: ") && said.contains("add listen"), "{said}");
}

#[test]
fn memory_for_documents_is_that_of_a_small_machine_unless_it_is_said() {
    let bytes = |text: &str| {
        parse(text).unwrap().settings(Schemas::default(), [1; 32], [2; 16], 3).open_documents_bytes_max
    };
    assert_eq!(bytes(SITE), 16 << 20);
    assert_eq!(bytes(&format!("open_documents_mib_max = 64\n{SITE}")), 64 << 20);
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
    refused("listen =", "listn =", &["isle.toml:2: listn: there is no such key: did you mean 'listen'?"]);
    refused("address =", "adress =", &["isle.toml:9: peers.hub.adress: ", "did you mean 'address'?"]);
    refused(
        "relay = true",
        "colour = 1",
        &["isle.toml:10: peers.hub.colour: ", "here can stand address, relay, hub"],
    );
    refused("[peers.hub]", "[peer.hub]", &["isle.toml:8: peer: ", "did you mean 'peers'?"]);
    refused("[spaces]", "[space]", &["isle.toml:4: space: ", "isle.toml: spaces is missing: add [spaces]"]);
    refused("\"read\"", "\"readonly\"", &["isle.toml:5:", "catalog", "`read` or `write`"]);
    refused("127.0.0.1:7401", "127.0.0.1", &["isle.toml:2:", "listen", "socket address"]);
    refused("127.0.0.1:7400", "hub", &["isle.toml:9:", "address", "host and port"]);
    refused("store-367 = \"write\"", "Store = \"write\"", &["isle.toml:6:", "Store", "small letters"]);
    refused(
        "{ write = true }",
        "{ wite = true }",
        &["isle.toml:13: peers.hub.spaces.catalog.wite", "'write'"],
    );
    refused("{ write = true }", "true", &["isle.toml:13: peers.hub.spaces.catalog: a table belongs here"]);
    refused("name = \"store-367\"\n", "", &["isle.toml: name is missing: add name = ", "ISLE_NAME"]);
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
    assert!(matches!(error.0[..], [ConfigError::Read { .. }]) && error.to_string().contains("isle.toml"));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = SITE.replacen("listen", "listn", 1).replacen("relay = true", "relay = 1", 1);
    let text = text.replacen("catalog = \"read\"", "catalog = \"reed\"", 1);
    let errors =
        Effective::parse(&text, Path::new("isle.toml"), &layers(&[("ISLE_OBSERVE", "9401")])).unwrap_err();
    let said = errors.to_string();
    assert_eq!(errors.0.len(), 4, "{said}");
    for part in ["isle.toml:2: listn", "isle.toml:5: spaces.catalog: ", "isle.toml:10: peers.hub.relay: "] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    assert!(
        said.contains("ISLE_OBSERVE = '9401': observe: ") && said.contains("as in 127.0.0.1:9401"),
        "{said}"
    );
}

#[test]
fn a_text_of_many_faults_says_as_many_as_anybody_reads() {
    let text: String = (0..1_000).map(|number| format!("key-{number} = 1\n")).collect();
    let errors = parse(&text).unwrap_err();
    assert!((50..60).contains(&errors.0.len()), "{}", errors.0.len());
}

fn layers(variables: &[(&str, &str)]) -> Layers {
    Layers::of_variables(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

fn effective(layers: &Layers) -> Effective {
    let text = SITE.replace("relay = true\n", "relay = true\nhub = true\n");
    Effective::parse(&text, Path::new("isle.toml"), layers).unwrap()
}

#[test]
fn variables_overrule_the_file_and_flags_overrule_both() {
    let address = |port: u16| Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let variables = [
        ("ISLE_LISTEN", "127.0.0.1:7402"),
        ("ISLE_OBSERVE", ""),
        ("ISLE_ENROLMENT_GRACE", "5d"),
        ("ISLE_LOG_FORMAT", "json"),
        ("ISLE_DATA", "/var/lib/isle"),
        ("ISLE_TESTS_SKIPPED", "x"),
        ("HOME", "/root"),
    ];
    let of_variables = layers(&variables);
    let both = of_variables.clone().with_flag("listen", Some("127.0.0.1:7403"));
    assert_eq!(effective(&Layers::default()).config.listen, address(7401));
    let effective = effective(&both);
    assert_eq!((effective.config.listen, effective.config.observe), (address(7403), None));
    assert_eq!(effective.config.log_format, LogFormat::Json);
    assert_eq!(effective.config.enrolment.grace.0, Duration::from_hours(5 * 24));
    assert_eq!(effective.warnings, Vec::<String>::new());
    let sources = ["listen", "observe", "enrolment.grace", "peers.hub.spaces.catalog.write", "name"];
    let sources = sources.map(|key| effective.source(key).to_string());
    assert_eq!(sources, ["--listen", "default", "ISLE_ENROLMENT_GRACE", "isle.toml:14", "isle.toml:1"]);
}

#[test]
fn each_setting_is_made_by_its_variable_and_shown() {
    let key = "0f".repeat(32);
    let variables = [
        ("ISLE_NAME", "store-9"),
        ("ISLE_LISTEN", "127.0.0.1:1"),
        ("ISLE_OBSERVE", "127.0.0.1:2"),
        ("ISLE_SYNC_INTERVAL_MS", "50"),
        ("ISLE_LOG", "warn"),
        ("ISLE_LOG_FORMAT", "json"),
        ("ISLE_HUB", "true"),
        ("ISLE_AUTHORITY", &key),
        ("ISLE_TAKES_OWN_PAST", "true"),
        ("ISLE_OPEN_DOCUMENTS_MIB_MAX", "64"),
        ("ISLE_JOURNAL_KEEP", "1d"),
        ("ISLE_JOURNAL_MIB_MAX", "64"),
        ("ISLE_ENROLMENT_ADDRESS", "hub:7400"),
        ("ISLE_ENROLMENT_CERTIFICATE", "12h"),
        ("ISLE_ENROLMENT_GRACE", "5d"),
        ("ISLE_HTTP_LISTEN", "127.0.0.1:3"),
        ("ISLE_HTTP_TLS", "true"),
        ("ISLE_HTTP_CONNECTIONS_MAX", "9"),
        ("ISLE_HTTP_REQUESTS_MAX", "8"),
        ("ISLE_HTTP_WATCHES_MAX", "7"),
        ("ISLE_HTTP_LINES_MAX", "5"),
        ("ISLE_HTTP_BODY_KIB_MAX", "6"),
        ("ISLE_HTTP_BODIES_MIB_MAX", "3"),
        ("ISLE_HTTP_DEPTH_MAX", "5"),
        ("ISLE_HTTP_TIME_MAX", "4s"),
        ("ISLE_HTTP_IDEMPOTENCY_KEYS_MAX", "70000"),
        ("ISLE_HTTP_LOOPBACK_WITHOUT_TOKEN", "true"),
        ("ISLE_HTTP_ALLOW_ORIGINS", "https://dash.example,http://127.0.0.1:3000"),
    ];
    let shown = effective(&layers(&variables)).shown();
    for ((name, value), shown) in variables.iter().zip(&shown) {
        assert_eq!((shown.value.as_deref(), shown.from.to_string().as_str()), (Some(*value), *name));
        assert_eq!(format!("ISLE_{}", shown.key.replace('.', "_").to_uppercase()), *name);
    }
    assert_eq!(shown.len(), variables.len() + 2 + 3 + 2 * 2);
    let refused = |name: &'static str, value: &str| {
        let errors = Effective::parse(SITE, Path::new("isle.toml"), &layers(&[(name, value)])).unwrap_err();
        assert!(errors.to_string().starts_with(&format!("{name} = '{value}': ")), "{errors}");
    };
    for (name, _) in variables.iter().filter(|(name, _)| *name != "ISLE_NAME") {
        refused(name, "x=noisy");
    }
}

#[test]
fn a_name_may_come_from_a_variable_alone() {
    let text = SITE.replacen("name = \"store-367\"\n", "", 1);
    let named =
        Effective::parse(&text, Path::new("isle.toml"), &layers(&[("ISLE_NAME", "store-9")])).unwrap();
    assert_eq!(named.config.name, "store-9");
    let short =
        Effective::parse(SITE, Path::new("isle.toml"), &layers(&[("ISLE_ENROLMENT_CERTIFICATE", "1s")]));
    let said = short.unwrap_err().to_string();
    assert!(said.starts_with("ISLE_ENROLMENT_CERTIFICATE: enrolment.certificate: "), "{said}");
}

#[test]
fn a_mistyped_variable_is_refused_and_one_of_an_orchestrator_is_told() {
    let mistyped = Effective::parse(SITE, Path::new("isle.toml"), &layers(&[("ISLE_LISTN", "127.0.0.1:1")]));
    let said = mistyped.unwrap_err().to_string();
    assert_eq!(said, "there is no variable ISLE_LISTN: did you mean ISLE_LISTEN?");
    let effective =
        effective(&layers(&[("ISLE_PORT_7400_UDP", "udp://10.0.0.1:7400"), ("ISLE_LISTENING", "1")]));
    assert_eq!(effective.warnings.len(), 2);
    assert!(
        effective.warnings[0]
            .contains("ISLE_LISTENING makes no setting; the nearest that does is ISLE_LISTEN")
    );
}

#[test]
fn the_help_lists_every_variable() {
    let words: Vec<&str> = crate::arguments::CONFIG_AFTER_HELP.split([' ', ',', '.', '\n']).collect();
    for setting in SETTINGS {
        assert!(words.contains(&setting.variable().as_str()), "{}", setting.variable());
    }
}

#[test]
fn a_hub_dials_no_site() {
    let hub = "name = \"hub\"\nhub = true\n[spaces]\n[peers.store-1]\naddress = \"127.0.0.1:1\"\n";
    let refused = parse(hub).unwrap_err().to_string();
    assert!(refused.contains("isle.toml:5: peers.store-1.address: a hub dials no site"), "{refused}");
    // Sites may dial one another.
    assert!(parse(&hub.replace("hub = true\n", "")).is_ok());
}

#[test]
fn numbers_out_of_their_range_are_refused() {
    let with = |lines: &str| parse(&format!("{SITE}\n[http]\n{lines}\n"));
    assert!(with("depth_max = 127\nidempotency_keys_max = 65536").is_ok());
    let said = with("depth_max = 128\nidempotency_keys_max = 65535").unwrap_err().to_string();
    assert!(said.contains("isle.toml:17: http.depth_max is from 1 to 127"), "{said}");
    assert!(said.contains("isle.toml:18: http.idempotency_keys_max is from 65536 to 4294967295"), "{said}");
}

#[test]
fn few_connections_for_many_feeds_are_told_and_stop_no_server() {
    let with = |lines: &str| {
        let text = format!("{SITE}\n[http]\n{lines}\n");
        Effective::parse(&text, Path::new("isle.toml"), &Layers::default()).unwrap().warnings
    };
    assert_eq!(with("connections_max = 257"), Vec::<String>::new());
    for (lines, key) in [("connections_max = 256", "connections_max"), ("watches_max = 512", "watches_max")] {
        let told = with(lines).concat();
        assert!(told.starts_with(&format!("isle.toml:17: http.{key}: ")), "{told}");
    }
}
