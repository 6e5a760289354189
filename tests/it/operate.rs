//! What an operator does to a running wirewatch, and what they see of it: reloads in every state of the
//! config, a full disk, a backup and its restore, retention, search, metrics.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wirewatch::app::{App, AppError, Daemon, DaemonRequest};
use wirewatch::clock::Clock;
use wirewatch::config::{ConfigPlace, Environment, last_reload};
use wirewatch::model::Timestamp;
use wirewatch::store::{Access, Ages, SearchQuery, Store, restore};

use super::feed_server::{FeedServer, Reply, rss};
use super::newsroom::{Newsroom, article, body, firsts, integrity, number, pending, stop, title, told, until};
use super::program::{run, text};
use super::receiver::Receiver;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// A daemon in this process, asked by a channel instead of signals.
pub struct Running {
    pub requests: mpsc::Sender<DaemonRequest>,
    ended: JoinHandle<Result<(), AppError>>,
    pub store: Store,
    pub http: Option<std::net::SocketAddr>,
}

impl Running {
    pub fn of(room: &Newsroom, app: App) -> Self {
        let (store, http) = (app.store.clone(), app.http_address);
        let (requests, mut receiver) = mpsc::channel(8);
        let daemon = Daemon::new(app, ConfigPlace::File(room.config_file()), Environment::default());
        Self { requests, ended: tokio::spawn(async move { daemon.run(&mut receiver).await }), store, http }
    }

    /// One that listens, by the clock on the wall, and where.
    pub async fn listening(room: &Newsroom) -> (Self, std::net::SocketAddr) {
        let running = Self::of(room, room.start(&Clock::system()).await);
        let http = running.http.expect("it listens");
        (running, http)
    }

    /// Asks for a reload and waits for its result.
    pub async fn reload(&self, room: &Newsroom) -> bool {
        let state = room.path("state");
        let before = last_reload(&state).map(|record| record.begun_ms);
        self.requests.send(DaemonRequest::Reload).await.expect("the daemon listens");
        until("the reload ends", || last_reload(&state).map(|record| record.begun_ms) != before).await;
        last_reload(&state).expect("a record").taken
    }

    pub async fn stop(self) {
        self.requests.send(DaemonRequest::Stop).await.expect("the daemon listens");
        self.ended.await.expect("no panic").expect("in order");
    }
}

