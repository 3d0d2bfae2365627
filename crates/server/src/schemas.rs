//! The schemas that a replica has: those of the program, and those of its data directory.

use document::{AddressError, Collection, Schema, SchemaError, Schemas};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Collections and their schemas, as they stand in `schemas/collections/`.
const BUILT_IN: [(&str, &str); 5] = [
    ("basket", include_str!("../../../schemas/collections/basket.json")),
    ("device", include_str!("../../../schemas/collections/device.json")),
    ("inventory", include_str!("../../../schemas/collections/inventory.json")),
    ("note", include_str!("../../../schemas/collections/note.json")),
    ("product", include_str!("../../../schemas/collections/product.json")),
];

/// Longest schema that is read, in bytes.
const SCHEMA_BYTES_MAX: u64 = 64 * 1024;
/// Most schemas of a data directory.
const SCHEMAS_MAX: usize = 256;

/// Why the schemas of a data directory are not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemasError {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// No schema is that long.
    #[error("{} is longer than the {SCHEMA_BYTES_MAX} bytes of a schema", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Too many files.
    #[error("{} has more than {SCHEMAS_MAX} schemas", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
    /// The file's name is no collection's.
    #[error("{}: a schema is named after its collection, as in inventory.json: {source}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AddressError,
    },
    /// It is no schema.
    #[error("{}: {source}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: SchemaError,
    },
}

/// The schemas of the program, and over them those of a directory: a file `COLLECTION.json` each. There need not be
/// such a directory.
pub(crate) fn load(directory: &Path) -> Result<Schemas, SchemasError> {
    let mut schemas = built_in();
    let failed = |source| SchemasError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(schemas),
        Err(error) => return Err(failed(error)),
    };
    for (index, entry) in entries.enumerate() {
        if index >= SCHEMAS_MAX {
            return Err(SchemasError::TooMany { path: directory.to_owned() });
        }
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let (collection, schema) = read(&path)?;
            schemas.insert(collection, schema);
        }
    }
    Ok(schemas)
}

/// The schemas of the program.
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

fn read(path: &Path) -> Result<(Collection, Schema), SchemasError> {
    read_as(path, None)
}

/// A schema in a file, of a collection or of the one that the file is named after.
pub(crate) fn read_as(
    path: &Path,
    collection: Option<&Collection>,
) -> Result<(Collection, Schema), SchemasError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let named =
        || Collection::new(name).map_err(|source| SchemasError::Name { path: path.to_owned(), source });
    let collection = collection.cloned().map_or_else(named, Ok)?;
    let failed = |source| SchemasError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SCHEMA_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > SCHEMA_BYTES_MAX {
        return Err(SchemasError::TooLong { path: path.to_owned() });
    }
    let schema =
        Schema::parse(&text).map_err(|source| SchemasError::Schema { path: path.to_owned(), source })?;
    Ok((collection, schema))
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

    #[test]
    fn a_directory_adds_schemas_and_replaces_built_in_ones() {
        let directory = tempfile::tempdir().unwrap();
        let own = r#"{"x-version": 7, "type": "object", "properties": {}}"#;
        for name in ["till.json", "note.json"] {
            fs::write(directory.path().join(name), own).unwrap();
        }
        fs::write(directory.path().join("README.txt"), "no schema").unwrap();
        let schemas = load(directory.path()).unwrap();
        let version = |name: &str| schemas.get(&Collection::new(name).unwrap()).map(Schema::version);
        assert_eq!((version("till"), version("note")), (Some(7), Some(7)));
        assert!(version("inventory").is_some());
        assert!(load(&directory.path().join("none")).is_ok());
    }

    #[test]
    fn a_refusal_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            let refused = load(directory.path()).unwrap_err().to_string();
            fs::remove_file(path).unwrap();
            assert!(refused.contains(name), "{refused}");
            refused
        };
        assert!(refused("till.json", "{").contains("not JSON"));
        assert!(refused("Till.json", "{}").contains("named after its collection"));
        assert!(refused("long.json", &" ".repeat(70_000)).contains("65536 bytes"));
    }
}
