//! `isle identity`: thin over `transport`, for a first try. A fleet enrols its replicas.

use super::CommandError;
use super::answer::answer;
use crate::arguments::IdentityCommand;
use crate::data_directory::DataDirectory;
use serde_json::json;
use transport::Authority;

pub(super) fn run(command: &IdentityCommand) -> Result<(), CommandError> {
    match command {
        IdentityCommand::Authority { directory, name, json } => {
            Authority::create(name)?.save(directory)?;
            let text = format!("made the authority {name} in {}: keep it off line", directory.display());
            answer(*json, &json!({"name": name, "directory": directory}), &text)
        }
        IdentityCommand::Issue { name, authority, data, json } => {
            let identity = DataDirectory::new(&data.data).identity();
            Authority::load(authority)?.issue(name, &identity)?;
            let text = format!("issued {name} its key and certificate in {}", identity.display());
            answer(*json, &json!({"name": name, "directory": identity}), &text)
        }
    }
}
