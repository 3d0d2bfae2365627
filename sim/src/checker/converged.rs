use crate::failure::Failure;
use crate::observation::{Checker, Observation};
use crate::topology::{NodeId, Topology};
use crate::world::{Nodes, Settled, SettledSpace};
use document::Space;

const PROPERTY: &str = "converged";

/// Once everything is healed and at rest, replicas that share a space have equal version vectors, chains included,
/// and for each document equal heads, equal JSON and the same changes, by their sorted hashes.
#[derive(Debug, Default)]
pub struct Converged;

impl Checker for Converged {
    fn observe(&mut self, _observation: &Observation<'_>, _nodes: &Nodes) -> Result<(), Failure> {
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), Failure> {
        self.compare_all(settled)
    }
}

impl Converged {
    /// The same, for some of the nodes.
    pub(crate) fn compare_all(&self, settled: &Settled) -> Result<(), Failure> {
        for (space, nodes) in &settled.spaces {
            let mut nodes = nodes.iter();
            let Some(first) = nodes.next() else { continue };
            for other in nodes {
                compare(space, first, other)?;
            }
            let unread = first.1.documents.iter().find(|(_, (_, json))| json.is_none());
            if let Some((address, _)) = unread {
                let finding = format!("{} cannot read {address}", Topology::name(*first.0));
                return Err(Failure::correctness(PROPERTY, finding));
            }
        }
        Ok(())
    }
}

fn compare(
    space: &Space,
    (one, has): (&NodeId, &SettledSpace),
    (other, other_has): (&NodeId, &SettledSpace),
) -> Result<(), Failure> {
    let (one, other) = (Topology::name(*one), Topology::name(*other));
    if has.vector != other_has.vector {
        let sequences = |space: &SettledSpace| -> Vec<String> {
            let entry = |(origin, entry): (&document::Origin, &replica::VectorEntry)| {
                format!("{origin}: {}", entry.sequence)
            };
            space.vector.iter().map(entry).collect()
        };
        let (has, other_has) = (sequences(has), sequences(other_has));
        let finding =
            format!("at rest, {one} and {other} have not the same of {space}: {has:?}, {other_has:?}");
        return Err(Failure::liveness(PROPERTY, finding));
    }
    if has.documents == other_has.documents {
        let mut documents = has.changes.iter();
        let differing = documents.find(|(address, changes)| other_has.changes.get(address) != Some(changes));
        return differing.map_or(Ok(()), |(address, _)| {
            let finding = format!(
                "{one} and {other} have equal heads and JSON of {address}, but not the same changes of it"
            );
            Err(Failure::correctness(PROPERTY, finding))
        });
    }
    let differing =
        has.documents.iter().find(|(address, content)| other_has.documents.get(address) != Some(content));
    let finding = match differing {
        Some((address, (heads, json))) => {
            let other_content = other_has.documents.get(address);
            let other_json = other_content.map(|(_, json)| json);
            let are_equal = other_content.is_some_and(|(other_heads, _)| other_heads == heads);
            let with = if are_equal { "with equal heads" } else { "with other heads" };
            format!(
                "{one} and {other} have equal vectors of {space}, but {address} is, {with}, {json:?} and {other_json:?}"
            )
        }
        None => format!("{one} and {other} have equal vectors of {space}, but {other} has more documents"),
    };
    Err(Failure::correctness(PROPERTY, finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use document::Address;
    use serde_json::json;

    fn settled(changes: [[u8; 32]; 2]) -> Settled {
        let address: Address = "store-1/note/a".parse().unwrap();
        let content = |changes| SettledSpace {
            documents: [(address.clone(), (Vec::new(), Some(json!({ "n": 1 }))))].into(),
            changes: [(address.clone(), changes)].into(),
            ..SettledSpace::default()
        };
        let nodes = changes.into_iter().enumerate().map(|(node, changes)| (NodeId(node), content(changes)));
        Settled { spaces: [(address.space.clone(), nodes.collect())].into() }
    }

    #[test]
    fn equal_documents_of_other_changes_are_no_convergence() {
        assert!(Converged.compare_all(&settled([[1; 32], [1; 32]])).is_ok());
        let failure = Converged.compare_all(&settled([[1; 32], [2; 32]])).unwrap_err();
        assert!(failure.finding.contains("not the same changes"), "{}", failure.finding);
    }
}
