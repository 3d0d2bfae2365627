//! Who may know what: a library of the outside world is reached by the layers that own it, and by no other.

use crate::finding::Finding;
use crate::repository::Member;
use crate::source::Source;
use std::process::Command;

/// A library, and the members that it may be linked into. A member that is in no list is pure.
struct Library {
    name: &'static str,
    reached_by: &'static [&'static str],
}

/// `client` has a server inside where it is embedded.
const DISK: &[&str] = &["store", "server", "client", "tests", "benches"];
const NETWORK: &[&str] = &["transport", "gateway", "server", "client", "tests", "benches"];

const LIBRARIES: &[Library] = &[
    Library { name: "fjall", reached_by: DISK },
    Library { name: "lsm-tree", reached_by: DISK },
    Library { name: "quinn", reached_by: NETWORK },
    Library { name: "quinn-udp", reached_by: NETWORK },
    Library { name: "rustls", reached_by: NETWORK },
    Library { name: "tokio", reached_by: NETWORK },
    Library { name: "mio", reached_by: NETWORK },
    Library { name: "socket2", reached_by: NETWORK },
];

/// A library whose types stop at the crate that owns it, and who may write its name.
const OWNERS: &[(&str, &str)] = &[("fjall", "store"), ("quinn", "transport"), ("rustls", "transport")];
/// Tests damage stores, and benchmarks measure the libraries alone, for reference.
const UNBOUND: [&str; 2] = ["tests/", "benches/"];

/// `tree` has a line `name vVERSION …` for each package that is linked into the member.
fn reached(member: &Member, tree: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for library in LIBRARIES.iter().filter(|library| !library.reached_by.contains(&member.name())) {
        if tree.lines().any(|line| line.split(' ').next() == Some(library.name)) {
            let what = format!("`{}` is linked into `{}`", library.name, member.name());
            let remedy = "take out what brings it (`cargo tree -p PACKAGE -i LIBRARY -e normal`): \
                          a pure crate is told the outcome, and an edge owns one outside thing";
            findings.push(member.finding("[dependencies]", what, remedy));
        }
    }
    findings
}

/// What is linked into a package, as cargo sees it without the network.
fn tree(package: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "-p", package, "-e", "normal", "--prefix", "none", "--offline", "--locked"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(::tests::repository_root())
        .output()
        .unwrap_or_else(|error| panic!("cargo does not start: {error}"));
    assert!(output.status.success(), "cargo tree -p {package}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Places that name a library outside its owner.
fn named_outside(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (library, owner) in OWNERS {
        let home = format!("crates/{owner}/");
        let bound = |source: &&Source| {
            !source.path.starts_with(&home)
                && !UNBOUND.iter().any(|directory| source.path.starts_with(directory))
        };
        for source in sources.iter().filter(bound) {
            let mut lines = source.lines_of(&[library, ":", ":"]);
            lines.extend(source.lines_of(&["use", library]));
            lines.sort_unstable();
            lines.dedup();
            let what = format!("`{library}` is named outside crates/{owner}");
            let remedy = "use the type of the crate that owns the library";
            findings.extend(lines.into_iter().map(|line| source.finding(line, what.clone(), remedy)));
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

    #[test]
    fn no_layer_reaches_what_it_must_not_know() {
        let members = repository::members();
        expect_none(members.iter().flat_map(|member| reached(member, &tree(member.name()))).collect());
    }

    #[test]
    fn no_source_names_a_library_of_another_layer() {
        expect_none(named_outside(&repository::sources()));
    }

    #[test]
    fn a_forbidden_library_is_found_however_deep_it_is() {
        let tree =
            "replica v0.1.0 (/isle/crates/replica)\nautomerge v0.12.0\nlsm-tree v3.1.10\nfjall v3.1.13 (*)\n";
        let replica = Member::parse("crates/replica", "[package]\n\n[dependencies]\n");
        let findings = reached(&replica, tree);
        assert_eq!(findings.len(), 2);
        assert_eq!((findings[0].line, findings[0].what.as_str()), (3, "`fjall` is linked into `replica`"));
    }

    #[test]
    fn each_edge_reaches_its_own_library_only() {
        let tree = "x v1\nfjall v3.1.13\nquinn v0.11.12\n";
        let found = |directory: &str| {
            let findings = reached(&Member::parse(directory, ""), tree);
            findings.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
        };
        assert_eq!(found("crates/store"), ["`quinn` is linked into `store`"]);
        assert_eq!(found("crates/transport"), ["`fjall` is linked into `transport`"]);
        assert_eq!(found("crates/server"), Vec::<String>::new());
    }

    #[test]
    fn another_library_with_a_similar_name_is_fine() {
        expect_none(reached(&Member::parse("sim", ""), "tokio-macros v2\nrustls-pki-types v1\n"));
    }

    #[test]
    fn the_tree_of_an_edge_has_its_library() {
        assert!(tree("store").lines().any(|line| line.starts_with("fjall v")));
    }

    #[test]
    fn a_name_outside_its_layer_is_found() {
        let text = "use fjall::Keyspace;\nfn f() -> Result<(), fjall::Error> {}\nuse fjall as disk;\n";
        let lines: Vec<usize> = named_outside(&[sample("crates/server/src/lib.rs", text)])
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(lines, [1, 2, 3]);
        for allowed in ["crates/store/src/lib.rs", "tests/store/main.rs", "benches/append.rs"] {
            expect_none(named_outside(&[sample(allowed, text)]));
        }
    }
}
