//! Spaces and origins by number: what rows carry instead of names. All of them are in memory; there are as many as
//! sites, not as documents.

use crate::keys::{self, OriginNumber, SpaceNumber};
use crate::record;
use crate::rows::Rows;
use crate::settings::origin_of;
use crate::store::{Keyspace, Store, StoreError};
use document::{Origin, Space};
use std::collections::BTreeMap;
use wire::OriginKey;

#[derive(Default)]
pub(crate) struct Names {
    spaces: Vec<Space>,
    space_numbers: BTreeMap<Space, SpaceNumber>,
    origins: Vec<(Origin, OriginKey)>,
    origin_numbers: BTreeMap<Origin, OriginNumber>,
}

const DAMAGED: StoreError = StoreError::Damaged { what: "a gap in the names", keyspace: Keyspace::Meta };

impl Names {
    pub(crate) fn load<S: Store>(rows: &Rows<S>) -> Result<Self, StoreError> {
        let mut names = Self::default();
        for row in rows.scan((Keyspace::Meta, keys::all(Keyspace::Meta, keys::KIND_SPACE))) {
            let (key, value) = row?;
            let number = SpaceNumber(u32::try_from(names.spaces.len()).map_err(|_| DAMAGED)?);
            let space =
                String::from_utf8(value).ok().and_then(|text| Space::new(text).ok()).ok_or(DAMAGED)?;
            if key != keys::space(number).1 {
                return Err(DAMAGED);
            }
            names.add_space(space, number);
        }
        for row in rows.scan((Keyspace::Meta, keys::all(Keyspace::Meta, keys::KIND_ORIGIN))) {
            let (key, value) = row?;
            let number = OriginNumber(u32::try_from(names.origins.len()).map_err(|_| DAMAGED)?);
            if key != keys::origin(number).1 {
                return Err(DAMAGED);
            }
            names.add_origin(record::decode(Keyspace::Meta, &value)?, number);
        }
        Ok(names)
    }

    fn add_space(&mut self, space: Space, number: SpaceNumber) {
        self.space_numbers.insert(space.clone(), number);
        self.spaces.push(space);
    }

    fn add_origin(&mut self, key: OriginKey, number: OriginNumber) -> Origin {
        let origin = origin_of(&key);
        self.origin_numbers.insert(origin, number);
        self.origins.push((origin, key));
        origin
    }

    /// The space's number, a new one when it has none.
    pub(crate) fn intern_space<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        space: &Space,
    ) -> Result<SpaceNumber, StoreError> {
        if let Some(number) = self.space_numbers.get(space) {
            return Ok(*number);
        }
        let number = SpaceNumber(u32::try_from(self.spaces.len()).map_err(|_| DAMAGED)?);
        rows.put(keys::space(number), space.as_str().as_bytes().to_vec());
        self.add_space(space.clone(), number);
        Ok(number)
    }

    /// The origin's number, a new one when it has none.
    pub(crate) fn intern_origin<S: Store>(
        &mut self,
        rows: &mut Rows<S>,
        key: OriginKey,
    ) -> Result<OriginNumber, StoreError> {
        if let Some(number) = self.origin_number(origin_of(&key)) {
            return Ok(number);
        }
        let number = OriginNumber(u32::try_from(self.origins.len()).map_err(|_| DAMAGED)?);
        rows.put(keys::origin(number), record::encode(&key));
        self.add_origin(key, number);
        Ok(number)
    }

    /// How many origins of a key there are.
    pub(crate) fn incarnations(&self, public_key: &[u8; 32]) -> usize {
        self.origins.iter().filter(|(_, key)| key.public_key == *public_key).count()
    }

    /// The origins of a key.
    pub(crate) fn origins_of(&self, public_key: &[u8; 32]) -> impl Iterator<Item = OriginNumber> {
        let origins = self.origin_numbers.values().copied();
        origins.filter(move |number| {
            self.origins.get(number.0 as usize).is_some_and(|(_, key)| key.public_key == *public_key)
        })
    }

    /// Every space.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = SpaceNumber> {
        self.space_numbers.values().copied()
    }

    pub(crate) fn space_number(&self, space: &Space) -> Option<SpaceNumber> {
        self.space_numbers.get(space).copied()
    }

    pub(crate) fn origin_number(&self, origin: Origin) -> Option<OriginNumber> {
        self.origin_numbers.get(&origin).copied()
    }

    pub(crate) fn space(&self, number: SpaceNumber) -> Result<&Space, StoreError> {
        self.spaces.get(number.0 as usize).ok_or(DAMAGED)
    }

    pub(crate) fn origin(&self, number: OriginNumber) -> Result<(Origin, OriginKey), StoreError> {
        self.origins.get(number.0 as usize).copied().ok_or(DAMAGED)
    }
}
