use super::*;
use proptest::prelude::*;

const NOW: Duration = Duration::from_secs(1_795_000_000);
const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);
const SECRET: JoinSecret = JoinSecret::new([1; 16]);
const OTHER: JoinSecret = JoinSecret::new([2; 16]);
const KEY: [u8; 32] = [11; 32];
const OTHER_KEY: [u8; 32] = [12; 32];

fn spaces() -> BTreeMap<SpaceName, SpaceRights> {
    crate::enrolment::parse_spaces("store-1=write,catalog=read").unwrap()
}

fn invited() -> Book {
    let mut book = Book::new(NOW);
    invite(&mut book, &SECRET).unwrap();
    book
}

fn invite(book: &mut Book, secret: &JoinSecret) -> Result<(), InviteError> {
    book.invite(("store-1", "hub"), spaces(), secret.hash(), (NOW, HOUR))
}

/// W-110.
#[test]
fn an_invitation_is_used_once_and_answered_again_to_the_same_key() {
    let mut book = invited();
    assert_eq!(book.join("store-1", &OTHER, KEY, NOW), Err(Refusal::UnknownInvitation));
    assert_eq!(book.join("store-2", &SECRET, KEY, NOW), Err(Refusal::UnknownInvitation));
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW), Ok(()));
    let joined = book.clone();
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW + HOUR - SECOND), Ok(()));
    assert_eq!(book, joined, "asked again it changes nothing");
    assert_eq!(book.join("store-1", &SECRET, OTHER_KEY, NOW), Err(Refusal::Used));
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW + HOUR * 2), Err(Refusal::Expired));
    assert_eq!(book.join("store-1", &OTHER, KEY, NOW), Err(Refusal::UnknownInvitation));
    let granted = Unwritten::Grant { public_key: KEY, site: "store-1".into(), spaces: spaces() };
    assert_eq!(book.unwritten(), std::slice::from_ref(&granted));
    book.written(&granted);
    assert_eq!(book.unwritten(), []);
    assert_eq!(book.spaces_of(&KEY), Some(&spaces()));
    // Its store is lost.
    book.forget_written();
    assert_eq!(book.unwritten(), [granted]);
}

/// W-110.
#[test]
fn an_invitation_expires_by_the_hubs_clock() {
    let mut book = invited();
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW + HOUR), Err(Refusal::Expired));
    assert_eq!(book.unwritten(), []);
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW + HOUR - SECOND), Ok(()));
}

#[test]
fn a_newer_invitation_voids_the_older() {
    let mut book = invited();
    invite(&mut book, &OTHER).unwrap();
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW), Err(Refusal::UnknownInvitation));
    assert_eq!(book.join("store-1", &OTHER, KEY, NOW), Ok(()));
    assert!(matches!(invite(&mut book, &SECRET), Err(InviteError::Joined { .. })));
}

#[test]
fn what_cannot_be_invited_is_refused() {
    let mut book = Book::new(NOW);
    let mut invite =
        |site, expiry| book.invite((site, "hub"), spaces(), SECRET.hash(), (NOW, expiry)).unwrap_err();
    assert!(matches!(invite("Store", HOUR), InviteError::Name(_)));
    assert_eq!(invite("hub", HOUR), InviteError::Hub { site: "hub".into() });
    assert_eq!(invite("store-1", INVITATION_MAX + HOUR), InviteError::Expiry);
    for site in 0..SITES_MAX {
        let name = format!("store-{site}");
        book.invite((&name, "hub"), BTreeMap::new(), SECRET.hash(), (NOW, HOUR)).unwrap();
    }
    assert_eq!(
        book.invite(("one-more", "hub"), spaces(), SECRET.hash(), (NOW, HOUR)),
        Err(InviteError::Full)
    );
    assert!(invite_again(&mut book).is_ok(), "one that is there may be invited again");
}

fn invite_again(book: &mut Book) -> Result<(), InviteError> {
    book.invite(("store-7", "hub"), spaces(), OTHER.hash(), (NOW, HOUR))
}

