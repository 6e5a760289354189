//! The seed task against a real directory, real kernel events and an `ingest` played by the test.
//! Nothing sleeps: what must not happen is shown by what happens after it instead.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{AfterTaken, SeedConfig, SeedInputs, SeedStatus, SeedWatcher};
use crate::clock::Clock;
use crate::model::{Cursor, RejectReason, SeedFile, SeedOutcome, SourceId, Timestamp};
use crate::source::parser::Parser;
use crate::source::{Batch, IngestMessage, Limits, Receipt};

pub(super) const LONG: Duration = Duration::from_secs(3600);
pub(super) const SHORT: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const LEAD: &str = "The harbour board said on Monday that the new pier would open in spring.";

/// A seed directory, its task, and the receiving end of its batches.
pub(super) struct Desk {
    pub(super) root: tempfile::TempDir,
    pub(super) config: SeedConfig,
    pub(super) batches: mpsc::Receiver<IngestMessage>,
    pub(super) status: watch::Receiver<SeedStatus>,
    pub(super) cancel: CancellationToken,
    pub(super) task: Option<JoinHandle<()>>,
    pub(super) seen: Vec<SeedFile>,
    pub(super) watched_since: Timestamp,
    pub(super) parser: Parser,
}

impl Desk {
    /// Not running yet; events only, unless the test sets shorter times.
    pub(super) fn new(move_after: bool) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("seeds");
        fs::create_dir(&dir).expect("made");
        let after = if move_after {
            AfterTaken::Move { done: dir.join("done"), error: dir.join("error") }
        } else {
            AfterTaken::Keep
        };
        let config = SeedConfig {
            id: SourceId::new("seeds").expect("a name"),
            dir: Some(dir),
            include: Vec::new(),
            ignore: Vec::new(),
            after,
            settle: LONG,
            rescan: LONG,
            file_bytes_max: 1 << 20,
            mail: super::MailRules::default(),
        };
        let (cancel, seen) = (CancellationToken::new(), Vec::new());
        Self {
            root,
            config,
            batches: mpsc::channel(1).1,
            status: watch::channel(SeedStatus::default()).1,
            cancel,
            task: None,
            seen,
            watched_since: Timestamp::MIN,
            parser: Parser::new(1),
        }
    }

    pub(super) fn watcher(&mut self) -> SeedWatcher {
        let (sender, batches) = mpsc::channel(8);
        self.batches = batches;
        let (config, limits) = (self.config.clone(), Limits::SHIPPED);
        let inputs = SeedInputs {
            config,
            limits,
            clock: Clock::system(),
            parser: self.parser.clone(),
            ingest: sender,
            watched_since: self.watched_since,
        };
        SeedWatcher::new(inputs, self.seen.clone())
    }

    /// Starts the task and waits until it watches.
    pub(super) async fn run(&mut self) {
        let watcher = self.watcher();
        self.status = watcher.status();
        self.cancel = CancellationToken::new();
        self.task = Some(tokio::spawn(watcher.run(self.cancel.clone())));
        self.until(|status| status.scans > 0).await;
    }

    pub(super) async fn stop(&mut self) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(PATIENCE, task).await.expect("it stops").expect("without a panic");
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.config.dir.as_ref().expect("a directory").join(name)
    }

    pub(super) fn drop_file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    pub(super) async fn until(&mut self, wanted: impl FnMut(&SeedStatus) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, self.status.wait_for(wanted)).await;
        waited.expect("in time").expect("the task runs");
    }

    pub(super) async fn idle(&mut self) {
        self.until(|status| status.waiting == 0 && status.in_flight == 0).await;
    }

    pub(super) async fn scanned(&mut self) {
        let scans = self.status.borrow().scans;
        self.until(|status| status.scans > scans + 1).await;
    }

    pub(super) async fn batch(&mut self) -> Batch {
        tokio::time::timeout(PATIENCE, self.batches.recv())
            .await
            .expect("in time")
            .and_then(IngestMessage::into_batch)
            .expect("a batch")
    }

    /// The next batch, accepted: its file.
    pub(super) async fn accepted(&mut self) -> SeedFile {
        let mut batch = self.batch().await;
        self.accept(&mut batch)
    }

    pub(super) fn accept(&mut self, batch: &mut Batch) -> SeedFile {
        let Cursor::SeedFile(file) = &batch.cursor else { panic!("no seed file") };
        self.seen.push(file.clone());
        batch
            .receipt
            .take()
            .expect("a receipt")
            .send(Receipt { new: 1, ..Receipt::default() })
            .expect("somebody waits");
        file.clone()
    }
}

