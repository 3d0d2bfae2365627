//! Queries of a collection.

use crate::call::{Call, encoded};
use crate::collection::Collection;
use crate::error::{CallError, Violation};
use futures_core::Stream;
use futures_util::stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Documents of a page, where nothing is said.
const PAGE_DOCUMENTS: u32 = 100;

/// What must hold of a field, which a JSON Pointer names, as `/price`.
///
/// ```
/// use isle_client::Filter;
///
/// let filters = [Filter::equal("/brand", &"Alpro"), Filter::less("/price", &5), Filter::exists("/shelf")];
/// ```
#[derive(Clone, Debug)]
pub struct Filter(Result<String, String>);

impl Filter {
    fn new(field: &str, operator: &str, value: &impl Serialize) -> Self {
        let field = match named(field) {
            Ok(field) => field,
            Err(cause) => return Self(Err(cause)),
        };
        let value = serde_json::to_string(value).map_err(|error| error.to_string());
        Self(value.map(|value| format!("{field}{operator}{value}")))
    }

    /// The field has this value.
    ///
    /// ```
    /// let filter = isle_client::Filter::equal("/brand", &"Alpro");
    /// ```
    #[must_use]
    pub fn equal(field: &str, value: &impl Serialize) -> Self {
        Self::new(field, "=", value)
    }

    /// It has another value.
    ///
    /// ```
    /// let filter = isle_client::Filter::not_equal("/brand", &"Alpro");
    /// ```
    #[must_use]
    pub fn not_equal(field: &str, value: &impl Serialize) -> Self {
        Self::new(field, "!=", value)
    }

    /// It is less than this number or text.
    ///
    /// ```
    /// let filter = isle_client::Filter::less("/price", &5);
    /// ```
    #[must_use]
    pub fn less(field: &str, value: &impl Serialize) -> Self {
        Self::new(field, "<", value)
    }

    /// It is at most this number or text.
    ///
    /// ```
    /// let filter = isle_client::Filter::at_most("/on_hand", &3);
    /// ```
    #[must_use]
    pub fn at_most(field: &str, value: &impl Serialize) -> Self {
        Self::new(field, "<=", value)
    }

    /// It is more than this number or text.
    ///
    /// ```
    /// let filter = isle_client::Filter::more("/price", &5);
    /// ```
    #[must_use]
    pub fn more(field: &str, value: &impl Serialize) -> Self {
        Self::new(field, ">", value)
    }

    /// It is at least this number or text.
    ///
    /// ```
    /// let filter = isle_client::Filter::at_least("/price", &5);
    /// ```
    #[must_use]
    pub fn at_least(field: &str, value: &impl Serialize) -> Self {
        Self::new(field, ">=", value)
    }

    /// It is a text that starts so.
    ///
    /// ```
    /// let filter = isle_client::Filter::starts_with("/name", "MI");
    /// ```
    #[must_use]
    pub fn starts_with(field: &str, start: &str) -> Self {
        Self::new(field, "^=", &start)
    }

    /// It is a set or a list that has this element.
    ///
    /// ```
    /// let filter = isle_client::Filter::contains("/tags", &"new");
    /// ```
    #[must_use]
    pub fn contains(field: &str, element: &impl Serialize) -> Self {
        Self::new(field, "~=", element)
    }

    /// It is there.
    ///
    /// ```
    /// let filter = isle_client::Filter::exists("/price_override");
    /// ```
    #[must_use]
    pub fn exists(field: &str) -> Self {
        Self(named(field).map(str::to_owned))
    }
}

/// A field that a query can name: the first operator in it would end it.
fn named(field: &str) -> Result<&str, String> {
    let has_operator =
        field.contains(['=', '<', '>']) || ["!", "^", "~"].iter().any(|start| field.ends_with(start));
    match has_operator {
        true => Err(format!("the field {field} has an operator in it: no query can name it")),
        false => Ok(field),
    }
}

/// A query, to be asked page by page or as a stream.
///
/// ```no_run
/// use isle_client::Filter;
///
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let low = inventory.find().filter(Filter::at_most("/on_hand", &3)).order("/on_hand").limit(20);
/// for found in low.page().await?.documents {
///     println!("{}: {}", found.key, found.value["on_hand"]);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "ask it by `page`, `stream` or `all`"]
pub struct Query<T> {
    collection: Collection<T>,
    filters: Vec<Filter>,
    fields: Vec<String>,
    order: Option<String>,
    descending: bool,
    prefix: Option<String>,
    limit: u32,
    after: Option<String>,
    explains: bool,
}

