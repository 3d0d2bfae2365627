//! Every member takes part in the workspace's rules and runs.

use crate::finding::Finding;
use crate::repository::Member;

fn without_lints(members: &[Member]) -> Vec<Finding> {
    let shares = |member: &&Member| {
        let lints = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        lints.and_then(toml::Value::as_bool) == Some(true)
    };
    let without = members.iter().filter(|member| !shares(member));
    without
        .map(|member| {
            member.finding(
                "[lints",
                "the workspace's lints do not hold here",
                "add `[lints] workspace = true`",
            )
        })
        .collect()
}

fn misnamed(members: &[Member]) -> Vec<Finding> {
    let name = |member: &Member| member.manifest.get("package")?.get("name")?.as_str().map(String::from);
    let different = members.iter().filter(|member| name(member).as_deref() != Some(member.name()));
    different
        .map(|member| {
            member.finding(
                "name",
                "the package has another name than its directory",
                "give both the same name",
            )
        })
        .collect()
}

fn hides_members(root: &Member) -> Vec<Finding> {
    let hidden =
        root.manifest.get("workspace").is_some_and(|workspace| workspace.get("default-members").is_some());
    let what = "with `default-members` a plain `cargo test` leaves out tests, sim and benches";
    hidden.then(|| root.finding("default-members", what, "delete it")).into_iter().collect()
}

/// The theme that starts real processes runs one test at a time.
fn unlimited_processes(nextest: &str, members: &[Member]) -> Vec<Finding> {
    let has_theme = members.iter().any(|member| member.manifest_text.contains("edge/main.rs"));
    let is_limited = nextest.contains("binary(edge)");
    let finding = Finding {
        file: ".config/nextest.toml".into(),
        line: 1,
        what: "the theme `edge` starts processes side by side".into(),
        remedy: "add [[profile.default.overrides]] with filter = \"binary(edge)\", test-group = \"processes\", \
                 slow-timeout = { period = \"60s\", terminate-after = 3 }",
    };
    (has_theme && !is_limited).then_some(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;

    #[test]
    fn every_member_has_the_lints_of_the_workspace() {
        expect_none(without_lints(&repository::members()));
    }

    #[test]
    fn a_package_has_the_name_of_its_directory() {
        expect_none(misnamed(&repository::members()));
    }

    #[test]
    fn no_member_is_hidden() {
        expect_none(hides_members(&Member::parse(".", &repository::read("Cargo.toml"))));
    }

    #[test]
    fn processes_run_one_test_at_a_time() {
        expect_none(unlimited_processes(&repository::read(".config/nextest.toml"), &repository::members()));
    }

    #[test]
    fn a_member_without_the_lints_is_found() {
        for manifest in ["", "[lints]\nworkspace = false\n", "[lints.clippy]\ntodo = \"warn\"\n"] {
            assert_eq!(without_lints(&[Member::parse("sim", manifest)]).len(), 1, "{manifest}");
        }
        expect_none(without_lints(&[Member::parse("sim", "[lints]\nworkspace = true\n")]));
    }

    #[test]
    fn a_package_of_another_name_is_found() {
        assert_eq!(misnamed(&[Member::parse("crates/wire", "[package]\nname = \"frames\"\n")])[0].line, 2);
    }

    #[test]
    fn hidden_members_are_found() {
        let root =
            Member::parse(".", "[workspace]\nmembers = [\"crates/*\"]\ndefault-members = [\"crates/*\"]\n");
        assert_eq!(hides_members(&root)[0].line, 3);
    }

    #[test]
    fn processes_side_by_side_are_found() {
        let members = [Member::parse("tests", "[[test]]\nname = \"edge\"\npath = \"edge/main.rs\"\n")];
        assert_eq!(unlimited_processes("", &members).len(), 1);
        expect_none(unlimited_processes("filter = \"binary(edge)\"", &members));
        expect_none(unlimited_processes("", &[]));
    }
}
