//! Sixty messages as programs and people write them, each with what must come of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{BIG5, EUC_JP, GBK, ISO_2022_JP, KOI8_R, WINDOWS_1251, WINDOWS_1256};

use super::super::*;
use crate::model::RejectReason;

const LEAD: &str = "The harbour board said on Monday that the new pier would open in spring, after two years of work \
                    and a winter of storms that had damaged the old one more than once, as the office put it.";
const HTML: &str = "<html><head><style>p{}</style></head><body><p>The harbour board said on Monday that the <b>new pier</b> would open \
                    in spring.</p><p>Two ferries are hired for the first week, and the old pier closes on the day that the new one \
                    opens, said the office.</p></body></html>";

/// A message and what must come of it.
struct MailCase {
    name: &'static str,
    message: Vec<u8>,
    title: &'static str,
    has: Vec<&'static str>,
    lacks: Vec<&'static str>,
    check: fn(&RawItem) -> bool,
}

fn case(name: &'static str, message: impl Into<Vec<u8>>) -> MailCase {
    let (message, has, lacks) = (message.into(), Vec::new(), Vec::new());
    MailCase { name, message, title: "New pier opens", has, lacks, check: |_| true }
}

impl MailCase {
    fn title(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    fn has(mut self, words: &'static str) -> Self {
        self.has.push(words);
        self
    }

    fn lacks(mut self, words: &'static str) -> Self {
        self.lacks.push(words);
        self
    }

    fn check(mut self, check: fn(&RawItem) -> bool) -> Self {
        self.check = check;
        self
    }
}

fn file(mail: &MailRules) -> FileContext<'_> {
    let at = |text: &str| Timestamp::parse(text).expect("a time");
    let (modified, received) = (at("2031-06-01T10:00:00Z"), at("2031-06-01T12:00:00Z"));
    FileContext { name: "1748.M1P2.host:2,S", modified, received, limits: &Limits::SHIPPED, mail }
}

fn read(message: &[u8]) -> Result<ParsedDocument, Rejection> {
    let document = parse(message, &file(&DEFAULT_MAIL_RULES))?;
    assert_eq!(document.format, DocumentFormat::Mail, "{}", message.escape_ascii());
    Ok(document)
}

/// The usual header with lines added, and a body.
fn mail(more: &str, body: &str) -> String {
    format!(
        "Received: from mx.port.example by in.desk.example; Mon, 3 Mar 2031 10:00:05 +0200\nFrom: Harbour Desk <desk@port.example>\n\
         To: wire@desk.example\nDate: Mon, 3 Mar 2031 10:00:00 +0200\nMessage-ID: <17@port.example>\nMIME-Version: 1.0\n{more}\n\n{body}"
    )
}

fn titled(more: &str, body: &str) -> String {
    mail(format!("Subject: New pier opens\n{more}").trim_end(), body)
}

fn part(header: &str, body: &str) -> String {
    format!("--b1\n{header}\n\n{body}\n")
}

fn multipart(kind: &str, parts: &[String]) -> String {
    titled(
        &format!("Content-Type: multipart/{kind}; boundary=\"b1\""),
        &format!("preamble\n{}--b1--\n", parts.concat()),
    )
}

fn encoded(charset: &str, bytes: &[u8]) -> String {
    format!("=?{charset}?B?{}?=", STANDARD.encode(bytes))
}

fn base64_part(kind: &str, bytes: &[u8]) -> String {
    let body = STANDARD.encode(bytes);
    let lines: Vec<&str> = body.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    part(&format!("Content-Type: {kind}\nContent-Transfer-Encoding: base64"), &lines.join("\n"))
}

fn bytes_mail(charset: &str, subject: &[u8], body: &[u8]) -> Vec<u8> {
    let header = format!(
        "From: Harbour Desk <desk@port.example>\nDate: Mon, 3 Mar 2031 10:00:00 +0200\nMessage-ID: <17@port.example>\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\nSubject: "
    );
    [header.as_bytes(), subject, b"\n\n", body].concat()
}

fn plain() -> String {
    part("Content-Type: text/plain; charset=utf-8", LEAD)
}

fn html() -> String {
    part("Content-Type: text/html; charset=utf-8", HTML)
}

