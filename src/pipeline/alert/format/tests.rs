//! Goldens of every format, and what must hold for any payload: JSON, limits, no live mention.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn formats() -> Vec<(&'static str, Format)> {
    let template = "{\"title\": {{ data.story.title }}, \"entries\": {{ data.entries|default([])|length }}}";
    vec![
        ("cloudevents", Format::CloudEvents),
        ("slack", Format::Slack),
        ("discord", Format::Discord),
        ("teams", Format::Teams),
        ("mattermost", Format::Mattermost),
        ("ntfy", Format::Ntfy { topic: "desk".to_owned() }),
        ("template", Format::Template(Template::compile(template, "application/json").expect("a template"))),
    ]
}

fn rendered(format: &Format, payload: &Value) -> Value {
    let body = format.render(payload.to_string().as_bytes()).expect("rendered").expect("a body of its own");
    serde_json::from_slice(&body.bytes).expect("JSON")
}

/// Hostile words in every place where somebody else's text stands.
fn hostile(words: &str) -> Value {
    let mut payload = sample::matched();
    for place in
        ["/data/story/title", "/data/item/title", "/data/item/excerpt", "/data/topics/0/label", "/data/evidence/0/text"]
    {
        *payload.pointer_mut(place).expect("there") = words.into();
    }
    payload["data"]["story"]["outlets"][0] = words.into();
    payload["data"]["item"]["url"] = format!("https://x.example/{words}").into();
    payload
}

fn digest(words: &str, entries: usize) -> Value {
    let mut payload = sample::others().into_iter().find(|p| p["type"] == "alerts.digest").expect("a digest");
    let mut entry = payload["data"]["entries"][0].clone();
    entry["story"]["title"] = words.into();
    entry["topics"][0]["label"] = words.into();
    payload["data"]["entries"] = vec![entry; entries].into();
    payload["data"]["omitted"] = 3.into();
    payload
}

/// Every text in a value, with its path.
fn texts(value: &Value, path: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => out.push((path.to_owned(), text.clone())),
        Value::Array(list) => list.iter().for_each(|v| texts(v, &format!("{path}/*"), out)),
        Value::Object(map) => map.iter().for_each(|(k, v)| texts(v, &format!("{path}/{k}"), out)),
        _ => {}
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn check_limits(name: &str, value: &Value) {
    let mut all = Vec::new();
    texts(value, "", &mut all);
    match name {
        "slack" => limits_tests::check_slack(value),
        "discord" => limits_tests::check_discord(value),
        "teams" => assert!(value.to_string().len() <= teams::MESSAGE_BYTES_MAX),
        "mattermost" => {
            let total: usize = all.iter().map(|(_, text)| units(text)).sum();
            assert!(total <= mattermost::POST_MAX, "{total}");
        }
        "ntfy" => {
            assert!(value["message"].as_str().expect("text").len() <= ntfy::MESSAGE_BYTES_MAX);
            assert!(value["title"].as_str().expect("text").len() <= ntfy::TITLE_BYTES_MAX);
        }
        _ => {}
    }
}

/// Nothing in a place that is read as markup may call somebody or open a link of its own.
fn check_mentions(name: &str, value: &Value) {
    let mut all = Vec::new();
    texts(value, "", &mut all);
    for (path, text) in all {
        match name {
            "slack" if text.starts_with("<http") => {
                assert_eq!(text.matches(['<', '>', '|']).count(), 3, "{path}: {text}");
            }
            "slack" if path != "/text" => assert!(!text.contains("<!") && !text.contains("<@"), "{path}: {text}"),
            "slack" => assert!(!text.contains(['<', '>']), "{text}"),
            "mattermost" if !path.ends_with("title_link") => {
                for mention in ["@all", "@channel", "@here", "@everyone"] {
                    assert!(!text.contains(mention), "{path}: {text}");
                }
                assert!(!text.contains("](") && !text.replace("\\`", "").contains('`'), "{path}: {text}");
            }
            "teams" => assert!(!text.contains("{{") && !text.contains("${"), "{path}: {text}"),
            _ => {}
        }
    }
    if name == "discord" {
        assert_eq!(value["allowed_mentions"], serde_json::json!({"parse": []}));
        assert!(value.get("content").is_none());
    }
    if name == "slack" {
        let marked = value["blocks"].as_array().expect("blocks").iter().filter(|b| b["text"]["type"] == "mrkdwn");
        assert!(marked.count() <= 1, "only the link is markup");
    }
    assert!(value.pointer("/attachments/0/content/msteams").is_none());
}

#[test]
fn render_matches_goldens() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let words = "<!channel> @everyone *a* [b](http://c.example) {{ 7 * 7 }} & \u{202e}evil";
    let cases =
        [("alert", sample::matched()), ("hostile", hostile(words)), ("digest", digest("Two harbours close", 3))];
    for (name, format) in formats() {
        for (case, payload) in &cases {
            let shown = serde_json::to_string_pretty(&rendered(&format, payload)).expect("JSON") + "\n";
            let path = folder.join(format!("{name}.{case}.json"));
            if std::env::var_os("WIREWATCH_BLESS").is_some() {
                std::fs::create_dir_all(&folder).expect("a folder");
                std::fs::write(&path, &shown).expect("written");
            }
            let golden = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(shown, golden, "{}: WIREWATCH_BLESS=1 writes it anew; look at the difference", path.display());
        }
    }
}

#[test]
fn render_standard_has_no_body_of_its_own() {
    assert_eq!(Format::Standard.render(b"not even looked at"), Ok(None));
    assert!(matches!(Format::Slack.render(b"not JSON"), Err(FormatError::Payload(_))));
}

#[test]
fn render_every_type_of_payload_says_something() {
    for payload in sample::others() {
        for (name, format) in formats() {
            let value = rendered(&format, &payload);
            check_limits(name, &value);
            check_mentions(name, &value);
        }
    }
    assert!(rendered(&Format::Slack, &sample::others()[1]).to_string().contains("A test of endpoint desk"));
}

#[test]
fn render_the_longest_texts_stay_within_limits() {
    for words in [
        "@everyone <!here> ".repeat(2000),
        "𝕊".repeat(20_000),
        "*_`[](){{}}|>".repeat(3000),
        String::new(),
        "\u{202e}".to_owned(),
    ] {
        for (name, format) in formats() {
            for payload in [hostile(&words), digest(&words, 100)] {
                let value = rendered(&format, &payload);
                check_limits(name, &value);
                check_mentions(name, &value);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn render_any_text_keeps_limits_and_calls_nobody(words in "(\\PC|<!channel>|@everyone|@here|\\{\\{|`|\\]\\(|\u{202e}|\n){0,80}") {
        for (name, format) in formats() {
            for payload in [hostile(&words), digest(&words, 60)] {
                let value = rendered(&format, &payload);
                check_limits(name, &value);
                check_mentions(name, &value);
            }
        }
    }
}
