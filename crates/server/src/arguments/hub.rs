//! `isle hub` and `isle join`.

use super::Data;
use crate::config::PeerAddress;
use crate::duration::parse_duration;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const AFTER_HELP: &str = "\
From nothing to a hub and a site:
  isle hub init --data hub --address hub.example:7400
  isle hub invite store-367 --data hub --spaces store-367=write,catalog=read
  isle serve --data hub &
  isle join TOKEN --data site            # at the site, with what the invitation printed
  isle serve --data site &
  isle hub sites --data hub

The hub has the fleet's authority, in hub/authority: who has its key decides who belongs to the fleet. Back it up, apart,
with enrolment.json, which says who was invited, joined and revoked.

An organisation's own authority: put key.pem (mode 600), certificate.pem and authority.pem into identity/ of every replica,
Ed25519, the replica's name as the one DNS name, for use as server and client. Then
  isle hub init --data hub --address hub.example:7400 --certified
  isle hub admit store-367.pem --data hub --spaces store-367=write,catalog=read > isle.toml     # that of the site
and rights, schemas, the list of sites and revocations are as with the hub's own authority. There is no joining, and no
renewal: `isle status` warns before a certificate ends, and the next one of the same key is taken as it is put there. Without
such a book isle.toml of every replica says who may do what (README).";

pub(super) const JOIN_AFTER_HELP: &str = "\
Example:
  isle join isle-join-af… --data /var/lib/isle
  isle join - --data /var/lib/isle < token

Makes the site's key, which never leaves it (identity/key.pem, mode 600), has the hub sign a certificate for it, and writes
isle.toml, unless there is one: then it says what is to be in it. Where the answer was lost, join again with the same token:
until it expires it holds for this key. `isle serve` renews the certificate by itself.

A site whose key was revoked, or whose certificate ran out longer ago than the hub's grace, joins again in its own directory:
  isle hub revoke store-367 --data hub ; isle hub invite store-367 --data hub --spaces …     # at the hub
  isle join --new-key TOKEN --data /var/lib/isle                                             # here, with the server stopped
Its identity is moved to identity.old-1 once the hub has let the new key in. What it wrote under the old one and the hub never
got is taken from nobody any more, and documents that it wrote such changes to go no further from here: join in an empty
directory to have the hub's documents alone.

With an organisation's own authority there is no joining: `isle hub --help` says what to put where.";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Make a hub: its authority, its identity, its configuration.
    #[command(after_help = "\
Example:
  isle hub init --data /var/lib/isle --address hub.example:7400
  isle hub init --data hub --address 127.0.0.1:7400 --name hub --authority fleet
  isle hub init --data hub --address hub.example:7400 --certified     # with an organisation's own authority

Nothing is overwritten. Lifetimes of certificates are in [enrolment] of the isle.toml that it writes.")]
    Init(InitArguments),
    /// Invite a site: print a token with which it joins once.
    #[command(after_help = "\
Example:
  isle hub invite store-367 --data hub --spaces store-367=write,catalog=read
  isle hub invite relay-7 --data hub --spaces region-7=write+relay,system=relay --expires 7d

Rights: read; write; relay (it may pass on what others wrote); snapshot (it may give whole documents). Each includes read,
and several are joined by +. The token is a secret and the only thing on standard output; the hub keeps a hash of it. Inviting
again before the site has joined voids the older token.")]
    Invite(InviteArguments),
    /// Let a site in by its certificate, where an organisation's own authority certifies: print its isle.toml.
    #[command(after_help = "\
Example:
  isle hub admit store-367.pem --data hub --spaces store-367=write,catalog=read > isle.toml
  isle hub admit - --data hub --spaces store-367=write --json < site/identity/certificate.pem

The certificate is no secret; its key stays at the site. What is printed goes beside identity/ of the site. Rights are as
`isle hub invite --help` says. A certificate of the same key, as the next one, gives that site the rights that are named; for
another key revoke the site first.")]
    Admit(AdmitArguments),
    /// List the sites that were invited or let in.
    #[command(after_help = "\
Example:
  isle hub sites --data hub
  isle hub sites --data hub --json

One JSON object a line with --json. States: invited, expired (did not join in time), joined (not connected), connected, revoked.")]
    Sites(SitesArguments),
    /// Refuse a site from here on, for ever.
    #[command(after_help = "\
Example:
  isle hub revoke store-367 --data hub

Its connection ends within a second, its certificate is refused, and what it writes from here on is taken from nobody. What
the hub has of it stays. It cannot be undone: invite it again, and it joins with a new key (`isle join --new-key`).

Where an organisation's own authority certifies replicas and the hub has no book of them, this writes the name, or a key of 64 hexadecimal digits, into
denied.txt of the data directory: a line each, # before a remark. Names and keys there are refused within a second, also
when they are written by hand, and let in again when their line is deleted. What others relay of it is taken as before.")]
    Revoke(RevokeArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where sites will dial it.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: PeerAddress,
    /// The hub's name, small letters, digits and '-': hub, or that of its certificate.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The UDP address to listen on; by default the port of --address on all interfaces.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Use the authority in this directory, made by `isle identity authority`, in place of a new one.
    #[arg(long, value_name = "DIR")]
    pub(crate) authority: Option<PathBuf>,
    /// Make no authority: identity/ is there, and an organisation's own certifies sites.
    #[arg(long, conflicts_with = "authority")]
    pub(crate) certified: bool,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InviteArguments {
    /// The name that the site will have: small letters, digits and '-'.
    pub(crate) site: String,
    #[command(flatten)]
    pub(crate) data: Data,
    /// What it may do, by space.
    #[arg(long, value_name = "SPACE=RIGHTS,…")]
    pub(crate) spaces: String,
    /// For how long it may join; 30d at most.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "24h")]
    pub(crate) expires: Duration,
    /// Where it dials this hub, if not where isle.toml says.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<PeerAddress>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AdmitArguments {
    /// The site's certificate in PEM; - reads it from standard input.
    pub(crate) certificate: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
    /// What it may do, by space.
    #[arg(long, value_name = "SPACE=RIGHTS,…")]
    pub(crate) spaces: String,
    /// Where it dials this hub, if not where isle.toml says.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<PeerAddress>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SitesArguments {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON lines, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RevokeArguments {
    /// The site's name; with an organisation's own authority a key goes as well.
    pub(crate) site: String,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct JoinArguments {
    /// What `isle hub invite` printed; - reads it from standard input.
    pub(crate) token: String,
    /// Join with a new key; the identity that is there is moved aside.
    #[arg(long)]
    pub(crate) new_key: bool,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}
