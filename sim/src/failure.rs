/// What kind of thing went wrong; it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A property does not hold.
    Correctness,
    /// Replicas did not come to rest, or not to the same state, in time.
    Liveness,
    /// The code under test panicked.
    Crash,
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {finding}")]
pub struct Failure {
    /// Which property.
    pub property: &'static str,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What was found, and where.
    pub finding: String,
}

impl Failure {
    /// A property does not hold.
    #[must_use]
    pub fn correctness(property: &'static str, finding: String) -> Self {
        Self { property, kind: FailureKind::Correctness, finding }
    }

    /// Something did not happen in time.
    #[must_use]
    pub fn liveness(property: &'static str, finding: String) -> Self {
        Self { property, kind: FailureKind::Liveness, finding }
    }
}
