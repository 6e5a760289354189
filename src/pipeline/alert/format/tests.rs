//! Goldens of every format and type, and what must hold for any payload: readable order, limits, no live mention.

use std::fmt::Write as _;

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::model::EndpointId;

pub(super) fn mail_route() -> MailRoute {
    MailRoute {
        endpoint: EndpointId::new("desk").expect("a name"),
        from: Mailbox::parse("Wirewatch <alerts@desk.example>").expect("an address"),
        to: vec![
            Mailbox::parse("analyst@desk.example").expect("an address"),
            Mailbox::parse("Nachtdienst, Häfen <night@desk.example>").expect("an address"),
        ],
    }
}

fn services() -> Vec<(&'static str, Service)> {
    vec![
        ("slack", Service::Slack),
        ("discord", Service::Discord),
        ("teams", Service::Teams),
        ("mattermost", Service::Mattermost),
        ("ntfy", Service::Ntfy { topic: "desk".to_owned() }),
        ("telegram", Service::Telegram { chat: "-1001234567890".to_owned() }),
    ]
}

fn formats() -> Vec<(&'static str, Format)> {
    let template =
        "{\"title\": {{ data.item.title|default(data.summary) }}, \"entries\": {{ data.entries|default([])|length }}}";
    let mut all: Vec<_> =
        services().into_iter().map(|(name, service)| (name, Format::People(service, TimeZone::UTC))).collect();
    all.push(("cloudevents", Format::CloudEvents));
    all.push(("template", Format::Template(Template::compile(template, "application/json").expect("a template"))));
    all
}

fn rendered(format: &Format, payload: &Value) -> Value {
    let body = format.render(payload.to_string().as_bytes()).expect("rendered").expect("a body of its own");
    serde_json::from_slice(&body.bytes).expect("JSON")
}

/// Hostile words in every place where somebody else's text stands.
pub(super) fn hostile(words: &str) -> Value {
    let mut payload =
        sample::others().into_iter().find(|p| p["data"]["growth"].is_object()).expect("a story that grew");
    for place in [
        "/data/story/title",
        "/data/story/related/0/title",
        "/data/item/title",
        "/data/item/excerpt",
        "/data/item/outlet",
        "/data/item/publisher",
        "/data/item/source",
        "/data/topics/0/label",
        "/data/evidence/1/passage",
        "/data/growth/outlets/0",
        "/data/growth/headlines/0/title",
        "/data/growth/headlines/0/outlet",
    ] {
        *payload.pointer_mut(place).expect("there") = words.into();
    }
    payload["data"]["new"] = serde_json::json!([{"kind": "quantity", "text": words, "was": words}]);
    payload["data"]["item"]["url"] = format!("https://x.example/{words}").into();
    payload
}

