//! `isle doctor`.

use super::CommandError;
use super::answer::stdout;
use crate::arguments::DoctorArguments;
use crate::data_directory::DataDirectory;
use crate::doctor::{Finding, State, examine};
use std::io::Write as _;

/// Columns of what was looked at: as wide as "data directory", so that each line can be told before the next is known.
const CHECK_WIDTH: usize = 14;

pub(super) async fn run(arguments: &DoctorArguments) -> Result<(), CommandError> {
    let serve = &arguments.serve;
    let (mut failed, mut told) = (0, Ok(()));
    let mut tell = |finding: Finding| {
        failed += usize::from(finding.state == State::Fail);
        if told.is_ok() {
            told = say(arguments.json, &finding);
        }
    };
    examine(&DataDirectory::new(&serve.data.data), &serve.settings.layers(), &mut tell).await;
    told?;
    if failed == 0 { Ok(()) } else { Err(CommandError::Unwell { failed }) }
}

fn say(as_json: bool, finding: &Finding) -> Result<(), CommandError> {
    let text = if as_json { serde_json::to_string(finding)? + "\n" } else { shown(finding) };
    Ok(stdout().write_all(text.as_bytes())?)
}

/// A line for a finding, and one for its hint.
fn shown(finding: &Finding) -> String {
    let state = match finding.state {
        State::Ok => "ok",
        State::Warn => "WARN",
        State::Fail => "FAIL",
    };
    let line = |state: &str, check: &str, text: &str| format!("{state:4}  {check:CHECK_WIDTH$}  {text}\n");
    let hint = finding.hint.as_ref().map(|hint| line("", "", &format!("hint: {hint}")));
    line(state, &finding.check, &finding.found) + &hint.unwrap_or_default()
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
ok    clock           2026-11-26
FAIL  peer hub        cannot look up hub:7400
                      hint: see to DNS
";
        assert_eq!(findings.iter().map(shown).collect::<String>(), expected);
    }
}
