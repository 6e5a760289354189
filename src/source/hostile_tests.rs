//! Documents made to cost, in every format: nested, broad, repeated, unclosed, full of references, one long word. The
//! steps that reading them takes are counted, and grow as the documents do: four times the bytes, four times the work.

use super::feed::reading::parse as feed;
use super::feed::{FeedContext, IdentifiedBy};
use super::{Limits, seed};
use crate::model::Timestamp;
use crate::text::work;
use crate::text::{article, html};

type Shape = fn(usize) -> String;

fn fill(piece: &str, bytes: usize) -> String {
    piece.repeat((bytes / piece.len()).max(1))
}

fn rss(inside: &str) -> String {
    format!("<rss version=\"2.0\"><channel><title>x</title>{inside}</channel></rss>")
}

fn item(inside: &str) -> String {
    rss(&format!("<item><title>x</title><description>{inside}</description></item>"))
}

fn json(inside: &str) -> String {
    format!("{{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"x\",\"items\":[{inside}]}}")
}

fn page(inside: &str) -> String {
    format!("<!doctype html><html><body><article>{inside}</article></body></html>")
}

/// By the name of a file that the reader is found by.
const SHAPES: &[(&str, &str, Shape)] = &[
    ("x.xml", "nesting", |n| rss(&fill("<media:group>", n))),
    ("x.xml", "breadth", |n| rss(&fill("<item/>", n))),
    ("x.xml", "fields", |n| item(&format!("x</description>{}<description>", fill("<category>x</category>", n)))),
    ("x.xml", "open items", |n| rss(&fill("<item><title>x", n))),
    ("x.xml", "open tags", |n| item(&fill("<b>", n))),
    ("x.xml", "references", |n| item(&fill("&amp;", n))),
    ("x.xml", "half references", |n| item(&fill("&amp", n))),
    ("x.xml", "chained references", |n| item(&format!("&{}lt;", fill("amp;", n)))),
    ("x.xml", "escaped tags", |n| item(&fill("&lt;p ", n))),
    ("x.xml", "sections", |n| item(&fill("<![CDATA[a]]>", n))),
    ("x.xml", "open sections", |n| item(&fill("<![CDATA[", n))),
    ("x.xml", "open comments", |n| rss(&fill("<!-- ", n))),
    ("x.xml", "signs", |n| rss(&fill("<", n))),
    ("x.xml", "one word", |n| item(&"x".repeat(n))),
    ("x.xml", "atom links", |n| {
        format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><title>x</title>{}", fill("<link href=\"a\"/>", n))
    }),
    ("x.json", "breadth", |n| json(&format!("{}{{}}", fill("{},", n)))),
    ("x.json", "tags", |n| json(&format!("{{\"id\":\"1\",\"title\":\"x\",\"tags\":[{}\"x\"]}}", fill("\"x\",", n)))),
    ("x.json", "tags without end", |n| json(&format!("{{\"id\":\"1\",\"content_text\":\"{}\"}}", fill("<p ", n)))),
    ("x.json", "escapes", |n| json(&format!("{{\"id\":\"1\",\"title\":\"{}\"}}", fill("\\u0041", n)))),
    ("items.json", "breadth", |n| format!("[{}{{}}]", fill("{},", n))),
    ("items.json", "values", |n| format!("{{\"title\":[{}\"x\"]}}", fill("\"x\",", n))),
    ("items.json", "nesting", |n| fill("{\"items\":[", n)),
    ("items.jsonl", "lines", |n| fill("{\"title\":\"x\"}\n", n)),
    ("x.html", "breadth", |n| page(&fill("<p>x", n))),
    ("x.html", "formatting", |n| page(&format!("{}{}", fill("<b>", n / 4), fill("<p>x", n)))),
    ("x.html", "tables", |n| page(&fill("<table><tr><td>", n))),
    ("x.html", "links", |n| page(&fill("<a href=x><div>", n))),
    ("x.html", "tags without end", |n| page(&fill("<p ", n))),
    ("x.html", "comments", |n| page(&fill("<!--", n))),
    ("x.html", "scripts", |n| page(&fill("<script>", n))),
    ("x.html", "references", |n| page(&fill("&amp;", n))),
    ("x.html", "meta", |n| format!("<html><head>{}", fill("<meta property=\"og:title\" content=\"x\">", n))),
    ("x.md", "quotes", |n| ">".repeat(n)),
    ("x.md", "emphasis", |n| fill("*_`[", n)),
    ("x.md", "open links", |n| fill("[a](", n)),
    ("x.txt", "lines", |n| fill("x\n", n)),
    ("x.txt", "dates", |n| fill("17 March 2025\n", n)),
    ("x.txt", "one word", |n| "x".repeat(n)),
    ("x.eml", "parts", |n| {
        mail(&format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}--b--",
            fill("--b\nContent-Type: text/plain\n\nx\n", n)
        ))
    }),
    ("x.eml", "headers", |n| mail(&format!("{}\nx", fill("X-A: b\n", n)))),
    ("x.eml", "encoded words", |n| mail(&format!("Subject: {}\n\nx", fill("=?utf-8?q?x?= ", n)))),
    ("x.eml", "rules and headers", |n| mail(&format!("\nA port.\n{}", fill("__________\nFrom: a\n\n", n)))),
    ("x.eml", "quotes", |n| mail(&format!("\nA port.\n{}", fill("> x\n", n)))),
    ("x.eml", "colons", |n| mail(&format!("\nA port.\n{}", fill("x:\n\n", n)))),
    ("x.eml", "forwards", |n| mail(&format!("\n{}", fill("--- forwarded message ---\n", n)))),
    ("x.eml", "links", |n| {
        mail(&format!("Content-Type: text/html\n\n{}", fill("<a href='http://x.example/'>x</a>", n)))
    }),
    ("x.mhtml", "page", |n| {
        let head = "Snapshot-Content-Location: http://x.example/\nMIME-Version: 1.0\n";
        let kind =
            "Content-Type: multipart/related; type=\"text/html\"; boundary=b\n\n--b\nContent-Type: text/html\n\n";
        format!("From: <Saved by a browser>\n{head}{kind}{}\n--b--\n", page(&fill("<p>x", n)))
    }),
    ("x.csv", "columns", |n| format!("title,{}\nx\n", fill("a,", n))),
    ("x.csv", "rows", |n| format!("title,url\n{}", fill("x,http://x.example/\n", n))),
    ("x.csv", "open quote", |n| format!("title,url\n\"{}", fill("x,", n))),
    ("x.csv", "doubled quotes", |n| format!("title,url\n\"{}\",x\n", fill("\"\"", n))),
    ("x.tsv", "cells", |n| format!("title\turl\n{}", fill("x\t", n))),
    ("x.xml", "nitf", |n| format!("<nitf><body><body.content>{}</body.content></body></nitf>", fill("<p>x</p>", n))),
    ("x.xml", "newsml", |n| format!("<newsMessage><itemSet>{}</itemSet></newsMessage>", fill("<newsItem/>", n))),
    ("x.xml", "newsml subjects", |n| {
        format!("<newsItem><contentMeta><headline>x</headline>{}", fill("<subject qcode=\"a:1\"/>", n))
    }),
    ("x.xml", "wordpress", |n| rss(&fill("<item><title>x</title><wp:status>draft</wp:status></item>", n))),
    ("x.xml", "wordpress, open", |n| rss(&format!("<wp:status>{}", fill("<item>", n)))),
    ("x.txt", "documents", |n| fill("1 of 2 DOCUMENTS\n", n)),
    ("x.txt", "document", |n| {
        format!("1 of 2 DOCUMENTS\n\nWire\n\nMarch 3, 2031\n\nLENGTH: 9 words\n\n{}", fill("x\n", n))
    }),
    ("x.txt", "labels", |n| format!("1 of 2 DOCUMENTS\n\nWire\n\nMarch 3, 2031\n\n{}", fill("BYLINE: x\n", n))),
    ("x.txt", "factiva", |n| {
        format!("HD   A port opens\nPD   3 March 2031\n{}AN   Document X1\n", fill("TD   x\n", n))
    }),
    ("x.txt", "factiva ends", |n| fill("HD   x\nAN   Document X1\n", n)),
    ("items.json", "dump", |n| {
        let one = "{\"source\":{\"name\":\"x\"},\"title\":\"x\",\"publishedAt\":\"2031-03-03T10:00:00Z\"},";
        format!("{{\"status\":\"ok\",\"articles\":[{}{{}}]}}", fill(one, n))
    }),
    ("items.json", "values one after the other", |n| fill("{\"title\":\"x\"}\n\n", n)),
    ("x.md", "front matter", |n| format!("---\ntitle: x\n{}---\nx", fill("tags: x\n", n))),
    ("x.md", "open front matter", |n| format!("+++\n{}", fill("a = \"\n", n))),
];