impl<T> Query<T> {
    pub(crate) fn new(collection: Collection<T>) -> Self {
        let (filters, limit) = (Vec::new(), PAGE_DOCUMENTS);
        Self {
            collection,
            filters,
            fields: Vec::new(),
            order: None,
            descending: false,
            prefix: None,
            limit,
            after: None,
            explains: false,
        }
    }

    /// Only documents of which this holds; several must all hold.
    ///
    /// ```no_run
    /// use isle_client::Filter;
    ///
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let low = inventory.find().filter(Filter::at_most("/on_hand", &3)).all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Only this field of each document, and others that are selected: `T` has to do without the rest.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let shelves = inventory.find().select("/shelf").select("/on_hand").all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn select(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    /// In the order of a field's values, the smallest first. Nothing said, in the order of keys.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let cheapest = inventory.find().order("/price").limit(1).page().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn order(mut self, field: &str) -> Self {
        self.order = Some(field.to_owned());
        self
    }

    /// From the other end: the largest, or the last key, first.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let dearest = inventory.find().order("/price").descending().limit(1).page().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// Only documents whose keys start so.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let cold = inventory.find().prefix("cold/").all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// At most so many documents to a page, up to 1,000.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let few = inventory.find().limit(20).page().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(mut self, documents: u32) -> Self {
        self.limit = documents;
        self
    }

    /// Goes on after the page that gave this as [`Page::next`].
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let first = inventory.find().page().await?;
    /// if let Some(next) = first.next {
    ///     let second = inventory.find().after(&next).page().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, next: &str) -> Self {
        self.after = Some(next.to_owned());
        self
    }

    /// Has the page say how it was found.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// println!("{:?}", inventory.find().explained().page().await?.plan);
    /// # Ok(())
    /// # }
    /// ```
    pub fn explained(mut self) -> Self {
        self.explains = true;
        self
    }

    fn target(&self) -> Result<String, CallError> {
        let mut target = format!("{}?limit={}", self.collection.path(), self.limit);
        let mut and = |name: &str, value: &str| target.push_str(&format!("&{name}={}", encoded(value)));
        for Filter(filter) in &self.filters {
            and("where", filter.as_ref().map_err(|cause| CallError::Unsendable { cause: cause.clone() })?);
        }
        self.fields.iter().for_each(|field| and("select", field));
        let field = self.order.as_deref().unwrap_or_default();
        let order = if self.descending { Some(format!("-{field}")) } else { self.order.clone() };
        let given = [("order", &order), ("prefix", &self.prefix), ("after", &self.after)];
        for (name, value) in given {
            value.iter().for_each(|value| and(name, value));
        }
        if self.explains {
            and("explain", "true");
        }
        Ok(target)
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// Asks for one page.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::Type`] names the first document that does not fit `T`.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let first = inventory.find().page().await?.documents;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn page(&self) -> Result<Page<T>, CallError> {
        let answer = self.collection.space.client.carrier.call(&Call::get(self.target()?)).await?;
        let raw: RawPage = answer.done()?.value()?;
        let typed = |found: RawFound| {
            let value = serde_json::from_value(found.value);
            let value = value.map_err(|error| self.collection.type_error(&found.key, &error))?;
            Ok(Found { key: found.key, value, violations: found.violations })
        };
        let documents = raw.documents.into_iter().map(typed).collect::<Result<_, CallError>>()?;
        let RawPage { next, is_behind, damaged, explain, .. } = raw;
        let (plan, examined) = explain.map(|explain| (explain.plan, explain.examined)).unzip();
        Ok(Page { documents, next, is_behind, damaged, plan, examined })
    }

    /// Asks page after page, each when the documents before it were taken. After those of a page comes
    /// [`CallError::Damaged`] where documents cannot be read, and then what follows.
    ///
    /// ```no_run
    /// use futures_util::StreamExt as _;
    /// use std::pin::pin;
    ///
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let mut all = pin!(inventory.find().stream());
    /// while let Some(found) = all.next().await {
    ///     println!("{}", found?.key);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> impl Stream<Item = Result<Found<T>, CallError>> + Send
    where
        T: Send,
    {
        let state = (Some(self), Vec::new().into_iter());
        stream::unfold(state, |(mut query, mut told)| async move {
            loop {
                if let Some(next) = told.next() {
                    return Some((next, (query, told)));
                }
                let asking: Self = query.take()?;
                match asking.page().await {
                    Ok(page) => {
                        let damaged = page.undamaged(&asking.collection).err();
                        let documents = page.documents.into_iter().map(Ok);
                        told = documents.chain(damaged.map(Err)).collect::<Vec<_>>().into_iter();
                        query = page.next.map(|next| asking.after(&next));
                    }
                    Err(error) => return Some((Err(error), (None, told))),
                }
            }
        })
    }

    /// All documents that fit, in memory.
    ///
    /// # Errors
    /// As for [`page`](Self::page); [`CallError::Damaged`] where documents cannot be read, which [`page`](Self::page) tells
    /// beside the others.
    ///
    /// ```no_run
    /// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
    /// let all = inventory.find().all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn all(self) -> Result<Vec<Found<T>>, CallError> {
        let (mut query, mut all) = (self, Vec::new());
        loop {
            let page = query.page().await?;
            page.undamaged(&query.collection)?;
            all.extend(page.documents);
            match page.next {
                Some(next) => query = query.after(&next),
                None => return Ok(all),
            }
        }
    }
}

