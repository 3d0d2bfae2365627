//! What a service shows and trusts that speaks TLS: a client of its own, which waits longer for its turn than `transport`'s does.

use crate::process::DEADLINE;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto, version};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Calls the replica `name`, trusting the authority whose certificate is in one identity and showing another one's.
///
/// # Errors
/// If the replica is not who it should be, or does not shake hands. One that refuses what it was shown says so later.
pub async fn call(
    address: SocketAddr,
    name: &str,
    trusted: &Path,
    shown: Option<&Path>,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = TlsConnector::from(Arc::new(trusting(trusted, shown))).connect(name, stream);
    timeout(DEADLINE, connecting).await.expect("a handshake in time")
}

/// What a client trusts and shows, see [`call`].
///
/// # Panics
/// If a file of an identity cannot be read.
#[must_use]
pub fn trusting(trusted: &Path, shown: Option<&Path>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&trusted.join("authority.pem"))).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    match shown {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_file(identity.join("key.pem")).unwrap();
            let chain = vec![certificate(&identity.join("certificate.pem"))];
            config.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}
