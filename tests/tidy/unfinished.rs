//! Nothing half done is kept: no placeholder, no marker, no code in a comment.

use crate::finding::Finding;
use crate::source::Source;

const PLACEHOLDERS: [&str; 2] = ["todo", "unimplemented"];
/// Words of a comment that put off what is known to be wrong.
const MARKERS: [&str; 2] = ["\u{46}IXME", "\u{58}XX"];

fn unfinished(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(|source| [placeholders(source), comments(source)].concat()).collect()
}

fn placeholders(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in PLACEHOLDERS {
        for bracket in ["(", "[", "{"] {
            let lines = source.lines_of(&[name, "!", bracket]);
            let what = format!("`{name}!` is a panic that is waiting");
            findings
                .extend(lines.into_iter().map(|line| source.finding(line, what.clone(), "write the code")));
        }
    }
    findings
}

fn comments(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let Some((_, comment)) = line.split_once("//") else { continue };
        let mut words = comment.split(|character: char| !character.is_alphanumeric());
        if let Some(marker) = words.find(|word| MARKERS.contains(word)) {
            let what = format!("a comment says {marker}");
            findings.push(source.finding(index + 1, what, "do it, or open an issue"));
        }
        if line.trim_start().starts_with("// ") && is_code(comment.trim()) {
            findings.push(source.finding(index + 1, "code in a comment", "delete it: the history keeps it"));
        }
    }
    findings
}

/// A declaration: `mod frame;`, `pub fn decode(…) {`, `use crate::frame;`.
fn is_code(comment: &str) -> bool {
    let item = comment.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
    let begins = ["mod ", "fn ", "use ", "struct ", "enum ", "impl ", "let "]
        .iter()
        .any(|word| item.starts_with(word));
    begins && (item.ends_with(';') || item.ends_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;
    use crate::source::sample;

    #[test]
    fn nothing_is_half_done() {
        expect_none(unfinished(&repository::sources()));
    }

    #[test]
    fn placeholders_are_found() {
        for call in ["todo!()", "unimplemented!(\"later\")", "todo! {}"] {
            let findings = unfinished(&[sample("a.rs", &format!("fn f() {{\n    {call}\n}}\n"))]);
            assert_eq!(findings.len(), 1, "{call}");
            assert_eq!(findings[0].line, 2);
        }
    }

    #[test]
    fn markers_are_found_in_comments() {
        for marker in MARKERS {
            let findings = unfinished(&[sample("a.rs", &format!("fn f() {{}} // {marker}: wrong\n"))]);
            assert_eq!(findings[0].what, format!("a comment says {marker}"));
        }
    }

    #[test]
    fn code_in_a_comment_is_found() {
        for code in ["mod frame;", "pub fn decode() {", "use crate::frame;", "let frame = decode();"] {
            let findings = unfinished(&[sample("a.rs", &format!("fn f() {{}}\n// {code}\n"))]);
            assert_eq!(findings.len(), 1, "{code}");
            assert_eq!(findings[0].line, 2);
        }
    }

    #[test]
    fn sentences_and_other_uses_of_the_words_are_fine() {
        let text = "// A list of what is to do; use it.\n/// let x = 1;\nfn todo() { if todo != x {} }\n";
        expect_none(unfinished(&[sample("a.rs", text)]));
    }
}
