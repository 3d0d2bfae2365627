//! `isle serve` and `isle config`.

use super::Data;
use crate::config::{Layers, LogFilter, LogFormat};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::num::NonZeroU32;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  isle config check --data /var/lib/isle
  ISLE_LISTEN=0.0.0.0:7400 isle config show --data /var/lib/isle --log-format json

isle.toml of the data directory is overruled by variables, and those by flags of `isle serve`. A variable is named by the
key's path: ISLE_NAME, ISLE_LISTEN, ISLE_OBSERVE, ISLE_SYNC_INTERVAL_MS, ISLE_LOG, ISLE_LOG_FORMAT, ISLE_HUB, ISLE_AUTHORITY,
ISLE_TAKES_OWN_PAST, ISLE_OPEN_DOCUMENTS_MIB_MAX, ISLE_JOURNAL_KEEP, ISLE_JOURNAL_MIB_MAX, ISLE_ENROLMENT_ADDRESS,
ISLE_ENROLMENT_CERTIFICATE, ISLE_ENROLMENT_GRACE, ISLE_HTTP_LISTEN, ISLE_HTTP_TLS, ISLE_HTTP_CONNECTIONS_MAX,
ISLE_HTTP_REQUESTS_MAX, ISLE_HTTP_WATCHES_MAX, ISLE_HTTP_LINES_MAX, ISLE_HTTP_BODY_KIB_MAX, ISLE_HTTP_BODIES_MIB_MAX,
ISLE_HTTP_DEPTH_MAX, ISLE_HTTP_TIME_MAX, ISLE_HTTP_IDEMPOTENCY_KEYS_MAX, ISLE_HTTP_LOOPBACK_WITHOUT_TOKEN,
ISLE_HTTP_ALLOW_ORIGINS. An empty one counts as none. [spaces] and [peers] are in the file alone. ISLE_DATA stands for --data of every command.";

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
}

/// What overrules the configuration.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Over isle.toml and the environment")]
pub(crate) struct SettingFlags {
    /// The UDP address where peers may dial in (`listen`, ISLE_LISTEN).
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// The TCP address where monitoring asks (`observe`, ISLE_OBSERVE).
    #[arg(long, value_name = "IP:PORT")]
    observe: Option<SocketAddr>,
    /// Answer writes before they are synced, which is done this often (`sync_interval_ms`, ISLE_SYNC_INTERVAL_MS).
    #[arg(long, value_name = "MS")]
    sync_interval_ms: Option<NonZeroU32>,
    /// What is logged: a level, or levels of modules (`log`, ISLE_LOG).
    #[arg(long, value_name = "FILTER")]
    log: Option<LogFilter>,
    /// How lines of the log look (`log_format`, ISLE_LOG_FORMAT).
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Believe sites about what this hub wrote before it lost its disk (`takes_own_past`, ISLE_TAKES_OWN_PAST).
    #[arg(long)]
    takes_own_past: bool,
}

impl SettingFlags {
    /// Over the variables of the environment.
    pub(crate) fn layers(&self) -> Layers {
        Layers::of_environment()
            .with_flag("listen", self.listen)
            .with_flag("observe", self.observe)
            .with_flag("sync_interval_ms", self.sync_interval_ms)
            .with_flag("log", self.log.clone().map(String::from))
            .with_flag("log_format", self.log_format)
            .with_flag("takes_own_past", self.takes_own_past.then_some(true))
    }
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all that is wrong with the configuration, schemas and denied.txt; exit code 1 then.
    Check(ConfigArguments),
    /// Show the settings that hold, and where each comes from.
    Show(ConfigArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}
