//! A whole wirewatch in a throw-away directory: config, secret, seeds, state; and articles about
//! invented places, each an event of its own. For the tests that look at the product from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wirewatch::app::{App, Parts};
use wirewatch::clock::Clock;
use wirewatch::config::{Config, ConfigPlace, Environment};
use wirewatch::deliver::console::{Console, Style};
use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::{SignedHeaders, Signer};
use wirewatch::model::{ContentHash, Timestamp};
use wirewatch::store::{Access, Store};

use super::deliver::SECRET;
use super::receiver::{Received, Receiver};

/// Nothing waits this long unless it hangs, even on a crowded machine.
pub const HANGS: Duration = Duration::from_secs(180);

/// The part every test wants: no listener, no pauses that only spare real servers, two topics.
const CONFIG: &str = r#"
[daemon]
state_dir = "state"
threads = 2
[seeds]
dir = "seeds"
settle = "100ms"
rescan = "500ms"
[http]
listen = "off"
[polling]
start_spread = "0s"
host_spacing = "0s"
fetches_per_host_max = 16
[delivery]
jitter = 0.0
[[topics]]
id = "levee"
label = "Levees"
severity = "high"
terms = [ { id = "levee", match = "levee", weight = 5.0 } ]
[[topics]]
id = "ferry"
label = "Ferries"
terms = [ { id = "ferry", match = "ferry", weight = 10.0 } ]
"#;

/// The directory and what is needed to run on it, again and again.
pub struct Newsroom {
    pub dir: tempfile::TempDir,
}

impl Newsroom {
    /// With an endpoint `desk` at the receiver, signed, and further config.
    pub fn new(receiver: &Receiver, more: &str) -> Self {
        let desk = format!(
            "[[endpoints]]\nid = \"desk\"\nurl = \"{}\"\nsecret_file = \"secret\"\nallow_private = [\"127.0.0.0/8\"]\n",
            receiver.url()
        );
        Self::bare(&format!("{CONFIG}{desk}{more}"))
    }

    /// Without a receiver: alerts go to the console.
    pub fn silent(more: &str) -> Self {
        Self::bare(&format!("{CONFIG}[[endpoints]]\nid = \"console\"\nformat = \"console\"\n{more}"))
    }

    /// With this config and nothing else.
    pub fn bare(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("seeds")).expect("a folder");
        let secret = dir.path().join("secret");
        fs::write(&secret, format!("{SECRET}\n")).expect("written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("private");
        fs::write(dir.path().join("wirewatch.toml"), config).expect("written");
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config_file(&self) -> PathBuf {
        self.path("wirewatch.toml")
    }

    pub fn seed(&self, name: &str) -> PathBuf {
        self.path("seeds").join(name)
    }

    /// Replaces something in the config, for the next start.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config_file()).expect("read");
        assert!(text.contains(from), "no `{from}` in the config");
        fs::write(self.config_file(), text.replace(from, to)).expect("written");
    }

    pub fn config(&self) -> Config {
        let loaded = Config::load(&ConfigPlace::File(self.config_file()), &Environment::default());
        loaded.expect("a sound config").config
    }

    pub async fn start(&self, clock: &Clock) -> App {
        let config = self.config();
        let console = Console::to(Box::new(std::io::sink()), Style::plain(80));
        App::start(Parts { config, place: self.config_file().display().to_string(), clock: clock.clone(), console })
            .await
            .expect("it starts")
    }

    /// As writers should: under another name first.
    pub fn drop_file(&self, name: &str, text: &str) {
        let temporary = self.seed(&format!("{name}.tmp"));
        fs::write(&temporary, text).expect("written");
        fs::rename(&temporary, self.seed(name)).expect("renamed");
    }

    /// The store beside whatever runs.
    pub fn store(&self) -> Store {
        Store::open(&self.path("state"), Access::Read).expect("a store")
    }
}

