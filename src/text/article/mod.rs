//! A web page to its article: the text by readability (dom_smoothie), the rest from meta tags and
//! JSON-LD. Builds a tree, so it must run on a big stack with a time budget; pages nested deeper than
//! browsers allow never reach the tree and are read flat. Nothing is fetched.

mod meta;
mod passages;

use dom_query::Document;
use dom_smoothie::{Config, Readability};

use crate::model::Dated;
use crate::text::{date, html, work};
use meta::PageMeta;
use passages::{PageTree, completed};

/// Elements within one another; browsers flatten beyond this, and html5ever is quadratic in it.
const DEPTH_MAX: usize = 512;
/// Elements of a page that readability looks at.
const ELEMENTS_MAX: usize = 50_000;
/// Elements that a page may become in the tree, counted before it is built. Formatting that is left open is made anew in
/// each block that follows: 85 KB of `<b>` and `<p>` would be gigabytes.
const TREE_ELEMENTS_MAX: usize = 100_000;
/// Shorter results are taken for a miss: the page is then read flat.
const TEXT_BYTES_MIN: usize = 140;

/// An article found in a page. Texts are clean; addresses and languages are as the page says.
#[derive(Debug, Clone, PartialEq)]
pub struct PageArticle {
    /// Headline without markup; may still carry the site's name.
    pub title: String,
    /// Paragraphs separated by `\n`.
    pub text: String,
    /// Byline.
    pub author: Option<String>,
    /// When the page says it was published.
    pub published: Option<Dated>,
    /// Language tag of the page.
    pub lang: Option<String>,
    /// The site's name.
    pub site: Option<String>,
    /// Canonical address as the page gives it, absolute when `url` was given or it is.
    pub url: Option<String>,
}

/// Finds the article of a page; `None` when there is no text at all. `url` is where the page came
/// from, for relative addresses.
#[must_use]
pub fn extract(page: &str, url: Option<&str>) -> Option<PageArticle> {
    let meta = meta::read(page, url);
    let (text, found_title) = if is_beyond_a_tree(page, DEPTH_MAX) {
        (html::to_text(page), None)
    } else {
        let PageTree { document, passages } = PageTree::of(page);
        let (found, title) = readable(document).unwrap_or_default();
        let text = completed(&passages, &found);
        let is_short = text.len() < TEXT_BYTES_MIN && completed(&passages, "").is_empty();
        // Readability takes its tree apart: for the few that are short another one is made, so that there is never more than one.
        let text = if is_short { longer(PageTree::of(page).flat(), text) } else { text };
        (text, title)
    };
    // Pages that a script fills have their text in their data alone.
    let told = meta.body.as_deref().filter(|body| body.len() > TEXT_BYTES_MIN && body.len() / 2 > text.len());
    let text = told.map_or(text, html::plain);
    if text.is_empty() {
        return None;
    }
    let PageMeta { title, author, published, lang, site, canonical, .. } = meta;
    let url = canonical.map(|link| absolute(&link, url)).or_else(|| url.map(str::to_owned));
    Some(PageArticle {
        title: title.or(found_title).unwrap_or_default(),
        text,
        author,
        published: published.as_deref().and_then(date::parse),
        lang,
        site,
        url,
    })
}

fn readable(document: Document) -> Option<(String, Option<String>)> {
    let config = Config { max_elements_to_parse: ELEMENTS_MAX, disable_json_ld: true, ..Config::default() };
    let article = Readability::with_document(document, None, Some(config)).ok()?.parse().ok()?;
    let title = Some(html::plain_inline(&article.title)).filter(|title| !title.is_empty());
    Some((html::to_text(&article.content), title))
}

fn longer(a: String, b: String) -> String {
    if a.len() >= b.len() { a } else { b }
}

fn absolute(link: &str, base: Option<&str>) -> String {
    base.and_then(|base| url::Url::parse(base).ok())
        .and_then(|base| base.join(link).ok())
        .map_or_else(|| link.to_owned(), String::from)
}

/// Whether more elements are open at once than `depth_max`, or the tree would hold more than
/// [`TREE_ELEMENTS_MAX`], by a scan of the tags alone. Elements that the next of their kind closes do not count as
/// open: pages leave their end tags out.
fn is_beyond_a_tree(page: &str, depth_max: usize) -> bool {
    let bytes = page.as_bytes();
    let (mut at, mut depth, mut end) = (0, 0usize, 0);
    let (mut elements, mut formatting) = (0usize, 0usize);
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'<') {
        at += found + 1;
        work::spend(1);
        let closes = bytes.get(at) == Some(&b'/');
        let name_at = at + usize::from(closes);
        let len = bytes[name_at..].iter().take(24).take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
        if len == 0 || !bytes[name_at].is_ascii_alphabetic() {
            if page[at..].starts_with("!--") {
                let Some(comment) = page[at..].find("-->") else { break };
                at += comment;
            }
            continue;
        }
        let name = page[name_at..name_at + len].to_ascii_lowercase();
        if end < name_at {
            let Some(tag) = page[name_at..].find('>') else { break };
            end = name_at + tag;
        }
        at = name_at + len;
        if !is_formatting(&name) {
            elements += usize::from(!closes) + formatting;
        } else if closes {
            formatting = formatting.saturating_sub(1);
        } else {
            (elements, formatting) = (elements + 1, formatting + 1);
        }
        if elements > TREE_ELEMENTS_MAX {
            return true;
        }
        if is_uncounted(&name) {
            continue;
        }
        if closes {
            depth = depth.saturating_sub(1);
            continue;
        }
        if bytes[end - 1] != b'/' || !is_foreign(&name) {
            depth += 1;
        }
        if depth > depth_max {
            return true;
        }
        if matches!(name.as_str(), "script" | "style" | "textarea" | "title") {
            let Some(raw_text) = page[at..].find("</") else { break };
            at += raw_text;
        }
    }
    false
}

