//! Documents of a collection that fit a query.

use super::answers::counted;
use super::asking::{Api, Place};
use super::calling::Caller;
use super::extract::{OfCollection, Parameters};
use super::listed;
use super::problem::{Kind, Problem};
use super::problems::FindProblems;
use super::shares::Share;
use super::texts::{ConditionText, NameText, OrderText, SelectedText};
use super::written::unexpected;
use crate::condition;
use crate::local::{Found, ListedDocument, Request, Response as Answer, Violation};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use document::{Collection, Key, Pointer, PointerError, Space};
use futures_util::stream;
use replica::{Cursor, FIELDS_MAX, FILTERS_MAX, Filter, KeyRange, Order, PAGE_DOCUMENTS_MAX, Query};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

const NDJSON: &str = "application/x-ndjson";

/// Part of what fits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Documents {
    /// In the order asked for.
    documents: Vec<FoundDocument>,
    /// Where there may be more: the `after` to ask with. A page may have fewer documents than its limit, and be followed by
    /// another.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Whether documents have changes that are here and not in what was found.
    is_behind: bool,
    /// Keys of documents that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<String>,
    /// How it was found; with `explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explained>,
}

/// A document that fits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundDocument {
    /// Its key, as it is: a slash is a slash.
    key: String,
    /// Its present value.
    value: Value,
    /// The rules of its schema that it breaks, as a merge of valid documents may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
}

impl From<ListedDocument> for FoundDocument {
    fn from(listed: ListedDocument) -> Self {
        let ListedDocument { key, value, violations } = listed;
        Self { key: plain(key), value, violations }
    }
}

/// A key of an address, where `%` and `/` are escaped, as it is.
fn plain(key: String) -> String {
    key.parse::<Key>().map_or(key, |key| key.as_str().to_owned())
}

/// How documents were found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explained {
    /// Which index was read, in words.
    plan: String,
    /// Rows that were looked at.
    examined: u64,
}

/// Find documents.
///
/// With `Accept: application/x-ndjson` each document is a line, page after page without a limit unless one is given; the last
/// line is `{"end": {"next": …, "is_behind": …}}`, with `damaged` and `damaged_count` where documents could not be read and
/// `explain` where that was asked, or `{"problem": {…}}` where it could not go on. So many results as lines as the setting
/// `lines_max` says are under way at once, and a quarter of them for one caller: more are refused with 503. A collection that is
/// called `transactions` is not found: its path is that of transactions.
#[utoipa::path(get, path = "/v1/spaces/{space}/{collection}", tag = "queries",
    params(
        ("space" = inline(NameText), Path), ("collection" = inline(NameText), Path),
        ("where" = inline(Option<Vec<ConditionText>>), Query, max_items = 16, description = "A condition: field, operator, value, as in `/price<500`, \
            `/brand=Alpro`, `/name^=MI`, `/tags~=new`, or a field alone that must be there; a text that reads as a number is quoted: \
            `/product=\"1029743\"`. Given several times, all must hold"),
        ("order" = inline(Option<OrderText>), Query, description = "A field, as in `/price`; `-/price` from its end. By key when nothing \
            is said; `-` from the last key"),
        ("select" = inline(Option<Vec<SelectedText>>), Query, max_items = 64, description = "Show only this field; may be given several times"),
        ("prefix" = Option<String>, Query, description = "Only keys that start so"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many: 100 when nothing is said, \
            and up to 1,000 on a page; of lines as many as there are"),
        ("after" = Option<String>, Query, description = "Go on after the page that gave it as `next`"),
        ("explain" = Option<bool>, Query, description = "Say how they were found"),
    ),
    responses((status = 200, description = "Those that fit",
        content((Documents = "application/json"), (String = "application/x-ndjson")),
        headers(("Vary" = String, description = "`accept`: which of the two it is"))), FindProblems))]
