//! Feeds out: what a feed document holds, and the same as Atom, RSS 2.0 and JSON Feed. Text from outside is cleaned and
//! escaped where it is written; a link is written only where a reader may follow it.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::Timestamp;
use crate::text::clean;

/// A feed of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedDocument {
    /// For ever the same.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Where it is itself, where that is known.
    pub address: Option<String>,
    /// When anything in it changed.
    pub updated: Timestamp,
    /// Newest first.
    pub entries: Vec<SyndicatedEntry>,
}

/// One entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyndicatedEntry {
    /// For ever the same.
    pub id: String,
    /// Headline.
    pub title: String,
    /// Where it leads.
    pub link: Option<String>,
    /// What else carries it: who, where.
    pub related: Vec<(String, String)>,
    /// A line before the text: who carries it.
    pub carried: String,
    /// The text, without markup.
    pub text: String,
    /// Who wrote it.
    pub author: String,
    /// When it came.
    pub published: Timestamp,
    /// When it changed.
    pub updated: Timestamp,
    /// Topics.
    pub categories: Vec<String>,
}

/// A form of feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForm {
    /// Atom 1.0.
    Atom,
    /// RSS 2.0.
    Rss,
    /// JSON Feed 1.1.
    Json,
}

impl FeedForm {
    /// By the ending of a name.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "atom" => Self::Atom,
            "rss" => Self::Rss,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// What it is sent as.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Json => "application/feed+json",
        }
    }
}

impl FeedDocument {
    /// The document in a form.
    ///
    /// # Errors
    /// When the output is closed or full.
    pub fn write(&self, out: &mut impl Write, form: FeedForm) -> io::Result<()> {
        match form {
            FeedForm::Atom => self.atom(out),
            FeedForm::Rss => self.rss(out),
            FeedForm::Json => writeln!(out, "{}", self.json()),
        }
    }

    fn atom(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">")?;
        write!(out, "<id>{}</id><title>{}</title>", escape(&self.id), escape(&self.title))?;
        if let Some(address) = &self.address {
            write!(out, "<link rel=\"self\" type=\"application/atom+xml\" href=\"{}\"/>", escape(address))?;
        }
        writeln!(out, "<updated>{}</updated><generator>wirewatch</generator>", self.updated)?;
        for entry in &self.entries {
            write!(out, "<entry><id>{}</id><title>{}</title>", escape(&entry.id), escape(&entry.title))?;
            if let Some(url) = entry.link.as_deref().and_then(web_link) {
                write!(out, "<link rel=\"alternate\" href=\"{}\"/>", escape(url))?;
            }
            for (who, url) in entry.related.iter().filter(|(_, url)| web_link(url).is_some()) {
                write!(out, "<link rel=\"related\" title=\"{}\" href=\"{}\"/>", escape(who), escape(url))?;
            }
            for topic in &entry.categories {
                write!(out, "<category term=\"{}\"/>", escape(topic))?;
            }
            write!(out, "<author><name>{}</name></author>", escape(&entry.author))?;
            write!(out, "<published>{}</published><updated>{}</updated>", entry.published, entry.updated)?;
            let html = entry.html();
            if !html.is_empty() {
                write!(out, "<content type=\"html\">{}</content>", escape(&html))?;
            }
            writeln!(out, "</entry>")?;
        }
        writeln!(out, "</feed>")
    }

    fn rss(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(out, "<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\"><channel>")?;
        let title = escape(&self.title);
        let address = self.address.as_deref().unwrap_or("https://localhost/");
        write!(out, "<title>{title}</title><link>{}</link><description>{title}</description>", escape(address))?;
        if let Some(address) = &self.address {
            write!(out, "<atom:link rel=\"self\" type=\"application/rss+xml\" href=\"{}\"/>", escape(address))?;
        }
        writeln!(out, "<lastBuildDate>{}</lastBuildDate>", rfc_2822(self.updated))?;
        for entry in &self.entries {
            let (id, title) = (escape(&entry.id), escape(&entry.title));
            write!(out, "<item><guid isPermaLink=\"false\">{id}</guid><title>{title}</title>")?;
            if let Some(url) = entry.link.as_deref().and_then(web_link) {
                write!(out, "<link>{}</link>", escape(url))?;
            }
            for topic in &entry.categories {
                write!(out, "<category>{}</category>", escape(topic))?;
            }
            let html = entry.html();
            if !html.is_empty() {
                write!(out, "<description>{}</description>", escape(&html))?;
            }
            writeln!(out, "<pubDate>{}</pubDate></item>", rfc_2822(entry.published))?;
        }
        writeln!(out, "</channel></rss>")
    }

    fn json(&self) -> Value {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| {
                let mut item = json!({
                    "id": entry.id,
                    "title": clean::one_line(&entry.title),
                    "content_html": entry.html(),
                    "date_published": entry.published,
                    "date_modified": entry.updated,
                    "tags": entry.categories,
                    "authors": [{"name": clean::one_line(&entry.author)}],
                });
                if let Some(url) = entry.link.as_deref().and_then(web_link) {
                    item["url"] = json!(url);
                }
                item
            })
            .collect();
        let mut feed = json!({
            "version": "https://jsonfeed.org/version/1.1",
            "title": clean::one_line(&self.title),
            "items": entries,
        });
        if let Some(address) = &self.address {
            feed["feed_url"] = json!(address);
        }
        feed
    }
}

