//! Errors say what happened in types: no catch-all of a text, no `anyhow`.

use crate::finding::Finding;
use crate::repository::Member;
use crate::source::Source;
use syn::visit::{self, Visit};

/// Crates whose error type takes any error or text.
const CATCH_ALLS: [&str; 3] = ["anyhow", "eyre", "color-eyre"];
/// Names of a text that stands for the error itself. One that names a thing (`collection`) is fine.
const MESSAGE_NAMES: [&str; 6] = ["message", "msg", "text", "detail", "details", "error"];
const STRING_NAMES: [&str; 2] = ["String", "str"];

fn text_variants(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let mut enums = ErrorEnums { findings: Vec::new(), source };
        enums.visit_file(&source.syntax);
        findings.append(&mut enums.findings);
    }
    findings
}

struct ErrorEnums<'a> {
    findings: Vec<Finding>,
    source: &'a Source,
}

impl<'ast> Visit<'ast> for ErrorEnums<'_> {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if item.attrs.iter().any(derives_error) {
            for variant in item.variants.iter().filter(|variant| holds_only_a_text(variant)) {
                let what = format!("`{}::{}` holds only a text", item.ident, variant.ident);
                let remedy =
                    "name the field by what it holds (`{ key: String }`), or make a variant of each cause";
                self.findings.push(self.source.finding(variant.ident.span().start().line, what, remedy));
            }
        }
        visit::visit_item_enum(self, item);
    }
}

fn derives_error(attribute: &syn::Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        // What is not a list of paths is refused by the compiler.
        let _ = attribute.parse_nested_meta(|derived| {
            found |= derived.path.segments.last().is_some_and(|last| last.ident == "Error");
            Ok(())
        });
    }
    found
}

fn holds_only_a_text(variant: &syn::Variant) -> bool {
    let mut fields = variant.fields.iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let stands_for_the_error =
        field.ident.as_ref().is_none_or(|ident| MESSAGE_NAMES.contains(&ident.to_string().as_str()));
    stands_for_the_error && is_text(&field.ty)
}

/// A text made at run time: `String`, and what owns one, `Box<str>`, `Cow<'static, str>`. A `&'static str` is a word
/// of a fixed set.
fn is_text(kind: &syn::Type) -> bool {
    let mut names = TypeNames { text: false };
    if !matches!(kind, syn::Type::Reference(_)) {
        names.visit_type(kind);
    }
    names.text
}

struct TypeNames {
    text: bool,
}

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.text |= STRING_NAMES.contains(&segment.ident.to_string().as_str());
        visit::visit_path_segment(self, segment);
    }
}

fn catch_all_dependencies(members: &[Member]) -> Vec<Finding> {
    let remedy = "write an error enum of the operation with thiserror";
    let mut findings = Vec::new();
    for member in members {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = member.manifest.get(section).and_then(toml::Value::as_table);
            let names = dependencies.into_iter().flat_map(toml::Table::keys);
            for name in names.filter(|name| CATCH_ALLS.contains(&name.as_str())) {
                findings.push(member.finding(name, format!("depends on `{name}`"), remedy));
            }
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
    fn no_error_is_a_text() {
        expect_none(text_variants(&repository::sources()));
    }

    #[test]
    fn no_crate_catches_all_errors_in_one_type() {
        expect_none(catch_all_dependencies(&repository::members()));
    }

    fn error_enum(variant: &str) -> Source {
        sample(
            "a.rs",
            &format!("#[derive(Debug, thiserror::Error)]\nenum ReadError {{\n    {variant},\n}}\n"),
        )
    }

    #[test]
    fn a_variant_of_a_text_is_found() {
        let texts =
            ["Other(String)", "Other(Cow<'static, str>)", "Other(Box<str>)", "Other { message: String }"];
        for variant in texts {
            let findings = text_variants(&[error_enum(variant)]);
            assert_eq!(findings.len(), 1, "{variant}");
            assert_eq!(
                (findings[0].line, findings[0].what.as_str()),
                (3, "`ReadError::Other` holds only a text")
            );
        }
    }

    #[test]
    fn a_variant_that_says_what_it_holds_is_fine() {
        let typed =
            ["Full", "Gone(Key)", "Unknown { collection: String }", "Bad { key: Key, message: String }"];
        for variant in typed {
            expect_none(text_variants(&[error_enum(variant)]));
        }
        expect_none(text_variants(&[sample("a.rs", "#[derive(Debug)] enum Word { Other(String) }")]));
    }

    #[test]
    fn a_catch_all_dependency_is_found() {
        let member =
            Member::parse("sim", "[dependencies]\nserde = \"1\"\n[dev-dependencies]\nanyhow = \"1\"\n");
        assert_eq!(catch_all_dependencies(&[member])[0].line, 4);
    }
}
