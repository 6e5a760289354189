//! Feeds out, as a feed reader meets them: our own reader takes them, an entry grows with its story and keeps its id, and a
//! reader that has it all is told so in a few bytes.

use serde_json::Value;
use wirewatch::model::Timestamp;
use wirewatch::source::Limits;
use wirewatch::source::feed::reading::parse;
use wirewatch::source::feed::{FeedContext, IdentifiedBy};

use super::newsroom::{Newsroom, article, number, pending, until};
use super::operate::{Running, get};

fn entries(body: &str) -> Vec<(String, String)> {
    let context = FeedContext {
        base_url: None,
        content_type: None,
        trust: IdentifiedBy::Guid,
        limits: &Limits::SHIPPED,
        received: Timestamp::from_seconds(1_742_198_531),
    };
    let read =
        parse::parse(body.as_bytes(), &context).unwrap_or_else(|rejection| panic!("{}: {body}", rejection.detail));
    assert_eq!(read.warnings, Vec::<String>::new(), "{body}");
    let title =
        |item: &wirewatch::model::RawItem| item.title.as_ref().map(|title| title.text.clone()).unwrap_or_default();
    read.items.iter().map(|item| (item.key.as_str().to_owned(), title(item))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_out_are_read_back_grow_with_their_stories_and_know_what_a_reader_has() {
    let room = Newsroom::silent("");
    let token = room.path("token");
    std::fs::write(&token, "reads-only\n").expect("written");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("private");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"\ntoken_file = \"token\"");
    let (running, http) = Running::listening(&room).await;
    let ask = async |path: &str, more: &str| {
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n{more}\r\n");
        let answer = get(http, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_lowercase(), body.to_owned())
    };
    for n in 0..3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("all are stored", || number(&running.store, "SELECT count(*) FROM items") == 3).await;
    until("all are told", || pending(&running.store) == 0).await;
    let auth = "authorization: Bearer reads-only\r\n";
    let (_, stories) = ask("/v1/stories", auth).await;
    let stories: Value = serde_json::from_str(&stories).expect("JSON");
    let story = stories["data"][0]["id"].as_str().expect("an id").to_owned();
    let mut all = Vec::new();
    for (path, media_type, count) in [
        ("/feeds/stories.atom".to_owned(), "application/atom+xml", 3),
        ("/feeds/alerts.atom".to_owned(), "application/atom+xml", 3),
        ("/feeds/topics/levee.atom".to_owned(), "application/atom+xml", 3),
        ("/feeds/topics/levee.rss".to_owned(), "application/rss+xml", 3),
        ("/feeds/topics/levee.json".to_owned(), "application/feed+json", 3),
        ("/feeds/topics/ferry.atom".to_owned(), "application/atom+xml", 0),
        (format!("/feeds/stories/{story}.atom"), "application/atom+xml", 1),
    ] {
        let (head, body) = ask(&format!("{path}?token=reads-only"), "").await;
        assert!(head.starts_with("http/1.1 200") || head.starts_with("http/1.0 200"), "{path}: {head}\n{body}");
        assert!(head.contains(media_type), "{path}: {head}");
        let read = if count == 0 { Vec::new() } else { entries(&body) };
        assert_eq!(read.len(), count, "{path}: {body}");
        all.push(read);
    }
    assert!(all[0].iter().all(|(id, _)| id.starts_with("urn:wirewatch:sty_")), "{:?}", all[0]);
    for other in &all[1..5] {
        assert_eq!(&all[0], other, "the same stories by the same ids in every form");
    }
    // What a reader has is not sent again, until something happens.
    let (head, _) = ask("/feeds/stories.atom", auth).await;
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a validator").replace("w/", "W/");
    let conditional = format!("{auth}if-none-match: {tag}\r\n");
    let (head, body) = ask("/feeds/stories.atom", &conditional).await;
    assert!(head.contains(" 304 ") && body.is_empty(), "{head}");
    room.drop_file("again.txt", &format!("{}\n\nA later edition.", article(0)));
    until("the copy is stored", || {
        number(&running.store, "SELECT count(*) FROM sightings") + number(&running.store, "SELECT count(*) FROM items")
            == 4
    })
    .await;
    let (head, body) = ask("/feeds/stories.atom", &conditional).await;
    assert!(head.contains(" 200 "), "{head}");
    let mut ids: Vec<String> = entries(&body).into_iter().map(|(id, _)| id).collect();
    let mut before: Vec<String> = all[0].iter().map(|(id, _)| id.clone()).collect();
    ids.sort();
    before.sort();
    assert_eq!(ids, before, "the story grew, and is the same entry");
    for (path, status) in [
        ("/feeds/stories.atom", 401),
        ("/feeds/stories.atom?token=wrong", 401),
        ("/v1/stories?token=reads-only", 401),
        ("/feeds/topics/none.atom?token=reads-only", 404),
        ("/feeds/topics/levee.pdf?token=reads-only", 404),
        ("/feeds/stories/sty_0000000000000.atom?token=reads-only", 404),
        ("/feeds/stories.atom?token=reads-only&limit=3", 400),
    ] {
        let (head, _) = ask(path, "").await;
        assert!(head.contains(&format!(" {status} ")), "{path}: {head}");
    }
    running.stop().await;
}
