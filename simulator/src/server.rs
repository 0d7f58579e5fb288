//! A listener with a router behind it, that ends with the value that stands for it. Speaks TLS where it has
//! certificates, and resets a connection where an answer orders it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::error::Error;

/// A bound address that nothing answers on yet. Bound first, because answers contain the server's own URL.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub(crate) async fn to(address: SocketAddr) -> Result<Self, Error> {
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn serve(self, router: Router, tls: Option<TlsAcceptor>) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let connections = Connections { listener: self.listener, tls, handshakes: JoinSet::new() };
        let service = router.into_make_service_with_connect_info::<Reset>();
        let server = axum::serve(connections, service).with_graceful_shutdown(async move {
            // An error means that the sender was dropped, which asks for the same.
            drop(stopped.await);
        });
        let task = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "a simulated server ended");
            }
        });
        Running { stop, task }
    }
}

/// A server that runs until this is dropped. Requests in flight are answered, new connections refused.
#[derive(Debug)]
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops, and returns when the last request in flight is answered.
    pub(crate) async fn stop(self) {
        let Self { stop, task } = self;
        drop(stop);
        if let Err(error) = task.await {
            tracing::error!(%error, "a simulated server failed");
        }
    }
}

/// Accepts connections. A handshake that takes its time keeps no other waiting.
struct Connections {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<io::Result<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.listener) => {
                    // Without this, small answers wait for the client's delayed acknowledgement.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot set TCP_NODELAY");
                    }
                    let Some(tls) = &self.tls else { return (Connection::new(Either::Left(stream)), address) };
                    let handshake = tls.accept(stream);
                    self.handshakes.spawn(async move { Ok((handshake.await?, address)) });
                }
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Ok((stream, address))) => return (Connection::new(Either::Right(stream)), address),
                    Ok(Err(error)) => tracing::debug!(%error, "a client refused the handshake"),
                    Err(error) => tracing::debug!(%error, "a handshake failed"),
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Has a connection end in a reset instead of a close.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reset(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    /// End in a reset, whenever it ends.
    reset: AtomicBool,
    /// End with the next byte that should be written.
    at_once: AtomicBool,
}

impl Reset {
    pub(crate) fn order(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
    }

    /// The same, and before anything more is answered. A connection of HTTP/2 would otherwise go on with its other
    /// calls.
    pub(crate) fn at_once(&self) {
        self.order();
        self.0.at_once.store(true, Ordering::Relaxed);
    }

    fn is_due(&self) -> io::Result<()> {
        if self.0.at_once.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Connected<IncomingStream<'_, Connections>> for Reset {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().reset.clone()
    }
}

/// A connection, with or without TLS.
struct Connection {
    stream: Either<TcpStream, TlsStream<TcpStream>>,
    reset: Reset,
}

impl Connection {
    fn new(stream: Either<TcpStream, TlsStream<TcpStream>>) -> Self {
        Self { stream, reset: Reset::default() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.reset.0.reset.load(Ordering::Relaxed) {
            return;
        }
        let tcp = match &self.stream {
            Either::Left(tcp) => tcp,
            Either::Right(tls) => tls.get_ref().0,
        };
        if let Err(error) = tcp.set_zero_linger() {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.reset.is_due()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.reset.is_due()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
