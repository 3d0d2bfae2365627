//! `isle rights`.

use super::answer::stdout;
use super::asking::Asking;
use super::hub::{is_running, stopped};
use super::status::{row, table};
use super::{CommandError, call, unasked};
use crate::arguments::{RightsCommand, RightsListArguments, RightsSetArguments, RightsShowArguments};
use crate::config::{Effective, Layers};
use crate::data_directory::DataDirectory;
use crate::enrolment::{Given, Hub, date, parse_spaces, show_spaces, wall};
use crate::local::{CallError, RefusalKind, Request, Response, SiteState, SiteStatus};
use document::{Address, Collection, Key, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Rights in the order of their columns.
const RIGHTS: [&str; 4] = ["read", "write", "relay", "snapshot"];

pub(super) async fn run(command: &RightsCommand) -> Result<(), CommandError> {
    match command {
        RightsCommand::List(arguments) => list(arguments).await,
        RightsCommand::Show(arguments) => show(arguments).await,
        RightsCommand::Set(arguments) => set(arguments).await,
    }
}

/// What an access document says, as far as it is shown.
#[derive(Deserialize)]
struct AccessDocument {
    name: String,
    #[serde(default)]
    spaces: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    revoked: bool,
}

/// What a site may do.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct SiteRights {
    site: String,
    /// None before it joins.
    public_key: Option<String>,
    state: State,
    /// Rights by space.
    spaces: BTreeMap<String, Vec<String>>,
    /// Whether it is the replica that was asked.
    is_own: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    InForce,
    NotWritten,
    Invited,
    Expired,
    Revoked,
    /// Refused at the hub, and the document does not say it.
    RevokedHere,
    /// It grants nothing.
    Unreadable,
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::NotWritten => "not written yet",
            Self::Invited => "invited",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::RevokedHere => "revoked, not written yet",
            Self::Unreadable => "unreadable: grants nothing",
        }
    }
}

async fn list(arguments: &RightsListArguments) -> Result<(), CommandError> {
    let sites = known(&arguments.data.data).await?;
    let mut stdout = stdout();
    if arguments.json {
        for site in &sites {
            writeln!(stdout, "{}", serde_json::to_string(site)?)?;
        }
    } else if sites.is_empty() {
        writeln!(stdout, "no site has rights; `isle hub invite --help` says how one gets them")?;
    } else {
        write!(stdout, "{}", shown(&sites))?;
    }
    Ok(())
}

async fn show(arguments: &RightsShowArguments) -> Result<(), CommandError> {
    let RightsShowArguments { site, data, json } = arguments;
    let mut sites = known(&data.data).await?;
    sites.retain(|known| known.site == *site);
    if sites.is_empty() {
        return Err(CommandError::NoRights { site: site.clone() });
    }
    let mut stdout = stdout();
    for known in &sites {
        if *json {
            writeln!(stdout, "{}", serde_json::to_string(known)?)?;
            continue;
        }
        write!(stdout, "{}", shown(std::slice::from_ref(known)))?;
        let Some(key) = &known.public_key else { continue };
        writeln!(stdout, "\nsystem/access/{key} says it{}", since(&data.data, key).await?)?;
    }
    Ok(())
}

/// When an access document was last written.
async fn since(data: &Path, public_key: &str) -> Result<String, CommandError> {
    let Ok(address) = format!("system/access/{public_key}").parse::<Address>() else {
        return Ok(String::new());
    };
    let request = Request::History { address, before: None, limit: 1 };
    let Response::History(changes) = call(data, &request).await? else { return Err(unasked()) };
    let wall_ms = changes.first().and_then(|change| u64::try_from(change.wall_ms).ok());
    Ok(wall_ms.map_or_else(String::new, |ms| format!(" since {}", date(Duration::from_millis(ms)))))
}

/// What access documents say, and at the hub its book, by name.
async fn known(data: &Path) -> Result<Vec<SiteRights>, CommandError> {
    let mut client = Asking::of(data).await?;
    let Response::Status(status) = client.call(&Request::Status).await? else { return Err(unasked()) };
    let mut sites = Vec::new();
    let mut after = None;
    loop {
        let (space, collection) = (Space::new("system")?, Collection::new("access")?);
        let request = Request::List { space, collection, after: after.clone(), limit: replica::LIST_MAX };
        let Response::Listed(listed) = client.ask(&request).await.map_err(told_apart)? else {
            return Err(unasked());
        };
        sites.extend(listed.documents.iter().map(|document| documented(&document.key, &document.value)));
        let next = listed.next.and_then(|key| key.parse().ok());
        let next = next.filter(|next: &Key| after.as_ref() < Some(next));
        let Some(next) = next else { break };
        after = Some(next);
    }
    book(&mut client, data).await?.iter().for_each(|site| overlay(&mut sites, site));
    for site in &mut sites {
        let is_revoked = matches!(site.state, State::Revoked | State::RevokedHere);
        site.is_own = site.site == status.name && !is_revoked;
    }
    sites.sort_by(|a, b| (&a.site, &a.public_key).cmp(&(&b.site, &b.public_key)));
    Ok(sites)
}

