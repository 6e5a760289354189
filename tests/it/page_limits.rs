//! What the page asks of the world, and what may be asked of it: parts once a second, feeds looked at by hand, and what an
//! open listener says to who would change something.

use std::time::Duration;

use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use super::feed_server::{FeedServer, Reply, rss_articles};
use super::hands::{ask, form, guarded, guarded_by, log_in, page};
use super::newsroom::{Newsroom, number};
use super::operate::Running;

const START: Timestamp = Timestamp::from_seconds(1_742_198_531);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_page_are_one_a_second_for_a_tab() {
    let clock = Clock::manual(START);
    let (_room, running, http) = guarded_by("", &clock).await;
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    let part = |tab: &'static str| {
        let more = format!("cookie: {cookie}\r\naccept: text/html\r\nwirewatch-tab: {tab}\r\n");
        async move { ask(http, "GET", "/?part=strip,stories", &more, "").await }
    };
    let first = part("a").await;
    assert!(first.status == 200 && first.body.starts_with("<section class=\"strip\""), "{}", first.body);
    assert_eq!(part("a").await.status, 200, "one may come early");
    let refused = part("a").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.head);
    assert_eq!(part("b").await.status, 200, "another tab");
    for _ in 0..3 {
        assert_eq!(page(http, &cookie, "/").await.status, 200, "whole pages are another matter");
    }
    let refusals = ask(http, "GET", "/metrics", "authorization: Bearer t0ken\r\n", "").await.body;
    assert!(refusals.contains("wirewatch_http_refusals_total{reason=\"rate-limited\"} 1"), "{refusals}");
    clock.advance(Duration::from_secs(1));
    assert_eq!(part("a").await.status, 200);
    assert_eq!(part("a").await.status, 429);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feed_is_looked_at_as_it_is_now_and_nothing_is_stored() {
    let feeds = FeedServer::start().await;
    feeds.on("/wire", |_| Reply::ok(rss_articles(100..103)).with("Content-Type", "application/rss+xml"));
    feeds.on("/broken", |_| Reply::ok("<p>no feed</p>").with("Content-Type", "text/html"));
    let feed = |id: &str| {
        let url = feeds.url(&format!("/{id}"));
        format!("[[feeds]]\nid = \"{id}\"\nurl = \"{url}\"\nenabled = false\nallow_private = [\"127.0.0.0/8\"]\n")
    };
    let (_room, running, http) = guarded(&[feed("wire"), feed("broken")].concat()).await;
    let [ada, bob] = ["ada", "bob"].map(|name| async move { log_in(http, "", name, "correct horse").await.cookie() });
    let (ada, bob) = (ada.await, bob.await);
    assert!(page(http, &ada, "/feeds/wire").await.body.contains("Read it as wirewatch does"));
    assert!(!page(http, &bob, "/feeds/wire").await.body.contains("Read it as wirewatch does"));
    let read = form(http, &ada, "/feeds/wire/read", "").await;
    assert_eq!(read.status, 200, "{}", read.body);
    for word in [super::newsroom::title(101).as_str(), "Items in its order", "rss"] {
        assert!(read.body.contains(word), "{word} in {}", read.body);
    }
    let broken = form(http, &ada, "/feeds/broken/read", "").await;
    assert!(broken.status == 200 && broken.body.contains("class=\"held\""), "{}", broken.body);
    assert_eq!(form(http, &ada, "/feeds/nobody/read", "").await.status, 404);
    assert_eq!(form(http, &bob, "/feeds/wire/read", "").await.status, 403, "it asks somebody else's server");
    assert_eq!(page(http, &ada, "/feeds/wire/read").await.status, 405, "no link does that");
    assert_eq!(number(&running.store, "SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM actions)"), 0);
    assert_eq!(feeds.asked("/wire").len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_listener_says_what_a_trial_takes() {
    let room = Newsroom::silent("");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    let looked = page(http, "", "/topics/levee/try").await;
    assert!(looked.status == 200 && looked.body.contains("wirewatch users add"), "{}", looked.body);
    assert!(!looked.body.contains("data-try"), "nothing is tried while somebody types");
    let tried = form(http, "", "/topics/levee/try", "text=x").await;
    assert_eq!(tried.status, 403);
    for word in ["trying rules needs", "wirewatch init", "wirewatch users add"] {
        assert!(tried.body.contains(word), "{word} in {}", tried.body);
    }
    let program = ask(http, "POST", "/v1/preview", "content-type: application/json\r\n", "{}").await;
    assert!(program.status == 403 && program.body.contains("trying rules needs"), "{}", program.body);
    let changed = form(http, "", "/silences", "topics=levee").await;
    assert!(changed.status == 403 && changed.body.contains("writing needs a token"), "{}", changed.body);
    running.stop().await;
}