/// W-112.
#[test]
fn a_revoked_key_is_refused_for_ever_and_its_site_may_join_with_another() {
    let mut book = invited();
    book.join("store-1", &SECRET, KEY, NOW).unwrap();
    assert_eq!(book.check_renewal("store-1", &KEY), Ok(()));
    assert_eq!(book.check_renewal("store-2", &KEY), Err(Refusal::NotEnrolled));
    assert_eq!(book.check_renewal("store-1", &OTHER_KEY), Err(Refusal::NotEnrolled));

    assert_eq!(book.revoke("store-1", NOW), Ok(Ended::Key(KEY)));
    assert_eq!(book.revoke("store-1", NOW), Ok(Ended::Nothing));
    assert!(book.is_revoked(&KEY) && !book.is_revoked(&OTHER_KEY));
    assert_eq!(book.check_renewal("store-1", &KEY), Err(Refusal::Revoked));
    assert_eq!(book.join("store-1", &SECRET, OTHER_KEY, NOW), Err(Refusal::UnknownInvitation));
    let cut = Unwritten::Cut { public_key: KEY };
    assert_eq!(book.unwritten(), std::slice::from_ref(&cut));
    book.written(&cut);
    assert_eq!(book.unwritten(), []);

    invite(&mut book, &OTHER).unwrap();
    assert_eq!(book.join("store-1", &OTHER, KEY, NOW), Err(Refusal::Revoked));
    assert_eq!(book.join("store-1", &OTHER, OTHER_KEY, NOW), Ok(()));
    assert_eq!(book.check_renewal("store-1", &OTHER_KEY), Ok(()));
    assert_eq!(book.check_renewal("store-1", &KEY), Err(Refusal::Revoked));
}

#[test]
fn a_site_is_revoked_however_often_it_was_and_then_invited_no_more() {
    let mut book = Book::new(NOW);
    let mut keys = (0_u8..).map(|number| [number; 32]);
    let last = loop {
        if let Err(error) = invite(&mut book, &SECRET) {
            break error;
        }
        let key = keys.next().unwrap();
        book.join("store-1", &SECRET, key, NOW).unwrap();
        assert_eq!(book.revoke("store-1", NOW), Ok(Ended::Key(key)));
    };
    assert_eq!(last, InviteError::TooManyKeys { site: "store-1".into() });
    assert!(last.to_string().contains("invite it under another name"), "{last}");
    assert_eq!(book.revoked().count(), REVOKED_PER_SITE_MAX);
    assert_eq!(book.revoke("store-1", NOW), Ok(Ended::Nothing));
    // An earlier version invited it once more.
    let mut enrolled = invited();
    enrolled.join("store-1", &SECRET, [255; 32], NOW).unwrap();
    enrolled.sites.get_mut("store-1").unwrap().revoked = book.sites["store-1"].revoked.clone();
    assert_eq!(enrolled.revoke("store-1", NOW), Ok(Ended::Key([255; 32])));
}

#[test]
fn an_open_invitation_is_withdrawn_by_a_revocation() {
    let mut book = invited();
    assert_eq!(book.revoke("store-1", NOW), Ok(Ended::Invitation));
    assert_eq!(book.join("store-1", &SECRET, KEY, NOW), Err(Refusal::UnknownInvitation));
    assert!(matches!(book.revoke("store-2", NOW), Err(RevokeError::Unknown { .. })));
}

#[test]
fn a_key_is_one_sites() {
    let mut book = invited();
    book.join("store-1", &SECRET, KEY, NOW).unwrap();
    book.invite(("store-2", "hub"), spaces(), OTHER.hash(), (NOW, HOUR)).unwrap();
    assert_eq!(book.join("store-2", &OTHER, KEY, NOW), Err(Refusal::KeyTaken));
    assert_eq!(book.join("store-2", &OTHER, OTHER_KEY, NOW), Ok(()));
}

#[test]
fn what_is_written_is_read_back_and_has_no_secret() {
    let mut book = invited();
    book.join("store-1", &SECRET, KEY, NOW).unwrap();
    book.certified(&KEY, NOW + HOUR);
    book.seen(&KEY, NOW);
    book.invite(("store-2", "hub"), spaces(), OTHER.hash(), (NOW, HOUR)).unwrap();
    book.revoke("store-1", NOW).unwrap();
    let text = serde_json::to_string(&book).unwrap();
    assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), book);
    for secret in ["01".repeat(16), "02".repeat(16)] {
        assert!(!text.contains(&secret), "{text}");
    }
}

#[test]
fn other_rights_are_written_until_the_newest_are() {
    let read = crate::enrolment::parse_spaces("store-1=read").unwrap();
    let mut book = invited();
    assert_eq!(
        book.set_rights("store-2", read.clone()),
        Err(RightsError::Unknown { site: "store-2".into() })
    );
    assert_eq!(book.set_rights("store-1", read.clone()), Ok((Given::Invitation, spaces())));
    assert_eq!(book.set_rights("store-1", spaces()), Ok((Given::Invitation, read.clone())));
    book.join("store-1", &SECRET, KEY, NOW).unwrap();
    let granted = book.unwritten()[0].clone();
    assert_eq!(book.set_rights("store-1", read.clone()), Ok((Given::Key(KEY), spaces())));
    // What was on its way when the rights changed is no longer what is to be written.
    book.written(&granted);
    let newest = Unwritten::Grant { public_key: KEY, site: "store-1".into(), spaces: read.clone() };
    assert_eq!(book.unwritten(), std::slice::from_ref(&newest));
    book.written(&newest);
    assert_eq!(book.unwritten(), []);
    book.set_rights("store-1", read.clone()).unwrap();
    assert_eq!(book.unwritten(), [], "the same again");
    book.revoke("store-1", NOW).unwrap();
    assert_eq!(book.set_rights("store-1", read), Err(RightsError::Revoked { site: "store-1".into() }));
}

