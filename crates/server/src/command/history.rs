//! `isle doc history` and `isle doc conflicts`.

use super::answer::{lines, stdout};
use super::asking::Asking;
use super::{CommandError, call, unasked};
use crate::arguments::{HistoryArguments, ShowArguments};
use crate::local::{Change, Conflict, Request, Response};
use std::fmt::Write as _;
use std::io::Write as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Changes asked for at once.
const PAGE: usize = 250;
/// Digits of a hash and of an origin where people read them.
const SHORT: usize = 12;

pub(super) async fn changes(arguments: &HistoryArguments) -> Result<(), CommandError> {
    let address = &arguments.document.address;
    let (mut before, mut left) = (None, arguments.limit);
    let mut any = false;
    let mut client = Asking::of(&arguments.document.data.data).await?;
    while left > 0 {
        let limit = left.min(PAGE);
        let request = Request::History { address: address.clone(), before: before.take(), limit };
        let Response::History(changes) = client.call(&request).await? else {
            return Err(unasked());
        };
        any |= !changes.is_empty();
        let mut stdout = stdout();
        for change in &changes {
            match arguments.json {
                true => writeln!(stdout, "{}", serde_json::to_string(change)?)?,
                false => write!(stdout, "{}", shown_change(change))?,
            }
        }
        left = left.saturating_sub(changes.len());
        before = changes.last().map(|change| change.hash.clone());
        if before.is_none() {
            break;
        }
    }
    if any { Ok(()) } else { Err(CommandError::NoDocument { address: address.clone() }) }
}

pub(super) async fn conflicts(arguments: &ShowArguments) -> Result<(), CommandError> {
    let address = arguments.document.address.clone();
    let request = Request::Conflicts { address };
    let Response::Conflicts(conflicts) = call(&arguments.document.data.data, &request).await? else {
        return Err(unasked());
    };
    if arguments.json {
        return lines(conflicts);
    }
    let mut stdout = stdout();
    if conflicts.is_empty() {
        writeln!(stdout, "no conflicts")?;
    } else {
        write!(stdout, "{}", conflicts.iter().map(shown_conflict).collect::<String>())?;
    }
    Ok(())
}

/// A text of somebody else's for a terminal, which obeys control characters.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

fn shown_change(change: &Change) -> String {
    let mut text =
        format!("{}  {}  origin {}", short(&change.hash), time(change.wall_ms), short(&change.origin));
    if let Some(author) = &change.author {
        let _ = write!(text, "  by {}", plain(author));
    }
    if let Some(message) = &change.message {
        let _ = write!(text, "  \"{}\"", plain(message));
    }
    text.push('\n');
    for operation in change.patch.as_array().into_iter().flatten() {
        let field = |name: &str| operation.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let value = operation.get("value").map(|value| format!(" {value}")).unwrap_or_default();
        let _ = writeln!(text, "    {:<7} {}{value}", field("op"), field("path"));
    }
    text
}

fn shown_conflict(conflict: &Conflict) -> String {
    let field = if conflict.field.is_empty() { "the document" } else { &conflict.field };
    let mut text = format!("{field}\n");
    for value in &conflict.values {
        let shown = if value.wins { "shown " } else { "hidden" };
        let author =
            value.author.as_ref().map(|author| format!("  by {}", plain(author))).unwrap_or_default();
        let origin = short(&value.origin);
        let _ =
            writeln!(text, "    {shown}  {}  {}  origin {origin}{author}", value.value, time(value.wall_ms));
    }
    text
}

fn short(digits: &str) -> &str {
    digits.get(..SHORT).unwrap_or(digits)
}

/// In UTC; the number itself where no calendar has it.
fn time(wall_ms: i64) -> String {
    let seconds = OffsetDateTime::from_unix_timestamp(wall_ms.div_euclid(1_000));
    let text = seconds.ok().and_then(|time| time.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("{wall_ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::ConflictingValue;
    use serde_json::json;

    #[test]
    fn a_change_says_when_who_and_what() {
        let change = Change {
            hash: "5f".repeat(32),
            dependencies: Vec::new(),
            origin: "0b".repeat(16),
            wall_ms: 1_700_000_000_123,
            author: Some("till-3".into()),
            message: Some("sold".into()),
            patch: json!([{"op": "replace", "path": "/on_hand", "value": 9}, {"op": "remove", "path": "/shelf"}]),
        };
        let expected = "\
5f5f5f5f5f5f  2023-11-14T22:13:20Z  origin 0b0b0b0b0b0b  by till-3  \"sold\"
    replace /on_hand 9
    remove  /shelf
";
        assert_eq!(shown_change(&change), expected);
    }

    #[test]
    fn a_conflict_lists_every_value() {
        let value = |value: &str, wins| ConflictingValue {
            value: json!(value),
            wins,
            hash: "5f".repeat(32),
            origin: "0b".repeat(16),
            wall_ms: 0,
            author: None,
        };
        let conflict = Conflict {
            field: "/shelf".into(),
            values: vec![value("A", true), value("B", false)],
            choosable: true,
        };
        let expected = "\
/shelf
    shown   \"A\"  1970-01-01T00:00:00Z  origin 0b0b0b0b0b0b
    hidden  \"B\"  1970-01-01T00:00:00Z  origin 0b0b0b0b0b0b
";
        assert_eq!(shown_conflict(&conflict), expected);
    }

    #[test]
    fn a_clock_that_lies_is_shown_as_it_is() {
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
    }
}
