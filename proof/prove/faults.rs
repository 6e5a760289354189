//! Broken disks, starved resources, bad networks: each case starts the daemon, spoils something while feeds
//! and files go on, mends it, and then everything must be there, the process as light as before and the
//! trouble named in the log. A case that the machine does not permit is skipped and says so.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;

use super::check::{Finding, Findings};
use super::proxy::{Line, Proxy};
use super::room::{HANGS, Program, ended_as, until};
use super::shim::{self, Shim};
use super::stage::Stage;

/// A stop in order ends within this.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// A program that must end by itself does so within this.
const FAILS_WITHIN: Duration = Duration::from_secs(60);
/// Open files that may come and go.
const DESCRIPTORS_SLACK: usize = 12;

/// The cases by name; docs/development/fault-cases.md points here.
pub const CASES: [&str; 14] = [
    "disk/sync-error",
    "disk/write-error",
    "disk/full-for-a-while",
    "disk/full",
    "disk/read-only",
    "disk/read-only-at-start",
    "disk/seeds-read-only",
    "disk/locked",
    "resources/descriptors",
    "resources/starved",
    "resources/stopped",
    "network/bad-lines",
    "network/servers-gone",
    "network/partition",
];

/// How long trouble lasts.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    pub program: &'a Path,
    pub dir: &'a Path,
    pub seed: u64,
    /// Of waits that are minutes in a long run.
    pub trouble: Duration,
}

/// What came of a case.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub case: &'static str,
    /// Why it was not tried.
    pub skipped: Option<String>,
    /// What was seen, in words.
    pub seen: Vec<String>,
    pub findings: Vec<Finding>,
}

struct Case<'a> {
    plan: Plan<'a>,
    stage: Stage,
    findings: Findings,
    seen: Vec<String>,
    /// Requests that may come again.
    repeats_max: usize,
}