fn digest(words: &str, entries: usize) -> Value {
    let mut payload = sample::digest();
    let entry = payload["data"]["entries"][1].clone();
    let many = (0..entries).map(|number| {
        let mut entry = entry.clone();
        entry["story"]["id"] = format!("sty_{number:013}").into();
        entry["item"]["title"] = words.into();
        entry["item"]["url"] = format!("https://x.example/{number}/{}", "p".repeat(900)).into();
        entry["topics"][0]["label"] = words.into();
        entry
    });
    payload["data"]["entries"] = many.collect();
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

fn check_limits(name: &str, value: &Value) {
    match name {
        "slack" => limits_tests::check_slack(value),
        "discord" => limits_tests::check_discord(value),
        "teams" => limits_tests::check_teams(value),
        "mattermost" => limits_tests::check_mattermost(value),
        "ntfy" => limits_tests::check_ntfy(value),
        "telegram" => limits_tests::check_telegram(value),
        _ => {}
    }
}

/// Nothing in a place that is read as markup may call somebody or open a link of its own.
fn check_mentions(name: &str, value: &Value) {
    let mut all = Vec::new();
    texts(value, "", &mut all);
    for (path, text) in all.iter().filter(|(path, _)| !path.ends_with("url") && !path.ends_with("title_link")) {
        match name {
            "slack" if path == "/text" => assert!(!text.contains(['<', '>']), "{text}"),
            "mattermost" | "telegram" => {
                for mention in ["@all", "@channel", "@here", "@everyone"] {
                    assert!(!text.contains(mention), "{path}: {text}");
                }
            }
            "teams" => assert!(!text.contains("{{") && !text.contains("${"), "{path}: {text}"),
            _ => {}
        }
        if name == "mattermost" && path.ends_with("/text") {
            // Our own links begin `[`, hold escaped words and end `](http`.
            assert!(!text.replace("](http", "").contains("]("), "{path}: {text}");
            assert!(!text.replace("\\`", "").contains('`'), "{path}: {text}");
        }
    }
    if name == "discord" {
        assert_eq!(value["allowed_mentions"], serde_json::json!({"parse": []}));
        assert!(value.get("content").is_none());
    }
    if name == "slack" {
        assert!(!value.to_string().contains("\"mrkdwn\":true") && !value.to_string().contains("\"type\":\"mrkdwn\""));
    }
    assert!(value.pointer("/attachments/0/content/msteams").is_none());
}

const HOSTILE: &str = "<!channel> @everyone *a* [b](http://c.example) {{ 7 * 7 }} & \u{202e}evil";

fn all_samples() -> Vec<(String, Value)> {
    let name = |payload: &Value| {
        let (kind, reason) = (payload["type"].as_str(), payload["data"]["alert"]["reason"].as_str());
        format!("{} ({})", kind.unwrap_or_default(), reason.unwrap_or_default())
    };
    let all = std::iter::once(sample::matched()).chain(sample::others());
    all.map(|payload| (name(&payload), payload)).chain([("hostile".to_owned(), hostile(HOSTILE))]).collect()
}

fn golden(name: &str, shown: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let path = folder.join(name);
    if std::env::var_os("WIREWATCH_WRITE").is_some() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, shown).expect("written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, golden, "{}: WIREWATCH_WRITE=1 writes it anew; look at the difference", path.display());
}

#[test]
fn render_matches_goldens() {
    for (name, format) in formats() {
        let all: serde_json::Map<String, Value> =
            all_samples().iter().map(|(kind, payload)| (kind.clone(), rendered(&format, payload))).collect();
        golden(&format!("{name}.json"), &(serde_json::to_string_pretty(&all).expect("JSON") + "\n"));
    }
}

#[test]
fn render_mail_matches_goldens() {
    let format = Format::People(Service::Email(mail_route()), TimeZone::UTC);
    let mut all = String::new();
    for (name, payload) in all_samples() {
        let body = format.render(payload.to_string().as_bytes()).expect("rendered").expect("a body of its own");
        let mail = String::from_utf8(body.bytes).expect("ASCII");
        let read = email_tests::read(&mail);
        let _ = write!(all, "=== {name}\n{}\n\n{}\n{}\n", read.headers.replace("\r\n", "\n"), read.text, read.html);
    }
    golden("email.txt", &all);
}

#[test]
fn digest_that_shows_fewer_stories_says_how_many_and_where_they_are() {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).find_map(|n| n.parse::<usize>().ok());
    for (name, service) in services() {
        let format = Format::People(service, TimeZone::UTC);
        let body = rendered(&format, &digest("Ferry runs aground off the pier", 100));
        let mut all = Vec::new();
        texts(&body, "", &mut all);
        let joined = all.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        let line =
            joined.lines().find(|line| line.starts_with("and ")).unwrap_or_else(|| panic!("{name} hides stories"));
        // Each is named by its title and, in its note, by a topic of that name.
        let shown = joined.matches("Ferry runs aground").count() / 2;
        assert_eq!(shown + number(line).unwrap_or(0), 100, "{name}: {line}");
        assert!(line.contains(" more stories: wirewatch alerts show 815"), "{name}: {line}");
        assert!(line.ends_with("3 alerts follow in another message"), "{name}: {line}");
    }
    // A mail shows them all, and says only what follows.
    let message = Message::of(&digest("Ferry", 100), &TimeZone::UTC);
    assert_eq!(message.more(100).as_deref(), Some("3 alerts follow in another message"));
    assert_eq!(message.more(99).map(|line| line.starts_with("and 1 more story: ")), Some(true));
    assert_eq!(Message::of(&sample::digest(), &TimeZone::UTC).more(2), None);
}

#[test]
fn message_reads_in_the_order_of_need() {
    let of = |payload: &Value| Message::of(payload, &TimeZone::UTC);
    let first = of(&sample::matched());
    assert_eq!(first.headline, "Town council approves new harbour wall");
    assert_eq!(first.byline, "The Gazette (gazette-local) · today 07:58 UTC");
    assert_eq!(
        first.paragraphs(),
        [
            "The council voted on Monday to build a new wall around the old harbour for 12 million crowns.",
            "Story: Council to vote on harbour wall · 3 outlets since yesterday 18:30 UTC · see also: Storm breaks the old harbour wall",
            "High · Harbour works, Town budgets",
        ]
    );
    assert_eq!(first.foot, "wirewatch · alert 812");
    let mut linked = sample::matched();
    linked["data"]["alert"]["page"] = "https://watch.example.org/alerts/alr_1".into();
    let linked = Message::of(&linked, &TimeZone::UTC);
    assert_eq!(linked.foot, "wirewatch · alert 812 · why: https://watch.example.org/alerts/alr_1");
    let news = |reason: &str| {
        let payload = sample::others().into_iter().find(|p| p["data"]["alert"]["reason"] == reason).expect(reason);
        of(&payload)
    };
    assert_eq!(news("topic").news, ["Now also about Town budgets"]);
    assert_eq!(news("severity").news, ["Now critical"]);
    assert_eq!(
        news("growth").news,
        ["5 more outlets: courier.example, mirror.example, post.example, tide.example and 1 more"]
    );
    assert_eq!(news("growth").headlines.len(), 2);
    assert_eq!(
        news("development").news,
        ["New: 14 million crowns (was: 12 million crowns)", "New: the fishers' union"]
    );
    let corrected = news("correction");
    assert_eq!(corrected.headline, "Corrected: Town council rejects new harbour wall");
    assert!(corrected.news[1].contains("Headline now: Town council rejects"), "{:?}", corrected.news);
    for (name, payload) in all_samples() {
        let message = of(&payload);
        let everything = format!("{:?}", (&message.headline, &message.byline, message.paragraphs(), &message.foot));
        for told in ["8.5", "alr_", "sty_", "itm_", "first"] {
            assert!(!everything.contains(told), "{name} tells {told}: {everything}");
        }
        assert!(!message.headline.is_empty(), "{name}");
    }
}

