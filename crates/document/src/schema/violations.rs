//! Checks of values against a schema's rules, by the library `jsonschema`.

mod worse;

use super::error::SchemaError;
use super::flat::push_key;
use super::{Violation, cut, shortened};
use jsonschema::{PatternOptions, ValidationError, error::ValidationErrorKind};
use serde_json::Value;

/// Most violations that are reported of one document.
pub const VIOLATIONS_MAX: usize = 100;
/// Most that are looked at to find those that come first.
const EXAMINED_MAX: usize = 10_000;
/// Longest message of a violation, in characters.
const MESSAGE_CHARS_MAX: usize = 256;
/// Memory of a compiled `pattern`, in bytes; one that takes more is refused.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// The compiled rules of a schema.
#[derive(Debug)]
pub(super) struct Validator(jsonschema::Validator);

impl Validator {
    /// Compiles a schema. Patterns are for an engine that takes time in proportion to the text, so that none can hang
    /// a replica; nothing outside the schema is fetched.
    pub(super) fn new(root: &Value) -> Result<Self, SchemaError> {
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let built = jsonschema::draft202012::options()
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(patterns)
            .build(root);
        built.map(Self).map_err(|error| not_json_schema(&error))
    }

    /// Every rule that a value breaks, by field and rule, up to [`VIOLATIONS_MAX`].
    pub(super) fn violations(&self, value: &Value) -> Vec<Violation> {
        let mut violations = self.examined(value);
        violations.truncate(VIOLATIONS_MAX);
        violations
    }

    /// The rules that a value breaks and an earlier one did not, or breaks worse (module `worse`); none when so much was
    /// broken that not all is looked at and not more is.
    pub(super) fn new_violations(&self, value: &Value, earlier: &Value) -> Vec<Violation> {
        let (violations, before) = (self.examined(value), self.examined(earlier));
        let count = |value| self.0.iter_errors(value).count();
        if before.len() > VIOLATIONS_MAX && count(earlier) >= EXAMINED_MAX && count(value) <= count(earlier) {
            return Vec::new();
        }
        let mut violations = worse::worse(&violations, value, (&before, earlier));
        violations.truncate(VIOLATIONS_MAX);
        violations
    }

    /// The rules that a value breaks, as far as they are looked at.
    fn examined(&self, value: &Value) -> Vec<Violation> {
        if self.0.is_valid(value) {
            return Vec::new();
        }
        let errors = self.0.iter_errors(value).take(EXAMINED_MAX);
        let mut violations: Vec<Violation> =
            errors.flat_map(|error| violations(&error)).take(EXAMINED_MAX).collect();
        violations.sort_unstable();
        violations.dedup();
        violations
    }
}

/// Checks a schema against the rules of JSON Schema itself.
pub(super) fn check_shape(root: &Value) -> Result<(), SchemaError> {
    jsonschema::draft202012::meta::validate(root).map_err(|error| not_json_schema(&error))
}

fn not_json_schema(error: &ValidationError<'_>) -> SchemaError {
    let at = error.instance_path().as_str().to_owned();
    SchemaError::NotJsonSchema { at, fault: message(error) }
}

/// What an error says, a violation for each field that it names.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's kinds of errors: the others are about one field"
)]
fn violations(error: &ValidationError<'_>) -> Vec<Violation> {
    let place = error.instance_path().as_str();
    let rule = error.schema_path().as_str();
    let at_member = |key: &str, message: &str| {
        let mut field = format!("{place}/");
        push_key(&mut field, key);
        Violation { field, rule: rule.to_owned(), message: message.to_owned() }
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![at_member(property.as_str().unwrap_or_default(), "is required and missing")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|key| {
                let value = error.instance().get(key).map(shortened).unwrap_or_default();
                at_member(key, &format!("{value} is not allowed: the schema does not name it"))
            })
            .collect(),
        _ => vec![Violation { field: place.to_owned(), rule: rule.to_owned(), message: message(error) }],
    }
}

/// The library's words, with the value shortened.
fn message(error: &ValidationError<'_>) -> String {
    let value = shortened(error.instance());
    cut(error.masked_with(value), MESSAGE_CHARS_MAX)
}
