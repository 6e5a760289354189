//! Text exports of press archives, several articles in a file: LexisNexis (`1 of 2 DOCUMENTS`, labelled lines, a
//! copyright at the end) and Factiva (two-letter fields, or an `AN` / `Document …` line at the end).

use super::super::archive_marks::{PressArchive, archive_of, factiva_field, is_document_line, label};
use super::super::fields::language;
use super::{DraftItem, FileContext, ItemDraft, rejected};
use crate::model::{RawText, RejectReason, Rejection};
use crate::text::{date, work};

/// Reads the articles.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let lines: Vec<&str> = body.lines().collect();
    let articles = match archive_of(body) {
        Some(PressArchive::LexisNexis) => split(&lines, is_document_line, false),
        _ => split(&lines, is_factiva_end, true),
    };
    let is_lexis = archive_of(body) == Some(PressArchive::LexisNexis);
    let (mut empty, mut over_cap) = (0u64, 0u64);
    for article in articles {
        work::spend(1 + article.iter().map(|line| 1 + line.len()).sum::<usize>());
        let item = if is_lexis { lexis_nexis(article, file) } else { factiva(article) };
        let Some(item) = item else {
            empty += u64::from(article.iter().filter(|line| !line.trim().is_empty()).count() > 3);
            continue;
        };
        if draft.items.len() >= file.limits.items_max {
            over_cap += 1;
        } else {
            draft.items.push(item);
        }
    }
    if empty > 0 {
        let detail = "documents without title and text".to_owned();
        draft.rejected.push(Rejection { reason: RejectReason::Empty, detail, count: empty });
    }
    draft.count_over_cap(over_cap, file);
    if draft.items.is_empty() {
        return Err(rejected(RejectReason::Empty, "an export of a press archive without an article"));
    }
    Ok(())
}

/// The lines between marks; a mark ends an article, or begins one.
fn split<'a, 'l>(lines: &'l [&'a str], is_mark: fn(&str) -> bool, mark_ends: bool) -> Vec<&'l [&'a str]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_mark(line)) {
        let end = if mark_ends { at + 1 } else { at };
        debug_assert!(is_mark(line), "filtered");
        parts.push(&lines[from..end]);
        from = at + 1;
    }
    parts.push(&lines[from..]);
    parts
}

/// Labels of LexisNexis that are not part of the text.
const LEXIS_LABELS: [&str; 22] = [
    "BYLINE",
    "SECTION",
    "LENGTH",
    "LOAD-DATE",
    "LANGUAGE",
    "PUBLICATION-TYPE",
    "DATELINE",
    "GRAPHIC",
    "HIGHLIGHT",
    "HEADLINE",
    "SUBJECT",
    "COMPANY",
    "ORGANIZATION",
    "GEOGRAPHIC",
    "CITY",
    "STATE",
    "COUNTRY",
    "INDUSTRY",
    "PERSON",
    "DISTRIBUTION",
    "JOURNAL-CODE",
    "URL",
];

fn lexis_nexis(lines: &[&str], file: &FileContext) -> Option<DraftItem> {
    let find = |name: &str| lines.iter().find_map(|line| label(line, name)).map(str::to_owned);
    let length = lines.iter().position(|line| label(line, "LENGTH").is_some());
    let is_label = |line: &str| LEXIS_LABELS.iter().any(|name| label(line, name).is_some());
    let head = &lines[..length.unwrap_or(lines.len().min(12))];
    let free: Vec<&str> =
        head.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !is_label(line)).collect();
    // Outlet, date, headline: in this order, a copyright sometimes before them.
    let dated = free.iter().position(|line| line.chars().count() < 60 && date::find(line).is_some())?;
    let outlet = free[..dated].iter().rev().find(|line| !line.to_lowercase().starts_with("copyright"));
    let title = find("HEADLINE").or_else(|| Some(free[dated + 1..].join(" ")).filter(|title| !title.is_empty()));
    let published = date::find(free[dated]).map(|found| found.resolve(&[], file.latest()));
    let start = length.map_or(lines.len(), |at| at + 1);
    let end = lines[start..].iter().position(|line| {
        label(line, "LOAD-DATE").is_some() || label(line, "LANGUAGE").is_some() || line.trim().starts_with("Copyright ")
    });
    let body = &lines[start..end.map_or(lines.len(), |end| start + end)];
    let body: Vec<&str> = body.iter().filter(|line| !is_label(line)).copied().collect();
    let text = paragraphs(&body);
    let item = DraftItem {
        title: title.map(RawText::plain),
        author: find("BYLINE"),
        publisher: outlet.map(|name| (*name).to_owned()),
        published,
        lang: find("LANGUAGE").as_deref().and_then(language).map(str::to_owned),
        url: find("URL").filter(|url| url.starts_with("http")),
        content: Some(text).filter(|text| !text.is_empty()).map(RawText::plain),
        ..DraftItem::default()
    };
    item.has_text().then_some(item)
}

/// Lines as paragraphs: an empty line parts them, since archives wrap at a width.
fn paragraphs(lines: &[&str]) -> String {
    let parts = lines.split(|line| line.trim().is_empty()).filter(|part| !part.is_empty());
    let join = |part: &[&str]| part.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
    parts.map(join).collect::<Vec<_>>().join("\n")
}

fn is_factiva_end(line: &str) -> bool {
    factiva_field(line).is_some_and(|(code, value)| code == "AN" && value.starts_with("Document"))
}

fn factiva(lines: &[&str]) -> Option<DraftItem> {
    let mut fields: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    let mut current = "";
    for line in lines {
        let value = match factiva_field(line) {
            Some((code, value)) => {
                current = code;
                value
            }
            None => line.trim(),
        };
        fields.entry(current).or_default().push(value);
    }
    let text = |code: &str| {
        let lines = fields.get(code)?;
        Some(paragraphs(lines)).filter(|text| !text.is_empty())
    };
    let line = |code: &str| text(code).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let at = [line("PD"), line("ET")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let published = date::parse(&at).or_else(|| date::parse(&line("PD")?));
    let body: Vec<String> = ["LP", "TD"].into_iter().filter_map(text).collect();
    let body = body.join("\n");
    let item = DraftItem {
        id: line("AN").map(|id| id.trim_start_matches("Document").trim().to_owned()).filter(|id| !id.is_empty()),
        title: line("HD").map(RawText::plain),
        author: line("BY"),
        publisher: line("SN"),
        published,
        lang: line("LA").as_deref().and_then(language).map(str::to_owned),
        content: Some(body).filter(|text| !text.is_empty()).map(RawText::plain),
        ..DraftItem::default()
    };
    item.has_text().then_some(item)
}
