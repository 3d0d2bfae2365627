use std::fmt;

/// Who authored a change: a replica's key in one incarnation of its store. It is the Automerge actor id.
/// An origin is never used twice: a store that was made, restored or found rolled back draws another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub [u8; 16]);

impl Origin {
    /// Bytes of the origin that name its tallies. 96 bits: no two of a fleet meet, by accident or by search.
    const SHORT_BYTES: usize = 12;

    /// The 16 characters that name this origin's entry of a tally.
    #[must_use]
    pub fn short(&self) -> String {
        use base64::Engine as _;
        let (short, _) = self.0.split_at(Self::SHORT_BYTES);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(short)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}
