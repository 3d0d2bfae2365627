//! TLS under the connections of the pool.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;
use transport::{ServiceBytes, ServiceCaller};

/// Makes connections of TCP, and of TLS over them.
#[derive(Clone, Debug)]
pub(super) struct TlsConnector {
    tcp: HttpConnector,
    caller: ServiceCaller,
}

impl TlsConnector {
    pub(super) fn new(tcp: HttpConnector, caller: ServiceCaller) -> Self {
        Self { tcp, caller }
    }
}

impl Service<Uri> for TlsConnector {
    type Response = TokioIo<TlsBytes>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(context).map_err(io::Error::other)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (connecting, caller) = (self.tcp.call(to), self.caller.clone());
        async move {
            let tcp = connecting.await.map_err(io::Error::other)?;
            Ok(TokioIo::new(TlsBytes(caller.call(tcp.into_inner()).await?)))
        }
        .boxed()
    }
}

/// A connection to a replica, in a shape that the pool takes.
pub(super) struct TlsBytes(Box<dyn ServiceBytes>);

impl Connection for TlsBytes {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for TlsBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsBytes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
