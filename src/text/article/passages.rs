//! What readability takes for the article against what stands around the headline: notices about cookies go before it
//! looks; a lead, sections and paragraphs that are links as a whole come back; a short statement stands where only some
//! other box was found. Works on the tree, so pages nested too deeply never come here.

use std::collections::HashMap;

use dom_query::{Document, NodeId, NodeRef};

use crate::text::html;

/// A shorter text that was found may be that of some box.
const FOUND_BYTES_MIN: usize = 400;
/// A paragraph of fewer words is a label.
const PARAGRAPH_WORDS_MIN: usize = 5;
/// One that comes back into a text that was found has at least these.
const MISSED_WORDS_MIN: usize = 12;
/// A box that says a word of consent once in so many words is about that.
const WORDS_PER_CONSENT: usize = 30;
/// The same for one whose name says so.
const NAMED_WORDS_PER_CONSENT: usize = 400;
/// Nodes looked at.
const NODES_MAX: usize = 50_000;
/// Boxes, and buttons, looked at.
const BOXES_MAX: usize = 50;
/// A longer box is no notice.
const BOX_BYTES_MAX: usize = 16 << 10;
/// How far within a notice its buttons are.
const BUTTON_DEPTH_MAX: usize = 6;
/// Paragraphs, and links, looked at.
const PARAGRAPHS_MAX: usize = 1000;
/// How far within its part of the page the main heading is.
const HEADING_DEPTH_MAX: usize = 20;

/// Names of boxes that ask for consent.
const CONSENT_NAMES: [&str; 14] = [
    "cookie",
    "consent",
    "gdpr",
    "onetrust",
    "didomi",
    "usercentrics",
    "cmpbox",
    "cmp-",
    "privacy-banner",
    "ccpa",
    "tcf-",
    "cc-window",
    "cc-banner",
    "qc-cmp",
];

/// Words of notices that ask for consent.
const CONSENT_WORDS: [&str; 16] = [
    "cookie",
    "consent",
    "einwilligung",
    "datenschutz",
    "consentement",
    "consentimiento",
    "consentimento",
    "consenso",
    "privacybeleid",
    "согласие",
    "куки",
    "файли cookie",
    "zgod",
    "samtyck",
    "vendors",
    "legitimate interest",
];

/// Names of boxes that belong to the site, not to the article.
const SIDE_NAMES: [&str; 30] = [
    "comment",
    "related",
    "recommend",
    "newsletter",
    "promo",
    "sidebar",
    "share",
    "social",
    "tag-list",
    "author-bio",
    "footer",
    "paywall",
    "subscribe",
    "advert",
    "sponsor",
    "caption",
    "credit",
    "copyright",
    "disqus",
    "most-read",
    "mostread",
    "read-more",
    "readmore",
    "more-on",
    "teaser",
    "breadcrumb",
    "menu",
    "popup",
    "modal",
    "signup",
];

/// A page as a tree, without what asks for consent.
pub(super) struct PageTree {
    pub document: Document,
    pub passages: Vec<Passage>,
}

/// A paragraph near the headline.
pub(super) struct Passage {
    text: String,
    words: usize,
    /// It is in the part of the page that its main heading opens.
    is_near: bool,
}

impl PageTree {
    /// Makes a tree of a page.
    pub(super) fn of(page: &str) -> Self {
        let document = Document::from(page);
        // A note on each blemish of the page, which nobody reads.
        document.errors.take();
        remove_consent(&document);
        unwrap_linked_paragraphs(&document);
        let passages = passages(&document);
        Self { document, passages }
    }

    /// The whole page as text.
    pub(super) fn flat(&self) -> String {
        html::to_text(&self.document.html())
    }
}

