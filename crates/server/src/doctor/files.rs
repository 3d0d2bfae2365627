//! What is in the data directory.

use super::{Finding, Patient};
use crate::callers::TokenFile;
use crate::causes::in_words;
use crate::config::{Effective, Layers};
use crate::data_directory::DataDirectory;
use crate::enrolment::{DenyList, Hub, certificate_warning, date};
use crate::schemas;
use crate::server::renewed_by;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use transport::{Identity, RENEWAL_GRACE, Stage};

/// Permission bits of others than the owner that let them change something.
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub(super) fn directory(directory: &DataDirectory) -> Finding {
    const CHECK: &str = "data directory";
    if let Err(error) = directory.check_there() {
        return Finding::fail(CHECK, error.to_string());
    }
    let path = directory.path().display();
    if let Err(error) = tempfile::tempfile_in(directory.path()) {
        return Finding::fail(CHECK, format!("{path} cannot be written: {error}"))
            .with_hint("give it to the user that isle runs as, with mode 700");
    }
    match fs::metadata(directory.path()).map(|metadata| metadata.permissions().mode()) {
        Ok(mode) if mode & WRITABLE_BY_OTHERS != 0 => {
            Finding::warn(CHECK, format!("{path} can be changed by other users (mode {:03o})", mode & 0o777))
                .with_hint(format!("run `chmod 700 {path}`"))
        }
        Ok(_) => Finding::ok(CHECK, path.to_string()),
        Err(error) => Finding::fail(CHECK, format!("{path}: {error}")),
    }
}

pub(super) fn configuration(directory: &DataDirectory, layers: &Layers) -> (Option<Effective>, Finding) {
    const CHECK: &str = "configuration";
    match Effective::load(&directory.config(), layers) {
        Err(errors) => (None, Finding::fail(CHECK, in_words(&errors).replace('\n', "; "))),
        Ok(effective) if effective.warnings.is_empty() => {
            let found = directory.config().display().to_string();
            (Some(effective), Finding::ok(CHECK, found))
        }
        Ok(effective) => {
            let found = Finding::warn(CHECK, effective.warnings.join("; "));
            (Some(effective), found)
        }
    }
}

pub(super) fn identity(
    directory: &DataDirectory,
    effective: Option<&Effective>,
) -> (Option<Identity>, Finding) {
    const CHECK: &str = "identity";
    let identity = match Identity::load(&directory.identity()) {
        Ok(identity) => identity,
        Err(error) => {
            return (None, Finding::fail(CHECK, in_words(&error)).with_hint(
                "`isle join` makes the identity of a site that was invited, `isle hub init` that of a hub",
            ));
        }
    };
    let name = identity.name();
    let found =
        match effective.map(|effective| &effective.config.name).filter(|configured| *configured != name) {
            Some(configured) => Finding::fail(
                CHECK,
                format!("the certificate is for {name}, and the configuration says name = \"{configured}\""),
            ),
            None => Finding::ok(CHECK, format!("{name}; only its owner can read the key")),
        };
    (Some(identity), found)
}

pub(super) fn certificate(patient: &Patient<'_>, now: Duration) -> Option<Finding> {
    const CHECK: &str = "certificate";
    let validity = patient.identity.as_ref()?.validity();
    let config = &patient.effective.as_ref()?.config;
    let renewed_by = renewed_by(config, patient.directory.authority().is_dir());
    let stage = validity.stage(now, RENEWAL_GRACE);
    Some(match certificate_warning(validity, now, renewed_by) {
        Some(what) if stage == Stage::Due => Finding::warn(CHECK, what),
        Some(what) => Finding::fail(CHECK, what),
        None => {
            let by = renewed_by
                .map_or_else(|| "not renewed by itself".to_owned(), |hub| format!("renewed by {hub}"));
            Finding::ok(CHECK, format!("until {}, {by}", date(validity.end)))
        }
    })
}

/// Of a hub that enrols.
pub(super) fn authority(patient: &Patient<'_>) -> Option<Finding> {
    const CHECK: &str = "authority";
    let config = &patient.effective.as_ref()?.config;
    match Hub::open(patient.directory, config).transpose()? {
        Ok(hub) => {
            let sites = hub.book().sites().filter(|(_, site)| site.enrolled.is_some()).count();
            let files = if hub.certifies() { "authority/ and enrolment.json" } else { "enrolment.json" };
            Some(Finding::ok(CHECK, format!("sites that have joined: {sites}; back up {files} apart")))
        }
        Err(error) => Some(Finding::fail(CHECK, in_words(&error))),
    }
}

/// What `isle serve` reads besides, each of which it does not start with or lets nobody in by.
pub(super) fn lists(directory: &DataDirectory) -> Vec<Finding> {
    let said = |check: &str, read: Result<String, String>| match read {
        Ok(found) => Finding::ok(check, found),
        Err(error) => Finding::fail(check, error),
    };
    let schemas = schemas::load(&directory.schemas()).map_err(|error| in_words(&error));
    let denied = DenyList::of(directory).read().map_err(|error| in_words(&error));
    let tokens = TokenFile::of(directory).and_then(|file| file.list()).map_err(|error| in_words(&error));
    vec![
        said("schemas", schemas.map(|_| "those of the data directory can be read".to_owned())),
        said("denied", denied.map(|_| "the list of denied replicas can be read".to_owned())),
        said("tokens", tokens.map(|tokens| format!("tokens of services: {}", tokens.len()))),
    ]
}
