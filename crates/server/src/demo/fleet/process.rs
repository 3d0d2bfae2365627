use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::super::error::DemoError;
use super::{FleetError, Line};
use crate::local::LocalClient;

/// How long a server may take until it serves; on a busy machine recovery and keys take a second or two.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How long a process takes to end once its connections have.
const ENDING_DEADLINE: Duration = Duration::from_millis(500);
/// Longest line by which a server says that it is ready.
const READY_BYTES_MAX: u64 = 4_096;
/// How much of a log is shown when its process is gone.
const LOG_SHOWN_BYTES: u64 = 2_048;
const LOG_FILE: &str = "log.txt";

/// A server process; it is killed when this is dropped.
pub(in crate::demo) struct Process {
    program: PathBuf,
    name: String,
    data: PathBuf,
    child: Child,
    /// The network that it has for itself.
    line: Option<Line>,
    /// Kept open: a server that speaks into a closed pipe would end.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `program serve --data data` and waits until it is ready.
    ///
    /// # Errors
    /// [`FleetError`], with the end of its log if it does not get ready.
    pub(super) async fn start(
        program: PathBuf,
        name: &str,
        data: PathBuf,
        line: Option<Line>,
    ) -> Result<Self, FleetError> {
        let (mut child, stdout) = spawn(&program, &data, line.as_ref())
            .map_err(|source| FleetError::Start { replica: name.to_owned(), source })?;
        let mut stdout = BufReader::new(stdout);
        if let Err(NotReady { in_time }) = ready(&mut stdout).await {
            let log = log_end(&data);
            let replica = name.to_owned();
            if in_time && let Ok(status) = child.wait().await {
                return Err(FleetError::Ended { replica, status, log });
            }
            return Err(FleetError::NotReady { replica, waited_s: READY_DEADLINE.as_secs(), log });
        }
        Ok(Self { program, name: name.to_owned(), data, child, line, _stdout: stdout })
    }

    /// The replica's name.
    pub(in crate::demo) fn name(&self) -> &str {
        &self.name
    }

    /// Its data directory.
    pub(in crate::demo) fn data(&self) -> &Path {
        &self.data
    }

    /// A connection of a service of its site.
    ///
    /// # Errors
    /// [`FleetError::Ended`] when the process is gone.
    pub(in crate::demo) async fn connect(&self) -> Result<LocalClient, FleetError> {
        Ok(LocalClient::connect(&self.data).await?)
    }

    /// Ends it by SIGKILL, at whatever it is doing.
    ///
    /// # Errors
    /// [`FleetError::Ended`] when it had ended by itself.
    pub(in crate::demo) async fn kill(&mut self) -> Result<(), FleetError> {
        self.check()?;
        self.child.kill().await.map_err(|source| FleetError::Kill { replica: self.name.clone(), source })
    }

    /// Starts it again on the same data.
    ///
    /// # Errors
    /// As for the first start.
    pub(in crate::demo) async fn restart(&mut self) -> Result<(), FleetError> {
        let line = self.line.take();
        *self = Self::start(self.program.clone(), &self.name, self.data.clone(), line).await?;
        Ok(())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`FleetError::Ended`] with the end of its log.
    fn check(&mut self) -> Result<(), FleetError> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                Err(FleetError::Ended { replica: self.name.clone(), status, log: log_end(&self.data) })
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Why it does not answer: `error`, unless it has ended by itself, which says more.
    pub(in crate::demo) async fn explain(&mut self, error: DemoError) -> DemoError {
        // Its connections end a moment before itself.
        let _ = timeout(ENDING_DEADLINE, self.child.wait()).await;
        self.check().map_or_else(DemoError::from, |()| error)
    }

    /// Ends it and waits until it is gone. What it has to tell is of no interest any more.
    pub(super) async fn stop(&mut self) {
        let _ = self.child.kill().await;
    }
}

fn spawn(program: &Path, data: &Path, line: Option<&Line>) -> io::Result<(Child, ChildStdout)> {
    let log = OpenOptions::new().create(true).append(true).open(data.join(LOG_FILE))?;
    let mut command = match line.map(Line::enter) {
        None => Command::new(program),
        Some([first, rest @ ..]) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    for variable in std::env::vars_os().map(|(name, _)| name) {
        // What is set for one server would be set for all nine.
        if variable.to_string_lossy().starts_with("ISLE_") && variable != "ISLE_LOG" {
            command.env_remove(variable);
        }
    }
    let mut child = command
        .arg("serve")
        .arg("--data")
        .arg(data)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C is for the demo, which ends its processes itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("it has no standard output"))?;
    Ok((child, stdout))
}

struct NotReady {
    /// It ended before the deadline.
    in_time: bool,
}

/// Waits for the first line.
async fn ready(stdout: &mut BufReader<ChildStdout>) -> Result<(), NotReady> {
    let mut line = Vec::new();
    let mut bounded = stdout.take(READY_BYTES_MAX);
    match timeout(READY_DEADLINE, bounded.read_until(b'\n', &mut line)).await {
        Ok(Ok(_)) if line.ends_with(b"\n") => Ok(()),
        Ok(_) => Err(NotReady { in_time: true }),
        Err(_) => Err(NotReady { in_time: false }),
    }
}

/// The last lines of a process's log.
fn log_end(data: &Path) -> String {
    let end = || -> io::Result<Vec<u8>> {
        let mut file = File::open(data.join(LOG_FILE))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_SHOWN_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_SHOWN_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    end().map_or_else(
        |error| format!("(no log: {error})"),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_ends_instead_of_getting_ready_is_an_error_that_says_so() {
        let data = tempfile::tempdir().unwrap();
        let started = Process::start("/bin/false".into(), "store-1", data.path().to_owned(), None).await;
        let Err(error) = started else { panic!("it started") };
        assert!(error.to_string().starts_with("store-1 ended by itself (exit status: 1)"), "{error}");
        let started = Process::start("/nowhere".into(), "store-1", data.path().to_owned(), None).await;
        assert!(matches!(started, Err(FleetError::Start { .. })));
    }

    #[test]
    fn the_end_of_a_log_is_shown() {
        let data = tempfile::tempdir().unwrap();
        assert!(log_end(data.path()).starts_with("(no log"));
        let text = format!("{}the end\n", "x".repeat(5_000));
        std::fs::write(data.path().join(LOG_FILE), text).unwrap();
        let end = log_end(data.path());
        assert!(end.len() == 2_048 && end.ends_with("the end\n"));
    }
}
