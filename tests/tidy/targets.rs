//! Every target is declared, and every declaration has its file.
//!
//! Cargo finds neither `tests/NAME/main.rs` nor `benches/NAME.rs` here by itself: what is not declared is never
//! compiled. A target of libtest that takes part in `cargo bench` refuses criterion's arguments.

use crate::finding::Finding;
use crate::repository::Member;
use crate::source::Source;

/// A `[[test]]`, `[[bench]]` or `[[bin]]` of a manifest.
struct Target {
    name: String,
    /// From the root.
    path: String,
    table: toml::Table,
}

impl Target {
    fn is(&self, field: &str, wanted: bool) -> bool {
        self.table.get(field).and_then(toml::Value::as_bool) == Some(wanted)
    }
}

fn declared(member: &Member, kind: &str) -> Vec<Target> {
    let tables = member.manifest.get(kind).and_then(toml::Value::as_array);
    let tables = tables.into_iter().flatten().filter_map(toml::Value::as_table);
    tables
        .map(|table| {
            let text = |field| table.get(field).and_then(toml::Value::as_str).unwrap_or_default();
            Target { name: text("name").into(), path: member.path(text("path")), table: table.clone() }
        })
        .collect()
}

/// The files in a member's directory that match `before*after`, with what stands for the star.
fn matching<'a>(
    member: &Member,
    sources: &'a [Source],
    before: &str,
    after: &str,
) -> Vec<(&'a str, &'a Source)> {
    let before = member.path(before);
    let name = |source: &'a Source| source.path.strip_prefix(&before)?.strip_suffix(after);
    let named = sources.iter().filter_map(|source| Some((name(source)?, source)));
    named.filter(|(name, _)| !name.contains('/') && !name.is_empty()).collect()
}

/// Where the compiler begins: the roots of all targets, declared or found by cargo.
pub(crate) fn roots(member: &Member, sources: &[Source]) -> Vec<String> {
    let declared = ["bin", "test", "bench", "example"].into_iter().flat_map(|kind| declared(member, kind));
    let mut roots: Vec<String> = declared.map(|target| target.path).collect();
    roots.extend(["src/lib.rs", "src/main.rs", "build.rs"].map(|path| member.path(path)));
    for (before, after) in
        [("src/bin/", ".rs"), ("tests/", ".rs"), ("tests/", "/main.rs"), ("examples/", ".rs")]
    {
        roots.extend(
            matching(member, sources, before, after).into_iter().map(|(_, source)| source.path.clone()),
        );
    }
    roots
}

/// Whether a root is that of an integration test.
pub(crate) fn is_test_root(member: &Member, root: &str) -> bool {
    root.starts_with(&member.path("tests/"))
        || declared(member, "test").iter().any(|target| target.path == root)
}

fn themes(member: &Member, sources: &[Source]) -> Vec<Finding> {
    let files = matching(member, sources, "", "/main.rs").into_iter().filter(|(name, _)| *name != "src");
    compare(member, "test", &files.collect::<Vec<_>>())
}

fn benchmarks(member: &Member, sources: &[Source]) -> Vec<Finding> {
    let mut findings = compare(member, "bench", &matching(member, sources, "", ".rs"));
    for target in declared(member, "bench").into_iter().filter(|target| !target.is("harness", false)) {
        let what = format!("benchmark `{}` has libtest's main function", target.name);
        findings.push(member.finding(&format!("\"{}\"", target.name), what, "add `harness = false`"));
    }
    findings
}

fn compare(member: &Member, kind: &str, files: &[(&str, &Source)]) -> Vec<Finding> {
    let declared = declared(member, kind);
    let mut findings = Vec::new();
    for (name, source) in files {
        if !declared.iter().any(|target| target.path == source.path && target.name == *name) {
            let what = format!("no [[{kind}]] named `{name}` has this path: it is never compiled");
            findings.push(source.finding(1, what, "declare name and path in the package's Cargo.toml"));
        }
    }
    for target in declared {
        if !files.iter().any(|(_, source)| source.path == target.path) {
            let what = format!("[[{kind}]] `{}` is at {}, where there is none", target.name, target.path);
            findings.push(member.finding(
                &format!("\"{}\"", target.name),
                what,
                "correct its path, or delete it",
            ));
        }
    }
    findings
}

