//! A payload as people read it, in the order in which they need it: what happened, who says so and when, the
//! sentence that speaks most for it, what is new since the last time, the story it belongs to, topics and
//! severity in words, and one line of small print. No points, and no ids but the alert's number. Every text is
//! raw: each format escapes and cuts for itself.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::words::{self, list_of, text_of};
use crate::model::Severity;
use crate::text::counted;

/// Outlets named before the rest is counted.
const OUTLETS_MAX: usize = 4;
/// Things that are new, named in one alert.
const NEWS_MAX: usize = 5;
/// Further headlines shown with a story that grew.
const HEADLINES_MAX: usize = 2;
/// Topics named before the rest is counted.
const TOPICS_MAX: usize = 5;
/// Longest sentence shown; payloads of ours have shorter ones.
pub const PASSAGE_CHARS_MAX: usize = 400;
/// Alerts of a digest that are looked at.
const ENTRIES_MAX: usize = 100;

/// One alert for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The payload's type.
    pub kind: String,
    /// How loud.
    pub severity: Severity,
    /// What happened: the headline of the item that raised it, or what an operational message says.
    pub headline: String,
    /// Checked: http or https, without characters that end a link in any markup.
    pub url: Option<String>,
    /// `Gazette · today 09:40`; empty where no item stands behind it.
    pub byline: String,
    /// The sentence that brought most points, whole; or the details of an operational message.
    pub passage: String,
    /// What is new since the endpoint was last told, a line each.
    pub news: Vec<String>,
    /// How others put it, where a story grew.
    pub headlines: Vec<LinkedHeadline>,
    /// `Story: Town council approves … · 4 outlets since today 07:10`.
    pub story: String,
    /// `High · Harbour works, Ports`.
    pub subject: String,
    /// When it was decided, RFC 3339.
    pub at: String,
    /// The small print: the alert's number.
    pub foot: String,
    /// The stories of a digest, the most severe first.
    pub entries: Vec<StoryEntry>,
    /// Alerts of a digest whose stories are not listed.
    pub omitted: u64,
    /// The alert's number; 0 where it has none yet.
    sequence: u64,
}

/// A headline with its link, where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedHeadline {
    /// The headline.
    pub title: String,
    /// Who put it so.
    pub outlet: String,
    /// Checked, as for [`Message::url`].
    pub url: Option<String>,
}

/// One story of a digest, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryEntry {
    /// Its loudest alert.
    pub severity: Severity,
    /// The headline of the item that was last told.
    pub title: String,
    /// Checked, as for [`Message::url`].
    pub url: Option<String>,
    /// `Gazette · today 09:40 · High · Harbour works · 3 outlets`.
    pub note: String,
}

impl Message {
    /// Reads a payload of any type; what is missing stays empty. Times are told as the clocks of `zone` show them.
    #[must_use]
    pub fn of(payload: &Value, zone: &TimeZone) -> Self {
        let clock = words::WallClock::of(payload, zone);
        let mut message =
            if ["/data/item", "/data/story"].iter().any(|part| payload.pointer(part).is_some_and(Value::is_object)) {
                Self::of_item(payload, &clock)
            } else {
                Self::of_notice(payload)
            };
        message.entries = entries(payload, &clock);
        message.omitted = words::count(payload, "/data/omitted");
        message
    }

    /// About an item of a story.
    fn of_item(payload: &Value, clock: &words::WallClock<'_>) -> Self {
        let data = &payload["data"];
        let base = Self::of_notice(payload);
        let headline = words::first(data, &["/item/title", "/story/title"]);
        let passage = passage(data, &headline);
        Self {
            headline: announced(&base.kind, headline.clone()),
            url: words::link(&text_of(data, "/item/url")),
            byline: byline(&data["item"], clock),
            passage,
            news: news(payload),
            headlines: headlines(data),
            story: story(data, &headline, clock),
            subject: subject(base.severity, data),
            ..base
        }
    }

    /// About anything else: an endpoint, a source, a test, a digest.
    fn of_notice(payload: &Value) -> Self {
        let kind = text_of(payload, "/type");
        let severity = words::severity(&text_of(payload, "/data/alert/severity"));
        Self {
            severity,
            headline: words::first(payload, &["/data/summary", "/data/source/id", "/data/endpoint/id", "/type"]),
            url: None,
            byline: String::new(),
            passage: words::first(payload, &["/data/detail", "/data/error"]),
            news: Vec::new(),
            headlines: Vec::new(),
            story: String::new(),
            subject: about(&kind, severity).to_owned(),
            at: text_of(payload, "/timestamp"),
            foot: foot(payload),
            entries: Vec::new(),
            omitted: 0,
            sequence: words::count(payload, "/data/alert/sequence"),
            kind,
        }
    }

