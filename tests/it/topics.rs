//! Whoever tunes topics, with the real program: what `check` says of rules, what a change gains and loses,
//! what labels tell, and a score that was learned from them.

use std::process::{Output, Stdio};

use serde_json::Value;

use super::crash::command;
use super::newsroom::Newsroom;

async fn run(room: &Newsroom, arguments: &[&str]) -> Output {
    let mut command = command(room);
    command.args(arguments).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    output.expect("the program starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn json(room: &Newsroom, arguments: &[&str]) -> Value {
    let output = run(room, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

/// Items about levees and about other things, told apart by more than one word; no two are copies.
fn items(count: usize) -> String {
    let line = |n: usize| {
        let levee = n.is_multiple_of(2);
        let (title, text) = if levee {
            (format!("River authority inspects stretch {n}"), "The levee holds back the spring flood, engineers say.")
        } else {
            (
                format!("Quartet number {n} plays in the town hall"),
                "The musicians were given flowers after the concert.",
            )
        };
        // A third of those about levees do not say the word.
        let text = if n.is_multiple_of(6) { text.replace("levee", "embankment") } else { text.to_owned() };
        let own: Vec<String> = (0..40).map(|word| format!("w{n}x{word}")).collect();
        let labels: &[&str] = if levee { &["levee"] } else { &[] };
        serde_json::json!({
            "id": format!("i{n}"), "title": title, "text": format!("{text} {}.", own.join(" ")),
            "source": format!("wire-{}", n % 5), "published": format!("2026-03-{:02}T08:00:00Z", 1 + n % 9), "labels": labels,
        })
        .to_string()
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

fn write(room: &Newsroom, name: &str, text: &str) {
    std::fs::write(room.path(name), text).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_lints_rules_and_refuses_a_costly_expression_at_its_place() {
    let room = Newsroom::silent(
        "[[topics]]\nid = \"odd\"\nterms = [\n  { id = \"both\", match = \"gate AND NOT gate*\" },\n  \
         { id = \"all\", match = \"the OR gate\" },\n  { id = \"twice\", match = \"dams OR dam*\" },\n  \
         { id = \"each\", match = \"/g[a]te/\" },\n]\n",
    );
    let checked = run(&room, &["check"]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    for part in [
        "rule `both`: no item can match this",
        "in nearly every item",
        "adds nothing beside",
        "every item pays",
        "never matches",
    ] {
        assert!(said(&checked).contains(part), "{part} in {}", said(&checked));
    }
    room.reconfigure("/g[a]te/", "/[a-z]{0,90}[0-9a-f]{2,90}z/");
    let refused = run(&room, &["check"]).await;
    assert_eq!(refused.status.code(), Some(78), "{}", said(&refused));
    for part in ["rule `each`", "steps per letter of a text that is hard on it", "^^^^", "NEAR/n"] {
        assert!(said(&refused).contains(part), "{part} in {}", said(&refused));
    }
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(78));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backtest_tells_what_a_change_gains_and_loses() {
    let room = Newsroom::silent(
        "[[endpoints]]\nid = \"pager\"\nformat = \"console\"\nseverity_min = \"critical\"\n\
         [[endpoints]]\nid = \"daily\"\nformat = \"console\"\ndigest = \"0 8 * * *\"\n",
    );
    write(&room, "items.jsonl", &items(24));
    assert_eq!(run(&room, &["ingest", "items.jsonl"]).await.status.code(), Some(0));
    let same = json(&room, &["backtest", "--json"]).await;
    let levee = &same["backtest"]["topics"]["levee"];
    assert_eq!(same["backtest"]["items"], 24, "{same}");
    assert_eq!(levee["matched"], levee["matched_before"]);
    let alerts = json(&room, &["status", "--json"]).await["totals"]["alerts"].as_u64();
    assert!(alerts.is_none() || alerts == levee["alerts"].as_u64(), "{alerts:?} {levee}");
    // What each endpoint hears of that: everything, nothing, and everything as one digest.
    let heard = |account: &Value, id: &str, what: &str| account["backtest"]["endpoints"][id]["now"][what].clone();
    assert_eq!(heard(&same, "console", "messages"), levee["alerts"]);
    assert_eq!(heard(&same, "console", "reasons"), serde_json::json!({"first": levee["alerts"]}));
    assert_eq!((heard(&same, "pager", "messages"), heard(&same, "pager", "stories")), (0.into(), 0.into()));
    assert_eq!(
        (heard(&same, "daily", "messages"), heard(&same, "daily", "stories")),
        (1.into(), levee["alerts"].clone())
    );
    assert_eq!(same["backtest"]["endpoints"]["console"]["before"], same["backtest"]["endpoints"]["console"]["now"]);
    // One changed topic: embankments, too, and no more river authority.
    let changed = "[[topics]]\nid = \"levee\"\nterms = [ { id = \"both\", match = \"embankment\", weight = 9.0 } ]\n";
    write(&room, "levee.toml", changed);
    let tried = json(&room, &["backtest", "--topic", "levee.toml", "--json"]).await;
    let levee = &tried["backtest"]["topics"]["levee"];
    assert_eq!((levee["gained_count"].as_u64(), levee["lost_count"].as_u64()), (Some(4), Some(8)), "{tried}");
    let shown = said(&run(&room, &["backtest", "--topic", "levee.toml", "--examples", "2"]).await);
    for part in
        ["4 gained, 8 lost", "+ ", "− ", "River authority inspects", "6 more lost", "█", "endpoint pager: 0 messages"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    // The same as another config, over the same items as a file.
    let other = std::fs::read_to_string(room.config_file()).expect("read");
    write(&room, "other.toml", &other.replace("match = \"levee\"", "match = \"embankment\""));
    let against = json(&room, &["backtest", "--against", "other.toml", "--file", "items.jsonl", "--json"]).await;
    let levee = &against["backtest"]["topics"]["levee"];
    assert_eq!((levee["gained_count"].as_u64(), levee["lost_count"].as_u64()), (Some(8), Some(4)), "{against}");
    assert!(levee["days"].as_object().is_some_and(|days| days.len() == 9), "{levee}");
    write(&room, "bad.toml", "[[topics]]\nid = \"levee\"\nterms = [ { match = \"a AND\" } ]\n");
    assert_eq!(run(&room, &["backtest", "--topic", "bad.toml"]).await.status.code(), Some(78));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_are_collected_and_tune_says_what_they_tell() {
    let room = Newsroom::silent("");
    write(&room, "items.jsonl", &items(40));
    assert_eq!(run(&room, &["tune"]).await.status.code(), Some(69), "no store yet");
    assert_eq!(run(&room, &["ingest", "items.jsonl"]).await.status.code(), Some(0));
    assert_eq!(run(&room, &["tune"]).await.status.code(), Some(65), "no labels yet");
    let listed = run(&room, &["items", "--limit", "100", "--json"]).await;
    let mut labelled = 0;
    for item in String::from_utf8_lossy(&listed.stdout).lines() {
        let item: Value = serde_json::from_str(item).expect("a line of JSON");
        let (id, title) = (item["id"].as_str().expect("an id"), item["title"].as_str().expect("a title"));
        let label = if title.starts_with("River") { "+levee" } else { "-levee" };
        let output = run(&room, &["items", "label", id, label]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        labelled += 1;
    }
    let one = "itm_0000000000000";
    for (arguments, code) in [
        (&["items", "label", one, "+levee"][..], 65),
        (&["items", "label", one, "levee"], 64),
        (&["items", "label", one, "+levy"], 65),
        (&["items", "label", one], 64),
    ] {
        assert_eq!(run(&room, arguments).await.status.code(), Some(code), "{arguments:?}");
    }
    let exported = run(&room, &["items", "labels", "--jsonl"]).await;
    assert_eq!(String::from_utf8_lossy(&exported.stdout).lines().count(), labelled);
    write(&room, "labels.jsonl", &String::from_utf8_lossy(&exported.stdout));
    let quality = json(&room, &["eval", "topics", "labels.jsonl", "--json"]).await;
    let tuned = json(&room, &["tune", "--topic", "levee", "--json"]).await;
    let levee = &tuned["topics"][0];
    // Read back from JSON, which costs a last digit.
    let f1 = |of: &Value| of["f1"].as_f64().expect("a figure");
    assert!((f1(&levee["quality"]) - f1(&quality["topics"]["levee"])).abs() < 1e-9, "{levee}");
    assert!(levee["misses"].as_array().is_some_and(|misses| !misses.is_empty()));
    let terms: Vec<&str> =
        levee["terms"].as_array().expect("terms").iter().filter_map(|t| t["term"].as_str()).collect();
    assert!(terms.contains(&"embankment"), "{terms:?}");
    assert!(levee["diff"].as_str().is_some_and(|diff| diff.contains("+[[topics.terms]]")), "{levee}");
    let shown = said(&run(&room, &["tune", "labels.jsonl"]).await);
    for part in ["missed:", "THRESHOLD", "embankment", "to paste", "fewer than 30"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learned_score_is_trained_used_explained_and_refused_when_damaged() {
    let room = Newsroom::silent("");
    write(&room, "labels.jsonl", &items(80));
    room.reconfigure("id = \"levee\"\nlabel", "id = \"levee\"\nmodel = true\nmodel_weight = 6.0\nlabel");
    let checked = run(&room, &["check"]).await;
    assert_eq!(checked.status.code(), Some(0), "a missing model is a warning: {}", said(&checked));
    assert!(said(&checked).contains("has no model at") && said(&checked).contains("--train"), "{}", said(&checked));
    let before = json(&room, &["eval", "topics", "labels.jsonl", "--json"]).await;
    let trained = json(&room, &["tune", "labels.jsonl", "--topic", "levee", "--train", "--json"]).await;
    let trained = &trained["topics"][0]["trained"];
    assert!(trained["cross_validated"]["f1"].as_f64().is_some_and(|f1| f1 > 0.9), "{trained}");
    let after = json(&room, &["eval", "topics", "labels.jsonl", "--json"]).await;
    let f1 = |quality: &Value| quality["topics"]["levee"]["f1"].as_f64().expect("a figure");
    assert!(f1(&before) < 0.9 && f1(&after) > 0.99, "{before} {after}");
    write(
        &room,
        "one.txt",
        "River authority inspects the dunes\n\nThe embankment holds back the spring flood, engineers say.\n",
    );
    let explained = json(&room, &["explain", "one.txt", "--topic", "levee", "--json"]).await;
    let rule = explained["topics"][0]["rules"].as_array().and_then(|rules| rules.last().cloned()).expect("a rule");
    assert_eq!(
        (rule["rule"].as_str(), explained["topics"][0]["matched"].as_bool()),
        (Some("model"), Some(true)),
        "{explained}"
    );
    assert!(rule["telling"].as_array().is_some_and(|words| !words.is_empty()), "{rule}");
    let path = room.path("state/models/levee.json");
    let text = std::fs::read_to_string(&path).expect("a model");
    std::fs::write(&path, &text[..text.len() / 2]).expect("written");
    let refused = run(&room, &["check"]).await;
    assert_eq!(refused.status.code(), Some(78), "{}", said(&refused));
    assert!(said(&refused).contains("levee.json"), "{}", said(&refused));
}

/// Four reports on a stream: the baseline of a feed, a breach, the same breach copied, a fair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eval_alerts_counts_what_one_endpoint_is_told_of_a_stream() {
    let room = Newsroom::silent("");
    let report = |id: &str, hour: u32, title: &str, text: &str, event: Value| {
        serde_json::json!({
            "id": id, "title": title, "text": text, "source": "gazette", "event": event, "wanted": event == "breach",
            "published": format!("2026-03-02T{hour:02}:00:00Z"), "url": format!("https://gazette.example.org/{id}"),
        })
        .to_string()
    };
    let breach = "The levee at Oldmill gave way on Monday morning and two streets stand under water, the mayor said.";
    let fair = "The stamp fair moves from the old levee to the town hall, and visitors are asked to bring change.";
    let stream = [
        report("a", 1, "Anglers meet at the levee", "Some thirty anglers cleaned up along the levee.", Value::Null),
        report("b", 8, "Levee breaks at Oldmill", breach, "breach".into()),
        report("c", 9, "Levee breaks at Oldmill", breach, "breach".into()),
        report("d", 12, "Stamp fair moves to town hall", fair, Value::Null),
        report("e", 15, "Ferry runs again", "The ferry across the estuary is in service again.", "ferry".into()),
    ];
    write(&room, "stream.jsonl", &stream.join("\n"));
    let told = json(
        &room,
        &["eval", "alerts", "stream.jsonl", "--posts", &room.path("posts.jsonl").display().to_string(), "--json"],
    )
    .await;
    let counts = ["events_wanted", "events_told", "posts"].map(|name| told[name].as_u64().expect("a count"));
    assert_eq!(counts, [1, 1, 3], "{told}");
    assert_eq!((told["alerts_per_told_event"].as_f64(), told["recall"].as_f64()), (Some(1.0), Some(1.0)), "{told}");
    let posts = std::fs::read_to_string(room.path("posts.jsonl")).expect("written");
    let verdicts: Vec<(String, String)> = posts
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|post| (post["item"].as_str().expect("an id").into(), post["verdict"].as_str().expect("a word").into()))
        .collect();
    assert_eq!(
        verdicts,
        [("b".into(), "useful".into()), ("d".into(), "noise".into()), ("e".into(), "unwanted".into())]
    );
    // Each line is an article that can be explained as it was told.
    let why = run(&room, &["explain", &room.path("posts.jsonl").display().to_string(), "--json"]).await;
    let why: Vec<Value> =
        String::from_utf8_lossy(&why.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(why.len(), 3, "{why:?}");
    for explained in &why {
        assert!(explained["topics"].as_array().expect("topics").iter().any(|t| t["matched"] == true), "{explained}");
    }
    let shown = said(&run(&room, &["eval", "alerts", "stream.jsonl", "--list"]).await);
    for part in ["1 of 1 wanted event told", "3 alerts", "Noise: d first (no event)"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eval_pairs_counts_each_kind_of_pair() {
    let room = Newsroom::silent("");
    let text = "The levee at Oldmill gave way on Monday morning and two streets stand under water, the mayor said.";
    let pair = |id: &str, same: bool, title: &str, text: &str| {
        let a = serde_json::json!({"title": "Levee breaks at Oldmill", "text": "The levee at Oldmill gave way on Monday morning and two streets stand under water, the mayor said.", "source": "gazette", "lang": "en"});
        let b = serde_json::json!({"title": title, "text": text, "source": "herald", "lang": "en"});
        serde_json::json!({"id": id, "same": same, "kind": "plain", "hours": 2, "a": a, "b": b}).to_string()
    };
    let fair = "Visitors of the stamp fair are asked to bring change, said the treasurer of the club on Friday.";
    let lines = [pair("p1", true, "Levee breaks at Oldmill", text), pair("p2", false, "Stamp fair in Hillford", fair)];
    write(&room, "pairs.jsonl", &lines.join("\n"));
    let counted = json(&room, &["eval", "pairs", "pairs.jsonl", "--json"]).await;
    for what in ["different, kept apart", "same, joined, one language"] {
        assert_eq!((counted[what]["right"].as_u64(), counted[what]["pairs"].as_u64()), (Some(1), Some(1)), "{counted}");
    }
    assert_eq!(counted["  different, kept apart: plain"]["pairs"], 1, "{counted}");
}

/// What a new user does on the first Monday: a topic beside the shipped ones, a threshold moved, a test that fails
/// read and mended. Each step ends in a config that can be used, or says what to do.
#[test]
fn topic_of_ones_own_beside_the_shipped_ones_has_no_dead_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let wirewatch = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wirewatch"));
        let output =
            command.args(arguments).current_dir(folder.path()).env("HOME", folder.path()).output().expect("starts");
        (output.status.code(), said(&output))
    };
    let edit = |file: &str, from: &str, to: &str| {
        let path = folder.path().join("config/topics").join(file);
        let text = std::fs::read_to_string(&path).expect("there");
        assert!(text.contains(from), "{from} in {file}");
        std::fs::write(&path, text.replace(from, to)).expect("written");
    };
    assert_eq!(wirewatch(&["init"]).0, Some(0));
    let (code, made) = wirewatch(&["init", "--topic", "nuclear plant safety"]);
    assert_eq!(code, Some(0), "{made}");
    assert!(made.contains("config/topics/nuclear-plant-safety.toml") && made.contains("wirewatch check"), "{made}");
    assert_eq!(wirewatch(&["check"]).0, Some(0), "a topic beside the shipped ones");
    assert_eq!(wirewatch(&["init", "--topic", "nuclear plant safety"]).0, Some(64), "nothing is overwritten");
    for topic in ["sanctions", "security-guarantees", "troop-deployment"] {
        edit(&format!("{topic}.toml"), "threshold = 5.0", "threshold = 6.0");
    }
    let (code, checked) = wirewatch(&["check"]);
    assert_eq!(code, Some(0), "a threshold moved: {checked}");

    let own = "nuclear-plant-safety.toml";
    let test = "[[tests]]\ntitle = \"Cooling water runs low at reactor\"\nlang = \"en\"\ntopics = [\"nuclear-plant-safety\"]\n\n# Run by";
    edit(own, "# Run by", test);
    let (code, failed) = wirewatch(&["check"]);
    assert_eq!(code, Some(78), "{failed}");
    for part in ["test \"Cooling water runs low at reactor\" fails", "has 0 of 5 points", "wirewatch explain --test"] {
        assert!(failed.contains(part), "{part} in {failed}");
    }
    let (code, explained) = wirewatch(&["explain", "--test", "cooling water"]);
    assert_eq!(code, Some(0), "{explained}");
    assert!(explained.contains("the test fails: it does not match nuclear-plant-safety"), "{explained}");
    edit(own, "en = [\"nuclear plant safety\"]", "en = [\"nuclear plant safety\", \"reactor*\"]");
    edit(own, "\"review*\"]", "\"review*\", \"runs low\"]");
    let (code, mended) = wirewatch(&["check"]);
    assert_eq!(code, Some(0), "{mended}");
    assert!(wirewatch(&["explain", "--test", "Cooling"]).1.contains("the test holds"));
}
