//! Endpoints that a reload takes away by mistake, and that come back: what was raised meanwhile is told within the
//! hour, and given up after it.

use std::fs;
use std::time::Duration;

use wirewatch::clock::Clock;
use wirewatch::model::Timestamp;

use super::newsroom::{Newsroom, article, firsts, number, told, until};
use super::operate::Running;
use super::receiver::Receiver;

/// A room with one endpoint, and its config with and without that.
struct TwoConfigs {
    receiver: Receiver,
    room: Newsroom,
    whole: String,
    without: String,
    clock: Clock,
}

impl TwoConfigs {
    async fn new() -> Self {
        let receiver = Receiver::start().await;
        let room = Newsroom::new(&receiver, "");
        let whole = fs::read_to_string(room.config_file()).expect("read");
        let without = whole.split("[[endpoints]]").next().expect("the rest").to_owned();
        Self { receiver, room, whole, without, clock: Clock::manual(Timestamp::from_seconds(1_742_198_531)) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_that_comes_back_within_the_hour_is_told_what_it_missed() {
    let TwoConfigs { receiver, room, whole, without, clock } = TwoConfigs::new().await;
    let running = Running::of(&room, room.start(&clock).await);
    let reload = async |text: &str| {
        fs::write(room.config_file(), text).expect("written");
        clock.advance(Duration::from_secs(1));
        assert!(running.reload(&room).await, "taken");
    };
    let stored = async |items: i64| {
        until("stored", || number(&running.store, "SELECT count(*) FROM items") == items).await;
    };
    room.drop_file("0.txt", &article(0));
    receiver.wait_for(1).await;
    until("recorded", || number(&running.store, "SELECT count(*) FROM deliveries WHERE state = 'delivered'") == 1)
        .await;

    reload(&without).await;
    room.drop_file("1.txt", &article(1));
    stored(2).await;
    // Another reload while it is gone changes nothing of that.
    reload(&format!("{without}[alerts]\ngrowth = [7]\n")).await;
    room.drop_file("2.txt", &article(2));
    stored(3).await;
    assert_eq!(receiver.count(), 1);
    reload(&whole).await;
    receiver.wait_for(3).await;

    // What stays away for an hour misses what came meanwhile, and is told what comes then.
    reload(&without).await;
    room.drop_file("3.txt", &article(3));
    stored(4).await;
    clock.advance(Duration::from_secs(3600));
    until("given up", || number(&running.store, "SELECT count(*) FROM deliveries WHERE state = 'cancelled'") == 1)
        .await;
    // Whatever gave it up is in force once another config is.
    reload(&format!("{without}[alerts]\ngrowth = [8]\n")).await;
    room.drop_file("4.txt", &article(4));
    stored(5).await;
    reload(&whole).await;
    room.drop_file("5.txt", &article(5));
    receiver.wait_for(4).await;
    running.stop().await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts([0, 1, 2, 5]));
    assert_eq!(told.repeats, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_that_is_gone_over_a_restart_is_told_what_it_missed() {
    let TwoConfigs { receiver, room, whole, without, clock } = TwoConfigs::new().await;
    let running = Running::of(&room, room.start(&clock).await);
    room.drop_file("0.txt", &article(0));
    receiver.wait_for(1).await;
    until("recorded", || number(&running.store, "SELECT count(*) FROM deliveries WHERE state = 'delivered'") == 1)
        .await;
    running.stop().await;
    // It is taken away while nothing runs; what comes after the next start, and after one more, is kept for it.
    fs::write(room.config_file(), &without).expect("written");
    for (n, items) in [(1, 2), (2, 3)] {
        clock.advance(Duration::from_secs(60));
        let running = Running::of(&room, room.start(&clock).await);
        room.drop_file(&format!("{n}.txt"), &article(n));
        until("stored", || number(&running.store, "SELECT count(*) FROM items") == items).await;
        running.stop().await;
    }
    assert_eq!(receiver.count(), 1);
    fs::write(room.config_file(), &whole).expect("written");
    clock.advance(Duration::from_secs(60));
    let running = Running::of(&room, room.start(&clock).await);
    receiver.wait_for(3).await;
    running.stop().await;
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts([0, 1, 2]));
    assert_eq!(told.repeats, 0);
}
