//! A throw-away wirewatch around the built program: config, secret, seed directory, state; starting,
//! signalling and waiting for the process; dropping files as a careful writer does.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::truth::{Article, Origin};

/// The receiver's secret, and the config's.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Who sends items by HTTP, with the token of [`PUSH_TOKEN`].
pub const PUSHES: &str = "pusher";
/// As its file has it.
pub const PUSH_TOKEN: &str = "a-token-of-the-pusher-in-the-proof";
/// Nothing takes so long unless it hangs, even on a crowded machine.
pub const HANGS: Duration = Duration::from_secs(180);
/// Between two looks at something nobody announces.
const LOOK: Duration = Duration::from_millis(5);

/// What the program talks to.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    pub feeds: SocketAddr,
    pub feed_count: usize,
    pub receiver: SocketAddr,
    /// Where the program listens; `None`: nowhere, and nothing is pushed.
    pub pushes: Option<SocketAddr>,
}

/// The directory, and the program that runs in it.
pub struct Room {
    pub dir: PathBuf,
    pub program: PathBuf,
    /// A bug to plant (debug builds only).
    pub planted: Option<String>,
    /// Kept when it is dropped: something failed.
    pub keep: bool,
}

impl Room {
    pub fn new(parent: &Path, program: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("prove-").tempdir_in(parent)?.keep();
        fs::create_dir(dir.join("seeds"))?;
        for (name, secret) in [("secret", SECRET), ("push-token", PUSH_TOKEN)] {
            let file = dir.join(name);
            fs::write(&file, secret)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(Self { dir, program: program.to_owned(), planted: None, keep: false })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes the config whole; `version` changes what a reload may change.
    pub fn configure(&self, around: &Around, version: u64, more: &str) -> io::Result<()> {
        let text = format!("{}{more}", config(around, version));
        self.write_config(&text)
    }

    /// Puts a config in place, broken ones too.
    pub fn write_config(&self, text: &str) -> io::Result<()> {
        let temporary = self.path("wirewatch.toml.new");
        fs::write(&temporary, text)?;
        fs::rename(temporary, self.path("wirewatch.toml"))
    }

    /// The program with this room's config and nothing of ours around it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", &self.dir).env("WIREWATCH_CONFIG", self.path("wirewatch.toml"));
        if let Some(bug) = &self.planted {
            command.env("WIREWATCH_PLANTED", bug);
        }
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs a command to its end; its output.
    pub fn output(&self, arguments: &[&str]) -> io::Result<std::process::Output> {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output()
    }

    /// Starts a command whose log goes to this file.
    pub fn start(&self, arguments: &[&str], log: &str) -> io::Result<Program> {
        let mut command = self.command(arguments);
        self.start_as(&mut command, log)
    }

    /// Starts a prepared command.
    pub fn start_as(&self, command: &mut Command, log: &str) -> io::Result<Program> {
        let log = self.path(log);
        command.stderr(File::create(&log)?);
        Ok(Program { child: command.spawn()?, log })
    }

    /// Drops a file: written under another name, synced, renamed.
    pub fn drop_file(&self, seed: u64, n: u64) -> io::Result<()> {
        let article = Article::of(seed, Origin::Files, n);
        let temporary = self.path("seeds").join(format!("{}.txt.tmp", article.name));
        let mut file = File::create(&temporary)?;
        file.write_all(article.file().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, self.path("seeds").join(format!("{}.txt", article.name)))
    }

    /// Files in the seed directory that are still to be taken, and those that were.
    pub fn files(&self) -> io::Result<(usize, usize)> {
        let count = |dir: PathBuf| match fs::read_dir(dir) {
            Ok(entries) => Ok(entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_file())).count()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        };
        Ok((count(self.path("seeds"))?, count(self.path("seeds/done"))?))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed stays in the temporary directory; the run's verdict does not depend on it.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A running program; killed when it is dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        // One that has ended in the meantime needs no signal.
        let _ = kill_process(self.pid(), signal);
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end; `None` when it hangs.
    pub async fn ended(&mut self, most: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + most;
        while Instant::now() < until {
            if let Some(status) = self.try_wait() {
                return Some(status);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }

    /// Waits until it says that it is ready; false when it ended or hangs instead.
    pub async fn ready(&mut self) -> bool {
        let until = Instant::now() + HANGS;
        while Instant::now() < until && self.try_wait().is_none() {
            if self.log().contains("wirewatch is ready") {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended, in words.
pub fn ended_as(status: Option<ExitStatus>) -> String {
    match status {
        None => "hangs".to_owned(),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "unknown".to_owned(),
        },
    }
}

/// Waits for something that nobody announces.
pub async fn until(most: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + most;
    while !holds() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(LOOK * 4).await;
    }
    true
}

/// The config; `version` changes a label and adds a topic that nothing hits.
pub fn config(around: &Around, version: u64) -> String {
    // Quick at first, and for longer than any trouble of `faults`: nobody is here to replay what was parked.
    let retries = [["\"1s\""; 40].join(", "), ["\"10s\""; 57].join(", ")].join(", ");
    let mut text = format!(
        r#"[daemon]
state_dir = "state"
threads = 2
instance = "proof"
[seeds]
dir = "seeds"
settle = "50ms"
rescan = "300ms"
after = "move"
[http]
listen = "{listen}"
[limits]
free_space_min = "1MiB"
[polling]
start_spread = "0s"
host_spacing = "0s"
fetches_per_host_max = 16
connect_timeout = "2s"
idle_timeout = "2s"
total_timeout = "5s"
[delivery]
jitter = 0.0
connect_timeout = "2s"
schedule = ["0s", "200ms", "500ms", {retries}]
[[endpoints]]
id = "desk"
url = "http://{receiver}/hook"
secret_file = "secret"
timeout = "10s"
source_alerts = false
allow_private = ["127.0.0.0/8", "10.0.0.0/8"]
[[topics]]
id = "levee"
label = "Levees, version {version}"
severity = "high"
terms = [ {{ id = "levee", match = "levee", weight = 8.0 }} ]
[[topics]]
id = "ferry"
label = "Ferries"
terms = [ {{ id = "ferry", match = "ferry", weight = 8.0 }} ]
"#,
        listen = around.pushes.map_or_else(|| "off".to_owned(), |address| address.to_string()),
        receiver = around.receiver
    );
    if around.pushes.is_some() {
        let _ = write!(text, "[[pushes]]\nid = \"{PUSHES}\"\ntoken_file = \"push-token\"\nrate = \"1000000/m\"\n");
    }
    if version % 2 == 1 {
        text.push_str("[[topics]]\nid = \"spare\"\nlabel = \"Spare\"\nterms = [ { match = \"zeppelin\" } ]\n");
    }
    for feed in 0..around.feed_count {
        let _ = write!(
            text,
            "[[feeds]]\nid = \"f{feed}\"\nurl = \"http://{}/feed/{feed}\"\ninterval = \"1s\"\nbackfill = \"all\"\n\
             alerts_per_day_max = \"off\"\nallow_private = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n",
            around.feeds
        );
    }
    text
}
