//! `isle watch`.

use super::answer::stdout;
use super::{CommandError, unasked};
use crate::arguments::WatchArguments;
use crate::local::{CallError, LocalClient, RefusalKind, Request, Response, WatchEvent};
use std::io::Write as _;

/// Prints events until the server ends, or the initial state was shown and no more is wanted.
pub(super) async fn run(arguments: &WatchArguments) -> Result<(), CommandError> {
    let mut client = LocalClient::connect(&arguments.data.data).await?;
    let scope = arguments.scope.clone();
    let (space, collection, prefix) = (scope.space, scope.collection, scope.prefix);
    client.send(&Request::Watch { space, collection, prefix, from: arguments.from.clone() }).await?;
    loop {
        let (_, result) = match client.receive().await {
            Ok(answer) => answer,
            Err(CallError::OutcomeUnknown { .. } | CallError::Closed) => return Err(CommandError::FeedEnded),
            Err(error) => return Err(error.into()),
        };
        if matches!(&result, Err(refusal) if refusal.kind == RefusalKind::UnknownOutcome) {
            return Err(CommandError::FeedEnded);
        }
        let Response::Watched(events) = result.map_err(CallError::from)? else {
            return Err(unasked());
        };
        let mut stdout = stdout();
        for event in events {
            writeln!(stdout, "{}", serde_json::to_string(&event)?)?;
            if arguments.once && matches!(event, WatchEvent::Synced { .. }) {
                return Ok(());
            }
        }
        stdout.flush()?;
    }
}
