use super::beyond::{self, Beyond};
use crate::journal::{DAMAGED, DocumentPlace, Journal};
use crate::store::{Store, StoreError};
use document::{Address, Document, ForeignChange};
use std::collections::BTreeSet;
use wire::{Body, FILL_CHANGES_MAX, FillDocument, FillName};

/// Bytes of changes in a part of a document, about.
const PART_BYTES: usize = 64 * 1024;
/// Longest snapshot that is sent: it must fit into a frame.
pub(super) const SNAPSHOT_BYTES_MAX: usize = 768 * 1024;

/// What a peer lacks of a document.
pub(super) struct Lacking {
    /// None where nothing of it is passed on.
    pub(super) parts: Vec<FillDocument>,
    /// Whether changes beyond a cut were left out.
    pub(super) is_short: bool,
}

/// What a peer lacks of a document, in parts. `heads` are the first bytes of its heads.
pub(super) fn lacking<S: Store>(
    journal: &Journal<S>,
    (address, place): (&Address, &DocumentPlace),
    (heads, snapshots): (&[u8], bool),
    beyond: &Beyond,
) -> Result<Lacking, StoreError> {
    let (mut snapshot, mut chunks) = (None, Vec::new());
    let may_be_cut = beyond.may_be_in(place.number());
    if place.row.snapshot > 0 {
        let row = journal.snapshot(place)?;
        // An empty one is what was before a branch that was taken out: it says nothing.
        let is_sent = snapshots && row.changes > 0 && row.bytes.len() <= SNAPSHOT_BYTES_MAX;
        if is_sent && !may_be_cut && heads.is_empty() {
            snapshot = Some(Body(row.bytes));
        } else {
            chunks =
                Document::load(&row.bytes).ok().and_then(|document| document.changes()).ok_or(DAMAGED)?;
        }
    }
    // Skipped changes are in no snapshot.
    for (lsn, chunk) in journal.changes_after(place.number(), (0, place.row.last), usize::MAX)? {
        if lsn > place.row.snapshot || place.row.dropped.is_some() {
            chunks.push(chunk);
        }
    }
    let mut cut_heads = None;
    if may_be_cut {
        let kept = beyond::keep(journal, place, chunks)?;
        (chunks, cut_heads) = (kept.chunks, kept.heads);
    }
    let is_short = cut_heads.is_some();
    if is_short && chunks.is_empty() {
        return Ok(Lacking { parts: Vec::new(), is_short });
    }
    let bodies = without_had(&chunks, heads)?;
    let name =
        FillName { collection: address.collection.as_str().to_owned(), key: address.key.as_str().to_owned() };
    let heads = cut_heads.as_ref().unwrap_or(&place.row.heads);
    Ok(Lacking { parts: parts(&name, snapshot, bodies, heads), is_short })
}

/// The bodies of the changes, without those that a peer with these heads has. Each comes after what it depends on.
fn without_had(chunks: &[Vec<u8>], heads: &[u8]) -> Result<Vec<Body>, StoreError> {
    let (heads, _) = heads.as_chunks::<8>();
    let mut had: BTreeSet<[u8; 8]> = heads.iter().copied().collect();
    let mut lacking = Vec::new();
    for chunk in chunks.iter().rev() {
        let body = ForeignChange::body(chunk).map_err(|_| DAMAGED)?;
        if had.is_empty() {
            lacking.push(Body(body.to_vec()));
            continue;
        }
        let change = ForeignChange::parse(body).map_err(|_| DAMAGED)?;
        if had.contains(&prefix(&change.hash.0)) {
            had.extend(change.dependencies.iter().map(|dependency| prefix(&dependency.0)));
        } else {
            lacking.push(Body(body.to_vec()));
        }
    }
    lacking.reverse();
    Ok(lacking)
}

fn prefix(hash: &[u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    [a, b, c, d, e, f, g, h]
}

fn parts(name: &FillName, snapshot: Option<Body>, bodies: Vec<Body>, heads: &[u8]) -> Vec<FillDocument> {
    let part =
        |snapshot| FillDocument { name: name.clone(), snapshot, changes: Vec::new(), heads: Vec::new() };
    let (mut parts, mut current) = (Vec::new(), part(snapshot));
    let mut bytes = current.snapshot.as_ref().map_or(0, |snapshot| snapshot.0.len());
    for body in bodies {
        if bytes >= PART_BYTES || current.changes.len() == FILL_CHANGES_MAX {
            parts.push(std::mem::replace(&mut current, part(None)));
            bytes = 0;
        }
        bytes += body.0.len() + 4;
        current.changes.push(body);
    }
    current.heads = heads.to_vec();
    parts.push(current);
    parts
}
