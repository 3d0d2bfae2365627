//! `isle hub admit`: a site comes in by its certificate.

use super::super::answer::{note, stdout};
use super::super::{CommandError, call, unasked};
use super::{is_running, stopped};
use crate::arguments::AdmitArguments;
use crate::config::{Effective, Layers, PublicKey};
use crate::data_directory::DataDirectory;
use crate::enrolment::{EnrolmentError, parse_spaces, show_spaces, site_config, site_config_text, wall};
use crate::local::{Request, Response};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use transport::Identity;

/// Longest file of certificates, in bytes; those of a chain take some kilobytes.
const CERTIFICATE_BYTES_MAX: u64 = 64 * 1024;

pub(super) async fn run(arguments: &AdmitArguments) -> Result<(), CommandError> {
    let AdmitArguments { certificate, data, spaces, address, json } = arguments;
    let wanted = parse_spaces(spaces)?;
    let pem = read(certificate)?;
    let directory = DataDirectory::new(&data.data);
    let config = Effective::load(&directory.config(), &Layers::of_environment())?.config;
    let address = address.clone().or(config.enrolment.address).ok_or(EnrolmentError::NoAddress)?;
    let none = || EnrolmentError::NoHub { data: data.data.clone() };
    let PublicKey(key) = config.authority.ok_or_else(none)?;
    let (site, before, is_written) = if is_running(&data.data).await? {
        let request = Request::Admit { certificate: pem, spaces: show_spaces(&wanted) };
        let Response::RightsSet { site, before, is_written, .. } = call(&data.data, &request).await? else {
            return Err(unasked());
        };
        (site, before, is_written)
    } else {
        let (_lock, mut hub) = stopped(&data.data)?;
        let identity = Identity::load(&directory.identity()).map_err(EnrolmentError::from)?;
        let admitted = hub.admit((&pem, &identity), &wanted, wall())?;
        (admitted.site, show_spaces(&admitted.before), false)
    };
    let text = site_config_text(
        &site_config(&site, (&config.name, key), &address, &wanted, false),
        "isle hub admit",
    );
    let when = match is_written {
        true => "from here on",
        false => "as soon as the hub runs and its store takes writes",
    };
    let mut stdout = stdout();
    if *json {
        let told = json!({
            "site": site,
            "before": before,
            "spaces": show_spaces(&wanted),
            "is_written": is_written,
            "config": text,
        });
        return Ok(writeln!(stdout, "{told}")?);
    }
    stdout.write_all(text.as_bytes())?;
    note(format_args!(
        "{site} is let in by the key of its certificate {when}; what is printed is its isle.toml"
    ));
    Ok(())
}

fn read(path: &Path) -> Result<String, CommandError> {
    let failed = |source| CommandError::Certificate { path: path.to_owned(), source };
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(CERTIFICATE_BYTES_MAX).read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(CERTIFICATE_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(failed)?;
    Ok(text)
}
