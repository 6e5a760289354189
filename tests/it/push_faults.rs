//! What goes wrong around sending and listening: a disk that fills up, text that no reader expects, a proxy that buffers
//! and cuts, a reload and a restart in the middle of a stream.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::newsroom::{Newsroom, article, number, until};
use super::operate::{Running, get};

const TOKEN: &str = "a-token-of-the-desk-7411";
/// Nothing is waited for longer, unless it hangs.
const HANGS: std::time::Duration = super::newsroom::HANGS;

fn room(more: &str) -> Newsroom {
    let room = Newsroom::silent(&format!("{more}[[pushes]]\nid = \"scripts\"\ntoken_file = \"push-token\"\n"));
    let token = room.path("push-token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("written");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).expect("private");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    room
}

async fn push(http: SocketAddr, media_type: &str, body: &str) -> (u16, Value) {
    let head = format!(
        "POST /v1/items HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: {media_type}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = get(http, &head).await;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_while_the_disk_is_nearly_full_is_answered_507_and_taken_later() {
    let room = room("[limits]\nfree_space_min = \"1024GiB\"\n");
    let (running, http) = Running::listening(&room).await;
    let item = json!({"id": "n1", "title": "Levee holds", "text": article(1)}).to_string();
    let ready = async || super::operate::get_path(http, "/readyz").await;
    let end = tokio::time::Instant::now() + HANGS;
    while !ready().await.contains("disk") {
        assert!(tokio::time::Instant::now() < end, "the disk is never found to be nearly full");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let before = number(&running.store, "SELECT count(*) FROM items");
    let (status, problem) = push(http, "application/json", &item).await;
    assert_eq!((status, &problem["type"]), (507, &json!("disk-low")), "{problem}");
    // Line by line the head is out already: the refusal is a line.
    let (status, line) = push(http, "application/x-ndjson", &item).await;
    assert_eq!((status, &line["error"]["type"]), (200, &json!("disk-low")), "{line}");
    assert_eq!(number(&running.store, "SELECT count(*) FROM items"), before, "nothing of it was taken");
    room.reconfigure("1024GiB", "1MiB");
    assert!(running.reload(&room).await);
    let end = tokio::time::Instant::now() + HANGS;
    loop {
        let (status, answer) = push(http, "application/json", &item).await;
        if status == 200 {
            assert_eq!(answer["new"], 1, "the same item, for the first time: {answer}");
            break;
        }
        assert_eq!(status, 507, "{answer}");
        assert!(tokio::time::Instant::now() < end, "it is never taken");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_of_text_that_nobody_expects_costs_itself_and_nothing_else() {
    let room = room("");
    let (running, http) = Running::listening(&room).await;
    let fields =
        ["id", "title", "text", "summary", "html", "url", "author", "source", "published", "updated", "lang", "tags"];
    let values = |bytes: usize| {
        let long = "9".repeat(bytes);
        [
            "\"a\\u0000b\"".to_owned(),
            "\"\\ud800\"".to_owned(),
            "\"\\udfff tail\"".to_owned(),
            "\"\\u202e\\u0007\\u001b[31m\"".to_owned(),
            long.clone(),
            format!("-0.{long}e-{}", "9".repeat(300)),
            format!("\"{}\"", "x".repeat(bytes)),
            "null".to_owned(),
            "true".to_owned(),
            "{\"a\": [[[[]]]]}".to_owned(),
            "[\"a\", null, 3, {}]".to_owned(),
        ]
    };
    let mut taken = 0;
    for (at, field) in fields.iter().enumerate() {
        // A megabyte where it may hurt most.
        let bytes = if matches!(*field, "title" | "published") { 1 << 20 } else { 1 << 12 };
        for (kind, value) in values(bytes).iter().enumerate() {
            let mut given = vec![format!("\"{field}\": {value}")];
            for (other, text) in [("id", format!("\"f{at}-{kind}\"")), ("title", format!("\"Note {at} of {kind}\""))] {
                if *field != other {
                    given.push(format!("\"{other}\": {text}"));
                }
            }
            let (status, answer) = push(http, "application/json", &format!("{{{}}}", given.join(", "))).await;
            assert!(matches!(status, 200 | 413 | 422), "{field} {kind}: {status} {answer}");
            taken += u64::from(status == 200);
        }
    }
    assert!(taken > 0, "none was taken");
    let (status, answer) =
        push(http, "application/json", &json!({"id": "last", "title": "Levee holds"}).to_string()).await;
    assert_eq!((status, &answer["new"]), (200, &json!(1)), "{answer}");
    let listed = super::operate::get_path(http, "/v1/items?limit=200").await;
    assert!(listed.starts_with("HTTP/1.1 200"), "what is stored can be read");
    running.stop().await;
}

/// A proxy that passes nothing on before it has so many bytes, and then ends the connection: what is left it loses.
async fn buffering_proxy(to: SocketAddr, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut reader, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut upstream = TcpStream::connect(to).await.expect("connects");
                let (mut asked, mut part) = (Vec::new(), [0; 4096]);
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    let read = reader.read(&mut part).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    asked.extend_from_slice(&part[..read]);
                }
                upstream.write_all(&asked).await.expect("passed on");
                let mut held = Vec::new();
                while held.len() < bytes {
                    match upstream.read(&mut part).await {
                        Ok(read) if read > 0 => held.extend_from_slice(&part[..read]),
                        _ => break,
                    }
                }
                held.truncate(bytes);
                let _ = reader.write_all(&held).await;
                let _ = reader.shutdown().await;
            });
        }
    });
    address
}

