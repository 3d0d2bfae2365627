//! TLS over TCP for the services of a site: shown is the replica's own certificate; who calls may show one of the same
//! authority, and need not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use webpki::KeyUsage;

use crate::certificate::{CertificateError, Peer};
use crate::endpoint::Credentials;
use crate::limits::HANDSHAKE_DEADLINE;

/// Why a service was not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// It began, or did not even begin.
    #[error("no handshake within {} s", HANDSHAKE_DEADLINE.as_secs())]
    TimedOut,
    /// It speaks no TLS 1.3, knows no common cipher, shows a certificate that does not hold, or went away.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] io::Error),
    /// Signed by the authority, and yet no name's.
    #[error("it showed a certificate that names nobody: {0}")]
    Certificate(#[from] CertificateError),
}

/// Takes services, with the certificate that the endpoint shows at that time.
#[derive(Clone, Debug)]
pub struct ServiceAcceptor {
    credentials: Arc<watch::Sender<Arc<Credentials>>>,
}

impl ServiceAcceptor {
    pub(crate) fn new(credentials: Arc<watch::Sender<Arc<Credentials>>>) -> Self {
        Self { credentials }
    }

    /// Shakes hands; takes at most [`HANDSHAKE_DEADLINE`].
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn accept<S>(&self, stream: S) -> Result<ServiceStream<S>, ServiceError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let credentials = Arc::clone(&self.credentials.borrow());
        let acceptor = TlsAcceptor::from(credentials.services.clone());
        let shaking = timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream));
        let stream = shaking.await.map_err(|_| ServiceError::TimedOut)??;
        let shown =
            match stream.get_ref().1.peer_certificates().and_then(|chain| Some((chain, chain.first()?))) {
                None => None,
                Some((chain, own)) => {
                    let ends = credentials.identity.end_of(chain, KeyUsage::client_auth())?;
                    Some(Shown { peer: Peer::from_certificate(own)?, ends })
                }
            };
        Ok(ServiceStream { stream, shown })
    }
}

/// A verified certificate that a service showed.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whom it names.
    pub peer: Peer,
    /// Its last moment, in whole seconds since 1970; of those above it the first. The connection may stand for longer.
    pub ends: Duration,
}

/// A connection of a service.
#[derive(Debug)]
pub struct ServiceStream<S> {
    stream: TlsStream<S>,
    shown: Option<Shown>,
}

impl<S> ServiceStream<S> {
    /// The certificate that was shown, if one was.
    #[must_use]
    pub fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServiceStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServiceStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use rustls::sign::SingleCertAndKey;
    use rustls_pki_types::{CertificateDer, ServerName};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_rustls::{TlsConnector, client};

    use super::*;
    use crate::fleet::Fleet;
    use crate::identity::Identity;
    use crate::tls::provider;

    type Called =
        (io::Result<client::TlsStream<DuplexStream>>, Result<ServiceStream<DuplexStream>, ServiceError>);

    /// A service that trusts the authority of `trusted` calls the replica `name`.
    async fn call(
        acceptor: &ServiceAcceptor,
        (trusted, name): (&Identity, &'static str),
        own: Option<&Identity>,
    ) -> Called {
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(trusted.roots.clone());
        let config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified.clone())))
            }
        };
        let (service, replica) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(name).unwrap();
        tokio::join!(connector.connect(name, service), acceptor.accept(replica))
    }

    fn name(accepted: Result<ServiceStream<DuplexStream>, ServiceError>) -> Option<String> {
        accepted.unwrap().shown().map(|shown| shown.peer.name.clone())
    }

    #[tokio::test]
    async fn who_calls_may_show_a_certificate_of_the_authority_and_no_other() {
        let (fleet, other) = (Fleet::new(), Fleet::new());
        let (hub, till) = (fleet.endpoint("hub"), fleet.identity("till-3"));
        let to = (&till, "hub");
        assert_eq!(name(call(&hub.services(), to, Some(&till)).await.1).as_deref(), Some("till-3"));
        assert_eq!(name(call(&hub.services(), to, None).await.1), None);
        for refused in [other.identity("till-3"), fleet.expired("till-4")] {
            let (_, accepted) = call(&hub.services(), to, Some(&refused)).await;
            assert!(matches!(accepted, Err(ServiceError::Handshake(_))), "{accepted:?}");
        }
        for (trusted, name) in [(&till, "store-1"), (&other.identity("till-5"), "hub")] {
            assert!(call(&hub.services(), (trusted, name), None).await.0.is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_is_told() {
        let fleet = Fleet::new();
        let (hub, till) = (fleet.endpoint("hub"), fleet.identity("till-3"));
        let (service, replica) = call(&hub.services(), (&till, "hub"), None).await;
        let (mut service, mut replica) = (service.unwrap(), replica.unwrap());
        service.write_all(b"asked").await.unwrap();
        service.shutdown().await.unwrap();
        let mut said = Vec::new();
        replica.read_to_end(&mut said).await.unwrap();
        replica.write_all(b"answered").await.unwrap();
        replica.shutdown().await.unwrap();
        service.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"askedanswered");
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_shown_from_the_next_handshake_on() {
        let fleet = Fleet::new();
        let (hub, till) = (fleet.endpoint("hub"), fleet.identity("till-3"));
        let acceptor = hub.services();
        let shown = async || -> CertificateDer<'static> {
            let service = call(&acceptor, (&till, "hub"), None).await.0.unwrap();
            service.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
        };
        let first = shown().await;
        std::fs::remove_dir_all(fleet.path("hub")).unwrap();
        let renewed = fleet.identity("hub");
        hub.replace_identity(&renewed);
        let second = shown().await;
        assert_ne!(first, second);
        assert_eq!(second, renewed.certified.cert[0]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_let_go() {
        let fleet = Fleet::new();
        let (_service, replica) = duplex(1_024);
        let accepted = fleet.endpoint("hub").services().accept(replica).await;
        assert!(matches!(accepted, Err(ServiceError::TimedOut)), "{accepted:?}");
    }
}
