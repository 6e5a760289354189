//! How long a caller may take: so many connections at once, each with an end. A caller that sends a byte
//! now and then holds one of them for a while, and nobody else up. A stream stays longer: it gives its place back,
//! for it is counted where it is served, and ends when its reader does not read. Where all places are taken, the one
//! that has waited longest for a request to answer makes room: silent callers keep nobody from asking how things are.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::Mutex;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Connections at once; for one more, another is let go.
const CONNECTIONS_MAX: usize = 64;
/// A connection ends after so long, whatever it does.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// Nothing read for so long ends it.
const IDLE_TIME_MAX: Duration = Duration::from_secs(15);
/// A connection over which items are sent may last so long, ...
const PUSH_TIME_MAX: Duration = Duration::from_secs(660);
/// ... and say nothing for so long: what it sent is being stored. How long a body may take is held to where it is read.
const PUSH_IDLE_MAX: Duration = Duration::from_secs(60);
/// The reader of a stream who takes nothing for so long is let go.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// What waits in the system for the reader of a stream: who does not read costs nothing more from there on.
const STREAM_BUFFER_BYTES: usize = 64 << 10;

/// A listener whose connections are few and end.
pub(super) struct LimitedListener {
    listener: TcpListener,
    idle_max: Duration,
    time_max: Duration,
    room: Arc<Semaphore>,
    /// Those that hold a place, the oldest first.
    held: VecDeque<Weak<HeldPlace>>,
}

/// One connection with its end.
pub(super) struct TimedStream {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    idle: Pin<Box<Sleep>>,
    idle_max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    is_narrowed: bool,
    hold: ConnectionHold,
}

/// What a connection holds; whoever serves it can say that it stays.
#[derive(Clone)]
pub(super) struct ConnectionHold(Arc<HeldPlace>);

struct HeldPlace {
    from: SocketAddr,
    stays: AtomicBool,
    lengthened: AtomicBool,
    /// Something was answered on it.
    answered: AtomicBool,
    /// Another needs its place.
    let_go: AtomicBool,
    waker: Mutex<Option<Waker>>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl HeldPlace {
    fn holds(&self) -> bool {
        self.place.lock().is_some()
    }

    fn end(&self) {
        self.let_go.store(true, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
    }
}

impl ConnectionHold {
    /// It is a stream from now on: its place is for others.
    pub(super) fn stay(&self) {
        self.0.stays.store(true, Ordering::Relaxed);
        self.0.place.lock().take();
    }

    /// From where it came.
    pub(super) fn from(&self) -> std::net::IpAddr {
        self.0.from.ip()
    }

    /// Items are sent over it: it may take longer.
    pub(super) fn lengthen(&self) {
        self.0.lengthened.store(true, Ordering::Relaxed);
        // It has said something: others are let go before it.
        self.0.answered.store(true, Ordering::Relaxed);
    }

    fn stays(&self) -> bool {
        self.0.stays.load(Ordering::Relaxed)
    }
}

impl Connected<IncomingStream<'_, LimitedListener>> for ConnectionHold {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        stream.io().hold.clone()
    }
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { listener, idle_max: IDLE_TIME_MAX, time_max: CONNECTION_TIME_MAX, room, held: VecDeque::new() }
    }

    /// Ends the oldest connection on which nothing was answered, or the oldest of all.
    fn let_one_go(&mut self) {
        self.held.retain(|held| held.upgrade().is_some_and(|held| held.holds()));
        let asked = |held: &Weak<HeldPlace>| held.upgrade().is_none_or(|held| held.answered.load(Ordering::Relaxed));
        let at = self.held.iter().position(|held| !asked(held)).unwrap_or(0);
        if let Some(held) = self.held.remove(at).and_then(|held| held.upgrade()) {
            held.end();
        }
    }
}

