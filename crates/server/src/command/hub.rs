//! `isle hub`.

mod admit;

use super::answer::{answer, lines, stdout};
use super::status::{row, table};
use super::{CommandError, call, unasked};
use crate::arguments::{HubCommand, InitArguments, InviteArguments, RevokeArguments, SitesArguments};
use crate::config::{Effective, Layers, PeerAddress, PublicKey};
use crate::data_directory::{DataDirectory, DataDirectoryLock};
use crate::enrolment::{
    DenyList, DenyListError, Ended, EnrolmentError, Hub, INVITATION_MAX, Invited, date, init, init_certified,
    parse_spaces, wall,
};
use crate::local::{ConnectError, LocalClient, Request, Response, SiteState, SiteStatus};
use serde_json::json;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

pub(super) async fn run(command: &HubCommand) -> Result<(), CommandError> {
    match command {
        HubCommand::Init(arguments) => make(arguments),
        HubCommand::Invite(arguments) => invite(arguments).await,
        HubCommand::Admit(arguments) => admit::run(arguments).await,
        HubCommand::Sites(arguments) => sites(arguments).await,
        HubCommand::Revoke(arguments) => revoke(arguments).await,
    }
}

fn make(arguments: &InitArguments) -> Result<(), CommandError> {
    let InitArguments { data, address, name, listen, authority, certified, json } = arguments;
    let directory = DataDirectory::new(&data.data);
    if *certified {
        return make_certified(arguments, &directory);
    }
    let name = name.as_deref().unwrap_or("hub");
    init(&directory, name, address, *listen, authority.as_deref())?;
    let data = directory.path().display();
    let text = format!(
        "made {name} in {data}: its authority (back up {data}/authority, apart), identity and isle.toml\n\
         next: isle hub invite store-367 --data {data} --spaces store-367=write,catalog=read\n      isle serve --data {data} &"
    );
    answer(*json, &json!({"name": name, "address": address.as_str(), "data": directory.path()}), &text)
}

/// Where an organisation's own authority certifies replicas.
fn make_certified(arguments: &InitArguments, directory: &DataDirectory) -> Result<(), CommandError> {
    let InitArguments { address, name, listen, json, .. } = arguments;
    let (name, kept) = init_certified(directory, name.as_deref(), address, *listen)?;
    let data = directory.path().display();
    let mut text = format!("made the book of {name} in {data} (back up {data}/enrolment.json)\n");
    if let Some(wanted) = &kept {
        text += &format!("{data}/isle.toml stays as it is. This is to be in it:\n\n{wanted}\n");
    }
    text += &format!(
        "next: isle hub admit CERTIFICATE --data {data} --spaces store-367=write,catalog=read > isle.toml     # of the site\n      \
         isle serve --data {data} &"
    );
    let json_text =
        json!({"name": name, "address": address.as_str(), "data": directory.path(), "wanted": kept});
    answer(*json, &json_text, &text)
}

/// The hub without its server, for as long as the lock is held.
pub(super) fn stopped(data: &Path) -> Result<(DataDirectoryLock, Hub), CommandError> {
    let directory = DataDirectory::new(data);
    let lock = directory.lock()?;
    let none = || EnrolmentError::NoHub { data: data.to_owned() };
    if !directory.authority().is_dir() && !directory.enrolment().exists() {
        return Err(none().into());
    }
    let effective = Effective::load(&directory.config(), &Layers::of_environment())?;
    let hub = Hub::open(&directory, &effective.config)?.ok_or_else(none)?;
    Ok((lock, hub))
}

