//! Files: a burst dropped at once, or a steady stream at so many a second, through the seed directory of
//! the running daemon. The lower bound of the burst reads the same files and inserts a row for each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::daemon::{HANGS, Place, spent};
use crate::figures::{Figures, mib};
use crate::words::Language;

/// A burst.
#[derive(Debug, Clone, clap::Args)]
pub struct FilesArgs {
    /// Files, all there at once.
    #[arg(long, default_value_t = 20_000)]
    files: u64,
}

/// A stream.
#[derive(Debug, Clone, clap::Args)]
pub struct StreamArgs {
    /// Files a second.
    #[arg(long, default_value_t = 25)]
    per_second: u32,
    /// For so long; an hour is the whole promise.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
}

/// Files of the lower bound in one transaction.
const FLOOR_BATCH: usize = 50;

/// Drops all files at once.
pub fn files(args: &FilesArgs, figures: &Figures) -> Result<(), Failure> {
    let bed = Bed::start(1, 1, 1)?;
    let place = Place::new()?;
    place.configure(&bed, 0, "1h")?;
    let ready = write_all(&place, args.files)?;
    let floor = floor(&ready, &place.dir.path().join("floor.db"))?;
    let daemon = place.start()?;
    let before = daemon.spent()?;
    let (began, seeds) = (Instant::now(), place.dir.path().join("seeds"));
    for file in &ready {
        std::fs::rename(file, seeds.join(file.file_name().ok_or("no name")?))?;
    }
    let dropped = began.elapsed();
    while place.stored()? < args.files {
        if began.elapsed() > HANGS {
            return Err(format!("{} of {} files are stored", place.stored()?, args.files).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let wall = began.elapsed().as_secs_f64();
    let after = daemon.spent()?;
    daemon.stop()?;
    if place.stored()? != args.files {
        return Err("more is stored than was dropped".into());
    }
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    let values = [
        ("wall_s", wall),
        ("cpu_s", cpu),
        ("items_per_s", args.files as f64 / wall),
        ("peak_mib", mib(after.peak_bytes)),
        ("dropped_s", dropped.as_secs_f64()),
        ("floor_wall_s", floor.0),
        ("floor_cpu_s", floor.1),
        ("wall_ratio", wall / floor.0),
        ("cpu_ratio", cpu / floor.1.max(0.01)),
    ];
    figures.tell("files.burst", args.files, &values)
}

/// Drops files at a pace, each renamed in.
pub fn stream(args: &StreamArgs, figures: &Figures) -> Result<(), Failure> {
    let mut bed = Bed::start(1, 1, 1)?;
    let place = Place::new()?;
    place.configure(&bed, 0, "1h")?;
    let files = (f64::from(args.per_second) * args.minutes * 60.0) as u64;
    let ready = write_all(&place, files)?;
    let daemon = place.start()?;
    let before = daemon.spent()?;
    let (began, seeds) = (Instant::now(), place.dir.path().join("seeds"));
    for (n, file) in ready.iter().enumerate() {
        let due = began + Duration::from_secs(1) * n as u32 / args.per_second;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        std::fs::rename(file, seeds.join(file.file_name().ok_or("no name")?))?;
    }
    let last = Instant::now();
    while place.stored()? < files {
        if last.elapsed() > HANGS {
            return Err(format!("{} of {files} files are stored", place.stored()?).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let behind = last.elapsed();
    let (wall, after) = (began.elapsed().as_secs_f64(), daemon.spent()?);
    let delivered = bed.counts()?.posts;
    let lag = place.number(
        "SELECT count(*) FROM items WHERE seq > (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta \
         WHERE key = 'search_seq')",
    )?;
    daemon.stop()?;
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    let values = [
        ("minutes", args.minutes),
        ("items_per_s", f64::from(args.per_second)),
        ("cpu_percent", cpu / wall * 100.0),
        ("behind_at_end_ms", behind.as_secs_f64() * 1e3),
        ("search_behind_items", lag as f64),
        ("webhooks", delivered as f64),
        ("peak_mib", mib(after.peak_bytes)),
    ];
    figures.tell("files.stream", files, &values)
}

/// Files beside the seed directory, on the same disk.
fn write_all(place: &Place, files: u64) -> Result<Vec<PathBuf>, Failure> {
    let (language, outbox) = (Language::new(), place.dir.path().join("outbox"));
    std::fs::create_dir(&outbox)?;
    let write = |number: u64| -> Result<PathBuf, Failure> {
        let article = language.article(number as usize, 0);
        let path = outbox.join(format!("n{number:06}.txt"));
        std::fs::write(&path, format!("{} n{number}\n\n{}\n", article.title, article.paragraphs.join("\n\n")))?;
        Ok(path)
    };
    (0..files).map(write).collect()
}

/// Wall and CPU seconds for reading every file and inserting it.
fn floor(files: &[PathBuf], database: &Path) -> Result<(f64, f64), Failure> {
    let mut connection = rusqlite::Connection::open(database)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE items (name TEXT PRIMARY KEY, body TEXT);",
    )?;
    let (began, before) = (Instant::now(), spent(std::process::id())?.cpu);
    for batch in files.chunks(FLOOR_BATCH) {
        let transaction = connection.transaction()?;
        for file in batch {
            let body = std::fs::read_to_string(file)?;
            transaction.prepare_cached("INSERT INTO items VALUES (?1, ?2)")?.execute((file.to_string_lossy(), body))?;
        }
        transaction.commit()?;
    }
    let cpu = spent(std::process::id())?.cpu.saturating_sub(before);
    Ok((began.elapsed().as_secs_f64(), cpu.as_secs_f64()))
}
