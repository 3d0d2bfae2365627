//! A replica as a command asks it: through its server, or, where none runs, opened in this process until the command ends.

use super::CommandError;
use crate::local::{CallError, ConnectError, LocalClient, Request, Response};
use crate::server::{Alone, open_alone};
use std::path::Path;
use tokio::net::UnixStream;

/// A connection to a replica.
pub(super) struct Asking {
    client: LocalClient,
    /// Ends after the connection.
    alone: Option<Alone>,
}

impl Asking {
    pub(super) async fn of(data: &Path) -> Result<Self, CommandError> {
        match LocalClient::connect(data).await {
            Ok(client) => Ok(Self { client, alone: None }),
            Err(ConnectError::NotRunning { .. }) => {
                let (alone, connection) = open_alone(data)?;
                let client = LocalClient::over(UnixStream::from_std(connection)?);
                Ok(Self { client, alone: Some(alone) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether no server runs there.
    pub(super) fn is_alone(&self) -> bool {
        self.alone.is_some()
    }

    /// Asks a server, which must run.
    pub(super) async fn server(data: &Path) -> Result<Self, CommandError> {
        Ok(Self { client: LocalClient::connect(data).await?, alone: None })
    }

    pub(super) async fn call(&mut self, request: &Request) -> Result<Response, CommandError> {
        Ok(self.ask(request).await?)
    }

    /// The same, with what a refusal is about. A server has so much time for it; this process has what it takes.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Response, CallError> {
        match self.alone {
            None => self.client.call_in_time(request).await,
            Some(_) => self.client.call(request).await,
        }
    }
}
