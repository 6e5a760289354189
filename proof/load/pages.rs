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

/// Items that go the way of every item; further ones are copies of their rows, which a page cannot tell from others.
const TAKEN_MAX: u64 = 2000;
/// So far apart are the numbers of copies: more than any table has rows.
const STRIDE: u64 = 100_000;
/// Rows of one story, item, alert and delivery, over 28 days. `k` is the number of the copy; ids are told apart by it.
const MULTIPLY: &[&str] = &[
    "INSERT INTO stories SELECT id + k, title, first_seen - k * step, last_seen - k * step, items, sightings_exact,
        sightings_near, merged_into + k, languages, on_topic_at - k * step, opener + k * stride, outlet FROM stories, n",
    "INSERT INTO items SELECT seq + k * stride, id + k, source, key || k, revision, title, title_original, headline, publisher, url,
        url_original, author, published, published_certainty, updated, first_seen - k * step, lang, summary, text_source,
        text_hash, text_hash_first, version_hash, text_bytes, tags, quiet, story + k, outlet, nearest, nearest_milli, features,
        is_opener FROM items, n",
    "INSERT INTO text_blocks SELECT seq + k * stride, last_seq + k * stride, texts, newest - k * step, packed FROM text_blocks, n",
    "INSERT INTO sightings SELECT seq + k * stride, id + k, item + k, source, outlet, key || k, url, title, level, overlap,
        text_hash, seen_at - k * step FROM sightings, n",
    "INSERT INTO matches SELECT item + k, topic, score, threshold, severity, evidence FROM matches, n",
    "INSERT INTO story_sources SELECT story + k, source, position, at - k * step FROM story_sources, n",
    "INSERT INTO story_topics SELECT story + k, topic, score, threshold, severity FROM story_topics, n",
    "INSERT INTO alerts SELECT sequence + k * stride, id || k, kind, story + k, item + k, source, reason, severity, score,
        outlets, at - k * step, payload, silenced_by FROM alerts, n",
    "INSERT INTO alert_topics SELECT alert + k * stride, topic, score, severity, is_new FROM alert_topics, n",
    "INSERT INTO deliveries SELECT id + k * stride, alert + k * stride, webhook_id || k, endpoint, body, content_type,
        'delivered', 1, created_at - k * step, due_at - k * step, created_at - k * step, 200, NULL, NULL, NULL, story + k
        FROM deliveries, n",
    "INSERT INTO attempts SELECT id, 1, settled_at, 'delivered', 200, 9, NULL FROM deliveries WHERE id > stride",
];

/// Makes a store so many times as large. What is searched stays what went through the pipeline.
fn multiply(database: &std::path::Path, times: u64) -> Result<(), Failure> {
    let connection = rusqlite::Connection::open(database)?;
    // Nobody reads on from what did not happen.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -200000;
         DROP TRIGGER IF EXISTS changes_item; DROP TRIGGER IF EXISTS changes_alert; DROP TRIGGER IF EXISTS changes_sighting;
         DROP TRIGGER IF EXISTS changes_delivery; BEGIN;",
    )?;
    let step = 28 * 86_400_000 / times.max(1);
    for sql in MULTIPLY {
        let sql = sql.replace("stride", &STRIDE.to_string()).replace("step", &step.to_string());
        let numbers = format!(
            "WITH RECURSIVE n (k) AS (SELECT 1 WHERE {times} > 1 UNION ALL SELECT k + 1 FROM n WHERE k + 1 < {times})"
        );
        connection.execute_batch(&format!("{numbers} {sql}")).map_err(|error| format!("{sql}: {error}"))?;
    }
    let searched = "UPDATE meta SET value = (SELECT max(seq) FROM items) WHERE key = 'search_seq'";
    connection.execute_batch(&format!("{searched}; COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"))?;
    Ok(())
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
    let taken = args.items.min(TAKEN_MAX);
    stock::fill_to(&Language::new(), &state, taken)?;
    multiply(&place.database(), args.items / taken)?;
    let daemon = place.start()?;
    // What a first look loads beside the page itself.
    let now = ask(port, "/")?;
    let mut loaded = 0;
    for asset in now.split('"').filter(|part| part.starts_with("/assets/")) {
        loaded += ask_as_browser(port, asset)?.0;
    }
    let (mut slowest, mut largest) = (0.0f64, 0);
    for (name, path) in paths(port)? {
        let mut took = Vec::with_capacity(args.each);
        let mut bytes = 0;
        for _ in 0..args.each {
            let began = Instant::now();
            let (length, answer) = ask_as_browser(port, &path)?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
            if !answer.starts_with("HTTP/1.1 200") {
                return Err(format!("{path}: {}", answer.lines().next().unwrap_or_default()).into());
            }
            bytes = length;
        }
        took.sort_by(f64::total_cmp);
        let values =
            [("p50_ms", took[took.len() / 2]), ("p95_ms", took[took.len() * 95 / 100]), ("kib", bytes as f64 / 1024.0)];
        figures.tell(&format!("page.{name}"), args.items, &values)?;
        (slowest, largest) = (slowest.max(values[1].1), largest.max(bytes + loaded));
    }
    let values =
        [("p95_ms", slowest), ("transferred_kb", largest as f64 / 1000.0), ("assets_kb", loaded as f64 / 1000.0)];
    figures.tell("page.worst", args.items, &values)?;
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
    let rows = |list: &str| -> Result<Value, Failure> {
        let answer = ask(port, &format!("/v1/{list}"))?;
        Ok(serde_json::from_str(answer.split_once("\r\n\r\n").ok_or("no body")?.1)?)
    };
    let first = |list: &str| -> Result<String, Failure> {
        Ok(rows(list)?["data"][0]["id"].as_str().ok_or_else(|| format!("no {list} to look at"))?.to_owned())
    };
    // Not every topic of the bed hits something.
    let topics = rows("topics")?;
    let mut ids = topics["data"].as_array().ok_or("no topics")?.iter().filter_map(|topic| topic["id"].as_str());
    let hits = |id: &&str| first(&format!("items?topic={id}")).is_ok();
    let topic = ids.find(hits).ok_or("no topic hits anything")?.to_owned();
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
    Ok(ask_with(port, path, "")?.1)
}

/// As a browser asks: the answer may be packed.
fn ask_as_browser(port: u16, path: &str) -> Result<(usize, String), Failure> {
    ask_with(port, path, "accept-encoding: gzip, deflate, br\r\n")
}

/// Bytes of the answer, and what of it is text.
fn ask_with(port: u16, path: &str, more: &str) -> Result<(usize, String), Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(HANGS.min(Duration::from_secs(60))))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n{more}connection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok((answer.len(), String::from_utf8_lossy(&answer).into_owned()))
}
