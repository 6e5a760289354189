//! Every command that README and guide show is run, one after the other in one room, and what it prints is held against
//! `tests/golden/guide.txt`. With `WIREWATCH_WRITE=1` that is written anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::feed_server::{FeedServer, Reply, rss};
use super::newsroom::Newsroom;
use super::program::{json, run, text};
use super::receiver::Receiver;
use super::transcripts::{golden, steady};

/// What goes on until it is stopped, sends to a daemon, or needs a server: tried by `transcripts`, `receive`, `top`, `mcp`,
/// `push` and, for `store`, by `proof/cluster`.
const GO_ON: [&str; 6] = ["run", "receive", "top", "mcp", "push", "store"];
/// Lines of one answer that are pinned.
const LINES_MAX: usize = 16;

const CONFIG: &str = r#"
[daemon]
state_dir = "state"
threads = 2
[seeds]
dir = "seeds"
[http]
listen = "off"
[polling]
start_spread = "0s"
host_spacing = "0s"
[defaults.feed]
allow_private = ["127.0.0.0/8"]
[[topics]]
id = "sanctions"
label = "Sanctions"
severity = "high"
terms = [ { id = "package", match = '"sanctions package"', weight = 5.0 } ]
[[topics]]
id = "troop-deployment"
label = "Troop deployments"
terms = [ { id = "brigade", match = "brigade", weight = 5.0 } ]
[[tests]]
title = "Parliament adopts a sanctions package"
topics = ["sanctions"]
"#;

/// Articles about invented places: three reports of one event, and two others.
const ARTICLES: [(&str, &str); 5] = [
    (
        "Northwire",
        "Osmark adopts new sanctions package\n\nThe parliament of Osmark adopted a sanctions package against Velden on Monday. It bans imports of steel.",
    ),
    (
        "Courier",
        "Osmark parliament adopts sanctions package against Velden\n\nOn Monday the parliament in Osmark adopted the sanctions package against Velden; imports of steel are banned.",
    ),
    (
        "Gazette",
        "Osmark's parliament adopts new sanctions package\n\nSteel from Velden is banned: the parliament of Osmark adopted its new sanctions package on Monday.",
    ),
    (
        "Northwire",
        "Brigade moves to the coast of Lorrin\n\nA brigade of 3,000 was moved to the coast of Lorrin before the autumn exercise, the ministry of defence said.",
    ),
    ("Courier", "Harbour of Tavik reopens\n\nThe harbour of Tavik reopened after a storm, and ferries run as planned."),
];

/// Commands of a page: those of its shell blocks but for what another test runs, and those in its text.
fn commands(page: &str) -> Vec<String> {
    let (mut out, mut fence, mut shell) = (Vec::new(), false, false);
    for line in page.lines() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            fence = !fence;
            shell = fence && info == "sh";
        } else if shell {
            out.extend(line.split(" && ").map(str::to_owned));
        } else if !fence {
            out.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    out.retain(|command| command.starts_with("wirewatch "));
    out
}

/// The words as a shell would see them, without a comment and without where the output goes.
fn words(command: &str) -> Vec<String> {
    let (mut out, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '#' | '>') if word.is_empty() => break,
            (None, ' ') if !word.is_empty() => out.push(std::mem::take(&mut word)),
            (None, ' ') => {}
            (_, c) => word.push(c),
        }
    }
    out
}

/// A command for each of its choices: `--format csv|json`.
fn choices(words: Vec<String>) -> Vec<Vec<String>> {
    let Some(at) = words.iter().position(|word| word.contains('|')) else { return vec![words] };
    let with = |choice: &str| {
        let mut words = words.clone();
        choice.clone_into(&mut words[at]);
        words
    };
    words[at].split('|').map(with).collect()
}

/// What stands for something of the reader's own becomes something of this room.
struct FillIn<'a> {
    room: &'a Newsroom,
    page: String,
    item: String,
    story: String,
    members: Vec<String>,
    other: String,
}

