//! Documents that end the process while they are read, by a whole program: known at the next start, held after the third
//! end in a row, named everywhere, and read again when people say so.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::crash::Daemon;
use super::feed_server::{FeedServer, rss_articles};
use super::newsroom::{Newsroom, article, firsts, number, pending, told, until};
use super::receiver::Receiver;

fn said(room: &Newsroom, args: &[&str]) -> String {
    let mut run = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
    let run = run.args(args).arg("--config").arg(room.config_file()).output().expect("it runs");
    [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantine_of_a_feed_that_ends_the_process_is_named_and_lifted() {
    let receiver = Receiver::start().await;
    let feeds = FeedServer::start().await;
    feeds.feed("/wire", "\"1\"", &rss_articles(100..102));
    let feed = format!(
        "[[feeds]]\nid = \"wire\"\nurl = \"{}\"\ninterval = \"1s\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url("/wire")
    );
    // That the feed fails is told after three polls: how many there are is up to the machine.
    let quiet = "[defaults.endpoint]\nsource_alerts = false\n".to_owned();
    let room = Newsroom::new(&receiver, &(feed + &quiet));
    for _ in 0..3 {
        let mut daemon = Daemon::start(&room, Some("reading"));
        assert_eq!(daemon.ended().await.signal(), Some(9), "it ends while the feed is read");
    }
    let daemon = Daemon::start(&room, None);
    room.drop_file("7.txt", &article(7));
    receiver.wait_for(1).await;
    until("refused", || said(&room, &["status"]).contains("quarantined")).await;
    let status = said(&room, &["status"]);
    assert!(status.contains("1 document not read") && status.contains("feed-wire"), "{status}");
    let listed = said(&room, &["quarantine"]);
    assert!(listed.starts_with("feed-wire  wire") && listed.contains("3 times"), "{listed}");
    assert!(listed.contains("tried again at the first poll after"), "{listed}");
    assert!(said(&room, &["feeds", "show", "wire"]).contains("wirewatch quarantine release feed-wire"));
    assert!(said(&room, &["quarantine", "release", "feed-other"]).contains("no document of this id"));
    assert!(said(&room, &["quarantine", "release", "feed-wire"]).contains("read again"));
    assert!(said(&room, &["feeds", "poll", "wire"]).contains("wire"));
    receiver.wait_for(3).await;
    until("all recorded", || pending(&room.store()) == 0).await;
    assert!(said(&room, &["quarantine"]).contains("no document is held"));
    assert_eq!(number(&room.store(), "SELECT count(*) FROM items"), 3);
    daemon.kill().await;
    assert_eq!(told(&receiver.received(), None).alerts(), firsts([7, 100, 101]));
}