/// The text that was found, with what it misses of the article; the statement below the headline where nothing of that
/// was found.
pub(super) fn completed(passages: &[Passage], found: &str) -> String {
    let folded = folded(found);
    let is_found = |passage: &Passage| folded.contains(&self::folded(&passage.text));
    let near: Vec<&Passage> = passages.iter().filter(|passage| passage.is_near).collect();
    let Some(last) = near.iter().rposition(|passage| is_found(passage)) else {
        let words: usize = near.iter().map(|passage| passage.words).sum();
        let statement = near.iter().map(|passage| passage.text.as_str()).collect::<Vec<_>>().join("\n");
        // A longer text that is no notice is the article, and the heading that of the site.
        let is_missed = found.len() < FOUND_BYTES_MIN || speaks_of_consent(found, WORDS_PER_CONSENT);
        return if is_missed && words >= 2 * PARAGRAPH_WORDS_MIN { statement } else { found.to_owned() };
    };
    let mut lines: Vec<String> = found.lines().map(str::to_owned).collect();
    let mut behind = 0;
    for passage in &near[..last] {
        let key = self::folded(&passage.text);
        let place = lines.iter().skip(behind).position(|line| self::folded(line).contains(&key));
        if let Some(place) = place {
            behind += place + 1;
        } else if passage.words >= MISSED_WORDS_MIN && !is_found(passage) {
            lines.insert(behind, passage.text.clone());
            behind += 1;
        }
    }
    lines.join("\n")
}

/// Letters and digits alone: markup and spaces differ between two ways of reading.
fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn name_of(node: &NodeRef) -> String {
    node.node_name().map(|name| name.to_ascii_lowercase()).unwrap_or_default()
}

/// Class and id of an element, in lower case.
fn marks_of(node: &NodeRef) -> String {
    let class = node.attr("class").unwrap_or_default();
    let id = node.attr("id").unwrap_or_default();
    format!("{class} {id}").to_ascii_lowercase()
}

/// Takes out boxes that ask for consent: by their names, or because they have a button and speak of little else.
fn remove_consent(document: &Document) {
    let root = document.root();
    let nodes = || root.descendants_it().take(NODES_MAX);
    let is_named = |node: &NodeRef| {
        let marks = marks_of(node);
        CONSENT_NAMES.iter().any(|name| marks.contains(name))
    };
    let named: Vec<NodeRef> = nodes().filter(|node| is_box(node) && is_named(node)).take(BOXES_MAX).collect();
    let buttons: Vec<NodeRef> = nodes().filter(is_button).take(BOXES_MAX).collect();
    for node in named {
        let text = node.text();
        if text.len() <= BOX_BYTES_MAX && speaks_of_consent(&text, NAMED_WORDS_PER_CONSENT) && !holds_article(&node) {
            node.remove_from_parent();
        }
    }
    for button in buttons {
        let boxes = button.ancestors_it(Some(BUTTON_DEPTH_MAX)).collect::<Vec<_>>();
        let small = boxes.iter().take_while(|node| node.text().len() <= BOX_BYTES_MAX);
        let asks = |node: &&NodeRef| {
            is_box(node) && speaks_of_consent(&node.text(), WORDS_PER_CONSENT) && !holds_article(node)
        };
        if let Some(node) = small.filter(asks).last() {
            node.remove_from_parent();
        }
    }
}

/// Some write about consent, too: what holds a main heading or an article is no notice.
fn holds_article(node: &NodeRef) -> bool {
    let is = |node: &NodeRef| matches!(name_of(node).as_str(), "h1" | "article" | "main");
    is(node) || node.descendants_it().any(|inner| is(&inner))
}

fn is_box(node: &NodeRef) -> bool {
    matches!(name_of(node).as_str(), "div" | "section" | "aside" | "dialog" | "form" | "footer" | "header")
}

fn is_button(node: &NodeRef) -> bool {
    node.has_name("button") || node.has_name("input") || node.attr("role").is_some_and(|role| &*role == "button")
}

