//! A scene for the finer cases: a room with a feed server and a calm receiver, a little published, and the
//! program run once; afterwards everything must be there, whatever was done to it in between.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::check::{self, Findings, Stored};
use super::feeds::FeedServer;
use super::receiver::Receiver;
use super::room::{Around, Program, Room, ended_as, until};
use super::truth::Published;

/// A pass takes this long at most.
const PASS_MAX: Duration = Duration::from_secs(120);
/// Passes until everything must have arrived: files that were just written are left alone by one, say.
const PASSES_MAX: usize = 4;

/// The scene.
pub struct Stage {
    pub room: Room,
    pub feeds: FeedServer,
    pub receiver: Receiver,
    pub around: Around,
    pub seed: u64,
    /// The line may bring what was given up long after its repeat: then requests count in the order they were sent.
    pub reorders: bool,
    files: u64,
}

impl Stage {
    pub async fn new(dir: &Path, program: &Path, seed: u64, planted: Option<&str>) -> io::Result<Self> {
        let mut room = Room::new(dir, program)?;
        room.planted = planted.map(str::to_owned);
        let feeds = FeedServer::start(seed, 2).await?;
        let receiver = Receiver::start(seed, &room.path("ledger")).await?;
        receiver.calm();
        let around = Around { feeds: feeds.address, feed_count: 2, receiver: receiver.address, pushes: None };
        room.configure(&around, 0, "")?;
        Ok(Self { room, feeds, receiver, around, seed, reorders: false, files: 0 })
    }

    /// Articles in each feed, and files.
    pub fn publish(&mut self, each: u64, files: u64) -> io::Result<()> {
        for feed in 0..2 {
            self.feeds.publish(feed, each);
        }
        for _ in 0..files {
            self.room.drop_file(self.seed, self.files)?;
            self.files += 1;
        }
        Ok(())
    }

    pub fn published(&self) -> Published {
        Published { feeds: self.feeds.published(), files: self.files, pushes: 0 }
    }

    /// One pass of `run --once`; `None` when it hangs.
    pub async fn pass(&self, log: &str) -> io::Result<(Option<std::process::ExitStatus>, Program)> {
        let mut program = self.room.start(&["run", "--once"], log)?;
        let status = program.ended(PASS_MAX).await;
        Ok((status, program))
    }

    /// What is stored, from a copy.
    pub fn stored(&self) -> io::Result<rusqlite::Result<Stored>> {
        let aside = self.room.path("aside");
        check::copy_store(&self.room.state(), &aside)?;
        Ok(check::read_store(&aside))
    }

    /// After a kill, before the next start.
    pub fn look(&self, findings: &mut Findings) -> io::Result<()> {
        match self.stored()? {
            Ok(stored) => {
                check::after_death(&stored, findings);
                check::moved_files(&self.room.path("seeds/done"), &stored, self.seed, findings);
            }
            Err(error) => findings.add("I7", format!("the database does not open: {error}")),
        }
        Ok(())
    }

    /// Runs passes until everything has arrived, then checks all of it.
    pub async fn settle(&self, kills: usize, findings: &mut Findings) -> io::Result<()> {
        let published = self.published();
        let expected = published.expected(self.seed);
        for pass in 0..PASSES_MAX {
            let (status, program) = self.pass("log-settle").await?;
            if status.and_then(|s| s.code()) != Some(0) {
                findings.add("start", format!("pass {pass}: {}: {}", ended_as(status), program.log()));
            }
            if self.is_settled(published.total(), expected.len()) {
                break;
            }
            // The feeds' interval.
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        self.verify(4 * kills.max(1), findings)
    }

    /// Waits until the running program has taken and delivered everything; false when it never does.
    pub async fn arrived(&self, most: Duration) -> bool {
        let total = self.published().total();
        let expected = self.published().expected(self.seed).len();
        until(most, || self.is_settled(total, expected)).await
    }

    /// So many items are stored, so many requests accepted, and nothing waits. Requests that came again count as
    /// accepted too, so they alone say nothing.
    fn is_settled(&self, items: u64, requests: usize) -> bool {
        check::peek(&self.room.state()).is_some_and(|(pending, stored)| pending == 0 && stored >= items)
            && self.receiver.requests().iter().filter(|r| r.accepted).count() >= requests
            && self.room.files().is_ok_and(|(waiting, _)| waiting == 0)
    }

    /// Everything is stored, told and moved, once; so many requests may have come again. Nothing runs.
    pub fn verify(&self, repeats_max: usize, findings: &mut Findings) -> io::Result<()> {
        let published = self.published();
        let expected = published.expected(self.seed);
        let stored = match self.stored()? {
            Ok(stored) => stored,
            Err(error) => {
                findings.add("I7", format!("the database does not open: {error}"));
                return Ok(());
            }
        };
        check::after_death(&stored, findings);
        check::stored_is_published(&stored, &published, self.seed, findings);
        let mut requests = self.receiver.requests();
        if self.reorders {
            requests.sort_by_key(|request| request.timestamp);
        }
        check::told(&requests, &expected, |_| repeats_max, findings);
        if stored.pending > 0 || stored.delivered.len() != expected.len() {
            let (delivered, pending) = (stored.delivered.len(), stored.pending);
            findings.add(
                "I2",
                format!("{delivered} recorded as delivered, {pending} pending, {} expected", expected.len()),
            );
        }
        let (waiting, done) = self.room.files()?;
        if waiting > 0 || done as u64 != self.files {
            findings.add("I1", format!("{waiting} files wait, {done} of {} were moved", self.files));
        }
        Ok(())
    }
}
