//! Randomness of the operating system.

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes: is /dev/urandom there?")]
pub struct RandomError;

/// Unpredictable bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// An unpredictable number.
pub(crate) fn number() -> Result<u64, RandomError> {
    bytes().map(u64::from_le_bytes)
}
