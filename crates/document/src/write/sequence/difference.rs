//! What turns one sequence into another.

use serde_json::Value;

/// Most cells of the table that compares two lists; lists beyond it are replaced between the ends that are equal.
const TABLE_CELLS_MAX: usize = 250_000;

/// One thing to do to a list; places count what the steps before have done.
#[derive(Debug, PartialEq)]
pub(super) enum Step<'a> {
    Replace { index: usize, item: &'a Value },
    Delete { index: usize },
    Insert { index: usize, item: &'a Value },
}

/// The steps from one list to another, few where the lists share items in one order.
pub(super) fn steps<'a>(old: &[Value], new: &'a [Value]) -> Vec<Step<'a>> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(start..).unwrap_or_default(), new.get(start..).unwrap_or_default());
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let old = old.get(..old.len() - end).unwrap_or_default();
    let new = new.get(..new.len() - end).unwrap_or_default();
    let mut steps = Vec::new();
    let (mut index, mut old_at, mut new_at) = (start, 0, 0);
    for (old_kept, new_kept) in shared(old, new).into_iter().chain([(old.len(), new.len())]) {
        let gap = new.get(new_at..new_kept).unwrap_or_default();
        fill(&mut steps, index, old_kept - old_at, gap);
        index += gap.len() + 1;
        (old_at, new_at) = (old_kept + 1, new_kept + 1);
    }
    steps
}

/// The steps where nothing is shared: items take the place of others, as far as there are both.
fn fill<'a>(steps: &mut Vec<Step<'a>>, start: usize, old: usize, new: &'a [Value]) {
    let both = old.min(new.len());
    let (replacing, inserted) = new.split_at(both);
    steps.extend(replacing.iter().zip(start..).map(|(item, index)| Step::Replace { index, item }));
    steps.extend((both..old).map(|_| Step::Delete { index: start + both }));
    steps.extend(inserted.iter().zip(start + both..).map(|(item, index)| Step::Insert { index, item }));
}

/// Places of a longest common subsequence of both, in order (Wagner and Fischer, "The String-to-String Correction
/// Problem", J. ACM 1974).
fn shared(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if old.is_empty() || new.is_empty() || (old.len() + 1).saturating_mul(width) > TABLE_CELLS_MAX {
        return Vec::new();
    }
    // Longest common subsequence of what follows (row, column).
    let mut table = vec![0_u32; (old.len() + 1) * width];
    let cell =
        |table: &[u32], row: usize, column: usize| table.get(row * width + column).copied().unwrap_or(0);
    for (row, old) in old.iter().enumerate().rev() {
        for (column, new) in new.iter().enumerate().rev() {
            let longest = if old == new {
                cell(&table, row + 1, column + 1) + 1
            } else {
                cell(&table, row + 1, column).max(cell(&table, row, column + 1))
            };
            if let Some(cell) = table.get_mut(row * width + column) {
                *cell = longest;
            }
        }
    }
    let mut places = Vec::new();
    let (mut row, mut column) = (0, 0);
    while let (Some(left), Some(right)) = (old.get(row), new.get(column)) {
        if left == right {
            places.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if cell(&table, row + 1, column) >= cell(&table, row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    places
}

/// What two texts do not share at their ends.
#[derive(Debug, PartialEq)]
pub(super) struct Between<'a> {
    /// Where it starts, in characters.
    pub(super) index: usize,
    pub(super) old: &'a str,
    pub(super) new: &'a str,
}

pub(super) fn between<'a>(old: &'a str, new: &'a str) -> Between<'a> {
    let equal = old.chars().zip(new.chars()).take_while(|(old, new)| old == new);
    let (index, start) = equal.fold((0, 0), |(index, bytes), (old, _)| (index + 1, bytes + old.len_utf8()));
    let (old, new) = (old.get(start..).unwrap_or_default(), new.get(start..).unwrap_or_default());
    let equal = old.chars().rev().zip(new.chars().rev()).take_while(|(old, new)| old == new);
    let end: usize = equal.map(|(old, _)| old.len_utf8()).sum();
    let front = |text: &'a str| text.get(..text.len() - end).unwrap_or_default();
    Between { index, old: front(old), new: front(new) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(letters: &str) -> Vec<Value> {
        letters.chars().map(|letter| Value::from(letter.to_string())).collect()
    }

    fn carried_out(old: &[Value], steps: &[Step<'_>]) -> Vec<Value> {
        let mut list = old.to_vec();
        for step in steps {
            match step {
                Step::Replace { index, item } => list[*index] = (*item).clone(),
                Step::Delete { index } => drop(list.remove(*index)),
                Step::Insert { index, item } => list.insert(*index, (*item).clone()),
            }
        }
        list
    }

    #[test]
    fn an_item_that_changes_is_one_step() {
        for (old, new, count) in
            [("abc", "abc", 0), ("abc", "axc", 1), ("abc", "abxc", 1), ("abcdef", "xbcdey", 2), ("ab", "", 2)]
        {
            let (old, new) = (values(old), values(new));
            assert_eq!(steps(&old, &new).len(), count, "{old:?} {new:?}");
        }
    }

    #[test]
    fn long_lists_are_replaced_between_their_ends() {
        let (old, new) = (values(&"ab".repeat(600)), values(&"ba".repeat(600)));
        assert_eq!(carried_out(&old, &steps(&old, &new)), new);
    }

    proptest! {
        #[test]
        fn the_steps_lead_from_one_list_to_the_other(old in "[a-d]{0,12}", new in "[a-d]{0,12}") {
            let (old, new) = (values(&old), values(&new));
            let steps = steps(&old, &new);
            prop_assert!(steps.len() <= old.len() + new.len());
            prop_assert_eq!(carried_out(&old, &steps), new);
        }

        #[test]
        fn what_lies_between_makes_one_text_the_other(old in "[aé🦀]{0,9}", new in "[aé🦀]{0,9}") {
            let between = between(&old, &new);
            let mut characters: Vec<char> = old.chars().collect();
            let end = between.index + between.old.chars().count();
            characters.splice(between.index..end, between.new.chars());
            prop_assert_eq!(characters.into_iter().collect::<String>(), new);
        }
    }
}