/// Waits for something that nobody announces, such as a row in the store.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = tokio::time::Instant::now() + HANGS;
    while !holds() {
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Stops in order.
pub async fn stop(app: App) {
    tokio::time::timeout(HANGS, app.stop()).await.expect("it ends").expect("in order");
}

/// Deliveries not settled yet.
pub fn pending(store: &Store) -> i64 {
    let count = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
    store.read("count", |c| c.query_row(count, [], |row| row.get(0))).expect("read")
}

/// A number from a query.
pub fn number(store: &Store, query: &'static str) -> i64 {
    store.read("count", |c| c.query_row(query, [], |row| row.get(0))).expect("read")
}

/// What SQLite says of its own file; where stores are in PostgreSQL (`proof/postgres`), there is none.
pub fn integrity(state_dir: &Path) -> String {
    if std::env::var_os("WIREWATCH_TEST_STORE").is_some() {
        return "ok".to_owned();
    }
    let path = state_dir.join(wirewatch::store::DATABASE_FILE);
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked")
}

/// Alerts as the receiver knows them.
#[derive(Debug, Default)]
pub struct Told {
    /// (topic, item title, reason) → webhook ids.
    pub ids: BTreeMap<(String, String, String), BTreeSet<String>>,
    /// webhook id → hashes of bodies.
    pub bodies: BTreeMap<String, BTreeSet<ContentHash>>,
    /// webhook id → sequence.
    pub sequences: BTreeMap<String, u64>,
    /// Requests beyond the first of each id.
    pub repeats: usize,
}

/// Reads what arrived: every request signed, every alert under exactly one id with one body.
pub fn told(received: &[Received], now: Option<Timestamp>) -> Told {
    let signer = Signer::new(&[Secret::parse(SECRET).expect("valid")]).expect("keys");
    let mut told = Told::default();
    for request in received {
        let headers = SignedHeaders {
            id: Some(&request.id),
            timestamp: Some(&request.timestamp),
            signature: Some(&request.signature),
        };
        let sent = Timestamp::from_seconds(request.timestamp.parse().expect("a number"));
        signer.verify(headers, &request.body, now.unwrap_or(sent)).expect("a good signature");
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        let text = |at: &str| body.pointer(at).and_then(|v| v.as_str()).unwrap_or_else(|| panic!("{at}")).to_owned();
        assert_eq!(text("/data/alert/id"), request.id);
        let alert = (text("/data/topics/0/id"), text("/data/item/title"), text("/data/alert/reason"));
        told.ids.entry(alert).or_default().insert(request.id.clone());
        told.bodies.entry(request.id.clone()).or_default().insert(request.body_hash());
        told.sequences.insert(request.id.clone(), body["data"]["alert"]["sequence"].as_u64().expect("a number"));
    }
    told.repeats = received.len() - told.bodies.len();
    for (alert, ids) in &told.ids {
        assert_eq!(ids.len(), 1, "{alert:?} came as {ids:?}");
    }
    for (id, bodies) in &told.bodies {
        assert_eq!(bodies.len(), 1, "{id} came with {} bodies", bodies.len());
    }
    let distinct: BTreeSet<u64> = told.sequences.values().copied().collect();
    assert_eq!(distinct.len(), told.sequences.len(), "a sequence number was given twice");
    told
}

/// What is expected of so many articles, one `first` alert each.
pub fn firsts(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<(String, String, String)> {
    numbers.into_iter().map(|n| ("levee".to_owned(), title(n), "first".to_owned())).collect()
}

impl Told {
    pub fn alerts(&self) -> BTreeSet<(String, String, String)> {
        self.ids.keys().cloned().collect()
    }
}

/// The headline of article n; every one has the topic word and two of its own.
pub fn title(n: u64) -> String {
    let mut words = Words(n.wrapping_mul(7919) + 1);
    format!("{} levee holds near {}", words.capital(), words.capital())
}

/// Article n as a plain text file: its words are its own, so that it is its own story.
pub fn article(n: u64) -> String {
    format!("{}\n\n{}\n", title(n), body(n))
}

/// Its text.
pub fn body(n: u64) -> String {
    let mut words = Words(n.wrapping_mul(104_729) + 17);
    let sentence = |words: &mut Words| {
        let (place, actor) = (words.capital(), words.capital());
        let rest: Vec<String> = (0..9).map(|_| words.next()).collect();
        format!("In {place} the {actor} office said that {}.", rest.join(" "))
    };
    let sentences: Vec<String> = (0..8).map(|_| sentence(&mut words)).collect();
    format!("The levee was inspected. {}", sentences.join(" "))
}

/// Made-up words, the same for the same seed.
struct Words(u64);

impl Words {
    fn draw(&mut self, below: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below) as usize
    }

    fn next(&mut self) -> String {
        const HEADS: [&str; 12] = ["b", "br", "d", "dr", "g", "k", "l", "m", "n", "pr", "t", "v"];
        const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ei"];
        (0..3).flat_map(|_| [HEADS[self.draw(12)], VOWELS[self.draw(6)]]).collect()
    }

    fn capital(&mut self) -> String {
        let word = self.next();
        format!("{}{}", word[..1].to_uppercase(), &word[1..])
    }
}
