//! What goes wrong with the API: cursors of another store, of the future and of a store that was restored since; hosts and
//! origins that are not ours; a reader that never reads.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wirewatch::clock::Clock;
use wirewatch::store::restore;

use super::newsroom::{Newsroom, article, number, until};
use super::operate::{Running, get};
use super::program;

fn room() -> Newsroom {
    let room = Newsroom::silent("");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    room
}

async fn ask(http: SocketAddr, path: &str, more: &str) -> (String, Value) {
    let answer = get(http, &format!("GET {path} HTTP/1.0\r\n{more}\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn answered(http: SocketAddr, path: &str) -> Value {
    let (head, body) = ask(http, path, "host: localhost\r\n").await;
    assert!(head.contains(" 200 "), "{path}: {head} {body}");
    body
}

/// The beginning of a stream, until it has said a word.
async fn hear(http: SocketAddr, path: &str, word: &str) -> String {
    let mut stream = TcpStream::connect(http).await.expect("connects");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.expect("sent");
    let (mut heard, mut part) = (String::new(), vec![0; 8192]);
    let reading = async {
        while !heard.contains(word) {
            let read = stream.read(&mut part).await.expect("read");
            assert!(read > 0, "it ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&part[..read]));
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.expect("it is said");
    heard
}

async fn drop_and_wait(room: &Newsroom, running: &Running, numbers: std::ops::Range<u64>) {
    let expected = i64::try_from(numbers.end).expect("few");
    for n in numbers {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_of_another_store_of_the_future_and_of_before_a_restore_are_told_apart() {
    let (one, other) = (room(), room());
    let (here, http) = Running::listening(&one).await;
    let (there, elsewhere) = Running::listening(&other).await;
    drop_and_wait(&one, &here, 0..3).await;
    drop_and_wait(&other, &there, 0..1).await;
    let foreign = answered(elsewhere, "/v1/changes").await["next"].as_str().expect("a cursor").to_owned();
    let foreign_list = answered(elsewhere, "/v1/items").await["newest"].as_str().expect("a cursor").to_owned();
    there.stop().await;
    for path in [
        format!("/v1/changes?after={foreign}"),
        format!("/v1/stream?after={foreign}"),
        format!("/v1/items?after={foreign_list}"),
    ] {
        let (head, body) = ask(http, &path, "host: localhost\r\n").await;
        assert!(head.contains(" 400 "), "{path}: {head}");
        assert_eq!(body["type"], "bad-cursor", "{path}");
    }
    // A backup now, more news, and then the backup is put back and more news than before comes.
    let backup = one.path("copy.db");
    here.store.backup(&backup, |_| {}).expect("copied");
    drop_and_wait(&one, &here, 3..6).await;
    let future = answered(http, "/v1/changes").await["next"].as_str().expect("a cursor").to_owned();
    let listed = answered(http, "/v1/items").await["newest"].as_str().expect("a cursor").to_owned();
    here.stop().await;
    for n in 0..6 {
        std::fs::remove_file(one.seed(&format!("{n}.txt"))).expect("removed");
    }
    restore(&backup, &one.path("state"), Clock::system().now()).expect("restored");
    let (here, http) = Running::listening(&one).await;
    for n in 10..30 {
        one.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("all are stored", || number(&here.store, "SELECT count(*) FROM items") == 23).await;
    // More happened than the cursor counts: without an epoch it would skip the first of it.
    let (head, body) = ask(http, &format!("/v1/changes?after={future}"), "host: localhost\r\n").await;
    assert!(head.contains(" 410 ") && body["type"] == "cursor-expired", "{head} {body}");
    let (head, body) = ask(http, &format!("/v1/items?after={listed}"), "host: localhost\r\n").await;
    assert!(head.contains(" 400 ") && body["type"] == "bad-cursor", "{head} {body}");
    let heard = hear(http, &format!("/v1/stream?kinds=item&after={future}"), "event: reset").await;
    assert!(!heard.contains("event: item"), "{heard}");
    here.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_origins_that_are_not_ours_are_refused_everywhere() {
    let room = room();
    let (running, http) = Running::listening(&room).await;
    for (path, headers, status) in [
        ("/v1/status", "host: localhost\r\n", 200),
        ("/v1/status", "host: 127.0.0.1\r\norigin: http://127.0.0.1:1\r\n", 200),
        ("/v1/status", "host: rebound.example\r\n", 421),
        ("/v1/stream", "host: rebound.example\r\n", 421),
        ("/feeds/stories.atom", "host: rebound.example\r\n", 421),
        ("/v1/status", "", 421),
        ("/v1/status", "host: localhost\r\norigin: https://evil.example\r\n", 403),
        ("/v1/stream", "host: localhost\r\norigin: null\r\n", 403),
    ] {
        let (head, _) = ask(http, path, headers).await;
        assert!(head.contains(&format!(" {status} ")), "{path} {headers}: {head}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_never_read_hold_nobody_up() {
    let room = room();
    let (running, http) = Running::listening(&room).await;
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(http).await.expect("connects");
        stream.write_all(b"GET /v1/stream?full=1&after=0 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
        deaf.push(stream);
    }
    drop_and_wait(&room, &running, 0..40).await;
    let heard = hear(http, "/v1/stream?kinds=item&after=0", "event: item").await;
    assert!(heard.contains("text/event-stream"));
    assert!(answered(http, "/v1/status").await.is_object());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_preview_and_every_list_are_the_same_on_the_command_line() {
    let room = room();
    let (running, http) = Running::listening(&room).await;
    drop_and_wait(&room, &running, 0..3).await;
    until("all are told", || super::newsroom::pending(&running.store) == 0).await;
    let item = answered(http, "/v1/items").await["data"][0]["id"].as_str().expect("an id").to_owned();
    let said = program::json(&program::run(&room, &["explain", &item, "--json"]).await);
    assert_eq!(answered(http, &format!("/v1/explain?item={item}")).await, said[0]);
    let said = program::json(&program::run(&room, &["explain", &item, "--topic", "ferry", "--json"]).await);
    assert_eq!(answered(http, &format!("/v1/explain?item={item}&topic=ferry")).await, said[0]);
    let alert = answered(http, "/v1/alerts").await["data"][0]["id"].as_str().expect("an id").to_owned();
    let said =
        program::json(&program::run(&room, &["endpoints", "preview", "console", "--alert", &alert, "--json"]).await);
    assert_eq!(answered(http, &format!("/v1/endpoints/console/preview?alert={alert}")).await, said[0]);
    let said = program::json(&program::run(&room, &["search", "levee", "--json"]).await);
    assert_eq!(answered(http, "/v1/search?q=levee").await["data"], Value::from(said));
    for list in ["items", "stories", "alerts", "deliveries", "endpoints"] {
        for row in answered(http, &format!("/v1/{list}")).await["data"].as_array().expect("rows") {
            let id = row["id"].as_str().expect("an id");
            let said = program::json(&program::run(&room, &[list, "show", id, "--json"]).await);
            assert_eq!(answered(http, &format!("/v1/{list}/{id}")).await, said[0], "{list}/{id}");
        }
    }
    // A text that is not kept, and a rule that is not written down.
    let text = "Levee in Elsewhere breaks\n\nThe levee broke at noon.";
    let request = format!(
        "POST /v1/explain HTTP/1.0\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let explained = get(http, &request).await;
    let explained: Value = serde_json::from_str(explained.split_once("\r\n\r\n").expect("a head").1).expect("JSON");
    let verdict = explained["data"][0]["verdict"].as_str().expect("a verdict");
    assert!(verdict.starts_with("would alert"), "{verdict}");
    let trial = answered(http, "/v1/preview?match=levee&since=7d").await;
    assert_eq!(
        (&trial["looked_at"], &trial["matched"], &trial["cut"]),
        (&json!(3), &json!(3), &json!(false)),
        "{trial}"
    );
    let (head, body) = ask(http, "/v1/preview?match=(", "host: localhost\r\n").await;
    assert!(head.contains(" 400 ") && body["type"] == "bad-query", "{head} {body}");
    assert_eq!(number(&running.store, "SELECT count(*) FROM items"), 3, "nothing of it is kept");
    running.stop().await;
}
