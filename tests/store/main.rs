//! The store's promises on a real disk: acknowledged is kept, a batch is never torn, what is lost is noticed. Killed
//! processes, cut power, full and broken disks, damaged files.

#[cfg(test)]
mod content;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod retail;
#[cfg(test)]
mod writer;
