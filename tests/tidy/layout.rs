//! The top level holds what a reader looks for first, and nothing else.

use crate::finding::Finding;

const TOP_LEVEL: [&str; 9] = [
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "benches",
    "crates",
    "schemas",
    "sim",
    "tests",
];
/// Made by cargo, kept out of the history.
const TARGET: &str = "target";

/// `names` are those at the root that are not hidden.
fn misplaced(names: &[String]) -> Vec<Finding> {
    let allowed = |name: &str| TOP_LEVEL.contains(&name) || name == TARGET || name.starts_with("LICENSE");
    let others = names.iter().filter(|name| !allowed(name));
    others
        .map(|name| Finding {
            file: name.clone(),
            line: 1,
            what: "does not belong at the top level".into(),
            remedy: "move it into crates, schemas, sim, tests or benches, or hide it if a tool needs it here",
        })
        .collect()
}

fn missing(names: &[String]) -> Vec<Finding> {
    let wanted = TOP_LEVEL.iter().chain(&["LICENSE"]);
    let absent = wanted.filter(|wanted| !names.iter().any(|name| name == *wanted));
    absent
        .map(|name| Finding {
            file: (*name).into(),
            line: 1,
            what: "is missing".into(),
            remedy: "write it: the top level is README.md, ARCHITECTURE.md, LICENSE, the manifest and the members",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;

    #[test]
    fn the_top_level_holds_what_belongs_there() {
        expect_none(misplaced(&repository::top_level()));
    }

    #[test]
    fn the_top_level_is_complete() {
        expect_none(missing(&repository::top_level()));
    }

    #[test]
    fn what_does_not_belong_is_found() {
        let names = ["LICENSE-MIT", "README.md", "scripts", "target"].map(String::from);
        let findings = misplaced(&names);
        assert_eq!(findings.iter().map(|finding| finding.file.as_str()).collect::<Vec<_>>(), ["scripts"]);
    }

    #[test]
    fn what_is_missing_is_found() {
        let names: Vec<String> =
            TOP_LEVEL.iter().filter(|name| **name != "README.md").map(|name| (*name).into()).collect();
        let files: Vec<String> = missing(&names).into_iter().map(|finding| finding.file).collect();
        assert_eq!(files, ["README.md", "LICENSE"]);
    }
}
