//! What is text, and still no article: named for people with what to do instead, so that nothing of it is taken for
//! news. Asked once `detect` has found no format that is read; the table in docs/sources.md is made of this one.

use crate::model::{RejectReason, Rejection};
use crate::source::DocumentFormat;
use crate::source::feed::reading::parse::root_name;

/// Bytes of a document looked at.
const LOOKED_AT_BYTES: usize = 8 << 10;
/// Lines of a chat that show it is one.
const CHAT_LINES_MIN: usize = 3;

/// A kind of document that is refused.
#[derive(Debug, Clone, Copy)]
pub struct ForeignFormat {
    /// As in "this is …".
    pub what: &'static str,
    /// What to do instead.
    pub hint: &'static str,
    /// What it is known by.
    sign: ForeignSign,
}

#[derive(Debug, Clone, Copy)]
enum ForeignSign {
    /// The root element of XML, in lower case.
    Roots(&'static [&'static str]),
    /// How the text begins.
    Start(&'static [&'static str]),
    /// JSON that holds all of these near its beginning, and one of the others.
    Json(&'static [&'static str], &'static [&'static str]),
    /// A look of its own.
    Test(fn(&str) -> bool),
    /// The rest of what looks like XML.
    AnyXml,
    /// The rest of what is named as a table.
    Table,
}

const NO_ARTICLE: &str = "nothing to read in it";

/// Every kind, the special before the general.
pub const FOREIGN_FORMATS: [ForeignFormat; 27] = [
    ForeignFormat {
        what: "an OPML list of feeds",
        hint: "`wirewatch feeds import FILE` takes it",
        sign: ForeignSign::Roots(&["opml"]),
    },
    ForeignFormat {
        what: "a sitemap index",
        hint: "add the news sitemap that it lists: `wirewatch feeds add URL`",
        sign: ForeignSign::Roots(&["sitemapindex"]),
    },
    ForeignFormat {
        what: "a CAP warning",
        hint: "add the feed that lists such warnings: `wirewatch feeds add URL`",
        sign: ForeignSign::Roots(&["alert"]),
    },
    ForeignFormat {
        what: "an office document as XML",
        hint: "save it as a web page or as text",
        sign: ForeignSign::Roots(&[
            "worddocument",
            "package",
            "document",
            "document-content",
            "workbook",
            "presentation",
        ]),
    },
    ForeignFormat {
        what: "a saved search",
        hint: "drop what it finds, not the search",
        sign: ForeignSign::Roots(&["persistedquery", "savedsearch", "search"]),
    },
    ForeignFormat { what: "a list of settings (plist)", hint: NO_ARTICLE, sign: ForeignSign::Roots(&["plist"]) },
    ForeignFormat {
        what: "a list of bookmarks",
        hint: "make feeds of them: `wirewatch feeds add URL`",
        sign: ForeignSign::Roots(&["xbel"]),
    },
    ForeignFormat { what: "a drawing (SVG)", hint: NO_ARTICLE, sign: ForeignSign::Roots(&["svg"]) },
    ForeignFormat { what: "a map or a track", hint: NO_ARTICLE, sign: ForeignSign::Roots(&["kml", "gpx"]) },
    ForeignFormat {
        what: "an error message of a server",
        hint: "fetch the document again",
        sign: ForeignSign::Roots(&["error", "errors", "errorresponse", "fault"]),
    },
    ForeignFormat {
        what: "a list of bookmarks",
        hint: "make feeds of them: `wirewatch feeds add URL`",
        sign: ForeignSign::Start(&["<!doctype netscape-bookmark"]),
    },
    ForeignFormat {
        what: "an mbox, which holds several e-mails",
        hint: "hand over single messages: .eml files or a Maildir",
        sign: ForeignSign::Test(is_mbox),
    },
    ForeignFormat {
        what: "a Telegram export",
        hint: "add the channel's feed, or write its messages as JSON Lines with `title`, `text`, `published`",
        sign: ForeignSign::Json(
            &["\"messages\"", "\"type\""],
            &[
                "public_channel\"",
                "private_channel\"",
                "public_supergroup\"",
                "private_supergroup\"",
                "private_group\"",
                "personal_chat\"",
                "saved_messages\"",
                "bot_chat\"",
            ],
        ),
    },
    ForeignFormat {
        what: "an export of a whole Telegram account",
        hint: "export one channel, and write its messages as JSON Lines",
        sign: ForeignSign::Json(&["\"chats\"", "\"about\""], &["personal_information\"", "\"frequent_contacts\""]),
    },
    ForeignFormat {
        what: "an archive of an X account",
        hint: "write its posts as JSON Lines with `text`, `url`, `published`",
        sign: ForeignSign::Start(&["window.ytd."]),
    },
    ForeignFormat {
        what: "an archive of a Mastodon account",
        hint: "add the account's feed: `wirewatch feeds add https://HOST/@NAME`",
        sign: ForeignSign::Json(&["activitystreams"], &["\"orderedItems\"", "\"OrderedCollection\""]),
    },
    ForeignFormat {
        what: "an export of a Facebook or Instagram chat",
        hint: "write its messages as JSON Lines",
        sign: ForeignSign::Json(&["\"participants\"", "\"messages\""], &["\"sender_name\"", "\"timestamp_ms\""]),
    },
    ForeignFormat {
        what: "an export of a Discord channel",
        hint: "write its messages as JSON Lines",
        sign: ForeignSign::Json(&["\"guild\"", "\"channel\""], &["\"messages\"", "\"exportedAt\""]),
    },
    ForeignFormat {
        what: "an export of a Slack channel",
        hint: "write its messages as JSON Lines",
        sign: ForeignSign::Json(&["\"client_msg_id\""], &["\"ts\""]),
    },
    ForeignFormat {
        what: "an export of a WhatsApp chat",
        hint: "write its messages as JSON Lines",
        sign: ForeignSign::Test(is_chat),
    },
    ForeignFormat {
        what: "map data (GeoJSON)",
        hint: NO_ARTICLE,
        sign: ForeignSign::Json(&["\"features\""], &["\"FeatureCollection\""]),
    },
    ForeignFormat {
        what: "a calendar or an address book",
        hint: NO_ARTICLE,
        sign: ForeignSign::Start(&["begin:vcalendar", "begin:vcard"]),
    },
    ForeignFormat {
        what: "a shortcut to a page",
        hint: "save the page itself",
        sign: ForeignSign::Start(&["[internetshortcut]", "[desktop entry]"]),
    },
    ForeignFormat { what: "a list of subtitles", hint: NO_ARTICLE, sign: ForeignSign::Start(&["webvtt"]) },
    ForeignFormat {
        what: "a key, a certificate or an encrypted message",
        hint: "hand over the message decrypted",
        sign: ForeignSign::Test(is_armoured),
    },
    ForeignFormat {
        what: "a table without a column that is known",
        hint: "name the columns in its first line: `title`, `text`, `url`, `published`",
        sign: ForeignSign::Table,
    },
    ForeignFormat {
        what: "XML of a kind that is not read",
        hint: "hand it over as RSS, NITF, NewsML-G2, JSON or text",
        sign: ForeignSign::AnyXml,
    },
];

