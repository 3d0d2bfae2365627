//! The lines of a document by a service that knows half of what they have: the rest stays with its line.

use isle_client::{CallError, Document, Written};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A document as that service knows it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Half {
    #[serde(default)]
    lines: Vec<Line>,
}

/// Of a sold product its quantity is not known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Sold { product: String },
    Other(Value),
}

/// What is made of the lines, by a closure. Nothing where there is no such line.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Rename(usize, String),
    Remove(usize),
    Insert(usize, String),
    Swap(usize, usize),
}

/// One of a few products, so that lines often look alike to who does not know how many were sold.
pub(super) fn product() -> impl Strategy<Value = String> {
    "milk|bread|tea|oat ä|rice|salt"
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let line = 0_usize..4;
    prop_oneof![
        3 => (line.clone(), product()).prop_map(|(line, product)| Edit::Rename(line, product)),
        2 => line.clone().prop_map(Edit::Remove),
        2 => (line.clone(), product()).prop_map(|(line, product)| Edit::Insert(line, product)),
        2 => (line.clone(), line).prop_map(|(one, other)| Edit::Swap(one, other)),
    ]
}

impl Edit {
    pub(super) async fn send(&self, document: &Document<Half>) -> Result<Written, CallError> {
        document.update(|half| self.edit(&mut half.lines)).await
    }

    fn edit(&self, lines: &mut Vec<Line>) {
        match self {
            Self::Rename(line, new) => {
                if let Some(Line::Sold { product }) = lines.get_mut(*line) {
                    new.clone_into(product);
                }
            }
            Self::Insert(line, product) if *line <= lines.len() => {
                lines.insert(*line, Line::Sold { product: product.clone() });
            }
            Self::Remove(line) if *line < lines.len() => drop(lines.remove(*line)),
            Self::Swap(one, other) if one.max(other) < &lines.len() => lines.swap(*one, *other),
            Self::Insert(..) | Self::Remove(_) | Self::Swap(..) => {}
        }
    }

    /// The lines as they are then, with all that they have.
    pub(super) fn made_of(&self, lines: &[Value]) -> Vec<Value> {
        let mut lines = lines.to_vec();
        match self {
            Self::Rename(line, product) => {
                if let Some(Value::Object(line)) = lines.get_mut(*line) {
                    line.insert("product".to_owned(), json!(product));
                }
            }
            Self::Insert(line, product) if *line <= lines.len() => {
                lines.insert(*line, json!({"product": product}));
            }
            Self::Remove(line) if *line < lines.len() => drop(lines.remove(*line)),
            Self::Swap(one, other) if one.max(other) < &lines.len() => lines.swap(*one, *other),
            Self::Insert(..) | Self::Remove(_) | Self::Swap(..) => {}
        }
        lines
    }
}

/// Whether lines of before or after look alike to the service and are not: then it may be told that it is not decided which
/// is which, and a new line may be the one or the other of two.
pub(super) fn is_blurred(before: &[Value], after: &[Value]) -> bool {
    [before, after].iter().any(|lines| {
        lines.iter().enumerate().any(|(index, line)| {
            let mut others = lines.iter().take(index);
            others.any(|other| seen(other) == seen(line) && other != line)
        })
    })
}

/// Whether these are the lines that were expected, but for what cannot be told apart: no quantity is lost, or there twice.
pub(super) fn are_alike(lines: &[Value], expected: &[Value]) -> bool {
    let quantities = |lines: &[Value]| {
        let mut quantities: Vec<String> =
            lines.iter().filter_map(|line| line.get("quantity")).map(Value::to_string).collect();
        quantities.sort();
        quantities
    };
    lines.iter().map(seen).eq(expected.iter().map(seen)) && quantities(lines) == quantities(expected)
}

/// A line as the service sees it.
fn seen(line: &Value) -> Value {
    line.get("product").map_or_else(|| line.clone(), |product| json!({"product": product}))
}
