/// Changes of a document that the next ones may name by a number.
pub const HASHES_KNOWN_MAX: usize = 4;

/// The changes that a document keeps, by the first bytes of their hashes, and which of them are heads (W-25).
///
/// Who reads deltas gives hashes back and keeps all 32 bytes. Who packs only compares: of 16 bytes two that are alike take
/// 2⁶⁴ attempts, and the digest of a delta keeps even them from being taken for one another.
pub(super) struct Known<const BYTES: usize> {
    hashes: [[u8; BYTES]; HASHES_KNOWN_MAX],
    count: u8,
    /// A bit for each that is a head, the first the lowest.
    heads: u8,
}

impl<const BYTES: usize> Default for Known<BYTES> {
    fn default() -> Self {
        Self { hashes: [[0; BYTES]; HASHES_KNOWN_MAX], count: 0, heads: 0 }
    }
}

impl<const BYTES: usize> Known<BYTES> {
    fn all(&self) -> &[[u8; BYTES]] {
        self.hashes.get(..usize::from(self.count)).unwrap_or_default()
    }

    fn is_head(&self, index: usize) -> bool {
        self.heads & 1 << index != 0
    }

    pub(super) fn get(&self, index: usize) -> Option<[u8; BYTES]> {
        self.all().get(index).copied()
    }

    pub(super) fn index_of(&self, hash: &[u8; 32]) -> Option<usize> {
        self.position(&first(hash))
    }

    fn position(&self, hash: &[u8; BYTES]) -> Option<usize> {
        self.all().iter().position(|known| known == hash)
    }

    /// The heads, sorted.
    pub(super) fn heads(&self) -> Vec<[u8; BYTES]> {
        let heads = self.all().iter().enumerate().filter(|(index, _)| self.is_head(*index));
        let mut heads: Vec<_> = heads.map(|(_, hash)| *hash).collect();
        heads.sort_unstable();
        heads
    }

    /// Whether these are the heads, sorted.
    pub(super) fn are_heads(&self, hashes: &[[u8; 32]]) -> bool {
        let is_head = |hash| self.index_of(hash).is_some_and(|index| self.is_head(index));
        self.heads.count_ones() as usize == hashes.len()
            && hashes.is_sorted_by(|before, after| before < after)
            && hashes.iter().all(is_head)
    }

    /// Takes a change whose dependencies are `None` when the row does not show them: then it stands for all (W-26).
    pub(super) fn take(&mut self, hash: &[u8; 32], dependencies: Option<&[[u8; 32]]>) {
        if dependencies.is_none() {
            self.heads = 0;
        }
        // No change of a document that all rows are of.
        let mut unknown = Vec::new();
        for dependency in dependencies.unwrap_or_default() {
            let dependency = first(dependency);
            match self.position(&dependency) {
                Some(index) => self.heads &= !(1 << index),
                None if unknown.contains(&dependency) => {}
                None => unknown.push(dependency),
            }
        }
        let hash = first(hash);
        let own = self.position(&hash);
        if let Some(index) = own {
            self.heads |= 1 << index;
        }
        let count = usize::from(self.count) + unknown.len() + usize::from(own.is_none());
        let mut passed = 0;
        for _ in HASHES_KNOWN_MAX..count {
            match (0..self.all().len()).find(|index| !self.is_head(*index)) {
                Some(index) => self.remove(index),
                None if passed < unknown.len() => passed += 1,
                None => self.remove(0),
            }
        }
        unknown.iter().skip(passed).for_each(|hash| self.push(*hash, false));
        if own.is_none() {
            self.push(hash, true);
        }
    }

    fn remove(&mut self, index: usize) {
        if let Some(after) = self.hashes.get_mut(index..usize::from(self.count)) {
            after.rotate_left(1);
            self.count -= 1;
            let before = self.heads & ((1 << index) - 1);
            self.heads = before | (self.heads >> 1 & !((1 << index) - 1));
        }
    }

    fn push(&mut self, hash: [u8; BYTES], is_head: bool) {
        if let Some(place) = self.hashes.get_mut(usize::from(self.count)) {
            *place = hash;
            self.heads |= u8::from(is_head) << self.count;
            self.count += 1;
        }
    }
}

fn first<const BYTES: usize>(hash: &[u8; 32]) -> [u8; BYTES] {
    hash.first_chunk().copied().unwrap_or([0; BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// W-25 and W-26 as they are said.
    #[derive(Default)]
    struct Model(Vec<([u8; 32], bool)>);

    impl Model {
        fn know(&mut self, hash: [u8; 32], is_head: bool) {
            match self.0.iter_mut().find(|known| known.0 == hash) {
                Some(known) => known.1 = is_head,
                None => self.0.push((hash, is_head)),
            }
        }

        fn take(&mut self, hash: [u8; 32], dependencies: Option<&[[u8; 32]]>) {
            match dependencies {
                Some(dependencies) => dependencies.iter().for_each(|hash| self.know(*hash, false)),
                None => self.0.iter_mut().for_each(|known| known.1 = false),
            }
            self.know(hash, true);
            while self.0.len() > HASHES_KNOWN_MAX {
                let first = self.0.iter().position(|known| !known.1);
                self.0.remove(first.unwrap_or(0));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_known_is_as_the_protocol_says(
            rows in prop::collection::vec((0..12_u8, prop::option::of(prop::collection::vec(20..32_u8, 0..9))), 0..40),
        ) {
            let hash = |number: u8| crate::change_hash(&[number]);
            let (mut long, mut short, mut model) = (Known::<32>::default(), Known::<16>::default(), Model::default());
            // Changes are named by one number as dependencies and by another as rows: none depends on itself.
            for (number, dependencies) in rows {
                let dependencies = dependencies.map(|all| all.into_iter().map(|of| hash(of % 26)).collect::<Vec<_>>());
                let dependencies = dependencies.map(|all| all.into_iter().filter(|of| *of != hash(number)).collect::<Vec<_>>());
                let is_implied = dependencies.as_ref().is_some_and(|all| long.heads() == *all);
                if let Some(all) = &dependencies {
                    prop_assert_eq!((long.are_heads(all), short.are_heads(all)), (is_implied, is_implied));
                }
                long.take(&hash(number), dependencies.as_deref());
                short.take(&hash(number), dependencies.as_deref());
                model.take(hash(number), dependencies.as_deref());
                let heads: Vec<_> = (0..long.all().len()).map(|at| (long.hashes[at], long.is_head(at))).collect();
                prop_assert_eq!(&heads, &model.0);
                for (at, (hash, is_head)) in model.0.iter().enumerate() {
                    prop_assert_eq!((short.index_of(hash), short.is_head(at)), (Some(at), *is_head));
                }
            }
        }
    }
}
