//! `isle doctor`: everything that a replica depends on, looked at in turn.
//!
//! It works with and without a running server, changes nothing, and says of each thing whether it is well and what to do
//! if not. It asks the running server where that knows better: which peers it is connected to, and why not to others.

mod files;
mod machine;
mod network;

use crate::causes::in_words;
use crate::config::{Effective, Layers};
use crate::data_directory::DataDirectory;
use crate::enrolment::wall;
use crate::local::{CallError, ConnectError, LocalClient, Request, Response, Status};
use serde::Serialize;
use std::io::ErrorKind;
use transport::Identity;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Ok,
    /// It works, and will not for ever or not well.
    Warn,
    /// Something does not work.
    Fail,
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: String,
    pub(crate) state: State,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it, where `found` does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Finding {
    fn new(state: State, check: &str, found: impl Into<String>) -> Self {
        Self { check: check.to_owned(), state, found: found.into(), hint: None }
    }

    fn ok(check: &str, found: impl Into<String>) -> Self {
        Self::new(State::Ok, check, found)
    }

    fn warn(check: &str, found: impl Into<String>) -> Self {
        Self::new(State::Warn, check, found)
    }

    fn fail(check: &str, found: impl Into<String>) -> Self {
        Self::new(State::Fail, check, found)
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What several checks look at.
struct Patient<'a> {
    directory: &'a DataDirectory,
    effective: Option<Effective>,
    identity: Option<Identity>,
    /// How the running server is, if one runs.
    status: Option<Box<Status>>,
    /// Whether one runs, also one that says nothing.
    is_running: bool,
}

/// Looks at everything, and tells what it finds as it goes. `layers` overrule the configuration, as for `isle serve`.
pub(crate) async fn examine(directory: &DataDirectory, layers: &Layers, tell: &mut impl FnMut(Finding)) {
    tell(files::directory(directory));
    if directory.check_there().is_err() {
        return;
    }
    let (effective, found) = files::configuration(directory, layers);
    tell(found);
    let (identity, found) = files::identity(directory, effective.as_ref());
    tell(found);
    let (status, found) = server(directory).await;
    let is_running = status.is_some() || found.state == State::Fail;
    tell(found);
    let patient = Patient { directory, effective, identity, status, is_running };
    files::certificate(&patient, wall()).into_iter().for_each(&mut *tell);
    files::authority(&patient).into_iter().for_each(&mut *tell);
    files::lists(directory).into_iter().for_each(&mut *tell);
    tell(machine::clock(&patient, wall()));
    machine::store(&patient).into_iter().for_each(&mut *tell);
    rights(&patient).into_iter().for_each(&mut *tell);
    tell(machine::disk(&patient));
    tell(machine::sync(&patient));
    machine::limits(&patient).into_iter().for_each(&mut *tell);
    network::peers(&patient, tell).await;
}

/// Whether a server runs, and how it is.
async fn server(directory: &DataDirectory) -> (Option<Box<Status>>, Finding) {
    const CHECK: &str = "server";
    let connected = LocalClient::connect(directory.path()).await;
    if let Err(error @ ConnectError::Silent { .. }) = &connected {
        return (None, Finding::fail(CHECK, error.to_string()).with_hint(silent(directory)));
    }
    if let Err(ConnectError::Io { source, .. }) = &connected
        && source.kind() == ErrorKind::PermissionDenied
    {
        let found = Finding::fail(CHECK, "another user owns it, and may alone speak to it");
        return (None, found.with_hint("run this as the owner of the data directory"));
    }
    let Ok(mut client) = connected else {
        // Without a lock file nobody ever locked it, and none is made here.
        let taken = directory.holder().and_then(|_| directory.lock().err());
        return match taken {
            None => (None, Finding::ok(CHECK, "none is running")),
            Some(error) => (None, Finding::warn(CHECK, error.to_string())),
        };
    };
    match client.call_in_time(&Request::Status).await {
        Ok(Response::Status(status)) => {
            let (name, documents) = (&status.name, status.documents);
            let found = match &status.store_failure {
                None => Finding::ok(CHECK, format!("{name} is running, with {documents} documents")),
                Some(failure) => {
                    Finding::warn(CHECK, format!("{name} is running; its store failed: {}", failure.error))
                }
            };
            (Some(status), found)
        }
        Ok(_) => (None, Finding::fail(CHECK, "it is running, and is of another version than this program")),
        Err(error @ CallError::Silent { .. }) => {
            (None, Finding::fail(CHECK, error.to_string()).with_hint(silent(directory)))
        }
        Err(error) => (None, Finding::fail(CHECK, format!("it is running, and does not serve: {error}"))),
    }
}

/// What the hub gives less than the configuration says; none where no server runs, or nothing is lacking.
fn rights(patient: &Patient<'_>) -> Option<Finding> {
    let lacking = patient.status.as_ref()?.spaces.iter().filter_map(|space| {
        let what = match (space.lacks_read, space.lacks_write) {
            (true, true) => "neither be sent anything of it nor write it",
            (true, false) => "be sent nothing more of it",
            (false, true) => "not write it",
            (false, false) => return None,
        };
        Some(format!("{}: this replica may {what}", space.space))
    });
    let lacking: Vec<_> = lacking.collect();
    let finding = || {
        Finding::fail(
            "rights",
            format!("its configuration says more than the hub gives. {}", lacking.join("; ")),
        )
        .with_hint("`isle rights set` at the hub gives rights, or take the spaces out of isle.toml")
    };
    (!lacking.is_empty()).then(finding)
}

/// What to do about a server that does not answer.
fn silent(directory: &DataDirectory) -> String {
    let process = directory.holder().map_or_else(|| "PID".to_owned(), |process| process.to_string());
    format!(
        "`kill -CONT {process}` has it go on if it was stopped; if its disk hangs (`dmesg`, and \"sync\" below), mend that, and \
         start it again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn examined(directory: &DataDirectory) -> Vec<Finding> {
        let mut findings = Vec::new();
        examine(directory, &Layers::default(), &mut |finding| findings.push(finding)).await;
        findings
    }

    fn state(findings: &[Finding], check: &str) -> State {
        findings.iter().find(|finding| finding.check == check).unwrap().state
    }

    #[tokio::test]
    async fn of_a_directory_that_is_not_there_nothing_more_is_said() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path().join("none"));
        let findings = examined(&directory).await;
        assert_eq!((findings.len(), state(&findings, "data directory")), (1, State::Fail));
        assert!(findings[0].found.contains("isle join"), "{findings:?}");
    }

    #[tokio::test]
    async fn an_empty_directory_is_looked_at_to_the_end_and_changed_in_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::new(temporary.path());
        let findings = examined(&directory).await;
        assert_eq!(state(&findings, "configuration"), State::Fail);
        assert_eq!(state(&findings, "identity"), State::Fail);
        assert!(findings[1].found.contains("isle.toml: No such file"), "{findings:?}");
        assert_eq!((state(&findings, "data directory"), state(&findings, "server")), (State::Ok, State::Ok));
        let left: Vec<std::ffi::OsString> =
            std::fs::read_dir(temporary.path()).unwrap().map(|left| left.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
