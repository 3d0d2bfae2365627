//! `isle token`.

use super::CommandError;
use super::answer::{answer, lines, stdout};
use super::status::{row, table};
use crate::arguments::{TokenCommand, TokenCreateArguments, TokenListArguments, TokenRevokeArguments};
use crate::callers::{NewToken, Token, TokenFile};
use crate::data_directory::DataDirectory;
use crate::enrolment::{date, wall};
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

pub(super) fn run(command: &TokenCommand) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(arguments) => create(arguments),
        TokenCommand::List(arguments) => list(arguments),
        TokenCommand::Revoke(arguments) => revoke(arguments),
    }
}

fn file(data: &Path) -> Result<TokenFile, CommandError> {
    Ok(TokenFile::of(&DataDirectory::new(data))?)
}

fn now_ms() -> i64 {
    i64::try_from(wall().as_millis()).unwrap_or(i64::MAX)
}

fn create(arguments: &TokenCreateArguments) -> Result<(), CommandError> {
    let TokenCreateArguments { name, certificate, data, spaces, rights, expires, json } = arguments;
    let spaces = spaces.iter().map(|space| (space.clone(), rights.clone())).collect();
    let new = NewToken { name: name.clone(), spaces, expiry: *expires };
    if *certificate {
        let token = file(&data.data)?.create_for_certificate(new, now_ms())?;
        let said = json!({"name": name, "certificate": true, "expires_ms": token.expires_ms});
        let told = format!(
            "who shows the certificate of {name} may, {}: {}",
            until(&token),
            allowed(&token).join("; ")
        );
        return answer(*json, &said, &told);
    }
    let (secret, token) = file(&data.data)?.create(new, now_ms())?;
    let said = json!({"name": name, "token": secret.text(), "expires_ms": token.expires_ms});
    answer(*json, &said, secret.text())?;
    writeln!(
        io::stderr().lock(),
        "{name} may, {}: {}\nthe token is a secret and not shown again: hand it to nobody else",
        until(&token),
        allowed(&token).join("; ")
    )?;
    Ok(())
}

fn list(arguments: &TokenListArguments) -> Result<(), CommandError> {
    let tokens = file(&arguments.data.data)?.list()?;
    if arguments.json {
        return lines(tokens.iter().map(|(name, token)| said(name, token)));
    }
    let none = || "there are no tokens; `isle token create --help` says how one is made\n".to_owned();
    let text = if tokens.is_empty() { none() } else { shown(&tokens, now_ms()) };
    stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn revoke(arguments: &TokenRevokeArguments) -> Result<(), CommandError> {
    let TokenRevokeArguments { name, data, json } = arguments;
    file(&data.data)?.revoke(name)?;
    answer(*json, &json!({"name": name}), &format!("{name} is revoked: it is refused from here on"))
}

fn until(token: &Token) -> String {
    token.expires_ms.map_or_else(|| "until it is revoked".to_owned(), |ms| format!("until {}", moment(ms)))
}

fn moment(ms: i64) -> String {
    date(Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

/// Each space and what may be done there.
fn allowed(token: &Token) -> Vec<String> {
    token.spaces.iter().map(|(space, rights)| format!("{}: {rights}", space.0)).collect()
}

/// A token for programs, without its hash.
fn said(name: &str, token: &Token) -> Value {
    json!({
        "name": name,
        "certificate": token.certificate,
        "spaces": token.spaces,
        "created_ms": token.created_ms,
        "expires_ms": token.expires_ms,
    })
}

/// A line for each token, and one for each further space of it.
fn shown(tokens: &[(String, Token)], now_ms: i64) -> String {
    let mut rows = vec![row(["NAME", "EXPIRES", "CREATED", "SHOWS", "SPACE", "RIGHTS"])];
    for (name, token) in tokens {
        let expires = match token.expires_ms {
            Some(ms) if token.is_over(now_ms) => format!("expired {}", moment(ms)),
            Some(ms) => moment(ms),
            None => "never".to_owned(),
        };
        let created = moment(token.created_ms);
        let shows = if token.certificate { "certificate" } else { "token" };
        let mut about = [name.as_str(), &expires, &created, shows];
        for (space, rights) in &token.spaces {
            let [name, expires, created, shows] = std::mem::take(&mut about);
            rows.push(row([name, expires, created, shows, space.0.as_str(), &rights.to_string()]));
        }
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_value;

    #[test]
    fn tokens_are_an_aligned_table_without_a_secret() {
        let hash = "a5".repeat(32);
        let token = |spaces: Value, expires_ms: Option<i64>| -> Token {
            from_value(
                json!({"secret_hash": hash, "spaces": spaces, "created_ms": 0, "expires_ms": expires_ms}),
            )
            .unwrap()
        };
        let spaces = json!({"catalog": "read", "store-367": "read,basket=write"});
        let tokens = [
            ("head office".to_owned(), token(spaces, None)),
            ("till-3".to_owned(), token(json!({"store-367": "read,write"}), Some(1_795_000_000_000))),
        ];
        let expected = "\
NAME         EXPIRES               CREATED               SHOWS  SPACE      RIGHTS
head office  never                 1970-01-01T00:00:00Z  token  catalog    read
                                                                store-367  read,basket=write
till-3       2026-11-18T11:06:40Z  1970-01-01T00:00:00Z  token  store-367  read,write
";
        assert_eq!(shown(&tokens, 0), expected);
        assert!(shown(&tokens, i64::MAX).contains("till-3       expired 2026-11-18T11:06:40Z  1970"));
        assert!(!said("till-3", &tokens[1].1).to_string().contains(&hash));
    }
}
