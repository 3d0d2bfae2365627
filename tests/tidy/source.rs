//! A source file, parsed.

use crate::finding::Finding;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A file that parses.
pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// As it is on disk.
    pub(crate) text: String,
    /// Items; what is inside a macro call is opaque here.
    pub(crate) syntax: syn::File,
    /// All tokens in order, those of macro calls too; comments are none, doc comments are string literals.
    pub(crate) tokens: Vec<Token>,
}

/// A word, a literal, a bracket or one punctuation character.
pub(crate) struct Token {
    /// The line it begins at, from 1.
    pub(crate) line: usize,
    /// As it is written.
    pub(crate) text: String,
}

impl Source {
    /// Parses a file; one that does not parse is a finding itself.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let syntax = syn::parse_file(text).map_err(|error| Finding {
            file: path.into(),
            line: error.span().start().line,
            what: format!("does not parse: {error}"),
            remedy: "make it compile",
        })?;
        let mut tokens = Vec::new();
        // A shebang line is taken off by the parser only; no file here has one.
        flatten(text.parse().unwrap_or_default(), &mut tokens);
        Ok(Self { path: path.into(), text: text.into(), syntax, tokens })
    }

    /// A finding in this file.
    pub(crate) fn finding(&self, line: usize, what: impl Into<String>, remedy: &'static str) -> Finding {
        Finding { file: self.path.clone(), line, what: what.into(), remedy }
    }

    /// The lines where these tokens follow each other.
    pub(crate) fn lines_of(&self, wanted: &[&str]) -> Vec<usize> {
        let windows = self.tokens.windows(wanted.len());
        let matching = windows
            .filter(|window| window.iter().map(|token| token.text.as_str()).eq(wanted.iter().copied()));
        matching.filter_map(|window| window.first()).map(|token| token.line).collect()
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        if let TokenTree::Group(group) = &tree {
            let (open, close) = brackets(group.delimiter());
            tokens.push(Token { line, text: open.into() });
            flatten(group.stream(), tokens);
            tokens.push(Token { line: group.span_close().start().line, text: close.into() });
        } else {
            tokens.push(Token { line, text: tree.to_string() });
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// A file of a bad or good sample.
#[cfg(test)]
pub(crate) fn sample(path: &str, text: &str) -> Source {
    Source::parse(path, text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_inside_macro_calls_are_found_with_their_line() {
        let source = sample("a.rs", "fn f() {\n    g!(a,\n      b::c());\n}\n");
        assert_eq!(source.lines_of(&["b", ":", ":", "c", "("]), [3]);
        assert_eq!(source.lines_of(&["b", "(",]), Vec::<usize>::new());
    }

    #[test]
    fn comments_and_literals_are_no_words() {
        let source = sample("a.rs", "/// sleep(1)\nfn f() { g(\"sleep(1)\") } // sleep(1)\n");
        assert_eq!(source.lines_of(&["sleep", "("]), Vec::<usize>::new());
    }

    #[test]
    fn a_file_that_does_not_parse_is_a_finding() {
        let finding = Source::parse("a.rs", "fn f() {}\nfn {\n").err().unwrap();
        assert_eq!((finding.file.as_str(), finding.line), ("a.rs", 2));
    }
}
