//! Markdown with or without front matter to plain text: marks go, words stay, a paragraph is a line.
//! Front matter is the flat part of YAML (`---`) or TOML (`+++`) that people write there, or an object of JSON; what is
//! beyond that is left with a warning.

use std::collections::BTreeMap;

use super::json::assign;
use super::{DraftItem, FileContext, ItemDraft, rejected, shown};
use crate::model::{Dated, RawText, RejectReason, Rejection};
use crate::text::{date, work};

/// Lines of front matter read.
const FRONT_MATTER_LINES_MAX: usize = 200;

/// Reads one article.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let (body, unread_bytes) = file.readable(body.trim_start());
    let mut item = DraftItem { unread_bytes, ..DraftItem::default() };
    let (fields, text) = front_matter(body, &mut draft.warnings);
    let cleaned = (!fields.is_empty()).then(|| without_template_marks(text));
    let text = cleaned.as_deref().unwrap_or(text);
    for (key, values) in fields {
        assign(&mut item, &key, &values, file, &mut draft.warnings);
    }
    // Site generators keep the day of a text in its name.
    item.published = item.published.or_else(|| dated_name(file));
    let mut lines = plain_lines(text);
    if let Some(at) = lines.iter().position(|line| line.heading == 1) {
        // The heading is the title even where furniture stands before it, unless another is given.
        let heading = lines[at].text.clone();
        let same = item.title.as_ref().is_none_or(|title| title.text.trim() == heading);
        if same {
            lines.remove(at);
            item.title = Some(RawText::plain(heading));
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    if lines.is_empty() && !item.has_text() {
        return Err(rejected(RejectReason::Empty, "the file has front matter but no text"));
    }
    super::text::fill(&mut item, &lines, file);
    draft.items.push(item);
    Ok(())
}

/// The day that a name such as `2031-05-14-new-pier.md` begins with.
fn dated_name(file: &FileContext) -> Option<Dated> {
    let day = file.name.get(..10).filter(|_| file.name[10..].starts_with(['-', '_', ' ']))?;
    let is_day = day
        .bytes()
        .enumerate()
        .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    if is_day { date::parse(day) } else { None }
}

/// A text without what only its site generator understands: `{% … %}`, `{{ … }}`, `{: … }`.
fn without_template_marks(text: &str) -> String {
    const MARKS: [(&str, &str); 3] = [("{%", "%}"), ("{{", "}}"), ("{:", "}")];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // On one line: braces of prose are left alone.
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let mark = MARKS.iter().find(|(open, _)| line.starts_with(open));
        let end = mark.and_then(|(open, close)| Some(line[open.len()..].find(close)? + open.len() + close.len()));
        if end.is_none() {
            out.push('{');
        }
        rest = &rest[end.unwrap_or(1)..];
    }
    out.push_str(rest);
    out
}

/// Splits off front matter: its fields, each with one or more values, and the rest.
fn front_matter<'a>(body: &'a str, warnings: &mut Vec<String>) -> (BTreeMap<String, Vec<String>>, &'a str) {
    if body.starts_with('{') {
        return json_fields(body).unwrap_or((BTreeMap::new(), body));
    }
    let mark = body.lines().next().map_or("", str::trim_end);
    if !matches!(mark, "---" | "+++") {
        return (BTreeMap::new(), body);
    }
    let mut offset = 0;
    let mut inner = Vec::new();
    for (at, line) in body.split_inclusive('\n').enumerate().take(FRONT_MATTER_LINES_MAX) {
        offset += line.len();
        let line = line.trim_end();
        if at > 0 && (line == mark || (mark == "---" && line == "...")) {
            let fields = if mark == "+++" { toml_fields(&inner, warnings) } else { yaml_fields(&inner, warnings) };
            return (fields, &body[offset..]);
        }
        if at > 0 {
            inner.push(line);
        }
    }
    (BTreeMap::new(), body)
}

/// An object of JSON and what follows it.
fn json_fields(body: &str) -> Option<(BTreeMap<String, Vec<String>>, &str)> {
    use serde_json::Value;
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<serde_json::Map<String, Value>>();
    let fields = values.next()?.ok()?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => {
            ["name", "title", "value"].iter().find_map(|key| object.get(*key)?.as_str()).map(str::to_owned)
        }
        _ => None,
    };
    let listed = |value: &Value| match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    };
    Some((fields.iter().map(|(key, value)| (key.clone(), listed(value))).collect(), &body[values.byte_offset()..]))
}

fn toml_fields(lines: &[&str], warnings: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let table = match lines.join("\n").parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            warnings.push(format!("front matter is no TOML: {}", shown(error.message())));
            return BTreeMap::new();
        }
    };
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
        other => Some(other.to_string()),
    };
    let values = |value: toml::Value| match value {
        toml::Value::Array(values) => values.into_iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    };
    table.into_iter().map(|(key, value)| (key, values(value))).collect()
}

