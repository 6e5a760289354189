//! How long a caller may take: so many connections at once, each with an end. A caller that sends a byte
//! now and then holds one of them for a while, and nobody else up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Connections at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 64;
/// A connection ends after so long, whatever it does.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// Nothing read for so long ends it.
const IDLE_TIME_MAX: Duration = Duration::from_secs(15);

/// A listener whose connections are few and end.
pub(super) struct Limited {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

/// One connection with its end.
pub(super) struct Timed {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    idle: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Limited {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Timed, SocketAddr) {
        let room = self.room.clone().acquire_owned().await.expect("invariant: the semaphore is never closed");
        let (stream, from) = Listener::accept(&mut self.listener).await;
        let ends = Box::pin(tokio::time::sleep(CONNECTION_TIME_MAX));
        let idle = Box::pin(tokio::time::sleep(IDLE_TIME_MAX));
        (Timed { stream, ends, idle, _room: room }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Timed {
    /// Whether its time is over; wakes the task when it will be.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.ends.as_mut().poll(context).is_ready() || self.idle.as_mut().poll(context).is_ready()
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the connection took too long")
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(over()));
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.idle.as_mut().reset(tokio::time::Instant::now() + IDLE_TIME_MAX);
        }
        read
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_over(context) {
            return Poll::Ready(Err(over()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
