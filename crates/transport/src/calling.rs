//! TLS over TCP to a replica's address for services, for who calls it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::identity::{Identity, IdentityError, read_certificate};
use crate::limits::HANDSHAKE_DEADLINE;
use crate::name::check_name;
use crate::tls::provider;

/// Why a replica cannot be called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// The replica's name is none.
    #[error("'{name}' is no name of a replica")]
    Name {
        /// The name.
        name: String,
    },
    /// The authority's certificate, or the identity to show, cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The authority's certificate cannot be one.
    #[error("{} is no certificate of an authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
    },
}

/// Calls one replica, which must show a certificate of an authority that names it.
#[derive(Clone)]
pub struct ServiceCaller {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection to a replica.
pub trait ServiceBytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ServiceBytes for S {}

impl ServiceCaller {
    /// Trusts the authority whose certificate is in the file `authority`, and shows the identity of a directory where one is
    /// given, as `isle join` makes it.
    ///
    /// # Errors
    /// [`CallerError`] when a file is missing, malformed or readable by others, or the name is none.
    #[expect(clippy::expect_used, reason = "fails only without TLS 1.3; ring has it")]
    pub fn new(name: &str, authority: &Path, identity: Option<&Path>) -> Result<Self, CallerError> {
        let no_name = || CallerError::Name { name: name.to_owned() };
        check_name(name).map_err(|_| no_name())?;
        let server_name = ServerName::try_from(name.to_owned()).map_err(|_| no_name())?;
        let mut roots = RootCertStore::empty();
        let added = roots.add(read_certificate(authority)?);
        added.map_err(|_| CallerError::Authority { path: authority.to_owned() })?;
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has TLS 1.3")
            .with_root_certificates(roots);
        let mut config = match identity.map(Identity::load).transpose()? {
            None => config.with_no_client_auth(),
            Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified))),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        // Every replica has one name; sending it would only show it to the network.
        config.enable_sni = false;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name: server_name })
    }

    /// Shakes hands; takes at most [`HANDSHAKE_DEADLINE`].
    ///
    /// # Errors
    /// What the system or TLS says, when the answerer is not the replica that is meant, or does not answer in time.
    pub async fn call<S>(&self, stream: S) -> io::Result<Box<dyn ServiceBytes>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shaking = timeout(HANDSHAKE_DEADLINE, self.connector.connect(self.name.clone(), stream));
        match shaking.await {
            Ok(shaken) => Ok(Box::new(shaken?)),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the replica does not shake hands")),
        }
    }
}

impl fmt::Debug for ServiceCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceCaller").field("name", &self.name).finish_non_exhaustive()
    }
}
