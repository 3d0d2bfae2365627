//! Small file systems: in memory, or in an image that can be copied as a power cut would leave it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skipped;

/// A mounted file system; unmounted when dropped.
pub struct Disk {
    mounted_on: PathBuf,
}

impl Disk {
    /// A file system in memory. None, with the reason told, where mounting is not allowed.
    pub fn in_memory(on: &Path, mib: u32, test: &str) -> Option<Self> {
        let options = format!("size={mib}m");
        Self::mount(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]), on, test)
    }

    /// The file system in an image.
    pub fn in_image(image: &Path, on: &Path, test: &str) -> Option<Self> {
        Self::mount(Command::new("mount").args(["-o", "loop"]).arg(image), on, test)
    }

    fn mount(mount: &mut Command, on: &Path, test: &str) -> Option<Self> {
        run(mount.arg(on), test).then(|| Self { mounted_on: on.into() })
    }

    /// Gives a file system in memory another size.
    pub fn resize(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        let resized = Command::new("mount").args(["-o", &options]).arg(&self.mounted_on).status().unwrap();
        assert!(resized.success(), "remount: {resized}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.mounted_on).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(), "umount failed");
    }
}

/// Makes an image with an empty ext4. False, with the reason told, where the tool is missing.
pub fn make_image(path: &Path, mib: u32, test: &str) -> bool {
    std::fs::File::create(path).and_then(|file| file.set_len(u64::from(mib) << 20)).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(path), test)
}

/// Runs a command that this machine may not have or not allow.
pub fn run(command: &mut Command, test: &str) -> bool {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => skipped(test, &format!("{name}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => skipped(test, &format!("{name}: {error}")),
    }
    false
}
