//! Where a file of a real directory rests after it was read: never under its writer, never over another, with a note
//! beside what was refused.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::time::Duration;

use super::files::FileStamp;
use super::folder::OpenFolder;
use super::settle::{FileToMove, SettleError, move_all};
use super::watch_tests::{Desk, LEAD, SHORT, refused, text};
use super::writers::FileWriters;
use crate::model::{RejectReason, SeedOutcome};

/// Long enough that 300 of them, after which even an open file is read, are more than a test waits.
const PATIENT: Duration = Duration::from_millis(250);

#[tokio::test]
async fn file_whose_writer_pauses_is_read_whole_and_never_moved_under_its_writer() {
    for move_after in [false, true] {
        let mut desk = Desk::new(move_after);
        (desk.config.settle, desk.config.rescan) = (PATIENT, SHORT);
        desk.run().await;
        let mut file = fs::File::create(desk.path("paused.txt")).expect("made");
        file.write_all(b"The first half").expect("written");
        // Many settle times pass: this one is linked in, closed by nobody, and taken after it stood still.
        let elsewhere = desk.root.path().join("elsewhere.txt");
        fs::write(&elsewhere, LEAD).expect("written");
        fs::hard_link(&elsewhere, desk.path("control.txt")).expect("linked");
        assert_eq!(desk.accepted().await.name, "control.txt");
        desk.scanned().await;
        assert!(desk.path("paused.txt").exists());
        file.write_all(b" and the second.").expect("written");
        drop(file);
        let mut batch = desk.batch().await;
        assert_eq!(text(&batch), "The first half and the second.");
        desk.accept(&mut batch);
        desk.idle().await;
        assert_eq!(desk.path("done/paused.txt").exists(), move_after);
    }
}

#[tokio::test]
async fn file_that_another_writer_opens_before_it_is_moved_stays_until_that_one_closes() {
    let mut desk = Desk::new(true);
    (desk.config.settle, desk.config.rescan) = (PATIENT, SHORT);
    desk.run().await;
    desk.drop_file("a.txt", "The first part.");
    let mut first = desk.batch().await;
    let mut again = fs::OpenOptions::new().append(true).open(desk.path("a.txt")).expect("opened");
    desk.accept(&mut first);
    desk.scanned().await;
    again.write_all(b"\nThe second part.").expect("written, in the directory still");
    drop(again);
    let mut second = desk.batch().await;
    assert!(text(&second).ends_with("The second part."), "{}", text(&second));
    desk.accept(&mut second);
    desk.idle().await;
    assert!(desk.path("done/a.txt").exists());
}

#[tokio::test]
async fn file_written_on_after_it_was_moved_is_brought_back_and_read_again() {
    let mut desk = Desk::new(true);
    (desk.config.settle, desk.config.rescan) = (SHORT, SHORT);
    let watcher = desk.watcher();
    let moved = desk.path("done/a.txt");
    fs::create_dir(desk.path("done")).expect("made");
    fs::write(&moved, "The first part.").expect("written");
    let done = OpenFolder::open(&desk.path("done")).expect("opened");
    let stamp = FileStamp::of(&done.stat("a.txt".as_ref()).expect("there"));
    watcher.watch_moved("a.txt".into(), desk.path("done"), stamp);
    fs::write(&moved, "The first part.\nThe second part.").expect("written");
    desk.status = watcher.status();
    desk.task = Some(tokio::spawn(watcher.run(desk.cancel.clone())));
    assert!(text(&desk.batch().await).ends_with("The second part."));
    assert_eq!(desk.status.borrow().held_open, 1);
}

#[tokio::test]
async fn file_of_which_some_items_were_refused_goes_to_error_with_a_note_that_names_them() {
    let mut desk = Desk::new(true);
    desk.run().await;
    desk.drop_file("a.jsonl", "{\"title\": \"Harbour opens\"}\n{\"title\": oops}\n");
    let file = desk.accepted().await;
    assert_eq!(file.outcome, SeedOutcome::Taken { items: 1, rejected: 1 });
    desk.idle().await;
    let note = fs::read_to_string(desk.path("error/a.jsonl.error.txt")).expect("a note");
    assert!(note.contains("1 taken, 1 refused") && note.contains("line 2"), "{note}");
    assert!(desk.path("error/a.jsonl").exists() && !desk.path("done/a.jsonl").exists());
}

