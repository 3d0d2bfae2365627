//! `isle doc`.

use super::answer::{answer, lines, note, stdout};
use super::asking::Asking;
use super::{CommandError, call, history, unasked};
use crate::arguments::{
    DeleteArguments, Document, DocumentCommand, GetArguments, IncrementArguments, ListArguments,
    PutArguments, Terms, WaitFor,
};
use crate::local::{ListedDocument, Moment, REQUEST_BYTES_MAX, Reading, Request, Response, Stamp, Violation};
use document::{Key, Operation};
use serde_json::{Value, json};
use std::io::{self, Read as _, Write as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) async fn run(command: &DocumentCommand) -> Result<(), CommandError> {
    match command {
        DocumentCommand::Get(arguments) => get(arguments).await,
        DocumentCommand::Put(arguments) => {
            let value = json(arguments)?;
            write(&arguments.document, &arguments.terms, vec![Operation::Put(value)]).await
        }
        DocumentCommand::Patch(arguments) => {
            let patch = patch(json(arguments)?)?;
            write(&arguments.document, &arguments.terms, vec![patch]).await
        }
        DocumentCommand::Change(arguments) => {
            let operations = serde_json::from_value(json(arguments)?)?;
            write(&arguments.document, &arguments.terms, operations).await
        }
        DocumentCommand::Delete(DeleteArguments { document, terms }) => {
            write(document, terms, vec![Operation::Delete]).await
        }
        DocumentCommand::Increment(IncrementArguments { document, field, by, terms }) => {
            write(document, terms, vec![Operation::increment(field, *by)?]).await
        }
        DocumentCommand::List(arguments) => list(arguments).await,
        DocumentCommand::History(arguments) => history::changes(arguments).await,
        DocumentCommand::Conflicts(arguments) => history::conflicts(arguments).await,
    }
}

async fn get(arguments: &GetArguments) -> Result<(), CommandError> {
    let Document { data, address } = &arguments.document;
    let at = moment(arguments)?;
    let request = Request::Get { address: address.clone(), at };
    let Response::Document(reading) = call(&data.data, &request).await? else { return Err(unasked()) };
    if arguments.json && reading.value.is_some() {
        return lines([reading]);
    }
    notes(&reading).iter().for_each(note);
    let value = reading.value.ok_or_else(|| CommandError::NoDocument { address: address.clone() })?;
    Ok(writeln!(stdout(), "{}", serde_json::to_string_pretty(&value)?)?)
}

/// What is to be known of a document that is not in its JSON.
fn notes(reading: &Reading) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(reason) = &reading.blocked {
        notes.push(format!("it is blocked and shown as before: {reason}"));
    } else if reading.is_behind {
        notes.push("it has changes that are not applied yet: ask again soon".to_owned());
    }
    for Violation { field, rule, message } in &reading.violations {
        let field = if field.is_empty() { "the document" } else { field };
        notes.push(format!("it breaks its schema, as a merge may: {field}: {message} (rule {rule})"));
    }
    notes
}

fn moment(arguments: &GetArguments) -> Result<Option<Moment>, CommandError> {
    if let Some(heads) = &arguments.heads {
        return Ok(Some(Moment::Heads(heads.clone())));
    }
    let Some(text) = &arguments.at else { return Ok(None) };
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|source| CommandError::Time { text: text.clone(), source })?;
    let wall_ms = i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
    Ok(Some(Moment::WallMs(wall_ms)))
}

fn json(arguments: &PutArguments) -> Result<Value, CommandError> {
    Ok(match arguments.json.as_str() {
        "-" => serde_json::from_str(&standard_input()?)?,
        text => serde_json::from_str(text)?,
    })
}

/// An object is a merge patch, an array a JSON patch.
fn patch(value: Value) -> Result<Operation, CommandError> {
    Ok(if value.is_array() {
        Operation::Patch(serde_json::from_value(value)?)
    } else {
        Operation::MergePatch(value)
    })
}

