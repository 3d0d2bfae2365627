//! The store's promises on a real disk: acknowledged is kept, a batch is never torn; killed processes, full disks.

#[cfg(test)]
mod content;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod killed;
