//! The known name that somebody meant who wrote another one.

/// From which likeness on a name is taken for a mistyped one; clap's own measure and limit.
const LIKENESS_MIN: f64 = 0.7;

/// The known name most like `given`; none when none is like it.
pub(super) fn nearest(given: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let likeness = known.map(|name| (strsim::jaro(&given.to_lowercase(), &name.to_lowercase()), name));
    let best = likeness.max_by(|(left, _), (right, _)| left.total_cmp(right));
    best.filter(|(likeness, _)| *likeness > LIKENESS_MIN).map(|(_, name)| name)
}

/// Names up to this long are one slip from many words: `HOME` is two from `NAME`.
const SHORT_MAX: usize = 5;

/// Whether somebody who wrote `given` certainly meant `name`, both without what all names begin with: a slip or two of the
/// keyboard apart.
pub(super) fn is_slip(given: &str, name: &str) -> bool {
    let slips_max = if name.len() <= SHORT_MAX { 1 } else { 2 };
    strsim::damerau_levenshtein(given, name) <= slips_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_has_a_nearest_and_another_word_has_none() {
        let known = ["address", "relay", "sync_interval_ms", "listen"];
        let cases = [
            ("adress", Some("address")),
            ("Relay", Some("relay")),
            ("sync-interval", Some("sync_interval_ms")),
            ("listn", Some("listen")),
            ("password", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(nearest(given, known.into_iter()), expected, "{given}");
        }
    }

    #[test]
    fn what_orchestrators_set_for_a_service_named_isle_is_no_slip() {
        for given in [
            "PORT",
            "SERVICE_HOST",
            "PORT_7400_UDP",
            "HUB_SERVICE_PORT",
            "HUB_PORT",
            "TAG",
            "HOME",
            "NODE",
            "POD",
            "HOST",
            "IMAGE",
        ] {
            for name in ["LOG", "HUB", "NAME", "LISTEN", "OBSERVE", "DATA"] {
                assert!(!is_slip(given, name), "{given} {name}");
            }
        }
        for (given, name) in [
            ("LISTN", "LISTEN"),
            ("LSITEN", "LISTEN"),
            ("SYNC_INTERVALL_MS", "SYNC_INTERVAL_MS"),
            ("NAEM", "NAME"),
            ("LOGS", "LOG"),
        ] {
            assert!(is_slip(given, name), "{given} {name}");
        }
    }
}