/// One request, the whole answer.
pub async fn get(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

pub async fn get_path(address: std::net::SocketAddr, path: &str) -> String {
    get(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
}

/// The value of a line of metrics.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_valid_broken_and_half_written_in_turn_lose_nothing() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    for n in 0..3u64 {
        let (link, text) = (format!("https://desk.example/{n}"), title(100 + n));
        feeds.feed(&format!("/{n}"), "\"a\"", &rss(&[(link.as_str(), text.as_str())]));
    }
    let feed = |n: u64| {
        format!(
            "[[feeds]]\nid = \"f{n}\"\nurl = \"{}\"\ninterval = \"1s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
            feeds.url(&format!("/{n}"))
        )
    };
    let room = Newsroom::new(&receiver, &feed(0));
    let good = fs::read_to_string(room.config_file()).expect("read");
    let more = format!("{good}{}{}", feed(1), feed(2));
    let half = more[..more.len() / 2].to_owned();
    let running = Running::of(&room, room.start(&Clock::system()).await);
    let texts = [more.as_str(), "[daemon\nstate_dir = 1", "", half.as_str(), good.as_str()];
    for n in 0..20u64 {
        fs::write(room.config_file(), texts[n as usize % texts.len()]).expect("written");
        running.requests.send(DaemonRequest::Reload).await.expect("the daemon listens");
        room.drop_file(&format!("{n}.txt"), &article(n));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::write(room.config_file(), &more).expect("written");
    let wanted = room.config().fingerprint().to_string();
    until("the last reload is taken", || {
        // More are asked for than can wait: the one that counts is the last.
        let _ = running.requests.try_send(DaemonRequest::Reload);
        last_reload(&room.path("state")).is_some_and(|record| record.taken && record.fingerprint == wanted)
    })
    .await;
    receiver.wait_for(20 + 3).await;
    until("all recorded", || pending(&running.store) == 0).await;
    assert_eq!(number(&running.store, "SELECT count(*) FROM items"), 23);
    let polls = feeds.asked("/0").len();
    until("the feed that stayed is polled on", || feeds.asked("/0").len() > polls).await;
    running.stop().await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts((0..20).chain(100..103)));
    assert_eq!(told.repeats, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reload_that_changes_nothing_moves_no_poll_and_cuts_none_off() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    feeds.feed("/done", "\"a\"", &rss(&[("https://desk.example/1", title(1).as_str())]));
    feeds.on("/slow", |_| Reply::Silent);
    let feed = |id: &str, interval: &str| {
        let url = feeds.url(&format!("/{id}"));
        format!(
            "[[feeds]]\nid = \"{id}\"\nurl = \"{url}\"\ninterval = \"{interval}\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n"
        )
    };
    let room = Newsroom::new(&receiver, &format!("{}{}", feed("done", "1h"), feed("slow", "1h")));
    let good = fs::read_to_string(room.config_file()).expect("read");
    let running = Running::of(&room, room.start(&Clock::system()).await);
    receiver.wait_for(1).await;
    until("the slow one is asked", || feeds.asked("/slow").len() == 1).await;
    for text in [good.clone(), format!("# a remark\n{good}"), format!("{good}{}", feed("more", "1h"))] {
        feeds.feed("/more", "\"a\"", &rss(&[("https://desk.example/2", title(2).as_str())]));
        fs::write(room.config_file(), &text).expect("written");
        assert!(running.reload(&room).await);
    }
    receiver.wait_for(2).await;
    // The new feed was polled, so the new rules are in force; nobody else was asked again.
    assert_eq!([feeds.asked("/done").len(), feeds.asked("/slow").len(), feeds.asked("/more").len()], [1, 1, 1]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reload_refused_says_why_and_keeps_the_rules() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let good = fs::read_to_string(room.config_file()).expect("read");
    let running = Running::of(&room, room.start(&Clock::system()).await);
    for (text, why) in [
        (good.replace("match = \"levee\"", "match = \"levee AND (\""), "error"),
        (good.replace("state_dir = \"state\"", "state_dir = \"other\""), "only a restart can change daemon.state_dir"),
        (format!("{good}[[tests]]\ntitle = \"quiet\"\ntopics = [\"levee\"]\n"), "error"),
        (" \n".to_owned(), "empty"),
    ] {
        fs::write(room.config_file(), &text).expect("written");
        assert!(!running.reload(&room).await, "{why}");
        let record = last_reload(&room.path("state")).expect("a record");
        assert!(format!("{record:?}").contains(why), "{record:?}");
    }
    room.drop_file("1.txt", &article(1));
    receiver.wait_for(1).await;
    fs::write(room.config_file(), good.replace("match = \"levee\"", "match = \"harbour\"")).expect("written");
    assert!(running.reload(&room).await);
    assert_eq!(last_reload(&room.path("state")).expect("a record").summary, "topics: changed levee");
    room.drop_file("2.txt", &article(2));
    until("stored under the new rules", || number(&running.store, "SELECT count(*) FROM items") == 2).await;
    assert_eq!(number(&running.store, "SELECT count(*) FROM alerts"), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_doctor_beside_a_broken_config_show_the_running_daemon() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let running = Running::of(&room, room.start(&Clock::system()).await);
    room.reconfigure("match = \"levee\"", "macht = \"levee\"");
    let status = run(&room, &["status"]).await;
    let shown = [text(&status.stdout), text(&status.stderr)].concat();
    assert_eq!(status.status.code(), Some(0), "{shown}");
    assert!(shown.contains("wirewatch is running") && shown.contains("attention  the config has 2 errors"), "{shown}");
    let doctor = run(&room, &["doctor"]).await;
    assert_eq!(doctor.status.code(), Some(69));
    let shown = text(&doctor.stdout);
    let is_sound = ["the database is whole", "its server keeps it whole"].iter().any(|words| shown.contains(words));
    assert!(shown.contains("2 errors") && is_sound, "{shown}");

    assert!(!running.reload(&room).await);
    room.reconfigure("macht = \"levee\"", "match = \"levee\"");
    let status = run(&room, &["status"]).await;
    assert!(text(&status.stdout).contains("attention  the last reload was refused (it has 2 errors)"));
    assert!(running.reload(&room).await);
    assert!(!text(&run(&room, &["status"]).await.stdout).contains("attention"));
    // A start takes the config as it is now; what a reload found wrong before is over.
    room.reconfigure("match = \"levee\"", "macht = \"levee\"");
    assert!(!running.reload(&room).await);
    room.reconfigure("macht = \"levee\"", "match = \"levee\"");
    running.stop().await;
    let running = Running::of(&room, room.start(&Clock::system()).await);
    let status = run(&room, &["status"]).await;
    assert!(!text(&status.stdout).contains("attention"), "{}", text(&status.stdout));
    for early in [["stories", "--outlets", "3", "list"], ["items", "--source", "seeds", "list"]] {
        let refused = run(&room, &early).await;
        assert_eq!(refused.status.code(), Some(64));
        assert!(text(&refused.stderr).contains("cannot be used with"), "{}", text(&refused.stderr));
    }
    fs::remove_dir_all(room.path("seeds")).expect("removed");
    assert!(text(&run(&room, &["status"]).await.stdout).contains("attention  the seed directory cannot be read"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_that_changes_is_taken_by_itself_where_that_is_asked_for() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    room.reconfigure("[daemon]", "include = [\"more/*.toml\"]\n[daemon]\nreload_on_change = true");
    fs::create_dir(room.path("more")).expect("a folder");
    let silence = |topic: &str| format!("[[silences]]\nid = \"quiet\"\ntopics = [\"{topic}\"]\n");
    fs::write(room.path("more/silences.toml"), silence("ferry")).expect("written");
    let running = Running::of(&room, room.start(&Clock::system()).await);
    let last = |state: std::path::PathBuf| last_reload(&state).map(|record| (record.taken, record.summary));
    assert_eq!(last(room.path("state")), None);
    // An included file is written in two parts, the first of which is no TOML.
    let text = silence("levee");
    fs::write(room.path("more/silences.toml"), &text[..text.len() - 3]).expect("written");
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(room.path("more/silences.toml"), &text).expect("written");
    until("it is taken", || last(room.path("state")) == Some((true, "silences: changed quiet".to_owned()))).await;
    // A new file beside it, by renaming; then a broken one, which is refused and said so.
    fs::write(
        room.path("more/new.tmp"),
        "[[topics]]\nid = \"gate\"\nlabel = \"Gates\"\nterms = [ { id = \"gate\", match = \"gate\" } ]\n",
    )
    .expect("written");
    fs::rename(room.path("more/new.tmp"), room.path("more/new.toml")).expect("renamed");
    until("it is taken", || last(room.path("state")) == Some((true, "topics: added gate".to_owned()))).await;
    fs::write(room.path("more/new.toml"), "[[topics]\n").expect("written");
    until("it is refused", || last(room.path("state")).is_some_and(|(taken, _)| !taken)).await;
    room.reconfigure("reload_on_change = true", "reload_on_change = false");
    fs::remove_file(room.path("more/new.toml")).expect("removed");
    until("it is taken", || last(room.path("state")).is_some_and(|(taken, _)| taken)).await;
    fs::write(room.path("more/silences.toml"), silence("ferry")).expect("written");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (_, summary) = last(room.path("state")).expect("a record");
    assert!(!summary.contains("quiet"), "nobody watches any more: {summary}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_nearly_full_takes_nothing_new_and_goes_on_when_there_is_room() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "[limits]\nfree_space_min = \"1024GiB\"\n");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    let mut answer = String::new();
    for _ in 0..200 {
        answer = get_path(http, "/readyz").await;
        if answer.contains("503") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(answer.contains("nothing new is taken"), "{answer}");
    room.drop_file("1.txt", &article(1));
    until("a batch was given back", || {
        number(&running.store, "SELECT count(*) FROM items") == 0
            && number(&running.store, "SELECT count(*) FROM seed_files") == 0
    })
    .await;
    assert!(value(&get_path(http, "/metrics").await, "wirewatch_store_holding") > 0.5);
    room.reconfigure("1024GiB", "1MiB");
    assert!(running.reload(&room).await);
    receiver.wait_for(1).await;
    running.stop().await;
    assert_eq!(told(&receiver.received(), None).alerts(), firsts([1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_received_is_the_sum_of_what_became_of_it() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    for n in 0..3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    room.drop_file("copy.txt", &format!("{}\n\n{}\n\nMore soon.\n", title(1), body(1)));
    room.drop_file("empty.json", "{\"version\": \"https://jsonfeed.org/version/1.1\", \"items\": [{}, 7]}");
    until("all are seen", || number(&running.store, "SELECT count(*) FROM seed_files") == 5).await;
    let mut metrics = String::new();
    // What is stored is counted a moment later.
    for _ in 0..1200 {
        metrics = get_path(http, "/metrics").await;
        if value(&metrics, "wirewatch_ingest_received_items_total") > 5.5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let of = |outcome: &str| value(&metrics, &format!("wirewatch_ingest_items_total{{outcome=\"{outcome}\"}}"));
    let sum: f64 = ["new", "known", "sighting", "revision", "rejected"].iter().map(|o| of(o)).sum();
    assert!((value(&metrics, "wirewatch_ingest_received_items_total") - sum).abs() < 0.5, "{metrics}");
    assert!(of("new") >= 3.0 && sum > 3.0, "{metrics}");
    assert!(metrics.contains("wirewatch_ingest_rejected_total{reason="), "every reason from the start");
    assert!(get_path(http, "/healthz").await.contains("200 OK"));
    let foreign = "GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let refused = get(http, foreign).await;
    assert!(refused.starts_with("HTTP/1.1 421") && refused.contains("content-security-policy"), "{refused}");
    running.stop().await;
}

/// Words of queries: names of metrics, and labels in `by (…)` and `{{…}}`.
fn asked(queries: &str) -> (Vec<&str>, Vec<&str>) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = queries.split(|c| !word(c)).filter(|name| name.starts_with("wirewatch_")).collect();
    let (grouped, shown) = (queries.split("by (").skip(1), queries.split("{{").skip(1));
    let lists =
        grouped.filter_map(|rest| rest.split(')').next()).chain(shown.filter_map(|rest| rest.split("}}").next()));
    let labels = lists.flat_map(|list| list.split(|c| !word(c))).map(|label| label.trim_start_matches("labels"));
    (names, labels.filter(|label| !matches!(*label, "" | "le" | "value" | "humanizeDuration")).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_that_the_dashboard_and_the_rules_ask_for_are_exported_with_their_labels() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    feeds.feed("/f", "\"a\"", &rss(&[("https://desk.example/1", title(1).as_str())]));
    let feed = format!(
        "[[feeds]]\nid = \"f\"\nurl = \"{}\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url("/f")
    );
    let room = Newsroom::new(&receiver, &feed);
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    let count = |metrics: &str, name: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(&format!("wirewatch_{name}")));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    let mut metrics = String::new();
    for _ in 0..1200 {
        metrics = get_path(http, "/metrics").await;
        if count(&metrics, "deliver_alert_to_delivered_seconds_count{endpoint=\"desk\"}") > 0.5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for name in [
        "deliver_alert_to_delivered_seconds_count{endpoint=\"desk\"}",
        "deliver_attempt_seconds_count{endpoint=\"desk\"}",
        "deliver_attempts_total{endpoint=\"desk\",outcome=\"delivered\"}",
        "ingest_topic_alerts_total{topic=\"levee\"}",
        "ingest_matches_total{topic=\"levee\"}",
        "ingest_commit_seconds_count",
        "poll_duration_seconds_count{outcome=\"document\"}",
    ] {
        assert!(count(&metrics, name) > 0.5, "{name} counted nothing in {metrics}");
    }
    for page in ["docs/grafana-dashboard.json", "docs/prometheus-alerts.yml"] {
        let queries = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("read");
        let (names, labels) = asked(&queries);
        assert!(names.len() > 10 && labels.len() > 1, "{page}: {names:?} {labels:?}");
        // Of nodes there is something to say only where several share a store.
        for name in names.into_iter().filter(|name| !name.starts_with("wirewatch_node_")) {
            let exported = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            assert!(metrics.lines().any(exported), "{page} asks for {name}, which is not exported");
        }
        for label in labels.into_iter().filter(|label| *label != "node") {
            assert!(metrics.contains(&format!("{label}=\"")), "{page} asks for the label {label}, which no metric has");
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silences_in_force_are_a_warning_of_readyz_and_figures() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "[[silences]]\nid = \"drill\"\ntopics = [\"levee\"]\n");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    room.drop_file("1.txt", &article(1));
    let mut ready = String::new();
    for _ in 0..1200 {
        ready = get_path(http, "/readyz").await;
        if ready.contains("silences: 1 silence in force, 1 alert held back (drill until ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(ready.contains("200 OK") && ready.contains("1 alert held back (drill until "), "{ready}");
    let metrics = get_path(http, "/metrics").await;
    assert!((value(&metrics, "wirewatch_silences_active") - 1.0).abs() < 0.1, "{metrics}");
    assert!((value(&metrics, "wirewatch_silenced_alerts{silence=\"drill\"}") - 1.0).abs() < 0.1, "{metrics}");
    running.stop().await;
    assert_eq!(receiver.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_of_a_running_store_restores_whole_and_sends_the_same_ids() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    for n in 0..7 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    // At the same moment twice: a message says when.
    let clock = Clock::manual(Timestamp::from_seconds(1_742_198_531));
    let app = room.start(&clock).await;
    until("seven are stored", || number(&app.store, "SELECT count(*) FROM items") == 7).await;
    let file = room.path("copy.db");
    let made = app.store.backup(&file, |_| {}).expect("copied");
    // What is lost is taken again in the same order, since it is one, so that its message is the same to the byte.
    room.drop_file("7.txt", &article(7));
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    receiver.wait_for(8).await;
    assert!(restore(&file, &room.path("state"), Timestamp::default()).is_err(), "the daemon still runs");
    stop(app).await;
    // Root restores for whoever the directory belongs to.
    let root = fs::metadata(room.path("state")).expect("there").uid() == 0;
    if root {
        chown(room.path("state"), Some(4711), Some(4711)).expect("given away");
    }
    let restored = restore(&file, &room.path("state"), Timestamp::from_seconds(1)).expect("restored");
    assert!(!root || fs::metadata(&restored.path).expect("there").uid() == 4711);
    assert_eq!((restored.items, restored.owed), (made.items, made.owed));
    assert_eq!(integrity(&room.path("state")), "ok");
    let app = room.start(&clock).await;
    until("what was lost is taken again", || number(&app.store, "SELECT count(*) FROM items") == 8).await;
    until("all delivered", || pending(&app.store) == 0).await;
    stop(app).await;
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..8), "the same ids as before");
    fs::write(&file, b"SQLite format 3\0 and then nothing").expect("written");
    assert!(restore(&file, &room.path("state"), Timestamp::default()).is_err());
    assert_eq!(integrity(&room.path("state")), "ok", "a bad backup changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_leaves_keys_and_what_is_owed() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    let (link, text) = ("https://desk.example/1".to_owned(), title(1));
    feeds.feed("/1", "\"a\"", &rss(&[(link.as_str(), text.as_str())]));
    let room = Newsroom::new(
        &receiver,
        &format!(
            "[[feeds]]\nid = \"f\"\nurl = \"{}\"\ninterval = \"1s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
            feeds.url("/1")
        ),
    );
    let app = room.start(&Clock::system()).await;
    receiver.wait_for(1).await;
    until("recorded", || pending(&app.store) == 0).await;
    stop(app).await;
    let store = Store::open(&room.path("state"), Access::Share).expect("opens");
    while store.index_batch().expect("indexed") {}
    let query = SearchQuery { text: "levee".to_owned(), limit: 10, ..SearchQuery::default() };
    assert_eq!(store.search(&query).expect("searched").len(), 1);
    store.check_search().expect("whole");
    let later = Clock::system().now().plus(400 * DAY);
    let ages =
        Ages { texts: Some(90 * DAY), items: Some(365 * DAY), keys: Some(730 * DAY), deliveries: None, changes: None };
    let owed = |state: &str| {
        let sql = format!("UPDATE deliveries SET state = '{state}', settled_at = 1");
        store.write("test", |tx| tx.execute(&sql, [])).expect("written");
    };
    owed("parked");
    assert_eq!(store.prune(&ages, later).expect("pruned").items, 0, "it is still owed");
    owed("delivered");
    let all = Ages { deliveries: Some(DAY), ..ages };
    let pruned = store.prune(&all, later).expect("pruned");
    assert_eq!((pruned.deliveries, pruned.items), (1, 1));
    for table in
        ["items", "texts", "matches", "stories", "story_sources", "story_topics", "alerts", "sightings", "attempts"]
    {
        let count: i64 = store
            .read("count", |c| c.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)))
            .expect("read");
        assert_eq!(count, 0, "{table}");
    }
    assert_eq!(number(&store, "SELECT count(*) FROM tombstones"), 1);
    assert!(store.search(&query).expect("searched").is_empty());
    store
        .write("test", |tx| tx.execute("UPDATE feeds SET etag = NULL, body_hash = NULL, next_poll_at = 0", []))
        .expect("written");
    drop(store);
    let polls = feeds.asked("/1").len();
    let app = room.start(&Clock::system()).await;
    until("polled again", || feeds.asked("/1").len() > polls + 1).await;
    assert_eq!(number(&app.store, "SELECT count(*) FROM items"), 0, "known, not new");
    stop(app).await;
    assert_eq!(receiver.count(), 1);
}