/// What the hub's book says; only a hub has one.
async fn book(client: &mut Asking, data: &Path) -> Result<Vec<SiteStatus>, CommandError> {
    if client.is_alone() {
        let directory = DataDirectory::new(data);
        let effective = Effective::load(&directory.config(), &Layers::of_environment())?;
        let hub = Hub::open(&directory, &effective.config)?;
        return Ok(hub.map_or_else(Vec::new, |hub| hub.sites(wall(), |_| false)));
    }
    match client.ask(&Request::Sites).await {
        Ok(Response::Sites(book)) => Ok(book),
        Ok(_) => Err(unasked()),
        Err(CallError::Refused(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// A replica without an authority carries no space `system`.
fn told_apart(error: CallError) -> CommandError {
    let is_none = matches!(&error, CallError::Refused(refusal) if refusal.kind == RefusalKind::UnknownSpace);
    if is_none { CommandError::NoAccessDocuments } else { error.into() }
}

fn documented(key: &str, value: &Value) -> SiteRights {
    let public_key = Some(key.to_owned());
    match AccessDocument::deserialize(value) {
        Ok(AccessDocument { name: site, spaces, revoked }) => {
            let state = if revoked { State::Revoked } else { State::InForce };
            let spaces = if revoked { BTreeMap::new() } else { spaces };
            SiteRights { site, public_key, state, spaces, is_own: false }
        }
        Err(_) => SiteRights {
            site: "?".to_owned(),
            public_key,
            state: State::Unreadable,
            spaces: BTreeMap::new(),
            is_own: false,
        },
    }
}

/// The book refuses a key before the document says it.
fn revoked(sites: &mut [SiteRights], book: &SiteStatus) {
    let of_key = |site: &&mut SiteRights| site.public_key == book.public_key && site.state == State::InForce;
    for site in sites.iter_mut().filter(of_key) {
        (site.state, site.spaces) = (State::RevokedHere, BTreeMap::new());
    }
}

/// What the book says besides.
fn overlay(sites: &mut Vec<SiteRights>, book: &SiteStatus) {
    let state = match book.state {
        SiteState::Invited => State::Invited,
        SiteState::Expired => State::Expired,
        SiteState::Joined | SiteState::Connected => State::NotWritten,
        SiteState::Revoked => return revoked(sites, book),
        SiteState::Other => return,
    };
    let parsed = parse_spaces(&book.spaces).unwrap_or_default();
    let words = parsed
        .iter()
        .map(|(name, rights)| (name.0.to_string(), rights.words().map(str::to_owned).collect::<Vec<_>>()));
    let public_key = book.public_key.clone().filter(|_| state == State::NotWritten);
    let said =
        SiteRights { site: book.site.clone(), public_key, state, spaces: words.collect(), is_own: false };
    let written = sites.iter_mut().find(|site| {
        site.public_key.is_some() && site.public_key == said.public_key && site.state != State::Revoked
    });
    match written {
        Some(written) if written.spaces == said.spaces => {}
        Some(written) => *written = said,
        None => sites.push(said),
    }
}

fn shown(sites: &[SiteRights]) -> String {
    let heading = row(["SITE", "SPACE", "READ", "WRITE", "RELAY", "SNAPSHOT", "STATE"]);
    let rows = sites.iter().flat_map(site_rows);
    table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// A row for each space; one where there is none.
fn site_rows(site: &SiteRights) -> Vec<Vec<String>> {
    let state = match site.is_own {
        true => format!("{}, this replica", site.state.words()),
        false => site.state.words().to_owned(),
    };
    if site.spaces.is_empty() {
        return vec![row([&site.site, "-", "-", "-", "-", "-", &state])];
    }
    let of_space = |(space, rights): (&String, &Vec<String>)| {
        let has = |right: &str| if rights.iter().any(|has| has == right) { "yes" } else { "-" };
        let [read, write, relay, snapshot] = RIGHTS.map(has);
        row([&site.site, space, read, write, relay, snapshot, &state])
    };
    site.spaces.iter().map(of_space).collect()
}

/// What came of giving rights.
#[derive(Serialize)]
struct Set {
    site: String,
    before: String,
    spaces: String,
    has_joined: bool,
    is_written: bool,
}

async fn set(arguments: &RightsSetArguments) -> Result<(), CommandError> {
    let RightsSetArguments { site, data, spaces, json } = arguments;
    let wanted = parse_spaces(spaces)?;
    let set = if is_running(&data.data).await? {
        let request = Request::SetRights { site: site.clone(), spaces: spaces.clone() };
        let answer = call(&data.data, &request).await?;
        let Response::RightsSet { site, before, spaces, has_joined, is_written } = answer else {
            return Err(unasked());
        };
        Set { site, before, spaces, has_joined, is_written }
    } else {
        let (_lock, mut hub) = stopped(&data.data)?;
        let (given, before) = hub.set_rights(site, &wanted)?;
        let has_joined = matches!(given, Given::Key(_));
        let (before, spaces) = (show_spaces(&before), show_spaces(&wanted));
        Set { site: site.clone(), before, spaces, has_joined, is_written: false }
    };
    let mut stdout = stdout();
    if *json {
        return Ok(writeln!(stdout, "{}", serde_json::to_string(&set)?)?);
    }
    Ok(write!(stdout, "{}", told(&set))?)
}

fn told(set: &Set) -> String {
    let Set { site, before, spaces, has_joined, is_written } = set;
    let mut text = format!("{site} may do: {spaces}\n{:width$} before: {before}\n", "", width = site.len());
    text += match (has_joined, is_written) {
        (true, true) => "it counts from here on\n",
        (true, false) => "it is noted, and counts as soon as the hub runs and its store takes writes\n",
        (false, _) => "it counts from when the site joins\n",
    };
    let names = |text: &str| {
        let parsed = parse_spaces(text).unwrap_or_default();
        parsed.into_keys().map(|name| name.0.to_string()).collect::<BTreeSet<_>>()
    };
    let (old, new) = (names(before), names(spaces));
    let added: Vec<_> = new.difference(&old).filter(|space| *space != "system").cloned().collect();
    if *has_joined && !added.is_empty() {
        text += &format!(
            "new to {site}: {}. Put it into its isle.toml too, under [spaces] and [peers.HUB.spaces], unless it is there \
             already, and start it again\n",
            added.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &str = "5f";

    fn book(state: SiteState, spaces: &str, public_key: Option<&str>) -> SiteStatus {
        SiteStatus {
            site: "store-1".into(),
            state,
            spaces: spaces.into(),
            public_key: public_key.map(str::to_owned),
            invitation_expires_ms: None,
            joined_ms: None,
            certificate_ends_ms: None,
            last_seen_ms: None,
            revoked_ms: None,
        }
    }

    #[test]
    fn rights_are_an_aligned_table() {
        let value = json!({"name": "store-1", "spaces": {"store-1": ["read", "write"], "catalog": ["read"]}});
        let mut sites =
            vec![documented(KEY, &value), documented("60", &json!({"name": "b", "revoked": true}))];
        sites[0].is_own = true;
        let expected = "\
SITE     SPACE    READ  WRITE  RELAY  SNAPSHOT  STATE
store-1  catalog  yes   -      -      -         in force, this replica
store-1  store-1  yes   yes    -      -         in force, this replica
b        -        -     -      -      -         revoked
";
        assert_eq!(shown(&sites), expected);
        assert_eq!(documented(KEY, &json!(7)).state, State::Unreadable);
    }

    #[test]
    fn the_book_is_shown_where_documents_do_not_say_the_same() {
        let value = json!({"name": "store-1", "spaces": {"store-1": ["read", "write"]}});
        let states = |book: &SiteStatus| {
            let mut sites = vec![documented(KEY, &value)];
            overlay(&mut sites, book);
            sites.iter().map(|site| site.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&book(SiteState::Joined, "store-1=write", Some(KEY))), [State::InForce]);
        assert_eq!(states(&book(SiteState::Joined, "store-1=read", Some(KEY))), [State::NotWritten]);
        let another = book(SiteState::Connected, "store-1=write", Some("60"));
        assert_eq!(states(&another), [State::InForce, State::NotWritten]);
        assert_eq!(states(&book(SiteState::Invited, "a=read", None)), [State::InForce, State::Invited]);
        assert_eq!(states(&book(SiteState::Revoked, "a=read", Some(KEY))), [State::RevokedHere]);
        assert_eq!(states(&book(SiteState::Revoked, "a=read", Some("60"))), [State::InForce]);
    }

    #[test]
    fn a_space_that_is_new_to_a_site_is_named() {
        let set = |before: &str, spaces: &str| Set {
            site: "store-1".into(),
            before: before.into(),
            spaces: spaces.into(),
            has_joined: true,
            is_written: true,
        };
        let text = told(&set("a=read", "a=read,b=write,system=relay"));
        assert!(text.contains("new to store-1: b. Put"), "{text}");
        assert!(!told(&set("a=write", "a=read")).contains("isle.toml"));
    }
}
