//! `isle watch`, and waiting for the hub.

use super::{Data, JsonLines};
use clap::Args;
use document::{AddressError, Collection, Space};

#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// space, space/collection or space/collection/prefix of keys.
    #[arg(value_parser = parse_scope, value_name = "SPACE[/COLLECTION[/KEY-PREFIX]]")]
    pub(crate) scope: Scope,
    /// Go on after the event that had this cursor.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) from: Option<String>,
    /// Print the present state only.
    #[arg(long, conflicts_with = "from")]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) lines: JsonLines,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) space: Space,
    pub(crate) collection: Option<Collection>,
    pub(crate) prefix: Option<String>,
}

fn parse_scope(text: &str) -> Result<Scope, AddressError> {
    let mut parts = text.splitn(3, '/');
    let space = parts.next().unwrap_or_default().parse()?;
    let collection = parts.next().map(str::parse).transpose()?;
    let prefix = parts.next().filter(|prefix| !prefix.is_empty()).map(str::to_owned);
    Ok(Scope { space, collection, prefix })
}

/// How safe a write is to be when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WaitFor {
    /// On the disk of this replica.
    Local,
    /// On the disk of the hub.
    Hub,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_up_to_three_parts() {
        let scope = parse_scope("s/c/a/b").unwrap();
        assert_eq!((scope.space.as_str(), scope.prefix.as_deref()), ("s", Some("a/b")));
        assert_eq!(parse_scope("s/c/").unwrap(), parse_scope("s/c").unwrap());
        assert!(parse_scope("s").unwrap().collection.is_none() && parse_scope("S").is_err());
    }
}
