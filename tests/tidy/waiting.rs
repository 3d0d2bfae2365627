//! Tests wait for a condition, not for time to pass, and none is left out.

use crate::finding::Finding;
use crate::modules;
use crate::repository::Member;
use crate::source::Source;
use crate::test_code;

/// The fixtures, where the waiting is done.
const FIXTURES: &str = "tests/src/";
const PAUSES: [&str; 5] = ["sleep", "sleep_ms", "sleep_until", "park_timeout", "spin_loop"];

fn pauses(members: &[Member], sources: &[Source]) -> Vec<Finding> {
    let compiled = modules::compiled(members, sources);
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.path.starts_with(FIXTURES)) {
        let all = compiled.get(&source.path) == Some(&true);
        let for_tests = test_code::lines(source);
        for pause in PAUSES {
            let lines = source.lines_of(&[pause, "("]).into_iter();
            for line in lines.filter(|line| all || for_tests.iter().any(|range| range.contains(line))) {
                let what = format!("a test calls `{pause}`");
                let remedy = "wait for the condition itself: a channel, a join, or `tests::eventually`";
                findings.push(source.finding(line, what, remedy));
            }
        }
    }
    findings
}

fn ignored(sources: &[Source]) -> Vec<Finding> {
    let remedy = "assert what it does today, or delete it";
    let ignored = |source: &Source| {
        let lines =
            [source.lines_of(&["#", "[", "ignore", "]"]), source.lines_of(&["#", "[", "ignore", "="])];
        lines
            .concat()
            .into_iter()
            .map(|line| source.finding(line, "a test is left out", remedy))
            .collect::<Vec<_>>()
    };
    sources.iter().flat_map(ignored).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    #[test]
    fn no_test_waits_for_time_to_pass() {
        expect_none(pauses(&repository::members(), &repository::sources()));
    }

    #[test]
    fn no_test_is_left_out() {
        expect_none(ignored(&repository::sources()));
    }

    fn members() -> [Member; 2] {
        let theme = "[[test]]\nname = \"sync\"\npath = \"sync/main.rs\"\n";
        [Member::parse("tests", theme), Member::parse("sim", "")]
    }

    #[test]
    fn a_pause_in_a_theme_is_found() {
        let theme = sample("tests/sync/main.rs", "use std::thread;\nfn f() {\n    thread::sleep(D);\n}\n");
        assert_eq!(pauses(&members(), &[theme])[0].line, 3);
    }

    #[test]
    fn a_pause_in_a_unit_test_is_found_and_elsewhere_it_is_none_of_this_rule() {
        let text =
            "fn f() { time::sleep(D); }\n#[cfg(test)]\nmod tests {\n    fn f() { time::sleep(D); }\n}\n";
        let findings = pauses(&members(), &[sample("sim/src/lib.rs", text)]);
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_pause_in_a_file_for_tests_is_found() {
        let sources = [
            sample("sim/src/lib.rs", "#[cfg(test)]\nmod samples;\n"),
            sample("sim/src/samples.rs", "fn f() { sleep(D); }\n"),
        ];
        assert_eq!(pauses(&members(), &sources)[0].file, "sim/src/samples.rs");
    }

    #[test]
    fn the_fixtures_may_wait() {
        let sources = [sample("tests/src/lib.rs", "fn f() { sleep(D); }")];
        expect_none(pauses(&members(), &sources));
    }

    #[test]
    fn an_ignored_test_is_found() {
        for attribute in ["#[ignore]", "#[ignore = \"slow\"]"] {
            let source = sample("a.rs", &format!("#[test]\n{attribute}\nfn f() {{}}\n"));
            assert_eq!(ignored(&[source])[0].line, 2);
        }
    }
}