/// Whether one word of consent comes in so many words, and more than once.
fn speaks_of_consent(text: &str, words_per_one: usize) -> bool {
    let lower = text.to_lowercase();
    let said: usize = CONSENT_WORDS.iter().map(|word| lower.matches(word).count()).sum();
    said >= 2 && said * words_per_one >= lower.split_whitespace().count()
}

/// The elements of a page with whether they stand in a part of it that is not the article's.
fn elements(document: &Document) -> Vec<(NodeRef<'_>, bool)> {
    let mut aside: HashMap<NodeId, bool> = HashMap::new();
    let mut out = Vec::new();
    for node in document.root().descendants_it().take(NODES_MAX).filter(NodeRef::is_element) {
        let outer = node.parent().and_then(|parent| aside.get(&parent.id).copied()).unwrap_or(false);
        let name = name_of(&node);
        let is_aside = outer
            || matches!(
                name.as_str(),
                "nav" | "aside" | "footer" | "figure" | "figcaption" | "form" | "button" | "table"
            )
            || is_box(&node) && {
                let marks = marks_of(&node);
                SIDE_NAMES.iter().any(|name| marks.contains(name))
            };
        aside.insert(node.id, is_aside);
        out.push((node, is_aside));
    }
    out
}

/// A paragraph that is a link from end to end is read as one that is none.
fn unwrap_linked_paragraphs(document: &Document) {
    let links = elements(document).into_iter().filter(|(node, aside)| !aside && node.has_name("a"));
    for (link, _) in links.take(PARAGRAPHS_MAX).collect::<Vec<_>>() {
        let text = link.text();
        let paragraph = link.ancestors_it(Some(4)).find(|node| node.has_name("p"));
        let whole = paragraph.is_some_and(|paragraph| paragraph.text().trim() == text.trim());
        if whole && text.split_whitespace().count() >= MISSED_WORDS_MIN {
            // Takes the link away and leaves what is in it.
            if let Some(child) = link.first_child() {
                child.unwrap_node();
            }
        }
    }
}

/// The paragraphs of a page, and which of them stand in the part that its main heading opens.
fn passages(document: &Document) -> Vec<Passage> {
    let elements = elements(document);
    let mut headings = elements.iter().map(|(node, _)| node).filter(|node| node.has_name("h1"));
    // Of two main headings nobody knows which is the article's.
    let heading = headings.next().filter(|_| headings.next().is_none());
    let paragraphs: Vec<(&NodeRef, String)> = elements
        .iter()
        .filter(|(node, aside)| !aside && node.has_name("p"))
        .take(PARAGRAPHS_MAX)
        .map(|(node, _)| (node, html::inline(&node.inner_html())))
        .filter(|(_, text)| text.split_whitespace().count() >= PARAGRAPH_WORDS_MIN)
        .collect();
    let place = heading.and_then(|heading| {
        heading.ancestors_it(Some(HEADING_DEPTH_MAX)).find(|outer| {
            !matches!(name_of(outer).as_str(), "body" | "html" | "" | "header")
                && paragraphs.iter().any(|(node, _)| is_within(node, outer))
        })
    });
    let within = |node: &NodeRef| place.as_ref().is_some_and(|place| is_within(node, place));
    let passage = |(node, text): (&NodeRef, String)| Passage {
        words: text.split_whitespace().count(),
        is_near: within(node),
        text,
    };
    paragraphs.into_iter().map(passage).collect()
}

fn is_within(node: &NodeRef, outer: &NodeRef) -> bool {
    node.ancestors_it(None).any(|ancestor| ancestor.id == outer.id)
}

#[cfg(test)]
mod tests {
    use super::super::extract;

    const LONG: [&str; 5] = [
        "The harbour of Aveiro reopened on Monday after three days of storm, the port office said in the morning, and pilots went out.",
        "Two ferries left at nine with four hundred people on board, and six freighters waited outside for a pilot to come.",
        "The next storm is expected on Friday, and the office asked captains to call in before they set out to sea again.",
        "Fishermen said that they had lost nets and pots, and asked the ministry in Lisbon for help before the season begins.",
        "A spokesman said that the eastern mole had held, though waves had gone over it for the first time in eleven years.",
    ];

