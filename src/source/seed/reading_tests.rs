//! Files that are read several in one go.

use super::watch_tests::{Desk, SHORT, refused};
use crate::clock::Clock;
use crate::source::parser::Parser;
use crate::source::quarantine::{DocumentOrigin, NamedDocument, Quarantine};

/// More than are read beside each other, so that several come in one go.
const MANY: usize = 12;

#[tokio::test]
async fn suspects_of_one_go_are_read_one_after_the_other_and_keep_nobody_waiting_for_ever() {
    let mut desk = Desk::new(false);
    desk.config.settle = SHORT;
    // A format that another thread parses: until it has, the next suspect waits.
    let page = |n: usize| {
        format!("<html><head><title>Pier {n}</title></head><body><p>The pier {n} opens in spring.</p></body></html>")
    };
    let state = desk.root.path().join("state");
    let before = Quarantine::open(&state).expect("opened");
    for n in 0..MANY {
        let (name, text) = (format!("{n}.html"), page(n));
        let document = NamedDocument::new(DocumentOrigin::Seed, &name, text.as_bytes());
        std::mem::forget(before.enter_blocking(&document, Clock::system().now()).expect("may be read").begin());
        desk.drop_file(&name, &text);
    }
    let after = Quarantine::open(&state).expect("opened");
    desk.parser = Parser::new(1).marking(after);
    desk.run().await;
    let mut names = Vec::new();
    for _ in 0..MANY {
        let file = desk.accepted().await;
        assert_eq!(refused(&file), None, "{}", file.name);
        names.push(file.name);
    }
    names.sort();
    let mut expected: Vec<_> = (0..MANY).map(|n| format!("{n}.html")).collect();
    expected.sort();
    assert_eq!(names, expected);
    desk.idle().await;
    let left: Vec<_> = std::fs::read_dir(state.join(crate::source::quarantine::MARKS_FOLDER))
        .expect("listed")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".suspect"))
        .collect();
    assert!(left.is_empty(), "read to their ends, they are suspects no more: {left:?}");
}
