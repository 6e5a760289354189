//! Bytes to the name of their format, by content: a file's extension only decides between formats
//! the content allows. Binaries are refused by name, so that people learn what they dropped. Nothing
//! is parsed here; `parse` goes on with the answer.

use super::archive_marks::is_export;
use super::rows::{TableHeader, header_of};
use crate::model::{RejectReason, Rejection};
use crate::source::DocumentFormat;
use crate::source::feed::reading::parse::{root_name, sniff};

/// Bytes looked at to tell text from binary.
const SNIFF_BYTES: usize = 8 << 10;
/// Bytes of the first line of JSON Lines looked at.
const FIRST_LINE_BYTES_MAX: usize = 1 << 20;

/// JSON before a text, as some site generators have it, is no longer.
const FRONT_MATTER_BYTES_MAX: usize = 64 << 10;
/// Lines in the header of an e-mail that are looked at.
const HEADER_LINES_MAX: usize = 500;

/// First bytes of formats people drop by mistake.
pub(super) const MAGIC: [(&[u8], &str); 18] = [
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"RIFF", "a WebP, WAV or AVI file"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ID3", "an MP3 file"),
];

/// Tags a document starts with when it is a web page or a piece of one.
const HTML_STARTS: [&str; 24] = [
    "!doctype html",
    "html",
    "head",
    "body",
    "meta",
    "title",
    "article",
    "section",
    "main",
    "header",
    "div",
    "p",
    "h1",
    "h2",
    "h3",
    "span",
    "table",
    "ul",
    "ol",
    "blockquote",
    "a",
    "b",
    "i",
    "img",
];

/// Refuses what is no text, naming it where it is known.
///
/// # Errors
/// [`RejectReason::Empty`] for nothing but space, [`RejectReason::NotText`] for binaries.
pub fn refuse_binary(bytes: &[u8]) -> Result<(), Rejection> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refused(RejectReason::Empty, "the file has no text"));
    }
    let magic = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic) && !is_ascii_prose(bytes, magic));
    if let Some((_, what)) = magic {
        return Err(refused(RejectReason::NotText, &format!("this is {what}, not text")));
    }
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let utf16 = [&b"\xff\xfe"[..], b"\xfe\xff", b"<\0", b"\0<"].iter().any(|start| head.starts_with(start));
    if utf16 {
        return Ok(());
    }
    let controls = head.iter().filter(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b));
    let (zeros, others) = controls.fold((0, 0), |(z, o), b| if *b == 0 { (z + 1, o) } else { (z, o + 1) });
    // One stray NUL in a long text is a blemish; more of them, or a tenth of control bytes, is data.
    if zeros > 1 + head.len() / 1000 || others * 10 > head.len() {
        return Err(refused(RejectReason::NotText, "this is binary data of an unknown kind, not text"));
    }
    Ok(())
}

