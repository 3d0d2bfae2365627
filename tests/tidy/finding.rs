//! What a rule found.

use std::fmt;

/// A place that breaks a rule, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the repository's root.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.what, self.remedy)
    }
}

/// Fails the test with every finding, sorted by place.
#[track_caller]
pub(crate) fn expect_none(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} found:\n{}", findings.len(), lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_place_and_remedy() {
        let finding = Finding { file: "a.rs".into(), line: 3, what: "too long".into(), remedy: "split it" };
        let failure = std::panic::catch_unwind(|| expect_none(vec![finding])).unwrap_err();
        assert_eq!(failure.downcast_ref::<String>().unwrap(), "1 found:\na.rs:3: too long; split it");
    }
}
