//! The `isle` program as processes: they replicate, refuse, crash, stop and explain themselves.

#[cfg(test)]
mod alone;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod bad_network;
#[cfg(test)]
mod blocked;
#[cfg(test)]
mod certified;
#[cfg(test)]
mod client;
#[cfg(test)]
mod command;
#[cfg(test)]
mod config;
#[cfg(test)]
mod converge;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod denied;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod failed_disk;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod links;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod managed;
#[cfg(test)]
mod many;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod observing;
#[cfg(test)]
mod outlived;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod relaxed;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod rolled_back;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod stopped;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod versions;
