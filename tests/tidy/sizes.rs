//! No file and no function is longer than a reader can hold.

use crate::finding::Finding;
use crate::source::Source;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A file, its tests included; most are 80 to 250 lines.
const FILE_LINES_MAX: usize = 800;
/// A function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Something that is longer than the rule allows, for a while.
struct Exception {
    file: &'static str,
    /// The function; `None` is the file itself.
    function: Option<&'static str>,
    /// How long it is; it may not grow, and this number follows it down.
    lines: usize,
}

/// This list may only shrink.
const EXCEPTIONS: &[Exception] = &[];

/// A file or function that is too long.
struct Excess {
    line: usize,
    function: Option<String>,
    lines: usize,
}

fn too_long(sources: &[Source], exceptions: &[Exception]) -> Vec<Finding> {
    let mut unused: Vec<&Exception> = exceptions.iter().collect();
    let mut findings = Vec::new();
    for source in sources {
        for excess in excesses(source) {
            let excused = |exception: &&Exception| {
                exception.file == source.path
                    && exception.function == excess.function.as_deref()
                    && exception.lines == excess.lines
            };
            let needed = unused.len();
            unused.retain(|exception| !excused(exception));
            if unused.len() == needed {
                findings.push(too_long_finding(source, &excess));
            }
        }
    }
    findings.extend(unused.into_iter().map(unused_finding));
    findings
}

fn too_long_finding(source: &Source, excess: &Excess) -> Finding {
    let (what, limit) = match &excess.function {
        Some(name) => (format!("function `{name}`"), FUNCTION_LINES_MAX),
        None => ("the file".into(), FILE_LINES_MAX),
    };
    let what = format!("{what} has {} lines, {limit} are allowed", excess.lines);
    source.finding(excess.line, what, "split it by what its parts do")
}

fn unused_finding(exception: &Exception) -> Finding {
    Finding {
        file: exception.file.into(),
        line: 1,
        what: format!(
            "an exception allows {} exactly {} lines, and it has another length",
            exception.function.map_or("the file".into(), |name| format!("`{name}`")),
            exception.lines
        ),
        remedy: "if it got shorter, lower the number in tests/tidy/sizes.rs, or delete the entry",
    }
}

fn excesses(source: &Source) -> Vec<Excess> {
    let mut functions = Functions { excesses: Vec::new() };
    functions.visit_file(&source.syntax);
    let lines = source.text.lines().count();
    let file = Excess { line: 1, function: None, lines };
    functions.excesses.extend((lines > FILE_LINES_MAX).then_some(file));
    functions.excesses
}

/// Looks at functions, methods, and functions inside them.
struct Functions {
    excesses: Vec<Excess>,
}

impl Functions {
    fn look_at(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let line = signature.span().start().line;
        let lines = body.span().end().line + 1 - line;
        if lines > FUNCTION_LINES_MAX {
            self.excesses.push(Excess { line, function: Some(signature.ident.to_string()), lines });
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.look_at(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.look_at(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.look_at(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    #[test]
    fn nothing_is_too_long() {
        expect_none(too_long(&repository::sources(), EXCEPTIONS));
    }

    /// A function of so many lines.
    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_over_the_limit_is_found_wherever_it_is() {
        let long = function(FUNCTION_LINES_MAX + 1);
        let indented = |outer: &str| format!("{outer} {{\n{long}}}\n");
        for text in [long.clone(), indented("impl S"), indented("trait T"), indented("mod m")] {
            let findings = too_long(&[sample("a.rs", &text)], &[]);
            assert_eq!(findings.len(), 1, "in:\n{text}");
            assert_eq!(findings[0].what, "function `f` has 71 lines, 70 are allowed");
        }
    }

    #[test]
    fn a_function_at_the_limit_is_fine() {
        expect_none(too_long(&[sample("a.rs", &function(FUNCTION_LINES_MAX))], &[]));
    }

    #[test]
    fn a_file_over_the_limit_is_found() {
        let long = sample("a.rs", &"//\n".repeat(FILE_LINES_MAX + 1));
        assert_eq!(too_long(&[long], &[])[0].what, "the file has 801 lines, 800 are allowed");
        expect_none(too_long(&[sample("a.rs", &"//\n".repeat(FILE_LINES_MAX))], &[]));
    }

    #[test]
    fn an_exception_excuses_one_function_at_its_length_only() {
        let exception = [Exception { file: "a.rs", function: Some("f"), lines: 75 }];
        expect_none(too_long(&[sample("a.rs", &function(75))], &exception));
        assert_eq!(too_long(&[sample("a.rs", &function(76))], &exception).len(), 2);
        assert_eq!(too_long(&[sample("b.rs", &function(75))], &exception).len(), 2);
    }

    #[test]
    fn an_exception_that_is_not_needed_is_found() {
        let exception = [Exception { file: "a.rs", function: Some("f"), lines: 75 }];
        assert_eq!(too_long(&[sample("a.rs", &function(10))], &exception).len(), 1);
    }
}
