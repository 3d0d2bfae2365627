//! `isle join`.

use super::CommandError;
use super::answer::answer;
use crate::arguments::JoinArguments;
use crate::data_directory::DataDirectory;
use crate::enrolment::{Arrived, ConfigWritten, JoinError, date, join, show_spaces};
use serde_json::{Value, json};
use std::io::{self, Read as _};
use transport::enrolment::{EnrolError, JoinToken, TOKEN_BYTES_MAX};

pub(super) async fn run(arguments: &JoinArguments) -> Result<(), CommandError> {
    let text = match arguments.token.as_str() {
        "-" => {
            let mut text = String::new();
            io::stdin().lock().take(TOKEN_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
            text
        }
        token => token.to_owned(),
    };
    let token: JoinToken = text.parse().map_err(|error| JoinError::Enrol(EnrolError::Token(error)))?;
    let directory = DataDirectory::new(&arguments.data.data);
    let arrived = join(&directory, &token, arguments.new_key).await?;
    answer(arguments.json, &said(&token.site, &arrived), &told(&token.site, &directory, &arrived))
}

fn said(site: &str, arrived: &Arrived) -> Value {
    let Arrived { hub, spaces, until, config, aside } = arrived;
    let (config, wanted) = match config {
        ConfigWritten::New => ("written", None),
        ConfigWritten::Same => ("same", None),
        ConfigWritten::Kept { wanted } => ("kept", Some(wanted)),
    };
    json!({
        "site": site,
        "hub": hub,
        "spaces": show_spaces(spaces),
        "certificate_ends_ms": u64::try_from(until.as_millis()).unwrap_or(u64::MAX),
        "config": config,
        "wanted": wanted,
        "former_identity": aside,
    })
}

fn told(site: &str, directory: &DataDirectory, arrived: &Arrived) -> String {
    let Arrived { hub, spaces, until, config, aside } = arrived;
    let (data, path) = (directory.path().display(), directory.config());
    let path = path.display();
    let (spaces, until) = (show_spaces(spaces), date(*until));
    let mut text = format!(
        "{site} has joined {hub}: {spaces}\nits certificate is valid until {until} and renewed by itself\n"
    );
    if let Some(aside) = aside {
        text += &format!("its former key and certificate are in {}\n", aside.display());
    }
    text += &match config {
        ConfigWritten::New => format!("{path} is written\n"),
        ConfigWritten::Same => format!("{path} is there already and says the same\n"),
        ConfigWritten::Kept { wanted } => {
            format!("{path} is there already and stays as it is. What is to be in it:\n\n{wanted}\n")
        }
    };
    text + &format!("next: isle serve --data {data}\n")
}