pub(super) fn text(batch: &Batch) -> &str {
    batch.items[0].content.as_ref().map_or("", |c| c.text.as_str())
}

pub(super) fn refused(file: &SeedFile) -> Option<RejectReason> {
    match &file.outcome {
        SeedOutcome::Refused(rejection) => Some(rejection.reason),
        SeedOutcome::Taken { .. } => None,
    }
}

#[tokio::test]
async fn files_present_dropped_and_renamed_in_are_taken_and_kept() {
    let mut desk = Desk::new(false);
    desk.config.settle = SHORT;
    desk.drop_file("before.txt", "One text before.");
    desk.run().await;
    assert_eq!(desk.accepted().await.name, "before.txt");
    desk.drop_file("dropped.txt", "Another text dropped.");
    assert_eq!(desk.accepted().await.name, "dropped.txt");
    desk.drop_file("moved.tmp", "A third text renamed.");
    fs::rename(desk.path("moved.tmp"), desk.path("moved.txt")).expect("renamed");
    let mut batch = desk.batch().await;
    assert_eq!((text(&batch), batch.items.len()), ("A third text renamed.", 1));
    desk.accept(&mut batch);
    desk.idle().await;
    assert!(["before.txt", "dropped.txt", "moved.txt"].iter().all(|name| desk.path(name).exists()));
}

#[tokio::test]
async fn file_still_being_written_is_left_alone_until_it_is_closed() {
    let mut desk = Desk::new(false);
    desk.run().await;
    let mut file = fs::File::create(desk.path("parts.txt")).expect("made");
    file.write_all(b"The first half").expect("written");
    desk.drop_file("control.txt", LEAD);
    assert_eq!(desk.accepted().await.name, "control.txt");
    file.write_all(b" and the second.").expect("written");
    drop(file);
    assert_eq!(text(&desk.batch().await), "The first half and the second.");
}

#[tokio::test]
async fn file_that_nobody_closes_is_taken_once_it_stands_still() {
    let mut desk = Desk::new(false);
    desk.config.settle = SHORT;
    let elsewhere = desk.root.path().join("elsewhere.txt");
    fs::write(&elsewhere, LEAD).expect("written");
    desk.run().await;
    fs::hard_link(&elsewhere, desk.path("linked.txt")).expect("linked");
    assert_eq!(desk.accepted().await.name, "linked.txt");
}

#[tokio::test]
async fn refused_file_that_stays_is_told_once_over_scans_and_restarts() {
    let mut desk = Desk::new(false);
    (desk.config.settle, desk.config.rescan) = (SHORT, SHORT);
    desk.drop_file("scan.pdf", "%PDF-1.7 \u{1}\u{2}");
    std::os::unix::fs::symlink("/etc/hostname", desk.path("link.txt")).expect("linked");
    rustix::fs::mknodat(rustix::fs::CWD, desk.path("fifo"), rustix::fs::FileType::Fifo, 0o644.into(), 0).expect("made");
    fs::File::create(desk.path("sparse")).and_then(|f| f.set_len(1 << 40)).expect("made");
    desk.drop_file("empty.txt", "");
    desk.run().await;
    let mut reasons = Vec::new();
    for _ in 0..5 {
        reasons.extend(refused(&desk.accepted().await));
    }
    reasons.sort_unstable();
    let expected = [
        RejectReason::Empty,
        RejectReason::TooLarge,
        RejectReason::NotText,
        RejectReason::Symlink,
        RejectReason::SpecialFile,
    ];
    assert_eq!(reasons, expected);
    desk.scanned().await;
    desk.stop().await;
    desk.run().await;
    desk.scanned().await;
    desk.drop_file("control.txt", LEAD);
    assert_eq!(desk.accepted().await.name, "control.txt");
}

