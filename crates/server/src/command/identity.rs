//! `isle identity`: thin over `transport`, for a first try. A fleet enrols its replicas.

use crate::arguments::IdentityCommand;
use crate::data_directory::DataDirectory;
use transport::{Authority, AuthorityError};

pub(super) fn run(command: &IdentityCommand) -> Result<(), AuthorityError> {
    match command {
        IdentityCommand::Authority { directory, name } => Authority::create(name)?.save(directory),
        IdentityCommand::Issue { name, authority, data } => {
            Authority::load(authority)?.issue(name, &DataDirectory::new(&data.data).identity())
        }
    }
}
