//! Polling: the same feeds cold, then all unchanged, then with one new item each, by the lower bound and
//! by a daemon that runs all the while. A round lasts from the first request the server sees until the
//! last feed's state is in the store. The cold round is that of a new daemon with an empty store, its
//! start included in CPU time; the others are waves of feeds whose interval is over.

use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::daemon::{Daemon, HANGS, Place, Spent};
use crate::figures::{Figures, mib, short};
use crate::floor::{self, Floor, FloorArgs};

/// The index is waited for so long.
const INDEX_MAX: Duration = Duration::from_secs(150);
/// Items of a feed where the name of a run does not say.
const ITEMS_USUAL: u64 = 50;

/// The idle daemon polls each feed so often …
const INTERVAL_USUAL: Duration = Duration::from_secs(900);
/// … has so long to come to rest once search has caught up …
const SETTLES: Duration = Duration::from_secs(5);
/// … and is then looked at for so long.
const IDLE: Duration = Duration::from_secs(30);

/// What is polled.
#[derive(Debug, Clone, clap::Args)]
pub struct PollArgs {
    /// Feeds.
    #[arg(long, default_value_t = 1000)]
    feeds: usize,
    /// Items of each.
    #[arg(long, default_value_t = 50)]
    items: u64,
    /// Loopback addresses they are on.
    #[arg(long, default_value_t = 16)]
    hosts: usize,
    /// Without the lower bound.
    #[arg(long)]
    alone: bool,
    /// Keep the folder with the store, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// What one round of the daemon took.
struct Round {
    name: &'static str,
    wall: Duration,
    cpu: Duration,
    start: Duration,
    peak_bytes: u64,
    resident_bytes: u64,
    written_bytes: u64,
}

/// A round by name, and how often every feed was polled when it is over.
const ROUNDS: [(&str, u64); 3] = [("poll.cold", 1), ("poll.unchanged", 2), ("poll.new", 3)];

/// Runs all rounds in one daemon, then starts it once more over the full store.
pub fn poll(args: &PollArgs, figures: &Figures) -> Result<(), Failure> {
    let mut bed = Bed::start(args.feeds, args.items, args.hosts)?;
    let place = Place::new()?;
    place.configure(&bed, args.feeds, "1h")?;
    let floor_args =
        FloorArgs { port: bed.port, feeds: args.feeds, hosts: args.hosts, database: place.dir.path().join("floor.db") };
    // Long enough for the server to render everything anew and for the index to catch up.
    let interval = Duration::from_secs(20 + args.feeds as u64 * args.items / 4_000);
    let mut served = args.feeds as u64 * args.items;
    let mut floors = Vec::new();
    if !args.alone {
        for _ in 0..2 {
            floors.push(floor::run(&floor_args)?);
        }
        // With one new item, the lower bound parses and compares everything again: about as cold.
        floors.push(floors[0]);
    }
    if floors.iter().any(|floor| floor.rows != served) {
        return Err(format!("the lower bound has {floors:?} where {served} items were served").into());
    }
    bed.reset()?;
    let (mut stored, mut spent) = (0, Spent::default());
    let daemon = place.start()?;
    for (turn, (name, polls)) in ROUNDS.into_iter().enumerate() {
        if turn == 1 {
            // A shorter interval counts at once for feeds that were asked longer ago: one wave.
            let ended = Instant::now();
            let indexed = index_caught_up(&place)?;
            println!("search caught up after {} s", short(indexed.as_secs_f64()));
            std::thread::sleep((interval + Duration::from_secs(1)).saturating_sub(ended.elapsed()));
            bed.reset()?;
            spent = daemon.spent()?;
            place.configure(&bed, args.feeds, &format!("{}s", interval.as_secs()))?;
            daemon.reload()?;
        } else if turn == 2 {
            bed.publish(1)?;
            served += args.feeds as u64;
            bed.reset()?;
            spent = daemon.spent()?;
        }
        let round = round(name, &mut bed, &place, (&daemon, spent, args.feeds, polls))?;
        let now = place.stored()?;
        if now != served {
            return Err(format!("{name}: {now} items are stored where {served} were served").into());
        }
        tell(&round, (args, now - stored), floors.get(turn).copied(), (figures, &place))?;
        stored = now;
    }
    daemon.stop()?;
    restart(args, (&mut bed, &place), figures)?;
    if args.keep {
        println!("the store is in {}", place.dir.keep().display());
    }
    Ok(())
}

/// Waits until search knows everything, so that no wave pays for the one before.
fn index_caught_up(place: &Place) -> Result<Duration, Failure> {
    let began = Instant::now();
    while began.elapsed() < INDEX_MAX {
        let lag = place.number(
            "SELECT count(*) FROM items WHERE seq > (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta \
             WHERE key = 'search_seq')",
        )?;
        if lag == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(began.elapsed())
}

/// Start over the full store, with the polls of all feeds spread over the usual interval as they are after
/// a day: what it takes until the daemon has settled, and what it then spends and holds.
fn restart(args: &PollArgs, (bed, place): (&mut Bed, &Place), figures: &Figures) -> Result<(), Failure> {
    place.configure(bed, args.feeds, &format!("{}s", INTERVAL_USUAL.as_secs()))?;
    place.spread(args.feeds, INTERVAL_USUAL)?;
    let daemon = place.start()?;
    let start = daemon.start.as_secs_f64();
    let settling = index_caught_up(place)? + SETTLES;
    std::thread::sleep(SETTLES);
    bed.reset()?;
    let before = daemon.spent()?;
    std::thread::sleep(IDLE);
    let after = daemon.spent()?;
    let asked = bed.counts()?.answered();
    let cpu_percent = after.cpu.saturating_sub(before.cpu).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    let database = mib(place.database().metadata()?.len());
    daemon.stop()?;
    let values = [
        ("start_s", start),
        ("settling_s", settling.as_secs_f64()),
        ("settling_cpu_s", before.cpu.as_secs_f64()),
        ("requests_per_s", asked as f64 / IDLE.as_secs_f64()),
        ("cpu_percent", cpu_percent),
        ("resident_mib", mib(after.resident_bytes)),
        ("peak_mib", mib(after.peak_bytes)),
        ("database_mib", database),
    ];
    figures.tell(&run_name("poll.idle", args), args.feeds as u64, &values)
}

/// Waits until every feed was polled `polls` times. What the daemon spent before counts for nothing.
fn round(
    name: &'static str,
    bed: &mut Bed,
    place: &Place,
    (daemon, before, feeds, polls): (&Daemon, Spent, usize, u64),
) -> Result<Round, Failure> {
    let began = Instant::now();
    while bed.counts()?.answered() < feeds as u64 {
        nap(began)?;
    }
    let query = format!("SELECT count(*) FROM feeds WHERE polls >= {polls}");
    while place.number(&query)? < feeds as u64 {
        nap(began)?;
    }
    let wall = bed.counts()?.since_first();
    let spent = daemon.spent()?;
    Ok(Round {
        name,
        wall,
        cpu: spent.cpu.saturating_sub(before.cpu),
        start: daemon.start,
        peak_bytes: spent.peak_bytes,
        resident_bytes: spent.resident_bytes,
        written_bytes: spent.written_bytes - before.written_bytes,
    })
}

fn nap(began: Instant) -> Result<(), Failure> {
    if began.elapsed() > HANGS {
        return Err("the feeds are not all polled: see the daemon's log above".into());
    }
    std::thread::sleep(Duration::from_millis(2));
    Ok(())
}

fn tell(
    round: &Round,
    (args, new): (&PollArgs, u64),
    floor: Option<Floor>,
    (figures, place): (&Figures, &Place),
) -> Result<(), Failure> {
    let wall = round.wall.as_secs_f64();
    let database_bytes = place.database().metadata()?.len();
    let mut values = vec![
        ("wall_s", wall),
        ("cpu_s", round.cpu.as_secs_f64()),
        ("items", new as f64),
        ("items_per_s", new as f64 / wall),
        ("peak_mib", mib(round.peak_bytes)),
        ("resident_mib", mib(round.resident_bytes)),
        ("start_s", round.start.as_secs_f64()),
        ("written_mib", mib(round.written_bytes)),
        ("database_mib", mib(database_bytes)),
    ];
    if let Some(floor) = floor {
        values.extend([
            ("floor_wall_s", floor.wall),
            ("floor_cpu_s", floor.cpu),
            ("floor_peak_mib", mib(floor.peak_bytes)),
            ("floor_database_mib", mib(floor.database_bytes)),
            ("wall_ratio", wall / floor.wall),
            ("cpu_ratio", round.cpu.as_secs_f64() / floor.cpu.max(0.01)),
            ("database_ratio", database_bytes as f64 / floor.database_bytes as f64),
        ]);
    }
    figures.tell(&run_name(round.name, args), args.feeds as u64, &values)
}

/// Runs with other than the usual items are other runs.
fn run_name(run: &str, args: &PollArgs) -> String {
    if args.items == ITEMS_USUAL { run.to_owned() } else { format!("{run}.{}items", args.items) }
}
