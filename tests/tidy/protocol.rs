//! Each rule of the protocol has a test that cites it, and no test cites a rule that is not there.

use crate::finding::Finding;
use crate::source::Source;
use std::collections::BTreeMap;

const PROTOCOL: &str = "schemas/wire/protocol.md";

/// Numbers of the rules that a text names, with their lines.
fn numbers(text: &str) -> Vec<(u32, usize)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for after in line.split("W-").skip(1) {
            let digits = after.split(|character: char| !character.is_ascii_digit()).next();
            found.extend(digits.and_then(|digits| digits.parse().ok()).map(|number| (number, index + 1)));
        }
    }
    found
}

fn uncited(protocol: &str, sources: &[Source]) -> Vec<Finding> {
    let rules = protocol.lines().enumerate().filter(|(_, line)| line.starts_with("- W-"));
    let mut rules: BTreeMap<u32, (usize, bool)> =
        rules.filter_map(|(index, line)| Some((numbers(line).first()?.0, (index + 1, false)))).collect();
    let mut findings = Vec::new();
    let crates = sources.iter().filter(|source| source.path.starts_with("crates/"));
    for source in crates.filter(|source| source.path.ends_with("tests.rs") || source.path.contains("/tests/"))
    {
        for (number, line) in numbers(&source.text) {
            match rules.get_mut(&number) {
                Some((_, is_cited)) => *is_cited = true,
                None => {
                    let what = format!("{PROTOCOL} has no rule W-{number}");
                    findings.push(source.finding(line, what, "cite the rule that the test holds"));
                }
            }
        }
    }
    let uncited = rules.into_iter().filter(|(_, (_, is_cited))| !is_cited);
    findings.extend(uncited.map(|(number, (line, _))| Finding {
        file: PROTOCOL.to_owned(),
        line,
        what: format!("no test cites W-{number}"),
        remedy: "write the test that fails when the rule is broken, and cite the rule in it",
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    #[test]
    fn each_rule_of_the_protocol_is_held_by_a_test() {
        expect_none(uncited(&repository::read(PROTOCOL), &repository::sources()));
    }

    #[test]
    fn rules_without_a_test_and_tests_without_a_rule_are_found() {
        let protocol = "- W-1: A. See W-9.\n- W-2: B.\n";
        let test = sample("crates/wire/src/tests.rs", "// W-2, W-7.\nfn f() {}\n");
        let elsewhere = sample("crates/wire/src/lib.rs", "// W-1.\nfn f() {}\n");
        let findings = uncited(protocol, &[test, elsewhere]);
        let what: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(what, ["schemas/wire/protocol.md has no rule W-7", "no test cites W-1"]);
        assert_eq!((findings[0].line, findings[1].line), (1, 1));
    }
}