    /// One line for a notification: the headline, and who says so.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.byline.is_empty() { self.headline.clone() } else { format!("{} — {}", self.headline, self.byline) }
    }

    /// What a digest of which so many stories are shown leaves out, and where that is: no list ends in silence.
    #[must_use]
    pub fn more(&self, shown: usize) -> Option<String> {
        let hidden = self.entries.len().saturating_sub(shown) as u64;
        let place = match self.sequence {
            0 => String::new(),
            number => format!(": wirewatch alerts show {number}"),
        };
        let stories = (hidden > 0).then(|| format!("and {}{place}", counted(hidden, "more story")));
        let follow = if self.omitted == 1 { "follows" } else { "follow" };
        let alerts =
            (self.omitted > 0).then(|| format!("{} {follow} in another message", counted(self.omitted, "alert")));
        let parts: Vec<String> = stories.into_iter().chain(alerts).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Everything under headline and byline, a paragraph each, in order; links and the digest left out.
    #[must_use]
    pub fn paragraphs(&self) -> Vec<String> {
        let mut out = vec![self.passage.clone()];
        out.extend(self.news.iter().cloned());
        out.push(self.story.clone());
        out.push(self.subject.clone());
        out.retain(|paragraph| !paragraph.trim().is_empty());
        out
    }
}

/// A correction says so before anything else.
fn announced(kind: &str, headline: String) -> String {
    let word = match kind {
        "item.corrected" => "Corrected",
        "item.withdrawn" => "Withdrawn",
        _ => return headline,
    };
    let says_so = headline.to_lowercase().starts_with(&word.to_lowercase()[..7]);
    if says_so { headline } else { format!("{word}: {headline}") }
}

/// `Gazette (gazette-local) · today 09:40`
fn byline(item: &Value, clock: &words::WallClock<'_>) -> String {
    let outlet = words::first(item, &["/publisher", "/outlet"]);
    let source = text_of(item, "/source");
    let other = |name: &str| words::plain_name(name) != words::plain_name(&source);
    let differs = !source.is_empty() && other(&outlet) && other(&text_of(item, "/outlet"));
    let name = match (outlet.is_empty(), differs) {
        (true, _) => source,
        (false, true) => format!("{outlet} ({source})"),
        (false, false) => outlet,
    };
    let when = clock.of_item(item);
    [name, when].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// The sentence whose evidence brought most points together. Words of the headline are not said twice; where
/// nothing else hit, the text begins.
fn passage(data: &Value, headline: &str) -> String {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for hit in list_of(data, "/evidence") {
        let passage = text_of(hit, "/passage");
        let points = hit.pointer("/points").and_then(Value::as_f64).unwrap_or(0.0);
        if text_of(hit, "/field") != "body" || passage.trim().is_empty() || points <= 0.0 {
            continue;
        }
        match sums.iter_mut().find(|(known, _)| *known == passage) {
            Some((_, sum)) => *sum += points,
            None => sums.push((passage, points)),
        }
    }
    // Of two that brought as much, the first: evidence stands best first.
    let best = sums.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
    let found = best.map_or_else(|| text_of(data, "/item/excerpt"), |(passage, _)| passage);
    let said = words::plain_name(headline);
    if words::plain_name(&found) == said {
        String::new()
    } else {
        crate::text::clean::excerpt(&found, PASSAGE_CHARS_MAX)
    }
}

/// What is new since the last time, by the reason of the alert.
fn news(payload: &Value) -> Vec<String> {
    let data = &payload["data"];
    let mut lines = Vec::new();
    match text_of(data, "/alert/reason").as_str() {
        "topic" => {
            let new: Vec<String> = topics(data).into_iter().filter(|(_, new)| *new).map(|(label, _)| label).collect();
            if !new.is_empty() {
                lines.push(format!("Now also about {}", words::joined(&new, TOPICS_MAX)));
            }
        }
        "severity" => lines.push(format!("Now {}", text_of(data, "/alert/severity"))),
        "revision" => lines.push("The article was edited".to_owned()),
        "correction" | "withdrawal" => lines.push("This replaces what was told before".to_owned()),
        _ => {}
    }
    for news in list_of(data, "/new").iter().take(NEWS_MAX) {
        let (text, was) = (text_of(news, "/text"), text_of(news, "/was"));
        let word = if text_of(news, "/kind") == "headline" { "Headline now" } else { "New" };
        match (text.trim().is_empty(), was.trim().is_empty()) {
            (true, true) => {}
            (true, false) => lines.push(format!("No longer said: {was}")),
            (false, true) => lines.push(format!("{word}: {text}")),
            (false, false) => lines.push(format!("{word}: {text} (was: {was})")),
        }
    }
    let grown: Vec<String> =
        list_of(data, "/growth/outlets").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if !grown.is_empty() {
        let more = if grown.len() == 1 { "1 more outlet".to_owned() } else { format!("{} more outlets", grown.len()) };
        lines.push(format!("{more}: {}", words::joined(&grown, OUTLETS_MAX)));
    }
    lines
}

fn headlines(data: &Value) -> Vec<LinkedHeadline> {
    let one = |found: &Value| LinkedHeadline {
        title: text_of(found, "/title"),
        outlet: text_of(found, "/outlet"),
        url: words::link(&text_of(found, "/url")),
    };
    let all = list_of(data, "/growth/headlines").iter().map(one);
    all.filter(|headline| !headline.title.trim().is_empty()).take(HEADLINES_MAX).collect()
}

/// `Story: … · 4 outlets since today 07:10`; without the headline where it is the same, and nothing where that
/// leaves nothing to say.
fn story(data: &Value, headline: &str, clock: &words::WallClock<'_>) -> String {
    let story = &data["story"];
    let (title, outlets) = (text_of(story, "/title"), words::count(story, "/outlets_total"));
    let since = clock.at(&text_of(story, "/first_seen"));
    let carried = match outlets {
        0 => String::new(),
        _ if since.is_empty() => counted(outlets, "outlet"),
        _ => format!("{} since {since}", counted(outlets, "outlet")),
    };
    let other = !title.trim().is_empty() && words::plain_name(&title) != words::plain_name(headline);
    let also = list_of(story, "/related").first().map(|related| text_of(related, "/title")).unwrap_or_default();
    let mut parts = Vec::new();
    if other {
        parts.push(format!("Story: {title}"));
    }
    if !carried.is_empty() && (other || outlets > 1) {
        parts.push(carried);
    }
    if !also.trim().is_empty() {
        parts.push(format!("see also: {also}"));
    }
    parts.join(" · ")
}

/// Labels, and whether they were not told before.
fn topics(data: &Value) -> Vec<(String, bool)> {
    let one = |topic: &Value| (words::first(topic, &["/label", "/id"]), topic["new"].as_bool().unwrap_or(false));
    list_of(data, "/topics").iter().map(one).filter(|(label, _)| !label.trim().is_empty()).collect()
}

/// `High · Harbour works, Ports`
fn subject(severity: Severity, data: &Value) -> String {
    let labels: Vec<String> = topics(data).into_iter().map(|(label, _)| label).collect();
    let severity = words::severity_word(severity);
    if labels.is_empty() {
        severity.to_owned()
    } else {
        format!("{severity} · {}", words::joined(&labels, TOPICS_MAX))
    }
}

/// What kind of message this is, where it is about no story.
fn about(kind: &str, severity: Severity) -> &'static str {
    match kind.split('.').next() {
        Some("source") => "About a source",
        Some("endpoint") if kind == "endpoint.test" => "A test",
        Some("endpoint") => "About an endpoint",
        Some("alerts") => "",
        _ => words::severity_word(severity),
    }
}