impl FillIn<'_> {
    fn of(&self, command: &[String]) -> Vec<String> {
        let mut members = self.members.iter().cycle();
        let mut stories = [&self.story, &self.other].into_iter().cycle();
        let mut out = Vec::new();
        let mut words = command.iter().skip(1);
        while let Some(word) = words.next() {
            let before = out.last().map(String::as_str).unwrap_or_default();
            let about = command[1].as_str();
            out.push(match (word.as_str(), about) {
                ("--config", _) => {
                    words.next();
                    continue;
                }
                ("ITEM", _) | ("ID" | "itm_…", "items") => self.item.clone(),
                ("ID", "stories") => self.story.clone(),
                ("itm_…", _) => members.next().expect("endless").clone(),
                ("sty_…" | "STORY", _) => stories.next().expect("endless").clone(),
                ("FILE", "restore") => self.inside("/var/backups/wirewatch.db"),
                ("FILE", "eval") => "labels.jsonl".to_owned(),
                ("FILE", _) => "0.txt".to_owned(),
                ("FOLDER", _) => "folder".to_owned(),
                ("NAME" | "T", _) => "sanctions".to_owned(),
                ("PAGE" | "URL", _) => self.page.clone(),
                ("ID", "feeds") => "gazette".to_owned(),
                ("812", _) | ("ID", "alerts") => "1".to_owned(),
                ("ID", "deliveries") if before != "--endpoint" => "1".to_owned(),
                ("ID", _) if before == "--alert" => "1".to_owned(),
                ("ID" | "ENDPOINT", _) => "desk".to_owned(),
                ("…", _) => "exercise".to_owned(),
                ("start of its title", _) => "Parliament adopts".to_owned(),
                (path, _) if path.starts_with('/') => self.inside(path),
                (word, _) => word.to_owned(),
            });
        }
        out
    }

    /// A place of the machine, below the room; what is read there is a backup.
    fn inside(&self, path: &str) -> String {
        let inside = self.room.path("root").join(path.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().expect("a folder")).expect("made");
        let backup = self.room.path("root/var/backups/wirewatch.db");
        if path.ends_with(".v1.db") && backup.exists() && !inside.exists() {
            fs::copy(backup, &inside).expect("copied");
        }
        inside.display().to_string()
    }
}