/// Whether a server runs there, who is asked then.
pub(super) async fn is_running(data: &Path) -> Result<bool, CommandError> {
    match LocalClient::connect(data).await {
        Ok(_) => Ok(true),
        Err(ConnectError::NotRunning { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn invite(arguments: &InviteArguments) -> Result<(), CommandError> {
    let InviteArguments { site, data, spaces, expires, address, json } = arguments;
    let read = parse_spaces(spaces)?;
    // No later than the hub would refuse it, so that it fits a number of milliseconds.
    let expiry = (*expires).min(INVITATION_MAX.saturating_mul(2));
    let (token, until) = if is_running(&data.data).await? {
        let request = Request::Invite {
            site: site.clone(),
            spaces: spaces.clone(),
            expires_in_ms: u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX),
            address: address.as_ref().map(|address: &PeerAddress| address.as_str().to_owned()),
        };
        let Response::Invited { token, expires_ms } = call(&data.data, &request).await? else {
            return Err(unasked());
        };
        (token, Duration::from_millis(u64::try_from(expires_ms).unwrap_or(0)))
    } else {
        let (_lock, mut hub) = stopped(&data.data)?;
        let invited = Invited { site: site.clone(), spaces: read, expiry, address: address.clone() };
        (hub.invite(invited, wall())?.to_string(), wall().saturating_add(expiry))
    };
    let expires_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
    answer(*json, &json!({"site": site, "token": token, "expires_ms": expires_ms}), &token)?;
    let until = date(until);
    writeln!(
        io::stderr().lock(),
        "{site} may join once until {until}, by: isle join TOKEN --data DIR\nthe token is a secret: hand it to nobody else"
    )?;
    Ok(())
}

async fn sites(arguments: &SitesArguments) -> Result<(), CommandError> {
    let data = &arguments.data.data;
    let sites = if is_running(data).await? {
        let Response::Sites(sites) = call(data, &Request::Sites).await? else { return Err(unasked()) };
        sites
    } else {
        let (_lock, hub) = stopped(data)?;
        hub.sites(wall(), |_| false)
    };
    if arguments.json {
        return lines(sites);
    }
    let none = || "no site was invited or let in; `isle hub --help` says how\n".to_owned();
    let text = if sites.is_empty() { none() } else { shown(&sites) };
    stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Where a hub has no book of its replicas: a list in the data directory, which a running server looks at.
/// Returns whether its entry is new; none where a hub has a book.
fn deny(site: &str, directory: &DataDirectory) -> Result<Option<bool>, CommandError> {
    let config = Effective::load(&directory.config(), &Layers::of_environment())?.config;
    if config.authority.is_some() || directory.authority().is_dir() {
        return Ok(None);
    }
    if site.parse::<PublicKey>().is_err() && !config.peers.contains_key(site) {
        let (given, config) = (site.to_owned(), directory.config());
        return Err(DenyListError::Unknown { given, config }.into());
    }
    Ok(Some(DenyList::of(directory).add(site)?))
}

async fn revoke(arguments: &RevokeArguments) -> Result<(), CommandError> {
    let (site, data) = (&arguments.site, &arguments.data.data);
    let directory = DataDirectory::new(data);
    if let Some(is_new) = deny(site, &directory)? {
        let list = directory.denied();
        let said = match is_new {
            true => {
                "is denied: its connection ends within a second, and it is refused until its line is deleted in"
            }
            false => "was denied before, by its line in",
        };
        let json = json!({"site": site, "is_denied": true, "is_new": is_new, "list": list});
        return answer(arguments.json, &json, &format!("{site} {said} {}", list.display()));
    }
    let (had_key, had_invitation, is_cut) = if is_running(data).await? {
        let revoked = call(data, &Request::Revoke { site: site.clone() }).await?;
        let Response::Revoked { had_key, had_invitation, is_cut, not_durable, .. } = revoked else {
            return Err(unasked());
        };
        if let Some(cause) = not_durable {
            return Err(CommandError::RevokedForNow { site: site.clone(), cause });
        }
        (had_key, had_invitation, is_cut)
    } else {
        let (_lock, mut hub) = stopped(data)?;
        let ended = hub.revoke(site, wall())?;
        (matches!(ended, Ended::Key(_)), ended == Ended::Invitation, false)
    };
    let said = match (had_key, had_invitation, is_cut) {
        (true, _, true) => "is revoked: its key is refused, and nothing that it writes from here on is taken",
        (true, _, false) => {
            "is revoked: its key is refused. That nothing more of it is taken from others is written as soon as the hub \
             runs and its store takes writes"
        }
        (false, true, _) => "had not joined: its token is void",
        (false, false, _) => "was revoked before",
    };
    let json = json!({"site": site, "had_key": had_key, "had_invitation": had_invitation, "is_cut": is_cut});
    answer(arguments.json, &json, &format!("{site} {said}"))
}

fn shown(sites: &[SiteStatus]) -> String {
    let heading = row(["SITE", "STATE", "SINCE OR UNTIL", "CERTIFICATE ENDS", "LAST SEEN", "SPACES"]);
    table(&std::iter::once(heading).chain(sites.iter().map(site_row)).collect::<Vec<_>>())
}

fn site_row(site: &SiteStatus) -> Vec<String> {
    let moment = |ms: Option<i64>| {
        let since = ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        since.map_or_else(|| "-".to_owned(), date)
    };
    let (state, when) = match site.state {
        SiteState::Invited => ("invited", site.invitation_expires_ms),
        SiteState::Expired => ("expired", site.invitation_expires_ms),
        SiteState::Joined => ("joined", site.joined_ms),
        SiteState::Connected => ("connected", site.joined_ms),
        SiteState::Revoked => ("revoked", site.revoked_ms),
        SiteState::Other => ("?", None),
    };
    let seen =
        if site.state == SiteState::Connected { "connected".to_owned() } else { moment(site.last_seen_ms) };
    row([&site.site, state, &moment(when), &moment(site.certificate_ends_ms), &seen, &site.spaces])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_an_aligned_table() {
        let site = |site: &str, state| SiteStatus {
            site: site.to_owned(),
            state,
            spaces: "catalog=read".to_owned(),
            public_key: None,
            invitation_expires_ms: None,
            joined_ms: None,
            certificate_ends_ms: None,
            last_seen_ms: None,
            revoked_ms: None,
        };
        let sites = [
            SiteStatus { invitation_expires_ms: Some(0), ..site("store-1", SiteState::Invited) },
            SiteStatus {
                joined_ms: Some(1_795_000_000_000),
                certificate_ends_ms: Some(1_797_592_000_000),
                ..site("store-367", SiteState::Connected)
            },
        ];
        let expected = "\
SITE       STATE      SINCE OR UNTIL        CERTIFICATE ENDS      LAST SEEN  SPACES
store-1    invited    1970-01-01T00:00:00Z  -                     -          catalog=read
store-367  connected  2026-11-18T11:06:40Z  2026-12-18T11:06:40Z  connected  catalog=read
";
        assert_eq!(shown(&sites), expected);
    }
}
