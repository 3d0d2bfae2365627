//! Conditions of a query as people write them: `/price<500`.

use serde_json::{Value, json};

/// Operators and the names of their tests; a longer one goes before one that it starts with.
const OPERATORS: [(&str, &str); 8] = [
    ("!=", "not_equal"),
    ("<=", "at_most"),
    (">=", "at_least"),
    ("^=", "starts_with"),
    ("~=", "contains"),
    ("=", "equal"),
    ("<", "less"),
    (">", "more"),
];

/// Why a text is no condition.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// It names no field.
    #[error("'{condition}' is no condition: write a field, an operator and a value, as in '/price<500'")]
    Form {
        /// The text.
        condition: String,
    },
    /// What stands behind the operator is nothing, or another operator: nobody means that, and no document would fit.
    #[error(
        "'{condition}' has no value behind its operator: a text that is empty, or begins with one of '=<>!^~', stands in \
         quotes, as in '/name=\"\"'"
    )]
    Value {
        /// The text.
        condition: String,
    },
}

/// The filter that a text stands for, in its JSON form.
pub(crate) fn parse(text: &str) -> Result<Value, ConditionError> {
    let no_form = || ConditionError::Form { condition: text.to_owned() };
    if !text.starts_with('/') {
        return Err(no_form());
    }
    let at = |(operator, test): &(&str, &'static str)| Some((text.find(operator)?, *test, operator.len()));
    // The first in the text; of two that start there the longer, which stands first in the table.
    let found = OPERATORS.iter().filter_map(at).min_by_key(|(start, _, _)| *start);
    let Some((start, test, length)) = found else {
        return Ok(json!({"field": text, "exists": true}));
    };
    let (Some(field), Some(value)) = (text.get(..start), text.get(start + length..)) else {
        return Err(no_form());
    };
    let value = match serde_json::from_str(value) {
        Ok(value) => value,
        Err(_)
            if value.trim().is_empty() || value.trim_start().starts_with(['=', '<', '>', '!', '^', '~']) =>
        {
            return Err(ConditionError::Value { condition: text.to_owned() });
        }
        Err(_) => Value::String(value.to_owned()),
    };
    Ok(json!({"field": field.trim_end(), test: value}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_as_they_are_written() {
        for (text, expected) in [
            ("/price<500", json!({"field": "/price", "less": 500})),
            ("/price>=5.5", json!({"field": "/price", "at_least": 5.5})),
            ("/department=GROCERY", json!({"field": "/department", "equal": "GROCERY"})),
            ("/name=\"12\"", json!({"field": "/name", "equal": "12"})),
            ("/name=a<b", json!({"field": "/name", "equal": "a<b"})),
            ("/tags~=new", json!({"field": "/tags", "contains": "new"})),
            ("/name^=MI", json!({"field": "/name", "starts_with": "MI"})),
            ("/shelf!=null", json!({"field": "/shelf", "not_equal": null})),
            ("/price_override", json!({"field": "/price_override", "exists": true})),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for empty in ["/price<", "/price= ", "/price>>3", "/price<>4", "/price==5", "/name=~x"] {
            assert!(matches!(parse(empty), Err(ConditionError::Value { .. })), "{empty}");
        }
        assert_eq!(parse("/name=\"\"").unwrap(), json!({"field": "/name", "equal": ""}));
        assert!(parse("price<500").unwrap_err().to_string().contains("'/price<500'"));
    }
}
