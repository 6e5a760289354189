//! A bad line: passes connections on to a server and spoils them as it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PIECE_BYTES: usize = 4096;

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// What it should.
    Good,
    /// Resets every connection.
    Resets,
    /// Takes connections and says nothing.
    Silent,
    /// Resets after so many bytes of the answer.
    Cuts(usize),
    /// A few bytes at a time.
    Drips,
}

/// The proxy; ends with the runtime.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

impl Proxy {
    pub async fn start(to: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, line: Arc::new(Mutex::new(Line::Good)) };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                // A connection that breaks is what this is for.
                tokio::spawn(async move { serving.pass(stream, to).await });
            }
        });
        Ok(proxy)
    }

    /// From now on, for connections that are open too.
    pub fn is(&self, line: Line) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    fn line(&self) -> Line {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, mut client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
        let mut server = TcpStream::connect(to).await?;
        let (mut up, mut down) = ([0; PIECE_BYTES], [0; PIECE_BYTES]);
        let mut answered = 0;
        loop {
            tokio::select! {
                read = client.read(&mut up) => {
                    let bytes = read?;
                    if bytes == 0 {
                        return Ok(());
                    }
                    if self.line() == Line::Silent {
                        tokio::time::sleep(Duration::from_secs(3600)).await;
                    }
                    if self.line() == Line::Resets {
                        return client.set_zero_linger();
                    }
                    server.write_all(&up[..bytes]).await?;
                }
                read = server.read(&mut down) => {
                    let bytes = read?;
                    if bytes == 0 {
                        return Ok(());
                    }
                    if let Line::Cuts(after) = self.line() && answered + bytes > after {
                        client.write_all(&down[..after.saturating_sub(answered).min(bytes)]).await?;
                        return client.set_zero_linger();
                    }
                    if self.line() == Line::Drips {
                        for piece in down[..bytes].chunks(16) {
                            client.write_all(piece).await?;
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    } else {
                        client.write_all(&down[..bytes]).await?;
                    }
                    answered += bytes;
                }
            }
        }
    }
}