#[tokio::test]
async fn unfinished_and_ignored_names_and_folders_are_left_alone() {
    let mut desk = Desk::new(false);
    (desk.config.settle, desk.config.ignore) = (SHORT, vec!["README*".to_owned()]);
    for name in [".hidden", "a.tmp", "a.part", "a~", "README.md"] {
        desk.drop_file(name, LEAD);
    }
    fs::create_dir(desk.path("folder")).expect("made");
    fs::write(desk.path("folder/inside.txt"), LEAD).expect("written");
    desk.run().await;
    desk.drop_file("control.txt", "Only this.");
    assert_eq!(desk.accepted().await.name, "control.txt");
    desk.idle().await;
    assert!(desk.batches.try_recv().is_err());
}

#[tokio::test]
async fn same_name_with_new_content_is_a_new_item() {
    let mut desk = Desk::new(false);
    desk.run().await;
    desk.drop_file("a.txt", "The first text.");
    let mut first = desk.batch().await;
    desk.accept(&mut first);
    desk.idle().await;
    desk.drop_file("a.txt", "The second text.");
    let second = desk.batch().await;
    assert_ne!(first.items[0].key, second.items[0].key);
}

#[tokio::test]
async fn kept_files_are_not_read_again_after_a_restart() {
    let mut desk = Desk::new(false);
    (desk.config.settle, desk.config.rescan) = (SHORT, SHORT);
    desk.drop_file("a.txt", "The first text.");
    desk.run().await;
    desk.accepted().await;
    desk.stop().await;
    // Gone and written anew under another name meanwhile: the content is what counts.
    desk.drop_file("b.txt", "The first text.");
    desk.drop_file("c.txt", "The second text.");
    desk.run().await;
    assert_eq!(desk.accepted().await.name, "c.txt");
    // One that was written a moment ago is looked at again until it is older than the grain of its time.
    desk.until(|status| status.known > 0).await;
    desk.scanned().await;
    assert!(desk.batches.try_recv().is_err());
}

#[tokio::test]
async fn empty_file_written_later_is_taken_with_its_text() {
    let mut desk = Desk::new(false);
    desk.run().await;
    desk.drop_file("a.txt", "");
    desk.drop_file("control.txt", "Only this.");
    assert_eq!(desk.accepted().await.name, "control.txt");
    // It was read while it was empty, and waits.
    desk.until(|status| status.waiting == 1 && status.in_flight == 0).await;
    desk.drop_file("a.txt", LEAD);
    assert_eq!(text(&desk.batch().await), LEAD);
}

#[tokio::test]
async fn directory_missing_at_start_then_made_deleted_and_made_again() {
    let mut desk = Desk::new(false);
    (desk.config.settle, desk.config.rescan) = (SHORT, SHORT);
    let dir = desk.path("");
    fs::remove_dir(&dir).expect("removed");
    let watcher = desk.watcher();
    desk.status = watcher.status();
    desk.task = Some(tokio::spawn(watcher.run(desk.cancel.clone())));
    desk.until(|status| status.dir == super::DirState::Missing).await;
    for round in 0..3 {
        fs::create_dir(&dir).expect("made");
        desk.until(|status| status.dir == super::DirState::Watched).await;
        desk.drop_file("a.txt", &format!("The text of round {round}."));
        desk.accepted().await;
        desk.idle().await;
        fs::remove_dir_all(&dir).expect("removed");
        desk.until(|status| status.dir == super::DirState::Missing).await;
    }
    desk.stop().await;
}

