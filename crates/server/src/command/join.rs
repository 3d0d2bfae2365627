//! `isle join`.

use super::CommandError;
use crate::arguments::JoinArguments;
use crate::data_directory::DataDirectory;
use crate::enrolment::{Arrived, ConfigWritten, JoinError, date, join, show_spaces};
use std::io::{self, Read as _, Write as _};
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
    let arrived = join(&directory, &token).await?;
    io::stdout().lock().write_all(told(&token.site, &directory, &arrived).as_bytes())?;
    Ok(())
}

fn told(site: &str, directory: &DataDirectory, arrived: &Arrived) -> String {
    let Arrived { hub, spaces, until, config } = arrived;
    let (data, path) = (directory.path().display(), directory.config());
    let path = path.display();
    let (spaces, until) = (show_spaces(spaces), date(*until));
    let mut text = format!(
        "{site} has joined {hub}: {spaces}\nits certificate is valid until {until} and renewed by itself\n"
    );
    text += &match config {
        ConfigWritten::New => format!("{path} is written\n"),
        ConfigWritten::Same => format!("{path} is there already and says the same\n"),
        ConfigWritten::Kept { wanted } => {
            format!("{path} is there already and stays as it is. What is to be in it:\n\n{wanted}\n")
        }
    };
    text + &format!("next: isle serve --data {data}\n")
}
