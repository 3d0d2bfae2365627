//! The repository as the rules see it: its members and their sources.

use crate::finding::Finding;
use crate::source::Source;
use std::fs;
use std::path::Path;

/// A package of the workspace.
pub(crate) struct Member {
    /// Its directory from the root: `crates/wire`, `sim`.
    pub(crate) directory: String,
    /// The text of its manifest.
    pub(crate) manifest_text: String,
    /// Its manifest.
    pub(crate) manifest: toml::Table,
}

impl Member {
    /// Reads a manifest.
    pub(crate) fn parse(directory: &str, manifest_text: &str) -> Self {
        let manifest = manifest_text
            .parse()
            .unwrap_or_else(|error| panic!("{directory}/Cargo.toml does not parse: {error}"));
        Self { directory: directory.into(), manifest_text: manifest_text.into(), manifest }
    }

    /// The last part of the directory, which is the package's name too.
    pub(crate) fn name(&self) -> &str {
        self.directory.rsplit('/').next().unwrap_or(&self.directory)
    }

    /// A finding at the manifest's first line that contains `near`, or else at its first.
    pub(crate) fn finding(&self, near: &str, what: impl Into<String>, remedy: &'static str) -> Finding {
        let line =
            self.manifest_text.lines().position(|line| line.contains(near)).map_or(1, |index| index + 1);
        Finding { file: format!("{}/Cargo.toml", self.directory), line, what: what.into(), remedy }
    }

    /// A file or directory of this member, from the root.
    pub(crate) fn path(&self, inside: &str) -> String {
        format!("{}/{inside}", self.directory)
    }
}

/// All members, sorted by directory.
pub(crate) fn members() -> Vec<Member> {
    let root = ::tests::repository_root();
    let mut directories: Vec<String> = ["sim", "tests", "benches"].map(String::from).into();
    directories.extend(names_in(&root.join("crates")).into_iter().map(|name| format!("crates/{name}")));
    directories.sort();
    let with_manifest =
        directories.into_iter().filter(|directory| root.join(directory).join("Cargo.toml").exists());
    with_manifest
        .map(|directory| {
            let manifest = read(&format!("{directory}/Cargo.toml"));
            Member::parse(&directory, &manifest)
        })
        .collect()
}

/// All sources that parse, sorted by path; [`tests::every_source_parses`] reports the others.
pub(crate) fn sources() -> Vec<Source> {
    parsed_sources().into_iter().filter_map(Result::ok).collect()
}

fn parsed_sources() -> Vec<Result<Source, Finding>> {
    source_paths().iter().map(|path| Source::parse(path, &read(path))).collect()
}

/// Every `.rs` file of the repository.
fn source_paths() -> Vec<String> {
    let root = ::tests::repository_root();
    let mut paths = Vec::new();
    let mut directories: Vec<String> = top_level().into_iter().filter(|name| name != "target").collect();
    while let Some(directory) = directories.pop() {
        for name in names_in(&root.join(&directory)) {
            let path = format!("{directory}/{name}");
            if root.join(&path).is_dir() {
                // A package inside a member is a workspace of its own, with sources that nothing here declares.
                let is_apart = path.matches('/').count() > 1 && root.join(&path).join("Cargo.toml").exists();
                directories.extend((!is_apart).then_some(path));
            } else if name.ends_with(".rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}

/// What is at the root, without hidden files.
pub(crate) fn top_level() -> Vec<String> {
    names_in(::tests::repository_root())
}

/// The names in a directory, sorted, without hidden ones; none if it is a file or missing.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// A file that has to be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(::tests::repository_root().join(path))
        .unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;

    #[test]
    fn every_source_parses() {
        expect_none(parsed_sources().into_iter().filter_map(Result::err).collect());
    }

    #[test]
    fn members_and_sources_are_found() {
        let names: Vec<String> = members().iter().map(|member| member.name().to_owned()).collect();
        for name in ["benches", "document", "replica", "server", "sim", "store", "tests", "transport", "wire"]
        {
            assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
        }
        let paths = source_paths();
        for path in ["crates/wire/src/lib.rs", "tests/tidy/main.rs", "benches/src/bin/reach.rs"] {
            assert!(paths.iter().any(|found| found == path), "{path} is not among the sources");
        }
        assert!(!paths.iter().any(|path| path.starts_with("target/")));
    }
}
