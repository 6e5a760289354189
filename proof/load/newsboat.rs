//! Beside another program, the one that is at hand as a package: newsboat asks the bed's server for the feeds of `poll`,
//! first with an empty cache and then when nothing has changed, one after the other as it always does. Whether it has
//! every item its own cache says.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::figures::{Figures, mib};

/// What it reads.
#[derive(Debug, Clone, clap::Args)]
pub struct NewsboatArgs {
    /// Feeds.
    #[arg(long, default_value_t = 1000)]
    feeds: usize,
    /// Items of each.
    #[arg(long, default_value_t = 50)]
    items: u64,
    /// Loopback addresses they are on.
    #[arg(long, default_value_t = 16)]
    hosts: usize,
}

/// Reads all feeds twice.
pub fn newsboat(args: &NewsboatArgs, figures: &Figures) -> Result<(), Failure> {
    let mut bed = Bed::start(args.feeds, args.items, args.hosts)?;
    let dir = tempfile::tempdir()?;
    let urls: String = (0..args.feeds).map(|feed| bed.url(feed) + "\n").collect();
    std::fs::write(dir.path().join("urls"), urls)?;
    std::fs::write(dir.path().join("config"), "max-items 0\nreload-threads 4\ndownload-retries 1\n")?;
    for (name, items) in [("newsboat.cold", args.feeds as u64 * args.items), ("newsboat.unchanged", 0)] {
        bed.reset()?;
        let before = children_cpu()?;
        let began = Instant::now();
        reload(dir.path())?;
        let wall = began.elapsed().as_secs_f64();
        let stored = stored(dir.path())?;
        if stored != args.feeds as u64 * args.items {
            println!("newsboat has {stored} of {} items", args.feeds as u64 * args.items);
        }
        let values = [
            ("wall_s", wall),
            ("cpu_s", children_cpu()? - before),
            ("items", items as f64),
            ("asked", bed.counts()?.answered() as f64),
            ("stored", stored as f64),
            ("database_mib", mib(dir.path().join("cache.db").metadata()?.len())),
        ];
        figures.tell(name, args.feeds as u64, &values)?;
    }
    Ok(())
}

fn reload(dir: &Path) -> Result<(), Failure> {
    let mut command = Command::new("newsboat");
    for (flag, file) in [("-u", "urls"), ("-c", "cache.db"), ("-C", "config")] {
        command.arg(flag).arg(dir.join(file));
    }
    let status = command.args(["-x", "reload"]).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("newsboat ended with {status}").into()) }
}

fn stored(dir: &Path) -> Result<u64, Failure> {
    let connection = rusqlite::Connection::open(dir.join("cache.db"))?;
    Ok(connection.query_row("SELECT count(*) FROM rss_item", [], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// CPU seconds of all children that have ended: fields 16 and 17 of proc(5), in hundredths.
fn children_cpu() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no name in stat")?.1.split_whitespace().collect();
    Ok((fields[13].parse::<f64>()? + fields[14].parse::<f64>()?) / 100.0)
}
