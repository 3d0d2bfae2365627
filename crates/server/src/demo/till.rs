//! Writing at a replica as a service does: many requests on their way, each answered when it is durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::DemoError;
use crate::local::{CallError, LocalClient, REQUESTS_IN_FLIGHT_MAX, Request, Response};

/// A connection to one replica, and what it is called in errors.
pub(super) struct Till {
    replica: String,
    data: PathBuf,
    client: LocalClient,
}

impl Till {
    /// Connects to the server of a data directory.
    ///
    /// # Errors
    /// [`DemoError::Connect`].
    pub(super) async fn open(replica: &str, data: &Path) -> Result<Self, DemoError> {
        let client = LocalClient::connect(data).await;
        let client = client.map_err(|source| DemoError::Connect { replica: replica.to_owned(), source })?;
        Ok(Self { replica: replica.to_owned(), data: data.to_owned(), client })
    }

    /// Connects again, after the server was started again.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub(super) async fn reopen(&mut self) -> Result<(), DemoError> {
        *self = Self::open(&self.replica, &self.data).await?;
        Ok(())
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Response, DemoError> {
        self.client.call(request).await.map_err(|source| self.failed(source))
    }

    /// Writes all, in any order, and waits until all are durable.
    ///
    /// # Errors
    /// [`DemoError::Call`] of the first that fails.
    pub(super) async fn write(&mut self, requests: impl Iterator<Item = Request>) -> Result<(), DemoError> {
        for request in requests {
            if self.client.unanswered() >= REQUESTS_IN_FLIGHT_MAX {
                self.receive().await?;
            }
            self.client.send(&request).await.map_err(|source| self.failed(source))?;
        }
        while self.client.unanswered() > 0 {
            self.receive().await?;
        }
        Ok(())
    }

    /// Sends requests, as many as may be on their way, and waits for the first `answers` answers only; returns what
    /// has no answer.
    ///
    /// # Errors
    /// [`DemoError::Call`] of the first that fails.
    pub(super) async fn write_some(
        &mut self,
        mut requests: Vec<Request>,
        answers: usize,
    ) -> Result<Vec<Request>, DemoError> {
        let unsent = requests.split_off(requests.len().min(REQUESTS_IN_FLIGHT_MAX));
        let mut unanswered = BTreeMap::new();
        for request in requests {
            let id = self.client.send(&request).await.map_err(|source| self.failed(source))?;
            unanswered.insert(id, request);
        }
        for _ in 0..answers.min(unanswered.len()) {
            unanswered.remove(&self.receive().await?);
        }
        Ok(unanswered.into_values().chain(unsent).collect())
    }

    async fn receive(&mut self) -> Result<u64, DemoError> {
        match self.client.receive().await {
            Ok((id, Ok(_))) => Ok(id),
            Ok((_, Err(refusal))) => Err(self.failed(refusal.into())),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn failed(&self, source: CallError) -> DemoError {
        DemoError::Call { replica: self.replica.clone(), source }
    }

    /// An answer of another kind than the question.
    pub(super) fn unexpected(&self) -> DemoError {
        DemoError::Answer { replica: self.replica.clone() }
    }
}
