//! The table that people read.

use super::row::Entry;
use std::collections::BTreeMap;

const COLUMNS: usize = 6;
const TITLES: [&str; COLUMNS] = ["name", "value", "reference", "ratio", "goal", "met"];
/// Numbers are to the right, so that their sizes can be compared.
const RIGHT: [bool; COLUMNS] = [false, true, true, true, false, false];

/// The newest row of each name as aligned lines, sorted by name; `entries` are oldest first.
#[must_use]
pub fn table(entries: &[Entry]) -> String {
    let newest: BTreeMap<&str, &Entry> = entries.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    let titles = TITLES.map(String::from);
    let lines: Vec<[String; COLUMNS]> =
        std::iter::once(titles).chain(newest.into_values().map(cells)).collect();
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    lines.iter().map(|line| aligned(line, &widths)).collect()
}

fn cells(entry: &Entry) -> [String; COLUMNS] {
    let with_unit = |number: f64| format!("{} {}", rounded(number), entry.unit);
    [
        entry.name.clone(),
        with_unit(entry.value),
        entry.reference.map_or_else(|| "-".into(), with_unit),
        entry.ratio.map_or_else(|| "-".into(), |ratio| format!("{}x", rounded(ratio))),
        entry.goal.clone(),
        if entry.met { "yes" } else { "NO" }.into(),
    ]
}

/// Four digits that count, more only before the point.
fn rounded(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 1000.0 || size == 0.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 1.0 => 3,
        _ => 5,
    };
    format!("{number:.decimals$}")
}

fn aligned(line: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let cells = line.iter().zip(widths).zip(RIGHT);
    let padded: Vec<String> = cells
        .map(
            |((cell, &width), right)| {
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            },
        )
        .collect();
    format!("{}\n", padded.join("  ").trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::row::{Goal, Row};
    use super::*;

    fn entry(name: &str, value: f64, reference: Option<f64>) -> Entry {
        let goal = Goal::value_at_most(100.0);
        Entry::from(&Row { name: name.into(), unit: "ms".into(), value, reference, goal })
    }

    #[test]
    fn rows_are_aligned_and_sorted_by_name() {
        let entries = [entry("sync round", 12.345, Some(24.69)), entry("merge", 1234.5, None)];
        let expected = "\
name            value  reference   ratio  goal          met
merge         1234 ms          -       -  value <= 100  NO
sync round   12.35 ms   24.69 ms  0.50000x  value <= 100  yes
";
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let printed = table(&entries);
        assert_eq!(words(&printed), words(expected));
        let columns: Vec<_> =
            printed.lines().map(|line| line.find("value <=").or(line.find("goal"))).collect();
        assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "not aligned:\n{printed}");
    }

    #[test]
    fn only_the_newest_row_of_a_name_is_shown() {
        let printed = table(&[entry("merge", 500.0, None), entry("merge", 50.0, None)]);
        assert!(printed.contains("50.00 ms") && !printed.contains("500.0 ms"), "{printed}");
    }

    #[test]
    fn numbers_keep_four_digits_that_count() {
        let printed: Vec<String> = [0.0, 62_000.4, 775.25, 12.345, 1.23456, 0.012_34].map(rounded).into();
        assert_eq!(printed, ["0", "62000", "775.2", "12.35", "1.235", "0.01234"]);
    }
}