fn mail(rest: &str) -> String {
    format!("From: A <a@x.example>\nDate: Mon, 3 Mar 2031 10:00:00 +0000\nMIME-Version: 1.0\n{rest}\n")
}

const RECEIVED: Timestamp = Timestamp::from_seconds(1_742_212_800);

/// Steps that reading a document takes, whatever comes of it; a document that is refused is refused by name.
fn steps(name: &str, text: &str) -> u64 {
    let limits = Limits::SHIPPED;
    let ((), seed_steps) = work::counted(|| {
        let context = seed::FileContext {
            name,
            modified: RECEIVED,
            received: RECEIVED,
            limits: &limits,
            mail: &seed::DEFAULT_MAIL_RULES,
        };
        if let Err(rejection) = seed::parse(text.as_bytes(), &context) {
            assert!(!rejection.detail.is_empty(), "{name}: {rejection:?}");
        }
    });
    let ((), feed_steps) = work::counted(|| {
        let trust = IdentifiedBy::Guid;
        let context = FeedContext { base_url: None, content_type: None, trust, limits: &limits, received: RECEIVED };
        drop(feed::parse(text.as_bytes(), &context));
    });
    let (_, text_steps) = work::counted(|| (html::to_text(text), html::plain(text)));
    let ((), page_steps) =
        if name == "x.html" { work::counted(|| drop(article::extract(text, None))) } else { ((), 0) };
    seed_steps + feed_steps + text_steps + page_steps
}

#[test]
fn reading_hostile_documents_takes_work_in_proportion_to_their_size() {
    const SMALL: usize = 4 << 10;
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let run = thread.spawn(|| {
        for (name, shape, make) in SHAPES {
            let (small, large) = (make(SMALL), make(4 * SMALL));
            let (of_small, of_large) = (steps(name, &small), steps(name, &large));
            println!("{name} {shape}: {of_small} steps for {}, {of_large} for {}", small.len(), large.len());
            // A limit may end the larger one early; nothing may make it cost more than its share.
            assert!(of_large <= 5 * of_small + 20_000, "{name}, {shape}: {of_small} steps, then {of_large}");
            assert!(of_large <= 60 * large.len() as u64, "{name}, {shape}: {of_large} steps for {} bytes", large.len());
        }
    });
    run.expect("a thread").join().expect("in proportion");
}
