//! The page and `/v1` of a running daemon: every page answers and is sound HTML, text from outside stays text, lists
//! go on without a gap, and the API says what the command line says.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wirewatch::clock::Clock;

use super::html_check::check_page;
use super::newsroom::{Newsroom, article, number, pending, until};
use super::operate::{Running, get};
use super::program;

/// What each shown field of a feed or file may try.
const HOSTILE: &str =
    "</title><script>alert(1)</script><img src=x onerror=alert(2)> &lt;script&gt;alert(4) \u{202e}gnihton \u{7}";

async fn listening(more: &str) -> (Newsroom, Running, SocketAddr) {
    let room = Newsroom::silent(more);
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"\npublic_url = \"https://watch.example.org\"");
    let (running, http) = Running::listening(&room).await;
    (room, running, http)
}

/// Status line and headers, and the body.
async fn ask(http: SocketAddr, path: &str, more: &str) -> (String, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n{more}connection: close\r\n\r\n");
    let answer = get(http, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

async fn read(http: SocketAddr, path: &str) -> Value {
    let (head, body) = ask(http, path, "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}\n{body}");
    serde_json::from_str(&body).expect("JSON")
}

/// Comments, reasons and names of people that try what titles try.
fn hostile_by_hand(running: &Running) {
    let (store, now) = (&running.store, Clock::system().now());
    let story = store.stories(&wirewatch::store::StoryFilter { limit: 9, ..Default::default() }).expect("read")[0].id;
    let silence = wirewatch::store::SilenceRecord {
        id: String::new(),
        topics: vec!["ferry".to_owned()],
        sources: vec![HOSTILE.to_owned()],
        story: Some(story),
        text: Some(HOSTILE.to_owned()),
        starts: now,
        ends: None,
        author: HOSTILE.to_owned(),
        comment: HOSTILE.to_owned(),
    };
    store.add_silence(&silence, now).expect("written");
    let console = wirewatch::model::EndpointId::new("console").expect("a name");
    let disable =
        |tx: &wirewatch::store::engine::Transaction<'_>| wirewatch::store::outbox::disable(tx, &console, HOSTILE, now);
    store.write("disable", disable).expect("written");
    let note =
        wirewatch::store::ActionNote { author: HOSTILE, verb: HOSTILE, about: "console", detail: HOSTILE, at: now };
    store.write("note", |tx| wirewatch::store::note_action(tx, &note)).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_every_one_answers_and_hostile_text_stays_text() {
    let (room, running, http) = listening("").await;
    for n in 0..3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    let hostile = serde_json::json!({
        "title": format!("Levee breaks {HOSTILE}"), "text": format!("The levee broke. {HOSTILE}\n\nMore {HOSTILE}"),
        "url": "javascript:alert(3)", "author": HOSTILE, "publisher": HOSTILE, "source": HOSTILE,
    });
    room.drop_file("hostile.json", &hostile.to_string());
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == 4).await;
    until("all are told", || pending(&running.store) == 0).await;
    // What people and programs say of it is text as well.
    hostile_by_hand(&running);
    let mut paths: Vec<String> = [
        "/silences/new",
        "/silences/sil_1",
        "/topics/levee/try",
        "/login",
        "/",
        "/?told=yes&since=30d",
        "/stories",
        "/items",
        "/items?topic=&since=7d",
        "/alerts",
        "/topics",
        "/feeds",
        "/deliveries",
        "/silences",
        "/silences?all=true",
        "/status",
        "/search",
        "/search?q=levee",
        "/endpoints/console",
    ]
    .map(str::to_owned)
    .to_vec();
    for list in ["stories", "items", "alerts", "topics", "deliveries"] {
        let rows = read(http, &format!("/v1/{list}")).await;
        for row in rows["data"].as_array().expect("rows") {
            paths.push(format!("/{list}/{}", row["id"].as_str().expect("an id")));
        }
    }
    assert!(paths.len() > 20, "{paths:?}");
    let said: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for form in [
        "/silences/new?text=",
        "/silences/new?story=",
        "/silences/new?comment=",
        "/login?next=",
        "/search?q=levee&source=",
    ] {
        paths.push(format!("{form}{said}"));
    }
    for path in &paths {
        let (head, html) = ask(http, path, "").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        check_page(path, &head, &html);
    }
    let (_, now) = ask(http, "/", "").await;
    assert!(now.contains("&lt;script&gt;alert(4)"), "it is shown as it is: {now}");
    for (path, status, word) in [
        ("/nothing", 404, "Search items"),
        ("/items/itm_x", 404, "damaged"),
        ("/items?topics=x", 400, "known are"),
        ("/stories/sty_0000000000000", 404, "no story"),
        ("/search?q=NOT", 400, "Search items"),
    ] {
        let (head, html) = ask(http, path, "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && html.contains(word), "{path}: {head}\n{html}");
        check_page(path, &head, &html);
    }
    // With `public_url` an alert says where its page is, and that page is there.
    let alert = &read(http, "/v1/alerts?limit=1").await["data"][0];
    let id = alert["id"].as_str().expect("an id");
    assert_eq!(alert["payload"]["data"]["alert"]["page"], format!("https://watch.example.org/alerts/{id}"));
    let (head, _) = ask(http, &format!("/alerts/{id}"), "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let named = format!("GET /alerts/{id} HTTP/1.1\r\nhost: watch.example.org\r\nconnection: close\r\n\r\n");
    assert!(get(http, &named).await.starts_with("HTTP/1.1 200"), "its name is known");
    let (head, html) = ask(http, "/", "cookie: a=b; ww_theme=dark\r\n").await;
    assert!(html.contains("data-theme=\"dark\""), "{head}");
    let (_, html) = ask(http, "/", "cookie: ww_theme=\"><script>\r\n").await;
    assert!(!html.contains("data-theme"), "no theme of somebody's own making");
    let assets: Vec<&str> = now.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let (head, _) = ask(http, asset, "").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("immutable"), "{asset}: {head}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_says_what_the_command_line_says() {
    let (room, running, http) = listening("").await;
    for n in 0..4 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == 4).await;
    until("all are told", || pending(&running.store) == 0).await;
    let silenced = ["silences", "add", "--text", "quiet words", "--comment", "a trial", "--json"];
    assert!(program::run(&room, &silenced).await.status.success());
    for list in ["items", "stories", "alerts", "deliveries", "feeds", "endpoints", "silences", "topics"] {
        let said = program::json(&program::run(&room, &[list, "--json"]).await);
        let answered = read(http, &format!("/v1/{list}")).await;
        assert_eq!(answered["data"], Value::from(said.clone()), "{list}");
        let Some(id) = said.first().and_then(|row| row["id"].as_str()) else { continue };
        if !matches!(list, "deliveries" | "feeds") {
            let shown = program::json(&program::run(&room, &[list, "show", id, "--json"]).await);
            assert_eq!(read(http, &format!("/v1/{list}/{id}")).await, shown[0], "{list}/{id}");
        }
    }
    let said = program::json(&program::run(&room, &["status", "--json"]).await);
    let mut answered = read(http, "/v1/status").await;
    answered["config"] = said[0]["config"].clone();
    assert_eq!(answered, said[0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_lists_go_on_without_a_gap_while_items_arrive() {
    let (room, running, http) = listening("").await;
    for n in 0..10 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("ten are stored", || number(&running.store, "SELECT count(*) FROM items") == 10).await;
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().expect("rows").iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    };
    let first = read(http, "/v1/items?limit=3").await;
    let newest = first["newest"].as_str().expect("a cursor").to_owned();
    let mut seen = ids(&first);
    for n in 10..14 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("more are stored", || number(&running.store, "SELECT count(*) FROM items") == 14).await;
    let mut next = first["next"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let page = read(http, &format!("/v1/items?limit=3&cursor={cursor}")).await;
        seen.extend(ids(&page));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (10, 10), "each of the ten once");
    let since = read(http, &format!("/v1/items?after={newest}&limit=3")).await;
    let rest = read(http, &format!("/v1/items?after={}", since["newest"].as_str().expect("a cursor"))).await;
    let later: BTreeSet<String> = ids(&since).into_iter().chain(ids(&rest)).collect();
    assert_eq!(later.len(), 4, "what came since, each once");
    assert!(seen.iter().all(|id| !later.contains(id)));
    let (head, _) = ask(http, "/v1/items?limit=3", "").await;
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a validator").to_owned();
    let (head, body) = ask(http, "/v1/items?limit=3", &format!("if-none-match: {tag}\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{head}");
    for (path, status, kind) in [
        (format!("/v1/items?topic=x&cursor={newest}"), 400, "bad-cursor"),
        (format!("/v1/alerts?cursor={newest}"), 400, "bad-cursor"),
        ("/v1/items?cursor=garbage".to_owned(), 400, "bad-cursor"),
        ("/v1/items?topics=x".to_owned(), 400, "bad-query"),
        ("/v1/items/itm_x".to_owned(), 404, "bad-id"),
        ("/v1/deliveries/dlv_999".to_owned(), 404, "not-found"),
        ("/v1/feeds/none".to_owned(), 404, "not-found"),
        ("/v1/nothing".to_owned(), 404, "not-found"),
        ("/v1/search".to_owned(), 400, "bad-query"),
    ] {
        let (head, body) = ask(http, &path, "").await;
        let problem: Value = serde_json::from_str(&body).expect("problem+json");
        assert!(head.contains("application/problem+json"), "{path}: {head}");
        assert_eq!((&problem["type"], &problem["status"]), (&Value::from(kind), &Value::from(status)), "{path}");
    }
    running.stop().await;
}

/// Reads a stream until it has said a word so often.
async fn hear(http: SocketAddr, path: &str, more: &str, word: &str, times: usize) -> String {
    let mut stream = TcpStream::connect(http).await.expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (mut heard, mut part) = (String::new(), vec![0; 8192]);
    let reading = async {
        while heard.matches(word).count() < times {
            let read = stream.read(&mut part).await.expect("read");
            assert!(read > 0, "it ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&part[..read]));
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.expect("it is said");
    heard
}

fn last_id(heard: &str) -> String {
    heard.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("an id").trim().to_owned()
}

fn said(heard: &str) -> Vec<String> {
    heard.lines().filter_map(|line| line.strip_prefix("data: ")).map(|line| line.trim().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_resumed_again_and_again_misses_nothing_and_repeats_nothing() {
    let (room, running, http) = listening("").await;
    room.drop_file("0.txt", &article(0));
    let first = hear(http, "/v1/stream?kinds=item&after=0", "", "event: item", 1).await;
    let (mut items, mut last) = (said(&first), last_id(&first));
    // Killed in the middle of a burst, each time.
    for n in 1..30 {
        room.drop_file(&format!("{n}.txt"), &article(n));
        let heard = hear(http, "/v1/stream?kinds=item", &format!("last-event-id: {last}\r\n"), "event: item", 1).await;
        items.extend(said(&heard));
        last = last_id(&heard);
    }
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == 30).await;
    assert_eq!(items.len(), items.iter().collect::<BTreeSet<_>>().len(), "each once");
    let changes = read(http, "/v1/changes?kinds=item&limit=200").await;
    let listed: Vec<String> = changes["data"].as_array().expect("rows").iter().map(ToString::to_string).collect();
    let ids = |rows: &[String]| -> Vec<Value> {
        rows.iter().map(|row| serde_json::from_str::<Value>(row).expect("JSON")["id"].clone()).collect()
    };
    assert_eq!(ids(&items), ids(&listed), "the stream says what the list says, in its order");
    let alerts = hear(http, "/v1/stream?kinds=alert&after=0&full=1", "", "event: alert.matched", 30).await;
    let payload: Value = serde_json::from_str(&said(&alerts)[0]).expect("JSON");
    let stored = running.store.alert("1").expect("read").expect("there").payload;
    assert_eq!(payload.to_string(), serde_json::from_str::<Value>(stored.get()).expect("JSON").to_string());
    let loud = hear(http, "/v1/stream?kinds=alert,item&after=0&topics=levee&severity_min=high", "", "\n\n", 61).await;
    assert_eq!((loud.matches("event: alert").count(), loud.matches("event: item").count()), (30, 30));
    let counted = read(http, "/v1/alerts?count=1&limit=1&severity_min=high").await;
    assert_eq!((&counted["count"], &counted["capped"]), (&Value::from(30), &Value::from(false)));
    assert_eq!(read(http, "/v1/alerts?severity_min=critical&count=1").await["count"], 0);
    for (path, status) in [
        ("/v1/stream?kinds=weather", "400"),
        ("/v1/stream?severity_min=loud", "400"),
        ("/v1/stream?after=garbage", "400"),
        ("/v1/changes?after=garbage", "400"),
    ] {
        let (head, _) = ask(http, path, "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {head}");
    }
    // Its reader is told to list anew where what it had is not of this store's past.
    let behind = hear(http, &format!("/v1/stream?after={last}"), "", "retry", 1).await;
    assert!(behind.contains("text/event-stream"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_so_many_and_keep_nobody_else_out() {
    let (_room, running, http) = listening("").await;
    let mut open = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(http).await.expect("connects");
        stream.write_all(b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.expect("answered");
        assert!(String::from_utf8_lossy(&part[..read]).starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    let (head, _) = ask(http, "/v1/stream", "").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after"), "{head}");
    // Beside them there is room for as many connections as ever.
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut stream = TcpStream::connect(http).await.expect("connects");
        stream.write_all(b"GET /metrics HT").await.expect("sent");
        slow.push(stream);
    }
    let (head, _) = ask(http, "/metrics", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    drop(slow);
    // Sooner than anything else would end them.
    tokio::time::timeout(std::time::Duration::from_secs(20), running.stop()).await.expect("a stop ends streams");
}
