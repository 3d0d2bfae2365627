//! The schemas that every replica has.

use document::{Collection, Schema, Schemas};

/// Collections and their schemas, as they stand in `schemas/collections/`.
const BUILT_IN: [(&str, &str); 2] = [
    ("inventory", include_str!("../../../schemas/collections/inventory.json")),
    ("product", include_str!("../../../schemas/collections/product.json")),
];

/// The schemas that every replica has.
pub(crate) fn built_in() -> Schemas {
    let mut schemas = Schemas::default();
    for (name, text) in BUILT_IN {
        // They are part of the program: a test reads them all.
        if let (Ok(collection), Ok(schema)) = (Collection::new(name), Schema::parse(text)) {
            schemas.insert(collection, schema);
        }
    }
    schemas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_schema_is_readable() {
        let schemas = built_in();
        for (name, _) in BUILT_IN {
            assert!(schemas.get(&Collection::new(name).unwrap()).is_some(), "{name}");
        }
    }
}