#[tokio::test]
async fn directory_replaced_under_its_name_is_watched_anew_without_waiting_for_a_scan() {
    let mut desk = Desk::new(false);
    desk.run().await;
    fs::rename(desk.path(""), desk.root.path().join("old")).expect("renamed");
    fs::create_dir(desk.path("")).expect("made");
    desk.until(|status| status.scans > 1).await;
    desk.drop_file("a.txt", LEAD);
    assert_eq!(desk.accepted().await.name, "a.txt");
}

#[tokio::test]
async fn batch_that_was_not_accepted_is_offered_again() {
    let mut desk = Desk::new(true);
    (desk.config.settle, desk.config.rescan) = (SHORT, SHORT);
    desk.drop_file("a.txt", LEAD);
    desk.run().await;
    drop(desk.batch().await);
    assert!(desk.path("a.txt").exists());
    let mut again = desk.batch().await;
    assert_eq!(text(&again), LEAD);
    desk.accept(&mut again);
    desk.idle().await;
    assert!(desk.path("done/a.txt").exists());
}

#[tokio::test]
async fn stop_waits_for_the_receipt_of_what_is_in_flight() {
    let mut desk = Desk::new(true);
    desk.run().await;
    desk.drop_file("a.txt", LEAD);
    let mut batch = desk.batch().await;
    desk.cancel.cancel();
    desk.accept(&mut batch);
    desk.stop().await;
    assert!(desk.path("done/a.txt").exists());
}

#[tokio::test]
async fn burst_is_taken_whole_and_many_files_are_in_flight_at_once() {
    const FILES: usize = 2000;
    let mut desk = Desk::new(false);
    (desk.config.settle, desk.config.rescan) = (SHORT, Duration::from_millis(500));
    desk.run().await;
    for n in 0..FILES {
        desk.drop_file(&format!("{n}.txt"), &format!("The text of file {n}."));
    }
    // Several batches wait at once for the same commit.
    let mut waiting = Vec::new();
    while waiting.len() < 100 {
        waiting.push(desk.batch().await);
    }
    for batch in &mut waiting {
        desk.accept(batch);
    }
    while desk.seen.len() < FILES {
        desk.accepted().await;
    }
    let names: std::collections::HashSet<_> = desk.seen.iter().map(|file| file.name.clone()).collect();
    assert_eq!(names.len(), FILES);
}

#[tokio::test]
async fn hostile_names_are_taken_or_refused_like_any_other() {
    use std::os::unix::ffi::OsStrExt;
    let mut desk = Desk::new(true);
    desk.run().await;
    for name in [&b"line\nbreak"[..], b"\xff\xfe not utf-8", b"-rf *", "é".repeat(127).as_bytes()] {
        let text = format!("The text of {}.", name.len());
        fs::write(desk.path("").join(std::ffi::OsStr::from_bytes(name)), text).expect("written");
        desk.accepted().await;
    }
    fs::write(desk.path(&"x".repeat(255)), "%PDF-").expect("written");
    assert_eq!(refused(&desk.accepted().await), Some(RejectReason::NotText));
    desk.idle().await;
    assert_eq!(fs::read_dir(desk.path("done")).expect("listed").count(), 4);
    assert_eq!(fs::read_dir(desk.path("error")).expect("listed").count(), 2);
}

