//! The program under a service manager: what it tells a notification socket from start to stop, what a
//! loop that hangs does to the watchdog, and that a secret appears in no output at all.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::deliver::SECRET;
use super::newsroom::{HANGS, Newsroom, article, number, until};
use super::operate::{get, get_path};
use super::receiver::{Answer, Receiver};

/// A fake service manager: a socket, and the program that reports to it.
struct Service {
    socket: UnixDatagram,
    child: Child,
    told: Vec<String>,
}

impl Service {
    fn start(room: &Newsroom, watchdog: Duration, failpoint: &str) -> Self {
        let path = room.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(HANGS)).expect("a timeout");
        let log = fs::File::create(room.path("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_wirewatch"))
            .args(["run", "--config"])
            .arg(room.config_file())
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .env("WIREWATCH_FAILPOINT", failpoint)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .spawn()
            .expect("it starts");
        Self { socket, child, told: Vec::new() }
    }

    /// The next message that holds this.
    fn wait_for(&mut self, what: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let Ok(length) = self.socket.recv(&mut buffer) else { panic!("never told {what}: {:#?}", self.told) };
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.told.push(message.clone());
            if message.contains(what) {
                return message;
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("signalled");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn service_tells_ready_reloading_status_beats_and_stopping() {
    let room = Newsroom::silent("");
    let mut service = Service::start(&room, Duration::from_secs(1), "");
    assert!(service.wait_for("READY=1").contains("STATUS=Watching 0 feeds and the seed directory for 2 topics"));
    service.wait_for("WATCHDOG=1");
    service.signal(rustix::process::Signal::HUP);
    assert!(service.wait_for("RELOADING=1").contains("MONOTONIC_USEC="));
    service.wait_for("READY=1");
    service.signal(rustix::process::Signal::TERM);
    service.wait_for("STOPPING=1");
    assert!(service.child.wait().expect("it ends").success());
}

#[cfg(debug_assertions)]
#[test]
fn service_stuck_loop_stops_the_watchdog_and_is_named() {
    let room = Newsroom::silent("");
    room.drop_file("1.txt", &article(1));
    let mut service = Service::start(&room, Duration::from_secs(3), "stall@after-commit");
    service.wait_for("STATUS=Not well: the decision loop hangs");
    let until = Duration::from_secs(4);
    service.socket.set_read_timeout(Some(until)).expect("a timeout");
    let mut buffer = [0; 4096];
    for _ in 0..3 {
        if let Ok(length) = service.socket.recv(&mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]);
            assert!(!message.contains("WATCHDOG=1"), "{message}");
        }
    }
    let log = fs::read_to_string(room.path("log")).expect("read");
    assert_eq!(log.matches("a loop hangs, the watchdog is not fed").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_appears_in_no_output() {
    let receiver = Receiver::start().await;
    // It says back what it was sent.
    let echo = "no such hook: POST /services/canaryecho?code=canarycode, x-key: Token canaryheader";
    let echoing = Receiver::start().await;
    echoing.otherwise(Answer::Status(404, Vec::new(), echo.to_owned()));
    let address = echoing.address;
    let more = "[[feeds]]\nid = \"closed\"\nurl = \"http://canaryuser:canarypass@127.0.0.1:9/f?key=canaryquery\"\n\
                interval = \"1s\"\nallow_private = [\"127.0.0.0/8\"]\n\
                [[feeds]]\nid = \"bearer\"\nurl = \"http://127.0.0.1:9/b\"\nbearer_file = \"bearer\"\n\
                interval = \"1s\"\nallow_private = [\"127.0.0.0/8\"]\n\
                [[feeds]]\nid = \"basic\"\nurl = \"http://127.0.0.1:9/c\"\nbasic_file = \"basic\"\n\
                interval = \"1s\"\nallow_private = [\"127.0.0.0/8\"]\n\
                [[endpoints]]\nid = \"chat\"\nformat = \"slack\"\nurl = \"http://127.0.0.1:9/services/canarypath\"\n\
                allow_private = [\"127.0.0.0/8\"]\n\
                [[endpoints]]\nid = \"turning\"\nurl = \"http://canaryhook:canaryhook@127.0.0.1:9/\"\n\
                secret_file = \"secret\"\nsecret_file_old = \"old\"\nsecret_old_until = 2999-01-01T00:00:00Z\n\
                allow_private = [\"127.0.0.0/8\"]\n";
    let echo = format!(
        "[[endpoints]]\nid = \"echo\"\nformat = \"slack\"\nurl = \"http://{address}/services/canaryecho?code=canarycode\"\n\
         group_wait = \"0s\"\nheaders = [\"x-key: Token canaryheader\"]\nallow_private = [\"127.0.0.0/8\"]\n"
    );
    let room = Newsroom::new(&receiver, &format!("{more}{echo}"));
    let old = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";
    for (name, text) in [("bearer", "canarybearer\n"), ("basic", "desk:canarybasic\n"), ("old", old)] {
        fs::write(room.path(name), text).expect("written");
        fs::set_permissions(room.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("private");
    }
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"\ntoken_file = \"token\"");
    room.reconfigure("[daemon]", "[daemon]\nlog = \"trace\"");
    let token = room.path("token");
    fs::write(&token, "canarytoken\n").expect("written");
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("private");
    room.drop_file("1.txt", &article(1));
    let mut service = Service::start(&room, Duration::from_secs(60), "");
    receiver.wait_for(1).await;
    echoing.wait_for(1).await;
    service.wait_for("failing");
    until("both recorded", || number(&room.store(), "SELECT count(*) FROM attempts") >= 2).await;
    let mut outputs = vec![("status messages", service.told.join("\n"))];
    // A store in PostgreSQL (`proof/postgres`) has no file.
    let is_remote = std::env::var_os("WIREWATCH_TEST_STORE").is_some();
    for file in ["wirewatch.db", "wirewatch.db-wal"].into_iter().filter(|_| !is_remote) {
        let stored = fs::read(room.path("state").join(file)).expect("read");
        outputs.push(("store", String::from_utf8_lossy(&stored).into_owned()));
    }
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["check", "--json"],
        &["feeds"],
        &["feeds", "show", "closed"],
        &["feeds", "show", "closed", "--json"],
        &["items", "--json"],
        &["alerts", "--json"],
        &["deliveries", "--json"],
        &["reload", "--json"],
        &["search", "levee", "--json"],
        &["top", "--once"],
        &["top", "--json"],
        &["endpoints", "show", "desk", "--json"],
        &["endpoints", "test", "desk"],
        &["endpoints"],
        &["endpoints", "show", "chat", "--json"],
        &["endpoints", "test", "chat"],
        &["endpoints", "show", "echo"],
        &["endpoints", "show", "echo", "--json"],
        &["endpoints", "test", "echo"],
        &["endpoints", "show", "turning"],
        &["endpoints", "test", "turning", "--json"],
        &["feeds", "show", "bearer", "--json"],
        &["feeds", "show", "basic"],
        &["feeds", "check", "http://canaryuser:canarypass@127.0.0.1:9/f?key=canaryquery"],
        &["backup", "/proc/canary"],
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_wirewatch"))
            .args(args)
            .arg("--config")
            .arg(room.config_file())
            .output()
            .expect("it runs");
        let text = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        outputs.push((args[0], text));
    }
    let log = fs::read_to_string(room.path("log")).expect("read");
    let http = log.split("http=127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let http = std::net::SocketAddr::from(([127, 0, 0, 1], http.parse().expect("a port")));
    for path in ["/metrics", "/readyz", "/healthz", "/canary"] {
        let bare = get_path(http, path).await;
        assert!(bare.starts_with("HTTP/1.1 401"), "{bare}");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer canarytoken\r\nconnection: close\r\n\r\n"
        );
        let answer = get(http, &request).await;
        assert!(!answer.starts_with("HTTP/1.1 401"), "{answer}");
        outputs.extend([("listener", bare), ("listener", answer)]);
    }
    // A secret where it does not belong is refused, and not repeated.
    room.reconfigure("secret_file = \"secret\"", "secret = \"canarytoken\"\nsecret_file = \"secret\"");
    for args in [&["reload"][..], &["check"], &["check", "--json"], &["doctor"], &["status"]] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
        let run = run.args(args).arg("--config").arg(room.config_file()).output().expect("it runs");
        let text = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        outputs.push((args[0], text));
    }
    service.signal(rustix::process::Signal::HUP);
    service.wait_for("READY=1");
    service.signal(rustix::process::Signal::TERM);
    service.wait_for("STOPPING=1");
    assert!(service.child.wait().expect("it ends").success());
    outputs.push(("log", fs::read_to_string(room.path("log")).expect("read")));
    assert!(outputs.iter().any(|(_, text)| text.contains("closed")), "the feed itself is named");
    let secrets = [SECRET, old].map(|secret| secret.trim_start_matches("whsec_"));
    let canaries = [
        "canaryuser",
        "canarypass",
        "canarytoken",
        "canaryquery",
        "canarybearer",
        "canarybasic",
        "canarypath",
        "canaryhook",
        "canaryecho",
        "canarycode",
        "canaryheader",
    ];
    for (name, text) in &outputs {
        for canary in canaries.into_iter().chain(secrets) {
            // The addresses of feeds are stored, for they have to be asked; what a receiver says back is not.
            if *name == "store" && !["canaryecho", "canarycode", "canaryheader"].contains(&canary) {
                continue;
            }
            assert!(!text.contains(canary), "{canary} in {name}:\n{}", text.get(..4000).unwrap_or(text));
        }
    }
}