/// Refuses a text that is of a kind that is no article.
///
/// # Errors
/// [`RejectReason::NotText`] with its name and what to do instead.
pub(super) fn refuse(text: &str, format: DocumentFormat, is_unknown_table: bool) -> Result<(), Rejection> {
    let start = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    let head = &start[..start.floor_char_boundary(LOOKED_AT_BYTES)];
    let is_xml = head.starts_with('<') && format != DocumentFormat::Html;
    let root = if is_xml { xml_root(start) } else { None };
    let Some(found) = FOREIGN_FORMATS.iter().find(|format| is_of(**format, head, root.as_deref(), is_unknown_table))
    else {
        return Ok(());
    };
    let what = match (&found.sign, root) {
        (ForeignSign::AnyXml, Some(root)) => format!("XML with the root element <{}>, which is not read", shown(&root)),
        _ => found.what.to_owned(),
    };
    Err(Rejection { reason: RejectReason::NotText, detail: format!("this is {what}: {}", found.hint), count: 1 })
}

fn is_of(format: ForeignFormat, head: &str, root: Option<&str>, is_unknown_table: bool) -> bool {
    let local = root.map(|root| root.rsplit(':').next().unwrap_or(root).to_ascii_lowercase());
    match format.sign {
        ForeignSign::Roots(roots) => local.is_some_and(|local| roots.contains(&local.as_str())),
        ForeignSign::Start(starts) => starts.iter().any(|start| begins_with(head, start)),
        ForeignSign::Json(all, one) => {
            head.starts_with(['{', '['])
                && all.iter().all(|word| head.contains(word))
                && one.iter().any(|word| head.contains(word))
        }
        ForeignSign::Test(test) => test(head),
        ForeignSign::AnyXml => root.is_some(),
        ForeignSign::Table => is_unknown_table,
    }
}