fn foot(payload: &Value) -> String {
    match words::count(payload, "/data/alert/sequence") {
        0 => "wirewatch".to_owned(),
        sequence => match words::link(&text_of(payload, "/data/alert/page")) {
            Some(page) => format!("wirewatch · alert {sequence} · why: {page}"),
            None => format!("wirewatch · alert {sequence}"),
        },
    }
}

/// Each story once, with what was told of it last; the most severe first.
fn entries(payload: &Value, clock: &words::WallClock<'_>) -> Vec<StoryEntry> {
    let mut newest: Vec<(&Value, Severity)> = Vec::new();
    for entry in list_of(payload, "/data/entries").iter().take(ENTRIES_MAX) {
        let severity = words::severity(&text_of(entry, "/alert/severity"));
        let story = entry.pointer("/story/id").filter(|id| id.is_string());
        let known = newest.iter_mut().find(|(known, _)| story.is_some() && known.pointer("/story/id") == story);
        match known {
            Some(known) => *known = (entry, known.1.max(severity)),
            None => newest.push((entry, severity)),
        }
    }
    newest.sort_by_key(|(_, severity)| std::cmp::Reverse(*severity));
    newest.into_iter().map(|(entry, severity)| story_entry(entry, severity, clock)).collect()
}

fn story_entry(entry: &Value, severity: Severity, clock: &words::WallClock<'_>) -> StoryEntry {
    let outlets = words::count(entry, "/story/outlets_total");
    let mut note = byline(&entry["item"], clock);
    for part in [subject(severity, entry), if outlets > 1 { counted(outlets, "outlet") } else { String::new() }] {
        if !part.is_empty() {
            note = if note.is_empty() { part } else { format!("{note} · {part}") };
        }
    }
    StoryEntry {
        severity,
        title: words::first(entry, &["/item/title", "/story/title", "/summary"]),
        url: words::link(&text_of(entry, "/item/url")),
        note,
    }
}
