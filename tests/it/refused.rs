//! Files that are no articles, dropped beside good ones: each is refused by name, counted, moved aside
//! with a note that says why; the good ones alert.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use wirewatch::clock::Clock;

use super::newsroom::{Newsroom, article, firsts, pending, stop, told, until};
use super::receiver::Receiver;

/// File, and the class under which it is refused.
const BAD: [(&str, &str); 7] = [
    ("link.txt", "symlink"),
    ("dangling.txt", "symlink"),
    ("pipe.txt", "special_file"),
    ("huge.txt", "too_large"),
    ("empty.txt", "empty"),
    ("paper.pdf", "not_text"),
    ("broken.json", "malformed"),
];

fn drop_bad(room: &Newsroom) {
    fs::write(room.path("outside.txt"), article(50)).expect("written");
    symlink(room.path("outside.txt"), room.seed("link.txt")).expect("linked");
    symlink("/nowhere/at/all", room.seed("dangling.txt")).expect("linked");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, room.seed("pipe.txt"), mode).expect("a FIFO");
    // Sparse: a terabyte that takes no room.
    fs::File::create(room.seed("huge.txt")).and_then(|f| f.set_len(1 << 40)).expect("a sparse file");
    fs::write(room.seed("empty.txt"), "").expect("written");
    fs::write(room.seed("paper.pdf"), b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n\x00\x01\x02").expect("written");
    fs::write(room.seed("broken.json"), "{\"title\": \"The levee holds\", \"text\": ").expect("written");
}

fn refusals(room: &Newsroom) -> BTreeMap<String, u64> {
    let rejected = room.store().rejections(Some("seeds"), 50).expect("read");
    rejected.into_iter().map(|r| (r.reason.replace('-', "_"), r.count)).collect()
}

fn expected() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, reason) in BAD {
        *counts.entry(reason.to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_files_move_aside_with_a_note_and_are_counted() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    room.reconfigure("dir = \"seeds\"", "dir = \"seeds\"\nafter = \"move\"");
    let app = room.start(&Clock::system()).await;
    room.drop_file("good-1.txt", &article(1));
    drop_bad(&room);
    room.drop_file("good-2.txt", &article(2));
    receiver.wait_for(2).await;
    for (file, reason) in BAD {
        let note = room.seed(&format!("error/{file}.error.txt"));
        until(&format!("{file} has its note"), || fs::read_to_string(&note).is_ok_and(|text| text.contains("to mend")))
            .await;
        let text = fs::read_to_string(&note).expect("read").replace('-', "_");
        assert!(text.contains(&format!("reason:  {reason}")), "{file}: {text}");
        assert!(fs::symlink_metadata(room.seed(&format!("error/{file}"))).is_ok(), "{file} is not beside its note");
        assert!(fs::symlink_metadata(room.seed(file)).is_err(), "{file} still lies there");
    }
    until("all counted", || refusals(&room) == expected()).await;
    until("all recorded", || pending(&app.store) == 0).await;
    assert_eq!(app.store.totals().expect("read").seed_files_refused, BAD.len() as u64);
    stop(app).await;
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(1..=2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_files_that_stay_are_counted_once_whatever_restarts() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    drop_bad(&room);
    for n in 0..3 {
        room.drop_file(&format!("good-{n}.txt"), &article(n));
        let app = room.start(&Clock::system()).await;
        until("all counted", || refusals(&room) == expected()).await;
        receiver.wait_for(n as usize + 1).await;
        until("all recorded", || pending(&app.store) == 0).await;
        stop(app).await;
    }
    assert_eq!(refusals(&room), expected());
    assert_eq!(told(&receiver.received(), None).alerts(), firsts(0..3));
    for (file, _) in BAD {
        assert!(fs::symlink_metadata(room.seed(file)).is_ok(), "{file} must stay where it was");
    }
}