#[tokio::test]
async fn moved_only_after_the_receipt_and_never_over_another() {
    let mut desk = Desk::new(true);
    desk.run().await;
    for (content, moved) in [("One text.", "done/a.txt"), ("Another text.", "done/a.2.txt")] {
        desk.drop_file("a.txt", content);
        let mut batch = desk.batch().await;
        assert!(desk.path("a.txt").exists() && !desk.path(moved).exists());
        desk.accept(&mut batch);
        desk.idle().await;
        assert_eq!(fs::read_to_string(desk.path(moved)).expect("moved"), content);
        assert!(!desk.path("a.txt").exists());
    }
}

#[tokio::test]
async fn known_content_is_moved_without_another_batch() {
    let mut desk = Desk::new(true);
    desk.run().await;
    desk.drop_file("a.txt", LEAD);
    desk.accepted().await;
    desk.idle().await;
    desk.drop_file("b.txt", LEAD);
    desk.until(|status| status.known == 1).await;
    assert!(desk.path("done/b.txt").exists() && desk.batches.try_recv().is_err());
}

#[tokio::test]
async fn written_again_while_in_flight_is_taken_again_and_not_lost() {
    for move_after in [false, true] {
        let mut desk = Desk::new(move_after);
        desk.config.settle = SHORT;
        desk.run().await;
        desk.drop_file("a.txt", "The first text.");
        let mut first = desk.batch().await;
        desk.drop_file("a.txt", "The second text, longer.");
        desk.accept(&mut first);
        let mut second = desk.batch().await;
        assert_eq!(text(&second), "The second text, longer.");
        desk.accept(&mut second);
        desk.idle().await;
        assert_eq!(desk.path("done/a.txt").exists(), move_after);
    }
}

#[tokio::test]
async fn refused_file_moves_with_a_note_that_says_why() {
    let mut desk = Desk::new(true);
    desk.run().await;
    desk.drop_file("scan.pdf", "%PDF-1.7 \u{1}\u{2}");
    let file = desk.accepted().await;
    assert_eq!(refused(&file), Some(RejectReason::NotText));
    desk.idle().await;
    let note = fs::read_to_string(desk.path("error/scan.pdf.error.txt")).expect("a note");
    assert!(note.contains("not-text") && note.contains("PDF") && note.contains("plain text"), "{note}");
    assert!(desk.path("error/scan.pdf").exists() && !desk.path("scan.pdf").exists());
}

#[test]
fn files_that_move_together_are_looked_for_once_and_each_is_judged_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = OpenFolder::open(dir.path()).expect("opened");
    let path = |name: &OsString| dir.path().join(name);
    let names: Vec<OsString> = (0..20).map(|n| OsString::from(format!("{n}.txt"))).collect();
    for name in &names {
        fs::write(path(name), "one").expect("written");
    }
    let to_move = |name: &OsString| {
        let stamp = Some(FileStamp::of(&folder.stat(name).expect("there")));
        FileToMove { name: name.clone(), stamp, folder: dir.path().join("done") }
    };
    let mut files: Vec<FileToMove> = names.iter().map(to_move).collect();
    let _writer = fs::OpenOptions::new().append(true).open(dir.path().join("3.txt")).expect("opened");
    fs::write(dir.path().join("5.txt"), "written again").expect("written");
    files[7].folder = dir.path().join("9.txt/not-a-folder");
    let writers = FileWriters::default();
    let moved = move_all(&files, &folder, &writers);
    assert_eq!(writers.walks(), 1);
    for (at, (name, moved)) in names.iter().zip(&moved).enumerate() {
        match (at, moved) {
            (3, Err(SettleError::HeldOpen)) | (5, Err(SettleError::Changed)) | (7, Err(SettleError::Io { .. })) => {
                assert!(path(name).exists(), "{at} is where it was");
            }
            (_, Ok(moved)) => assert!(moved.folder.stat(&moved.name).is_ok() && ![3, 5, 7].contains(&at)),
            (_, Err(error)) => panic!("{at}: {error}"),
        }
    }
}
