//! Stories corrected by hand: offline and beside a running daemon, held against what comes later and
//! over a restart, with nothing told twice; and the commands that show why an item is where it is.

use serde_json::Value;
use wirewatch::clock::Clock;

use super::newsroom::{Newsroom, article, body, number, stop, title, until};
use super::program::{json, run, text};
use super::receiver::Receiver;

async fn one(room: &Newsroom, arguments: &[&str]) -> Value {
    let output = run(room, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    json(&output).remove(0)
}

/// Ids of the items, oldest first, with their stories.
fn items(room: &Newsroom) -> Vec<(String, String)> {
    let all = room.store().items(&wirewatch::store::ItemFilter { limit: 100, ..Default::default() }).expect("items");
    all.iter().rev().map(|item| (item.id.to_string(), item.story.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_reach_a_live_daemon_outlive_it_and_repeat_no_alert() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let clock = Clock::system();
    let app = room.start(&clock).await;
    for n in [1, 2] {
        room.drop_file(&format!("{n}.txt"), &article(n));
        receiver.wait_for(n as usize).await;
    }
    let [(_, kept), (second, gone)] = &items(&room)[..] else { panic!("two items") };

    let merged = one(&room, &["stories", "merge", gone, kept, "--comment", "one flood", "--json"]).await;
    assert_eq!((&merged["story"], &merged["into"]), (&Value::from(gone.as_str()), &Value::from(kept.as_str())));
    let shown = one(&room, &["stories", "show", gone, "--json"]).await;
    assert_eq!((shown["id"].as_str(), shown["merged_from"].as_str()), (Some(kept.as_str()), Some(gone.as_str())));
    assert_eq!((shown["items"].as_u64(), shown["corrections"][0]["comment"].as_str()), (Some(2), Some("one flood")));
    assert_eq!(number(&room.store(), "SELECT count(DISTINCT story) FROM alerts"), 1, "what was told went along");

    let split = one(&room, &["stories", "split", kept, second, "--json"]).await;
    let half = split["into"].as_str().expect("a story").to_owned();
    assert!(![kept, gone].contains(&&half));
    // A further outlet with the text of the half that left: it follows it, and says nothing anew.
    room.drop_file("3.txt", &format!("{}\n\n{} The mayor thanked the crews.\n", title(2), body(2)));
    let copies = |room: &Newsroom, n: i64| number(&room.store(), "SELECT count(*) FROM sightings") == n;
    until("the copy", || copies(&room, 1)).await;
    assert_eq!(one(&room, &["stories", "show", &half, "--json"]).await["sightings_near"], 1);
    stop(app).await;

    let app = room.start(&clock).await;
    room.drop_file("4.txt", &format!("{}\n\n{} The mayor went home.\n", title(2), body(2)));
    until("another copy", || copies(&room, 2)).await;
    assert_eq!(items(&room)[1].1, half, "the split outlives the restart");
    assert_eq!(one(&room, &["stories", "show", &half, "--json"]).await["sightings_near"], 2);
    stop(app).await;
    assert_eq!(receiver.count(), 2, "one alert per article, however stories are cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_without_a_daemon_are_made_at_once_and_nonsense_is_refused() {
    let room = Newsroom::silent("");
    for n in 1..=2 {
        std::fs::write(room.path(&format!("{n}.txt")), article(n)).expect("written");
    }
    assert_eq!(run(&room, &["ingest", "1.txt", "2.txt"]).await.status.code(), Some(0));
    let [(first, kept), (second, gone)] = &items(&room)[..] else { panic!("two items") };
    // Arguments, exit code, a word of the complaint.
    let refused: [(&[&str], i32, &str); 5] = [
        (&["stories", "split", kept, first], 65, "not all"),
        (&["stories", "split", kept, second], 65, "no item of that story"),
        (&["stories", "merge", kept, kept], 65, "one story already"),
        (&["stories", "merge", kept, "sty_0000000000000"], 65, "no such story"),
        (&["stories", "split", kept], 64, "Usage"),
    ];
    for (arguments, code, word) in refused {
        let output = run(&room, arguments).await;
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(word), "{arguments:?}: {said}");
    }
    let output = run(&room, &["stories", "merge", kept, gone]).await;
    assert!(text(&output.stdout).contains("was merged into"), "{}", text(&output.stderr));
    let output = run(&room, &["stories", "show", kept]).await;
    assert!(text(&output.stdout).contains("by hand"), "{}", text(&output.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_of_a_story_goes_with_the_report_it_was_meant_for() {
    let room = Newsroom::silent("");
    let ingest = async |name: &str, text: &str| {
        std::fs::write(room.path(name), text).expect("written");
        assert_eq!(run(&room, &["ingest", name]).await.status.code(), Some(0));
    };
    for n in 1..=2 {
        ingest(&format!("{n}.txt"), &article(n)).await;
    }
    let [(first, kept), (second, gone)] = &items(&room)[..] else { panic!("two items") };
    let unknown = run(&room, &["silences", "add", "--story", "sty_0000000000000"]).await;
    assert!(unknown.status.code() == Some(65) && text(&unknown.stderr).contains("no such story"));
    let silence = one(&room, &["silences", "add", "--story", gone, "--comment", "drill", "--json"]).await;
    let silence = silence["id"].as_str().expect("an id").to_owned();

    // It follows its story into the one that stays, ...
    let output = run(&room, &["stories", "merge", gone, kept]).await;
    assert!(text(&output.stdout).contains(&format!("{silence} silences {kept}")), "{}", text(&output.stdout));
    let shown = run(&room, &["stories", "show", kept]).await;
    for word in ["silenced   until", "drill", first, second, &format!("came with {gone}")] {
        assert!(text(&shown.stdout).contains(word), "{word}: {}", text(&shown.stdout));
    }
    // ... and the report that it was given for out of it again. The rest is loud.
    let output = run(&room, &["stories", "split", kept, second]).await;
    let half = items(&room)[1].1.clone();
    assert!(text(&output.stdout).contains(&format!("{silence} silences {half}")), "{}", text(&output.stdout));
    let shown = run(&room, &["stories", "show", &half]).await;
    assert!(text(&shown.stdout).contains("put here by hand"), "{}", text(&shown.stdout));
    for n in 1..=2 {
        ingest(&format!("{n}-ferry.txt"), &format!("{}\n\n{} The mayor thanked the ferry crews.\n", title(n), body(n)))
            .await;
    }
    let ferry = "SELECT count(*) FROM alerts a JOIN alert_topics t ON t.alert = a.sequence
        WHERE t.topic = 'ferry' AND t.is_new <> 0 AND (silenced_by IS NOT NULL) = (item IN
        (SELECT id FROM items WHERE story = (SELECT story FROM silences)))";
    assert_eq!(number(&room.store(), ferry), 2, "each half heard of a further topic, one in silence");

    // A silence of the whole stays with its opening, not with its id, when that is what leaves.
    let joined = items(&room).into_iter().find(|(id, story)| id != first && story == kept).expect("a second item").0;
    let whole = one(&room, &["silences", "add", "--story", kept, "--json"]).await;
    one(&room, &["stories", "split", kept, &joined, "--json"]).await;
    let named = async || {
        let output = run(&room, &["silences", "list", "--json"]).await;
        json(&output).into_iter().find(|s| s["id"] == whole["id"]).expect("it holds")["story"].clone()
    };
    assert_eq!(named().await, kept.as_str());
    let again = items(&room).into_iter().find(|(id, _)| *id == joined).expect("it").1;
    one(&room, &["stories", "merge", kept, &again, "--json"]).await;
    one(&room, &["stories", "split", kept, first, "--json"]).await;
    assert_eq!(named().await, items(&room)[0].1.as_str());
}

/// A first report of article 1.
fn told(how: &str, end: &str) -> String {
    format!("{}: {how}\n\n{} {end}\n", title(1), body(1).split_once(". ").expect("two").1)
}

/// A report that is put into its story.
fn retold(n: u64) -> String {
    let mut sentences: Vec<String> = body(1).split(". ").map(str::to_owned).collect();
    sentences.rotate_left(n as usize);
    format!("{} again\n\n{}. {}\n", title(1), sentences[..4].join(". "), body(n + 50))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tell_reaches_whoever_takes_a_report_that_a_story_took_in_and_nobody_twice() {
    let receiver = Receiver::start().await;
    let loud = format!(
        "[[endpoints]]\nid = \"loud\"\nurl = \"{}\"\nsecret_file = \"secret\"\nallow_private = [\"127.0.0.0/8\"]\n\
         severity_min = \"critical\"\n",
        receiver.url()
    );
    let room = Newsroom::new(&receiver, &loud);
    let clock = Clock::system();
    let app = room.start(&clock).await;
    room.drop_file("1.txt", &told("crews on site", "Nobody was hurt."));
    receiver.wait_for(1).await;
    room.drop_file("2.txt", &retold(3));
    until("the second report", || items(&room).len() == 2).await;
    let [(first, story), (second, same)] = &items(&room)[..] else { panic!("two items") };
    assert_eq!((story, receiver.count()), (same, 1), "the story took it in, and nobody heard of it");

    let again = run(&room, &["stories", "tell", story]).await;
    let said = text(&again.stderr);
    assert_eq!(again.status.code(), Some(65), "{said}");
    assert!(said.contains("desk (it heard of it before)") && said.contains("loud (its severity_min)"), "{said}");
    let asked = ["stories", "tell", second, "--author", "night desk", "--comment", "another basin", "--json"];
    let done = one(&room, &asked).await;
    assert_eq!(done["outcome"]["told"], serde_json::json!(["desk"]), "{done}");
    assert_eq!(done["outcome"]["untold"], serde_json::json!([{"endpoint": "loud", "why": "its severity_min"}]));
    receiver.wait_for(2).await;
    let heard: Value = serde_json::from_slice(&receiver.received()[1].body).expect("JSON");
    assert_eq!((&heard["type"], &heard["data"]["item"]["id"]), (&"alert.matched".into(), &second.as_str().into()));
    assert_eq!(heard["data"]["alert"]["id"], done["outcome"]["alerts"][0]);
    for what in [first, second] {
        assert_eq!(run(&room, &["stories", "tell", what]).await.status.code(), Some(65), "{what} is told");
    }
    let undone = run(&room, &["stories", "undo", &done["number"].to_string()]).await;
    assert!(text(&undone.stderr).contains("what was told cannot be taken back"), "{}", text(&undone.stderr));
    let shown = run(&room, &["stories", "show", story]).await;
    assert!(text(&shown.stdout).contains("night desk told to desk (no. "), "{}", text(&shown.stdout));

    let split = run(&room, &["stories", "split", story, second]).await;
    let half = items(&room)[1].1.clone();
    assert!(text(&split.stdout).contains(&format!("`wirewatch stories tell {half}`")), "{}", text(&split.stdout));
    stop(app).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tell_without_a_daemon_is_owed_at_once_and_a_silence_is_named() {
    let room = Newsroom::silent("");
    for (name, article) in [("1.txt", told("crews on site", "Nobody was hurt.")), ("2.txt", retold(3))] {
        std::fs::write(room.path(name), article).expect("written");
        assert_eq!(run(&room, &["ingest", name]).await.status.code(), Some(0));
    }
    let [(_, story), (second, _)] = &items(&room)[..] else { panic!("two items") };
    one(&room, &["stories", "split", story, second, "--json"]).await;
    let half = items(&room)[1].1.clone();
    let silence = one(&room, &["silences", "add", "--story", &half, "--json"]).await;
    let silence = silence["id"].as_str().expect("an id").to_owned();
    let refused = run(&room, &["stories", "tell", &half]).await;
    assert!(text(&refused.stderr).contains(&format!("console (silence {silence})")), "{}", text(&refused.stderr));
    run(&room, &["silences", "expire", &silence]).await;
    let owed = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
    let before = number(&room.store(), owed);
    let done = run(&room, &["stories", "tell", &half]).await;
    let line = format!("{half} is told by {second} to console");
    assert!(text(&done.stdout).contains(&line), "{}{}", text(&done.stdout), text(&done.stderr));
    assert_eq!(number(&room.store(), owed), before + 1, "sent by whoever runs next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_shows_the_stories_an_item_was_held_against() {
    let room = Newsroom::silent("");
    for (name, article) in
        [("1.txt", told("crews on site", "Nobody was hurt.")), ("2.txt", retold(3)), ("3.txt", article(9))]
    {
        std::fs::write(room.path(name), article).expect("written");
    }
    assert_eq!(run(&room, &["ingest", "1.txt", "2.txt"]).await.status.code(), Some(0));
    let all = items(&room);
    let (first, later) = (&all[0], all.last().expect("an item"));
    assert_eq!((all.len(), &first.1), (2, &later.1), "retold, so an item of one story");
    let explained = one(&room, &["explain", &later.0, "--json"]).await;
    let near = &explained["story"]["stories"][0];
    assert_eq!((&explained["story"]["decision"], &near["standing"]), (&Value::from("joined"), &Value::from("joined")));
    assert_eq!(near["nearest"], first.0.as_str());
    assert!(near["shared"].as_array().is_some_and(|words| words.len() >= 3), "{near}");
    assert!(near["effects"].as_array().is_some_and(|views| views.iter().any(|v| v["view"] == "headline")), "{near}");
    let output = run(&room, &["explain", &later.0]).await;
    for word in ["joins a story", "brought by", "shared:", &first.0] {
        assert!(text(&output.stdout).contains(word), "{word}: {}", text(&output.stdout));
    }
    let shown = one(&room, &["stories", "show", &later.1, "--json"]).await;
    let timeline = shown["timeline"].as_array().expect("a timeline");
    let joined = timeline.iter().find(|event| event["what"] == "joined").expect("one joined");
    assert_eq!(joined["why"]["nearest"], first.0.as_str(), "{shown}");
    let other = one(&room, &["explain", "3.txt", "--json"]).await;
    assert_eq!(other["story"]["decision"], "opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_show_what_was_edited_word_by_word() {
    let room = Newsroom::silent("");
    let version = |name: &str, text: &str| {
        let item = serde_json::json!({"id": "pier-7", "title": "Pier seven and the levee", "text": text});
        std::fs::write(room.path(name), item.to_string()).expect("written");
    };
    version("1.json", "The levee at pier seven was closed on Monday after divers found two cracks in it.");
    version("2.json", "The levee at pier seven will be closed until Friday after divers found two cracks in it.");
    assert_eq!(run(&room, &["ingest", "1.json"]).await.status.code(), Some(0));
    assert_eq!(run(&room, &["ingest", "2.json"]).await.status.code(), Some(0));
    let id = items(&room)[0].0.clone();
    let output = run(&room, &["items", "show", &id]).await;
    let line = "seven [-was-] {+will be+} closed [-on Monday-] {+until Friday+} after";
    assert!(text(&output.stdout).contains(line), "{}", text(&output.stdout));
    let shown = one(&room, &["items", "show", &id, "--json"]).await;
    assert_eq!(shown["revisions"][0]["text"][1], serde_json::json!({"op": "removed", "text": "was"}));
    assert_eq!(shown["revisions"][0]["title"], serde_json::json!([]));
}
