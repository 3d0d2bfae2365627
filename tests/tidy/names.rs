//! No module is named after what has no subject.

use crate::finding::Finding;
use crate::source::Source;
use syn::visit::{self, Visit};

/// Names that say nothing about what is inside, so that everything ends up inside.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "helper", "helpers", "common", "misc", "types", "manager", "managers"];
const REMEDY: &str = "name it by the noun that it is about";

fn empty_names(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .flat_map(|source| names_of_path(source).into_iter().chain(names_of_modules(source)))
        .collect()
}

fn names_of_path(source: &Source) -> Vec<Finding> {
    let parts = source.path.trim_end_matches(".rs").split('/');
    parts
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| source.finding(1, format!("`{part}` is no name for a file, directory or crate"), REMEDY))
        .collect()
}

fn names_of_modules(source: &Source) -> Vec<Finding> {
    let mut modules = InlineModules(Vec::new());
    modules.visit_file(&source.syntax);
    let idents = modules.0.into_iter();
    idents
        .filter(|ident| EMPTY_NAMES.contains(&ident.to_string().as_str()))
        .map(|ident| {
            let line = ident.span().start().line;
            source.finding(line, format!("`{ident}` is no name for a module"), REMEDY)
        })
        .collect()
}

/// Modules with a body; those without have a file, whose name is looked at.
struct InlineModules(Vec<proc_macro2::Ident>);

impl<'ast> Visit<'ast> for InlineModules {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.0.extend(module.content.is_some().then(|| module.ident.clone()));
        visit::visit_item_mod(self, module);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    #[test]
    fn every_module_has_a_subject() {
        expect_none(empty_names(&repository::sources()));
    }

    #[test]
    fn an_empty_name_is_found_in_files_directories_crates_and_modules() {
        for path in ["crates/wire/src/utils.rs", "crates/wire/src/common/mod.rs", "crates/types/src/lib.rs"] {
            assert_eq!(empty_names(&[sample(path, "")]).len(), 1, "{path}");
        }
        let inline = sample("a.rs", "mod session {\n    mod helpers {}\n}\n");
        assert_eq!(empty_names(&[inline])[0].line, 2);
    }

    #[test]
    fn a_name_that_contains_one_is_fine() {
        expect_none(empty_names(&[sample("crates/wire/src/field_types.rs", "mod utility {}")]));
    }
}
