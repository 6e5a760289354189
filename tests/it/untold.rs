//! Who was not told, and why: by name, in `explain` and on the page; and what raises nothing by itself, counted.

use serde_json::{Value, json};

use super::newsroom::{Newsroom, article, body, number, title, until};
use super::operate::{Running, get};
use super::program::{json as documents, run, text};

const ENDPOINTS: &str = "
[[endpoints]]
id = \"pager\"
format = \"console\"
severity_min = \"critical\"
[[endpoints]]
id = \"ferries\"
format = \"console\"
topics = [\"ferry\"]
[[endpoints]]
id = \"picky\"
format = \"console\"
topics = [\"ferry\", \"levee\"]
score_min = 400.0
[[endpoints]]
id = \"german\"
format = \"console\"
languages = [\"de\"]
[[endpoints]]
id = \"off\"
format = \"console\"
enabled = false
";

async fn one(room: &Newsroom, arguments: &[&str]) -> Value {
    let output = run(room, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    documents(&output).remove(0)
}

fn items(room: &Newsroom) -> Vec<String> {
    let all = room.store().items(&wirewatch::store::ItemFilter { limit: 100, ..Default::default() }).expect("items");
    all.iter().rev().map(|item| item.id.to_string()).collect()
}

/// What keeps an item's topic from each endpoint, as `explain` says it.
async fn because(room: &Newsroom, item: &str) -> Vec<(String, String)> {
    let explained = one(room, &["explain", item, "--topic", "levee", "--json"]).await;
    let hearings = explained["endpoints"].as_array().expect("a list");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hearings.iter().map(|hearing| (word(&hearing["endpoint"]), word(&hearing["because"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untold_names_the_filter_the_silence_the_switch_or_the_alert_before() {
    let room = Newsroom::silent(ENDPOINTS);
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    let page = async |path: &str| {
        get(http, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    };
    room.drop_file("1.txt", &article(1));
    until("an alert", || number(&room.store(), "SELECT count(*) FROM alerts") == 1).await;
    let first = items(&room).remove(0);
    let said = because(&room, &first).await;
    let of = |said: &[(String, String)], id: &str| {
        said.iter().find(|(endpoint, _)| endpoint == id).map(|(_, because)| because.clone()).unwrap_or_default()
    };
    assert_eq!(of(&said, "console"), "", "it was told");
    assert_eq!(of(&said, "pager"), "severity_min: critical is above high");
    assert_eq!(of(&said, "ferries"), "topics: levee is not among them");
    assert!(of(&said, "picky").starts_with("score_min: 400 is above"), "{said:?}");
    assert!(of(&said, "german").starts_with("languages: "), "{said:?}");
    assert_eq!(of(&said, "off"), "enabled: it is off in the config");
    let alert = documents(&run(&room, &["alerts", "--json"]).await).remove(0)["id"].as_str().expect("an id").to_owned();
    let shown = page(&format!("/alerts/{alert}")).await;
    for part in ["severity_min: critical is above high", "topics: levee is not among them", "enabled: it is off"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }

    // A further report of the story: whoever heard of it is not told again, and the alert is named.
    let mut sentences: Vec<String> = body(1).split(". ").map(str::to_owned).collect();
    sentences.rotate_left(3);
    let again = format!("{} again\n\n{}. {}\n", title(1), sentences[..4].join(". "), body(51));
    room.drop_file("2.txt", &again);
    until("the second report", || items(&room).len() == 2).await;
    let said = because(&room, &items(&room)[1]).await;
    assert_eq!(of(&said, "console"), "it heard of the story and this topic, last by alert #1");

    // Another event under a silence: nobody hears of it, and the silence is named.
    let silence =
        one(&room, &["silences", "add", "--text", &title(7), "--author", "desk", "--comment", "drill", "--json"]).await;
    let silence = silence["id"].as_str().expect("an id").to_owned();
    room.drop_file("3.txt", &article(7));
    until("a silenced alert", || {
        number(&room.store(), "SELECT count(*) FROM alerts WHERE silenced_by IS NOT NULL") == 1
    })
    .await;
    let said = because(&room, &items(&room)[2]).await;
    assert_eq!(of(&said, "console"), format!("silence {silence}"));
    let alert = documents(&run(&room, &["alerts", "--json"]).await).remove(0)["id"].as_str().expect("an id").to_owned();
    let shown = page(&format!("/alerts/{alert}")).await;
    assert!(shown.contains(&format!("silence {silence} (by desk: drill)")), "{shown}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_and_round_ups_raise_nothing_by_themselves_and_are_counted() {
    let room = Newsroom::silent("[alerts]\nround_ups = \"withheld\"\n");
    for (n, head) in [(1, "Explainer: "), (2, "Opinion: "), (3, "Live: ")] {
        let name = format!("{n}.txt");
        std::fs::write(room.path(&name), format!("{head}{}", article(n))).expect("written");
        assert_eq!(run(&room, &["ingest", &name]).await.status.code(), Some(0));
    }
    assert_eq!(number(&room.store(), "SELECT count(*) FROM alerts"), 0);
    let status = one(&room, &["status", "--json"]).await;
    let withheld = |at: usize| json!([status["withheld"][at]["reason"], status["withheld"][at]["count"]]);
    assert_eq!((withheld(0), withheld(1)), (json!(["comment-withheld", 2]), json!(["round-up-withheld", 1])));
    assert_eq!(status["rejected"], json!([]), "they were taken");
    let output = run(&room, &["status"]).await;
    let shown = text(&output.stdout);
    assert!(shown.contains("no alert   2 × comment-withheld, last"), "{shown}");
    for (item, word) in items(&room).iter().zip(["comments or explains", "comments or explains", "many events at once"])
    {
        let explained = one(&room, &["explain", item, "--json"]).await;
        assert!(explained["verdict"].as_str().is_some_and(|verdict| verdict.contains(word)), "{explained}");
    }
}