#[test]
fn a_space_stays_the_hubs_when_no_site_has_it_any_more() {
    let names = |book: &Book| book.spaces().map(|name| name.0.to_string()).collect::<Vec<_>>();
    let mut book = invited();
    let read = crate::enrolment::parse_spaces("store-1=read").unwrap();
    book.set_rights("store-1", read.clone()).unwrap();
    assert_eq!(names(&book), ["store-1"], "nobody ever had it");
    book.set_rights("store-1", spaces()).unwrap();
    book.join("store-1", &SECRET, KEY, NOW).unwrap();
    book.set_rights("store-1", read).unwrap();
    let written = serde_json::to_string(&book).unwrap();
    let book: Book = serde_json::from_str(&written).unwrap();
    assert_eq!(names(&book), ["store-1", "catalog", "store-1"]);
}

const GOLDEN: &str = include_str!("../../../../../schemas/golden/server/v1/enrolment.json");

#[test]
fn the_golden_book_is_read_and_written() {
    let mut book = invited();
    book.join("store-1", &SECRET, KEY, NOW).unwrap();
    book.written(&book.unwritten()[0].clone());
    book.certified(&KEY, NOW + HOUR);
    book.seen(&KEY, NOW + SECOND);
    book.invite(("store-2", "hub"), spaces(), OTHER.hash(), (NOW, HOUR)).unwrap();
    book.join("store-2", &OTHER, OTHER_KEY, NOW).unwrap();
    book.revoke("store-2", NOW).unwrap();
    assert_eq!(serde_json::from_str::<Book>(GOLDEN).unwrap(), book);
    let written = serde_json::to_string_pretty(&book).unwrap();
    assert_eq!(written, GOLDEN.trim_end());
}

/// What happens to a book.
#[derive(Clone, Debug)]
enum Event {
    Invite { site: u8, secret: u8 },
    Join { site: u8, secret: u8, key: u8 },
    Revoke { site: u8 },
}

fn event() -> impl Strategy<Value = Event> {
    let (site, secret, key) = (0..3_u8, 0..4_u8, 0..4_u8);
    prop_oneof![
        (site.clone(), secret.clone()).prop_map(|(site, secret)| Event::Invite { site, secret }),
        (site.clone(), secret, key).prop_map(|(site, secret, key)| Event::Join { site, secret, key }),
        site.prop_map(|site| Event::Revoke { site }),
    ]
}

proptest! {
    /// No key that was revoked is ever let in, no key is two sites', and a site has one.
    #[test]
    fn a_book_lets_in_whom_it_should(events in proptest::collection::vec(event(), 0..40)) {
        let mut book = Book::new(NOW);
        let mut revoked = BTreeSet::new();
        for event in events {
            match event {
                Event::Invite { site, secret } => {
                    let secret = JoinSecret::new([secret; 16]);
                    let _ = book.invite((&format!("s{site}"), "hub"), spaces(), secret.hash(), (NOW, HOUR));
                }
                Event::Join { site, secret, key } => {
                    let joined = book.join(&format!("s{site}"), &JoinSecret::new([secret; 16]), [key; 32], NOW);
                    prop_assert!(joined.is_err() || !revoked.contains(&[key; 32]));
                    if joined.is_ok() {
                        prop_assert_eq!(book.check_renewal(&format!("s{site}"), &[key; 32]), Ok(()));
                    }
                }
                Event::Revoke { site } => {
                    if let Ok(Ended::Key(key)) = book.revoke(&format!("s{site}"), NOW) {
                        revoked.insert(key);
                    }
                }
            }
            prop_assert!(revoked.iter().all(|key| book.is_revoked(key)));
            let keys: Vec<_> =
                book.sites().filter_map(|(_, site)| Some(site.enrolled.as_ref()?.public_key)).collect();
            let distinct: BTreeSet<_> = keys.iter().map(|key| key.0).collect();
            prop_assert_eq!(keys.len(), distinct.len());
            prop_assert!(distinct.is_disjoint(&revoked));
        }
    }
}
