//! `isle blocked`.

use super::asking::Asking;
use super::{CommandError, call, unasked};
use crate::arguments::{BlockedCommand, BlockedListArguments, Document};
use crate::local::{BlockedDocument, BlockingChange, Request, Response};
use std::io::{self, Write as _};

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
        let mut stdout = io::stdout().lock();
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
        writeln!(io::stdout(), "no document is blocked")?;
    }
    Ok(())
}

async fn release(document: &Document) -> Result<(), CommandError> {
    let address = &document.address;
    let request = Request::Retry { address: address.clone() };
    let Response::Retried(blocked) = call(&document.data.data, &request).await? else {
        return Err(unasked());
    };
    match blocked {
        None => writeln!(io::stdout(), "{address} is not blocked")?,
        Some(reason) => return Err(CommandError::StillBlocked { address: address.clone(), reason }),
    }
    Ok(())
}

async fn drop_change(document: &Document) -> Result<(), CommandError> {
    let address = &document.address;
    let request = Request::Drop { address: address.clone() };
    let Response::Dropped { change, blocked } = call(&document.data.data, &request).await? else {
        return Err(unasked());
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "dropped: {}", named(&change))?;
    match blocked {
        None => writeln!(stdout, "{address} is not blocked")?,
        Some(reason) => {
            writeln!(stdout, "{address} is blocked still by another change: {reason}; list and drop again")?;
        }
    }
    Ok(())
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
