//! What the head of a page says about its article: meta tags (Open Graph, Dublin Core, plain names),
//! JSON-LD, `<title>`, the canonical link, the language. One pass of the tokenizer, no tree.

use std::cell::RefCell;

use html5ever::tokenizer::states::{Rcdata, ScriptData};
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};
use serde_json::Value;

use crate::text::html;

/// A page's head and first lines; what stands after this is not read for meta data.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// One JSON-LD block.
const JSON_BYTES_MAX: usize = 256 << 10;
/// Articles of one page's data.
const JSON_ARTICLES_MAX: usize = 50;
/// Objects within lists within `@graph`.
const JSON_DEPTH_MAX: usize = 6;

/// What was said, cleaned; nothing is checked.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct PageMeta {
    pub title: Option<String>,
    pub author: Option<String>,
    pub published: Option<String>,
    pub lang: Option<String>,
    pub site: Option<String>,
    pub canonical: Option<String>,
    /// The text, where the data of the page holds it.
    pub body: Option<String>,
}

/// Reads the head of a page.
pub(super) fn read(page: &str, url: Option<&str>) -> PageMeta {
    let head = &page[..page.floor_char_boundary(HEAD_BYTES_MAX)];
    html::run_tokenizer(head, MetaSink(RefCell::new(MetaState::default()))).0.into_inner().finish(url)
}

struct MetaSink(RefCell<MetaState>);

#[derive(Default)]
struct MetaState {
    meta: PageMeta,
    /// Fields by their rank: a better source replaces a worse one.
    ranks: [u8; 6],
    inside: Option<InsideTag>,
    collected: String,
    html_title: String,
    /// Articles that the page's data tell of: its own, and others it links to.
    articles: Vec<serde_json::Map<String, Value>>,
    /// Where the first article has ended, dates are those of others.
    is_past_article: bool,
    articles_open: u32,
    links_open: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InsideTag {
    Title,
    Json,
}

#[derive(Clone, Copy)]
enum MetaField {
    Title,
    Author,
    Published,
    Lang,
    Site,
    Canonical,
}

impl MetaState {
    /// Keeps the value if nothing better was said; equal ranks keep the first.
    fn offer(&mut self, field: MetaField, rank: u8, value: &str) {
        let value = html::plain_inline(value);
        let at = field as usize;
        if value.is_empty() || value.len() > 2000 || self.ranks[at] >= rank {
            return;
        }
        self.ranks[at] = rank;
        let slot = match field {
            MetaField::Title => &mut self.meta.title,
            MetaField::Author => &mut self.meta.author,
            MetaField::Published => &mut self.meta.published,
            MetaField::Lang => &mut self.meta.lang,
            MetaField::Site => &mut self.meta.site,
            MetaField::Canonical => &mut self.meta.canonical,
        };
        *slot = Some(value);
    }

    fn meta_tag(&mut self, tag: &Tag) {
        let Some(content) = attribute(tag, "content") else { return };
        for key in ["property", "name", "itemprop", "http-equiv"].iter().filter_map(|name| attribute(tag, name)) {
            match key.to_ascii_lowercase().as_str() {
                "og:title" => self.offer(MetaField::Title, 4, content),
                "twitter:title" | "dc.title" => self.offer(MetaField::Title, 3, content),
                "author" | "dc.creator" | "parsely-author" | "sailthru.author" => {
                    self.offer(MetaField::Author, 3, content);
                }
                // Open Graph's author is as often a link to a profile.
                "article:author" if !content.starts_with("http") => self.offer(MetaField::Author, 2, content),
                "article:published_time" | "og:published_time" | "datepublished" => {
                    self.offer(MetaField::Published, 4, content);
                }
                "dc.date" | "dc.date.issued" | "dcterms.created" | "parsely-pub-date" | "pubdate" | "publishdate"
                | "publish-date" | "publish_date" | "date" | "sailthru.date" | "article.published" => {
                    self.offer(MetaField::Published, 3, content);
                }
                "og:site_name" | "application-name" => self.offer(MetaField::Site, 3, content),
                "og:url" => self.offer(MetaField::Canonical, 2, content),
                "content-language" | "og:locale" => self.offer(MetaField::Lang, 1, content),
                _ => {}
            }
        }
    }

    fn json(&mut self, text: &str) {
        if text.len() > JSON_BYTES_MAX {
            return;
        }
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            self.json_value(&value, 0);
        }
    }

    fn json_value(&mut self, value: &Value, depth: usize) {
        if depth > JSON_DEPTH_MAX {
            return;
        }
        match value {
            Value::Array(values) => values.iter().take(100).for_each(|v| self.json_value(v, depth + 1)),
            Value::Object(object) => {
                if let Some(graph) = object.get("@graph") {
                    self.json_value(graph, depth + 1);
                }
                if is_article(object.get("@type")) && self.articles.len() < JSON_ARTICLES_MAX {
                    self.articles.push(object.clone());
                }
            }
            _ => {}
        }
    }

