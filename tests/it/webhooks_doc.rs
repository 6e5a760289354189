//! The receivers in docs/webhooks.md are run as they stand there, where their tools exist: a genuine
//! request passes, a changed one does not.

use std::io::Write;
use std::process::{Command, Stdio};

use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::Signer;
use wirewatch::model::Timestamp;

use super::deliver::SECRET;

const AT: Timestamp = Timestamp::from_seconds(1_742_198_531);
const BODY: &str = r#"{"type":"alert.matched","data":{"story":{"title":"Zwei Häfen – 100 % zu"}}}"#;

/// The first block of a language.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md")).expect("the page");
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("its end").0.to_owned()
}

fn accepts(tool: &str, flag: &str, body: &str, id: &str) -> Option<bool> {
    let language = if tool == "python3" { "python" } else { "sh" };
    let secrets = [Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), Secret::parse(SECRET)];
    let signer = Signer::new(&secrets.map(|secret| secret.expect("valid"))).expect("keys");
    let run = Command::new(tool)
        .args([flag, &block(language)])
        .env("SECRET", SECRET)
        .env("ID", id)
        .env("TIMESTAMP", AT.seconds().to_string())
        .env("NOW", AT.seconds().to_string())
        .env("SIGNATURE", signer.sign("alr_1", AT, BODY.as_bytes()))
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = run else {
        println!("skipped: no {tool} here");
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(body.as_bytes()).expect("written");
    Some(child.wait().expect("it ends").success())
}

#[test]
fn examples_accept_what_is_genuine_and_refuse_what_was_changed() {
    for (tool, flag) in [("python3", "-c"), ("sh", "-c")] {
        if tool == "sh" && Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: no openssl here");
            continue;
        }
        let Some(genuine) = accepts(tool, flag, BODY, "alr_1") else { continue };
        assert!(genuine, "{tool}: a genuine request, while two keys sign");
        assert_eq!(accepts(tool, flag, &BODY.replace("100", "101"), "alr_1"), Some(false), "{tool}: another body");
        assert_eq!(accepts(tool, flag, BODY, "alr_2"), Some(false), "{tool}: another id");
    }
}
