//! Polling: the same feeds cold, then all unchanged, then with one new item each, by the lower bound and
//! by the daemon in turn. A round lasts from the first request the server sees until the last feed's
//! state is in the store. Between rounds the daemon is stopped and every feed made due, so that a round
//! is one wave; its start is told apart.

use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::daemon::{Daemon, HANGS, Place, Topics};
use crate::figures::{Figures, mib};
use crate::floor::{self, Floor, FloorArgs};

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

/// Runs all rounds.
pub fn poll(args: &PollArgs, figures: &Figures) -> Result<(), Failure> {
    let mut bed = Bed::start(args.feeds, args.items, args.hosts)?;
    let place = Place::new()?;
    place.configure(&bed, args.feeds, Topics::Hundred)?;
    let floor_args =
        FloorArgs { port: bed.port, feeds: args.feeds, hosts: args.hosts, database: place.dir.path().join("floor.db") };
    let mut served = args.feeds as u64 * args.items;
    for (turn, name) in ["poll.cold", "poll.unchanged", "poll.new"].into_iter().enumerate() {
        if turn == 2 {
            bed.publish(1)?;
            served += args.feeds as u64;
        }
        let floor = if args.alone { None } else { Some(floor::run(&floor_args)?) };
        if floor.is_some_and(|floor| floor.rows != served) {
            return Err(format!("the lower bound has {floor:?} where {served} items were served").into());
        }
        bed.reset()?;
        let before = if turn == 0 { 0 } else { place.stored()? };
        let daemon = place.start()?;
        let round = round(name, &mut bed, &place, (daemon, args.feeds, turn as u64 + 1))?;
        let stored = place.stored()?;
        if stored != served {
            return Err(format!("{name}: {stored} items are stored where {served} were served").into());
        }
        tell(&round, (args, stored - before), floor, (figures, &place))?;
        place.make_due()?;
    }
    if args.keep {
        println!("the store is in {}", place.dir.keep().display());
    }
    Ok(())
}

/// Waits until every feed was polled `polls` times, then stops the daemon.
fn round(
    name: &'static str,
    bed: &mut Bed,
    place: &Place,
    (daemon, feeds, polls): (Daemon, usize, u64),
) -> Result<Round, Failure> {
    let began = Instant::now();
    let (start, cpu_before) = (daemon.start, daemon.spent()?.cpu);
    while bed.counts()?.answered() < feeds as u64 {
        nap(began)?;
    }
    let query = format!("SELECT count(*) FROM feeds WHERE polls >= {polls}");
    while place.number(&query)? < feeds as u64 {
        nap(began)?;
    }
    let wall = bed.counts()?.since_first();
    let spent = daemon.spent()?;
    daemon.stop()?;
    Ok(Round {
        name,
        wall,
        cpu: spent.cpu.saturating_sub(cpu_before),
        start,
        peak_bytes: spent.peak_bytes,
        resident_bytes: spent.resident_bytes,
        written_bytes: spent.written_bytes,
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
    figures.tell(round.name, args.feeds as u64, &values)
}
