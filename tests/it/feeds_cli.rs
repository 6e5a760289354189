//! `feeds …` as an operator meets it: what is shown of a feed, what takes effect on a running daemon and
//! when, how a feed is found behind a page, and lists of feeds in and out.

use super::crash::Daemon;
use super::feed_server::{FeedServer, Reply, rss_articles};
use super::newsroom::{Newsroom, until};
use super::program::{json, run, text};
use super::receiver::Receiver;

fn feed(feeds: &FeedServer, id: &str) -> String {
    format!(
        "[[feeds]]\nid = \"{id}\"\nurl = \"{}\"\ninterval = \"1h\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url(&format!("/{id}"))
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_poll_and_enable_take_effect_on_a_running_daemon_at_once() {
    let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
    feeds.feed("/wire", "\"1\"", &rss_articles(0..2));
    feeds.script("/stopped", [Reply::status(410), Reply::ok(rss_articles(10..11))]);
    let room = Newsroom::new(&receiver, &[feed(&feeds, "wire"), feed(&feeds, "stopped")].concat());
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    receiver.wait_for(2).await;
    until("both were polled", || feeds.asked("/wire").len() + feeds.asked("/stopped").len() == 2).await;
    let store = room.store();
    until("the 410 is stored", || store.feed("stopped").expect("read").is_some_and(|state| state.gone)).await;

    // Not due for an hour, and polled all the same; the second time there is nothing new.
    feeds.feed("/wire", "\"2\"", &rss_articles(0..3));
    let polled = run(&room, &["feeds", "poll", "wire"]).await;
    assert_eq!(polled.status.code(), Some(0), "{}", text(&polled.stderr));
    assert!(text(&polled.stdout).contains("the daemon"), "{}", text(&polled.stdout));
    assert_eq!(feeds.asked("/wire").len(), 2);
    receiver.wait_for(3).await;
    let again = json(&run(&room, &["feeds", "poll", "wire", "--json"]).await);
    assert_eq!((again[0]["feed"].as_str(), again[0]["items"].as_u64()), (Some("wire"), None));
    assert_eq!(feeds.asked("/wire").len(), 3);

    // One that is gone is not polled behind its back, and is again once it is enabled.
    let refused = run(&room, &["feeds", "poll", "stopped"]).await;
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains("feeds enable stopped"), "{}", text(&refused.stderr));
    let enabled = run(&room, &["feeds", "enable", "stopped"]).await;
    assert_eq!(enabled.status.code(), Some(0), "{}", text(&enabled.stderr));
    assert!(text(&enabled.stderr).contains("has taken it"), "{}", text(&enabled.stderr));
    receiver.wait_for(4).await;
    // Off, and on again.
    for (verb, state) in [("disable", "off"), ("enable", "ok")] {
        assert_eq!(run(&room, &["feeds", verb, "wire"]).await.status.code(), Some(0));
        let shown = json(&run(&room, &["feeds", "show", "wire", "--json"]).await);
        assert_eq!(shown[0]["state"], state, "{}", shown[0]);
    }
    assert_eq!(daemon.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_show_tells_how_a_feed_stands_in_words() {
    let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
    feeds.script(
        "/wire",
        [
            Reply::ok(rss_articles(0..2)),
            Reply::status(503),
            Reply::ok("<html>log in</html>"),
            Reply::status(503).with("Retry-After", "60"),
        ],
    );
    let room = Newsroom::new(&receiver, &feed(&feeds, "wire"));
    assert_eq!(run(&room, &["feeds", "poll", "wire"]).await.status.code(), Some(0));
    for _ in 0..3 {
        assert_eq!(run(&room, &["feeds", "poll", "wire"]).await.status.code(), Some(65));
    }
    let shown = run(&room, &["feeds", "show", "wire"]).await;
    let shown = text(&shown.stdout);
    for words in [
        "wire: failing",
        "last success",
        "last new item",
        "next poll",
        "server-error",
        "the server is in trouble (503",
        "failing since",
        "2 × server-error",
        "1 × html-page",
    ] {
        assert!(shown.contains(words), "no `{words}` in\n{shown}");
    }
    let listed = run(&room, &["feeds"]).await;
    assert!(text(&listed.stdout).contains("in trouble"), "{}", text(&listed.stdout));
    let scripts = &json(&run(&room, &["feeds", "show", "wire", "--json"]).await)[0];
    let counts: Vec<_> = scripts["failures"].as_array().expect("counts").iter().map(|f| f["count"].as_u64()).collect();
    assert_eq!(counts.iter().flatten().sum::<u64>(), 3, "{scripts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_add_finds_the_feed_of_a_page_and_keeps_comments() {
    let (receiver, feeds) = (Receiver::start().await, FeedServer::start().await);
    let page = "<html><head><link rel=\"alternate\" type=\"application/rss+xml\" title=\"Levee\" href=\"/found\"></head></html>";
    feeds.script("/page", [Reply::ok(page).with("Content-Type", "text/html")]);
    feeds.feed("/found", "\"1\"", &rss_articles(0..2));
    let several =
        page.replace("</head>", "<link rel=alternate type=application/atom+xml title=Sport href=/sport></head>");
    feeds.script("/several", [Reply::ok(several)]);
    // A profile, whose feed is where its site keeps it, and another where there is none.
    feeds.feed("/@harbour.rss", "\"1\"", &rss_articles(5..6));
    feeds.script("/@nobody.rss", [Reply::status(404)]);
    feeds.script("/@nobody", [Reply::ok("<html><body>nobody here</body></html>")]);
    feeds.script("/none", [Reply::ok("<html><body>nothing here</body></html>")]);
    let room = Newsroom::new(&receiver, &format!("# ours\n{}", feed(&feeds, "first")));
    let add = |path: &str| [feeds.url(path), "--allow-private".to_owned(), "127.0.0.0/8".to_owned()];
    let arguments =
        |of: &[String; 3]| vec!["feeds".to_owned(), "add".to_owned(), of[0].clone(), of[1].clone(), of[2].clone()];
    for (path, code, words) in [
        ("/page", 0, "levee"),
        ("/several", 65, "/sport"),
        ("/none", 65, ""),
        ("/page", 65, ""),
        ("/@harbour", 0, "@harbour.rss"),
        ("/@nobody", 65, "declares none"),
    ] {
        let arguments = arguments(&add(path));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let added = run(&room, &arguments).await;
        let said = [text(&added.stdout), text(&added.stderr)].concat();
        assert!(said.contains(words), "{path}: no `{words}` in\n{said}");
        assert!(added.status.code() == Some(code) || code != 0 && added.status.code() != Some(0), "{path}: {said}");
    }
    let config = std::fs::read_to_string(room.config_file()).expect("read");
    assert!(config.contains("# ours") && config.contains("/found"), "{config}");
    assert_eq!(run(&room, &["check"]).await.status.code(), Some(0));
    assert_eq!(run(&room, &["feeds", "poll", "levee-wire"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_import_and_export_keep_groups_and_read_raw_ampersands() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let list = "<opml version=\"2.0\"><body><outline text=\"News & views\">\
        <outline text=\"A & B\" xmlUrl=\"https://a.example/feed?x=1&y=2\"/></outline>\
        <outline text=\"C\" xmlUrl=\"https://c.example/feed\"/><outline xmlUrl=\"ftp://d.example/\"/></body></opml>";
    std::fs::write(room.path("list.opml"), list).expect("written");
    let dry = run(&room, &["feeds", "import", "list.opml", "--dry-run"]).await;
    assert!(text(&dry.stderr).contains("2 feeds would be added"), "{}", text(&dry.stderr));
    assert_eq!(run(&room, &["feeds", "import", "list.opml"]).await.status.code(), Some(0));
    assert_eq!(run(&room, &["check"]).await.status.code(), Some(0));
    let listed = json(&run(&room, &["feeds", "--json"]).await);
    assert_eq!(listed.len(), 2);
    let out = run(&room, &["feeds", "export"]).await;
    let out = text(&out.stdout);
    assert!(out.contains("https://a.example/feed?x=1&amp;y=2") && out.contains("news-views"), "{out}");
    let again = run(&room, &["feeds", "import", "list.opml"]).await;
    assert!(text(&again.stderr).contains("2 there already"), "{}", text(&again.stderr));
}