async fn prepared(receiver: &Receiver, feeds: &FeedServer) -> Newsroom {
    let serve = |path: &str, kind: &'static str, body: String| {
        feeds.on(path, move |_| Reply::ok(body.clone()).with("Content-Type", kind));
    };
    serve("/gazette", "application/rss+xml", rss(&[("https://gazette.example/1", "Council paints the town hall")]));
    serve("/news", "application/rss+xml", rss(&[("https://news.example/1", "Bridge of Tavik is repaired")]));
    let link =
        "<html><head><link rel=\"alternate\" type=\"application/rss+xml\" title=\"News\" href=\"/news\"></head></html>";
    serve("/", "text/html", link.to_owned());
    let more = format!(
        "[[endpoints]]\nid = \"desk\"\nurl = \"{}\"\nsecret_file = \"secret\"\nallow_private = [\"127.0.0.0/8\"]\n\
         [[feeds]]\nid = \"gazette\"\nurl = \"{}\"\n",
        receiver.url(),
        feeds.url("/gazette")
    );
    let room = Newsroom::bare(&format!("{CONFIG}{more}"));
    let write = |name: &str, text: &str| fs::write(room.path(name), text).expect("written");
    for (n, (outlet, article)) in ARTICLES.iter().enumerate() {
        let (title, text) = article.split_once("\n\n").expect("two parts");
        let item = serde_json::json!({"title": title, "text": text, "publisher": outlet, "lang": "en",
            "url": format!("https://{}.example/{n}", outlet.to_lowercase())});
        write(&format!("{n}.json"), &item.to_string());
        write(&format!("{n}.txt"), article);
        assert!(run(&room, &["ingest", &format!("{n}.json")]).await.status.success());
    }
    let config = fs::read_to_string(room.config_file()).expect("read");
    write("old.toml", &config.replace("brigade\", weight = 5.0", "brigade\", weight = 1.0"));
    write(
        "changed.toml",
        "[[topics]]\nid = \"sanctions\"\nlabel = \"Sanctions\"\nterms = [ { id = \"any\", match = \"sanctions\", weight = 5.0 } ]\n",
    );
    write("items.jsonl", "{\"id\": \"a\", \"title\": \"Brigade leaves Lorrin\", \"text\": \"The brigade left.\"}\n");
    write(
        "labels.jsonl",
        "{\"id\": \"a\", \"title\": \"Brigade leaves Lorrin\", \"text\": \"The brigade left.\", \"topics\": [\"troop-deployment\"]}\n\
         {\"id\": \"b\", \"title\": \"Market day in Tavik\", \"text\": \"Cheese and apples.\", \"topics\": []}\n",
    );
    room
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_readme_and_guide_prints_what_is_written_down() {
    let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
    let room = prepared(&receiver, &feeds).await;
    let items = json(&run(&room, &["items", "--json"]).await);
    let of = |title: &str, field: &str| {
        let item = items.iter().find(|item| item["title"].as_str().is_some_and(|t| t.contains(title)));
        item.unwrap_or_else(|| panic!("no item {title} in {items:?}"))[field].as_str().expect("a text").to_owned()
    };
    let story = of("Osmark adopts", "story");
    let members: Vec<String> = items
        .iter()
        .filter(|item| item["story"] == story.as_str())
        .map(|i| i["id"].as_str().expect("an id").to_owned())
        .collect();
    let fill_in = FillIn {
        room: &room,
        page: feeds.url("/"),
        item: of("Brigade moves", "id"),
        other: of("Brigade moves", "story"),
        story,
        members,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let guide = fs::read_dir(root.join("docs/guide")).expect("listed").map(|entry| entry.expect("an entry").path());
    pages.extend(guide.filter(|page| page.extension().is_some_and(|extension| extension == "md")));
    pages[1..].sort();
    let (mut seen, mut transcript) = (BTreeSet::new(), String::new());
    for page in pages {
        for command in commands(&fs::read_to_string(&page).expect("read")) {
            for words in choices(words(&command)) {
                let arguments = fill_in.of(&words);
                let goes_on = GO_ON.contains(&arguments[0].as_str()) && !arguments.iter().any(|a| a == "--once");
                if goes_on || !seen.insert(arguments.clone()) {
                    continue;
                }
                let output = run(&room, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
                let shown = [text(&output.stdout), text(&output.stderr)].concat();
                assert!(!shown.contains("panicked"), "{command}: {shown}");
                // In running text a command may only be named.
                if shown.contains("required arguments were not provided") {
                    continue;
                }
                assert_ne!(output.status.code(), Some(64), "{command}: {shown}");
                writeln!(transcript, "$ {}", words.join(" ")).expect("a string takes it");
                for line in shown.lines().take(LINES_MAX) {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    writeln!(transcript, "{}", words.join(" ")).expect("a string takes it");
                }
                if shown.lines().count() > LINES_MAX {
                    transcript.push_str("…\n");
                }
                writeln!(transcript, "[{}]\n", output.status.code().expect("a code")).expect("a string takes it");
            }
        }
    }
    assert!(seen.len() > 50, "only {} commands were found: did the form of the pages change?", seen.len());
    golden("../guide.txt", &anonymous(&steady(&transcript, &room)));
}

/// Ids and sizes that are another at each run.
fn anonymous(text: &str) -> String {
    let patterns = [
        (r"\b(alr|itm|sty|cor|sil)_[0-9a-z]+…?", "${1}_ID"),
        (r"\d+(\.\d+)? (B|KiB|MiB|GiB|µs|ms|s|min|h)\b", "N $2"),
        (r"[0-9a-f]{12,}", "HEX"),
        (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]+ \+0000", "TIME"),
        (r"\b20(2[4-9]|[3-9]\d)-\d\d-\d\d\b", "DAY"),
        (r"wirewatch \d+\.\d+\.\d+ \(.*\)\nfeatures: .*\ntarget: .*", "wirewatch VERSION"),
        (r", \d+ bytes of", ", N bytes of"),
        (r"\d+ (items|documents) a second", "N $1 a second"),
    ];
    let mut text = text.to_owned();
    for (pattern, stands_for) in patterns {
        text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, stands_for).into_owned();
    }
    text
}
