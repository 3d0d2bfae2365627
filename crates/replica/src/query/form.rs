//! How a query is written in JSON.

use super::{Filter, Test};
use document::Pointer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// A field, as a JSON Pointer.
pub(super) mod pointer {
    use super::{Deserialize, Deserializer, Pointer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(pointer: &Pointer, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(pointer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Pointer, D::Error> {
        Pointer::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// Fields, as JSON Pointers.
pub(super) mod pointers {
    use super::{Deserialize, Deserializer, Pointer, Serialize, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(
        pointers: &Option<Vec<Pointer>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let texts =
            pointers.as_ref().map(|pointers| pointers.iter().map(Pointer::to_string).collect::<Vec<_>>());
        texts.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Pointer>>, D::Error> {
        let texts = Option::<Vec<String>>::deserialize(from)?;
        let parse = |text: String| Pointer::parse(&text).map_err(de::Error::custom);
        texts.map(|texts| texts.into_iter().map(parse).collect()).transpose()
    }
}

/// A filter as it is written: the field, and one test by its name.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FilterForm {
    field: Option<String>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    equal: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    not_equal: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    less: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    at_most: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    more: Option<Value>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    at_least: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<(Value, Value)>,
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    one_of: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    contains: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_with: Option<String>,
}

/// A member that is null is there.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut form = FilterForm { field: Some(self.field.to_string()), ..FilterForm::default() };
        match self.test.clone() {
            Test::Equal(value) => form.equal = Some(value),
            Test::NotEqual(value) => form.not_equal = Some(value),
            Test::Less(value) => form.less = Some(value),
            Test::AtMost(value) => form.at_most = Some(value),
            Test::More(value) => form.more = Some(value),
            Test::AtLeast(value) => form.at_least = Some(value),
            Test::Between(first, last) => form.between = Some((first, last)),
            Test::In(values) => form.one_of = Some(values),
            Test::Exists(wanted) => form.exists = Some(wanted),
            Test::Contains(value) => form.contains = Some(value),
            Test::StartsWith(prefix) => form.starts_with = Some(prefix),
        }
        form.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = FilterForm::deserialize(from)?;
        let field = form.field.ok_or_else(|| de::Error::missing_field("field"))?;
        let field = Pointer::parse(&field).map_err(de::Error::custom)?;
        let tests = [
            form.equal.map(Test::Equal),
            form.not_equal.map(Test::NotEqual),
            form.less.map(Test::Less),
            form.at_most.map(Test::AtMost),
            form.more.map(Test::More),
            form.at_least.map(Test::AtLeast),
            form.between.map(|(first, last)| Test::Between(first, last)),
            form.one_of.map(Test::In),
            form.exists.map(Test::Exists),
            form.contains.map(Test::Contains),
            form.starts_with.map(Test::StartsWith),
        ];
        let mut tests = tests.into_iter().flatten();
        match (tests.next(), tests.next()) {
            (Some(test), None) => Ok(Self { field, test }),
            (None, _) => {
                Err(de::Error::custom(format_args!("the filter of {field} has no test, such as \"equal\"")))
            }
            (Some(_), Some(_)) => Err(de::Error::custom(format_args!(
                "the filter of {field} has two tests: write a filter for each"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeyRange, Order, Query, sample};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_test_has_the_form_of_its_name() {
        let forms = [
            json!({"field": "/a", "equal": null}),
            json!({"field": "/a", "not_equal": [1]}),
            json!({"field": "/a", "less": 1}),
            json!({"field": "/a", "at_most": 1.5}),
            json!({"field": "/a", "more": "x"}),
            json!({"field": "/a", "at_least": true}),
            json!({"field": "/a", "between": [1, 2]}),
            json!({"field": "/a", "in": [1, null]}),
            json!({"field": "/a", "exists": false}),
            json!({"field": "/a", "contains": null}),
            json!({"field": "/a~1b/c", "starts_with": ""}),
        ];
        for form in forms {
            let filter: Filter = serde_json::from_value(form.clone()).unwrap();
            assert!(form.get(filter.test.name()).is_some(), "{form}");
            assert_eq!(serde_json::to_value(&filter).unwrap(), form);
        }
    }

    #[test]
    fn a_query_is_written_in_few_words() {
        assert_eq!(serde_json::from_str::<Query>("{}").unwrap(), Query::default());
        let query: Query = serde_json::from_value(json!({
            "keys": {"between": ["a", "b"]}, "order": {"field": "/price"}, "descending": true, "fields": ["/name"],
        }))
        .unwrap();
        let price = Pointer::parse("/price").unwrap();
        assert_eq!(
            (query.keys, query.order),
            (KeyRange::Between("a".into(), "b".into()), Order::Field(price))
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |form: Value| serde_json::from_value::<Query>(form).unwrap_err().to_string();
        let filter = |form: Value| refused(json!({"filters": [form]}));
        assert_eq!(filter(json!({"field": "/a"})), "the filter of /a has no test, such as \"equal\"");
        assert_eq!(
            filter(json!({"field": "/a", "less": 1, "more": 0})),
            "the filter of /a has two tests: write a filter for each"
        );
        assert_eq!(filter(json!({"equal": 1})), "missing field `field`");
        assert!(filter(json!({"field": "a", "equal": 1})).starts_with("'a' is no JSON Pointer"));
        assert!(filter(json!({"field": "/a", "equals": 1})).starts_with("unknown field `equals`"));
        assert!(refused(json!({"sort": "/a"})).starts_with("unknown field `sort`"));
        assert!(refused(json!({"order": {"field": "a"}})).starts_with("'a' is no JSON Pointer"));
        assert!(refused(json!({"limit": -1})).starts_with("invalid value"));
    }

    proptest! {
        #[test]
        fn a_query_is_read_as_it_was_written(query in sample::query()) {
            let text = serde_json::to_string(&query).unwrap();
            prop_assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
        }
    }
}
