//! The feed server as its drivers see it: started as a child, asked over its control paths, gone with
//! this process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::Failure;

/// A running server.
pub struct Bed {
    child: Child,
    /// Closing it ends the server.
    _ends_with: ChildStdin,
    /// Where it listens, on each of its addresses.
    pub port: u16,
    hosts: usize,
    control: BufReader<TcpStream>,
}

/// What it has counted since the last reset.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub struct Counts {
    /// Documents sent whole.
    pub full: u64,
    /// 304.
    pub unchanged: u64,
    /// Webhooks received.
    pub posts: u64,
    /// Microseconds on the server's clock; `first_us` is 0 before the first request.
    pub first_us: u64,
    /// Now, on the same clock.
    pub now_us: u64,
}

impl Counts {
    /// Requests for feeds that were answered.
    pub fn answered(&self) -> u64 {
        self.full + self.unchanged
    }

    /// Since the first request of the round.
    pub fn since_first(&self) -> Duration {
        Duration::from_micros(self.now_us.saturating_sub(self.first_us))
    }
}

impl Bed {
    /// Starts it and waits until its documents are rendered.
    pub fn start(feeds: usize, items: u64, hosts: usize) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--feeds", &feeds.to_string(), "--items", &items.to_string()]);
        command.args(["--hosts", &hosts.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ends_with = child.stdin.take().ok_or("the server has no input")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("the server has no output")?).read_line(&mut line)?;
        let port: u16 = line.trim().parse()?;
        let control = TcpStream::connect(("127.0.0.1", port))?;
        control.set_nodelay(true)?;
        Ok(Self { child, _ends_with: ends_with, port, hosts, control: BufReader::new(control) })
    }

    /// The address of a feed.
    pub fn url(&self, feed: usize) -> String {
        format!("http://127.0.0.{}:{}/feed/{feed}", 1 + feed % self.hosts, self.port)
    }

    /// Gives every feed so many new items; returns when they are rendered.
    pub fn publish(&mut self, items: u64) -> Result<(), Failure> {
        self.ask(&format!("/control/new/{items}")).map(|_| ())
    }

    /// Counts from zero.
    pub fn reset(&mut self) -> Result<(), Failure> {
        self.ask("/control/reset").map(|_| ())
    }

    /// What it has counted.
    pub fn counts(&mut self) -> Result<Counts, Failure> {
        Ok(serde_json::from_str(&self.ask("/control")?)?)
    }

    fn ask(&mut self, path: &str) -> Result<String, Failure> {
        self.control.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: bed\r\n\r\n").as_bytes())?;
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            self.control.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.control.read_exact(&mut body)?;
        Ok(String::from_utf8(body)?)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
