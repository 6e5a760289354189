//! The lower bound: two blocking keep-alive connections → gunzip → feed-rs → one SQLite table with
//! synchronous=NORMAL, a transaction a document. Nothing else: no dedupe, no topics, no second look.
//! Runs in a process of its own, prints one JSON line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Failure;
use crate::daemon::spent;

/// What it works on.
#[derive(Debug, Clone, clap::Args)]
pub struct FloorArgs {
    /// The server's port.
    #[arg(long)]
    pub port: u16,
    /// Feeds to fetch.
    #[arg(long)]
    pub feeds: usize,
    /// Loopback addresses of the server.
    #[arg(long)]
    pub hosts: usize,
    /// The database; made if it is not there.
    #[arg(long)]
    pub database: PathBuf,
}

/// What it took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Floor {
    /// Seconds, first request to last commit.
    pub wall: f64,
    /// CPU seconds.
    pub cpu: f64,
    /// The most it held.
    pub peak_bytes: u64,
    /// Rows in its table at the end.
    pub rows: u64,
    /// Bytes of its database.
    pub database_bytes: u64,
}

/// Runs it in a child.
pub fn run(args: &FloorArgs) -> Result<Floor, Failure> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["floor", "--port", &args.port.to_string(), "--feeds", &args.feeds.to_string()]);
    command.args(["--hosts", &args.hosts.to_string(), "--database"]).arg(&args.database);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the lower bound failed".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The child.
pub fn floor(args: &FloorArgs) -> Result<(), Failure> {
    let connection = open(&args.database)?;
    let etags = load_etags(&connection)?;
    let (began, cpu_before) = (Instant::now(), spent(std::process::id())?.cpu);
    let (next, connection) = (AtomicUsize::new(0), Mutex::new(connection));
    let outcome: Result<(), Failure> = std::thread::scope(|scope| {
        let work = || {
            let mut streams: Vec<Option<BufReader<TcpStream>>> = (0..args.hosts).map(|_| None).collect();
            loop {
                let feed = next.fetch_add(1, Ordering::Relaxed);
                if feed >= args.feeds {
                    return Ok::<(), Failure>(());
                }
                let host = feed % args.hosts;
                let stream = match streams[host].take() {
                    Some(stream) => stream,
                    None => BufReader::new(connect(host, args.port)?),
                };
                streams[host] = Some(take(stream, feed, &etags, &connection)?);
            }
        };
        let second = scope.spawn(work);
        work()?;
        second.join().map_err(|_| "the second thread panicked")?
    });
    outcome?;
    let wall = began.elapsed();
    let spent = spent(std::process::id())?;
    let connection = connection.into_inner().map_err(|_| "a thread panicked")?;
    let rows = connection.query_row("SELECT count(*) FROM items", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let told = Floor {
        wall: wall.as_secs_f64(),
        cpu: spent.cpu.saturating_sub(cpu_before).as_secs_f64(),
        peak_bytes: spent.peak_bytes,
        rows,
        database_bytes: args.database.metadata()?.len(),
    };
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

fn open(path: &Path) -> Result<rusqlite::Connection, Failure> {
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE IF NOT EXISTS feeds (feed INTEGER PRIMARY KEY, etag TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS items (feed INTEGER, key TEXT, title TEXT, link TEXT, published INTEGER, body TEXT,
            UNIQUE (feed, key));",
    )?;
    Ok(connection)
}

fn load_etags(connection: &rusqlite::Connection) -> Result<std::collections::HashMap<usize, String>, Failure> {
    let mut statement = connection.prepare("SELECT feed, etag FROM feeds")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as usize, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn connect(host: usize, port: u16) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect((format!("127.0.0.{}", host + 1), port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// One feed; gives the connection back.
fn take(
    mut stream: BufReader<TcpStream>,
    feed: usize,
    etags: &std::collections::HashMap<usize, String>,
    connection: &Mutex<rusqlite::Connection>,
) -> Result<BufReader<TcpStream>, Failure> {
    let condition = etags.get(&feed).map_or_else(String::new, |etag| format!("If-None-Match: {etag}\r\n"));
    let request = format!("GET /feed/{feed} HTTP/1.1\r\nHost: bed\r\nAccept-Encoding: gzip\r\n{condition}\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut length, mut etag, mut line) = (0, String::new(), String::new());
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "etag" => value.trim().clone_into(&mut etag),
            _ => {}
        }
    }
    if length == 0 {
        return Ok(stream);
    }
    let mut wire = vec![0; length];
    stream.read_exact(&mut wire)?;
    let mut bytes = Vec::with_capacity(length * 4);
    GzDecoder::new(wire.as_slice()).read_to_end(&mut bytes)?;
    let document = feed_rs::parser::parse(bytes.as_slice())?;
    let mut connection = connection.lock().map_err(|_| "a thread panicked")?;
    let transaction = connection.transaction()?;
    for entry in document.entries {
        let body = entry.content.and_then(|content| content.body).or(entry.summary.map(|text| text.content));
        transaction.prepare_cached("INSERT OR IGNORE INTO items VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
            rusqlite::params![
                feed as i64,
                entry.id,
                entry.title.map(|title| title.content),
                entry.links.first().map(|link| link.href.as_str()),
                entry.published.or(entry.updated).map(|at| at.timestamp()),
                body,
            ],
        )?;
    }
    transaction.prepare_cached("INSERT OR REPLACE INTO feeds VALUES (?1, ?2)")?.execute((feed as i64, etag))?;
    transaction.commit()?;
    drop(connection);
    Ok(stream)
}
