//! `isle doc`.

use super::{CommandError, call, unasked};
use crate::arguments::{Document, DocumentCommand, IncrementArguments, ListArguments, PutArguments};
use crate::local::{Increment, LocalClient, REQUEST_BYTES_MAX, Request, Response};
use document::Key;
use serde_json::Value;
use std::io::{self, Read as _, Write as _};

pub(super) async fn run(command: &DocumentCommand) -> Result<(), CommandError> {
    match command {
        DocumentCommand::Get(document) => get(document).await,
        DocumentCommand::Put(arguments) => put(arguments).await,
        DocumentCommand::Increment(arguments) => increment(arguments).await,
        DocumentCommand::List(arguments) => list(arguments).await,
    }
}

async fn get(document: &Document) -> Result<(), CommandError> {
    let address = document.address.clone();
    match call(&document.data.data, &Request::Get { address: address.clone() }).await? {
        Response::Document(Some(value)) => {
            writeln!(io::stdout().lock(), "{}", serde_json::to_string_pretty(&value)?)?;
            Ok(())
        }
        Response::Document(None) => Err(CommandError::NoDocument { address }),
        Response::Written(_) | Response::Listed(_) | Response::Status(_) => Err(unasked()),
    }
}

async fn put(arguments: &PutArguments) -> Result<(), CommandError> {
    let value = match arguments.json.as_str() {
        "-" => serde_json::from_str(&standard_input()?)?,
        text => serde_json::from_str(text)?,
    };
    let address = arguments.document.address.clone();
    let idempotency_key = arguments.repeatable.idempotency_key.clone();
    write(&arguments.document, &Request::Put { address, value, idempotency_key }).await
}

async fn increment(arguments: &IncrementArguments) -> Result<(), CommandError> {
    let request = Request::Increment {
        address: arguments.document.address.clone(),
        increments: vec![Increment { field: arguments.field.clone(), by: arguments.by }],
        idempotency_key: arguments.repeatable.idempotency_key.clone(),
    };
    write(&arguments.document, &request).await
}

async fn write(document: &Document, request: &Request) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    match call(&document.data.data, request).await? {
        Response::Written(Some(stamp)) => {
            writeln!(stdout, "written: change {} of origin {}", stamp.sequence, stamp.origin)?;
            Ok(())
        }
        Response::Written(None) => Ok(writeln!(stdout, "unchanged: the document was so already")?),
        Response::Document(_) | Response::Listed(_) | Response::Status(_) => Err(unasked()),
    }
}

/// Page after page, until there is no more or the limit is reached.
async fn list(arguments: &ListArguments) -> Result<(), CommandError> {
    let mut client = LocalClient::connect(&arguments.data.data).await?;
    let mut stdout = io::stdout().lock();
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
            let key = Value::String(document.key.clone());
            writeln!(stdout, "{{\"key\":{key},\"value\":{}}}", document.value)?;
        }
        for key in &listed.blocked {
            eprintln!("{key} is blocked: one of its changes cannot be applied by this version");
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