fn shapes() -> Vec<MailCase> {
    let inner =
        format!("From: Board <board@pier.example>\nSubject: Inner\nDate: Sun, 2 Mar 2031 09:00:00 +0000\n\n{LEAD}");
    let forwarded = format!(
        "FYI\n\n---------- Forwarded message ---------\nFrom: Board <b@pier.example>\nDate: Sun, 2 Mar 2031\nSubject: Pier\nTo: <d@port.example>\n\n{LEAD}"
    );
    let zip = [b"PK\x03\x04".as_slice(), &[0u8; 4000]].concat();
    let event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Opening of the pier\nDTSTART:20310401T090000Z\nLOCATION:Pier 2\\, east\nEND:VEVENT\nEND:VCALENDAR";
    let feed = "<rss version='2.0'><channel><title>Port</title><item><title>Ferries hired</title><guid>f1</guid></item></channel></rss>";
    vec![
        case("plain", titled("", LEAD)).has("new pier would open"),
        case("CRLF line ends", titled("", LEAD).replace('\n', "\r\n")).has("new pier would open"),
        case("HTML alone", titled("Content-Type: text/html", HTML)).has("new pier would open").lacks("<b>").lacks("p{}"),
        case("alternative", multipart("alternative", &[plain(), html()])).has("winter of storms").lacks("<p>"),
        case("alternative, HTML first", multipart("alternative", &[html(), plain()])).has("winter of storms"),
        case(
            "stub beside HTML",
            multipart("alternative", &[part("Content-Type: text/plain", "Your program cannot show HTML."), html()]),
        )
        .has("Two ferries are hired")
        .lacks("cannot show"),
        case("empty plain beside HTML", multipart("alternative", &[part("Content-Type: text/plain", ""), html()])).has("Two ferries"),
        case("base64 HTML", multipart("mixed", &[base64_part("text/html; charset=utf-8", HTML.as_bytes())])).has("Two ferries"),
        case(
            "related with a picture",
            multipart("related", &[html(), base64_part("image/png\nContent-ID: <1@x>", b"\x89PNG")]),
        )
        .has("Two ferries"),
        case("zip attached", multipart("mixed", &[plain(), base64_part("application/zip; name=a.zip", &zip)])).has("winter of storms"),
        case("nested forward", multipart("mixed", &[part("Content-Type: text/plain", "See below"), part("Content-Type: message/rfc822", &inner)])).has("winter of storms"),
        case("inline forward", titled("", &forwarded)).has("winter of storms").lacks("FYI").lacks("board@"),
        case("digest", multipart("digest", &[part("Content-Type: text/plain", LEAD)])).has("winter of storms"),
        case("no end of the parts", multipart("mixed", &[plain()]).replace("--b1--", "")).has("winter of storms"),
        case("boundary never comes", titled("Content-Type: multipart/mixed; boundary=zz", LEAD)).has("winter of storms"),
        case("calendar", multipart("mixed", &[plain(), part("Content-Type: text/calendar", event)])).has("Opening of the pier").has("Pier 2, east"),
        case("feed attached", multipart("mixed", &[plain(), part("Content-Type: application/rss+xml", feed)])).has("winter of storms"),
        case("S/MIME signed", multipart("signed; protocol=\"application/pkcs7-signature\"", &[plain(), base64_part("application/pkcs7-signature", b"x")])).has("winter of storms"),
        case("PGP signed inline", titled("", &format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{LEAD}\n-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----"))).has("winter of storms").lacks("Hash:").lacks("abc"),
        case("title alone", titled("", "")).check(|item| item.content.is_none()),
    ]
}

fn charsets() -> Vec<MailCase> {
    let cyrillic = "Новый причал откроется весной, сообщило портовое управление в понедельник утром.";
    let chinese = "新码头将于春季开放，港务局周一表示，旧码头同日关闭。";
    let japanese = "新しい埠頭は春に開く、と港湾局は月曜日に述べた。";
    let arabic = "سيفتح الرصيف الجديد في الربيع كما قال مكتب الميناء يوم الاثنين";
    let hebrew = "הרציף החדש ייפתח באביב, אמר משרד הנמל ביום שני";
    let word = |text: &str| encoded("utf-8", text.as_bytes());
    vec![
        case("GB2312 subject", mail(&format!("Subject: {}", encoded("GB2312", &GBK.encode("新码头开放").0)), LEAD))
            .title("新码头开放"),
        case("GB2312 bytes", bytes_mail("gb2312", &GBK.encode("新码头开放").0, &GBK.encode(chinese).0))
            .title("新码头开放")
            .has("旧码头同日关闭"),
        case(
            "Big5 bytes",
            bytes_mail("big5", &BIG5.encode("新碼頭開放").0, &BIG5.encode("港務局週一表示新碼頭開放").0),
        )
        .title("新碼頭開放")
        .has("港務局週一表示"),
        case("KOI8-R bytes", bytes_mail("koi8-r", &KOI8_R.encode("Новый причал").0, &KOI8_R.encode(cyrillic).0))
            .title("Новый причал")
            .has("портовое управление"),
        case(
            "windows-1251 bytes",
            bytes_mail("windows-1251", &WINDOWS_1251.encode("Новый причал").0, &WINDOWS_1251.encode(cyrillic).0),
        )
        .title("Новый причал")
        .has("в понедельник"),
        case(
            "UTF-8 sold as ASCII",
            bytes_mail("us-ascii", "Größe der Häfen".as_bytes(), "Die Häfen wachsen, sagt die Behörde.".as_bytes()),
        )
        .title("Größe der Häfen")
        .has("sagt die Behörde"),
        case(
            "UTF-8 sold as Latin-1",
            bytes_mail("iso-8859-1", "Größe der Häfen".as_bytes(), "Die Häfen wachsen.".as_bytes()),
        )
        .title("Größe der Häfen")
        .has("Die Häfen wachsen"),
        case(
            "Latin-1 bytes, quoted",
            titled(
                "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
                "Die H=E4fen wachsen, sagt die Beh=F6rde, und zwar =\nschnell.",
            ),
        )
        .has("Die Häfen wachsen, sagt die Behörde, und zwar schnell."),
        case(
            "ISO-2022-JP",
            bytes_mail(
                "iso-2022-jp",
                encoded("ISO-2022-JP", &ISO_2022_JP.encode("新しい埠頭").0).as_bytes(),
                &ISO_2022_JP.encode(japanese).0,
            ),
        )
        .title("新しい埠頭")
        .has("港湾局は月曜日"),
        case("EUC-JP body", bytes_mail("euc-jp", b"New pier opens", &EUC_JP.encode(japanese).0)).has("港湾局は月曜日"),
        case("windows-1256", bytes_mail("windows-1256", b"New pier opens", &WINDOWS_1256.encode(arabic).0))
            .has("الرصيف الجديد"),
        case(
            "Arabic, right to left",
            mail(&format!("Subject: {}", word("الرصيف الجديد")), &format!("\u{202b}{arabic}\u{202c}")),
        )
        .title("الرصيف الجديد")
        .has("مكتب الميناء"),
        case(
            "Hebrew, base64",
            mail(
                &format!(
                    "Subject: {}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64",
                    word("הרציף החדש")
                ),
                &STANDARD.encode(hebrew),
            ),
        )
        .title("הרציף החדש")
        .has("משרד הנמל"),
        case(
            "subject in several words",
            mail(&format!("Subject: {}\n {}", word("Ein neuer "), word("Anleger für Häfen")), LEAD),
        )
        .title("Ein neuer Anleger für Häfen"),
        case("subject in Q encoding", mail("Subject: =?utf-8?Q?New_pier_=E2=80=93_a_first_look?=", LEAD))
            .title("New pier – a first look"),
        case("subject folded", mail("Subject: New pier opens after two\n years of work", LEAD))
            .title("New pier opens after two years of work"),
        case("8-bit subject without charset", mail("Subject: Die Häfen wachsen", LEAD)).title("Die Häfen wachsen"),
        case(
            "undeclared windows-1251 body",
            [titled("", "").into_bytes(), WINDOWS_1251.encode(&cyrillic.repeat(3)).0.into_owned()].concat(),
        )
        .has("портовое управление"),
    ]
}

fn senders() -> Vec<MailCase> {
    let quoted = format!("{LEAD}\n\nOn Sunday, A. Example wrote:\n> When does it open?\n> We wait.\n");
    let footer = format!("{LEAD}\n\n-- \nHarbour Desk\nPier 1\n");
    let list = format!(
        "{LEAD}\n\nYou are receiving this e-mail because you asked for it.\nUnsubscribe: https://port.example/u/1\n"
    );
    let browser = "<p><a href='https://port.example/n/17'>View this email in your browser</a></p>".to_owned() + HTML;
    vec![
        case("date, names, key", titled("", LEAD)).check(|item| {
            item.author.as_deref() == Some("Harbour Desk")
                && item.publisher.as_deref() == Some("port.example")
                && item.key.as_str() == "17@port.example"
                && item.published.is_some_and(|date| date.at.to_string() == "2031-03-03T08:00:00Z")
                && item.tags == ["unauthenticated"]
        }),
        case("no date", titled("", LEAD).replace("Date: Mon, 3 Mar 2031 10:00:00 +0200\n", ""))
            .check(|item| item.published.is_some_and(|date| date.at.to_string() == "2031-03-03T08:00:05Z")),
        case(
            "no date at all",
            titled("", LEAD)
                .replace("Date: Mon, 3 Mar 2031 10:00:00 +0200\n", "")
                .replace("; Mon, 3 Mar 2031 10:00:05 +0200", ""),
        )
        .check(|item| item.published.is_some_and(|date| date.certainty == DateCertainty::FileTime)),
        case(
            "broken date",
            titled("", LEAD).replace("Date: Mon, 3 Mar 2031 10:00:00 +0200", "Date: the third of March"),
        )
        .has("winter of storms"),
        case("date in the future", titled("", LEAD).replace("3 Mar 2031 10:00:00", "3 Mar 2039 10:00:00"))
            .check(|item| item.published.is_some_and(|date| date.at.to_string().as_str() < "2031-06-03")),
        case("no message id", titled("", LEAD).replace("Message-ID: <17@port.example>\n", ""))
            .check(|item| !item.key.as_str().is_empty()),
        case("forwarded and listed subject", mail("Subject: Fwd: [Port] RE: New pier opens", LEAD))
            .check(|item| item.title_original.as_deref() == Some("Fwd: [Port] RE: New pier opens")),
        case("AW and WG", mail("Subject: WG: AW: New pier opens", LEAD)),
        case("subject that is a prefix only", mail("Subject: Re:", LEAD)).title("Re:"),
        case("subject with a colon of its own", mail("Subject: Pier: it opens", LEAD)).title("Pier: it opens"),
        case(
            "list",
            titled(
                "List-Id: Press releases <press.lists.port.example>\nList-Archive: <https://lists.port.example/press/>",
                LEAD,
            ),
        )
        .check(|item| {
            item.publisher.as_deref() == Some("Press releases")
                && item.url.as_deref() == Some("https://lists.port.example/press/")
        }),
        case("list without words", titled("List-Id: <press.lists.port.example>", LEAD))
            .check(|item| item.publisher.as_deref() == Some("press.lists.port.example")),
        case(
            "archived copy",
            titled(
                "Archived-At: <https://lists.port.example/press/17>\nList-Archive: <https://lists.port.example/press/>",
                LEAD,
            ),
        )
        .check(|item| item.url.as_deref() == Some("https://lists.port.example/press/17")),
        case(
            "From that a list mangled",
            titled("", LEAD)
                .replace("Harbour Desk <desk@port.example>", "\"Harbour Desk via Press\" <press@lists.example>"),
        )
        .check(|item| item.author.as_deref() == Some("Harbour Desk")),
        case("From without a name", titled("", LEAD).replace("Harbour Desk <desk@port.example>", "desk@port.example"))
            .check(|item| item.author.is_none() && item.publisher.as_deref() == Some("port.example")),
        case("From encoded", titled("", LEAD).replace("Harbour Desk", "=?utf-8?Q?Hafenb=C3=BCro?="))
            .check(|item| item.author.as_deref() == Some("Hafenbüro")),
        case("quoted history", titled("", &quoted)).has("winter of storms").lacks("We wait"),
        case("signature", titled("", &footer)).has("winter of storms").lacks("Pier 1"),
        case("small print", titled("", &list)).has("winter of storms").lacks("receiving").lacks("Unsubscribe"),
        case("link to the page", titled("Content-Type: text/html", &browser))
            .check(|item| item.url.as_deref() == Some("https://port.example/n/17")),
        case("flowed lines", titled("Content-Type: text/plain; format=flowed", &LEAD.replace(" after", " \nafter")))
            .has("in spring, after two years"),
        case(
            "5,000 links",
            titled(
                "Content-Type: text/html",
                &(0..5000).fold(HTML.to_owned(), |page, n| {
                    page + "<a href='https://port.example/" + &n.to_string() + "'>Berth is free again</a> "
                }),
            ),
        )
        .has("Two ferries"),
    ]
}

#[test]
fn mail_sixty_messages_become_what_they_say() {
    let cases: Vec<MailCase> = shapes().into_iter().chain(charsets()).chain(senders()).collect();
    assert_eq!(cases.len(), 60);
    for case in cases {
        let name = case.name;
        let document = read(&case.message).unwrap_or_else(|refused| panic!("{name}: {}", refused.detail));
        let item = &document.items[0];
        assert_eq!(item.title.as_ref().map(|title| title.text.as_str()), Some(case.title), "{name}");
        let text = item.content.as_ref().map_or("", |content| content.text.as_str());
        assert!(case.has.iter().all(|words| text.contains(words)), "{name} lacks {:?}: {text}", case.has);
        assert!(!case.lacks.iter().any(|words| text.contains(words)), "{name} has {:?}: {text}", case.lacks);
        assert!((case.check)(item), "{name}: {item:?}");
    }
}

#[test]
fn mail_attachments_are_counted_and_feeds_and_events_read() {
    let shapes = shapes();
    let of = |name: &str| read(&shapes.iter().find(|case| case.name == name).expect("a case").message).expect("a mail");
    assert_eq!(of("zip attached").warnings, ["attachments that were not read: 1"]);
    assert!(of("related with a picture").warnings.is_empty());
    let with_feed = of("feed attached");
    assert_eq!(with_feed.items[1].title.as_ref().map(|title| title.text.as_str()), Some("Ferries hired"));
}

#[test]
fn mail_that_cannot_be_read_is_refused_by_name() {
    let encrypted = multipart(
        "encrypted; protocol=\"application/pgp-encrypted\"",
        &[part("Content-Type: application/pgp-encrypted", "Version: 1")],
    );
    let enveloped = titled(
        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64",
        "AAAA",
    );
    let armoured = titled("", "-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----");
    for message in [encrypted, enveloped, armoured] {
        let refused = read(message.as_bytes()).expect_err("encrypted");
        assert_eq!(refused.reason, RejectReason::NotText);
        assert!(refused.detail.contains("encrypted"), "{}", refused.detail);
    }
    let empty = read(mail("Subject:", "").as_bytes()).expect_err("nothing in it");
    assert_eq!(empty.reason, RejectReason::Empty);
}

#[test]
fn mail_newsletter_is_split_at_the_headlines_of_its_sender() {
    let page = "<p><a href='https://www.port.example/'>Port</a></p>\
        <h2><a href='https://www.port.example/1'>Second ferry leaves the harbour</a></h2><p>It left at nine.</p>\
        <h2><a href='https://news.port.example/2'>New pier opens in spring</a></h2><p>After two years.</p><p>It is ready.</p>\
        <p><a href='https://shop.example/x'>Buy a cup with a pier</a></p>\
        <p><a href='https://www.port.example/1'>Second ferry leaves the harbour</a></p>\
        <p><a href='https://www.port.example/u'>Unsubscribe from all of our mails</a></p>";
    let message = titled("Content-Type: text/html", page);
    let rules = MailRules { split: MailSplit::Links, ..MailRules::default() };
    let document = parse(message.as_bytes(), &file(&rules)).expect("a mail");
    let seen: Vec<_> = document
        .items
        .iter()
        .map(|item| {
            (item.url.as_deref().unwrap_or_default(), item.content.as_ref().map_or("", |text| text.text.as_str()))
        })
        .collect();
    assert_eq!(seen[0], ("https://www.port.example/1", "It left at nine."));
    assert_eq!((seen[1].0, seen.len()), ("https://news.port.example/2", 2));
    assert!(seen[1].1.starts_with("After two years.\nIt is ready."), "{}", seen[1].1);
    let without = titled("", LEAD);
    assert_eq!(parse(without.as_bytes(), &file(&rules)).expect("a mail").items.len(), 1);
}

#[test]
fn mail_that_its_receiver_vouches_for_has_no_tag() {
    let rules = MailRules {
        require_auth_results: vec!["spf".to_owned()],
        auth_results_by: Some("in.desk.example".to_owned()),
        ..MailRules::default()
    };
    let vouched =
        format!("Authentication-Results: in.desk.example; spf=pass smtp.mailfrom=port.example\n{}", titled("", LEAD));
    let tags = |message: &str| parse(message.as_bytes(), &file(&rules)).expect("a mail").items[0].tags.clone();
    assert!(tags(&vouched).is_empty());
    assert_eq!(tags(&vouched.replace("in.desk.example; spf", "other.example; spf")), ["unauthenticated"]);
}

#[test]
fn mail_like_texts_stay_texts() {
    for text in
        ["From: the harbour\nDate: Monday\n\nThe pier opens in spring.", "Subject: piers\nThe pier opens in spring."]
    {
        let document =
            parse(text.as_bytes(), &FileContext { name: "a.txt", ..file(&DEFAULT_MAIL_RULES) }).expect("a text");
        assert_eq!(document.format, DocumentFormat::Text, "{text}");
    }
}