/// Whole events of what came: the id of each, and the item it is about.
fn events(heard: &str) -> Vec<(String, String)> {
    // The size of a chunk stands on a line of its own, and what is cut off is no event.
    let whole = heard.rfind("\n\n").map_or("", |end| &heard[..end]);
    let mut out: Vec<(String, String)> = Vec::new();
    let mut id = String::new();
    for line in whole.lines().map(str::trim_end) {
        if let Some(given) = line.strip_prefix("id: ") {
            given.clone_into(&mut id);
        } else if let Some(data) = line.strip_prefix("data: ")
            && let Ok(row) = serde_json::from_str::<Value>(data)
        {
            out.push((id.clone(), row["id"].as_str().expect("an id").to_owned()));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_through_a_proxy_that_buffers_and_cuts_misses_nothing() {
    let room = room("");
    let (running, http) = Running::listening(&room).await;
    for n in 0..24 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == 24).await;
    let proxy = buffering_proxy(http, 1500).await;
    let (mut seen, mut last, mut turns): (Vec<String>, String, usize) = (Vec::new(), "0".to_owned(), 0);
    while seen.len() < 24 {
        let request = format!("GET /v1/stream?kinds=item HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {last}\r\n\r\n");
        let heard = if seen.len() < 20 {
            let heard = get(proxy, &request).await;
            let head = heard.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
            assert!(head.contains("x-accel-buffering: no") && head.contains("cache-control: no-store"), "{head}");
            assert!(!head.contains("content-encoding") && !head.contains("content-length"), "{head}");
            heard
        } else {
            // What does not fill its buffer the proxy would hold for ever: by hand.
            let mut stream = TcpStream::connect(http).await.expect("connects");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let (mut heard, mut part) = (String::new(), [0; 8192]);
            while events(&heard).len() + seen.len() < 24 {
                let read =
                    tokio::time::timeout(HANGS, stream.read(&mut part)).await.expect("it goes on").expect("read");
                assert!(read > 0, "{heard}");
                heard.push_str(&String::from_utf8_lossy(&part[..read]));
            }
            heard
        };
        for (id, item) in events(&heard) {
            last = id;
            seen.push(item);
        }
        turns += 1;
        assert!(turns < 50, "{} of 24", seen.len());
    }
    assert!(turns > 2, "it was cut: {turns}");
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (24, 24), "each once");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_goes_on_across_a_reload_and_is_resumed_across_a_restart() {
    let room = room("");
    let (before, http) = Running::listening(&room).await;
    let mut stream = TcpStream::connect(http).await.expect("connects");
    let request = "GET /v1/stream?kinds=item&after=0 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (mut heard, mut part) = (String::new(), [0; 8192]);
    for n in 0..3u64 {
        if n == 1 {
            room.reconfigure("weight = 5.0", "weight = 6.0");
            assert!(before.reload(&room).await);
        }
        room.drop_file(&format!("{n}.txt"), &article(n));
        while events(&heard).len() <= n as usize {
            let read = tokio::time::timeout(HANGS, stream.read(&mut part)).await.expect("it goes on").expect("read");
            assert!(read > 0, "it ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&part[..read]));
        }
    }
    before.stop().await;
    // It ends whole: the last chunk is there.
    let mut rest = Vec::new();
    tokio::time::timeout(HANGS, stream.read_to_end(&mut rest)).await.expect("it ends").expect("in order");
    heard.push_str(&String::from_utf8_lossy(&rest));
    assert!(heard.ends_with("0\r\n\r\n"), "{heard:?}");
    let first = events(&heard);
    let (after, http) = Running::listening(&room).await;
    room.drop_file("3.txt", &article(3));
    let mut stream = TcpStream::connect(http).await.expect("connects");
    let last = &first.last().expect("an event").0;
    let request = format!("GET /v1/stream?kinds=item HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {last}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut heard = String::new();
    while events(&heard).is_empty() {
        let read = tokio::time::timeout(HANGS, stream.read(&mut part)).await.expect("it goes on").expect("read");
        assert!(read > 0, "it ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let all: Vec<String> = first.into_iter().chain(events(&heard)).map(|(_, item)| item).collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (4, 4), "each once");
    drop(stream);
    after.stop().await;
}
