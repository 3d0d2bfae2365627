//! Which line of a configuration a key is on.

use toml::de::{DeTable, DeValue};

/// The line, from 1, of a byte offset.
pub(super) fn of_offset(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line of a key by its path from the root; 0 when it is not there.
pub(super) fn of_key(text: &str, path: &[&str]) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 0 };
    let mut table = root.get_ref();
    let mut line = 0;
    for name in path {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { return 0 };
        line = of_offset(text, key.span().start);
        let DeValue::Table(inner) = value.get_ref() else { return line };
        table = inner;
    }
    line
}
