//! The whole program in this process, from a dropped file to the webhook: once, after a restart, and
//! when the receiver is away.

use std::collections::BTreeSet;
use std::time::Duration;

use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use super::newsroom::{Newsroom, article, body, firsts, number, pending, stop, title, told, until};
use super::receiver::{Answer, Receiver};

const START: Timestamp = Timestamp::from_seconds(1_742_198_531);
/// Files of one test.
const FILES: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_files_one_by_one_and_all_at_once_alert_once_each() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    // On a crowded machine a writer can stop for a while between making a file and writing it. One that is found empty
    // for as long as `settle` says is refused for now, and that would be counted.
    room.reconfigure("settle = \"100ms\"", "settle = \"2s\"");
    room.drop_file("early.txt", &article(0));
    let app = room.start(&Clock::system()).await;
    receiver.wait_for(1).await;
    for n in 1..=5 {
        room.drop_file(&format!("{n}.txt"), &article(n));
        receiver.wait_for(n as usize + 1).await;
    }
    for n in 6..FILES {
        std::fs::write(room.seed(&format!("{n}.txt")), article(n)).expect("written in place");
    }
    receiver.wait_for(FILES as usize).await;
    until("all recorded", || pending(&app.store) == 0).await;
    let totals = app.store.totals().expect("read");
    assert_eq!((totals.items, totals.stories, totals.alerts, totals.seed_files), (FILES, FILES, FILES, FILES));
    stop(app).await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts(0..FILES));
    assert_eq!(told.repeats, 0);
    assert_eq!(told.sequences.values().copied().collect::<BTreeSet<_>>(), (1..=FILES).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_same_content_again_is_no_news() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let app = room.start(&Clock::system()).await;
    room.drop_file("a.txt", &article(1));
    receiver.wait_for(1).await;
    room.drop_file("b.txt", &article(1));
    room.drop_file("a.txt", &article(1));
    room.drop_file("a.txt", &article(2));
    receiver.wait_for(2).await;
    until("all recorded", || pending(&app.store) == 0).await;
    assert_eq!(app.store.totals().expect("read").items, 2);
    stop(app).await;
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(1..=2));
    assert_eq!(receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_restarted_sends_nothing_twice_and_remembers_its_stories() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    for n in 0..4 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    let app = room.start(&Clock::system()).await;
    receiver.wait_for(4).await;
    stop(app).await;

    let app = room.start(&Clock::system()).await;
    // More of story 2 from the same desk, then the same with a topic nobody was told of, then news.
    room.drop_file("2b.txt", &format!("{}\n\n{} Nobody was hurt, the mayor added.\n", title(2), body(2)));
    until("the copy is stored", || number(&app.store, "SELECT count(*) FROM seed_files") == 5).await;
    room.drop_file("2c.txt", &format!("{}\n\n{} The ferry was stopped. The ferry waits.\n", title(2), body(2)));
    receiver.wait_for(5).await;
    room.drop_file("9.txt", &article(9));
    receiver.wait_for(6).await;
    until("all recorded", || pending(&app.store) == 0).await;
    let totals = app.store.totals().expect("read");
    assert_eq!((totals.stories, totals.alerts, totals.seed_files), (5, 6, 7));
    stop(app).await;

    let told = told(&receiver.received(), None);
    let mut expected = firsts([0, 1, 2, 3, 9]);
    expected.insert(("ferry".to_owned(), title(2), "topic".to_owned()));
    assert_eq!(told.alerts(), expected);
    assert_eq!(told.repeats, 0);
    let order: Vec<u64> = receiver.received().iter().skip(4).map(|r| told.sequences[&r.id]).collect();
    assert_eq!(order, [5, 6], "the sequence goes on where it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_receiver_down_then_up_gets_everything_once() {
    for down in [Answer::status(500), Answer::Reset, Answer::status(503)] {
        let receiver = Receiver::start().await;
        receiver.otherwise(down);
        let room = Newsroom::new(&receiver, "");
        let clock = Clock::manual(START);
        for n in 0..FILES {
            room.drop_file(&format!("{n}.txt"), &article(n));
        }
        let app = room.start(&clock).await;
        until("all stored", || app.store.totals().expect("read").alerts == FILES).await;
        receiver.wait_for(1).await;
        stop(app).await;
        let refused = receiver.count();
        receiver.otherwise(Answer::status(200));
        let app = room.start(&clock).await;
        until("all delivered", || {
            clock.advance(Duration::from_secs(10));
            pending(&app.store) == 0
        })
        .await;
        stop(app).await;
        let accepted = receiver.received().split_off(refused);
        assert_eq!(told(&accepted, None).repeats, 0);
        assert_eq!(told(&accepted, None).alerts(), firsts(0..FILES));
        assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..FILES), "the same ids before and after");
    }
}
