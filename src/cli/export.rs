//! Items in the forms other programs read: CSV whose cells are no formulas, RSS and Atom.

use std::io::{self, Write};

use crate::model::Timestamp;
use crate::store::{AlertRecord, ItemLine};
use crate::text::clean;
use crate::view::{FeedDocument, FeedForm, SyndicatedEntry};

/// Columns of the CSV form.
const COLUMNS: &str = "id,first_seen,published,outlet,source,lang,story,topics,copies,title,url";

/// Those of alerts.
const ALERT_COLUMNS: &str =
    "sequence,raised,severity,topics,reason,score,outlets,outlet,published,silenced_by,title,url,story,id";

/// CSV as RFC 4180 has it.
///
/// # Errors
/// When the output is closed or full.
pub fn csv(out: &mut impl Write, items: &[ItemLine]) -> io::Result<()> {
    write!(out, "{COLUMNS}\r\n")?;
    for item in items {
        let topics: Vec<String> = item.topics.iter().map(|topic| format!("{} {}", topic.topic, topic.score)).collect();
        let cells = [
            item.id.to_string(),
            item.first_seen.to_string(),
            item.published.map_or_else(String::new, |at| at.to_string()),
            item.outlet.clone().unwrap_or_default(),
            item.source.clone(),
            item.lang.clone().unwrap_or_default(),
            item.story.to_string(),
            topics.join("; "),
            item.sightings.to_string(),
            item.title.clone(),
            item.url.clone().unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| cell_of(cell)).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

/// Alerts likewise, with who carried what they are about and when that was published.
///
/// # Errors
/// When the output is closed or full.
pub fn alerts_csv(out: &mut impl Write, alerts: &[AlertRecord]) -> io::Result<()> {
    write!(out, "{ALERT_COLUMNS}\r\n")?;
    for alert in alerts {
        let payload: serde_json::Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
        let item = |name: &str| payload["data"]["item"][name].as_str().unwrap_or_default().to_owned();
        let cells = [
            alert.sequence.to_string(),
            alert.at.to_string(),
            alert.severity.clone(),
            alert.topics.join("; "),
            alert.reason.clone(),
            alert.score.to_string(),
            alert.outlets.to_string(),
            item("outlet"),
            item("published"),
            alert.silenced_by.clone().unwrap_or_default(),
            alert_title(alert, &payload),
            item("url"),
            alert.story.map(|story| story.to_string()).unwrap_or_default(),
            alert.id.clone(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| cell_of(cell)).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

/// Who carried it first, and how many others.
#[must_use]
pub fn alert_outlet(alert: &AlertRecord, payload: &serde_json::Value) -> String {
    let outlet = payload["data"]["item"]["outlet"].as_str().unwrap_or_default();
    match (outlet, alert.outlets.saturating_sub(1)) {
        ("", _) | (_, 0) => outlet.to_owned(),
        (outlet, more) => format!("{outlet} +{more}"),
    }
}

/// What it says, in a line.
#[must_use]
pub fn alert_title(alert: &AlertRecord, payload: &serde_json::Value) -> String {
    let data = &payload["data"];
    let text = |part: &serde_json::Value| part.as_str().map(str::to_owned);
    match &alert.source {
        Some(source) => format!("{source}: {}", data["source"]["error"].as_str().unwrap_or("no error")),
        // Digests, tests and what is told of endpoints have no item.
        None => text(&data["item"]["title"]).or_else(|| text(&data["summary"])).unwrap_or_default(),
    }
}

/// A cell that a spreadsheet takes for text: one that begins like a formula gets a quote before it.
fn cell_of(text: &str) -> String {
    let text = clean::one_line(text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '|', '%']);
    let text = if formula { format!("'{text}") } else { text.into_owned() };
    if text.contains([',', '"', '\'', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A feed document of items.
///
/// # Errors
/// When the output is closed or full.
pub fn feed(out: &mut impl Write, items: &[ItemLine], form: FeedForm, now: Timestamp) -> io::Result<()> {
    let entry = |item: &ItemLine| SyndicatedEntry {
        id: format!("urn:wirewatch:{}", item.id),
        title: item.title.clone(),
        link: item.url.clone(),
        related: Vec::new(),
        carried: String::new(),
        text: String::new(),
        author: item.outlet.clone().unwrap_or_else(|| item.source.clone()),
        published: item.published.unwrap_or(item.first_seen),
        updated: item.first_seen,
        categories: item.topics.iter().map(|topic| topic.topic.clone()).collect(),
    };
    let (id, title) = ("urn:wirewatch:items".to_owned(), "wirewatch".to_owned());
    let entries = items.iter().map(entry).collect();
    FeedDocument { id, title, address: None, updated: now, entries }.write(out, form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ItemId, StoryId};

    fn item(title: &str, url: &str) -> ItemLine {
        ItemLine {
            seq: 1,
            id: ItemId::from_i64(7),
            source: "desk".to_owned(),
            outlet: Some("gazette.example".to_owned()),
            title: title.to_owned(),
            url: Some(url.to_owned()),
            published: None,
            first_seen: Timestamp::from_seconds(1_742_198_531),
            lang: None,
            story: StoryId::from_i64(9),
            topics: Vec::new(),
            sightings: 0,
        }
    }

    fn text(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn csv_formulas_quotes_and_lines_stay_in_their_cell() {
        for (title, cell) in [
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            (" +1", "\"'+1\""),
            ("@sum", "\"'@sum\""),
            ("-2", "\"'-2\""),
            ("a,b\r\nc", "\"a,b c\""),
            ("plain", "plain"),
        ] {
            let out = text(|out| csv(out, &[item(title, "https://a.example/")]));
            assert_eq!(out.lines().count(), 2, "{out}");
            assert!(out.contains(&format!(",{cell},https://a.example/")), "{title}: {out}");
        }
    }

    #[test]
    fn feeds_written_are_feeds_and_hold_no_markup_of_titles() {
        let items = [item("</title><script>&\"x", "javascript:alert(1)"), item("two", "https://a.example/?a=1&b=2")];
        let now = Timestamp::from_seconds(1_742_198_531);
        for form in [FeedForm::Rss, FeedForm::Atom] {
            let out = text(|out| feed(out, &items, form, now));
            assert!(!out.contains("<script") && !out.contains("javascript:"), "{out}");
            let feed = feed_rs::parser::parse(out.as_bytes()).expect("a feed");
            assert_eq!(feed.entries.len(), 2);
            assert_eq!(feed.entries[0].title.as_ref().expect("a title").content, "</title><script>&\"x");
        }
    }
}
