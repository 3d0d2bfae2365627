use super::*;
use crate::enrolment::{init, parse_spaces};
use transport::enrolment::Refusal;

const HOUR: Duration = Duration::from_hours(1);
const KEY: [u8; 32] = [9; 32];

fn hub(temporary: &tempfile::TempDir) -> Hub {
    let directory = DataDirectory::new(temporary.path());
    init(&directory, "hub", &"hub.example:7400".parse().unwrap(), None, None).unwrap();
    let config = Config::load(&directory.config()).unwrap();
    Hub::open(&directory, &config).unwrap().unwrap()
}

fn invited(site: &str) -> Invited {
    let spaces = parse_spaces("store-1=write").unwrap();
    Invited { site: site.to_owned(), spaces, expiry: HOUR, address: None }
}

#[test]
fn what_is_invited_and_revoked_is_known_after_a_restart() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = DataDirectory::new(temporary.path());
    let mut first = hub(&temporary);
    let token = first.invite(invited("store-1"), wall()).unwrap();
    assert_eq!((token.hub.as_str(), token.address.as_str()), ("hub", "hub.example:7400"));
    let config = Config::load(&directory.config()).unwrap();
    let open = || Hub::open(&directory, &config).unwrap().unwrap();
    let mut second = open();
    second.change(|book| book.join("store-1", &token.secret, KEY, wall())).unwrap().unwrap();
    let state = |hub: &Hub| hub.sites(wall(), |_| false).first().map(|site| site.state);
    assert_eq!(state(&open()), Some(SiteState::Joined));
    assert_eq!(second.revoke("store-1", wall()).unwrap(), Ended::Key(KEY));
    let third = open();
    assert_eq!(state(&third), Some(SiteState::Revoked));
    assert_eq!(third.book().check_renewal("store-1", &KEY), Err(Refusal::Revoked));
}

#[test]
fn what_cannot_be_made_durable_is_not_done() {
    let temporary = tempfile::tempdir().unwrap();
    let mut hub = hub(&temporary);
    let token = hub.invite(invited("store-1"), wall()).unwrap();
    // A directory where the new book would be written.
    std::fs::create_dir(temporary.path().join("enrolment.json.new")).unwrap();
    let before = hub.book().clone();
    assert!(hub.change(|book| book.join("store-1", &token.secret, KEY, wall())).is_err());
    assert_eq!(*hub.book(), before);
}

#[test]
fn a_revocation_holds_though_the_disk_takes_nothing_and_is_written_later() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = DataDirectory::new(temporary.path());
    let mut hub = hub(&temporary);
    for (site, key) in [("store-1", KEY), ("store-2", [8; 32])] {
        let token = hub.invite(invited(site), wall()).unwrap();
        hub.change(|book| book.join(site, &token.secret, key, wall())).unwrap().unwrap();
    }
    let in_the_way = temporary.path().join("enrolment.json.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let (ended, saved) = hub.revoke_at_once("store-1", wall()).unwrap();
    assert_eq!((ended, saved.is_err(), hub.is_ahead()), (Ended::Key(KEY), true, true));
    // What fails after it takes nothing of it back.
    assert!(hub.revoke("store-2", wall()).is_err());
    assert!(hub.book().is_revoked(&KEY) && !hub.book().is_revoked(&[8; 32]));
    assert!(hub.save().is_err() && hub.is_ahead());
    std::fs::remove_dir(&in_the_way).unwrap();
    hub.save().unwrap();
    assert!(!hub.is_ahead());
    let config = Config::load(&directory.config()).unwrap();
    assert!(Hub::open(&directory, &config).unwrap().unwrap().book().is_revoked(&KEY));
}

#[test]
fn a_wrong_clock_certifies_nothing_and_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let mut hub = hub(&temporary);
    let identity = Identity::load(&DataDirectory::new(temporary.path()).identity()).unwrap();
    for now in [Duration::ZERO, wall() + AUTHORITY_AGE_MAX + HOUR] {
        let refused = hub.certify("store-1", &KEY, now).unwrap_err();
        assert!(refused.to_string().contains("set the clock"), "{refused}");
        assert!(matches!(hub.invite(invited("store-1"), now), Err(EnrolmentError::Clock { .. })));
        assert!(matches!(hub.own_renewal(&identity, now), Err(EnrolmentError::Clock { .. })));
    }
    assert!(hub.certify("store-1", &KEY, wall()).is_ok());
}

#[test]
fn a_hub_renews_its_own_certificate_when_it_is_due() {
    let temporary = tempfile::tempdir().unwrap();
    let hub = hub(&temporary);
    let identity = Identity::load(&DataDirectory::new(temporary.path()).identity()).unwrap();
    assert_eq!(hub.own_renewal(&identity, wall()).unwrap(), None);
    let validity = identity.validity();
    for late in [validity.renewal(), validity.end + HOUR, validity.end + hub.grace * 3] {
        let renewed = hub.own_renewal(&identity, late).unwrap().unwrap();
        assert!(renewed.validity().end > late);
    }
}

#[test]
fn a_configuration_of_somebody_else_is_refused_with_the_right_key() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = DataDirectory::new(temporary.path());
    hub(&temporary);
    let mut config = Config::load(&directory.config()).unwrap();
    let own = String::from(config.authority.unwrap());
    config.authority = None;
    let refused = Hub::open(&directory, &config).unwrap_err();
    assert!(refused.to_string().contains(&own), "{refused}");
    let none = tempfile::tempdir().unwrap();
    assert!(Hub::open(&DataDirectory::new(none.path()), &config).unwrap().is_none());
}
