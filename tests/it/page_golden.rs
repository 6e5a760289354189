//! Each page as it was when somebody last looked at it: a store of the same three articles, what was done to them by
//! hand, and every page as HTML with the times taken out. `WIREWATCH_WRITE=1` writes them anew.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use regex::Regex;
use serde_json::{Value, json};

use super::html_check::check_page;
use super::newsroom::{Newsroom, article, number, pending, until};
use super::operate::{Running, get};

async fn ask(http: SocketAddr, method: &str, path: &str, accept: &str, body: &str) -> (String, String) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer t0ken\r\naccept: {accept}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = get(http, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

async fn page(http: SocketAddr, path: &str) -> String {
    let (head, html) = ask(http, "GET", path, "text/html", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}\n{html}");
    check_page(path, &head, &html);
    html
}

async fn first(http: SocketAddr, list: &str) -> String {
    let (_, body) = ask(http, "GET", &format!("/v1/{list}"), "application/json", "").await;
    let rows: Value = serde_json::from_str(&body).expect("JSON");
    rows["data"][0]["id"].as_str().unwrap_or_else(|| panic!("no {list}: {body}")).to_owned()
}

/// Without what is different each time: times, lengths of time, charts over time, places and fingerprints.
fn settled(html: &str, room: &Newsroom) -> String {
    let mut text = html.replace(&room.dir.path().display().to_string(), "ROOM");
    for (pattern, with) in [
        ("<time [^>]*>[^<]*</time>", "<time>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z?)?", "TIME"),
        ("(?s)<svg.*?</svg>", "<svg>"),
        ("/assets/[0-9a-f]+/", "/assets/HASH/"),
        ("[0-9a-f]{32,}", "HASH"),
        ("h_[0-9a-z]{20,}", "FINGERPRINT"),
        (r"\b\d+ ms\b", "N ms"),
        (r#"(data-label="ms" class="number">)\d+"#, "${1}N"),
        (r"\b\d+ (s|min)\b", "N s"),
        // The state of health is looked at now and then: it knows of the silence, or not yet.
        ("<ul class=\"held\"><li>silences: .*</ul>", ""),
        (
            "<p class=\"lead\">(Everything that should run does|Something needs a look)\\.</p>",
            "<p class=\"lead\">STATE</p>",
        ),
        (r"(wirewatch |<dt>Version</dt><dd>)\d+\.\d+\.\d+", "${1}VERSION"),
        (r"(\d[\d\u{202f}.,]*) ?(bytes|KiB|MiB|GiB|TiB)", "SIZE"),
        ("(?s)(<pre[^>]*>).*?(</pre>)", "${1}BODY${2}"),
    ] {
        text = Regex::new(pattern).expect("an expression").replace_all(&text, with).into_owned();
    }
    text
}

fn held_to(name: &str, html: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/pages/{name}.html"));
    if std::env::var_os("WIREWATCH_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, html).expect("written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(html.lines()).find(|(a, b)| a != b);
    assert!(golden == html, "{name} is not what it was; WIREWATCH_WRITE=1 writes it anew: {differs:#?}");
}

fn with_token(more: &str) -> Newsroom {
    let room = Newsroom::silent(more);
    std::fs::write(room.path("token"), "t0ken\n").expect("written");
    std::fs::set_permissions(room.path("token"), std::fs::Permissions::from_mode(0o600)).expect("private");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"\ntoken_file = \"token\"");
    room.reconfigure("state_dir = \"state\"", "state_dir = \"state\"\ninstance = \"newsroom\"");
    room
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_what_they_were() {
    // A feed that was never polled, for nobody is asked here.
    let room = with_token("[[feeds]]\nid = \"gazette\"\nurl = \"https://gazette.example/news.rss\"\nenabled = false\n");
    let (running, http) = Running::listening(&room).await;
    for n in 0..3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
        let all = i64::try_from(n).expect("small") + 1;
        until("it is stored", || number(&running.store, "SELECT count(*) FROM items") == all).await;
        until("it is told", || pending(&running.store) == 0).await;
    }
    // It is indexed behind the commits.
    until("all can be searched", || running.store.search_lag().expect("read") == 0).await;
    let (item, story) = (first(http, "items").await, first(http, "stories").await);
    for (path, body) in [
        (
            "/v1/silences".to_owned(),
            json!({"topics": ["ferry"], "forever": true, "comment": "dredging", "author": "ada"}),
        ),
        (format!("/v1/items/{item}/labels"), json!({"topic": "levee", "about": "yes", "author": "ada"})),
    ] {
        let (head, answer) = ask(http, "POST", &path, "application/json", &body.to_string()).await;
        assert!(head.starts_with("HTTP/1.1 20"), "{path}: {head}\n{answer}");
    }
    let (alert, delivery) = (first(http, "alerts").await, first(http, "deliveries").await);
    for (name, path) in [
        ("now", "/"),
        ("stories", "/stories"),
        ("story", &format!("/stories/{story}")),
        ("items", "/items"),
        ("item", &format!("/items/{item}")),
        ("search", "/search?q=levee"),
        ("alerts", "/alerts"),
        ("alert", &format!("/alerts/{alert}")),
        ("topics", "/topics"),
        ("topic", "/topics/levee"),
        ("try", "/topics/levee/try"),
        ("feeds", "/feeds"),
        ("feed", "/feeds/gazette"),
        ("deliveries", "/deliveries"),
        ("delivery", &format!("/deliveries/{delivery}")),
        ("endpoint", "/endpoints/console"),
        ("silences", "/silences"),
        ("silence", "/silences/sil_1"),
        ("silence-new", "/silences/new?topic=levee&for=1d"),
        ("status", "/status"),
        ("login", "/login?next=/topics"),
    ] {
        let html = page(http, path).await;
        // Either all is well, or it says what is not.
        let (is_well, is_told) =
            (html.contains("Everything that should run does"), html.contains("<ul class=\"held\">"));
        assert!(name != "status" || is_well != is_told, "{html}");
        held_to(name, &settled(&html, &room));
    }
    let (_, lost) = ask(http, "GET", "/nothing", "text/html", "").await;
    held_to("refused", &settled(&lost, &room));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_an_empty_store_say_what_to_do_next() {
    let room = with_token("");
    let (running, http) = Running::listening(&room).await;
    for path in [
        "/",
        "/stories",
        "/items",
        "/search",
        "/alerts",
        "/topics",
        "/topics/levee",
        "/topics/levee/try",
        "/feeds",
        "/deliveries",
        "/endpoints/console",
        "/silences",
        "/silences/new",
        "/status",
        "/login",
    ] {
        let html = page(http, path).await;
        assert!(html.contains("<h1"), "{path}");
    }
    running.stop().await;
}
