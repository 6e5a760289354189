//! The real program under load: a config with everything on, started as a child, looked at through
//! /proc and its database, stopped in order. Only what this process spends is counted.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::bed::Bed;
use crate::words::Language;

/// Nothing here takes longer than this.
pub const HANGS: Duration = Duration::from_secs(900);
/// Topics of the config.
const TOPICS: usize = 100;

/// A folder with a config and a store.
pub struct Place {
    /// The folder.
    pub dir: tempfile::TempDir,
    program: PathBuf,
}

/// A running daemon.
pub struct Daemon {
    child: Child,
    /// From its start to READY.
    pub start: Duration,
}

/// What a process has spent and holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// The most it held.
    pub peak_bytes: u64,
    /// What it holds.
    pub resident_bytes: u64,
    /// Bytes it had written to the disk.
    pub written_bytes: u64,
}

impl Place {
    /// A folder below `target/`, on the same disk as any other work.
    pub fn new() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/load");
        std::fs::create_dir_all(&root)?;
        let program = match std::env::var_os("WIREWATCH_BIN") {
            Some(path) => PathBuf::from(path),
            None => beside()?,
        };
        if !program.exists() {
            return Err(format!("there is no {}: cargo build --release", program.display()).into());
        }
        let dir = tempfile::tempdir_in(root)?;
        std::fs::create_dir(dir.path().join("seeds"))?;
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")?;
        std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { dir, program })
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.dir.path().join("state").join(wirewatch::store::DATABASE_FILE)
    }

    /// A config with 100 topics, an endpoint and these feeds. What differs from the shipped defaults:
    /// no pause between requests to one host (all hosts are this machine), no spread at start (a wave is
    /// what is measured), no listener.
    pub fn configure(&self, bed: &Bed, feeds: usize, interval: &str) -> Result<(), Failure> {
        let mut text = format!(
            "include = []\n[daemon]\nstate_dir = \"state\"\nlog = \"warn\"\n[seeds]\ndir = \"seeds\"\n[http]\n\
             listen = \"off\"\n[polling]\nstart_spread = \"0s\"\nhost_spacing = \"0s\"\n[defaults.feed]\n\
             interval = \"{interval}\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        );
        let _ = write!(
            text,
            "[[endpoints]]\nid = \"desk\"\nurl = \"http://127.0.0.1:{}/sink\"\nsecret_file = \"secret\"\n\
             allow_private = [\"127.0.0.0/8\"]\n",
            bed.port
        );
        write_topics(&mut text);
        for feed in 0..feeds {
            let _ = write!(
                text,
                "[[feeds]]\nid = \"f{feed}\"\nurl = \"{}\"\nbytes_per_day_max = \"off\"\nalerts_per_day_max = \"off\"\n",
                bed.url(feed)
            );
        }
        std::fs::write(self.dir.path().join("wirewatch.toml"), text)?;
        Ok(())
    }

    /// Starts the daemon and waits for the word that systemd would get.
    pub fn start(&self) -> Result<Daemon, Failure> {
        let socket = self.dir.path().join("notify");
        let _ = std::fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket)?;
        notify.set_read_timeout(Some(HANGS))?;
        let began = Instant::now();
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--config").arg(self.dir.path().join("wirewatch.toml"));
        // As the shipped unit does.
        command.env("MALLOC_ARENA_MAX", "2");
        command.env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_TRIM_THRESHOLD_", "131072");
        command.env("NOTIFY_SOCKET", &socket).stdout(Stdio::null());
        let mut daemon = Daemon { child: command.spawn()?, start: Duration::ZERO };
        let mut word = [0; 512];
        loop {
            let read = notify.recv(&mut word)?;
            if word[..read].starts_with(b"READY=1") {
                daemon.start = began.elapsed();
                return Ok(daemon);
            }
        }
    }

    /// Reads one number from the database.
    pub fn number(&self, query: &str) -> Result<u64, Failure> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = rusqlite::Connection::open_with_flags(self.database(), flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection.query_row(query, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Spreads the polls of all feeds evenly over their interval, as those of a daemon that runs for long are.
    pub fn spread(&self, feeds: usize, interval: Duration) -> Result<(), Failure> {
        let now = wirewatch::clock::Clock::system().now().millis();
        let interval_ms = i64::try_from(interval.as_millis())?;
        rusqlite::Connection::open(self.database())?.execute(
            "UPDATE feeds SET next_poll_at = ?1 + CAST(substr(source, 2) AS INTEGER) * ?2 / ?3, \
             last_poll_at = ?1 + CAST(substr(source, 2) AS INTEGER) * ?2 / ?3 - ?2, interval = NULL",
            (now, interval_ms, i64::try_from(feeds)?),
        )?;
        Ok(())
    }

    /// Items and copies in the store: every item that was served is one or the other.
    pub fn stored(&self) -> Result<u64, Failure> {
        self.number("SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM sightings)")
    }

    /// Runs another command of the program to its end.
    pub fn command(&self, arguments: &[&str]) -> Result<(String, Duration), Failure> {
        let began = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--config").arg(self.dir.path().join("wirewatch.toml"));
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("wirewatch {} failed", arguments.join(" ")).into());
        }
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), began.elapsed()))
    }
}

/// The program that was built with this one.
fn beside() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("no folder above examples/")?;
    Ok(folder.join("wirewatch"))
}

/// A hundred topics that hit about one item in a hundred.
fn write_topics(text: &mut String) {
    let language = Language::new();
    for topic in 0..TOPICS {
        let word = |nth: usize| language.word(300 + (topic * 7 + nth * 1009) % 4000);
        let _ = write!(
            text,
            "[[topics]]\nid = \"t{topic}\"\nlabel = \"Topic {topic}\"\nterms = [ {{ match = '\"{} {}\"', weight = 5.0 }}, \
             {{ match = '{} NEAR/5 {}', weight = 4.0 }}, {{ match = '{} AND {}', weight = 5.0 }} ]\n",
            word(0),
            word(1),
            word(2),
            word(3),
            word(4),
            word(5)
        );
    }
}

impl Daemon {
    /// What it has spent and holds.
    pub fn spent(&self) -> Result<Spent, Failure> {
        spent(self.child.id())
    }

    /// Asks it to read its config again.
    pub fn reload(&self) -> Result<(), Failure> {
        self.signal(rustix::process::Signal::HUP)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<(), Failure> {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id())?).ok_or("no process")?;
        Ok(rustix::process::kill_process(id, signal)?)
    }

    /// Asks it to end in order, and waits.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.signal(rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the daemon ended with {status}").into()) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has spent, from /proc.
pub fn spent(id: u32) -> Result<Spent, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no name in stat")?.1.split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
    };
    let io = std::fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|n| n.parse().ok());
    Ok(Spent {
        cpu: Duration::from_millis(ticks * 10),
        peak_bytes: bytes("VmHWM:"),
        resident_bytes: bytes("VmRSS:"),
        written_bytes: written.unwrap_or(0),
    })
}