fn in_bench_runs(member: &Member, sources: &[Source]) -> Vec<Finding> {
    let has = |path: &str| sources.iter().any(|source| source.path == member.path(path));
    let library =
        member.manifest.get("lib").and_then(|library| library.get("bench")).and_then(toml::Value::as_bool);
    let mut findings = Vec::new();
    if has("src/lib.rs") && library != Some(false) {
        findings.push(member.finding(
            "[lib]",
            "the library takes part in `cargo bench`",
            "add `bench = false` to [lib]",
        ));
    }
    let mut programs: Vec<String> = matching(member, sources, "src/bin/", ".rs")
        .into_iter()
        .map(|(_, source)| source.path.clone())
        .collect();
    programs.extend(has("src/main.rs").then(|| member.path("src/main.rs")));
    let declared = declared(member, "bin");
    for path in programs {
        if !declared.iter().any(|target| target.path == path && target.is("bench", false)) {
            let what = format!("{path} takes part in `cargo bench`");
            findings.push(member.finding("[[bin]]", what, "declare it as [[bin]] with `bench = false`"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    fn of_repository(name: &str, rule: fn(&Member, &[Source]) -> Vec<Finding>) {
        let members = repository::members();
        let sources = repository::sources();
        let members = members.iter().filter(|member| name.is_empty() || member.name() == name);
        expect_none(members.flat_map(|member| rule(member, &sources)).collect());
    }

    #[test]
    fn every_theme_is_declared() {
        of_repository("tests", themes);
    }

    #[test]
    fn every_benchmark_is_declared() {
        of_repository("benches", benchmarks);
    }

    #[test]
    fn only_benchmarks_take_part_in_bench_runs() {
        of_repository("", in_bench_runs);
    }

    #[test]
    fn a_theme_that_is_not_declared_is_found_and_so_is_one_without_a_file() {
        let manifest = "[[test]]\nname = \"sync\"\npath = \"sync/main.rs\"\n\n[[test]]\nname = \"gone\"\npath = \"gone/main.rs\"\n";
        let member = Member::parse("tests", manifest);
        let sources = ["tests/sync/main.rs", "tests/sync/case.rs", "tests/store/main.rs", "tests/src/lib.rs"];
        let findings = themes(&member, &sources.map(|path| sample(path, "")));
        let places: Vec<(&str, usize)> =
            findings.iter().map(|finding| (finding.file.as_str(), finding.line)).collect();
        assert_eq!(places, [("tests/store/main.rs", 1), ("tests/Cargo.toml", 6)]);
    }

    #[test]
    fn a_benchmark_that_is_not_declared_is_found() {
        let member = Member::parse("benches", "");
        let sources = [sample("benches/merge.rs", ""), sample("benches/src/lib.rs", "")];
        assert_eq!(benchmarks(&member, &sources)[0].file, "benches/merge.rs");
    }

    #[test]
    fn a_benchmark_with_the_wrong_main_function_is_found() {
        let manifest = "[[bench]]\nname = \"merge\"\npath = \"merge.rs\"\n";
        let sources = [sample("benches/merge.rs", "")];
        assert_eq!(benchmarks(&Member::parse("benches", manifest), &sources)[0].line, 2);
        let right = Member::parse("benches", &format!("{manifest}harness = false\n"));
        expect_none(benchmarks(&right, &sources));
    }

    #[test]
    fn libraries_and_programs_in_bench_runs_are_found() {
        let sources = [
            sample("sim/src/lib.rs", ""),
            sample("sim/src/main.rs", ""),
            sample("sim/src/bin/replay.rs", ""),
        ];
        assert_eq!(in_bench_runs(&Member::parse("sim", ""), &sources).len(), 3);
        let manifest =
            "[lib]\nbench = false\n[[bin]]\nname = \"sim\"\npath = \"src/main.rs\"\nbench = false\n";
        let findings = in_bench_runs(&Member::parse("sim", manifest), &sources);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("src/bin/replay.rs"));
    }
}
