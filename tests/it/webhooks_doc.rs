//! The receivers in docs/guide/webhooks.md are run as they stand there, where their tools exist: a genuine
//! request passes once as new and then as a repeat, a changed one does not pass at all.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::Signer;
use wirewatch::model::Timestamp;

use super::deliver::SECRET;

const AT: Timestamp = Timestamp::from_seconds(1_742_198_531);
const BODY: &str = r#"{"type":"alert.matched","data":{"item":{"title":"Zwei Häfen – 100 % zu"}}}"#;
const NOTICE: &str = r#"{"type":"alerts.digest","data":{"summary":"2 stories from the quiet hours","entries":[]}}"#;

/// The block in Rust, word for word: a test below holds the page to it.
mod example {
    // begin
    use std::collections::HashSet;

    use aws_lc_rs::hmac;
    use base64::{Engine, engine::general_purpose::STANDARD};

    pub fn genuine(secret: &str, id: &str, timestamp: &str, signature: &str, body: &[u8], now: u64) -> bool {
        let fresh = timestamp.parse().is_ok_and(|at: u64| now.abs_diff(at) <= 300);
        let key = secret.strip_prefix("whsec_").and_then(|s| STANDARD.decode(s).ok());
        let Some(key) = key.filter(|_| fresh) else { return false };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let mut given =
            signature.split(' ').filter_map(|s| s.strip_prefix("v1,")).filter_map(|s| STANDARD.decode(s).ok());
        given.any(|given| hmac::verify(&key, &signed, &given).is_ok())
    }

    /// True once for each id: what comes again is answered 200 and otherwise left alone.
    pub fn is_new(seen: &mut HashSet<String>, id: &str) -> bool {
        seen.insert(id.to_owned())
    }

    /// One line for any type: the headline of the report, or what a message about an endpoint or source says.
    pub fn line(payload: &serde_json::Value) -> String {
        let told = ["/data/item/title", "/data/summary"].iter().find_map(|place| payload.pointer(place)?.as_str());
        format!("{}: {}", payload["type"].as_str().unwrap_or("unknown"), told.unwrap_or_default())
    }
    // end
}

/// The first block of a language.
fn block(language: &str) -> String {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/webhooks.md")).expect("the page");
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// As a sender signs while two keys are in use.
fn signature() -> String {
    signature_of("alr_1", BODY)
}

fn signature_of(id: &str, body: &str) -> String {
    let secrets = [Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), Secret::parse(SECRET)];
    let signer = Signer::new(&secrets.map(|secret| secret.expect("valid"))).expect("keys");
    signer.sign(id, AT, body.as_bytes())
}

/// What an example says of a request: `new`, `repeat`, or nothing when it refuses; `None` where its tool is not.
fn asked(tool: &str, seen: &Path, body: &str, id: &str, signature: &str) -> Option<String> {
    let (language, flag) = match tool {
        "python3" => ("python", "-c"),
        "node" => ("js", "-e"),
        _ => ("sh", "-c"),
    };
    let run = Command::new(tool)
        .args([flag, &block(language)])
        .env("SECRET", SECRET)
        .env("ID", id)
        .env("TIMESTAMP", AT.seconds().to_string())
        .env("NOW", AT.seconds().to_string())
        .env("SIGNATURE", signature)
        .env("SEEN", seen)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = run else {
        println!("skipped: no {tool} here");
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(body.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout).expect("text").trim().to_owned();
    assert_eq!(output.status.success(), !said.is_empty(), "{tool} says {said} and ends with {}", output.status);
    Some(said)
}

#[test]
fn examples_take_what_is_genuine_once_and_refuse_what_was_changed() {
    for tool in ["python3", "node", "sh"] {
        if tool == "sh" && Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: no openssl here");
            continue;
        }
        let seen = tempfile::tempdir().expect("a directory");
        let said = |body: &str, id| asked(tool, seen.path(), body, id, &signature());
        let Some(refused) = said(&BODY.replace("100", "101"), "alr_1") else { continue };
        assert_eq!(refused, "", "{tool}: another body");
        assert_eq!(said(BODY, "alr_2").as_deref(), Some(""), "{tool}: another id");
        let told =
            |kind: &str, words: &str| if tool == "sh" { format!("new {kind}") } else { format!("new {kind}: {words}") };
        let new = told("alert.matched", "Zwei Häfen – 100 % zu");
        assert_eq!(said(BODY, "alr_1"), Some(new), "{tool}: genuine, and what was refused is not known");
        assert_eq!(said(BODY, "alr_1").as_deref(), Some("repeat"), "{tool}");
        let notice = asked(tool, seen.path(), NOTICE, "alr_3", &signature_of("alr_3", NOTICE));
        assert_eq!(notice, Some(told("alerts.digest", "2 stories from the quiet hours")), "{tool}");
    }
}