#[test]
fn message_says_the_headline_once_and_the_best_sentence() {
    let mut payload = sample::matched();
    let hit = |rule: &str, passage: &str, points: f64| serde_json::json!({"topic": "harbour-works", "rule": rule, "field": "body", "text": "x", "start": 0, "end": 1, "points": points, "passage": passage});
    payload["data"]["evidence"] = serde_json::json!([
        hit("a", "One loud word.", 4.0),
        hit("b", "Two words together.", 3.0),
        hit("c", "Two words together.", 2.0)
    ]);
    let passage = |payload: &Value| Message::of(payload, &TimeZone::UTC).passage;
    assert_eq!(passage(&payload), "Two words together.", "what a sentence brought is added up");
    payload["data"]["evidence"] = serde_json::json!([]);
    assert!(passage(&payload).starts_with("After a long evening"), "the text begins");
    payload["data"]["item"]["excerpt"] = "TOWN COUNCIL approves new harbour wall!".into();
    assert_eq!(passage(&payload), "", "the headline is not said twice");
}

#[test]
fn message_of_a_digest_tells_each_story_once_with_its_newest_state() {
    let mut payload = sample::digest();
    let (newest, ferry) = (payload["data"]["entries"][0].clone(), payload["data"]["entries"][1].clone());
    let mut older = newest.clone();
    older["item"]["title"] = "An older headline".into();
    payload["data"]["entries"] = serde_json::json!([older, newest, ferry]);
    let message = Message::of(&payload, &TimeZone::UTC);
    let told: Vec<_> =
        message.entries.iter().map(|entry| (entry.title.as_str(), entry.note.as_str(), entry.url.is_some())).collect();
    assert_eq!(
        told,
        [
            (
                "Ferry runs aground off the pier",
                "The Gazette (gazette-local) · yesterday 07:58 UTC · Critical · Harbour works, Town budgets",
                false
            ),
            (
                "Town council approves new harbour wall",
                "The Gazette (gazette-local) · yesterday 07:58 UTC · High · Harbour works, Town budgets · 3 outlets",
                true
            ),
        ]
    );
}

#[test]
fn render_standard_has_no_body_of_its_own() {
    assert_eq!(Format::Standard.render(b"not even looked at"), Ok(None));
    let slack = Format::People(Service::Slack, TimeZone::UTC);
    assert!(matches!(slack.render(b"not JSON"), Err(FormatError::Payload(_))));
}

#[test]
fn render_every_type_of_payload_says_something() {
    for (kind, payload) in all_samples() {
        let headline = Message::of(&payload, &TimeZone::UTC).headline;
        for (name, format) in formats() {
            let value = rendered(&format, &payload);
            check_limits(name, &value);
            check_mentions(name, &value);
            if kind != "hostile" && !matches!(name, "cloudevents" | "template") {
                let begins: String = headline.chars().take_while(|c| c.is_alphanumeric() || *c == ' ').collect();
                assert!(value.to_string().contains(&begins), "{name} of {kind} does not say {headline}");
            }
        }
    }
}

#[test]
fn render_the_longest_texts_stay_within_limits() {
    for words in [
        "@everyone <!here> ".repeat(300),
        "𝕊".repeat(5_000),
        "*_`[](){{}}|>".repeat(400),
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
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn render_any_text_keeps_limits_and_calls_nobody(words in "(\\PC|<!channel>|@everyone|@here|\\{\\{|`|\\]\\(|\u{202e}|\n){0,80}") {
        for (name, format) in formats() {
            for payload in [hostile(&words), digest(&words, 30)] {
                let value = rendered(&format, &payload);
                check_limits(name, &value);
                check_mentions(name, &value);
            }
        }
    }
}
