//! The guarded HTTP client against a server that misbehaves: what feeds and webhooks both rest on.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use url::Url;
use wirewatch::model::FeedFailure;
use wirewatch::net::{BodyLimit, Cidr, Client, ClientConfig, NetError, Request, Response, WaitPhase};

use crate::feed_server::{FeedServer, Reply};

fn config() -> ClientConfig {
    ClientConfig {
        user_agent: "wirewatch-test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        header_bytes_max: 64 << 10,
        keep_alive: Duration::from_secs(5),
        idle_connections_per_host_max: 1,
        ca_file: None,
        proxy: None,
    }
}

fn loopback() -> Arc<[Cidr]> {
    Arc::from([Cidr::parse("127.0.0.0/8").expect("range")])
}

async fn get(client: &Client, url: &str, allow: &Arc<[Cidr]>, limit: BodyLimit) -> Result<Response, NetError> {
    let url = Url::parse(url).expect(url);
    let timeout = Duration::from_secs(5);
    let headers = HeaderMap::new();
    client
        .send(Request { method: Method::GET, url: &url, headers, body: None, timeout, limit, allow_private: allow })
        .await
}

#[tokio::test]
async fn send_posts_its_body_once_and_reads_the_answer() {
    let server = FeedServer::start().await;
    server.script("/hook", [Reply::ok("taken").with("Retry-After", "7")]);
    let client = Client::new(config()).expect("client");
    let url = Url::parse(&server.url("/hook")).expect("url");
    let request = Request {
        method: Method::POST,
        url: &url,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().expect("value"))]),
        body: Some(b"{\"a\":1}".to_vec()),
        timeout: Duration::from_secs(5),
        limit: BodyLimit::Excerpt(3),
        allow_private: &loopback(),
    };
    let response = client.send(request).await.expect("an answer");
    assert_eq!((response.status.as_u16(), response.body.as_slice(), response.cut), (200, b"tak".as_slice(), true));
    assert_eq!(response.headers["retry-after"], "7");
    let asked = server.asked("/hook");
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].body.as_slice()), (1, "POST", b"{\"a\":1}".as_slice()));
    assert_eq!(asked[0].header_text("user-agent").as_deref(), Some("wirewatch-test"));
    assert_eq!(asked[0].header("cookie"), None);
    assert_eq!(asked[0].header("referer"), None);
}

