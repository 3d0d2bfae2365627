//! `isle schema`.

mod difference;

use super::answer::stdout;
use super::asking::Asking;
use super::status::{row, table};
use super::{CommandError, unasked};
use crate::arguments::{
    SchemaAddArguments, SchemaCheckArguments, SchemaCommand, SchemaFile, SchemaListArguments,
};
use crate::data_directory::DataDirectory;
use crate::local::{Request, Response, SchemaInForce};
use crate::schemas;
use difference::Difference;
use document::{Address, Collection, Schema};
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;

pub(super) async fn run(command: &SchemaCommand) -> Result<(), CommandError> {
    match command {
        SchemaCommand::List(arguments) => list(arguments).await,
        SchemaCommand::Check(arguments) => check(arguments).await,
        SchemaCommand::Add(arguments) => add(arguments).await,
    }
}

/// Where a schema is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    Program,
    DataDirectory,
    System,
}

impl Source {
    fn of(data: &Path, schema: &SchemaInForce) -> Self {
        let file = DataDirectory::new(data).schemas().join(format!("{}.json", schema.collection));
        match (schema.travelled, file.exists()) {
            (true, _) => Self::System,
            (false, true) => Self::DataDirectory,
            (false, false) => Self::Program,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::DataDirectory => "data directory",
            Self::System => "system",
        }
    }
}

/// A schema of a listing.
#[derive(Serialize)]
struct Shown<'a> {
    collection: &'a str,
    version: u32,
    from: Source,
}

async fn list(arguments: &SchemaListArguments) -> Result<(), CommandError> {
    let data = &arguments.data.data;
    let schemas = in_force(&mut Asking::of(data).await?).await?;
    let shown = schemas.iter().map(|schema| Shown {
        collection: &schema.collection,
        version: schema.version,
        from: Source::of(data, schema),
    });
    let mut stdout = stdout();
    if arguments.json {
        for schema in shown {
            writeln!(stdout, "{}", serde_json::to_string(&schema)?)?;
        }
        return Ok(());
    }
    let heading = row(["COLLECTION", "VERSION", "FROM"]);
    let rows = shown.map(|schema| row([schema.collection, &schema.version.to_string(), schema.from.words()]));
    Ok(write!(stdout, "{}", table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))?)
}

async fn in_force(asking: &mut Asking) -> Result<Vec<SchemaInForce>, CommandError> {
    let Response::Schemas(schemas) = asking.call(&Request::Schemas).await? else { return Err(unasked()) };
    Ok(schemas)
}

/// What a check found. It is printed only where the schema may follow.
#[derive(Serialize)]
struct Checked {
    collection: String,
    version: u32,
    /// The version in force; none: there is no schema of the collection.
    present: Option<u32>,
    from: Option<Source>,
    #[serde(flatten)]
    difference: Difference,
}

async fn check(arguments: &SchemaCheckArguments) -> Result<(), CommandError> {
    let (collection, schema) = read(&arguments.schema)?;
    let present = match &arguments.data {
        None => schemas::built_in().get(&collection).map(|schema| (schema.clone(), Source::Program)),
        Some(data) => present(&mut Asking::of(data).await?, data, &collection).await?,
    };
    if let Some((present, _)) = present.as_ref().filter(|(present, _)| *present != schema) {
        schema.follows(present).map_err(|source| refused(&arguments.schema, source))?;
    }
    let difference = present.as_ref().map(|(present, _)| Difference::between(present.text(), schema.text()));
    let checked = Checked {
        collection: collection.to_string(),
        version: schema.version(),
        present: present.as_ref().map(|(present, _)| present.version()),
        from: present.as_ref().map(|(_, source)| *source),
        difference: difference.unwrap_or_default(),
    };
    let mut stdout = stdout();
    if arguments.json {
        return Ok(writeln!(stdout, "{}", serde_json::to_string(&checked)?)?);
    }
    Ok(write!(stdout, "{}", told(&checked))?)
}

fn told(checked: &Checked) -> String {
    let Checked { collection, version, present, from, difference } = checked;
    let from = from.map_or("", Source::words);
    match present {
        None => {
            format!("version {version} of {collection} is well formed; the collection has no schema yet\n")
        }
        Some(present) if present == version => {
            format!("version {version} of {collection} is in force (from: {from})\n")
        }
        Some(present) => format!(
            "version {version} of {collection} may follow version {present} (from: {from}):\n{difference}"
        ),
    }
}

async fn add(arguments: &SchemaAddArguments) -> Result<(), CommandError> {
    let (collection, schema) = read(&arguments.schema)?;
    let (text, version) = (schema.text().to_owned(), schema.version());
    let request = Request::AddSchema { collection: collection.clone(), text };
    let mut asking = Asking::of(&arguments.data.data).await?;
    let Response::Written(stamp) = asking.call(&request).await? else { return Err(unasked()) };
    let mut stdout = stdout();
    if arguments.json {
        let added =
            serde_json::json!({"collection": collection.to_string(), "version": version, "stamp": stamp});
        return Ok(writeln!(stdout, "{added}")?);
    }
    match stamp {
        None => writeln!(stdout, "unchanged: version {version} of {collection} is in force already")?,
        Some(_) => writeln!(
            stdout,
            "version {version} of {collection} is in force here, and at each site as soon as it meets this hub"
        )?,
    }
    Ok(())
}

fn read(schema: &SchemaFile) -> Result<(Collection, Schema), CommandError> {
    Ok(schemas::read_as(&schema.file, schema.collection.as_ref())?)
}

fn refused(schema: &SchemaFile, source: document::SchemaError) -> CommandError {
    schemas::SchemasError::Schema { path: schema.file.clone(), source }.into()
}

/// The schema in force in a data directory.
pub(super) async fn present(
    asking: &mut Asking,
    data: &Path,
    collection: &Collection,
) -> Result<Option<(Schema, Source)>, CommandError> {
    let schemas = in_force(asking).await?;
    let Some(listed) = schemas.into_iter().find(|schema| schema.collection == collection.as_str()) else {
        return Ok(None);
    };
    let source = Source::of(data, &listed);
    if source != Source::System {
        // Read when the server started: the file may be another since.
        let own = schemas::load(&DataDirectory::new(data).schemas())?;
        return Ok(own.get(collection).map(|schema| (schema.clone(), source)));
    }
    let address: Address = format!("system/schema/{collection}@{}", listed.version).parse()?;
    let request = Request::Get { address, at: None };
    let Response::Document(reading) = asking.call(&request).await? else { return Err(unasked()) };
    let text = reading.value.as_ref().and_then(|value| value.get("text")).and_then(|text| text.as_str());
    let schema = text.and_then(|text| Schema::parse(text).ok());
    // It is in force: this program has read it before.
    schema.map(|schema| Some((schema, source))).ok_or_else(unasked)
}
