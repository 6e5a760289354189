//! `wirewatch X --json` and `GET /v1/X` are one document, for all X: the list is that of the router, so that a new path
//! cannot be forgotten here.

use std::net::SocketAddr;

use serde_json::Value;

use super::newsroom::{Newsroom, article, number, pending, until};
use super::operate::{Running, get_path};
use super::program;

/// What no command prints, and why.
const WITHOUT_A_COMMAND: [(&str, &str); 5] = [
    ("/v1/actions", "what was done by hand; the page shows it beside what it was done to"),
    ("/v1/changes", "a list to read on in, for programs"),
    ("/v1/stream", "it does not end"),
    ("/v1/openapi.json", "a description of the API"),
    ("/v1/preview", "for the page; `backtest` is its command, over whole rules"),
];

async fn answered(http: SocketAddr, path: &str) -> Value {
    let answer = get_path(http, path).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head} {body}");
    serde_json::from_str(body).expect("JSON")
}

/// Paths that are read, from the description that is made of the router.
async fn paths(http: SocketAddr) -> Vec<String> {
    let document = answered(http, "/v1/openapi.json").await;
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.filter(|(_, verbs)| verbs["get"].is_object()).map(|(path, _)| path.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_that_is_read_is_the_document_of_its_command() {
    let room = Newsroom::silent(
        "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/\"\ninterval = \"1d\"\nallow_private = [\"127.0.0.0/8\"]\n",
    );
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    for n in 0..3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == 3).await;
    until("all are told", || pending(&running.store) == 0).await;
    until("the feed was asked", || running.store.feed("wire").expect("read").is_some()).await;
    let silenced = ["silences", "add", "--text", "quiet words", "--comment", "a trial", "--json"];
    assert!(program::run(&room, &silenced).await.status.success());
    let mut compared = Vec::new();
    for path in paths(http).await {
        if WITHOUT_A_COMMAND.iter().any(|(without, _)| *without == path) {
            continue;
        }
        let name = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default().to_owned();
        let list = || async { answered(http, &format!("/v1/{name}")).await["data"].clone() };
        let (address, command): (String, Vec<String>) = match path.as_str() {
            "/v1/status" => (path.clone(), vec!["status".into()]),
            "/v1/search" => ("/v1/search?q=levee".into(), vec!["search".into(), "levee".into()]),
            "/v1/explain" => {
                let id = answered(http, "/v1/items").await["data"][0]["id"].as_str().expect("an id").to_owned();
                (format!("/v1/explain?item={id}"), vec!["explain".into(), id])
            }
            "/v1/endpoints/{id}/preview" => {
                let alert = answered(http, "/v1/alerts").await["data"][0]["id"].as_str().expect("an id").to_owned();
                let words = ["endpoints", "preview", "console", "--alert", &alert].map(str::to_owned);
                (format!("/v1/endpoints/console/preview?alert={alert}"), words.to_vec())
            }
            _ if path.ends_with("/{id}") => {
                let id = list().await[0]["id"].as_str().expect("an id").to_owned();
                (path.replace("{id}", &id), vec![name.clone(), "show".into(), id])
            }
            _ => (path.clone(), vec![name.clone()]),
        };
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--json"]).collect();
        let said = program::run(&room, &words).await;
        assert!(said.status.success(), "{path} has no command `{}`: {}", words.join(" "), program::text(&said.stderr));
        let said = program::json(&said);
        let mut answer = answered(http, &address).await;
        if path == "/v1/status" {
            // Each says where it read it from.
            answer["config"] = said[0]["config"].clone();
        }
        let is_list = answer["data"].is_array() && !path.contains("{id}") && path != "/v1/explain";
        let (left, right) =
            if is_list { (answer["data"].clone(), Value::from(said)) } else { (answer, said[0].clone()) };
        assert_eq!(left, right, "{address}");
        compared.push(path);
    }
    assert!(compared.len() >= 15, "{compared:?}");
    running.stop().await;
}