#[tokio::test]
async fn send_private_names_and_addresses_are_refused_before_a_byte_is_sent() {
    let server = FeedServer::start().await;
    server.script("/", [Reply::ok("secret")]);
    let client = Client::new(config()).expect("client");
    let port = server.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
    ] {
        let refused = get(&client, &format!("http://{host}:{port}/"), &Arc::from([]), BodyLimit::Whole(100)).await;
        let error = refused.expect_err(host);
        assert_eq!(error.failure(), FeedFailure::PrivateAddress, "{host}: {error}");
        assert!(!error.may_have_been_received(), "{host}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn send_connection_of_an_allowing_list_is_not_reused_by_another() {
    let server = FeedServer::start().await;
    server.script("/", [Reply::ok("secret")]);
    let client = Client::new(config()).expect("client");
    let url = format!("http://localhost:{}/", server.port());
    let limit = BodyLimit::Whole(100);
    assert!(get(&client, &url, &loopback(), limit).await.is_ok());
    assert!(matches!(get(&client, &url, &Arc::from([]), limit).await, Err(NetError::PrivateAddress { .. })));
    let other: Arc<[Cidr]> = Arc::from([Cidr::parse("10.0.0.0/8").expect("range")]);
    assert!(matches!(get(&client, &url, &other, limit).await, Err(NetError::PrivateAddress { .. })));
    // An equal list of another feed shares the connection.
    assert!(get(&client, &url, &loopback(), limit).await.is_ok());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn send_environment_proxy_is_ignored_and_redirects_are_not_followed() {
    let server = FeedServer::start().await;
    server.script("/a", [Reply::redirect(302, "/b")]);
    let client = Client::new(config()).expect("client");
    let response = get(&client, &server.url("/a"), &loopback(), BodyLimit::Whole(100)).await.expect("an answer");
    assert_eq!(response.status.as_u16(), 302);
    assert!(server.asked("/b").is_empty());
}

#[tokio::test]
async fn send_credentials_of_the_url_are_not_sent_by_themselves() {
    let server = FeedServer::start().await;
    server.script("/", [Reply::ok("")]);
    let client = Client::new(config()).expect("client");
    let url = format!("http://user:canary@127.0.0.1:{}/", server.port());
    get(&client, &url, &loopback(), BodyLimit::Whole(100)).await.expect("an answer");
    let asked = &server.asked("/")[0];
    assert!(asked.headers.iter().all(|(_, value)| !String::from_utf8_lossy(value).contains("canary")));
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn send_oversized_answers_are_refused_or_cut_as_asked() {
    let server = FeedServer::start().await;
    let endless = Reply::Endless {
        head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        piece: b"400\r\n".iter().copied().chain([b'x'; 1024]).chain(*b"\r\n").collect(),
        pause: Duration::ZERO,
    };
    server.script("/endless", [endless]);
    server.script("/announced", [Reply::ok("short").with("Content-Length", "1000000000000")]);
    server.script("/headers", [Reply::ok("").with("X-Long", &"x".repeat(70_000))]);
    server.script("/headers10m", [Reply::ok("").with("X-Long", &"x".repeat(10 << 20))]);
    server.script(
        "/fields",
        [Reply::Http {
            status: 200,
            headers: (0..2000).map(|n| (format!("X-{n}"), String::new())).collect(),
            body: Vec::new(),
        }],
    );
    let client = Client::new(config()).expect("client");
    let fetch = async |path: &str, limit| get(&client, &server.url(path), &loopback(), limit).await;
    for path in ["/endless", "/announced", "/headers", "/headers10m"] {
        let error = fetch(path, BodyLimit::Whole(10_000)).await.expect_err(path);
        assert_eq!(error.failure(), FeedFailure::TooLarge, "{path}: {error}");
    }
    assert!(fetch("/fields", BodyLimit::Whole(10_000)).await.is_err());
    let cut = fetch("/endless", BodyLimit::Excerpt(10_000)).await.expect("its beginning");
    assert_eq!((cut.body.len(), cut.cut), (10_000, true));
}

#[tokio::test]
async fn send_broken_connections_are_told_apart() {
    let server = FeedServer::start().await;
    server.script("/silent", [Reply::Silent]);
    server.script("/reset", [Reply::Reset]);
    server.script("/nonsense", [Reply::Raw(b"SMTP ready\r\n".to_vec())]);
    server.script("/cut", [Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec())]);
    let slow = Reply::Endless {
        head: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec(),
        piece: b"x".to_vec(),
        pause: Duration::from_millis(20),
    };
    server.script("/slow", [slow]);
    let impatient = ClientConfig { idle_timeout: Duration::from_millis(150), ..config() };
    let client = Client::new(impatient).expect("client");
    let fetch = async |path: &str| get(&client, &server.url(path), &loopback(), BodyLimit::Whole(10_000)).await;
    let error = fetch("/silent").await.expect_err("silent");
    assert!(matches!(error, NetError::Timeout { phase: WaitPhase::Data, .. }), "{error}");
    for path in ["/reset", "/nonsense", "/cut"] {
        let error = fetch(path).await.expect_err(path);
        assert_eq!(error.failure(), FeedFailure::Reset, "{path}: {error}");
        assert!(error.may_have_been_received(), "{path}");
    }
    let url = Url::parse(&server.url("/slow")).expect("url");
    let request = Request {
        method: Method::GET,
        url: &url,
        headers: HeaderMap::new(),
        body: None,
        timeout: Duration::from_millis(300),
        limit: BodyLimit::Whole(10_000),
        allow_private: &loopback(),
    };
    let error = client.send(request).await.expect_err("slow");
    assert!(matches!(error, NetError::Timeout { phase: WaitPhase::Answer, .. }), "{error}");
}

#[tokio::test]
async fn send_no_server_no_name_and_no_tls_are_told_apart() {
    let server = FeedServer::start().await;
    let client = Client::new(config()).expect("client");
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    for (url, expected) in [
        (format!("http://127.0.0.1:{closed}/?token=canary"), FeedFailure::Connect),
        ("http://name.invalid/?token=canary".to_owned(), FeedFailure::Dns),
        (format!("https://127.0.0.1:{}/?token=canary", server.port()), FeedFailure::Tls),
        ("ftp://127.0.0.1/?token=canary".to_owned(), FeedFailure::ClientError),
    ] {
        let error = get(&client, &url, &loopback(), BodyLimit::Whole(100)).await.expect_err(&url);
        assert_eq!(error.failure(), expected, "{url}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
