//! Texts of a form, and objects, as the description has them. What reads them is `document` and `preferences`; `tests/edge` holds
//! the two against each other.
//!
//! A pattern is what is refused otherwise, and the form of what is sent here. Not in it is what depends on more than the text.

use std::borrow::Cow;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! texts {
    ($($name:ident: $words:literal = $pattern:expr, $length_max:expr;)*) => {
        $(
            #[doc = $words]
            pub(super) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text($words, $pattern, $length_max)
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*
    };
}

texts! {
    NameText: "The name of a space or a collection." = "^[a-z0-9._-]+$", Some(64);
    KeyText: "A key of a document: at most 256 bytes, printable." = r"^[^\x00-\x1f\x7f-\x9f]+$", Some(256);
    PointerText: "A JSON Pointer to a field." = "^(/([^~/]|~[01])*){1,32}$", None;
    PlaceText: "A JSON Pointer; the empty one is the whole document." = "^(/([^~/]|~[01])*)*$", None;
    SelectedText: "A JSON Pointer to a field: one." = "^(/(,*([^~/,]|~[01]))*){1,32},*$", None;
    OrderText: "A field, or the key, from the start or the end." = "^-?((/(,*([^~/,]|~[01]))*){1,32},*)?$", None;
    ConditionText: "A field and a test of it." = "^/", None;
    HashText: "The hash of a change." = "^[0-9a-f]{64}$", Some(64);
    MomentText: "Heads, milliseconds, or a time." = MOMENT, None;
    TagsText: "ETags, or any." = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#, None;
    AnyTagText: "Any ETag." = r"^\*$", Some(1);
    IdempotencyKeyText: "A client's name for a write, in quotes or not." = KEY, Some(66);
    AuthorText: "Who writes: at most 64 bytes." = r"^[^\x00-\x1f\x7f-\x9f]*$", Some(64);
    MessageText: "Why it is written: at most 512 bytes." = r"^[^\x00-\x1f\x7f-\x9f]*$", Some(512);
}

/// Up to 64 characters in quotes; or as many that are no text in quotes.
const KEY: &str = r#"^("[ -~]{1,64}"|[!#-~]([ -~]{0,62}[!-~])?|"([ -~]{0,62}[!#-~])?)$"#;

const MOMENT: &str = concat!(
    r#"^("?[0-9a-f]{64}(-[0-9a-f]{64})*"?|-?[0-9]{1,18}"#,
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))$",
);

fn text(words: &str, pattern: &str, length_max: Option<usize>) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(words)).pattern(Some(pattern));
    Schema::Object(text.max_length(length_max).build()).into()
}

/// A parameter that may be left out is there or not: it is never null, as a member of a body may be.
pub(super) fn never_null(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let is_null = |schema: &RefOr<Schema>| {
        let null = SchemaType::Type(Type::Null);
        matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == null)
    };
    match &mut parameter.schema {
        Some(RefOr::T(Schema::OneOf(either))) => {
            either.items.retain(|schema| !is_null(schema));
            if let [only] = either.items.as_slice() {
                parameter.schema = Some(only.clone());
            }
        }
        Some(RefOr::T(Schema::Object(object))) => {
            if let SchemaType::Array(kinds) = &object.schema_type
                && let Some(kind) = kinds.iter().find(|kind| **kind != Type::Null)
            {
                object.schema_type = SchemaType::Type(kind.clone());
            }
        }
        _ => {}
    }
}

/// A document, or a change of one.
pub(super) struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        let any = Some(AdditionalProperties::FreeForm(true));
        Schema::Object(ObjectBuilder::new().schema_type(Type::Object).additional_properties(any).build())
            .into()
    }
}

impl ToSchema for AnyObject {
    fn name() -> Cow<'static, str> {
        "AnyObject".into()
    }
}
