//! Every command that the program has, as its own help lists them: with a reader that goes away, with `--json`, and with
//! `--json` where it fails. A command that is new and not in the table here fails these tests.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;

use super::crash::command;
use super::newsroom::{Newsroom, article};
use super::program::{json, run, text};
use super::receiver::Receiver;

/// A command with what it is given, in an order in which each finds what it needs. `@item`, `@story`, `@other` and
/// `@silence` stand for ids.
const COMMANDS: &[(&str, &[&str])] = &[
    ("check", &[]),
    ("parse", &["1.txt"]),
    ("explain", &["@item"]),
    ("explain", &["1.txt"]),
    ("status", &[]),
    ("doctor", &[]),
    ("items", &[]),
    ("items", &["--format", "csv"]),
    ("items", &["--format", "rss"]),
    ("items list", &[]),
    ("items show", &["@item"]),
    ("items label", &["@item", "+levee"]),
    ("items labels", &[]),
    ("items unlabel", &["@item", "levee"]),
    ("stories", &[]),
    ("stories list", &[]),
    ("stories show", &["@story"]),
    ("stories merge", &["@story", "@other"]),
    ("stories undo", &["1"]),
    ("stories split", &["@story", "@item"]),
    ("stories tell", &["@story"]),
    ("alerts", &[]),
    ("alerts list", &[]),
    ("alerts show", &["1"]),
    ("search", &["levee"]),
    ("top", &["--once"]),
    ("mcp", &[]),
    ("feeds", &[]),
    ("feeds list", &[]),
    ("feeds show", &["wire"]),
    ("feeds add", &["http://127.0.0.1:1/other", "--id", "other", "--unchecked"]),
    ("feeds disable", &["wire"]),
    ("feeds enable", &["wire"]),
    ("feeds check", &["wire"]),
    ("feeds check", &["http://127.0.0.1:1/feed", "--allow-private", "127.0.0.0/8"]),
    ("feeds poll", &["wire"]),
    ("feeds export", &[]),
    ("feeds import", &["list.opml"]),
    ("feeds remove", &["other"]),
    ("ingest", &["1.txt"]),
    ("push", &["1.txt"]),
    ("endpoints", &[]),
    ("endpoints list", &[]),
    ("endpoints show", &["desk"]),
    ("endpoints test", &["desk"]),
    ("endpoints preview", &["desk", "--alert", "1"]),
    ("endpoints disable", &["desk"]),
    ("endpoints enable", &["desk"]),
    ("deliveries", &[]),
    ("deliveries list", &[]),
    ("deliveries show", &["1"]),
    ("deliveries replay", &["1"]),
    ("deliveries cancel", &["1"]),
    ("silences", &[]),
    ("silences list", &[]),
    ("silences show", &["@silence"]),
    ("silences preview", &["--topic", "levee"]),
    ("silences add", &["--topic", "levee"]),
    ("silences expire", &["@silence"]),
    ("topics", &[]),
    ("topics list", &[]),
    ("topics show", &["levee"]),
    ("users", &[]),
    ("users list", &[]),
    ("users add", &["ada"]),
    ("users remove", &["ada"]),
    ("reload", &[]),
    ("backtest", &[]),
    ("tune", &[]),
    ("eval topics", &["labels.jsonl"]),
    ("eval stories", &["labels.jsonl"]),
    ("eval duplicates", &["pairs.jsonl"]),
    ("eval pairs", &["pairs.jsonl"]),
    ("eval languages", &["labels.jsonl"]),
    ("eval alerts", &["labels.jsonl"]),
    ("run", &["--once"]),
    ("prune", &[]),
    ("quarantine", &[]),
    ("quarantine list", &[]),
    ("quarantine release", &["none"]),
    ("init", &["laid-out"]),
    ("completions", &["bash"]),
    ("man", &["man"]),
    ("store copy", &["--from", "state", "--to", "copied"]),
    ("backup", &["copy.db"]),
    ("restore", &["copy.db"]),
];
/// Ends only when it is told to; `tests/it/commands.rs` has it.
const ENDLESS: &[&str] = &["receive"];
/// Lists that hold nothing here.
const EMPTY: &[&str] = &["users", "users list", "quarantine", "quarantine list"];

