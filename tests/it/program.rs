//! The program as a user meets it: commands, what they print, and their exit codes; a first start, an
//! orderly stop, a second instance.

use std::process::Output;

use rustix::process::Signal;
use serde_json::Value;

use super::crash::{Daemon, command};
use super::newsroom::{Newsroom, article, firsts, told, until};
use super::receiver::{Answer, Receiver};

/// Runs a command to its end.
pub async fn run(room: &Newsroom, arguments: &[&str]) -> Output {
    let mut command = command(room);
    command.args(arguments).stdin(std::process::Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    output.expect("the program starts")
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// One document, or one a line.
pub fn json(output: &Output) -> Vec<Value> {
    let out = text(&output.stdout);
    match serde_json::from_str(out) {
        Ok(document) => vec![document],
        Err(_) => out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn program_commands_end_with_their_code_and_say_why() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    room.drop_file("1.txt", &article(1));
    std::fs::write(room.path("broken.json"), "{\"title\": ").expect("written");
    std::fs::write(room.path("bad.toml"), "[daemon]\nstate_dri = \"state\"\n").expect("written");
    std::fs::write(room.path("off.toml"), "[daemon]\nstate_dir = \"/proc/no/such\"\n[http]\nlisten = \"off\"\n")
        .expect("written");
    // Arguments, exit code, and a word that standard error must have.
    let before: [(&[&str], i32, &str); 14] = [
        (&[], 64, "Usage"),
        (&["--version"], 0, ""),
        (&["--help"], 0, ""),
        (&["dance"], 64, "dance"),
        (&["run", "--json"], 64, "--once"),
        (&["items", "--since", "the day before"], 64, "90m"),
        (&["items"], 69, "wirewatch run"),
        (&["status"], 69, ""),
        (&["check"], 0, ""),
        (&["check", "--config", "bad.toml"], 78, ""),
        (&["run", "--config", "bad.toml"], 78, "state_dir"),
        (&["run", "--config", "missing.toml"], 78, "missing.toml"),
        (&["run", "--once", "--config", "off.toml"], 74, "/proc/no/such"),
        (&["parse", "broken.json"], 65, ""),
    ];
    let mut wrong = check(&room, &before).await;
    let once = run(&room, &["run", "--once", "--json"]).await;
    assert_eq!(once.status.code(), Some(0), "{}", text(&once.stderr));
    assert_eq!(json(&once)[0]["seeds"]["new_items"], 1, "{}", text(&once.stdout));
    assert_eq!(json(&once)[0]["deliveries"]["delivered"], 1);
    let after: [(&[&str], i32, &str); 7] = [
        (&["run", "--once"], 0, "0 new items"),
        (&["status"], 0, ""),
        (&["items", "show", "itm_0000000000000"], 65, "no such item"),
        (&["items", "show", "nonsense"], 64, ""),
        (&["alerts", "show", "alr_0"], 65, "no such alert"),
        (&["feeds", "show", "nobody"], 64, "nobody"),
        (&["ingest", "missing.txt"], 65, "1 of 1"),
    ];
    wrong.extend(check(&room, &after).await);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(receiver.count(), 1, "two rounds, one webhook");
}

async fn check(room: &Newsroom, table: &[(&[&str], i32, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (arguments, code, word) in table {
        let output = run(room, arguments).await;
        let said = text(&output.stderr);
        if output.status.code() != Some(*code) || !said.contains(word) {
            wrong.push(format!("{arguments:?}: {:?}, expected {code} and `{word}`:\n{said}", output.status.code()));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parse_item_without_title_is_shown_by_the_beginning_of_its_text() {
    let room = Newsroom::silent("");
    let items = "<item><link>http://a.example/1</link><description>The ferry runs again.</description></item>\
                 <item><title>Own</title><description>Text.</description></item>";
    let feed = format!("<rss version=\"2.0\"><channel><title>Wire</title>{items}</channel></rss>");
    std::fs::write(room.path("feed.xml"), feed).expect("written");
    let read = json(&run(&room, &["parse", "feed.xml", "--json"]).await);
    let shown = |n: usize| (read[0]["items"][n]["title"].as_str(), read[0]["items"][n]["untitled"].as_bool());
    assert_eq!(shown(0), (Some("The ferry runs again."), Some(true)), "{read:?}");
    assert_eq!(shown(1), (Some("Own"), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn program_reads_the_same_for_people_and_scripts() {
    let receiver = Receiver::start().await;
    let feed = "[[feeds]]\nid = \"wire\"\nurl = \"http://127.0.0.1:1/feed\"\nallow_private = [\"127.0.0.0/8\"]\n";
    let room = Newsroom::new(&receiver, feed);
    for n in 1..=3 {
        std::fs::write(room.path(&format!("{n}.txt")), article(n)).expect("written");
    }
    let taken = run(&room, &["ingest", "1.txt", "2.txt", "3.txt"]).await;
    assert_eq!(taken.status.code(), Some(0), "{}", text(&taken.stderr));
    assert_eq!(run(&room, &["run", "--once"]).await.status.code(), Some(0));
    let alert = told(&receiver.received(), None).bodies.keys().next().expect("an alert").clone();
    let item = json(&run(&room, &["items", "--json"]).await)[0]["id"].as_str().expect("an id").to_owned();
    // Arguments, documents printed with --json, a word printed without.
    let table: [(&[&str], usize, &str); 9] = [
        (&["items"], 3, "levee"),
        (&["items", "show", &item], 1, "levee"),
        (&["alerts"], 3, "first"),
        (&["alerts", "show", &alert], 1, &alert),
        (&["deliveries"], 3, "desk"),
        (&["feeds"], 1, "connect"),
        (&["feeds", "show", "wire"], 1, "failing"),
        (&["status"], 1, "desk"),
        (&["parse", "1.txt"], 1, "levee"),
    ];
    for (arguments, documents, word) in table {
        let people = run(&room, arguments).await;
        assert_eq!(people.status.code(), Some(0), "{arguments:?}: {}", text(&people.stderr));
        assert!(text(&people.stdout).contains(word), "{arguments:?} without `{word}`:\n{}", text(&people.stdout));
        assert!(!text(&people.stdout).contains('\u{1b}'), "{arguments:?} colours a pipe");
        let scripts = run(&room, &[arguments, &["--json"]].concat()).await;
        assert_eq!(scripts.status.code(), Some(0), "{arguments:?}: {}", text(&scripts.stderr));
        assert_eq!(json(&scripts).len(), documents, "{arguments:?} --json:\n{}", text(&scripts.stdout));
    }
    let again = run(&room, &["ingest", "1.txt"]).await;
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(receiver.count(), 3, "what is known is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn program_told_to_stop_drains_and_a_second_one_is_refused() {
    let receiver = Receiver::start().await;
    let room = Newsroom::new(&receiver, "");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    let second = run(&room, &["run"]).await;
    assert_eq!(second.status.code(), Some(69), "{}", text(&second.stderr));
    assert!(text(&second.stderr).contains("hint:"), "{}", text(&second.stderr));
    let beside = run(&room, &["status", "--json"]).await;
    assert_eq!(json(&beside)[0]["running"], true);
    for n in 0..20 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    receiver.wait_for(1).await;
    assert_eq!(daemon.stop().await, Some(0));
    let first_life = receiver.count();
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    receiver.wait_for(20).await;
    assert_eq!(daemon.stop().await, Some(0));
    let told = told(&receiver.received(), None);
    assert_eq!(told.alerts(), firsts(0..20), "{first_life} in the first life");
    assert_eq!(told.repeats, 0, "an orderly stop records what it sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn program_told_twice_to_stop_is_cut_and_owes_what_it_owed() {
    let receiver = Receiver::start().await;
    receiver.otherwise(Answer::Silence);
    let room = Newsroom::new(&receiver, "");
    room.reconfigure("threads = 2", "threads = 2\nstop_timeout = \"5m\"");
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    room.drop_file("1.txt", &article(1));
    receiver.wait_for(1).await;
    daemon.signal(Signal::TERM);
    until("it says that it stops", || {
        std::fs::read_to_string(room.path("log")).is_ok_and(|log| log.contains("stopping: work"))
    })
    .await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.ended().await.code(), Some(0));
    receiver.otherwise(Answer::status(200));
    let mut daemon = Daemon::start(&room, None);
    daemon.ready(&room).await;
    receiver.wait_for(2).await;
    assert_eq!(daemon.stop().await, Some(0));
    assert_eq!(told(&receiver.received(), None).alerts(), firsts([1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn program_init_leaves_a_config_that_is_clean_and_runs() {
    let room = Newsroom::bare("");
    let made = run(&room, &["init", "desk"]).await;
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let config = ["config/wirewatch.toml", "wirewatch.toml"].map(|name| room.path("desk").join(name));
    let config = config.iter().find(|path| path.exists()).expect("a config was made").to_str().expect("a path");
    let checked = run(&room, &["check", "--config", config]).await;
    assert_eq!(checked.status.code(), Some(0), "{}{}", text(&checked.stdout), text(&checked.stderr));
    let said = [text(&checked.stdout), text(&checked.stderr)].concat();
    assert!(!said.contains("error"), "{said}");
    let again = run(&room, &["init", "desk"]).await;
    assert_eq!(again.status.code(), Some(64), "a second init overwrites nothing: {}", text(&again.stderr));
}
