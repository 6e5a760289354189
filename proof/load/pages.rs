//! The page over a store that has grown: how long each page takes and how large it is, as a browser on this machine
//! would see it; with `--serve` the daemon stays for whoever wants to look.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::daemon::{HANGS, Place};
use crate::figures::Figures;
use crate::stock;
use crate::words::Language;

/// How large the store is, and what becomes of the daemon.
#[derive(Debug, Clone, clap::Args)]
pub struct PagesArgs {
    /// Items in the store.
    #[arg(long, default_value_t = 100_000)]
    items: u64,
    /// Requests of each page.
    #[arg(long, default_value_t = 40)]
    each: usize,
    /// Prints the address and serves until standard input closes.
    #[arg(long)]
    serve: bool,
}

/// Fills a store, starts the daemon and asks for every page.
pub fn pages(args: &PagesArgs, figures: &Figures) -> Result<(), Failure> {
    let bed = Bed::start(1, 1, 1)?;
    let place = Place::new()?;
    place.configure(&bed, 0, "1h")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = place.dir.path().join("wirewatch.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("listen = \"off\"", &format!("listen = \"127.0.0.1:{port}\"")))?;
    let state = place.database().parent().ok_or("no folder")?.to_owned();
    stock::fill_to(&Language::new(), &state, args.items)?;
    let daemon = place.start()?;
    for (name, path) in paths(port)? {
        let mut took = Vec::with_capacity(args.each);
        let mut bytes = 0;
        for _ in 0..args.each {
            let began = Instant::now();
            let answer = ask(port, &path)?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
            if !answer.starts_with("HTTP/1.1 200") {
                return Err(format!("{path}: {}", answer.lines().next().unwrap_or_default()).into());
            }
            bytes = answer.len();
        }
        took.sort_by(f64::total_cmp);
        let values =
            [("p50_ms", took[took.len() / 2]), ("p95_ms", took[took.len() * 95 / 100]), ("kib", bytes as f64 / 1024.0)];
        figures.tell(&format!("page.{name}"), args.items, &values)?;
    }
    if args.serve {
        println!("serving http://127.0.0.1:{port}");
        std::io::stdout().flush()?;
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    daemon.stop()?;
    Ok(())
}

/// Every page, with something on it.
fn paths(port: u16) -> Result<Vec<(&'static str, String)>, Failure> {
    let first = |list: &str| -> Result<String, Failure> {
        let answer = ask(port, &format!("/v1/{list}"))?;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").ok_or("no body")?.1)?;
        let id = body["data"][0]["id"].as_str();
        Ok(id.ok_or_else(|| format!("no {list} to look at"))?.to_owned())
    };
    let topic = first("topics")?;
    Ok(vec![
        ("now", "/".to_owned()),
        ("stories", "/stories".to_owned()),
        ("stories-of-topic", format!("/stories?topic={topic}")),
        ("story", format!("/stories/{}", first("stories")?)),
        ("items", "/items".to_owned()),
        ("items-of-topic", format!("/items?topic={topic}&limit=200")),
        ("item", format!("/items/{}", first(&format!("items?topic={topic}"))?)),
        ("search", "/search?q=levee".to_owned()),
        ("alerts", "/alerts".to_owned()),
        ("topics", "/topics".to_owned()),
        ("topic", format!("/topics/{topic}")),
        ("try", format!("/topics/{topic}/try")),
        ("feeds", "/feeds".to_owned()),
        ("deliveries", "/deliveries".to_owned()),
        ("endpoint", "/endpoints/desk".to_owned()),
        ("silences", "/silences".to_owned()),
        ("silence-new", format!("/silences/new?topic={topic}")),
        ("status", "/status".to_owned()),
    ])
}

fn ask(port: u16, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(HANGS.min(Duration::from_secs(60))))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