/// `key: value`, `key: [a, b]`, `- a` lines below a key, and folded or literal blocks.
fn yaml_fields(lines: &[&str], warnings: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = String::new();
    let mut is_block = false;
    for line in lines {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let nested = line.starts_with([' ', '\t']) || text.starts_with("- ");
        if nested && !current.is_empty() {
            let values = fields.entry(current.clone()).or_default();
            // `author:` with `name: …` and others below it: the part that is the text of it.
            let part = text.trim_start_matches("- ").split_once(": ").filter(|(key, _)| !is_block && is_part_key(key));
            if let Some((key, value)) = part {
                if matches!(key, "name" | "title" | "value") {
                    values.push(unquoted(value));
                }
                continue;
            }
            match (text.strip_prefix("- "), values.last_mut()) {
                (Some(entry), _) => values.push(unquoted(entry)),
                (None, Some(last)) => {
                    last.push(' ');
                    last.push_str(&unquoted(text));
                }
                (None, None) => values.push(unquoted(text)),
            }
            continue;
        }
        let Some((key, value)) = text.split_once(':').filter(|(_, v)| v.is_empty() || v.starts_with(' ')) else {
            warnings.push(format!("front matter line not understood: {}", shown(text)));
            continue;
        };
        key.trim().clone_into(&mut current);
        let value = value.trim();
        let values = match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
            Some(list) => list.split(',').map(unquoted).filter(|v| !v.is_empty()).collect(),
            None if matches!(value, "" | "|" | ">" | "|-" | ">-" | "|+" | ">+") => {
                is_block = !value.is_empty();
                Vec::new()
            }
            None => vec![unquoted(value)],
        };
        fields.insert(current.clone(), values);
    }
    fields
}

/// The key of a nested field; a line of text that has a colon is none.
fn is_part_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 20
        && key.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'))
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            let doubled: String = [quote, quote].iter().collect();
            return inner.replace(&format!("\\{quote}"), &quote.to_string()).replace(&doubled, &quote.to_string());
        }
    }
    // A comment after a value stands after a space.
    text.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

/// A line of plain text; `heading` is 0 for a paragraph.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    heading: usize,
    text: String,
}

/// Takes the marks away and joins the lines of each paragraph.
fn plain_lines(text: &str) -> Vec<Plain> {
    let mut out: Vec<Plain> = Vec::new();
    let (mut fenced, mut goes_on) = (false, false);
    for line in text.lines() {
        work::spend(1 + line.len());
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
            goes_on = false;
            continue;
        }
        if !fenced && is_underline(line) {
            if let Some(last) = out.last_mut().filter(|_| goes_on) {
                last.heading = if line.starts_with('=') { 1 } else { 2 };
            }
            goes_on = false;
            continue;
        }
        let (heading, rest, starts) = if fenced { (0, line, true) } else { block_start(line) };
        let plain = if fenced { rest.to_owned() } else { inline(rest) };
        if plain.is_empty() {
            goes_on = false;
            continue;
        }
        match out.last_mut().filter(|_| goes_on && !starts) {
            Some(paragraph) => {
                paragraph.text.push(' ');
                paragraph.text.push_str(&plain);
            }
            None => out.push(Plain { heading, text: plain }),
        }
        // Two spaces or a backslash at the end of a line would break it; news texts do not need that.
        goes_on = heading == 0 && !fenced;
    }
    out
}

/// A setext underline or a rule between sections.
fn is_underline(line: &str) -> bool {
    line.len() >= 2 && ['=', '-', '*', '_'].iter().any(|mark| line.chars().all(|c| c == *mark || c == ' '))
}

/// Heading level, the line without its block marks, and whether it starts a paragraph of its own.
fn block_start(line: &str) -> (usize, &str, bool) {
    let marks = line.len() - line.trim_start_matches('#').len();
    if (1..=6).contains(&marks) && line[marks..].starts_with(' ') {
        return (marks, line[marks..].trim().trim_end_matches('#').trim_end(), true);
    }
    let mut rest = line;
    while let Some(quoted) = rest.strip_prefix('>') {
        rest = quoted.trim_start();
    }
    if let Some(item) = ["- ", "* ", "+ "].iter().find_map(|mark| rest.strip_prefix(mark)) {
        return (0, item.trim_start(), true);
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=3).contains(&digits)
        && let Some(item) = rest[digits..].strip_prefix(". ").or_else(|| rest[digits..].strip_prefix(") "))
    {
        return (0, item.trim_start(), true);
    }
    // `[1]: https://…` defines a link and says nothing.
    if rest.starts_with('[') && rest.contains("]: ") {
        return (0, "", true);
    }
    (0, rest, rest.starts_with('|') || rest.len() != line.len())
}