/// Void elements, and those that close one another.
fn is_uncounted(name: &str) -> bool {
    html::is_void(name) || matches!(name, "p" | "li" | "td" | "th" | "tr" | "dt" | "dd" | "option" | "param")
}

/// Elements that a tree builder opens again where a block cut them off (HTML, section 13.2.4.3).
fn is_formatting(name: &str) -> bool {
    matches!(
        name,
        "a" | "b" | "big" | "code" | "em" | "font" | "i" | "nobr" | "s" | "small" | "strike" | "strong" | "tt" | "u"
    )
}

/// Elements of SVG, which may close themselves; in HTML the slash means nothing.
fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        "svg"
            | "path"
            | "g"
            | "circle"
            | "rect"
            | "line"
            | "polygon"
            | "polyline"
            | "ellipse"
            | "use"
            | "stop"
            | "image"
            | "text"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><html lang="en-GB"><head>
        <title>Harbour reopens | Tidewatch</title>
        <meta property="og:title" content="Harbour reopens after storm">
        <meta property="og:site_name" content="Tidewatch">
        <meta name="author" content="A. Example">
        <meta property="article:published_time" content="2025-03-17T08:02:11+02:00">
        <link rel="canonical" href="/2025/harbour"></head>
        <body><nav><a href="/">Home</a> <a href="/world">World</a></nav>
        <article><h1>Harbour reopens after storm</h1>
        <p>The harbour of Aveiro reopened on Monday after three days of storm, the port office said in the morning.</p>
        <p>Two ferries left at nine with four hundred people on board, and six freighters waited outside for a pilot.</p>
        <p>The next storm is expected on Friday, and the office asked captains to call in before they set out.</p></article>
        <aside>Most read: other things</aside><footer>All rights reserved</footer></body></html>"#;

    #[test]
    fn extract_page_gives_text_and_what_the_head_says() {
        let article = extract(PAGE, Some("https://tidewatch.example/x?y")).expect("an article");
        assert_eq!(article.title, "Harbour reopens after storm");
        assert!(article.text.contains("Two ferries left at nine"), "{}", article.text);
        assert!(!article.text.contains("Home") && !article.text.contains("Most read"), "{}", article.text);
        assert_eq!(article.author.as_deref(), Some("A. Example"));
        assert_eq!(article.published.map(|d| d.at.to_string()).as_deref(), Some("2025-03-17T06:02:11Z"));
        assert_eq!(article.lang.as_deref(), Some("en-GB"));
        assert_eq!(article.site.as_deref(), Some("Tidewatch"));
        assert_eq!(article.url.as_deref(), Some("https://tidewatch.example/2025/harbour"));
    }

    #[test]
    fn extract_short_or_bare_page_is_read_flat() {
        let article = extract("<p>Port closed.</p>", None).expect("an article");
        assert_eq!(article.text, "Port closed.");
        assert_eq!(article.title, "");
        assert_eq!(extract("<script>x</script>", None), None);
        assert_eq!(extract("", None), None);
    }

    #[test]
    fn extract_deeply_nested_page_is_read_flat() {
        let text = "The harbour of Aveiro reopened on Monday after three days of storm. ".repeat(4);
        for tag in ["div", "ul", "table", "b", "blockquote", "div/"] {
            let page = format!("{}{text}", format!("<{tag}>").repeat(20_000));
            assert!(extract(&page, None).expect("an article").text.contains("Aveiro"), "{tag}");
        }
    }

    #[test]
    fn beyond_a_tree_is_only_what_stays_open() {
        for page in [
            "<p>".repeat(2000),
            "<li><img><br>".repeat(2000),
            "<svg><path/></svg>".repeat(2000),
            "<div><b>x</b></div>".repeat(2000),
            format!("<script>{}</script>", "'<div>'".repeat(2000)),
            format!("<!--{}-->", "<div>".repeat(2000)),
            "< 5 ".repeat(2000),
        ] {
            assert!(!is_beyond_a_tree(&page, 512), "{}", &page[..40]);
        }
        assert!(is_beyond_a_tree(&"<div>".repeat(513), 512));
        assert!(is_beyond_a_tree(&"<div/>".repeat(513), 512));
    }

    #[test]
    fn beyond_a_tree_is_formatting_made_anew_in_every_block() {
        let open = (0..500).map(|n| format!("<b id={n}>")).collect::<Vec<_>>().concat();
        let page = format!("<p>{open}{}", "<p>The harbour of Aveiro reopened. ".repeat(2000));
        assert!(is_beyond_a_tree(&page, DEPTH_MAX + 1));
        assert!(extract(&page, None).expect("read flat").text.contains("Aveiro"));
        assert!(is_beyond_a_tree(&"<p>x".repeat(TREE_ELEMENTS_MAX + 1), DEPTH_MAX));
        let usual = "<p>One <b>two</b> <a href=x><i>three</i></a></p>".repeat(10_000);
        assert!(!is_beyond_a_tree(&usual, DEPTH_MAX));
    }
}