/// What the help of a command lists; below `Commands:`, or below the headings of the first page.
async fn listed(room: &Newsroom, path: &[&str]) -> Vec<String> {
    let help = run(room, &[path, &["--help"]].concat()).await;
    let (mut is_list, mut names) = (false, Vec::new());
    for line in text(&help.stdout).lines() {
        if line.ends_with(':') && !line.starts_with(' ') {
            is_list = ["Commands:", "Start:", "Read:", "Sources:", "Telling:", "Rules:", "Care:"].contains(&line);
        }
        let name = line.strip_prefix("  ").filter(|rest| is_list && rest.starts_with(|c: char| c.is_ascii_lowercase()));
        names.extend(name.and_then(|rest| rest.split(' ').next()).filter(|name| *name != "help").map(str::to_owned));
    }
    names
}

/// Every command that can be typed: `items` is one, `items show` another; `eval` and `store` alone are none.
async fn all_commands(room: &Newsroom) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in listed(room, &[]).await {
        let verbs = listed(room, &[&name]).await;
        if verbs.is_empty() || !["eval", "store"].contains(&name.as_str()) {
            all.insert(name.clone());
        }
        all.extend(verbs.iter().map(|verb| format!("{name} {verb}")));
    }
    all
}

async fn takes_json(room: &Newsroom, path: &str) -> bool {
    let words: Vec<&str> = path.split(' ').chain(["--help"]).collect();
    text(&run(room, &words).await.stdout).lines().any(|line| line.trim_start().starts_with("--json"))
}

/// Two stories that somebody was told of, a silence, a feed that fails.
async fn filled(receiver: &Receiver) -> (Newsroom, [String; 4]) {
    let feed = "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/feed\"\nallow_private = [\"127.0.0.0/8\"]\n";
    let room = Newsroom::new(receiver, feed);
    for n in 1..=2 {
        std::fs::write(room.path(&format!("{n}.txt")), article(n)).expect("written");
    }
    let label = "{\"id\": \"a\", \"title\": \"The levee holds\", \"text\": \"It holds.\", \"labels\": [\"levee\"], \
                 \"cluster\": null, \"event\": null, \"wanted\": false, \"published\": \"2025-03-17T08:00:00Z\"}\n";
    std::fs::write(room.path("labels.jsonl"), label).expect("written");
    let pair = "{\"a\": {\"title\": \"The levee holds\"}, \"b\": {\"title\": \"The ferry stops\"}, \"hours\": 1, \
                \"same\": false, \"duplicate\": false}\n";
    std::fs::write(room.path("pairs.jsonl"), pair).expect("written");
    let opml = "<opml version=\"2.0\"><body><outline text=\"More\" xmlUrl=\"http://127.0.0.1:1/more\"/></body></opml>";
    std::fs::write(room.path("list.opml"), opml).expect("written");
    assert_eq!(run(&room, &["ingest", "1.txt", "2.txt"]).await.status.code(), Some(0));
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    let ids = |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
    let items: Vec<String> = ids(json(&run(&room, &["items", "--json"]).await));
    let item = json(&run(&room, &["items", "show", &items[0], "--json"]).await);
    let story = item[0]["story"].as_str().expect("a story").to_owned();
    let stories: Vec<String> = ids(json(&run(&room, &["stories", "--json"]).await));
    let other = stories.into_iter().find(|one| *one != story).expect("another story");
    let silence: Vec<String> = ids(json(&run(&room, &["silences", "add", "--topic", "ferry", "--json"]).await));
    (room, [items[0].clone(), story, other, silence[0].clone()])
}