    fn json_article(&mut self, object: &serde_json::Map<String, Value>) {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        if let Some(headline) = text("headline") {
            self.offer(MetaField::Title, 5, headline);
        }
        if let Some(date) = text("datePublished").or_else(|| text("dateCreated")) {
            self.offer(MetaField::Published, 5, date);
        }
        self.meta.body = text("articleBody").map(str::to_owned);
        if let Some(lang) = text("inLanguage") {
            self.offer(MetaField::Lang, 2, lang);
        }
        if let Some(authors) = object.get("author") {
            self.offer(MetaField::Author, 4, &names(authors).join(", "));
        }
        if let Some(publisher) = object.get("publisher") {
            self.offer(MetaField::Site, 2, &names(publisher).join(", "));
        }
    }

    /// Of several articles that of this page: by its address, else by its title.
    fn own_article(&mut self, url: Option<&str>) -> Option<serde_json::Map<String, Value>> {
        let place = self.meta.canonical.as_deref().or(url).map(address);
        let at_place = |article: &serde_json::Map<String, Value>| {
            let place = place.as_deref()?;
            let told: Vec<String> = addresses(article).iter().map(|told| address(told)).collect();
            (!told.is_empty()).then(|| told.iter().any(|told| told == place))
        };
        let title = self.meta.title.clone().unwrap_or_else(|| html::plain_inline(&self.html_title)).to_lowercase();
        let is_titled = |article: &serde_json::Map<String, Value>| {
            let headline = article.get("headline").and_then(Value::as_str).unwrap_or_default().trim().to_lowercase();
            !headline.is_empty() && (title.contains(&headline) || headline.contains(&title) && !title.is_empty())
        };
        let articles = std::mem::take(&mut self.articles);
        let best = articles.iter().position(|article| at_place(article) == Some(true));
        let best = best.or_else(|| articles.iter().position(is_titled));
        // The only one is the page's, unless it says that it is elsewhere and is called otherwise.
        let only = || (articles.len() == 1 && (at_place(&articles[0]) != Some(false) || title.is_empty())).then_some(0);
        let first = || articles.iter().position(|article| addresses(article).is_empty());
        let at = best.or_else(only).or_else(first)?;
        articles.into_iter().nth(at)
    }

    fn finish(mut self, url: Option<&str>) -> PageMeta {
        if let Some(article) = self.own_article(url) {
            self.json_article(&article);
        }
        let title = std::mem::take(&mut self.html_title);
        self.offer(MetaField::Title, 1, &title);
        self.meta
    }
}

/// Where an article of the page's data says that it is.
fn addresses(article: &serde_json::Map<String, Value>) -> Vec<String> {
    let of = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => object.get("@id").or(object.get("url")).and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let told = ["url", "mainEntityOfPage", "@id"].iter().filter_map(|key| of(article.get(*key)?));
    told.filter(|told| told.contains('/')).collect()
}

/// An address for comparing: without scheme, `www.`, query and fragment.
fn address(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let bare = bare.split_once("//").map_or(bare, |(_, rest)| rest);
    bare.trim_start_matches("www.").trim_end_matches('/').to_lowercase()
}

/// Names of a person, an organisation, or a list of them.
fn names(value: &Value) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Object(object) => object.get("name").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().take(10).filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

fn is_article(kind: Option<&Value>) -> bool {
    let names_article = |kind: &Value| {
        kind.as_str().is_some_and(|k| {
            k.ends_with("Article") || k.ends_with("Posting") || k == "Report" || k == "LiveBlogPosting"
        })
    };
    match kind {
        Some(Value::Array(kinds)) => kinds.iter().any(names_article),
        Some(kind) => names_article(kind),
        None => false,
    }
}

fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t str> {
    tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| a.value.trim()).filter(|value| !value.is_empty())
}