/// A payload of every type and reason that is sent, with what a person reads of it: rebuilt from what the goldens of
/// CloudEvents carry, which is the same data.
fn every_payload() -> Vec<(String, String, String)> {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../golden/formats/cloudevents.json")).expect("JSON");
    let events = golden.as_object().expect("an object").values();
    let one = |event: &serde_json::Value| {
        let kind = event["type"].as_str().and_then(|kind| kind.strip_prefix("wirewatch.")).expect("a type").to_owned();
        let told = ["/data/item/title", "/data/summary"].iter().find_map(|place| event.pointer(place)?.as_str());
        let body = format!("{{\"type\":\"{kind}\",\"timestamp\":{},\"data\":{}}}", event["time"], event["data"]);
        (kind, told.expect("words").to_owned(), body)
    };
    events.map(one).collect()
}

#[test]
fn examples_handle_a_payload_of_every_type() {
    let all = every_payload();
    let kinds: std::collections::BTreeSet<&str> = all.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert!(kinds.len() >= 14, "{kinds:?}");
    for (number, (kind, words, body)) in all.iter().enumerate() {
        let said = example::line(&serde_json::from_str(body).expect("JSON"));
        assert_eq!(said, format!("{kind}: {words}"), "Rust");
        for tool in ["python3", "node", "sh"] {
            if tool == "sh" && Command::new("openssl").arg("version").output().is_err() {
                continue;
            }
            let seen = tempfile::tempdir().expect("a directory");
            let id = format!("alr_{number}");
            let said = asked(tool, seen.path(), body, &id, &signature_of(&id, body));
            let told = if tool == "sh" { format!("new {kind}") } else { format!("new {kind}: {words}") };
            // A tool that is not here says nothing.
            assert!(said.is_none_or(|said| said == told.trim()), "{tool}: {kind}");
        }
    }
}

#[test]
fn example_in_rust_works_and_is_the_one_on_the_page() {
    let now = AT.seconds().unsigned_abs();
    let ask = |id: &str, body: &[u8], now: u64| example::genuine(SECRET, id, &now.to_string(), &signature(), body, now);
    assert!(ask("alr_1", BODY.as_bytes(), now));
    assert!(
        !ask("alr_2", BODY.as_bytes(), now) && !ask("alr_1", b"{}", now) && !ask("alr_1", BODY.as_bytes(), now + 1)
    );
    assert!(!example::genuine(SECRET, "alr_1", &now.to_string(), &signature(), BODY.as_bytes(), now + 301));
    let mut seen = std::collections::HashSet::new();
    assert_eq!([(); 2].map(|()| example::is_new(&mut seen, "alr_1")), [true, false]);
    let line = |body: &str| example::line(&serde_json::from_str(body).expect("JSON"));
    assert_eq!(line(BODY), "alert.matched: Zwei Häfen – 100 % zu");
    assert_eq!(line(NOTICE), "alerts.digest: 2 stories from the quiet hours");
    // Line breaks and indents are the formatter's.
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let here = include_str!("webhooks_doc.rs");
    let (_, rest) = here.split_once("// begin\n").expect("a mark");
    let code = rest.split_once("// end\n").expect("a mark").0;
    assert_eq!(words(code), words(&block("rust")));
}
