//! `top` as a person sees it: whole screens of a real terminal of 80×24 and of 200×50, held against what is written down
//! in `tests/golden/terminal`. Everything happened three days ago, so that no age changes while the test runs.
//! `WIREWATCH_WRITE=1` writes them anew.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use unicode_width::UnicodeWidthChar as _;
use wirewatch::clock::Clock;

use super::newsroom::{Newsroom, article, pending, stop, until};
use super::receiver::Receiver;
use super::top::Screen;
use super::transcripts::{golden, steady};

/// What a terminal shows after all that was written to it: `top` places the cursor, clears lines and screens, and
/// nothing else that matters here.
fn shown(written: &str, columns: usize, rows: usize) -> String {
    let mut cells = vec![vec![" ".to_owned(); columns]; rows];
    let (mut row, mut column) = (0, 0);
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\x1b[") {
            let Some(end) = sequence.find(|c: char| c.is_ascii_alphabetic()) else { break };
            let numbers: Vec<usize> = sequence[..end].split(';').map(|n| n.parse().unwrap_or(0)).collect();
            match &sequence[end..=end] {
                "H" => (row, column) = (numbers[0].max(1) - 1, numbers.get(1).map_or(0, |n| n.max(&1) - 1)),
                "J" => cells = vec![vec![" ".to_owned(); columns]; rows],
                "K" => {
                    if let Some(line) = cells.get_mut(row) {
                        for cell in line.iter_mut().skip(column) {
                            " ".clone_into(cell);
                        }
                    }
                }
                _ => {}
            }
            rest = &sequence[end + 1..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        let width = c.width().unwrap_or(0);
        if width > 0 && row < rows && column + width <= columns {
            cells[row][column] = c.to_string();
            for more in &mut cells[row][column + 1..column + width] {
                more.clear();
            }
            column += width;
        }
    }
    let lines: Vec<String> = cells.into_iter().map(|line| line.concat().trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

fn golden_text(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/terminal");
    std::fs::read_to_string(folder.join(file)).unwrap_or_default()
}

fn writes() -> bool {
    std::env::var_os("WIREWATCH_WRITE").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_screens_are_what_they_were() {
    let receiver = Receiver::start().await;
    let feeds = "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/feed\"\nallow_private = [\"127.0.0.0/8\"]\n\
                 [[feeds]]\nid = \"gazette\"\nurl = \"http://127.0.0.1:1/other\"\nenabled = false\n";
    let room = Newsroom::new(&receiver, feeds);
    let clock = Clock::manual(Clock::system().now().minus(Duration::from_secs(3 * 86_400 + 3600)));
    let app = room.start(&clock).await;
    for n in 1..=9 {
        room.drop_file(&format!("{n}.txt"), &article(n));
        receiver.wait_for(usize::try_from(n).expect("small")).await;
    }
    until("the feed failed", || app.store.feed("wire").expect("read").is_some_and(|feed| feed.failure.is_some())).await;
    until("all is recorded", || pending(&app.store) == 0).await;
    for (columns, rows) in [(80, 24), (200, 50)] {
        let mut screen = Screen::start(&room, &[], &[("NO_COLOR", "1")]);
        screen.is_resized(columns, rows);
        let (mut all, file) = (String::new(), format!("top-live-{columns}x{rows}.txt"));
        for (name, keys, word) in [
            ("as it starts", "", "levee"),
            ("stories", "2", "sty_"),
            ("feeds", "3", "wire"),
            ("topics", "4", "0 rows"),
            ("endpoints", "5", "desk"),
            ("keys", "?", "closes this"),
        ] {
            screen.press(keys);
            let seen = || steady(&shown(&screen.text(), columns.into(), rows.into()), &room);
            until(&format!("{name} are shown"), || seen().contains(word)).await;
            // A screen that is half written is not the last word.
            let held = || golden_text(&file).contains(&format!("== {name}\n{}", seen()));
            let patience = tokio::time::Instant::now() + Duration::from_secs(60);
            while !held() && !writes() && tokio::time::Instant::now() < patience {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if writes() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            let text = seen();
            assert!(text.lines().count() <= usize::from(rows), "{name}: {text}");
            _ = write!(all, "== {name}\n{text}");
        }
        screen.press("\x1b");
        screen.press("q");
        assert!(screen.ended().await.0.success());
        golden(&file, &all);
    }
    stop(app).await;
}

#[test]
fn shown_is_what_a_terminal_would_show() {
    assert_eq!(shown("\x1b[2J\x1b[1;1Hone\x1b[K\x1b[2;1H日本\x1b[1;1Htwo", 10, 3), "two\n日本\n");
    assert_eq!(shown("\x1b[1;1Habcdef\x1b[1;3H\x1b[K", 4, 1), "ab\n");
}
