//! Which code is there for tests only.

use crate::source::Source;
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Whether an item with these attributes is compiled for tests only: `#[cfg(test)]`, `#[cfg(all(test, …))]`,
/// `#[test]`, `#[tokio::test]`.
pub(crate) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if !path.is_ident("cfg") {
            return path.segments.last().is_some_and(|last| last.ident == "test");
        }
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        let mut words = condition.split(|character: char| !character.is_alphanumeric());
        words.clone().all(|word| word != "not") && words.any(|word| word == "test")
    })
}

/// The lines of a file that are compiled for tests only.
pub(crate) fn lines(source: &Source) -> Vec<RangeInclusive<usize>> {
    let mut items = TestItems(Vec::new());
    items.visit_file(&source.syntax);
    items.0
}

struct TestItems(Vec<RangeInclusive<usize>>);

impl TestItems {
    fn look_at(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) {
        if is_for_tests(attributes) {
            let span = item.span();
            self.0.push(span.start().line..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.look_at(&item.attrs, item);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.look_at(&item.attrs, item);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.look_at(&item.attrs, item);
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.look_at(&item.attrs, item);
        visit::visit_impl_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sample;

    #[test]
    fn modules_and_functions_for_tests_are_seen() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[tokio::test]\nasync fn c() {}\n";
        assert_eq!(lines(&sample("a.rs", text)), [2..=5, 6..=7]);
    }

    #[test]
    fn conditions_are_read() {
        let is = |attribute: &str| lines(&sample("a.rs", &format!("{attribute}\nfn f() {{}}"))).len() == 1;
        assert!(is("#[cfg(test)]") && is("#[cfg(all(test, unix))]") && is("#[test]"));
        assert!(!is("#[cfg(not(test))]") && !is("#[cfg(unix)]") && !is("#[must_use]"));
    }
}