fn words<'a>(path: &'a str, given: &[&'a str], ids: &'a [String; 4]) -> Vec<&'a str> {
    let named = |word: &&'a str| match *word {
        "@item" => ids[0].as_str(),
        "@story" => &ids[1],
        "@other" => &ids[2],
        "@silence" => &ids[3],
        word => word,
    };
    path.split(' ').chain(given.iter().map(named)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_is_in_the_table_and_ends_quietly_when_its_reader_goes_away() {
    let receiver = Receiver::start().await;
    let (room, ids) = filled(&receiver).await;
    let tried: BTreeSet<String> =
        COMMANDS.iter().map(|(path, _)| *path).chain(ENDLESS.iter().copied()).map(str::to_owned).collect();
    assert_eq!(all_commands(&room).await, tried, "what the help lists, and what is tried here");
    let helps: [(&str, &[&str]); 3] = [("--help", &[]), ("help", &[]), ("items --help", &[])];
    for (path, given) in COMMANDS.iter().chain(&helps) {
        let arguments = words(path, given, &ids);
        // Both ends: what is said on standard error goes to the same reader.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = command(&room);
        command.args(&arguments).stdin(Stdio::null()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        let status = tokio::task::spawn_blocking(move || command.status()).await.expect("no panic").expect("it runs");
        assert!(matches!(status.code(), Some(0 | 64 | 65 | 69)), "{arguments:?}: {status}");
    }
}

/// Documents one after the other, each on lines of its own.
fn documents(arguments: &[&str], printed: &[u8]) -> Vec<Value> {
    let read: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(printed).into_iter().collect();
    read.unwrap_or_else(|error| panic!("{arguments:?}: {error} in {}", text(printed)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_json_parses_whatever_comes_of_the_command() {
    let receiver = Receiver::start().await;
    let (room, ids) = filled(&receiver).await;
    for (path, given) in COMMANDS {
        // Two forms of one document exclude each other.
        if given.contains(&"--format") || !takes_json(&room, path).await {
            continue;
        }
        let arguments = [words(path, given, &ids), vec!["--json"]].concat();
        let output = run(&room, &arguments).await;
        let said = documents(&arguments, &output.stdout);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 64 | 65 | 69)), "{arguments:?}: {code:?} {}", text(&output.stderr));
        assert!(!said.is_empty() || EMPTY.contains(path), "{arguments:?} prints nothing: {code:?}");
        assert!(said.iter().all(|value| !value.is_null()), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_fails_says_so_in_json() {
    let receiver = Receiver::start().await;
    let (room, ids) = filled(&receiver).await;
    let failed = |arguments: &[&str], output: &std::process::Output| {
        let said = documents(arguments, &output.stdout);
        let code = output.status.code().expect("it ends by itself");
        let last = said.last().unwrap_or_else(|| panic!("{arguments:?} says nothing: {code}"));
        let words = last["error"].as_str().unwrap_or_else(|| panic!("{arguments:?}: no error in {last}"));
        assert!(words.starts_with("failed to "), "{arguments:?}: {words}");
        assert_eq!(last["exit"], code, "{arguments:?}");
        assert!(!text(&output.stderr).is_empty(), "{arguments:?}: people are told as well");
    };
    for (path, given) in COMMANDS {
        if !takes_json(&room, path).await {
            continue;
        }
        let arguments = [words(path, given, &ids), vec!["--json", "--nonsense"]].concat();
        let output = run(&room, &arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        failed(&arguments, &output);
        if given.contains(&"--format") {
            continue;
        }
        // What needs no config is fine without one; what looks for trouble says what it found.
        let arguments = [words(path, given, &ids), vec!["--json", "--config", "missing.toml"]].concat();
        let output = run(&room, &arguments).await;
        match *path {
            _ if output.status.success() => {}
            "check" | "doctor" => assert!(!documents(&arguments, &output.stdout).is_empty(), "{arguments:?}"),
            _ => failed(&arguments, &output),
        }
    }
    let arguments = ["feeds", "check", "nobody", "--json"];
    failed(&arguments, &run(&room, &arguments).await);
    // Not read at all is a finding about that feed, under its name.
    let unread = ["feeds", "check", "http://127.0.0.1:1/feed", "--json"];
    let said = documents(&unread, &run(&room, &unread).await.stdout);
    assert!(said[0]["error"].as_str().is_some_and(|words| !words.is_empty()) && said[0]["ok"] == false, "{said:?}");
}
