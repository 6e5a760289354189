//! Mail as a mail reader sees it: headers, both parts, one thread a story; and nothing that others wrote makes
//! a header of its own.

use proptest::prelude::*;

use super::tests::{hostile, mail_route};
use super::*;

/// A mail taken apart.
pub(super) struct ReadMail {
    pub headers: String,
    pub text: String,
    pub html: String,
}

impl ReadMail {
    /// A header's value, folds undone.
    fn header(&self, name: &str) -> Option<String> {
        let unfolded = self.headers.replace("\r\n ", " ");
        let prefix = format!("{}: ", name.to_lowercase());
        unfolded
            .lines()
            .find(|line| line.to_lowercase().starts_with(&prefix))
            .map(|line| line[prefix.len()..].to_owned())
    }
}

/// Reads it by the rules of RFC 5322 and 2045, refusing what breaks them.
pub(super) fn read(mail: &str) -> ReadMail {
    assert!(mail.is_ascii());
    assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "lines end in CRLF and nothing else");
    assert!(mail.split("\r\n").all(|line| line.len() <= 998), "RFC 5322, 2.1.1");
    let (headers, body) = mail.split_once("\r\n\r\n").expect("an empty line");
    for line in headers.split("\r\n") {
        let name = line.split(':').next().unwrap_or_default();
        let is_header = line.contains(": ") && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        assert!(line.starts_with(' ') || is_header, "{line:?}");
        for word in line.split(' ').filter(|word| word.starts_with("=?")) {
            assert!(word.len() <= 75, "RFC 2047, 2: {word}");
        }
    }
    let boundary =
        headers.split_once("boundary=\"").expect("a boundary").1.split('"').next().expect("its end").to_owned();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "before, two parts, the end");
    assert_eq!(parts[3], "--\r\n");
    let decoded = |part: &str| {
        let (head, body) = part.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("Content-Transfer-Encoding: base64"));
        assert!(body.split("\r\n").all(|line| line.len() <= 76), "RFC 2045, 6.8");
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body.replace("\r\n", ""));
        String::from_utf8(bytes.expect("base 64")).expect("UTF-8")
    };
    ReadMail { headers: headers.to_owned(), text: decoded(parts[1]), html: decoded(parts[2]) }
}

fn mail(payload: &Value) -> ReadMail {
    let format = Format::People(Service::Email(mail_route()), TimeZone::UTC);
    let body = format.render(payload.to_string().as_bytes()).expect("rendered").expect("a body");
    assert_eq!(body.content_type, "message/rfc822");
    read(&String::from_utf8(body.bytes).expect("ASCII"))
}

#[test]
fn mail_is_one_thread_a_story_and_the_same_on_every_attempt() {
    let first = mail(&sample::matched());
    assert_eq!(first.headers, mail(&sample::matched()).headers);
    assert_eq!(first.header("Message-ID").as_deref(), Some("<sty_0000000000001.desk@desk.example>"));
    assert_eq!(first.header("References"), None);
    assert_eq!(
        first.header("Subject").as_deref(),
        Some("[High] Harbour works: Town council approves new harbour wall (3 outlets)")
    );
    assert_eq!(first.header("Date").as_deref(), Some("Mon, 17 Mar 2025 08:02:11 +0000"));
    for payload in sample::others().into_iter().filter(|payload| payload["data"]["story"].is_object()) {
        let update = mail(&payload);
        assert_eq!(update.header("References"), first.header("Message-ID"));
        assert_eq!(update.header("In-Reply-To"), first.header("Message-ID"));
        assert_ne!(update.header("Message-ID"), first.header("Message-ID"));
    }
    let mut merged = sample::others().remove(0);
    merged["data"]["story"]["merged_from"] = serde_json::json!(["sty_0000000000009"]);
    let references = mail(&merged).header("References").expect("two");
    assert_eq!(references, "<sty_0000000000001.desk@desk.example> <sty_0000000000009.desk@desk.example>");
}

#[test]
fn mail_names_people_and_topics_in_any_script() {
    let mut payload = sample::matched();
    payload["data"]["item"]["title"] = "Зеленський: новий мур у порту, 12 млн крон для старої гавані".into();
    let read = mail(&payload);
    assert!(read.headers.contains("To: analyst@desk.example,\r\n =?utf-8?B?"), "{}", read.headers);
    assert!(read.header("Subject").expect("one").starts_with("=?utf-8?B?"));
    assert!(read.text.contains("Зеленський: новий мур у порту"));
    assert!(read.html.contains("<a href=\"https://gazette.example/2025/harbour-wall\">Зеленський"));
}

#[test]
fn mailbox_is_an_address_or_refused_with_the_reason() {
    let shown = |text: &str| Mailbox::parse(text).map(|mailbox| (mailbox.name, mailbox.address));
    assert_eq!(shown("desk@example.org"), Ok((None, "desk@example.org".to_owned())));
    assert_eq!(
        shown("News desk <desk@example.org>"),
        Ok((Some("News desk".to_owned()), "desk@example.org".to_owned()))
    );
    for bad in [
        "desk",
        "@example.org",
        "desk@",
        "a b@example.org",
        "desk@example.org\r\nBcc: x@y.example",
        "a..b@x.example",
        "a@b@",
        "<x@y",
    ] {
        assert!(shown(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn mail_nothing_that_others_wrote_makes_a_header(words in "(\\PC|\r\nBcc: x@y.example|\r|\n|\u{202e}|=\\?utf-8\\?B\\?|<|>|\"|,){0,120}") {
        let mut payload = hostile(&words);
        payload["data"]["alert"]["id"] = format!("alr_1{words}").into();
        payload["data"]["story"]["id"] = format!("sty_1{words}").into();
        payload["data"]["topics"][0]["id"] = words.clone().into();
        let read = mail(&payload);
        for line in read.headers.split("\r\n") {
            let name = line.split(':').next().unwrap_or_default().to_lowercase();
            prop_assert!(line.starts_with(' ') || [
                "from", "to", "date", "subject", "message-id", "in-reply-to", "references", "list-id", "auto-submitted",
                "x-wirewatch-type", "x-wirewatch-severity", "x-wirewatch-topics", "x-wirewatch-story", "x-wirewatch-alert",
                "mime-version", "content-type",
            ].contains(&name.as_str()), "{line}");
        }
        prop_assert!(!read.html.contains("<script") && !read.html.contains("<img"));
    }
}
