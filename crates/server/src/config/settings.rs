//! The settings that variables and flags can make: those that are no tables.

use super::Config;
use std::fmt::Display;
use std::str::FromStr;

/// What is wrong with a value, in words.
type Unfit = String;

/// One of them.
pub(super) struct Setting {
    /// Its path from the root, as in the file.
    pub(super) key: &'static str,
    /// What stands for it when nobody says anything.
    pub(super) absent: &'static str,
    /// A value, for who wrote none.
    pub(super) example: &'static str,
    pub(super) set: fn(&mut Config, &str) -> Result<(), Unfit>,
    /// None where nobody said anything and there is no value either.
    pub(super) get: fn(&Config) -> Option<String>,
}

/// In the order in which they are shown.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "name",
        absent: "none",
        example: "store-367",
        set: |config, text| put(&mut config.name, text),
        get: |config| Some(config.name.clone()).filter(|name| !name.is_empty()),
    },
    Setting {
        key: "listen",
        absent: "any port, nobody dials in",
        example: "0.0.0.0:7400",
        set: |config, text| put_some(&mut config.listen, text),
        get: |config| shown(config.listen.as_ref()),
    },
    Setting {
        key: "observe",
        absent: "nowhere",
        example: "127.0.0.1:9401",
        set: |config, text| put_some(&mut config.observe, text),
        get: |config| shown(config.observe.as_ref()),
    },
    Setting {
        key: "sync_interval_ms",
        absent: "each write",
        example: "50",
        set: |config, text| put_some(&mut config.sync_interval_ms, text),
        get: |config| shown(config.sync_interval_ms.as_ref()),
    },
    Setting {
        key: "log",
        absent: crate::log::FILTER_DEFAULT,
        example: "warn,transport=debug",
        set: |config, text| put_some(&mut config.log, text),
        get: |config| config.log.as_ref().map(|filter| filter.as_str().to_owned()),
    },
    Setting {
        key: "log_format",
        absent: "text",
        example: "json",
        set: |config, text| put(&mut config.log_format, text),
        get: |config| Some(config.log_format.to_string()),
    },
    Setting {
        key: "hub",
        absent: "false",
        example: "true",
        set: |config, text| put(&mut config.hub, text),
        get: |config| Some(config.hub.to_string()),
    },
    Setting {
        key: "authority",
        absent: "none",
        example: "the hub's public key, 64 digits",
        set: |config, text| put_some(&mut config.authority, text),
        get: |config| config.authority.map(String::from),
    },
    Setting {
        key: "takes_own_past",
        absent: "false",
        example: "true",
        set: |config, text| put(&mut config.takes_own_past, text),
        get: |config| Some(config.takes_own_past.to_string()),
    },
    Setting {
        key: "open_documents_mib_max",
        absent: "16",
        example: "64",
        set: |config, text| put_some(&mut config.open_documents_mib_max, text),
        get: |config| shown(config.open_documents_mib_max.as_ref()),
    },
    Setting {
        key: "journal.keep",
        absent: "7d",
        example: "7d",
        set: |config, text| put(&mut config.journal.keep, text),
        get: |config| Some(config.journal.keep.to_string()),
    },
    Setting {
        key: "journal.mib_max",
        absent: "1024",
        example: "1024",
        set: |config, text| put(&mut config.journal.mib_max, text),
        get: |config| Some(config.journal.mib_max.to_string()),
    },
    Setting {
        key: "enrolment.address",
        absent: "who invites says it",
        example: "hub.example:7400",
        set: |config, text| put_some(&mut config.enrolment.address, text),
        get: |config| shown(config.enrolment.address.as_ref()),
    },
    Setting {
        key: "enrolment.certificate",
        absent: "30d",
        example: "30d",
        set: |config, text| put(&mut config.enrolment.certificate, text),
        get: |config| Some(config.enrolment.certificate.to_string()),
    },
    Setting {
        key: "enrolment.grace",
        absent: "90d",
        example: "90d",
        set: |config, text| put(&mut config.enrolment.grace, text),
        get: |config| Some(config.enrolment.grace.to_string()),
    },
    Setting {
        key: "http.listen",
        absent: "the socket alone",
        example: "127.0.0.1:7480",
        set: |config, text| put_some(&mut config.http.listen, text),
        get: |config| shown(config.http.listen.as_ref()),
    },
    Setting {
        key: "http.tls",
        absent: "false",
        example: "true",
        set: |config, text| put(&mut config.http.tls, text),
        get: |config| Some(config.http.tls.to_string()),
    },
    Setting {
        key: "http.connections_max",
        absent: "512",
        example: "512",
        set: |config, text| put(&mut config.http.connections_max, text),
        get: |config| Some(config.http.connections_max.to_string()),
    },
    Setting {
        key: "http.requests_max",
        absent: "64",
        example: "64",
        set: |config, text| put(&mut config.http.requests_max, text),
        get: |config| Some(config.http.requests_max.to_string()),
    },
    Setting {
        key: "http.watches_max",
        absent: "256",
        example: "256",
        set: |config, text| put(&mut config.http.watches_max, text),
        get: |config| Some(config.http.watches_max.to_string()),
    },
    Setting {
        key: "http.lines_max",
        absent: "16",
        example: "16",
        set: |config, text| put(&mut config.http.lines_max, text),
        get: |config| Some(config.http.lines_max.to_string()),
    },
    Setting {
        key: "http.body_kib_max",
        absent: "1024",
        example: "1024",
        set: |config, text| put(&mut config.http.body_kib_max, text),
        get: |config| Some(config.http.body_kib_max.to_string()),
    },
    Setting {
        key: "http.bodies_mib_max",
        absent: "8",
        example: "8",
        set: |config, text| put(&mut config.http.bodies_mib_max, text),
        get: |config| Some(config.http.bodies_mib_max.to_string()),
    },
    Setting {
        key: "http.depth_max",
        absent: "64",
        example: "64",
        set: |config, text| put(&mut config.http.depth_max, text),
        get: |config| Some(config.http.depth_max.to_string()),
    },
    Setting {
        key: "http.time_max",
        absent: "30s",
        example: "30s",
        set: |config, text| put(&mut config.http.time_max, text),
        get: |config| Some(config.http.time_max.to_string()),
    },
    Setting {
        key: "http.idempotency_keys_max",
        absent: "1048576",
        example: "1048576",
        set: |config, text| put(&mut config.http.idempotency_keys_max, text),
        get: |config| Some(config.http.idempotency_keys_max.to_string()),
    },
    Setting {
        key: "http.loopback_without_token",
        absent: "false",
        example: "true",
        set: |config, text| put(&mut config.http.loopback_without_token, text),
        get: |config| Some(config.http.loopback_without_token.to_string()),
    },
    Setting {
        key: "http.allow_origins",
        absent: "none",
        example: "https://dash.example,http://127.0.0.1:3000",
        set: |config, text| put(&mut config.http.allow_origins, text),
        get: |config| Some(config.http.allow_origins.to_string()).filter(|origins| !origins.is_empty()),
    },
];

impl Setting {
    /// The variable that makes it: `ISLE_ENROLMENT_GRACE`.
    pub(super) fn variable(&self) -> String {
        format!("ISLE_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The flag of `isle serve` that makes it, where there is one: `--sync-interval-ms`.
    pub(super) fn flag(&self) -> String {
        format!("--{}", self.key.replace(['.', '_'], "-"))
    }
}

fn put<T: FromStr<Err: Display>>(place: &mut T, text: &str) -> Result<(), Unfit> {
    *place = text.parse().map_err(|error: T::Err| error.to_string())?;
    Ok(())
}

fn put_some<T: FromStr<Err: Display>>(place: &mut Option<T>, text: &str) -> Result<(), Unfit> {
    *place = Some(text.parse().map_err(|error: T::Err| error.to_string())?);
    Ok(())
}

fn shown(value: Option<&impl Display>) -> Option<String> {
    value.map(ToString::to_string)
}
