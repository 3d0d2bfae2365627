//! Every source file is compiled: `mod` reaches it from a target of its package.
//!
//! A file that nothing declares is never looked at by the compiler; a test in it passes whatever it says.

use crate::finding::Finding;
use crate::repository::Member;
use crate::source::Source;
use crate::targets;
use crate::test_code::is_for_tests;
use std::collections::BTreeMap;

/// The files that are compiled, by path, and whether only for tests.
pub(crate) fn compiled(members: &[Member], sources: &[Source]) -> BTreeMap<String, bool> {
    let by_path: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut found = BTreeMap::new();
    for member in members {
        for root in targets::roots(member, sources) {
            let for_tests = member.directory == "tests" || targets::is_test_root(member, &root);
            follow(&File { path: root, is_root: true, for_tests }, &by_path, &mut found);
        }
    }
    found
}

struct File {
    path: String,
    is_root: bool,
    for_tests: bool,
}

fn follow(file: &File, sources: &BTreeMap<&str, &Source>, found: &mut BTreeMap<String, bool>) {
    let Some(source) = sources.get(file.path.as_str()) else { return };
    // What is reached both ways is no code for tests only.
    let known = found.get(&file.path).copied();
    let for_tests = known.unwrap_or(true) && file.for_tests;
    if known == Some(for_tests) {
        return;
    }
    found.insert(file.path.clone(), for_tests);
    let directory = module_directory(file);
    for module in declared(&source.syntax.items, file, &directory) {
        let path = module.candidates.iter().find(|path| sources.contains_key(path.as_str()));
        if let Some(path) = path {
            let for_tests = for_tests || module.for_tests;
            follow(&File { path: path.clone(), is_root: false, for_tests }, sources, found);
        }
    }
}

/// Where the files of a file's modules are: beside a root or `mod.rs`, else in a directory of the file's name.
fn module_directory(file: &File) -> String {
    let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    if file.is_root || name == "mod.rs" {
        directory.into()
    } else {
        format!("{directory}/{}", name.trim_end_matches(".rs"))
    }
}

/// A module that is declared, and the files it may be in.
struct Declared {
    candidates: Vec<String>,
    for_tests: bool,
}

fn declared(items: &[syn::Item], file: &File, directory: &str) -> Vec<Declared> {
    let mut modules = Vec::new();
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        let inside = format!("{directory}/{}", module.ident);
        let for_tests = is_for_tests(&module.attrs);
        if let Some((_, items)) = &module.content {
            let mut within = declared(items, file, &inside);
            within.iter_mut().for_each(|module| module.for_tests |= for_tests);
            modules.append(&mut within);
        } else {
            let beside = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let candidates = match path_attribute(&module.attrs) {
                Some(path) => vec![format!("{beside}/{path}")],
                None => vec![format!("{inside}.rs"), format!("{inside}/mod.rs")],
            };
            modules.push(Declared { candidates, for_tests });
        }
    }
    modules
}

fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    let path = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Expr::Lit(literal) = &path.meta.require_name_value().ok()?.value else { return None };
    if let syn::Lit::Str(text) = &literal.lit { Some(text.value()) } else { None }
}

fn dead_files(members: &[Member], sources: &[Source]) -> Vec<Finding> {
    let compiled = compiled(members, sources);
    let dead = sources.iter().filter(|source| !compiled.contains_key(&source.path));
    dead.map(|source| source.finding(1, "no `mod` reaches this file", "declare it, or delete it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    #[test]
    fn every_source_is_compiled() {
        expect_none(dead_files(&repository::members(), &repository::sources()));
    }

    fn wire() -> Vec<Member> {
        vec![Member::parse("crates/wire", "[lib]\nbench = false\n")]
    }

    #[test]
    fn a_file_that_nothing_declares_is_found() {
        let sources = [
            sample("crates/wire/src/lib.rs", "mod frame;\n// mod forgotten;\n"),
            sample("crates/wire/src/frame.rs", "mod header;"),
            sample("crates/wire/src/frame/header.rs", ""),
            sample("crates/wire/src/header.rs", ""),
            sample("crates/wire/src/forgotten.rs", ""),
            sample("stray.rs", ""),
        ];
        let dead: Vec<String> =
            dead_files(&wire(), &sources).into_iter().map(|finding| finding.file).collect();
        assert_eq!(dead, ["crates/wire/src/header.rs", "crates/wire/src/forgotten.rs", "stray.rs"]);
    }

    #[test]
    fn files_are_reached_in_every_way_that_the_compiler_has() {
        let sources = [
            sample(
                "crates/wire/src/lib.rs",
                "mod frame; mod limits { mod bytes; } #[path = \"x/y.rs\"] mod odd;",
            ),
            sample("crates/wire/src/frame/mod.rs", "mod header;"),
            sample("crates/wire/src/frame/header.rs", ""),
            sample("crates/wire/src/limits/bytes.rs", ""),
            sample("crates/wire/src/x/y.rs", ""),
        ];
        expect_none(dead_files(&wire(), &sources));
    }

    #[test]
    fn what_only_tests_reach_is_marked() {
        let sources = [
            sample("crates/wire/src/lib.rs", "mod frame; #[cfg(test)] mod samples;"),
            sample("crates/wire/src/frame.rs", "#[cfg(test)] mod tests;"),
            sample("crates/wire/src/frame/tests.rs", "mod deep;"),
            sample("crates/wire/src/frame/tests/deep.rs", ""),
            sample("crates/wire/src/samples.rs", ""),
        ];
        let found = compiled(&wire(), &sources);
        let for_tests: Vec<bool> = sources.iter().map(|source| found[&source.path]).collect();
        assert_eq!(for_tests, [false, false, true, true, true]);
    }
}