/// A text may start with the letters of a magic ("ID3 is a standard…"): such magics count only when
/// the bytes after them are not plain prose.
fn is_ascii_prose(bytes: &[u8], magic: &[u8]) -> bool {
    let letters = magic.iter().all(u8::is_ascii_alphanumeric);
    letters && bytes[magic.len()..].iter().take(64).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

/// Names the format of a document whose bytes passed [`refuse_binary`] and decode to `text`.
/// `name` is the file's; its extension only breaks ties.
#[must_use]
pub fn detect(bytes: &[u8], text: &str, name: &str) -> DocumentFormat {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    if (start.starts_with(['<', '{']) || looks_like_json(start))
        && let Some(format) = sniff(bytes)
    {
        return format;
    }
    if looks_like_html(start) || (extension.starts_with("htm") || extension == "xhtml") && start.contains("</") {
        return DocumentFormat::Html;
    }
    if start.starts_with('<') && is_news_xml(start) {
        return DocumentFormat::NewsXml;
    }
    if has_json_front_matter(start, &extension) {
        return DocumentFormat::Markdown;
    }
    if looks_like_json(start) {
        return if is_json_lines(start, &extension) { DocumentFormat::JsonLines } else { DocumentFormat::Json };
    }
    // A first line that is broken does not make the rest of a JSON Lines file prose.
    if matches!(extension.as_str(), "jsonl" | "ndjson") && start.lines().any(|line| line.trim_start().starts_with('{'))
    {
        return DocumentFormat::JsonLines;
    }
    if let Some(format) = mail_format(start, &extension) {
        return format;
    }
    if has_front_matter(start) || matches!(extension.as_str(), "md" | "markdown") || looks_like_markdown(start) {
        return DocumentFormat::Markdown;
    }
    if header_of(start, &extension) == TableHeader::Known {
        return DocumentFormat::Table;
    }
    if is_export(start) {
        return DocumentFormat::PressArchive;
    }
    DocumentFormat::Text
}

/// Whether a text that is taken for one is named as a table whose columns nobody knows.
#[must_use]
pub fn is_unknown_table(text: &str, name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    header_of(text, &extension) == TableHeader::Unknown
}

/// NITF, or NewsML-G2.
fn is_news_xml(start: &str) -> bool {
    let root = root_name(start).unwrap_or_default();
    let local = root.rsplit(':').next().unwrap_or(root);
    ["nitf", "newsitem", "newsmessage"].iter().any(|name| local.eq_ignore_ascii_case(name))
}

/// An object of JSON that ends before the text does, and what follows is none.
fn has_json_front_matter(start: &str, extension: &str) -> bool {
    let head = &start[..start.floor_char_boundary(FRONT_MATTER_BYTES_MAX)];
    if !head.starts_with('{') {
        return false;
    }
    let mut values = serde_json::Deserializer::from_str(head).into_iter::<serde_json::Map<String, serde_json::Value>>();
    let Some(Ok(fields)) = values.next() else { return false };
    let rest = start[values.byte_offset()..].trim_start_matches([' ', '\t', '\r']);
    let is_told = fields.contains_key("title") || fields.contains_key("date");
    let is_laid_out = start[..values.byte_offset()].contains('\n') || matches!(extension, "md" | "markdown");
    is_told
        && is_laid_out
        && rest.starts_with('\n')
        && rest.trim_start().starts_with(|c: char| !matches!(c, '{' | '[' | ',' | '\u{1e}'))
}

/// Whether a text begins as an e-mail, or as a page saved like one.
fn mail_format(start: &str, extension: &str) -> Option<DocumentFormat> {
    let mut names: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut ends = false;
    for line in start.lines().take(HEADER_LINES_MAX) {
        if line.trim().is_empty() {
            ends = true;
            break;
        }
        if !line.starts_with([' ', '\t']) {
            let (name, value) = line.split_once(':')?;
            let is_name = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<') && name.len() <= 80;
            if !is_name || name.is_empty() {
                return None;
            }
            let name = name.to_ascii_lowercase();
            if matches!(name.as_str(), "from" | "content-type") {
                content.push_str(&value.to_ascii_lowercase());
            }
            names.push(name);
        } else if names.is_empty() {
            return None;
        } else {
            content.push_str(&line.to_ascii_lowercase());
        }
    }
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
    let is_page = has(&["snapshot-content-location"])
        || content.contains("multipart/related") && (content.contains("<saved by") || content.contains("\"saved by"))
        || matches!(extension, "mht" | "mhtml") && has(&["content-type"]);
    if is_page {
        return Some(DocumentFormat::Mhtml);
    }
    let sent = has(&["received", "return-path", "message-id", "mime-version", "delivered-to", "dkim-signature"]);
    let told = has(&["from", "subject", "sender", "date", "to"]);
    let named = matches!(extension, "eml" | "msg" | "mail");
    (told && (sent && ends || named)).then_some(DocumentFormat::Mail)
}

/// Whether the document opens with a tag of HTML, after comments and an XML declaration.
fn looks_like_html(start: &str) -> bool {
    let mut rest = start;
    for _ in 0..16 {
        let skipped = match rest {
            r if r.starts_with("<!--") => r.split_once("-->"),
            r if r.starts_with("<?") => r.split_once("?>"),
            _ => break,
        };
        let Some((_, after)) = skipped else { return false };
        rest = after.trim_start();
    }
    let Some(tag) = rest.strip_prefix('<') else { return false };
    HTML_STARTS.iter().any(|name| {
        tag.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name))
            && tag[name.len()..].starts_with(|c: char| c == '>' || c == '/' || c.is_whitespace())
    })
}

/// Whether the first two marks are those of JSON: prose may open with a bracket ("[Updated] …").
fn looks_like_json(start: &str) -> bool {
    let mut marks = start.chars().filter(|c| !c.is_whitespace());
    matches!((marks.next(), marks.next()), (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '[' | ']')))
}

