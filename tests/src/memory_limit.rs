//! A limit on the memory of a process and its page cache: a control group of version 1.

use crate::disk::run;
use crate::skipped;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, id};

/// Where the groups are.
const GROUPS: &str = "/sys/fs/cgroup/memory";

/// A group with a limit; gone when it is dropped, after its processes.
pub struct MemoryLimit {
    group: PathBuf,
}

impl MemoryLimit {
    /// Makes it. None, with the reason told, where that is not allowed.
    pub fn new(test: &str, bytes: u64) -> Option<Self> {
        if !Path::new(GROUPS).join("memory.limit_in_bytes").exists() {
            skipped(test, "no memory controller of control groups, version 1");
            return None;
        }
        let group = Path::new(GROUPS).join(format!("isle-{}", id()));
        run(Command::new("mkdir").arg(&group), test).then_some(())?;
        let limit = Self { group };
        fs::write(limit.group.join("memory.limit_in_bytes"), bytes.to_string()).unwrap();
        Some(limit)
    }

    /// The file that a process is to write its id into.
    pub fn processes(&self) -> PathBuf {
        self.group.join("cgroup.procs")
    }

    /// The most that was ever used at once, in bytes: resident, and of the page cache.
    pub fn most_bytes(&self) -> u64 {
        let text = fs::read_to_string(self.group.join("memory.max_usage_in_bytes")).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Processes that ended leave at once; the test's own were waited for.
        let _ = fs::remove_dir(&self.group);
    }
}
