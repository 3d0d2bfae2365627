//! Headers that are lists.

use axum::http::{HeaderMap, HeaderName};

/// The parts of a text between separators that do not stand in quotes, without spaces around them.
pub(super) fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let split = text.split(move |character| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => is_escaped = true,
            _ => return character == separator && !is_quoted,
        }
        false
    });
    split.map(str::trim)
}

/// The members of all lines of a header, but for lines that are no text.
pub(super) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| parts(line, ',')).filter(|member| !member.is_empty())
}

/// What stands before parameters, in small letters, and the value of one of them.
pub(super) fn with_parameter<'a>(member: &'a str, name: &str) -> (String, Option<&'a str>) {
    let mut parts = parts(member, ';');
    let first = parts.next().unwrap_or_default().to_ascii_lowercase();
    let value = parts.find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    });
    (first, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_quotes_separates_nothing() {
        let of = |text| parts(text, ',').collect::<Vec<_>>();
        assert_eq!(of(r#"a , "b,c" ,"d\",e", f"#), ["a", r#""b,c""#, r#""d\",e""#, "f"]);
        assert_eq!(of(""), [""]);
        assert_eq!(of("\"open, end"), ["\"open, end"]);
    }

    #[test]
    fn a_parameter_has_a_name_in_any_letters() {
        let of = |text| with_parameter(text, "charset");
        assert_eq!(of("Text/Plain"), ("text/plain".to_owned(), None));
        assert_eq!(of("a/b; X=1 ;CharSet = \"UTF-8\""), ("a/b".to_owned(), Some("UTF-8")));
    }
}
