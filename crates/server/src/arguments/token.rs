//! `isle token`.

use super::Data;
use crate::callers::{Expiry, ServiceRights};
use crate::config::SpaceName;
use crate::duration::{DurationError, parse_duration};
use clap::{Args, Subcommand};

pub(super) const AFTER_HELP: &str = "\
A service that does not run as the data directory's owner shows a token: it says who the service is and what it may do.
  isle token create till-3 --data site --space store-367 --rights read,basket=write > till-3.token
  isle token list --data site
  isle token revoke till-3 --data site

Tokens are of one replica, in tokens.json of its data directory, as hashes: whoever reads that file can use none of them. What
is made or revoked counts from the next request on, whether the server runs or not, and is not sent to other replicas.";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a service, and print it: once.
    #[command(after_help = "\
Example:
  isle token create till-3 --data site --space store-367 --rights read,basket=write,inventory=write
  isle token create label-printer --data site --space catalog --rights product=read --expires 365d
  isle token create --certificate store-9 --data site --space store-367 --rights read
  isle token create head-office --data site --space store-367 --space catalog --rights read,write --expires never

Rights: read and write count in the whole space, COLLECTION=read and COLLECTION=write in one collection; several are separated
by commas, and writing is not reading. They are the same in each --space. With --certificate the rights are of whoever shows a
certificate of that name to a server with `tls = true` in [http], also the next one of that name. Otherwise the token is a secret and the only thing on standard
output; a hash of it is kept, so a token that is lost is revoked and made anew.

The name is the author of what the service writes. --expires goes by the clock of this machine: one that is ahead ends the token
early, one that is behind late, and one that goes back lets it in again.")]
    Create(TokenCreateArguments),
    /// List the tokens that there are: for what, since when, until when.
    #[command(after_help = "\
Example:
  isle token list --data site
  isle token list --data site --json

One JSON object a line with --json. The secrets are nowhere.")]
    List(TokenListArguments),
    /// End a token, for ever.
    #[command(after_help = "\
Example:
  isle token revoke till-3 --data site

It is refused from the next request on. What its service wrote stays. The name is free again.")]
    Revoke(TokenRevokeArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenCreateArguments {
    /// The service's name, 1 to 64 bytes; the author of what it writes.
    pub(crate) name: String,
    /// Make no token: NAME is that of a certificate of the fleet's authority, which the service shows over TLS.
    #[arg(long)]
    pub(crate) certificate: bool,
    #[command(flatten)]
    pub(crate) data: Data,
    /// A space that it is for; may be given several times.
    #[arg(long = "space", value_name = "SPACE", required = true, value_parser = parse_space)]
    pub(crate) spaces: Vec<SpaceName>,
    /// What it may do there: read, write, COLLECTION=read, COLLECTION=write, separated by commas.
    #[arg(long, value_name = "RIGHTS")]
    pub(crate) rights: ServiceRights,
    /// How long it holds, as in 12h or 90d; or never, in so many words.
    #[arg(long, value_name = "TIME", value_parser = parse_expiry, default_value = "90d")]
    pub(crate) expires: Expiry,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenListArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenRevokeArguments {
    /// The token's name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_space(text: &str) -> Result<SpaceName, document::AddressError> {
    text.to_owned().try_into()
}

/// Why a text says no end.
#[derive(Debug, thiserror::Error)]
enum ExpiryError {
    #[error("{0}; or never")]
    Form(#[from] DurationError),
    #[error("a token that holds for no time is of no use: write a time, as in 90d, or never")]
    Nothing,
}

fn parse_expiry(text: &str) -> Result<Expiry, ExpiryError> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let time = parse_duration(text)?;
    if time.is_zero() { Err(ExpiryError::Nothing) } else { Ok(Expiry::After(time)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_end_is_a_time_or_never_in_so_many_words() {
        assert_eq!(parse_expiry("90d").unwrap(), Expiry::After(Duration::from_hours(24 * 90)));
        assert_eq!(parse_expiry("never").unwrap(), Expiry::Never);
        for text in ["0", "0s", "", "Never", "none"] {
            assert!(parse_expiry(text).unwrap_err().to_string().contains("never"), "{text}");
        }
    }
}