    fn text(body: &str) -> String {
        let page = format!(
            "<!doctype html><html><head><title>Harbour | Tidewatch</title></head><body><nav><a href=/>Home</a></nav>{body}<footer><p>Imprint, privacy, contact and all of the rest</p></footer></body></html>"
        );
        extract(&page, None).map(|article| article.text).unwrap_or_default()
    }

    fn paragraphs(texts: &[&str]) -> String {
        texts.iter().flat_map(|text| ["<p>", text, "</p>"]).collect()
    }

    #[test]
    fn short_statement_stands_beside_a_long_notice_about_cookies() {
        let notice = "<p>We use cookies to make this site work, to remember your settings and to see how visitors use it, so that it gets better.</p>".repeat(6);
        let statement = "<h1>Statement on the harbour</h1><p>The harbour of Aveiro is open again.</p><p>More will be said on Monday.</p>";
        for (class, place) in [("cookie-consent", "article"), ("panel", "div"), ("x", "main")] {
            let found = text(&format!(
                "<div class='{class}'><h2>Cookies</h2>{notice}<button>Accept</button></div><{place}>{statement}</{place}>"
            ));
            assert!(found.contains("is open again") && found.contains("on Monday"), "{class}: {found}");
            assert!(!found.contains("remember your settings"), "{class}: {found}");
        }
    }

    #[test]
    fn article_about_cookies_is_an_article() {
        let about = "<p>The court said that a cookie needs consent, and that consent to a cookie is not given by scrolling on through a page of news.</p>".repeat(4);
        let found = text(&format!("<article class='cookie-ruling'><h1>Court rules on cookies</h1>{about}</article>"));
        assert!(found.contains("The court said"), "{found}");
    }

    #[test]
    fn sections_leads_and_linked_paragraphs_come_back_in_their_order() {
        let section = |text: &str| {
            format!(
                "<div class=c><div class=d><div class=e>{text}</div></div></div><aside><p>Advertisement of many words that go on for long</p></aside>"
            )
        };
        let sections = format!(
            "<main><h1>Harbour</h1>{}{}</main>",
            section(&paragraphs(&LONG[..1])),
            section(&paragraphs(&LONG[1..]))
        );
        let lead = format!(
            "<main><h1>Harbour</h1><div class=lead><p>{}</p></div><div class=body>{}</div></main>",
            LONG[0],
            paragraphs(&LONG[1..])
        );
        let linked = format!(
            "<article><h1>Harbour</h1><p>{}</p><div><p><a href=/x><strong>{}</strong></a></p></div>{}</article>",
            LONG[0],
            LONG[1],
            paragraphs(&LONG[2..])
        );
        for page in [sections, lead, linked] {
            let found = text(&page);
            let places: Vec<_> = LONG.iter().map(|text| found.find(&text[..40])).collect();
            assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {found}");
            assert!(!found.contains("Advertisement"), "{found}");
        }
    }

    #[test]
    fn heading_of_the_site_replaces_no_article() {
        let top = "<div class=top><h1>Tidewatch</h1><p>All the news of the harbour and of the sea, every single day of the year.</p></div>";
        let found = text(&format!("{top}<div class=story><h2>Harbour</h2>{}</div>", paragraphs(&LONG)));
        assert!(found.contains("Two ferries left") && found.contains("eastern mole"), "{found}");
    }

    #[test]
    fn what_belongs_to_the_site_does_not_come_back() {
        let side = "<div class='related-stories'><p>Another story of many words that has nothing to do with the harbour of Aveiro at all</p></div>";
        let found = text(&format!("<main><h1>Harbour</h1>{side}<article>{}</article></main>", paragraphs(&LONG)));
        assert!(!found.contains("Another story"), "{found}");
    }
}