#[tokio::test]
async fn unreadable_file_is_told_once_and_taken_when_mended() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        println!("skipped: permissions do not bind root");
        return;
    }
    let mut desk = Desk::new(true);
    (desk.config.settle, desk.config.rescan) = (SHORT, SHORT);
    desk.drop_file("a.txt", LEAD);
    fs::set_permissions(desk.path("a.txt"), fs::Permissions::from_mode(0o0)).expect("set");
    desk.run().await;
    assert_eq!(refused(&desk.accepted().await), Some(RejectReason::Unreadable));
    desk.scanned().await;
    assert!(desk.batches.try_recv().is_err() && desk.path("a.txt").exists());
    fs::set_permissions(desk.path("a.txt"), fs::Permissions::from_mode(0o600)).expect("set");
    assert_eq!(refused(&desk.accepted().await), None);
    desk.idle().await;
    assert!(desk.path("done/a.txt").exists());
}

#[tokio::test]
async fn scan_once_takes_everything_and_waits_for_the_receipts() {
    let mut desk = Desk::new(true);
    desk.config.settle = SHORT;
    desk.drop_file("a.txt", "One text.");
    desk.drop_file("b.json", r#"[{"id":"1","title":"Pier"},{"id":"2","title":"Quay"}]"#);
    desk.drop_file("c.xml", "<rss version=\"2.0\"><channel><title>N</title><item><title>Dock opens</title><guid>n-1</guid></item></channel></rss>");
    desk.drop_file("d.pdf", "%PDF-");
    let watcher = desk.watcher();
    let scan = tokio::spawn(watcher.scan_once(CancellationToken::new()));
    let mut items = 0;
    for _ in 0..4 {
        let mut batch = desk.batch().await;
        items += batch.items.len();
        desk.accept(&mut batch);
    }
    let summary = tokio::time::timeout(PATIENCE, scan).await.expect("in time").expect("no panic");
    assert_eq!((items, summary.status.taken, summary.status.refused, summary.left), (4, 3, 1, 0));
    assert!(desk.path("done/c.xml").exists() && desk.path("error/d.pdf").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_lie_there_at_the_start_share_their_looks_at_the_open_files() {
    const FILES: usize = 60;
    let mut desk = Desk::new(false);
    // Long enough to be looked at once, not so long that it is read though it is open.
    let hours_ago = Clock::system().now().minus(Duration::from_secs(3 * 3600));
    let hours_ago = std::time::UNIX_EPOCH + Duration::from_millis(hours_ago.millis().unsigned_abs());
    desk.config.settle = Duration::from_secs(60);
    for n in 0..FILES {
        desk.drop_file(&format!("{n}.txt"), &format!("The harbour board moved its meeting to hall {n}."));
        let file = fs::File::options().append(true).open(desk.path(&format!("{n}.txt"))).expect("opened");
        file.set_modified(hours_ago).expect("set");
    }
    let writer = fs::File::options().append(true).open(desk.path("7.txt")).expect("opened");
    let watcher = desk.watcher();
    let (walks, cancel) = (watcher.walks(), CancellationToken::new());
    let scan = tokio::spawn(watcher.scan_once(cancel.clone()));
    for _ in 1..FILES {
        desk.accepted().await;
    }
    // What is held open waits for its writer, who never comes.
    cancel.cancel();
    tokio::time::timeout(PATIENCE, scan).await.expect("in time").expect("no panic");
    assert_eq!((walks(), desk.seen.iter().any(|file| file.name == "7.txt")), (1, false));
    drop(writer);
}

/// `WIREWATCH_MEASURE=1 cargo test --release --lib measure_seed -- --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure_seed_latency_and_burst() {
    if std::env::var_os("WIREWATCH_MEASURE").is_none() {
        println!("skipped: WIREWATCH_MEASURE is not set");
        return;
    }
    let mut desk = Desk::new(false);
    (desk.config.settle, desk.config.rescan) = (SHORT, Duration::from_secs(2));
    desk.run().await;
    let mut spans = Vec::new();
    for n in 0..500 {
        let text = format!("date 2031-05-14 Harbour opens pier {n}\n{}", LEAD.repeat(40));
        let mut file = fs::File::create(desk.path(&format!("{n}.txt"))).expect("made");
        file.write_all(text.as_bytes()).expect("written");
        let closed = tokio::time::Instant::now();
        drop(file);
        let mut batch = desk.batch().await;
        spans.push(closed.elapsed());
        desk.accept(&mut batch);
    }
    spans.sort_unstable();
    println!("closed → batch: p50 {:?} p99 {:?}", spans[250], spans[495]);
    let started = tokio::time::Instant::now();
    let dir = desk.path("");
    let writer = std::thread::spawn(move || {
        for n in 0..20_000 {
            fs::write(dir.join(format!("burst-{n}.txt")), format!("The text of file {n}.")).expect("written");
        }
    });
    while desk.seen.len() < 20_500 {
        desk.accepted().await;
    }
    println!("20,000 files in {:?}, {} scans", started.elapsed(), desk.status.borrow().scans);
    writer.join().expect("written");
}

fn letter(number: u32, date: &str) -> String {
    format!(
        "From: Harbour Desk <desk@port.example>\nSubject: Pier notice {number}\nDate: {date}\nMessage-ID: <{number}@port.example>\n\n{LEAD}\n"
    )
}

#[tokio::test]
async fn maildir_is_read_in_both_folders_and_each_message_once() {
    let mut desk = Desk::new(false);
    desk.config.settle = SHORT;
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir(desk.path(folder)).expect("made");
    }
    let recent = "Wed, 1 Jan 2025 10:00:00 +0000";
    desk.watched_since = Timestamp::parse("2024-06-01T00:00:00Z").expect("a time");
    let mtime = |path: &std::path::Path, at: u64| {
        let file = fs::File::options().write(true).open(path).expect("opened");
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(at)).expect("set");
    };
    // Read long ago, by its owner; and one that another program took out of `new` before we saw it.
    let before = desk.path("cur/1700000001.M1.desk:2,S");
    desk.drop_file("cur/1700000001.M1.desk:2,S", &letter(1, "Tue, 14 Nov 2023 10:00:00 +0000"));
    mtime(&before, 1_700_000_001);
    desk.drop_file("tmp/1735740000.M2.desk", &letter(2, recent));
    mtime(&desk.path("tmp/1735740000.M2.desk"), 1_735_740_000);
    fs::rename(desk.path("tmp/1735740000.M2.desk"), desk.path("cur/1735740000.M2.desk:2,S")).expect("moved");
    desk.run().await;
    let mut quiet = Vec::new();
    for _ in 0..2 {
        let mut batch = desk.batch().await;
        quiet.push((batch.items[0].key.as_str().to_owned(), batch.items[0].quiet));
        desk.accept(&mut batch);
    }
    quiet.sort();
    assert_eq!(quiet, [("1@port.example".to_owned(), true), ("2@port.example".to_owned(), false)]);
    // Delivered, read, moved with a flag, flagged again: one message.
    desk.drop_file("tmp/1735740001.M3.desk", &letter(3, recent));
    fs::rename(desk.path("tmp/1735740001.M3.desk"), desk.path("new/1735740001.M3.desk")).expect("delivered");
    let mut batch = desk.batch().await;
    assert!(!batch.items[0].quiet);
    assert_eq!(desk.accept(&mut batch).name, "1735740001.M3.desk");
    fs::rename(desk.path("new/1735740001.M3.desk"), desk.path("cur/1735740001.M3.desk:2,S")).expect("moved");
    fs::rename(desk.path("cur/1735740001.M3.desk:2,S"), desk.path("cur/1735740001.M3.desk:2,FS")).expect("flagged");
    desk.until(|status| status.known > 0).await;
    // What comes next is the next message, in whichever folder.
    desk.drop_file("cur/1735740002.M4.desk:2,", &letter(4, recent));
    mtime(&desk.path("cur/1735740002.M4.desk:2,"), 1_735_740_002);
    let batch = desk.batch().await;
    assert_eq!((batch.items[0].key.as_str(), batch.items[0].quiet), ("4@port.example", false));
    desk.stop().await;
}