/// One line without inline marks. Linear: what a search for a closing mark passes is never passed again.
fn inline(line: &str) -> String {
    let line = if line.contains('<') || line.contains('&') { crate::text::html::inline(line) } else { line.to_owned() };
    let mut out = String::with_capacity(line.len());
    let mut chars = line.char_indices().peekable();
    let mut last = ' ';
    // Where a search for this mark found none, the next would find none either.
    let mut unclosed = [false; 2];
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        match c {
            '\\' if next.is_some_and(|n| n.is_ascii_punctuation()) => {
                out.extend(chars.next().map(|(_, c)| c));
            }
            '*' | '`' | '[' => {}
            // snake_case keeps its underscores.
            '_' if !(last.is_alphanumeric() && next.is_some_and(char::is_alphanumeric)) => {}
            '~' if next == Some('~') || last == '~' => {}
            '!' if next == Some('[') => {}
            ']' => {
                let (close, unclosed) = match next {
                    Some('(') => (')', &mut unclosed[0]),
                    Some('[') => (']', &mut unclosed[1]),
                    _ => continue,
                };
                let end = if *unclosed { None } else { line[at + 1..].find(close) };
                match end {
                    Some(len) => while chars.next_if(|(i, _)| *i <= at + 1 + len).is_some() {},
                    None => *unclosed = true,
                }
            }
            '|' => out.push(' '),
            c => out.push(c),
        }
        last = c;
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<String> {
        plain_lines(text).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn markdown_marks_go_and_words_stay() {
        let text = "The **new** _pier_ has a [web page](https://pier.example/a_b) and\na `name_of_it` \\*too\\*.\n\n\
                    > - Quoted ![crane](c.png) point\n1. First\n2. Second\n\n| a | b |\n\n[1]: https://x.example\n";
        assert_eq!(
            plain(text),
            ["The new pier has a web page and a name_of_it *too*.", "Quoted crane point", "First", "Second", "a b"]
        );
    }

    #[test]
    fn markdown_headings_of_both_kinds_stand_alone() {
        let lines = plain_lines("Pier opens\n==========\nText goes\non.\n\n## Details ##\nMore.\n\n---\nEnd.");
        let seen: Vec<_> = lines.iter().map(|l| (l.heading, l.text.as_str())).collect();
        assert_eq!(seen, [(1, "Pier opens"), (0, "Text goes on."), (2, "Details"), (0, "More."), (0, "End.")]);
    }

    #[test]
    fn markdown_many_brackets_stay_linear() {
        let line = "[a](".repeat(1_000_000);
        assert!(inline(&line).len() <= line.len());
    }

    #[test]
    fn front_matter_reads_quotes_lists_and_blocks() {
        let body = "---\ntitle: \"A \\\"new\\\" pier: part 1\"\ntags: [harbour, 'trade']\nauthors:\n  - Jane Placeholder\n  - J. Doe\n\
                    summary: >\n  One\n  two\n# a comment\nlang: en # inline\nno value here\n---\nText";
        let mut warnings = Vec::new();
        let (fields, rest) = front_matter(body, &mut warnings);
        assert_eq!(rest, "Text");
        assert_eq!(fields["title"], ["A \"new\" pier: part 1"]);
        assert_eq!(fields["tags"], ["harbour", "trade"]);
        assert_eq!(fields["authors"], ["Jane Placeholder", "J. Doe"]);
        assert_eq!(fields["summary"], ["One two"]);
        assert_eq!(fields["lang"], ["en"]);
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn front_matter_in_json_and_nested_parts() {
        let (fields, rest) = front_matter(
            "{\"title\": \"Pier\", \"tags\": [\"port\", 7], \"author\": {\"name\": \"J. Doe\"}}\n\nText",
            &mut Vec::new(),
        );
        assert_eq!(
            (fields["title"][0].as_str(), fields["author"][0].as_str(), rest.trim()),
            ("Pier", "J. Doe", "Text")
        );
        assert_eq!(fields["tags"], ["port", "7"]);
        let yaml = "---\nauthor:\n  name: J. Doe\n  url: https://x.example\nsummary: |\n  note: kept\n---\n";
        let (fields, _) = front_matter(yaml, &mut Vec::new());
        assert_eq!(
            (fields["author"].join("|"), fields["summary"].join("|")),
            ("J. Doe".to_owned(), "note: kept".to_owned())
        );
    }

    #[test]
    fn template_marks_go_and_braces_stay() {
        let text = "{% include ad.html %}\nThe pier {{ page.x }}opens{: .wide} {in} spring. {{< video 1 >}} {{ open";
        assert_eq!(without_template_marks(text), "\nThe pier opens {in} spring.  {{ open");
    }

    #[test]
    fn front_matter_in_toml_and_broken_toml() {
        let mut warnings = Vec::new();
        let (fields, rest) = front_matter("+++\ntitle = \"Pier\"\ndate = 2031-05-14\n+++\nText", &mut warnings);
        assert_eq!((fields["date"][0].as_str(), rest), ("2031-05-14", "Text"));
        let (fields, rest) = front_matter("+++\ntitle = \n+++\nText", &mut warnings);
        assert!(fields.is_empty() && rest == "Text" && warnings.len() == 1);
    }

    #[test]
    fn front_matter_that_never_closes_is_text() {
        let (fields, rest) = front_matter("---\ntitle: Pier\nText", &mut Vec::new());
        assert!(fields.is_empty());
        assert_eq!(rest, "---\ntitle: Pier\nText");
    }
}
