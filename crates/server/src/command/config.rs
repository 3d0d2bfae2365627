//! `isle config`.

use super::CommandError;
use super::answer::stdout;
use super::status::{row, table};
use crate::arguments::{ConfigCommand, ServeArguments};
use crate::config::{Effective, Shown};
use crate::data_directory::DataDirectory;
use crate::enrolment::DenyList;
use crate::schemas;
use crate::server::check_name;
use std::io::Write as _;
use transport::Identity;

pub(super) fn run(command: &ConfigCommand) -> Result<(), CommandError> {
    let text = match command {
        ConfigCommand::Check(arguments) => {
            let (directory, effective) = load(&arguments.serve)?;
            // What stands in files of its own, and a server does not start with.
            schemas::load(&directory.schemas())?;
            DenyList::of(&directory).read()?;
            // Where there is no identity yet nothing is said of it.
            if let Ok(identity) = Identity::load(&directory.identity()) {
                check_name(&directory, &identity, &effective.config)?;
            }
            let path = directory.config();
            match arguments.json {
                true => {
                    let checked = serde_json::json!({ "config": path.display().to_string(), "warnings": effective.warnings });
                    checked.to_string() + "\n"
                }
                false => format!("{}: nothing is wrong\n", path.display()) + &warned(&effective),
            }
        }
        ConfigCommand::Show(arguments) => {
            let (_, effective) = load(&arguments.serve)?;
            match arguments.json {
                true => {
                    let shown = serde_json::json!({
                        "settings": effective.shown(),
                        "warnings": effective.warnings,
                    });
                    shown.to_string() + "\n"
                }
                false => shown(&effective.shown()) + &warned(&effective),
            }
        }
    };
    stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn load(arguments: &ServeArguments) -> Result<(DataDirectory, Effective), CommandError> {
    let directory = DataDirectory::new(&arguments.data.data);
    directory.check_there()?;
    let effective = Effective::load(&directory.config(), &arguments.settings.layers())?;
    Ok((directory, effective))
}

fn warned(effective: &Effective) -> String {
    effective.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
}

/// A table; what has no value is in parentheses.
fn shown(settings: &[Shown]) -> String {
    let rows = settings.iter().map(|setting| {
        let without = setting.without.map(|without| format!("({without})"));
        let value = setting.value.clone().or(without).unwrap_or_default();
        row([&setting.key, &value, &setting.from.to_string()])
    });
    table(&std::iter::once(row(["KEY", "VALUE", "FROM"])).chain(rows).collect::<Vec<_>>())
}
