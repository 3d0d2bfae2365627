//! `isle doctor`.

use super::CommandError;
use super::status::{row, table};
use crate::arguments::DoctorArguments;
use crate::data_directory::DataDirectory;
use crate::doctor::{Finding, State, examine};
use std::io::{self, Write as _};

pub(super) async fn run(arguments: &DoctorArguments) -> Result<(), CommandError> {
    let serve = &arguments.serve;
    let findings = examine(&DataDirectory::new(&serve.data.data), &serve.settings.layers()).await;
    let text = match arguments.json {
        true => lines(&findings)?,
        false => shown(&findings),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    match findings.iter().filter(|finding| finding.state == State::Fail).count() {
        0 => Ok(()),
        failed => Err(CommandError::Unwell { failed }),
    }
}

/// JSON, a line for each finding.
fn lines(findings: &[Finding]) -> Result<String, serde_json::Error> {
    findings.iter().map(|finding| Ok(serde_json::to_string(finding)? + "\n")).collect()
}

/// A line for each finding, and one for its hint.
fn shown(findings: &[Finding]) -> String {
    let mut rows = Vec::new();
    for finding in findings {
        let state = match finding.state {
            State::Ok => "ok",
            State::Warn => "WARN",
            State::Fail => "FAIL",
        };
        rows.push(row([state, &finding.check, &finding.found]));
        rows.extend(finding.hint.iter().map(|hint| row(["", "", &format!("hint: {hint}")])));
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_line_up_with_their_hints_below() {
        let finding = |check: &str, state, found: &str, hint: Option<&str>| Finding {
            check: check.into(),
            state,
            found: found.into(),
            hint: hint.map(Into::into),
        };
        let findings = [
            finding("clock", State::Ok, "2026-11-26", None),
            finding("peer hub", State::Fail, "cannot look up hub:7400", Some("see to DNS")),
        ];
        let expected = "\
ok    clock     2026-11-26
FAIL  peer hub  cannot look up hub:7400
                hint: see to DNS
";
        assert_eq!(shown(&findings), expected);
    }
}