/// What ends a case early: not a finding.
enum Stop {
    Skip(String),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A mount that is undone when it is dropped.
struct Mount(std::path::PathBuf);

/// Runs one case.
///
/// # Errors
/// Those of the surroundings.
pub async fn run(case: &'static str, plan: Plan<'_>) -> io::Result<Verdict> {
    let stage = Stage::new(plan.dir, plan.program, plan.seed, None).await?;
    let mut this = Case { plan, stage, findings: Findings::default(), seen: Vec::new(), repeats_max: 4 };
    let end = this.play(case).await;
    let skipped = match end {
        Ok(()) => None,
        Err(Stop::Skip(why)) => Some(why),
        Err(Stop::Io(error)) => return Err(error),
    };
    if !this.findings.is_empty() {
        this.stage.room.keep = true;
        this.seen.push(format!("kept: {}", this.stage.room.dir.display()));
    }
    Ok(Verdict { case, skipped, seen: this.seen, findings: this.findings.0 })
}

impl Case<'_> {
    async fn play(&mut self, case: &str) -> Result<(), Stop> {
        match case {
            "disk/sync-error" => self.broken_disk("sync", 5, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20]).await,
            "disk/write-error" => self.broken_disk("write", 5, &[1, 5, 20, 40]).await,
            "disk/full-for-a-while" => self.full_for_a_while().await,
            "disk/full" => self.full_disk().await,
            "disk/read-only" => self.read_only().await,
            "disk/read-only-at-start" => self.read_only_at_start().await,
            "disk/seeds-read-only" => self.seeds_read_only().await,
            "disk/locked" => self.locked().await,
            "resources/descriptors" => self.few_descriptors().await,
            "resources/starved" => self.starved().await,
            "resources/stopped" => self.stopped().await,
            "network/bad-lines" => self.bad_lines().await,
            "network/servers-gone" => self.servers_gone().await,
            _ => self.partition().await,
        }
    }

    /// Calls fail as a dying disk makes them: the program must end with 74, and lose nothing.
    async fn broken_disk(&mut self, calls: &str, errno: i32, at: &[u64]) -> Result<(), Stop> {
        let shim = self.shim()?;
        for from in at {
            self.stage.publish(2, 2)?;
            let mut command = self.stage.room.command(&["run"]);
            let fail = shim::Plan { fail: Some(format!("{calls}:{errno}:{from}:1")), ..shim::Plan::default() };
            // Files of the seed directory are no matter of the store.
            shim.around(&mut command, &self.stage.room.state(), &fail);
            let mut program = self.stage.room.start_as(&mut command, "log")?;
            let status = program.ended(FAILS_WITHIN).await;
            if status.and_then(|s| s.code()) == Some(74) {
                self.seen.push(format!("{calls} {from} failed: exit 74"));
            } else {
                let text = format!("{calls} {from} failed: {}, not 74: {}", ended_as(status), program.log());
                self.findings.add("P11", text);
            }
            drop(program);
            self.stage.look(&mut self.findings)?;
        }
        self.stage.settle(at.len(), &mut self.findings).await.map_err(Stop::Io)
    }

    /// No space for a while: the program waits and goes on by itself.
    async fn full_for_a_while(&mut self) -> Result<(), Stop> {
        let shim = self.shim()?;
        self.stage.publish(2, 2)?;
        self.stage.settle(0, &mut self.findings).await?;
        self.stage.publish(2, 2)?;
        let mut command = self.stage.room.command(&["run"]);
        let fail = shim::Plan { fail: Some("write:28:14:4".to_owned()), ..shim::Plan::default() };
        shim.around(&mut command, &self.stage.room.state(), &fail);
        let mut program = self.stage.room.start_as(&mut command, "log")?;
        self.ready(&mut program).await?;
        for _ in 0..3 {
            self.stage.publish(2, 2)?;
            tokio::time::sleep(Duration::from_millis(1200)).await;
        }
        self.goes_on(program, "no space left", None).await
    }

    /// A small file system filled to the last byte: nothing is taken, nothing is lost.
    async fn full_disk(&mut self) -> Result<(), Stop> {
        let mount = self.mount("state", "size=24m")?;
        self.reconfigure("free_space_min = \"1MiB\"", "free_space_min = \"0B\"")?;
        let mut program = self.start()?;
        self.stage.publish(2, 2)?;
        self.ready(&mut program).await?;
        self.stage.arrived(HANGS).await;
        let before = weight(&program);
        let ballast = mount.0.join("ballast");
        fill(&ballast)?;
        self.stage.publish(3, 3)?;
        let named = until(Duration::from_secs(30), || program.log().contains("no space left")).await;
        self.expect(named, "P8", "a full disk is not named in the log");
        tokio::time::sleep(self.plan.trouble).await;
        fs::remove_file(ballast)?;
        let end = self.goes_on(program, "no space left", before).await;
        let _kept_until_here = mount;
        end
    }

    /// The file system of the store fails and turns read-only: exit 74; after the repair nothing is lost.
    async fn read_only(&mut self) -> Result<(), Stop> {
        let mount = self.mount_disk("state")?;
        let mut program = self.start()?;
        self.stage.publish(2, 2)?;
        self.ready(&mut program).await?;
        self.stage.arrived(HANGS).await;
        mount.fail()?;
        self.stage.publish(2, 2)?;
        let status = program.ended(FAILS_WITHIN).await;
        self.ended_with(74, status, &program);
        drop(program);
        mount.repair()?;
        let end = self.stage.settle(1, &mut self.findings).await.map_err(Stop::Io);
        let _kept_until_here = mount;
        end
    }

    async fn read_only_at_start(&mut self) -> Result<(), Stop> {
        let mount = self.mount("state", "size=64m")?;
        self.stage.publish(2, 2)?;
        self.stage.settle(0, &mut self.findings).await?;
        mount.remount("ro")?;
        let mut program = self.start()?;
        let status = program.ended(FAILS_WITHIN).await;
        let code = status.and_then(|s| s.code());
        let named = program.log().contains("state");
        self.expect(code.is_some_and(|code| code == 74 || code == 69) && named, "P9", "not refused by name");
        self.seen.push(format!("refused: {}: {}", ended_as(status), program.log().lines().last().unwrap_or_default()));
        mount.remount("rw")?;
        self.stage.publish(2, 2)?;
        drop(program);
        self.stage.settle(0, &mut self.findings).await.map_err(Stop::Io)
    }

    /// Files cannot be moved: they are taken once all the same, and moved when it is possible again.
    async fn seeds_read_only(&mut self) -> Result<(), Stop> {
        let mount = self.mount("seeds", "size=16m")?;
        self.stage.publish(1, 3)?;
        mount.remount("ro")?;
        let mut program = self.start()?;
        self.ready(&mut program).await?;
        let expected = self.stage.published().expected(self.plan.seed).len();
        let told = |stage: &Stage| stage.receiver.requests().iter().filter(|r| r.accepted).count();
        let all = until(HANGS, || told(&self.stage) >= expected).await;
        self.expect(all, "I2", "files in a directory that is read-only are not taken");
        tokio::time::sleep(self.plan.trouble).await;
        self.expect(told(&self.stage) == expected, "I3", "a file that could not be moved was told of again");
        mount.remount("rw")?;
        let end = self.goes_on(program, "move", None).await;
        let _kept_until_here = mount;
        end
    }

    /// Another program holds the database's lock.
    async fn locked(&mut self) -> Result<(), Stop> {
        let mut program = self.start()?;
        self.stage.publish(2, 2)?;
        self.ready(&mut program).await?;
        self.stage.arrived(HANGS).await;
        let before = weight(&program);
        let other =
            rusqlite::Connection::open(self.stage.room.state().join("wirewatch.db")).map_err(io::Error::other)?;
        other.busy_timeout(Duration::from_secs(10)).map_err(io::Error::other)?;
        other.execute_batch("BEGIN IMMEDIATE").map_err(io::Error::other)?;
        self.stage.publish(2, 2)?;
        tokio::time::sleep(self.plan.trouble.max(Duration::from_secs(12))).await;
        other.execute_batch("ROLLBACK").map_err(io::Error::other)?;
        drop(other);
        self.goes_on(program, "locked by another program", before).await
    }

    async fn few_descriptors(&mut self) -> Result<(), Stop> {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64; exec \"$0\" run"]).arg(&self.stage.room.program);
        let mut program = self.start_in_place(command)?;
        self.stage.publish(5, 20)?;
        self.ready(&mut program).await?;
        // Connections that are held open on the machine's side cost the program nothing; its own do.
        for _ in 0..3 {
            self.stage.publish(3, 20)?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.goes_on(program, "", None).await
    }

    /// One core, shared with others that never rest, at the lowest priority.
    async fn starved(&mut self) -> Result<(), Stop> {
        let burners: Vec<Program> = (0..3)
            .map(|n| {
                let mut burner = Command::new("taskset");
                burner.args(["-c", "0", "sh", "-c", "while :; do :; done"]);
                self.stage.room.start_as(&mut burner, &format!("log-burner-{n}"))
            })
            .collect::<io::Result<_>>()
            .map_err(|error| Stop::Skip(format!("taskset: {error}")))?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "nice", "-n", "10"]).arg(&self.stage.room.program).arg("run");
        let mut program = self.start_in_place(command)?;
        self.stage.publish(5, 5)?;
        self.ready(&mut program).await?;
        self.stage.publish(5, 5)?;
        let end = self.goes_on(program, "", None).await;
        drop(burners);
        end
    }

    async fn stopped(&mut self) -> Result<(), Stop> {
        let mut program = self.start()?;
        self.stage.publish(2, 2)?;
        self.ready(&mut program).await?;
        program.signal(Signal::STOP);
        self.stage.publish(2, 2)?;
        tokio::time::sleep(self.plan.trouble).await;
        program.signal(Signal::CONT);
        self.goes_on(program, "", None).await
    }

    /// Resets, silence, cuts and drips between the program and both servers.
    async fn bad_lines(&mut self) -> Result<(), Stop> {
        let (feeds, hook) =
            (Proxy::start(self.stage.feeds.address).await?, Proxy::start(self.stage.receiver.address).await?);
        self.stage.around.feeds = feeds.address;
        self.stage.around.receiver = hook.address;
        self.stage.room.configure(&self.stage.around, 0, "")?;
        let mut program = self.start()?;
        self.stage.publish(2, 2)?;
        self.ready(&mut program).await?;
        self.stage.arrived(HANGS).await;
        let before = weight(&program);
        for line in [Line::Resets, Line::Cuts(20), Line::Silent, Line::Cuts(700), Line::Drips] {
            feeds.is(line);
            hook.is(line);
            self.stage.publish(2, 2)?;
            tokio::time::sleep(self.plan.trouble / 2).await;
        }
        feeds.is(Line::Good);
        hook.is(Line::Good);
        // An answer that is lost on its way makes a repeat, and no kill is needed for that.
        self.repeats_max = usize::MAX;
        self.goes_on(program, "", before).await
    }

    /// Nobody listens any more where both servers were; then they are back.
    async fn servers_gone(&mut self) -> Result<(), Stop> {
        let (feeds, receiver) = (self.stage.around.feeds, self.stage.around.receiver);
        // A port that nobody listens on, and then the right ones, by a reload.
        self.stage.around.feeds.set_port(1);
        self.stage.around.receiver.set_port(1);
        self.stage.room.configure(&self.stage.around, 0, "")?;
        let mut program = self.start()?;
        self.stage.publish(2, 4)?;
        self.ready(&mut program).await?;
        tokio::time::sleep(self.plan.trouble).await;
        (self.stage.around.feeds, self.stage.around.receiver) = (feeds, receiver);
        self.stage.room.configure(&self.stage.around, 0, "")?;
        program.signal(Signal::HUP);
        self.goes_on(program, "", None).await
    }

    /// A network of its own, whose link goes down and up.
    async fn partition(&mut self) -> Result<(), Stop> {
        let net = Net::make(std::process::id()).map_err(|error| Stop::Skip(error.to_string()))?;
        self.stage.around.feeds.set_ip(net.outside);
        self.stage.around.receiver.set_ip(net.outside);
        self.stage.room.configure(&self.stage.around, 0, "")?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &net.name]).arg(&self.stage.room.program).arg("run");
        let mut program = self.start_in_place(command)?;
        self.stage.publish(2, 2)?;
        self.ready(&mut program).await?;
        self.stage.arrived(HANGS).await;
        net.link("down")?;
        // The kernel keeps to a connection that was given up, and its request arrives once the link is back.
        self.stage.reorders = true;
        self.stage.publish(2, 2)?;
        tokio::time::sleep(self.plan.trouble).await;
        net.link("up")?;
        self.goes_on(program, "", None).await
    }

    /// After the trouble: the process lives, everything arrives, it stops in order, all is there.
    async fn goes_on(&mut self, mut program: Program, named: &str, before: Option<Weight>) -> Result<(), Stop> {
        if let Some(status) = program.try_wait() {
            self.findings.add("lives", format!("{}: {}", ended_as(Some(status)), program.log()));
            return self.stage.settle(1, &mut self.findings).await.map_err(Stop::Io);
        }
        // A feed that failed for long is asked again after as long.
        let arrived = self.stage.arrived(HANGS + self.plan.trouble * 3).await;
        self.expect(arrived, "I2", "not everything arrived after the trouble ended");
        if let (Some(before), Some(after)) = (before, weight(&program)) {
            self.seen.push(format!(
                "{} → {} open files, {} → {} KiB",
                before.descriptors, after.descriptors, before.resident_kib, after.resident_kib
            ));
            let grown = after.descriptors > before.descriptors + DESCRIPTORS_SLACK
                || after.resident_kib > before.resident_kib * 2 + 16 * 1024;
            self.expect(!grown, "P8", "open files or memory did not come back to where they were");
        }
        let log = program.log();
        self.expect(log.contains(named), "log", "the trouble is not named in the log");
        self.expect(!log.contains("panicked"), "panic", &log);
        program.signal(Signal::TERM);
        let status = program.ended(STOPS_WITHIN).await;
        self.ended_with(0, status, &program);
        drop(program);
        self.stage.verify(self.repeats_max, &mut self.findings).map_err(Stop::Io)
    }

    fn expect(&mut self, holds: bool, what: &'static str, otherwise: &str) {
        if !holds {
            self.findings.add(what, otherwise.to_owned());
        }
    }

    fn ended_with(&mut self, code: i32, status: Option<ExitStatus>, program: &Program) {
        if status.and_then(|status| status.code()) == Some(code) {
            self.seen.push(format!("exit {code}"));
        } else {
            self.findings.add("exit", format!("{}, not {code}: {}", ended_as(status), program.log()));
        }
    }

    async fn ready(&mut self, program: &mut Program) -> Result<(), Stop> {
        let ready = program.ready().await;
        self.expect(ready, "start", &program.log());
        if ready { Ok(()) } else { Err(Stop::Skip("it did not start".to_owned())) }
    }

    fn start(&self) -> io::Result<Program> {
        self.stage.room.start(&["run"], "log")
    }

    /// Another command that becomes the program.
    fn start_in_place(&self, mut command: Command) -> io::Result<Program> {
        let own = self.stage.room.command(&[]);
        command.env_clear().envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(&self.stage.room.dir);
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        self.stage.room.start_as(&mut command, "log")
    }

    fn shim(&self) -> Result<Shim, Stop> {
        Shim::build(&self.stage.room.dir).map_err(|error| Stop::Skip(format!("the shim does not build: {error}")))
    }

    fn reconfigure(&self, from: &str, to: &str) -> io::Result<()> {
        let path = self.stage.room.path("wirewatch.toml");
        let text = fs::read_to_string(&path)?;
        self.stage.room.write_config(&text.replace(from, to))
    }

    fn mount(&self, name: &str, options: &str) -> Result<Mount, Stop> {
        let path = self.stage.room.path(name);
        fs::create_dir_all(&path)?;
        let options = format!("{options},mode=0700");
        run_command("mount", &["-t", "tmpfs", "-o", &options, "none", &path.to_string_lossy()])
            .map_err(|error| Stop::Skip(format!("no small file system can be mounted: {error}")))?;
        Ok(Mount(path))
    }

    /// A real file system in a file, which can fail.
    fn mount_disk(&self, name: &str) -> Result<Mount, Stop> {
        let mount = Mount(self.stage.room.path(name));
        fs::create_dir_all(&mount.0)?;
        let image = mount.image();
        fs::File::create(&image)?.set_len(64 << 20)?;
        run_command("mkfs.ext4", &["-q", &image])
            .and_then(|()| run_command("mount", &["-o", "loop,errors=remount-ro", &image, &mount.0.to_string_lossy()]))
            .map_err(|error| Stop::Skip(format!("no file system in a file can be mounted: {error}")))?;
        Ok(mount)
    }
}

