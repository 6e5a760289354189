//! The listener against whoever finds it: slow and large requests, paths that climb, headers that lie,
//! and names that would forge a line of metrics. It goes on answering everybody else.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::feed_server::{FeedServer, Reply};
use super::newsroom::{Newsroom, number, until};
use super::operate::{Running, get_path};

async fn listening(more: &str) -> (Newsroom, Running, SocketAddr) {
    let room = Newsroom::silent(more);
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    (room, running, http)
}

/// Sends what it can and reads what comes, whatever it is.
async fn send(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let mut answer = Vec::new();
    // It may be refused before all of it is sent, and the rest of the answer lost with the reset.
    let _ = stream.write_all(request).await;
    let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_slow_clients_and_huge_requests_hold_nobody_up() {
    let (_room, running, http) = listening("").await;
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut stream = TcpStream::connect(http).await.expect("connects");
        stream.write_all(b"GET /metrics HT").await.expect("sent");
        slow.push(stream);
    }
    assert!(get_path(http, "/healthz").await.contains("200 OK"), "beside sixty slow ones");
    drop(slow);
    let long = "x".repeat(1 << 20);
    for (what, request) in [
        ("header", format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n")),
        ("path", format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")),
        ("many headers", {
            let many = (0..20_000).map(|n| format!("x-{n}: y\r\n")).collect::<Vec<_>>().concat();
            format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\n{many}\r\n")
        }),
        ("body", format!("POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1048576\r\n\r\n{long}")),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned()),
    ] {
        let answer = send(http, request.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{what}: {answer:.200}");
        assert!(!answer.contains("wirewatch_ready"), "{what}");
    }
    assert!(get_path(http, "/readyz").await.contains("200 OK"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_paths_that_climb_and_headers_that_lie_get_nothing() {
    let (_room, running, http) = listening("").await;
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fstate/wirewatch.db",
        "//metrics",
        "/metrics/",
        "/metrics%00",
        "/metrics;x",
        "/./metrics",
        "/METRICS",
        "/debug/pprof",
        "/state/wirewatch.db",
        "/wirewatch.toml",
    ] {
        let answer = get_path(http, path).await;
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        let head = answer.to_lowercase();
        for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "no-store"] {
            assert!(answer.starts_with("HTTP/1.1 400") || head.contains(header), "{path}: {answer}");
        }
    }
    for (headers, status) in [
        ("host: evil.example\r\nx-forwarded-host: localhost\r\n", 421),
        ("host: evil.example\r\nforwarded: host=localhost;for=127.0.0.1\r\n", 421),
        ("host: evil.example\r\nx-forwarded-for: 127.0.0.1\r\nx-real-ip: 127.0.0.1\r\n", 421),
        ("host: localhost\r\nhost: evil.example\r\n", 400),
        ("host: localhost\r\norigin: https://evil.example\r\n", 403),
        ("host: localhost\r\norigin: null\r\n", 403),
        ("x-original-host: localhost\r\n", 421),
        ("host: localhost\r\nx-original-url: /metrics\r\nx-http-method-override: DELETE\r\n", 200),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        let answer = send(http, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
    }
    for method in ["POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PROPFIND"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = send(http, request.as_bytes()).await;
        // Whoever may not write is told so before anything is said about paths and methods.
        let refused = ["HTTP/1.1 403", "HTTP/1.1 405"].iter().any(|status| answer.starts_with(status));
        assert!(refused, "{method}: {answer}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_readiness_show_nothing_that_a_feed_wrote() {
    let feeds = FeedServer::start().await;
    let hostile = "x\nwirewatch_forged 1\n\" } <script>alert(1)</script>\u{1b}[2J";
    let escaped = hostile.replace('<', "&lt;").replace('"', "&quot;").replace('\u{1b}', "");
    let document = format!(
        "<rss version=\"2.0\"><channel><title>{escaped}</title><item><title>{escaped}</title>\
         <guid>{escaped}</guid><description>levee {escaped}</description></item></channel></rss>"
    );
    feeds.on("/bad", move |_| Reply::ok(document.clone()).with("Content-Type", "application/rss+xml"));
    feeds.on("/worse", |_| Reply::status(500).with("x-wirewatch", "wirewatch_forged 1"));
    let feed = |id: &str| {
        let url = feeds.url(&format!("/{id}"));
        format!(
            "[[feeds]]\nid = \"{id}\"\nurl = \"{url}\"\ninterval = \"1s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n"
        )
    };
    let (_room, running, http) = listening(&(feed("bad") + &feed("worse"))).await;
    until("the item is stored", || number(&running.store, "SELECT count(*) FROM items") == 1).await;
    until("the other one failed", || running.store.feed("worse").expect("read").is_some_and(|f| f.failure.is_some()))
        .await;
    let mut ready = String::new();
    for _ in 0..400 {
        ready = get_path(http, "/readyz").await;
        if ready.contains("failing") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(ready.contains("sources: 1 of 2 feeds failing"), "{ready}");
    let metrics = get_path(http, "/metrics").await;
    for text in [&ready, &metrics] {
        assert!(!text.contains("forged") && !text.contains("<script") && !text.contains('\u{1b}'), "{text}");
    }
    let body = metrics.split_once("\r\n\r\n").expect("a body").1;
    for line in body.lines() {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        assert!(name.starts_with("wirewatch_") || line == "# EOF", "{line}");
    }
    running.stop().await;
}
