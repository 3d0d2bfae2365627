//! `isle blocked`.

use super::answer::{answer, stdout};
use super::asking::Asking;
use super::{CommandError, call, unasked};
use crate::arguments::{BlockedCommand, BlockedDocumentArguments, BlockedListArguments};
use crate::local::{BlockedDocument, BlockingChange, Request, Response};
use serde_json::json;
use std::io::Write as _;

pub(super) async fn run(command: &BlockedCommand) -> Result<(), CommandError> {
    match command {
        BlockedCommand::List(arguments) => list(arguments).await,
        BlockedCommand::Release(document) => release(document).await,
        BlockedCommand::Drop(document) => drop_change(document).await,
    }
}

/// Page after page, until there is no more.
async fn list(arguments: &BlockedListArguments) -> Result<(), CommandError> {
    let mut client = Asking::of(&arguments.data.data).await?;
    let (mut after, mut any) = (None, false);
    loop {
        let request = Request::Blocked { after };
        let Response::Blocked { documents, next } = client.call(&request).await? else {
            return Err(unasked());
        };
        any |= !documents.is_empty();
        let mut stdout = stdout();
        for document in &documents {
            match arguments.json {
                true => writeln!(stdout, "{}", serde_json::to_string(document)?)?,
                false => write!(stdout, "{}", shown(document))?,
            }
        }
        after = next.and_then(|next| next.parse().ok());
        if after.is_none() {
            break;
        }
    }
    if !any && !arguments.json {
        writeln!(stdout(), "no document is blocked")?;
    }
    Ok(())
}

async fn release(arguments: &BlockedDocumentArguments) -> Result<(), CommandError> {
    let BlockedDocumentArguments { document, json } = arguments;
    let address = &document.address;
    let request = Request::Retry { address: address.clone() };
    let Response::Retried(blocked) = call(&document.data.data, &request).await? else {
        return Err(unasked());
    };
    match blocked {
        None => {
            let said = json!({"address": address.to_string(), "blocked": null});
            answer(*json, &said, &format!("{address} is not blocked"))
        }
        Some(reason) => Err(CommandError::StillBlocked { address: address.clone(), reason }),
    }
}

async fn drop_change(arguments: &BlockedDocumentArguments) -> Result<(), CommandError> {
    let BlockedDocumentArguments { document, json } = arguments;
    let address = &document.address;
    let request = Request::Drop { address: address.clone() };
    let Response::Dropped { change, blocked } = call(&document.data.data, &request).await? else {
        return Err(unasked());
    };
    let next = match &blocked {
        None => format!("{address} is not blocked"),
        Some(reason) => {
            format!("{address} is blocked still by another change: {reason}; list and drop again")
        }
    };
    let said = json!({"address": address.to_string(), "change": change, "blocked": blocked});
    answer(*json, &said, &format!("dropped: {}\n{next}", named(&change)))
}

fn shown(document: &BlockedDocument) -> String {
    let change = document.change.as_ref().map(|change| format!("    {}\n", named(change)));
    format!("{}  {}\n{}", document.address, document.reason, change.unwrap_or_default())
}

fn named(change: &BlockingChange) -> String {
    format!("change {} of origin {}, hash {}", change.stamp.sequence, change.stamp.origin, change.hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Stamp;

    #[test]
    fn a_blocked_document_is_shown_with_the_change_to_blame() {
        let mut document = BlockedDocument {
            address: "s/c/k".parse().unwrap(),
            reason: "a change cannot be applied by this version".into(),
            change: None,
        };
        assert_eq!(shown(&document), "s/c/k  a change cannot be applied by this version\n");
        let stamp = Stamp { origin: "0b".into(), sequence: 7 };
        document.change = Some(BlockingChange { hash: "5f".into(), stamp });
        assert!(shown(&document).ends_with("\n    change 7 of origin 0b, hash 5f\n"), "{}", shown(&document));
    }
}