pub(super) async fn find(
    State(api): State<Api>,
    _place: Place,
    caller: Caller,
    OfCollection(space, collection): OfCollection,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut answer = answered(api, caller, (space, collection), &parameters, &headers).await?;
    // A cache on the way does not take one form for the other.
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

async fn answered(
    api: Api,
    caller: Caller,
    (space, collection): (Space, Collection),
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    parameters.only(&["where", "order", "select", "prefix", "limit", "after", "explain"])?;
    caller.reads(&space, Some(&collection))?;
    let mut query = query(parameters)?;
    let explains = parameters.read("explain", "true or false")?.unwrap_or(false);
    if wants_lines(headers) {
        let left = parameters.count("limit", u32::MAX)?;
        // It lasts as long as its reader takes: its place is among those that do.
        let place = api.lines_place(&caller)?;
        let (query, end) = (Some(query), End { explains, ..End::default() });
        let lines = Lines { api, caller, place, space, collection, query, left, end };
        return lines.respond().await;
    }
    query.limit = parameters.count("limit", PAGE_DOCUMENTS_MAX)?.unwrap_or(query.limit);
    let found = page(&api, (&space, &collection), query).await?;
    let Found { documents, damaged, next, examined, plan, is_behind } = found;
    let explain = explains.then_some(Explained { plan, examined });
    let documents = documents.into_iter().map(FoundDocument::from).collect();
    let damaged = damaged.into_iter().map(plain).collect();
    counted(&api, Json(Documents { documents, next, is_behind, damaged, explain }).into_response())
}

/// Whether the results are wanted as lines at least as much as on one page. Lines have to be named.
fn wants_lines(headers: &HeaderMap) -> bool {
    let (mut lines, mut pages) = (0.0_f32, [None; 3]);
    for range in listed::members(headers, &header::ACCEPT) {
        let (range, quality) = listed::with_parameter(range, "q");
        let quality: f32 = quality.map_or(Some(1.0), |quality| quality.parse().ok()).unwrap_or(0.0);
        // Of a page the nearest range counts.
        let [exact, of_kind, any] = &mut pages;
        match range.as_str() {
            NDJSON => lines = lines.max(quality),
            "application/json" => *exact = Some(quality),
            "application/*" => *of_kind = Some(quality),
            "*/*" => *any = Some(quality),
            _ => {}
        }
    }
    lines > 0.0 && lines >= pages.into_iter().flatten().next().unwrap_or(0.0)
}

async fn page(api: &Api, (space, collection): (&Space, &Collection), query: Query) -> Result<Found, Problem> {
    let request = Request::Query { space: space.clone(), collection: collection.clone(), query };
    let Answer::Found(found) = api.read(request).await? else { return Err(unexpected()) };
    Ok(found)
}

fn query(parameters: &Parameters) -> Result<Query, Problem> {
    let filters = parameters.all("where").map(filter).collect::<Result<_, _>>()?;
    let mut query = Query { filters, ..Query::default() };
    at_most("where", query.filters.len(), FILTERS_MAX, "ask for more, and pass over the rest")?;
    if let Some(order) = parameters.one("order")? {
        let (order, descending) = order.strip_prefix('-').map_or((order, false), |field| (field, true));
        if !order.is_empty() {
            query.order = Order::Field(field("order", order)?);
        }
        query.descending = descending;
    }
    let fields: Vec<_> =
        parameters.all("select").map(|text| field("select", text)).collect::<Result<_, _>>()?;
    at_most("select", fields.len(), FIELDS_MAX, "leave it out to be shown whole documents")?;
    query.fields = Some(fields).filter(|fields| !fields.is_empty());
    if let Some(prefix) = parameters.one("prefix")? {
        query.keys = KeyRange::Prefix(prefix.to_owned());
    }
    query.after = parameters.one("after")?.map(|after| Cursor(after.to_owned()));
    Ok(query)
}

fn at_most(name: &str, count: usize, most: usize, hint: &str) -> Result<(), Problem> {
    if count <= most {
        return Ok(());
    }
    let detail = format!("'{name}' is given {count} times, {most} are allowed");
    Err(Problem::new(Kind::INVALID, detail, hint).limit(most as u64))
}

fn filter(text: &str) -> Result<Filter, Problem> {
    let malformed = |detail: String| {
        let hint = "`where` is a field and a test of it, as in /price<500 or /name=\"12\"; /docs says which there are";
        Problem::new(Kind::MALFORMED, detail, hint)
    };
    let condition = condition::parse(text).map_err(|error| malformed(error.to_string()))?;
    serde_json::from_value(condition).map_err(|error| malformed(format!("'{text}' is no condition: {error}")))
}

fn field(name: &str, text: &str) -> Result<Pointer, Problem> {
    // One whose name ends with a comma is possible, and hardly ever meant.
    if text.contains(",/") {
        let hint = match name {
            "select" => "give `select` several times, once for each field",
            _ => "give one field: what is alike there is in the order of the keys",
        };
        return Err(Problem::new(Kind::MALFORMED, format!("'{name}' is one field, not '{text}'"), hint));
    }
    Pointer::parse(text).map_err(|error| no_field(name, &error))
}

fn no_field(name: &str, error: &PointerError) -> Problem {
    let hint = "a field is a JSON Pointer (RFC 6901), as in /price";
    Problem::new(Kind::MALFORMED, format!("'{name}': {error}"), hint).limited(error.limit())
}

/// Documents as lines, a page at a time: the next is asked for when the reader has taken the one before.
struct Lines {
    api: Api,
    /// A token may be revoked between two pages.
    caller: Caller,
    place: Share,
    space: Space,
    collection: Collection,
    /// The next page; none after the last.
    query: Option<Query>,
    /// How many more are wanted, where that was said.
    left: Option<u32>,
    /// What the last line will say.
    end: End,
}

/// What the last line says of all pages.
#[derive(Default)]
struct End {
    is_behind: bool,
    /// Keys of documents that cannot be read, as many as a page may have.
    damaged: Vec<String>,
    damaged_count: usize,
    explains: bool,
    /// How the last page was found.
    plan: String,
    /// Rows that were looked at for all of them.
    examined: u64,
}

impl End {
    fn take(&mut self, is_behind: bool, damaged: Vec<String>) {
        self.is_behind |= is_behind;
        self.damaged_count += damaged.len();
        let room = (PAGE_DOCUMENTS_MAX as usize).saturating_sub(self.damaged.len());
        self.damaged.extend(damaged.into_iter().take(room).map(plain));
    }

    fn line(&self, next: Option<&str>) -> Value {
        let Self { is_behind, damaged, damaged_count, explains, plan, examined } = self;
        let mut end = Map::new();
        let mut say = |name: &str, value: Value| drop(end.insert(name.to_owned(), value));
        say("next", json!(next));
        say("is_behind", json!(is_behind));
        if *damaged_count > 0 {
            say("damaged", json!(damaged));
            say("damaged_count", json!(damaged_count));
        }
        if *explains {
            say("explain", json!({"plan": plan, "examined": examined}));
        }
        json!({"end": end})
    }
}

impl Lines {
    async fn respond(mut self) -> Result<Response, Problem> {
        // The first page decides the status.
        let first = self.next().await?.unwrap_or_default();
        let rest = stream::unfold(self, |mut lines| async move {
            let page = match lines.next().await {
                Ok(page) => page?,
                Err(problem) => {
                    lines.query = None;
                    let mut line = serde_json::to_vec(&json!({"problem": problem})).unwrap_or_default();
                    line.push(b'\n');
                    line
                }
            };
            Some((page, lines))
        });
        let all = futures_util::StreamExt::chain(stream::iter([first]), rest);
        let all = futures_util::StreamExt::map(all, Ok::<_, std::convert::Infallible>);
        Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(all)).into_response())
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let _held = &self.place;
        let Some(mut query) = self.query.take() else { return Ok(None) };
        self.caller.still_reads(&self.api, &self.space, Some(&self.collection))?;
        query.limit = self.left.unwrap_or(PAGE_DOCUMENTS_MAX).min(PAGE_DOCUMENTS_MAX);
        let found = page(&self.api, (&self.space, &self.collection), query.clone()).await?;
        let mut lines = Vec::new();
        let count = u32::try_from(found.documents.len()).unwrap_or(u32::MAX);
        for document in found.documents {
            serde_json::to_writer(&mut lines, &FoundDocument::from(document)).map_err(|_| unexpected())?;
            lines.push(b'\n');
        }
        self.left = self.left.map(|left| left.saturating_sub(count));
        self.end.take(found.is_behind, found.damaged);
        self.end.examined += found.examined;
        self.end.plan = found.plan;
        match &found.next {
            Some(next) if self.left != Some(0) => {
                query.after = Some(Cursor(next.clone()));
                self.query = Some(query);
            }
            next => {
                let end = self.end.line(next.as_deref());
                serde_json::to_writer(&mut lines, &end).map_err(|_| unexpected())?;
                lines.push(b'\n');
            }
        }
        Ok(Some(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_to_who_wants_them() {
        let wants = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (header::ACCEPT, HeaderValue::from_static(line)));
            wants_lines(&lines.collect())
        };
        for accept in [
            &["application/x-ndjson"][..],
            &["Application/X-NDJSON; q=0.5"],
            &["text/html, application/x-ndjson", "*/*;q=0.1"],
            &["application/json", "application/x-ndjson"],
            &["application/x-ndjson;q=0.5, */*, application/*;q=0.4"],
        ] {
            assert!(wants(accept), "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["application/x-ndjson;q=0"],
            &["application/x-ndjson;q=0.5, application/json"],
            &["application/x-ndjson-other", "text/plain; of=\"application/x-ndjson\""],
        ] {
            assert!(!wants(accept), "{accept:?}");
        }
    }

    #[test]
    fn the_last_line_tells_of_all_pages() {
        let mut end = End::default();
        assert_eq!(end.line(None), json!({"end": {"next": null, "is_behind": false}}));
        end.take(true, vec!["a%2Fb".to_owned()]);
        end.take(false, vec!["c".to_owned(); 2_000]);
        let line = end.line(Some("cursor"));
        let all = line.pointer("/end/damaged").and_then(Value::as_array).unwrap();
        assert_eq!((&all[0], all.len()), (&json!("a/b"), 1_000));
        assert_eq!(line.pointer("/end/damaged_count"), Some(&json!(2_001)));
        assert_eq!((&line["end"]["is_behind"], &line["end"]["next"]), (&json!(true), &json!("cursor")));
    }
}
