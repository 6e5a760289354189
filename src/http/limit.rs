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
pub(super) struct LimitedListener {
    listener: TcpListener,
    idle_max: Duration,
    time_max: Duration,
    room: Arc<Semaphore>,
}

/// One connection with its end.
pub(super) struct TimedStream {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    idle: Pin<Box<Sleep>>,
    idle_max: Duration,
    _room: OwnedSemaphorePermit,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { listener, idle_max: IDLE_TIME_MAX, time_max: CONNECTION_TIME_MAX, room }
    }
}

impl Listener for LimitedListener {
    type Io = TimedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TimedStream, SocketAddr) {
        let room = self.room.clone().acquire_owned().await.expect("invariant: the semaphore is never closed");
        let (stream, from) = Listener::accept(&mut self.listener).await;
        let ends = Box::pin(tokio::time::sleep(self.time_max));
        let idle = Box::pin(tokio::time::sleep(self.idle_max));
        (TimedStream { stream, ends, idle, idle_max: self.idle_max, _room: room }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl TimedStream {
    /// Whether its time is over; wakes the task when it will be.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.ends.as_mut().poll(context).is_ready() || self.idle.as_mut().poll(context).is_ready()
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the connection took too long")
}

impl AsyncRead for TimedStream {
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
            let until = tokio::time::Instant::now() + self.idle_max;
            self.idle.as_mut().reset(until);
        }
        read
    }
}

impl AsyncWrite for TimedStream {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A listener that lets go after so many milliseconds, idle and in all, and a client that is connected.
    async fn connected(idle: u64, time: u64) -> (TimedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let mut limited = LimitedListener::new(listener);
        (limited.idle_max, limited.time_max) = (Duration::from_millis(idle), Duration::from_millis(time));
        let (client, (timed, _)) = tokio::join!(TcpStream::connect(address), limited.accept());
        (timed, client.expect("connected"))
    }

    #[tokio::test]
    async fn client_that_says_nothing_is_let_go() {
        let (mut timed, _client) = connected(50, 600_000).await;
        let read = timed.read(&mut [0; 16]).await;
        assert_eq!(read.expect_err("let go").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn client_that_says_a_byte_now_and_then_is_let_go_in_the_end() {
        let (mut timed, mut client) = connected(600_000, 300).await;
        let dribble = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let error = loop {
            if let Err(error) = timed.read(&mut [0; 16]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        dribble.abort();
    }
}