/// Part of what fits.
///
/// ```no_run
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// let page = inventory.find().page().await?;
/// println!("{} and more: {}", page.documents.len(), page.next.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// In the order asked for.
    pub documents: Vec<Found<T>>,
    /// Where there may be more: for [`Query::after`]. A page may have fewer documents than its limit, and be followed by
    /// another.
    pub next: Option<String>,
    /// Whether documents of the collection have changes that are at the replica and not in what was found.
    pub is_behind: bool,
    /// Keys of documents that cannot be read.
    pub damaged: Vec<String>,
    /// How it was found; where [`Query::explained`] asked.
    pub plan: Option<String>,
    /// How many rows were looked at for it; likewise.
    pub examined: Option<u64>,
}

impl<T> Page<T> {
    fn undamaged(&self, collection: &Collection<T>) -> Result<(), CallError> {
        if self.damaged.is_empty() {
            return Ok(());
        }
        let of = |key: &String| collection.address(key);
        Err(CallError::Damaged { documents: self.damaged.iter().map(of).collect() })
    }
}

/// A document that fits.
///
/// ```no_run
/// # async fn example(inventory: isle_client::Collection<serde_json::Value>) -> Result<(), isle_client::CallError> {
/// for found in inventory.find().page().await?.documents {
///     println!("{}: {}", found.key, found.value);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Found<T> {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: T,
    /// The rules of its schema that it breaks, as a merge of valid documents may.
    pub violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct RawPage {
    documents: Vec<RawFound>,
    #[serde(default)]
    next: Option<String>,
    #[serde(default)]
    is_behind: bool,
    #[serde(default)]
    damaged: Vec<String>,
    #[serde(default)]
    explain: Option<RawPlan>,
}

#[derive(Deserialize)]
struct RawFound {
    key: String,
    value: Value,
    #[serde(default)]
    violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct RawPlan {
    plan: String,
    examined: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{answer, json};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_page_of_whatever_it_is_is_a_page_or_an_error(value in json()) {
            let _ = answer(&value).value::<RawPage>();
        }
    }

    #[test]
    fn an_order_is_said_in_any_order() {
        let client = crate::Client::connect(crate::Connection::tcp("localhost:1")).unwrap();
        let find = || client.space("stores").collection::<Value>("inventory").find();
        let order = |query: Query<Value>| {
            let target = query.target().unwrap();
            target.split_once("&order=").map(|(_, order)| order.to_owned())
        };
        assert_eq!(order(find()), None);
        assert_eq!(order(find().order("/price")), Some("%2Fprice".to_owned()));
        for descending in [
            find().order("/price").descending(),
            find().descending().order("/price"),
            find().order("/name").descending().order("/price").descending(),
        ] {
            assert_eq!(order(descending), Some("-%2Fprice".to_owned()));
        }
        assert_eq!(order(find().descending()), Some("-".to_owned()));
    }

    #[test]
    fn a_filter_says_its_value_as_json() {
        let shown = |filter: Filter| filter.0.unwrap();
        assert_eq!(shown(Filter::less("/price", &500)), "/price<500");
        assert_eq!(shown(Filter::equal("/name", &"12")), "/name=\"12\"");
        assert_eq!(shown(Filter::contains("/a~1b", &"x")), "/a~1b~=\"x\"");
        assert_eq!(shown(Filter::exists("/shelf")), "/shelf");
        for field in ["/a=b", "/a<", "/a!"] {
            assert!(Filter::equal(field, &1).0.unwrap_err().contains(field));
            assert!(Filter::exists(field).0.is_err());
        }
    }
}