impl SyndicatedEntry {
    /// Who carries it, what it says, and where: every word of others escaped.
    fn html(&self) -> String {
        use std::fmt::Write as _;

        let mut out = String::new();
        for text in [&self.carried, &self.text].into_iter().filter(|text| !text.is_empty()) {
            // Writing to a string cannot fail.
            let _ = write!(out, "<p>{}</p>", escape(text));
        }
        let links: Vec<String> = self
            .related
            .iter()
            .filter_map(|(who, url)| Some((who, web_link(url)?)))
            .map(|(who, url)| format!("<li><a href=\"{}\">{}</a></li>", escape(url), escape(who)))
            .collect();
        if !links.is_empty() {
            let _ = write!(out, "<ul>{}</ul>", links.concat());
        }
        out
    }
}

/// Only links that a reader may follow.
fn web_link(url: &str) -> Option<&str> {
    Some(url).filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

fn rfc_2822(at: Timestamp) -> String {
    jiff::fmt::rfc2822::to_string(&at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean::one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(title: &str, link: &str) -> SyndicatedEntry {
        SyndicatedEntry {
            id: format!("urn:wirewatch:{}", title.len()),
            title: title.to_owned(),
            link: Some(link.to_owned()),
            related: vec![("a <b> & c".to_owned(), "https://b.example/?a=1&b=2".to_owned())],
            carried: "carried by 2: a, b".to_owned(),
            text: "<img src=x onerror=alert(1)> & more".to_owned(),
            author: "desk".to_owned(),
            published: Timestamp::from_seconds(1_742_198_531),
            updated: Timestamp::from_seconds(1_742_198_600),
            categories: vec!["levee".to_owned()],
        }
    }

    #[test]
    fn feed_in_every_form_is_a_feed_and_holds_no_markup_of_others() {
        let feed = FeedDocument {
            id: "urn:wirewatch:x:stories".to_owned(),
            title: "Stories".to_owned(),
            address: Some("https://watch.example.org/feeds/stories.atom".to_owned()),
            updated: Timestamp::from_seconds(1_742_198_600),
            entries: vec![
                entry("</title><script>&\"x", "javascript:alert(1)"),
                entry("two", "https://a.example/?a=1&b=2"),
            ],
        };
        for form in [FeedForm::Atom, FeedForm::Rss, FeedForm::Json] {
            let mut out = Vec::new();
            feed.write(&mut out, form).expect("written");
            let text = String::from_utf8(out).expect("UTF-8");
            assert!(!text.contains("javascript:") && !text.contains("<img"), "{text}");
            // In JSON Feed a title is text, and its text is this.
            assert!(form == FeedForm::Json || !text.contains("<script"), "{text}");
            let read = feed_rs::parser::parse(text.as_bytes()).expect("a feed");
            assert_eq!(read.entries.len(), 2, "{form:?}");
            let first = &read.entries[0];
            assert_eq!(first.title.as_ref().expect("a title").content, "</title><script>&\"x", "{form:?}");
            assert_eq!(read.entries[1].links[0].href, "https://a.example/?a=1&b=2", "{form:?}");
            assert_eq!(read.entries[1].id, "urn:wirewatch:3", "{form:?}");
        }
    }
}
