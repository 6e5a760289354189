//! The commands around delivery as an operator types them, on the real program: endpoints, deliveries, alerts,
//! silences, receive; on a store that nobody uses, and beside a running daemon.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;
use wirewatch::model::Timestamp;

use super::crash::{Daemon, command};
use super::newsroom::{Newsroom, article, body, title, until};
use super::program::{json, run, text};
use super::receiver::{Answer, Receiver};

/// Runs a command that must end well; what it prints for people.
async fn said(room: &Newsroom, arguments: &[&str]) -> String {
    let output = run(room, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    let shown = text(&output.stdout).to_owned();
    assert!(!shown.contains('\u{1b}'), "{arguments:?} colours a pipe: {shown}");
    shown
}

/// The same with `--json`.
async fn read(room: &Newsroom, arguments: &[&str]) -> Vec<Value> {
    let arguments = [arguments, &["--json"]].concat();
    let output = run(room, &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    if text(&output.stdout).is_empty() { Vec::new() } else { json(&output) }
}

/// Runs a command that must fail with this code, and gives what it says of that.
async fn fails(room: &Newsroom, arguments: &[&str], code: i32) -> String {
    let output = run(room, arguments).await;
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

fn id(row: &Value) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_are_listed_tried_and_switched_without_a_daemon() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "languages = [\"en\"]\nscore_min = 2.5\n");
    assert!(said(&room, &["endpoints"]).await.contains("untried"));
    let shown = said(&room, &["endpoints", "show", "desk"]).await;
    assert!(shown.contains("languages: en") && shown.contains("score: 2.5 and above"), "{shown}");
    assert!(fails(&room, &["endpoints", "show", "nobody"], 65).await.contains("it has: desk"));

    let tried = said(&room, &["endpoints", "test", "desk"]).await;
    assert!(tried.contains("delivered 200 in"), "{tried}");
    let tried = read(&room, &["endpoints", "test", "desk"]).await;
    assert_eq!(tried[0]["row"]["state"], "delivered");
    assert_eq!(tried[0]["attempts"][0]["status"], 200);
    assert!(tried[0]["attempts"][0]["latency_ms"].is_u64());
    let request: Value = serde_json::from_slice(&receiver.received()[0].body).expect("JSON");
    assert_eq!((&request["type"], &request["data"]["endpoint"]["id"]), (&"endpoint.test".into(), &"desk".into()));
    receiver.script([Answer::Status(500, Vec::new(), "no \u{1b}[31mthanks".to_owned())]);
    let refused = fails(&room, &["endpoints", "test", "desk"], 69).await;
    assert!(refused.contains("server_error 500") && refused.contains("no [31mthanks"), "{refused}");
    assert!(said(&room, &["endpoints", "list"]).await.contains("failing since"));

    let off = read(&room, &["endpoints", "disable", "desk", "--reason", "moving\nhouse"]).await;
    assert_eq!(off[0]["id"], "desk");
    assert!(off[0].to_string().contains("moving house"), "{}", off[0]);
    assert!(said(&room, &["endpoints", "show", "desk"]).await.contains("moving house"));
    assert!(fails(&room, &["endpoints", "test", "desk"], 65).await.contains("endpoints enable desk"));
    room.drop_file("1.txt", &article(1));
    let before = receiver.count();
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    assert_eq!(receiver.count(), before, "nothing goes to an endpoint that is disabled");
    assert!(said(&room, &["endpoints", "enable", "desk"]).await.contains("is enabled"));
    assert!(said(&room, &["endpoints", "enable", "desk"]).await.contains("was not disabled"));
    assert_eq!(read(&room, &["endpoints", "list"]).await[0]["state"]["disabled"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_shown_replayed_and_called_off_without_a_daemon() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    // One attempt, then parked.
    room.reconfigure("jitter = 0.0", "jitter = 0.0\nschedule = [\"0s\"]");
    receiver.otherwise(Answer::Status(503, Vec::new(), "<h1>closed\r\nfor lunch</h1>".to_owned()));
    for n in 1..=3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    let parked = read(&room, &["deliveries", "list", "--state", "parked"]).await;
    let first = id(&parked[0]);
    let shown = said(&room, &["deliveries", "show", &first]).await;
    for word in
        ["parked", "attempt 1 at", "server_error 503 in", "<h1>closed for lunch</h1>", "\"type\":\"alert.matched\""]
    {
        assert!(shown.contains(word), "no `{word}` in {shown}");
    }
    let detail = &read(&room, &["deliveries", "show", &first]).await[0];
    assert_eq!((&detail["attempts"][0]["status"], &detail["row"]["attempts"]), (&503.into(), &1.into()));
    assert!(fails(&room, &["deliveries", "show", "dlv_999"], 65).await.contains("no such delivery"));
    fails(&room, &["deliveries", "show", "alr_1"], 64).await;
    fails(&room, &["deliveries", "replay"], 64).await;

    assert_eq!(read(&room, &["deliveries", "replay", &first]).await[0]["due_again"], 1);
    assert_eq!(read(&room, &["deliveries", "cancel", &first]).await[0]["state"], "cancelled");
    assert!(fails(&room, &["deliveries", "cancel", &first], 65).await.contains("it is not owed"));
    receiver.otherwise(Answer::status(200));
    // The pause that the 503 asked for is an operator's to lift.
    said(&room, &["endpoints", "enable", "desk"]).await;
    let left = parked.len() - 1;
    assert!(said(&room, &["deliveries", "replay", "--failed"]).await.starts_with(&format!("{left} due again")));
    let before = receiver.count();
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    assert_eq!(receiver.count() - before, left);
    let states: Vec<Value> = read(&room, &["deliveries"]).await.into_iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states.iter().filter(|state| **state == "delivered").count(), left);
    assert_eq!(states.iter().filter(|state| **state == "cancelled").count(), 1);
    assert_eq!(read(&room, &["deliveries", "replay", "--since", "1h", "--endpoint", "desk"]).await[0]["due_again"], 3);
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    let ids: std::collections::BTreeSet<String> = receiver.received().into_iter().map(|r| r.id).collect();
    assert_eq!(ids.len(), 3, "however often, under the same ids");
    assert!(read(&room, &["deliveries", "--state", "folded"]).await.is_empty());
    assert_eq!(read(&room, &["deliveries", "--limit", "2"]).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_and_silences_are_read_and_changed_without_a_daemon() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "[[silences]]\nid = \"ferries\"\ntopics = [\"ferry\"]\ncomment = \"known\"\n");
    assert!(
        fails(&room, &["silences", "add", "--topic", "levee"], 69).await.contains("hint:"),
        "there is no store yet"
    );
    room.drop_file("1.txt", &article(1));
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    let alert = id(&read(&room, &["alerts"]).await[0]);
    let shown = said(&room, &["alerts", "show", &alert]).await;
    assert!(shown.contains("to desk: delivered, 1 attempt") && shown.contains(&alert), "{shown}");
    assert_eq!(read(&room, &["alerts", "show", &alert]).await[0]["id"], alert.as_str());
    assert!(read(&room, &["alerts", "list", "--topic", "ferry"]).await.is_empty());
    for list in ["stories", "items"] {
        assert_eq!(read(&room, &[list, "list", "--topic", "levee"]).await, read(&room, &[list]).await);
        assert!(read(&room, &[list, "list", "--topic", "ferry"]).await.is_empty());
    }
    assert_eq!(read(&room, &["alerts", "list", "--since", "1h"]).await.len(), 1);
    assert!(read(&room, &["alerts", "--since", "2090-01-01T00:00:00Z"]).await.is_empty());

    assert!(fails(&room, &["silences", "add"], 64).await.contains("--topic <TOPIC>|--source <SOURCE>"));
    assert!(fails(&room, &["silences", "add", "--text", " … "], 64).await.contains("without words"));
    let preview = ["silences", "preview", "--topic", "levee"];
    assert!(said(&room, &preview).await.starts_with("in the last 7 days it would have held back 1 of 1 alert"));
    let counted = read(&room, &preview).await.remove(0);
    assert_eq!(
        (&counted["alerts"], &counted["held_back"], &counted["newest"][0]["id"]),
        (&1.into(), &1.into(), &alert.as_str().into())
    );
    for other in [["--topic", "ferry"], ["--source", "gazette"], ["--text", "ferry runs"]] {
        let counted = read(&room, &[&["silences", "preview"][..], &other].concat()).await.remove(0);
        assert_eq!((&counted["alerts"], &counted["held_back"]), (&1.into(), &0.into()), "{other:?}");
    }
    assert!(fails(&room, &["silences", "add", "--topic", "nothing"], 65).await.contains("none of this name"));
    fails(&room, &["silences", "add", "--text", "levee", "--ends", "2001-01-01T00:00:00Z"], 64).await;
    let add = ["silences", "add", "--topic", "levee", "--for", "2h", "--author", "a. author", "--comment", "drill"];
    let silence = id(&read(&room, &add).await[0]);
    // Nobody said for how long: not for good.
    let listed = read(&room, &["silences", "list"]).await;
    let times = |silence: &Value| {
        let at = |key: &str| Timestamp::parse(silence[key].as_str().expect("a time")).expect("a time");
        at("ends").since(at("starts")).as_secs()
    };
    assert_eq!((times(&listed[0]), times(&listed[1])), (7 * 86_400, 7_200));
    for (length, lasts) in [(None, Some(7 * 86_400)), (Some(["--for", "3d"]), Some(3 * 86_400))] {
        let args = [&["silences", "add", "--text", "drill"][..], length.as_ref().map_or(&[][..], |l| &l[..])].concat();
        let added = read(&room, &args).await.remove(0);
        assert_eq!(Some(times(&added)), lasts, "{args:?}");
        read(&room, &["silences", "expire", added["id"].as_str().expect("an id")]).await;
    }
    let forever = read(&room, &["silences", "add", "--text", "drill", "--forever"]).await.remove(0);
    assert_eq!(forever["ends"], Value::Null);
    read(&room, &["silences", "expire", forever["id"].as_str().expect("an id")]).await;
    fails(&room, &["silences", "add", "--text", "drill", "--forever", "--for", "2h"], 64).await;
    let listed = said(&room, &["silences", "list"]).await;
    for word in [silence.as_str(), "topic levee", "a. author", "drill", "ferries", "HELD BACK"] {
        assert!(listed.contains(word), "no `{word}` in {listed}");
    }
    room.drop_file("2.txt", &article(2));
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    assert_eq!(receiver.count(), 1);
    let quiet = read(&room, &["alerts"]).await.remove(0);
    assert_eq!(quiet["silenced_by"], silence.as_str());
    let explained = said(&room, &["explain", quiet["item"].as_str().expect("an item")]).await;
    assert!(explained.contains(&format!("told nobody: silenced by {silence}")), "{explained}");
    let shown = said(&room, &["alerts", "show", &id(&quiet)]).await;
    assert!(shown.contains(&format!("silenced by {silence}")) && shown.contains("no endpoint was told"), "{shown}");
    let shown = said(&room, &["silences", "show", &silence]).await;
    for word in ["in force", "held back 1 alert", &title(2), &id(&quiet), "a. author: drill"] {
        assert!(shown.contains(word), "no `{word}` in {shown}");
    }
    let shown = read(&room, &["silences", "show", &silence]).await.remove(0);
    assert_eq!((&shown["held_back"], &shown["alerts"][0]["id"]), (&1.into(), &id(&quiet).into()));
    assert!(said(&room, &["silences", "show", "ferries"]).await.contains("held back 0 alerts"));
    assert!(fails(&room, &["silences", "show", "nobody"], 65).await.contains("no such silence"));
    let status = said(&room, &["status"]).await;
    assert!(
        status.contains(&format!("{silence} on topic levee until")) && status.contains("1 alert held back"),
        "{status}"
    );
    let active = read(&room, &["status"]).await.remove(0)["silences"].clone();
    assert_eq!((&active[0]["id"], &active[1]["held_back"]), (&"ferries".into(), &1.into()));
    let doctor = run(&room, &["doctor"]).await;
    assert!(text(&doctor.stdout).contains(&format!("wirewatch silences show {silence}")), "{doctor:?}");
    assert_eq!(read(&room, &["silences", "expire", &silence]).await[0]["id"], silence.as_str());
    assert!(fails(&room, &["silences", "expire", &silence], 65).await.contains("has ended"));
    assert!(fails(&room, &["silences", "expire", "ferries"], 65).await.contains("stands in the config"));
    assert_eq!(read(&room, &["silences", "list"]).await.len(), 1);
    assert_eq!(read(&room, &["silences", "list", "--all"]).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_beside_a_running_daemon_are_heeded_by_it() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    assert!(said(&room, &["endpoints", "test", "desk"]).await.contains("delivered 200"));
    assert_eq!(receiver.count(), 1, "by the daemon, once");

    said(&room, &["silences", "add", "--topic", "levee", "--for", "1h", "--comment", "drill"]).await;
    room.drop_file("1.txt", &article(1));
    until("it is stored", || room.store().totals().expect("read").alerts == 2).await;
    let silence = read(&room, &["alerts"]).await[0]["silenced_by"].as_str().expect("silenced").to_owned();
    said(&room, &["silences", "expire", &silence]).await;
    said(&room, &["endpoints", "disable", "desk"]).await;
    // The daemon looks now and then; what came before it did may have gone out.
    room.drop_file("2.txt", &article(2));
    until("it is stored", || room.store().totals().expect("read").alerts == 3).await;
    said(&room, &["endpoints", "enable", "desk"]).await;
    receiver.wait_for(2).await;
    let alert = id(&read(&room, &["alerts"]).await[0]);
    let of_alert = |rows: Vec<Value>| rows.into_iter().find(|row| row["alert"] == alert.as_str()).expect("a row");
    let delivery = id(&of_alert(read(&room, &["deliveries", "list"]).await));
    said(&room, &["deliveries", "replay", &delivery]).await;
    receiver.wait_for(3).await;
    let ids: Vec<String> = receiver.received().into_iter().map(|r| r.id).collect();
    assert_eq!((&ids[1], &ids[2]), (&alert, &alert), "the same alert again, nothing else");
    assert_eq!(daemon.stop().await, Some(0));
    let detail = &read(&room, &["deliveries", "show", &delivery]).await[0];
    assert_eq!(detail["attempts"].as_array().map(Vec::len), Some(2), "the history goes on");
}

/// Ends with the test.
struct Receiving(Child);

impl Drop for Receiving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receive_verifies_what_the_program_sends() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut receive = command(&room);
    receive.args(["receive", "--port", "0", "--secret", "secret", "--json"]);
    let child = receive.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut receiving = Receiving(child.expect("it starts"));
    let mut line = String::new();
    BufReader::new(receiving.0.stderr.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    assert!(line.contains("signatures are verified"), "{line}");
    room.reconfigure(receiver.url().as_str(), url.trim_end_matches(','));
    assert!(said(&room, &["endpoints", "test", "desk"]).await.contains("delivered 204"));
    let mut line = String::new();
    BufReader::new(receiving.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let shown: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&shown["verified"], &shown["repeat"]), (&true.into(), &false.into()), "{line}");
    assert!(fails(&room, &["receive", "--secret", "whsec_c2hvcnQ="], 64).await.contains("bytes"));
    assert!(fails(&room, &["receive", "--answer", "42"], 64).await.contains("from 100 to 999"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routing_by_language_and_score_is_kept_and_explained() {
    let receiver = Receiver::start().await;
    let endpoint = |id: &str, wants: &str| {
        format!(
            "[[endpoints]]\nid = \"{id}\"\nurl = \"{}\"\nheaders = [\"x-endpoint: {id}\"]\nallow_private = [\"127.0.0.0/8\"]\n{wants}\n",
            receiver.url()
        )
    };
    let more = [endpoint("german", "languages = [\"de\"]"), endpoint("sure", "score_min = 999.0")].concat();
    let room = Newsroom::new(&receiver, "");
    room.reconfigure("[[endpoints]]", &format!("{more}[[endpoints]]"));
    let item = |n: u64| {
        let text = format!("The mayor said that the levee was safe and that nobody would have to leave. {}", body(n));
        serde_json::json!({"title": title(n), "text": text, "url": format!("https://news.example/{n}")})
    };
    let headline = "Die levee am alten Hafen hält auch in dieser Nacht";
    let text = "Die levee wurde am Montag von der Stadt geprüft, und niemand musste sein Haus verlassen. Der Bürgermeister \
                sagte, dass das Wasser seit dem Morgen nicht mehr steigt und die Schulen wieder öffnen.";
    let items = [serde_json::json!({"title": headline, "text": text, "url": "https://news.example/1"}), item(2)];
    std::fs::write(room.path("two.json"), Value::from(items.to_vec()).to_string()).expect("written");
    let shown = said(&room, &["explain", "two.json"]).await;
    for word in
        ["taken by german", "by its languages: en is not among them", "by its score_min: 999 is above", "taken by desk"]
    {
        assert!(shown.contains(word), "no `{word}` in {shown}");
    }
    let explained = read(&room, &["explain", "two.json"]).await;
    let takes: Vec<Vec<bool>> = explained
        .iter()
        .map(|one| one["endpoints"].as_array().expect("a list").iter().map(|e| e["takes"] == true).collect())
        .collect();
    assert_eq!(takes, [[true, false, true], [false, false, true]], "german, sure, desk");
    said(&room, &["ingest", "two.json"]).await;
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    let mut told: Vec<(String, String)> = receiver
        .received()
        .iter()
        .map(|request| {
            let value: Value = serde_json::from_slice(&request.body).expect("JSON");
            let endpoint = request.header("x-endpoint").unwrap_or("desk").to_owned();
            (endpoint, value["data"]["item"]["title"].as_str().expect("a title").to_owned())
        })
        .collect();
    told.sort();
    let mut expected = [("desk", headline.to_owned()), ("desk", title(2)), ("german", headline.to_owned())]
        .map(|(id, t)| (id.to_owned(), t))
        .to_vec();
    expected.sort();
    assert_eq!(told, expected);
    // An alert that nobody takes is one all the same.
    room.reconfigure("id = \"desk\"", "id = \"desk\"\nscore_min = 999.0");
    std::fs::write(room.path("three.json"), Value::from(vec![item(3)]).to_string()).expect("written");
    assert!(said(&room, &["explain", "three.json"]).await.contains("but no endpoint takes it"));
    said(&room, &["ingest", "three.json"]).await;
    assert_eq!(read(&room, &["alerts"]).await.len(), 3);
}
