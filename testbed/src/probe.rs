//! Owns the questions that tell whether a process is ready, for use with
//! [`Managed::wait_until`](crate::Managed::wait_until), plain HTTP to one that is, and the choice of free loopback ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// A loopback address whose port nobody listens on now. Another process may take it before it is
/// used, so whoever starts a server on it must be ready to try again with another one.
///
/// # Errors
/// [`Error::Io`] when no loopback port can be had.
pub fn free_address() -> Result<SocketAddr> {
    free_address_on(Ipv4Addr::LOCALHOST.into())
}

/// The same for another address of this machine.
///
/// # Errors
/// [`Error::Io`] when no port can be had there.
pub fn free_address_on(address: IpAddr) -> Result<SocketAddr> {
    TcpListener::bind((address, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(Error::io(format!("choosing a free port of {address}")))
}

/// Whether something accepts TCP connections at `address`.
pub async fn accepts_connections(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// Whether `GET path` over plain HTTP answers 200.
pub async fn answers_ok(address: SocketAddr, path: &str) -> bool {
    status(address, path).await.is_some_and(|status| status == 200)
}

/// The body of what `method path` over plain HTTP answers to this JSON; no errors are told apart.
///
/// # Errors
/// [`Error::Io`] when the exchange breaks off.
pub async fn ask(address: SocketAddr, method: &str, path: &str, json: &str) -> Result<String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    };
    asking.await.map_err(Error::io("asking a process over HTTP"))
}

async fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    // The status is the second word of the first 12 bytes: `HTTP/1.1 200`.
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    std::str::from_utf8(&start).ok()?.split(' ').nth(1)?.parse().ok()
}