impl TokenSink for MetaSink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return start(&tag, &mut state),
            Token::TagToken(tag) => end(&tag, &mut state),
            Token::CharacterTokens(text) if state.inside.is_some() && state.collected.len() <= JSON_BYTES_MAX => {
                state.collected.push_str(&text);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn start(tag: &Tag, state: &mut MetaState) -> TokenSinkResult<()> {
    match &*tag.name {
        "html" => {
            if let Some(lang) = attribute(tag, "lang").or_else(|| attribute(tag, "xml:lang")) {
                state.offer(MetaField::Lang, 3, lang);
            }
        }
        "meta" => state.meta_tag(tag),
        "link" if attribute(tag, "rel").is_some_and(|rel| rel.eq_ignore_ascii_case("canonical")) => {
            if let Some(link) = attribute(tag, "href") {
                state.offer(MetaField::Canonical, 3, link);
            }
        }
        "article" => {
            state.articles_open += 1;
            state.is_past_article |= state.articles_open > 1;
        }
        "aside" | "footer" => state.is_past_article = true,
        "a" => state.links_open += 1,
        // A date on a link is that of what it leads to.
        "time" if state.is_past_article || state.links_open > 0 => {}
        "time" if attribute(tag, "pubdate").is_some() || attribute(tag, "itemprop") == Some("datePublished") => {
            if let Some(date) = attribute(tag, "datetime") {
                state.offer(MetaField::Published, 2, date);
            }
        }
        "time" => {
            if let Some(date) = attribute(tag, "datetime") {
                state.offer(MetaField::Published, 1, date);
            }
        }
        "title" if state.html_title.is_empty() => {
            (state.inside, state.collected) = (Some(InsideTag::Title), String::new());
            return TokenSinkResult::RawData(Rcdata);
        }
        "script" => {
            let is_json = attribute(tag, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("application/ld+json"));
            (state.inside, state.collected) = (is_json.then_some(InsideTag::Json), String::new());
            return TokenSinkResult::RawData(ScriptData);
        }
        _ => {}
    }
    TokenSinkResult::Continue
}

fn end(tag: &Tag, state: &mut MetaState) {
    match &*tag.name {
        "article" => {
            state.articles_open = state.articles_open.saturating_sub(1);
            state.is_past_article = true;
        }
        "main" => state.is_past_article = true,
        "a" => state.links_open = state.links_open.saturating_sub(1),
        _ => {}
    }
    match (state.inside, &*tag.name) {
        (Some(InsideTag::Title), "title") => state.html_title = std::mem::take(&mut state.collected),
        (Some(InsideTag::Json), "script") => {
            let text = std::mem::take(&mut state.collected);
            state.json(&text);
        }
        _ => return,
    }
    state.inside = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_json_ld_before_meta_before_title() {
        let page = r#"<html><head><title>Worst &amp; last</title><meta property="og:title" content="Better">
            <script type="application/ld+json">{"@graph":[{"@type":"WebSite","name":"x"},
            {"@type":["NewsArticle"],"headline":"Best","datePublished":"2025-03-17T08:02:11Z","inLanguage":"uk",
            "author":[{"@type":"Person","name":"A. Example"},{"name":"B. Example"}],"publisher":{"name":"Tidewatch"}}]}</script>"#;
        let meta = read(page, None);
        assert_eq!(meta.title.as_deref(), Some("Best"));
        assert_eq!(meta.author.as_deref(), Some("A. Example, B. Example"));
        assert_eq!(meta.published.as_deref(), Some("2025-03-17T08:02:11Z"));
        assert_eq!(meta.site.as_deref(), Some("Tidewatch"));
        assert_eq!(meta.lang.as_deref(), Some("uk"));
        assert_eq!(read("<title>Worst &amp; last</title>", None).title.as_deref(), Some("Worst & last"));
    }

    #[test]
    fn read_of_several_articles_that_of_this_page() {
        let article = |url: &str, headline: &str, day: u8| {
            format!(
                r#"{{"@type":"NewsArticle","url":"{url}","headline":"{headline}","datePublished":"2031-03-{day:02}"}}"#
            )
        };
        let (other, own) = (
            article("https://port.example/1", "Old pier closes", 1),
            article("https://port.example/2", "New pier opens", 2),
        );
        let page =
            format!("<title>New pier opens | Port</title><script type='application/ld+json'>[{other},{own}]</script>");
        for url in [None, Some("http://www.port.example/2?x=1")] {
            assert_eq!(read(&page, url).published.as_deref(), Some("2031-03-02"), "{url:?}");
        }
        let stranger = format!(
            "<title>New pier opens</title><link rel=canonical href='https://port.example/2'><script type='application/ld+json'>{other}</script>"
        );
        assert_eq!(read(&stranger, None).published, None);
    }

    #[test]
    fn read_dates_of_other_articles_are_not_this_one_s() {
        let own = "<article><h1>Pier</h1><time datetime='2031-03-02'>2 March</time></article>";
        let other = "<section><article><h4>Old</h4><time datetime='2019-03-01'>1 March</time></article></section>";
        assert_eq!(read(&format!("{own}{other}"), None).published.as_deref(), Some("2031-03-02"));
        assert_eq!(read(&format!("<article><h1>Pier</h1></article>{other}"), None).published, None);
        assert_eq!(
            read("<h1>Pier</h1><a href=/x><time datetime='2019-03-01'>1 March</time></a>", None).published,
            None
        );
    }

    #[test]
    fn read_broken_or_foreign_data_says_nothing() {
        for page in [
            "<script type='application/ld+json'>{broken</script>",
            "<script type='application/ld+json'>[[[[[[[[[[{\"@type\":\"NewsArticle\",\"headline\":\"x\"}]]]]]]]]]]</script>",
            "<meta name=author><meta content=x><link rel=canonical>",
            "<script type='application/ld+json'>{\"@type\":\"Recipe\",\"headline\":\"x\"}</script>",
            "",
        ] {
            assert_eq!(read(page, None), PageMeta::default(), "{page}");
        }
    }
}