impl Listener for LimitedListener {
    type Io = TimedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TimedStream, SocketAddr) {
        let (stream, from) = Listener::accept(&mut self.listener).await;
        let room = match self.room.clone().try_acquire_owned() {
            Ok(room) => room,
            Err(_taken) => {
                self.let_one_go();
                self.room.clone().acquire_owned().await.expect("invariant: the semaphore is never closed")
            }
        };
        let ends = Box::pin(tokio::time::sleep(self.time_max));
        let idle = Box::pin(tokio::time::sleep(self.idle_max));
        let hold = ConnectionHold(Arc::new(HeldPlace {
            from,
            stays: AtomicBool::new(false),
            lengthened: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            let_go: AtomicBool::new(false),
            waker: Mutex::default(),
            place: Mutex::new(Some(room)),
        }));
        self.held.push_back(Arc::downgrade(&hold.0));
        if self.held.len() > 2 * CONNECTIONS_MAX {
            self.held.retain(|held| held.upgrade().is_some_and(|held| held.holds()));
        }
        (TimedStream { stream, ends, idle, idle_max: self.idle_max, stalled: None, is_narrowed: false, hold }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl TimedStream {
    /// Whether its time is over; wakes the task when it will be.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.hold.stays() {
            return self.stalled.as_mut().is_some_and(|stalled| stalled.as_mut().poll(context).is_ready());
        }
        if self.hold.0.lengthened.swap(false, Ordering::Relaxed) {
            let now = tokio::time::Instant::now();
            self.idle_max = PUSH_IDLE_MAX;
            self.ends.as_mut().reset(now + PUSH_TIME_MAX);
            self.idle.as_mut().reset(now + PUSH_IDLE_MAX);
        }
        *self.hold.0.waker.lock() = Some(context.waker().clone());
        if self.hold.0.let_go.load(Ordering::Relaxed) {
            return true;
        }
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
        if self.hold.stays() && !self.is_narrowed {
            self.is_narrowed = true;
            // The system doubles it for its own needs. Where it will not, its own bound holds.
            let _ = set_socket_send_buffer_size(&self.stream, STREAM_BUFFER_BYTES / 2);
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.hold.0.answered.store(true, Ordering::Relaxed);
            self.stalled = None;
        } else if self.stalled.is_none() {
            self.stalled = Some(Box::pin(tokio::time::sleep(STALL_TIME_MAX)));
            let _ = self.is_over(context);
        }
        written
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
    async fn clients_that_say_nothing_make_room_for_those_who_ask() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let mut limited = LimitedListener::new(listener);
        (limited.idle_max, limited.time_max) = (Duration::from_secs(600), Duration::from_secs(600));
        let (mut silent, mut answered) = (Vec::new(), Vec::new());
        let mut served = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS_MAX {
            let (client, (mut timed, _)) = tokio::join!(TcpStream::connect(address), limited.accept());
            silent.push(client.expect("connected"));
            served.spawn(async move { timed.read(&mut [0; 16]).await.map_err(|error| error.kind()) });
        }
        for _ in 0..3 {
            let (client, accepted) = tokio::join!(
                TcpStream::connect(address),
                tokio::time::timeout(Duration::from_secs(60), limited.accept())
            );
            let (mut timed, _) = accepted.expect("a place at once");
            let mut client = client.expect("connected");
            client.write_all(b"how are you?").await.expect("asked");
            let mut question = [0; 12];
            timed.read_exact(&mut question).await.expect("heard");
            timed.write_all(b"well").await.expect("answered");
            assert_eq!(served.join_next().await.expect("one").expect("ends"), Err(io::ErrorKind::TimedOut));
            answered.push((timed, client));
        }
        assert_eq!(served.len(), CONNECTIONS_MAX - 3);
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

    /// Without a bound of ours the system would hold megabytes for each, and every event would be written to all.
    #[tokio::test]
    async fn reader_of_a_stream_that_reads_nothing_holds_little() {
        let (mut timed, _client) = connected(600_000, 600_000).await;
        timed.hold.stay();
        let mut written = 0;
        let piece = [b'x'; 16 << 10];
        while let Some(bytes) = futures_util::FutureExt::now_or_never(timed.write(&piece)) {
            written += bytes.expect("written");
            // What is on its way arrives.
            tokio::task::yield_now().await;
        }
        assert!((STREAM_BUFFER_BYTES / 4..1 << 20).contains(&written), "{written} bytes");
    }
}