async fn write(document: &Document, terms: &Terms, operations: Vec<Operation>) -> Result<(), CommandError> {
    let request = Request::Write {
        address: document.address.clone(),
        operations,
        condition: terms.conditions.given(),
        idempotency_key: terms.idempotency_key.clone(),
        author: terms.author.clone(),
        message: terms.message.clone(),
        hub_within_ms: (terms.wait == WaitFor::Hub)
            .then(|| u64::try_from(terms.within.as_millis()).unwrap_or(u64::MAX)),
    };
    let response = match terms.wait {
        WaitFor::Local => call(&document.data.data, &request).await?,
        // Without a server nobody gets there.
        WaitFor::Hub => Asking::server(&document.data.data).await?.call(&request).await?,
    };
    let (stamp, heads, hub) = if let Response::Written(written) = response {
        let (stamp, heads) = written.map(|written| (written.stamp, written.heads)).unzip();
        (stamp, heads.unwrap_or_default(), None)
    } else if let Response::Reached { stamp, heads, hub } = response {
        (stamp, heads, Some(hub))
    } else {
        return Err(unasked());
    };
    let text = match &stamp {
        None => "unchanged: the document was so already".to_owned(),
        Some(Stamp { sequence, origin }) => {
            let reached = if hub == Some(true) { "; the hub has it" } else { "" };
            format!("written: change {sequence} of origin {origin}{reached}")
        }
    };
    // Where nothing was written the answer tells none.
    let heads = Some(heads).filter(|heads| !heads.is_empty());
    answer(terms.as_json, &json!({"stamp": stamp, "heads": heads, "hub": hub}), &text)?;
    if stamp.is_some() && hub == Some(false) { Err(CommandError::NotAtHub) } else { Ok(()) }
}

/// Page after page, until there is no more or the limit is reached.
async fn list(arguments: &ListArguments) -> Result<(), CommandError> {
    let mut client = Asking::of(&arguments.data.data).await?;
    let mut stdout = stdout();
    let mut after: Option<Key> = arguments.after.clone();
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    while left > 0 {
        let before = after.take();
        let request = Request::List {
            space: arguments.place.space.clone(),
            collection: arguments.place.collection.clone(),
            after: before.clone(),
            limit: left.min(replica::LIST_MAX),
        };
        let Response::Listed(listed) = client.call(&request).await? else { return Err(unasked()) };
        for document in &listed.documents {
            writeln!(stdout, "{}", line(document)?)?;
        }
        for key in &listed.blocked {
            note(format_args!("{key} is blocked or damaged: `isle doc get` says why"));
        }
        if listed.is_behind && listed.blocked.is_empty() {
            note(format_args!("some documents have changes that are not applied yet: ask again soon"));
        }
        left = left.saturating_sub(listed.documents.len());
        // A page that goes no further would come again for ever.
        let next = listed.next.and_then(|key| key.parse().ok());
        after = next.filter(|next: &Key| before.as_ref() < Some(next));
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

/// A document of a listing or a query as a line of JSON, and the rules that it breaks, if any.
pub(super) fn line(document: &ListedDocument) -> Result<String, CommandError> {
    let (key, value) = (serde_json::to_string(&document.key)?, &document.value);
    Ok(match document.violations.as_slice() {
        [] => format!("{{\"key\":{key},\"value\":{value}}}"),
        broken => {
            let violations = serde_json::to_string(broken)?;
            format!("{{\"key\":{key},\"value\":{value},\"violations\":{violations}}}")
        }
    })
}

fn standard_input() -> Result<String, CommandError> {
    let mut text = String::new();
    let limit = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(limit).read_to_string(&mut text)?;
    match text.len() {
        bytes if bytes > REQUEST_BYTES_MAX => {
            Err(CommandError::InputTooLong { bytes_max: REQUEST_BYTES_MAX })
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rules_that_its_document_breaks_and_only_then() {
        let mut document =
            ListedDocument { key: "a%2Fb".into(), value: json!({"on_hand": -1}), violations: Vec::new() };
        assert_eq!(line(&document).unwrap(), r#"{"key":"a%2Fb","value":{"on_hand":-1}}"#);
        let (field, rule, message) = ("/on_hand".into(), "/minimum".into(), "too low".into());
        document.violations.push(Violation { field, rule, message });
        let broken = r#"[{"field":"/on_hand","rule":"/minimum","message":"too low"}]"#;
        let expected = format!(r#"{{"key":"a%2Fb","value":{{"on_hand":-1}},"violations":{broken}}}"#);
        assert_eq!(line(&document).unwrap(), expected);
    }

    #[test]
    fn what_is_not_in_the_json_is_said_beside_it() {
        let reading = Reading { value: Some(json!({"on_hand": -1})), ..Reading::default() };
        assert_eq!(notes(&reading), Vec::<String>::new());
        let broken = |field: &str| Violation {
            field: field.into(),
            rule: "/properties/on_hand/minimum".into(),
            message: "-1 is less than the minimum of 0".into(),
        };
        let reading = Reading {
            violations: vec![broken("/on_hand"), broken("")],
            blocked: Some("what is stored of it is damaged".into()),
            is_behind: true,
            ..reading
        };
        let said = notes(&reading);
        assert_eq!(
            said,
            [
                "it is blocked and shown as before: what is stored of it is damaged",
                "it breaks its schema, as a merge may: /on_hand: -1 is less than the minimum of 0 \
                 (rule /properties/on_hand/minimum)",
                "it breaks its schema, as a merge may: the document: -1 is less than the minimum of 0 \
                 (rule /properties/on_hand/minimum)",
            ]
        );
    }
}
