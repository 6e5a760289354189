//! What a person at a prompt meets: options behind words, ids cut short, and words that say what is so.

use serde_json::Value;

use super::newsroom::{Newsroom, article};
use super::program::{json, run, text};
use super::receiver::{Answer, Receiver};

/// Three articles, two of one story, taken and told.
async fn filled(receiver: &Receiver) -> Newsroom {
    let room = Newsroom::new(receiver, "");
    for n in 1..=3 {
        std::fs::write(room.path(&format!("{n}.txt")), article(n)).expect("written");
    }
    let taken = run(&room, &["ingest", "1.txt", "2.txt", "3.txt"]).await;
    assert_eq!(taken.status.code(), Some(0), "{}", text(&taken.stderr));
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    room
}

async fn said(room: &Newsroom, arguments: &[&str], code: i32) -> String {
    let output = run(room, arguments).await;
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

async fn ids(room: &Newsroom, list: &str) -> Vec<String> {
    let rows = json(&run(room, &[list, "--json"]).await);
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_behind_words_are_options() {
    let receiver = Receiver::start().await;
    let room = filled(&receiver).await;
    let found = run(&room, &["search", "levee", "--since", "1d", "--json"]).await;
    assert_eq!(json(&found).len(), 3, "{}", text(&found.stdout));
    let found = run(&room, &["search", "levee", "-ferry", "--limit", "1", "--json"]).await;
    assert_eq!(json(&found).len(), 1, "{}", text(&found.stdout));
    assert_eq!(said(&room, &["search", "levee", "-levee"], 0).await, "nothing found\n");
    let item = &ids(&room, "items").await[0];
    said(&room, &["items", "label", item, "-levee", "+ferry", "--config", "wirewatch.toml"], 0).await;
    let labels = json(&run(&room, &["items", "labels", "--json"]).await);
    assert_eq!(labels[0]["labels"], serde_json::json!(["ferry"]));
    assert_eq!(labels[0]["judged"], serde_json::json!(["ferry", "levee"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_taken_by_a_beginning_that_only_one_has() {
    let receiver = Receiver::start().await;
    let room = filled(&receiver).await;
    let (item, story) = (ids(&room, "items").await[0].clone(), ids(&room, "stories").await[0].clone());
    for short in [&item[..12], &item[4..12]] {
        let shown = json(&run(&room, &["items", "show", short, "--json"]).await);
        assert_eq!(shown[0]["id"], item.as_str());
    }
    assert_eq!(json(&run(&room, &["explain", &item[..12], "--json"]).await)[0]["id"], item.as_str());
    assert_eq!(json(&run(&room, &["stories", "show", &story[..12], "--json"]).await)[0]["id"], story.as_str());
    assert_eq!(json(&run(&room, &["alerts", "show", "1", "--json"]).await)[0]["sequence"], 1);
    let wrong = said(&room, &["stories", "show", "nonsense"], 64).await;
    assert!(wrong.starts_with("wirewatch: failed to read the id: `nonsense` is not a story id"), "{wrong}");
    // Every id begins with one of eight digits.
    let mut several = 0;
    for digit in "01234567".chars() {
        let output = run(&room, &["items", "show", &format!("itm_{digit}")]).await;
        let said = text(&output.stderr);
        assert!(output.status.success() || said.contains("no such item") || said.contains("several begin like that"));
        several += usize::from(output.status.success() || said.contains("several"));
    }
    assert!(several > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_who_was_told_and_who_would_be() {
    let receiver = Receiver::start().await;
    let room = filled(&receiver).await;
    let explained = said(&room, &["explain", "1.txt"], 0).await;
    assert!(!explained.contains("told     ") && explained.contains("taken by desk"), "{explained}");
    let item = ids(&room, "items").await[0].clone();
    let explained = said(&room, &["explain", &item], 0).await;
    assert!(explained.contains("\n  desk: delivered\n"), "{explained}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_test_leaves_nothing_owed_and_frees_what_waits() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    receiver.otherwise(Answer::status(503));
    let failed = said(&room, &["endpoints", "test", "desk"], 69).await;
    assert!(failed.contains("503"), "{failed}");
    let owed = json(&run(&room, &["deliveries", "--state", "pending", "--json"]).await);
    assert_eq!(owed, [] as [Value; 0], "a test that failed is not tried for days");
    std::fs::write(room.path("1.txt"), article(1)).expect("written");
    run(&room, &["ingest", "1.txt"]).await;
    let state = |rows: Vec<Value>| rows.iter().map(|row| row["state"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    let rows = json(&run(&room, &["deliveries", "--json"]).await);
    assert_eq!(rows[0]["state"], "pending", "{rows:?}");
    receiver.otherwise(Answer::status(204));
    let works = said(&room, &["endpoints", "test", "desk"], 0).await;
    assert!(works.contains("delivered 204"), "{works}");
    let rows = state(json(&run(&room, &["deliveries", "--json"]).await));
    assert_eq!(rows.iter().flatten().filter(|state| *state == "delivered").count(), 2, "{rows:?}");
    assert!(!rows.contains(&Some("pending".to_owned())), "{rows:?}");
}

/// Alerts for the terminal do not stand among what a script reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_of_what_alerts_on_the_console_is_json_alone() {
    let room = Newsroom::silent("");
    std::fs::write(room.path("1.txt"), article(1)).expect("written");
    room.drop_file("2.txt", &article(2));
    for arguments in
        [&["endpoints", "test", "console", "--json"][..], &["ingest", "1.txt", "--json"], &["run", "--once", "--json"]]
    {
        let output = run(&room, arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(serde_json::from_str::<Value>(said).is_ok(), "{arguments:?}: {said}");
        let alert = text(&output.stderr);
        assert!(
            alert.contains("A test") || alert.contains("levee") || alert.contains("Levee"),
            "{arguments:?} shows the alert: {alert}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_corrections_leave_no_trace() {
    let receiver = Receiver::start().await;
    let room = filled(&receiver).await;
    let story = ids(&room, "stories").await[0].clone();
    let refused = said(&room, &["stories", "merge", &story, &story], 65).await;
    assert!(refused.contains("they are one story already"), "{refused}");
    said(&room, &["stories", "merge", &story, "sty_0000000000000"], 65).await;
    let shown = json(&run(&room, &["stories", "show", &story, "--json"]).await);
    assert_eq!(shown[0].get("corrections"), None, "none was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_that_is_refused_speaks_of_the_backup() {
    let receiver = Receiver::start().await;
    let room = filled(&receiver).await;
    let missing = said(&room, &["restore", "missing.db"], 69).await;
    assert!(missing.contains("missing.db: no such file\nhint: name a file that `wirewatch backup` wrote"), "{missing}");
    let wrong = said(&room, &["restore", "wirewatch.toml"], 65).await;
    assert!(wrong.contains("not an SQLite file") && !wrong.contains("wirewatch restore FILE"), "{wrong}");
}
