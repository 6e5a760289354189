//! Articles to feed documents: RSS 60 %, Atom 30 %, RSS 1.0 10 %, with HTML bodies as servers write them.
//! A document shows the newest `items` articles of its feed; `newest` says how far the feed has come.

use std::fmt::Write as _;

use wirewatch::model::Timestamp;

use crate::words::{Article, Language, Numbers};

/// Formats of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Rss,
    Atom,
    Rdf,
}

impl Format {
    /// That of a feed: fixed shares of any ten.
    pub fn of(feed: usize) -> Self {
        match feed % 10 {
            0..6 => Self::Rss,
            6..9 => Self::Atom,
            _ => Self::Rdf,
        }
    }
}

/// One feed at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Feed {
    /// Which.
    pub number: usize,
    /// Items it shows.
    pub items: u64,
    /// The newest of them, counted from the first ever published.
    pub newest: u64,
    /// When item 0 was published.
    pub begins: Timestamp,
}

/// Renders a feed's document.
pub fn render(language: &Language, feed: Feed) -> String {
    let format = Format::of(feed.number);
    let mut out = String::with_capacity(feed.items as usize * 2600);
    let name = feed.number;
    let shown = (feed.newest + 1 - feed.items.min(feed.newest + 1)..=feed.newest).rev();
    match format {
        Format::Rss => {
            let _ = write!(
                out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel><title>Wire {name}</title>\
                 <link>http://wire{name}.example/</link><description>Made for measuring</description>\n"
            );
        }
        Format::Atom => {
            let _ = write!(
                out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Wire \
                 {name}</title><id>urn:wire:{name}</id><updated>{}</updated>\n",
                feed.begins
            );
        }
        Format::Rdf => {
            let _ = write!(
                out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
                 xmlns=\"http://purl.org/rss/1.0/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel \
                 rdf:about=\"http://wire{name}.example/\"><title>Wire {name}</title></channel>\n"
            );
        }
    }
    for item in shown {
        entry(&mut out, format, &language.article(name, item), (feed, item));
    }
    out.push_str(match format {
        Format::Rss => "</channel></rss>\n",
        Format::Atom => "</feed>\n",
        Format::Rdf => "</rdf:RDF>\n",
    });
    out
}

fn entry(out: &mut String, format: Format, article: &Article, (feed, item): (Feed, u64)) {
    let name = feed.number;
    let link = format!("http://wire{name}.example/news/{item}");
    let at = feed.begins.plus(std::time::Duration::from_secs(60 * item));
    let mail_date = at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000");
    let title = escape(&article.title);
    let body = escape(&html(article, u64::from(name as u32) << 32 | item, &link));
    let _ = match format {
        Format::Rss => writeln!(
            out,
            "<item><title>{title}</title><link>{link}</link><guid isPermaLink=\"false\">wire-{name}-{item}</guid>\
             <pubDate>{mail_date}</pubDate><description>{body}</description></item>"
        ),
        Format::Atom => writeln!(
            out,
            "<entry><title>{title}</title><link href=\"{link}\"/><id>urn:wire:{name}:{item}</id><updated>{at}</updated>\
             <content type=\"html\">{body}</content></entry>"
        ),
        Format::Rdf => writeln!(
            out,
            "<item rdf:about=\"{link}\"><title>{title}</title><link>{link}</link><dc:date>{at}</dc:date>\
             <description>{body}</description></item>"
        ),
    };
}

/// The body as a content system writes it: paragraphs, a picture, links, entities.
pub fn html(article: &Article, seed: u64, link: &str) -> String {
    let mut numbers = Numbers::of(seed ^ 0x7e57);
    let mut out = String::with_capacity(article.paragraphs.iter().map(String::len).sum::<usize>() + 400);
    if numbers.below(3) == 0 {
        let _ = write!(out, "<figure><img src=\"{link}.jpg\" alt=\"\" width=\"640\"/></figure>");
    }
    for paragraph in &article.paragraphs {
        match numbers.below(6) {
            0 => {
                let (before, after) = paragraph.split_once(' ').unwrap_or((paragraph, ""));
                let _ = write!(out, "<p><a href=\"{link}#{}\">{before}</a> {after}</p>", numbers.below(99));
            }
            1 => {
                let _ = write!(out, "<p class=\"body-text\"><strong>{paragraph}</strong></p>");
            }
            2 => {
                let _ = write!(out, "<p>{paragraph}&nbsp;&ndash; <em>wire</em></p>");
            }
            _ => {
                let _ = writeln!(out, "<p>{paragraph}</p>");
            }
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
