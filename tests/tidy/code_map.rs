//! The maps of the code name every member.

use crate::finding::Finding;
use crate::repository::Member;

/// `text` is that of `file`, or `None` if there is no such file.
fn unmapped(file: &str, text: Option<&str>, members: &[Member]) -> Vec<Finding> {
    let finding = |what, remedy| Finding { file: file.into(), line: 1, what, remedy };
    let Some(text) = text else {
        return vec![finding(
            "is missing".into(),
            "write it, with a map that says what each directory is for",
        )];
    };
    let unnamed = members.iter().filter(|member| !names(text, member));
    unnamed
        .map(|member| {
            let what = format!("the map of the code does not name `{}`", member.directory);
            finding(what, "say what it is for, at `crates/NAME`, `NAME/` in a tree, or **`NAME`**")
        })
        .collect()
}

/// A member is named by its directory, by its name as a directory, or by its name as the title of an entry: in a
/// heading, a link or bold. Its name alone is a word of the text, as in "a document".
fn names(text: &str, member: &Member) -> bool {
    let name = member.name();
    let titles = [format!("**`{name}`**"), format!("[`{name}`]")];
    titles.iter().any(|title| text.contains(title)) || names_path(text, member)
}

fn names_path(text: &str, member: &Member) -> bool {
    text.lines().any(|line| {
        let words = line.split(|character: char| !(character.is_alphanumeric() || "/_-".contains(character)));
        let heading = line.starts_with('#');
        words.into_iter().any(|word| {
            let (directory, name) = (member.directory.as_str(), member.name());
            let is_path = word.contains('/');
            let bare = word.trim_end_matches('/');
            (is_path && (bare == directory || bare == name)) || (heading && bare == name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::expect_none;
    use crate::repository;

    fn of_repository(file: &str) {
        let text = std::fs::read_to_string(::tests::repository_root().join(file)).ok();
        expect_none(unmapped(file, text.as_deref(), &repository::members()));
    }

    #[test]
    fn the_readme_maps_every_member() {
        of_repository("README.md");
    }

    #[test]
    fn the_architecture_maps_every_member() {
        of_repository("ARCHITECTURE.md");
    }

    #[test]
    fn a_member_that_is_not_named_is_found() {
        let members = [Member::parse("crates/document", ""), Member::parse("sim", "")];
        let text = "A **document** is edited by `document`, `sim` or not.\n";
        assert_eq!(unmapped("README.md", Some(text), &members).len(), 2);
        assert_eq!(unmapped("README.md", None, &members).len(), 1);
    }

    #[test]
    fn a_member_is_named_in_a_tree_a_title_or_a_link() {
        let members = [Member::parse("crates/document", ""), Member::parse("sim", "")];
        for text in [
            "crates/\n  document/  pure\nsim/  simulator\n",
            "[`crates/document`](x) sim/",
            "# `document`\n## sim\n",
            "**`document`** (pure). | [`sim`](sim) |",
        ] {
            expect_none(unmapped("README.md", Some(text), &members));
        }
    }
}
