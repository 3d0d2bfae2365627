//! `isle query`.

use super::answer::{note, stdout};
use super::asking::Asking;
use super::documents::line;
use super::{CommandError, unasked};
use crate::arguments::QueryArguments;
use crate::condition;
use crate::local::{Request, Response};
use serde_json::{Value, json};
use std::io::Write as _;

/// Documents of one page.
const PAGE: usize = 500;

/// Page after page, until there is no more or the limit is reached.
pub(super) async fn run(arguments: &QueryArguments) -> Result<(), CommandError> {
    let mut client = Asking::of(&arguments.data.data).await?;
    let (mut after, mut left) = (None, arguments.limit.unwrap_or(usize::MAX));
    let mut examined = 0;
    while left > 0 {
        let request = Request::Query {
            space: arguments.place.space.clone(),
            collection: arguments.place.collection.clone(),
            query: serde_json::from_value(query(arguments, left.min(PAGE), after.as_ref())?)?,
        };
        let Response::Found(found) = client.call(&request).await? else { return Err(unasked()) };
        let mut stdout = stdout();
        for document in &found.documents {
            writeln!(stdout, "{}", line(document)?)?;
        }
        for key in &found.damaged {
            note(format_args!("{key} is damaged and passed over: `isle doc get` says why"));
        }
        if found.is_behind {
            note(format_args!("some documents have changes that are not applied yet: ask again soon"));
        }
        examined += found.examined;
        left = left.saturating_sub(found.documents.len());
        after = found.next;
        if after.is_none() || left == 0 {
            if arguments.explain {
                note(format_args!("{}; {examined} rows examined", found.plan));
            }
            break;
        }
    }
    Ok(())
}

/// The query in its JSON form.
fn query(arguments: &QueryArguments, limit: usize, after: Option<&String>) -> Result<Value, CommandError> {
    let filters = arguments.conditions.iter().map(|text| condition::parse(text));
    let filters: Vec<Value> = filters.collect::<Result<_, _>>()?;
    let mut query = json!({"filters": filters, "limit": limit, "descending": arguments.descending});
    let optional = [
        ("keys", arguments.prefix.as_ref().map(|prefix| json!({"prefix": prefix}))),
        ("fields", arguments.fields.as_ref().map(|fields| json!(fields))),
        ("order", arguments.order.as_ref().map(|field| json!({"field": field}))),
        ("after", after.map(|after| json!(after))),
    ];
    for (name, value) in optional {
        if let (Some(value), Some(query)) = (value, query.as_object_mut()) {
            query.insert(name.to_owned(), value);
        }
    }
    Ok(query)
}