/// Several documents in one file, one a line.
fn is_json_lines(start: &str, extension: &str) -> bool {
    if matches!(extension, "jsonl" | "ndjson") {
        return true;
    }
    let (first, rest) = start.split_once('\n').unwrap_or((start, ""));
    start.starts_with('{')
        && !rest.trim().is_empty()
        && first.len() <= FIRST_LINE_BYTES_MAX
        && serde_json::from_str::<serde::de::IgnoredAny>(first).is_ok()
}

/// `---` or `+++`, at least one `key:` or `key =` line, and the closing mark.
fn has_front_matter(start: &str) -> bool {
    let mut lines = start.lines().map(str::trim_end);
    let (mark, assign) = match lines.next() {
        Some("---") => ("---", ':'),
        Some("+++") => ("+++", '='),
        _ => return false,
    };
    let mut fields = 0;
    for line in lines.take(200) {
        if line == mark || line == "..." {
            return fields > 0;
        }
        fields += usize::from(line.split_once(assign).is_some_and(|(key, _)| is_key(key.trim())));
    }
    false
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= 40 && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// A first line that is a heading, or a heading further down together with a link.
fn looks_like_markdown(start: &str) -> bool {
    let is_heading = |line: &str| {
        let marks = line.len() - line.trim_start_matches('#').len();
        (1..=6).contains(&marks) && line[marks..].starts_with(' ')
    };
    let mut lines = start.lines().take(100);
    lines.next().is_some_and(is_heading) || (lines.any(is_heading) && start.contains("]("))
}

fn refused(reason: RejectReason, detail: &str) -> Rejection {
    Rejection { reason, detail: detail.to_owned(), count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, name: &str) -> DocumentFormat {
        detect(text.as_bytes(), text, name)
    }

    #[test]
    fn detect_content_wins_over_the_extension() {
        let table = [
            (r#"<?xml version="1.0"?><rss version="2.0"><channel/></rss>"#, "a.txt", DocumentFormat::Rss),
            ("<!-- saved --><!DOCTYPE html><html><body>x</body></html>", "a.txt", DocumentFormat::Html),
            ("  <p class=x>One</p>", "a.md", DocumentFormat::Html),
            ("{\"title\":\"t\"}", "a.txt", DocumentFormat::Json),
            ("[\n {\"title\":\"t\"}]", "a.html", DocumentFormat::Json),
            ("{\"title\":\"t\"}\n{\"title\":\"u\"}\n", "a.json", DocumentFormat::JsonLines),
            ("{\n\"title\":\"t\"\n}\n", "a", DocumentFormat::Json),
            ("---\ntitle: Harbour\n---\nText", "a.txt", DocumentFormat::Markdown),
            ("# Harbour\n\nText", "a.txt", DocumentFormat::Markdown),
            ("Harbour\n\nText", "a.json", DocumentFormat::Text),
            ("[Updated] The harbour opens", "a.txt", DocumentFormat::Text),
            ("{sic} the harbour", "a.txt", DocumentFormat::Text),
            ("--- the harbour ---\nkey", "a.txt", DocumentFormat::Text),
            ("<3 from the harbour", "a.txt", DocumentFormat::Text),
        ];
        for (text, name, format) in table {
            assert_eq!(of(text, name), format, "{text:?}");
        }
    }

    #[test]
    fn detect_extension_decides_where_the_content_allows_several() {
        assert_eq!(of("Harbour", "a.md"), DocumentFormat::Markdown);
        assert_eq!(of("Harbour <b>opens</b>", "a.html"), DocumentFormat::Html);
        assert_eq!(of("{\"title\":\"t\"}", "a.jsonl"), DocumentFormat::JsonLines);
        assert_eq!(of("oops\n{\"title\":\"t\"}", "a.jsonl"), DocumentFormat::JsonLines);
    }

    #[test]
    fn binary_is_refused_by_name_and_text_is_not() {
        for (bytes, what) in [
            (&b"%PDF-1.7\n..."[..], "PDF"),
            (b"PK\x03\x04\x14\0", "ZIP"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\x01\0\0\0\x02\0\0\0text\0\0", "unknown kind"),
        ] {
            let refused = refuse_binary(bytes).expect_err("a binary");
            assert_eq!(refused.reason, RejectReason::NotText);
            assert!(refused.detail.contains(what), "{}", refused.detail);
        }
        assert_eq!(refuse_binary(b" \r\n\t").expect_err("empty").reason, RejectReason::Empty);
        for text in [&b"RIFF is a standard of its own"[..], b"one \0 stray", b"\xff\xfeH\0i\0", "é\u{85}".as_bytes()] {
            assert!(refuse_binary(text).is_ok(), "{text:?}");
        }
    }
}