impl Mount {
    fn remount(&self, how: &str) -> io::Result<()> {
        run_command("mount", &["-o", &format!("remount,{how}"), &self.0.to_string_lossy()])
    }

    fn image(&self) -> String {
        self.0.with_extension("image").to_string_lossy().into_owned()
    }

    /// What the kernel does when it finds an error on a disk: from now on it is read-only.
    fn fail(&self) -> io::Result<()> {
        let found = Command::new("losetup").args(["-j", &self.image()]).output()?;
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        let device = text.split(':').next().and_then(|device| device.strip_prefix("/dev/")).unwrap_or_default();
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1")
    }

    /// Unmounted, checked, mounted again.
    fn repair(&self) -> io::Result<()> {
        let (path, image) = (self.0.to_string_lossy(), self.image());
        run_command("umount", &[&path])?;
        // Its code says that it has mended something.
        let _ = run_command("e2fsck", &["-p", "-f", &image]);
        run_command("mount", &["-o", "loop", &image, &path])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run_command("umount", &["-l", &self.0.to_string_lossy()]);
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Weight {
    descriptors: usize,
    resident_kib: u64,
}

fn weight(program: &Program) -> Option<Weight> {
    let process = format!("/proc/{}", program.pid().as_raw_nonzero());
    let status = fs::read_to_string(format!("{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident_kib = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(Weight { descriptors: fs::read_dir(format!("{process}/fd")).ok()?.count(), resident_kib })
}

/// A network namespace with one link to here.
struct Net {
    name: String,
    link: String,
    outside: std::net::IpAddr,
}

impl Net {
    fn make(id: u32) -> io::Result<Self> {
        let (name, link, inner) = (format!("prove{id}"), format!("pv{id}"), format!("pw{id}"));
        run_command("ip", &["netns", "add", &name])?;
        let net = Self { name, link, outside: std::net::IpAddr::from([10, 77, 0, 1]) };
        let Self { name, link, .. } = &net;
        run_command("ip", &["link", "add", link, "type", "veth", "peer", "name", &inner, "netns", name])?;
        run_command("ip", &["addr", "add", "10.77.0.1/30", "dev", link])?;
        run_command("ip", &["link", "set", link, "up"])?;
        run_command("ip", &["-n", name, "addr", "add", "10.77.0.2/30", "dev", &inner])?;
        run_command("ip", &["-n", name, "link", "set", &inner, "up"])?;
        run_command("ip", &["-n", name, "link", "set", "lo", "up"])?;
        Ok(net)
    }

    fn link(&self, state: &str) -> io::Result<()> {
        run_command("ip", &["link", "set", &self.link, state])
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = run_command("ip", &["link", "del", &self.link]);
        let _ = run_command("ip", &["netns", "del", &self.name]);
    }
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::create(path)?;
    for bytes in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; bytes]).is_ok() {}
    }
    Ok(())
}

fn run_command(name: &str, arguments: &[&str]) -> io::Result<()> {
    let done = Command::new(name).args(arguments).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(io::Error::other(format!("{name} {}: {said}", arguments.join(" "))))
}