fn begins_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// The root element of what is XML beyond doubt: declared, or closed at the end. Prose may begin with "<3".
fn xml_root(text: &str) -> Option<String> {
    let root = root_name(text).filter(|root| !root.is_empty())?;
    let closed = || {
        let end = text.trim_end();
        end.ends_with(&format!("</{root}>")) || end.ends_with("/>") && end.matches('<').count() == 1
    };
    (text.starts_with("<?xml") || closed()).then(|| root.to_owned())
}

/// `From somebody Mon Mar  3 …`, and a header below it.
fn is_mbox(text: &str) -> bool {
    let mut lines = text.lines();
    let Some(envelope) = lines.next().and_then(|line| line.strip_prefix("From ")) else { return false };
    let days = ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "];
    days.iter().any(|day| envelope.contains(day))
        && lines.next().is_some_and(|line| {
            line.split_once(':').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            })
        })
}

/// Lines such as `[28/11/2031, 10:15] Jane: …` or `28.11.31, 10:15 - Jane: …`.
fn is_chat(text: &str) -> bool {
    let is_message = |line: &&str| {
        let line = line.trim_start_matches(['\u{200e}', '[']);
        let Some((date, rest)) = line.split_once(", ") else { return false };
        let number = |c: char| c.is_ascii_digit() || matches!(c, '/' | '.' | '-');
        let Some((time, said)) = rest.split_once("] ").or_else(|| rest.split_once(" - ")) else { return false };
        (6..=10).contains(&date.len())
            && date.chars().all(number)
            && time.len() <= 12
            && time.contains(':')
            && time.starts_with(|c: char| c.is_ascii_digit())
            && said.contains(": ")
    };
    text.lines().take(20).filter(is_message).count() >= CHAT_LINES_MIN
}

fn is_armoured(text: &str) -> bool {
    text.starts_with("-----BEGIN ") && !text.starts_with("-----BEGIN PGP SIGNED MESSAGE")
}

fn shown(text: &str) -> String {
    crate::text::clean::excerpt(text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        refuse(text, DocumentFormat::Text, false).err().map(|rejection| rejection.detail)
    }

    #[test]
    fn foreign_documents_are_refused_by_name_with_a_hint() {
        let chat = "[3/3/2031, 10:15:00] A. Example: The port is open\n".repeat(3);
        let table = [
            ("<?xml version='1.0'?><opml version='2.0'><body/></opml>", "OPML list of feeds"),
            ("<sitemapindex xmlns='x'><sitemap/></sitemapindex>", "sitemap index"),
            ("<?xml version='1.0'?><cap:alert xmlns:cap='x'/>", "CAP warning"),
            ("<?xml version='1.0'?><?mso-application progid='x'?><w:wordDocument xmlns:w='x'/>", "office document"),
            ("<?xml version='1.0'?><persistedQuery version='1.0'/>", "saved search"),
            ("<news><story>Port opens</story></news>", "root element <news>"),
            ("<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p>", "bookmarks"),
            ("From a@port.example Mon Mar  3 10:00:00 2031\nSubject: x\n\ny", "mbox"),
            (r#"{"name":"Port","type":"public_channel","id":1,"messages":[]}"#, "Telegram export"),
            ("window.YTD.tweets.part0 = [ {} ]", "X account"),
            (r#"{"@context":"https://www.w3.org/ns/activitystreams","type":"OrderedCollection"}"#, "Mastodon"),
            (&chat, "WhatsApp"),
            ("BEGIN:VCALENDAR\r\nVERSION:2.0", "calendar"),
            ("[InternetShortcut]\nURL=https://port.example", "shortcut"),
            ("-----BEGIN PGP MESSAGE-----\n\nabc", "encrypted message"),
        ];
        for (text, what) in table {
            let detail = refused(text).unwrap_or_default();
            assert!(detail.contains(what) && detail.contains(": "), "{text}: {detail}");
        }
        assert!(refuse("a,b\n1,2", DocumentFormat::Text, true).expect_err("a table").detail.contains("first line"));
    }

    #[test]
    fn foreign_signs_leave_articles_alone() {
        for text in [
            "<3 from the harbour\nThe pier is open.",
            "<Port> opens again, the board said.",
            "From Monday on the pier is open.\nIt was closed.",
            r#"{"title":"The type of messages","text":"A public_channel"}"#,
            "[3/3/2031, 10:15] A. Example: one line alone\nand prose",
            "-----BEGIN PGP SIGNED MESSAGE-----\n\nPort opens",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }
}
