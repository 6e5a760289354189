//! `POST /v1/items` from outside: every form of body, the answer after the commit, one item for any number of repeats,
//! and every refusal by its name.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wirewatch::clock::Clock;
use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::Signer;
use wirewatch::model::Timestamp;

use super::crash::Daemon;
use super::deliver::SECRET;
use super::newsroom::{Newsroom, article, number, until};
use super::operate::Running;
use super::program;
use super::receiver::Receiver;

const TOKEN: &str = "a-token-of-the-desk-7411";
const PUSHES: &str = "[[pushes]]\nid = \"scripts\"\ntoken_file = \"push-token\"\n\
                      [[pushes]]\nid = \"upstream\"\nsecret_file = \"secret\"\nrate = \"5/h\"\n";

fn with_pushes(room: Newsroom, listen: &str) -> Newsroom {
    let token = room.path("push-token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("written");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).expect("private");
    room.reconfigure("listen = \"off\"", &format!("listen = \"{listen}\""));
    room
}

async fn listening(clock: &Clock) -> (Newsroom, Running, SocketAddr) {
    let room = with_pushes(Newsroom::silent(PUSHES), "127.0.0.1:0");
    let running = Running::of(&room, room.start(clock).await);
    let http = running.http.expect("it listens");
    (room, running, http)
}

/// An answer: its status, its head in lower case, its body.
struct PushHeard {
    status: u16,
    head: String,
    body: String,
}

impl PushHeard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.body))
    }

    fn lines(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

async fn send(http: SocketAddr, headers: &str, body: &[u8]) -> PushHeard {
    let head = format!("POST /v1/items HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    let mut stream = TcpStream::connect(http).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("sent");
    // One that is refused early may close before it has read everything.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    heard(&String::from_utf8_lossy(&answer))
}

fn heard(answer: &str) -> PushHeard {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    PushHeard { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// With the token, as this media type.
async fn push(http: SocketAddr, media_type: &str, more: &str, body: &str) -> PushHeard {
    let headers = format!("authorization: Bearer {TOKEN}\r\ncontent-type: {media_type}\r\n{more}");
    send(http, &headers, body.as_bytes()).await
}

fn item(n: u64) -> Value {
    json!({"id": format!("n{n}"), "title": article(n).lines().next().expect("a title"), "text": article(n)})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_every_form_of_body_is_answered_with_what_became_of_it() {
    let (room, running, http) = listening(&Clock::system()).await;
    let one = push(http, "application/json", "", &item(1).to_string()).await;
    assert_eq!(one.status, 200, "{}\n{}", one.head, one.body);
    let answer = one.json();
    assert_eq!((&answer["received"], &answer["new"]), (&json!(1), &json!(1)), "{answer}");
    let taken = &answer["items"][0];
    assert_eq!((&taken["outcome"], &taken["topics"]), (&json!("new"), &json!(["levee"])), "{taken}");
    assert!(taken["story"].as_str().is_some_and(|id| id.starts_with("sty_")) && taken["alerts"][0].is_string());
    // The answer comes after the commit.
    let id = taken["id"].as_str().expect("an id").to_owned();
    assert_eq!(program::json(&program::run(&room, &["items", "show", &id, "--json"]).await)[0]["source"], "scripts");
    let again = push(http, "application/json", "", &item(1).to_string()).await.json();
    assert_eq!((&again["known"], &again["items"][0]["outcome"]), (&json!(1), &json!("known")));
    let mut edited = item(1);
    edited["text"] = json!(format!("{} The pumps run on.", article(1)));
    let edited = push(http, "application/json", "", &edited.to_string()).await.json();
    assert_eq!(edited["revisions"], 1, "{edited}");
    let batch = json!({"source": "desk", "items": [item(2), item(3), {"id": "empty"}]});
    let batch = push(http, "application/json; charset=utf-8", "", &batch.to_string()).await.json();
    assert_eq!((&batch["new"], &batch["rejected"][0]["reason"]), (&json!(2), &json!("empty")), "{batch}");
    let lines = format!("{}\n\nnonsense\n{}\n", item(4), item(5));
    let lines = push(http, "application/x-ndjson", "", &lines).await.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!((&lines[0]["line"], &lines[1]["line"]), (&json!(1), &json!(4)));
    assert_eq!(lines[2]["rejected"]["line"], 3);
    assert_eq!(lines[3], json!({"done": true, "received": 3, "rejected": 1}));
    let feed = format!(
        "<rss version=\"2.0\"><channel><title>w</title><item><guid>g6</guid><title>{}</title><description>{}</description>\
         </item></channel></rss>",
        article(6).lines().next().expect("a title"),
        article(6)
    );
    let feed = push(http, "application/rss+xml", "", &feed).await.json();
    assert_eq!(feed["new"], 1, "{feed}");
    let mail = format!(
        "From: Desk <desk@example.org>\r\nSubject: {}\r\nMessage-ID: <m8@example.org>\r\nDate: Mon, 17 Mar 2025 08:02:11 +0000\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
        article(8).lines().next().expect("a title"),
        article(8)
    );
    let mail = push(http, "message/rfc822", "", &mail).await.json();
    assert_eq!(mail["new"], 1, "{mail}");
    // What a file brought is the same text when it is sent: a further appearance, and no second alert.
    room.drop_file("7.txt", &article(7));
    until("the file is taken", || number(&running.store, "SELECT count(*) FROM items WHERE source = 'seeds'") == 1)
        .await;
    let alerts = number(&running.store, "SELECT count(*) FROM alerts");
    let copy = push(http, "application/json", "", &item(7).to_string()).await.json();
    assert_eq!((&copy["sightings"], &copy["items"][0]["alerts"]), (&json!(1), &json!([])), "{copy}");
    assert_eq!(number(&running.store, "SELECT count(*) FROM alerts"), alerts);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_under_one_key_is_taken_once_and_answered_the_same() {
    let (_room, running, http) = listening(&Clock::system()).await;
    let key = "idempotency-key: desk-1\r\n";
    let first = push(http, "application/json", key, &item(1).to_string()).await;
    let again = push(http, "application/json", key, &item(1).to_string()).await;
    assert_eq!((first.status, again.status), (200, 200), "{}", first.body);
    assert_eq!(first.body, again.body, "the same answer, not the answer to a repeat");
    assert!(again.head.contains("idempotent-replay: true") && !first.head.contains("idempotent-replay"));
    let other = push(http, "application/json", key, &item(2).to_string()).await;
    assert_eq!((other.status, &other.json()["type"]), (422, &json!("key-reused")));
    // A refusal is remembered as well.
    let (refused, repeated) = tokio::join!(
        push(http, "application/json", "idempotency-key: desk-2\r\n", "{\"id\": 1}"),
        push(http, "application/json", "idempotency-key: desk-3\r\n", "nonsense"),
    );
    assert_eq!((refused.status, &refused.json()["type"]), (422, &json!("nothing-taken")), "{}", refused.body);
    assert_eq!(refused.json()["errors"][0]["reason"], "empty");
    assert_eq!(repeated.json()["errors"][0]["reason"], "malformed");
    let repeated = push(http, "application/json", "idempotency-key: desk-2\r\n", "{\"id\": 1}").await;
    assert_eq!(refused.body, repeated.body);
    // Lines: each batch under a key of its own, whatever is cut where.
    let lines: String = (10..260)
        .flat_map(|n| [json!({"id": n, "title": format!("Note {n} of the day")}).to_string(), "\n".to_owned()])
        .collect();
    let key = "idempotency-key: lines\r\n";
    let first = push(http, "application/x-ndjson", key, &lines).await;
    let again = push(http, "application/x-ndjson", key, &lines).await;
    assert_eq!(first.lines().len(), 251, "{}", first.head);
    assert_eq!(first.body, again.body);
    // Several at once under one key: one is taken, and the others hear the same or that they are early.
    let body = item(300).to_string();
    let at_once = (0..8).map(|_| push(http, "application/json", "idempotency-key: crowd\r\n", &body));
    let heard = futures_util::future::join_all(at_once).await;
    assert!(heard.iter().any(|one| one.status == 200));
    for one in &heard {
        assert!(one.status == 200 || one.status == 409 && one.head.contains("retry-after: 1"), "{}", one.head);
    }
    assert_eq!(number(&running.store, "SELECT count(*) FROM items WHERE key = 'n300'"), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_is_refused_by_name() {
    let (room, running, http) = listening(&Clock::system()).await;
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let json_type = "content-type: application/json\r\n";
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 40 << 20]).expect("memory");
    let bomb = bomb.finish().expect("memory");
    let big = vec![b' '; (10 << 20) + 1];
    let long_key = format!("{token}{json_type}idempotency-key: {}\r\n", "k".repeat(129));
    let cases: [(String, &[u8], u16, &str); 10] = [
        (json_type.to_owned(), b"{}", 401, "unauthorized"),
        (format!("{json_type}authorization: Bearer wrong\r\n"), b"{}", 401, "unauthorized"),
        (format!("{json_type}authorization: Basic eDp5\r\n"), b"{}", 401, "unauthorized"),
        (token.clone(), b"{}", 415, "wrong-type"),
        (format!("{token}content-type: text/html\r\n"), b"{}", 415, "wrong-type"),
        (format!("{token}{json_type}content-encoding: gzip\r\n"), &bomb, 413, "too-large"),
        (format!("{token}{json_type}content-encoding: br\r\n"), b"not brotli", 400, "bad-encoding"),
        (format!("{token}{json_type}"), &big, 413, "too-large"),
        (format!("{token}{json_type}idempotency-key: a b\r\n"), b"{}", 400, "bad-key"),
        (long_key, b"{}", 400, "bad-key"),
    ];
    for (headers, body, status, word) in cases {
        let refused = send(http, &headers, body).await;
        assert_eq!(refused.status, status, "{word}: {}\n{}", refused.head, refused.body);
        assert!(refused.head.contains("application/problem+json"), "{word}: {}", refused.head);
        assert_eq!(refused.json()["type"], word);
    }
    // A line without end, and a page of another site.
    let endless = vec![b'x'; (1 << 20) + 4096];
    let endless = send(http, &format!("{token}content-type: application/x-ndjson\r\n"), &endless).await;
    assert_eq!(endless.lines()[0]["error"]["type"], "too-large", "{}", endless.body);
    let foreign = send(http, &format!("{token}{json_type}origin: https://evil.example\r\n"), b"{}").await;
    assert_eq!(foreign.status, 403);
    // A token is in no log and no answer.
    let metrics = super::operate::get_path(http, "/metrics").await;
    assert!(metrics.contains("wirewatch_http_refusals_total{reason=\"unauthorized\"} 3"), "{metrics}");
    for shown in [std::fs::read_to_string(room.config_file()).expect("read"), metrics] {
        assert!(!shown.contains(TOKEN));
    }
    assert_eq!(number(&running.store, "SELECT count(*) FROM items"), 0);
    running.stop().await;
}

fn signed(id: &str, at: Timestamp, secret: &str, body: &str) -> String {
    let signer = Signer::new(&[Secret::parse(secret).expect("a secret")]).expect("a key");
    let signature = signer.sign(id, at, body.as_bytes());
    format!(
        "content-type: application/json\r\nwebhook-id: {id}\r\nwebhook-timestamp: {}\r\nwebhook-signature: {signature}\r\n",
        at.seconds()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_signed_is_believed_once_and_only_in_its_time() {
    let start = Timestamp::from_seconds(1_742_198_531);
    let clock = Clock::manual(start);
    let (_room, running, http) = listening(&clock).await;
    let body = json!({
        "type": "alert.matched", "timestamp": "2025-03-17T08:02:11Z",
        "data": {"alert": {"id": "alr_1"}, "item": {"id": "itm_of_another", "title": "Levee holds at the bend",
            "url": "https://a.example/1", "outlet": "a.example", "excerpt": "The levee holds, the crews say."}},
    })
    .to_string();
    let taken = send(http, &signed("alr_1", start, SECRET, &body), body.as_bytes()).await;
    assert_eq!((taken.status, &taken.json()["new"]), (200, &json!(1)), "{}", taken.body);
    // Caught on the way and sent again: answered, and nothing happens.
    let replayed = send(http, &signed("alr_1", start, SECRET, &body), body.as_bytes()).await;
    assert!(replayed.head.contains("idempotent-replay: true") && replayed.body == taken.body, "{}", replayed.head);
    let forged = format!("whsec_{}", "AAAA".repeat(10));
    let forged = send(http, &signed("alr_2", start, &forged, &body), body.as_bytes()).await;
    assert_eq!((forged.status, &forged.json()["type"]), (401, &json!("bad-signature")));
    let changed = send(http, &signed("alr_2", start, SECRET, &body), b"{\"title\":\"other\"}").await;
    assert_eq!(changed.json()["type"], "bad-signature");
    clock.advance(std::time::Duration::from_secs(3600));
    let late = send(http, &signed("alr_1", start, SECRET, &body), body.as_bytes()).await;
    assert_eq!((late.status, &late.json()["type"]), (401, &json!("stale-signature")), "{}", late.body);
    // The clock goes back by an hour: what was caught then fits again, and is known by its id.
    clock.set(start);
    let back = send(http, &signed("alr_1", start, SECRET, &body), body.as_bytes()).await;
    assert!(back.head.contains("idempotent-replay: true"), "{}", back.head);
    let ahead = start.plus(std::time::Duration::from_secs(3600));
    let ahead = send(http, &signed("alr_3", ahead, SECRET, &body), body.as_bytes()).await;
    assert_eq!(ahead.json()["type"], "stale-signature");
    assert_eq!(number(&running.store, "SELECT count(*) FROM items"), 1);
    // A notice of the other about itself is heard and stores nothing; then its rate is used up.
    let notice =
        json!({"type": "endpoint.test", "timestamp": "2025-03-17T08:02:11Z", "data": {"endpoint": "up"}}).to_string();
    let notice = send(http, &signed("msg_1", start, SECRET, &notice), notice.as_bytes()).await;
    assert_eq!((notice.status, &notice.json()["received"]), (200, &json!(0)), "{}", notice.body);
    let one_more = send(http, &signed("alr_5", start, SECRET, &body), body.as_bytes()).await;
    assert_eq!((one_more.status, &one_more.json()["known"]), (200, &json!(1)));
    let too_many = send(http, &signed("alr_6", start, SECRET, &body), body.as_bytes()).await;
    assert_eq!((too_many.status, &too_many.json()["type"]), (429, &json!("rate-limited")), "{}", too_many.body);
    assert!(too_many.head.contains("retry-after: "));
    running.stop().await;
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_killed_between_commit_and_answer_is_one_item_and_one_answer() {
    for key in ["idempotency-key: crash\r\n", ""] {
        let receiver = Receiver::start().await;
        let port = free_port();
        let room = with_pushes(Newsroom::new(&receiver, PUSHES), &format!("127.0.0.1:{port}"));
        let http = SocketAddr::from(([127, 0, 0, 1], port));
        let mut daemon = Daemon::start(&room, Some("after-commit"));
        daemon.ready(&room).await;
        let unheard = push(http, "application/json", key, &item(1).to_string()).await;
        assert_eq!(unheard.status, 0, "it died before it answered: {}", unheard.head);
        daemon.ended().await;
        let mut daemon = Daemon::start(&room, None);
        daemon.ready(&room).await;
        let answer = push(http, "application/json", key, &item(1).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // With a key it hears what was answered before it was cut off; without one, that the item is known.
        let expected = if key.is_empty() { "known" } else { "new" };
        assert_eq!(answer.json()["items"][0]["outcome"], expected);
        assert_eq!(answer.head.contains("idempotent-replay: true"), !key.is_empty());
        until("the alert arrives", || receiver.count() > 0).await;
        let store = room.store();
        until("it is recorded", || super::newsroom::pending(&store) == 0).await;
        assert_eq!(number(&store, "SELECT count(*) FROM items"), 1);
        assert_eq!(number(&store, "SELECT count(*) FROM alerts"), 1);
        assert_eq!(receiver.count(), 1);
        drop(store);
        assert_eq!(daemon.stop().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_command_sends_files_and_says_what_became_of_them() {
    let (room, running, http) = listening(&Clock::system()).await;
    let lines: String = (1..=4).flat_map(|n| [item(n).to_string(), "\n".to_owned()]).collect();
    std::fs::write(room.path("items.jsonl"), format!("{lines}{{\"id\":\"none\"}}\n")).expect("written");
    std::fs::write(room.path("one.json"), item(9).to_string()).expect("written");
    std::fs::write(room.path("text.txt"), article(8)).expect("written");
    let to = format!("http://{http}/v1/items");
    let sent = program::run(&room, &["push", "items.jsonl", "one.json", "--to", &to, "--json"]).await;
    let said = program::json(&sent);
    assert_eq!(sent.status.code(), Some(65), "one line was not taken: {}", program::text(&sent.stderr));
    assert_eq!((&said[0]["new"], &said[0]["rejected"][0]["line"]), (&json!(4), &json!(5)), "{said:?}");
    assert_eq!((&said[1]["new"], &said[1]["replayed"]), (&json!(1), &json!(false)));
    let again = program::json(&program::run(&room, &["push", "one.json", "--to", &to, "--json"]).await);
    assert_eq!(
        (&again[0]["replayed"], &again[0]["key"]),
        (&json!(true), &said[1]["key"]),
        "a second call changes nothing"
    );
    let signed = ["push", "one.json", "--to", &to, "--secret-file", "secret", "--key", "other", "--json"];
    let signed = program::json(&program::run(&room, &signed).await);
    assert_eq!(signed[0]["copies"], 1, "another source: {signed:?}");
    for (arguments, code, word) in [
        (vec!["push", "text.txt", "--to", &to], 65, "seed directory"),
        (vec!["push", "missing.json", "--to", &to], 65, "missing.json"),
        (vec!["push", "one.json", "--to", "http://127.0.0.1:1/v1/items", "--retries", "0"], 69, "1 of 1"),
        (vec!["push", "one.json", "--to", &to, "--token-file", "nowhere"], 64, "nowhere"),
    ] {
        let output = program::run(&room, &arguments).await;
        let said = format!("{}{}", program::text(&output.stdout), program::text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_of_lines_that_dawdle_is_ended_by_name_and_what_came_is_kept() {
    let (_room, running, http) = listening(&Clock::system()).await;
    let mut stream = TcpStream::connect(http).await.expect("connects");
    let head = format!(
        "POST /v1/items HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 9999999\r\n\
         content-type: application/x-ndjson\r\n\r\n{}\n{{\"id\":\"half",
        item(1)
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let (mut said, mut part) = (String::new(), [0; 4096]);
    let reading = async {
        while !said.contains("too-slow") {
            let read = stream.read(&mut part).await.expect("read");
            assert!(read > 0, "it ended: {said}");
            said.push_str(&String::from_utf8_lossy(&part[..read]));
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.expect("it is ended");
    assert!(said.contains("\"outcome\":\"new\""), "the first line was answered: {said}");
    assert_eq!(number(&running.store, "SELECT count(*) FROM items"), 1);
    running.stop().await;
}
