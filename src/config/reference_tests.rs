//! docs/guide/reference.md is the default file as tables, for whoever looks for a key: this makes it, and fails
//! when the page says other than the file. `WIREWATCH_WRITE=1 cargo test reference_page` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use super::embedded;

/// A key as the file shows it.
struct Key {
    name: String,
    value: String,
    /// Its line is commented out: no default.
    example: bool,
    comment: String,
}

/// A section with its introduction.
struct Section {
    name: String,
    intro: String,
    keys: Vec<Key>,
}

/// `name = value`, perhaps behind a `#`.
fn key_line(line: &str) -> Option<(String, String, bool)> {
    let (bare, example) = line.strip_prefix('#').map_or((line, false), |rest| (rest, true));
    let (name, value) = bare.split_once(" = ")?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_name.then(|| (name.to_owned(), value.split("  #").next().unwrap_or(value).trim().to_owned(), example))
}

fn header(line: &str) -> Option<String> {
    let bare = line.strip_prefix('#').unwrap_or(line);
    (bare.starts_with('[') && bare.ends_with(']') && !bare.contains(' ')).then(|| bare.to_owned())
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section { name: String::new(), intro: String::new(), keys: Vec::new() }];
    let (mut comment, mut open) = (String::new(), false);
    // The head of the file is about all of it; it ends at the first empty line.
    for line in text.lines().skip_while(|line| !line.is_empty()) {
        if open {
            open = !line.trim_start_matches('#').starts_with(']');
        } else if let Some(name) = header(line) {
            let intro = std::mem::take(&mut comment);
            match sections.iter_mut().find(|section| section.name == name) {
                Some(known) if known.intro.is_empty() => known.intro = intro,
                Some(known) => write!(known.intro, " {intro}").expect("written"),
                None => sections.push(Section { name, intro, keys: Vec::new() }),
            }
        } else if let Some((name, value, example)) = key_line(line) {
            open = value == "[";
            let value = if open { "[ … ]".to_owned() } else { value };
            let keys = &mut sections.iter_mut().last().expect("one").keys;
            if !keys.iter().any(|key| key.name == name) {
                keys.push(Key { name, value, example, comment: std::mem::take(&mut comment) });
            }
        } else if let Some(words) = line.strip_prefix("# ").filter(|words| !words.starts_with('─')) {
            comment.push_str(if comment.is_empty() { "" } else { " " });
            comment.push_str(words);
        } else if line.is_empty() {
            comment.clear();
        }
    }
    sections
}

fn page() -> String {
    let mut out = String::from(
        "# Every key\n\nMade from `config/wirewatch.toml`, which is compiled in and is the only source of defaults; a test \
         keeps the two\nthe same. [configuration](configuration.md) has the rules of the file. *none*: a key without a \
         default, with an example.\n",
    );
    for section in sections(embedded::MAIN) {
        let title = if section.name.is_empty() { "Top of the file".to_owned() } else { format!("`{}`", section.name) };
        write!(out, "\n## {title}\n\n").expect("written");
        if !section.intro.is_empty() {
            write!(out, "{}\n\n", section.intro).expect("written");
        }
        out.push_str("| Key | Default | |\n|---|---|---|\n");
        for key in &section.keys {
            let value = key.value.replace('|', "\\|");
            let default = if key.example { format!("*none*: `{value}`") } else { format!("`{value}`") };
            writeln!(out, "| `{}` | {default} | {} |", key.name, key.comment.replace('|', "\\|")).expect("written");
        }
    }
    out
}

#[test]
fn reference_page_says_what_the_default_file_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/reference.md");
    let page = page();
    if std::env::var_os("WIREWATCH_WRITE").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/guide/reference.md is behind: WIREWATCH_WRITE=1 cargo test reference_page");
    for words in ["## `[daemon]`", "| `reload_on_change` | `false` |", "## `[[endpoints]]`", "| `ca_file` | *none*: "] {
        assert!(page.contains(words), "no {words}");
    }
}

#[test]
fn every_key_has_a_comment_of_its_own() {
    let bare: Vec<String> = sections(embedded::MAIN)
        .iter()
        .flat_map(|section| section.keys.iter().map(move |key| (section, key)))
        .filter(|(_, key)| key.comment.is_empty())
        .map(|(section, key)| format!("{} {}", section.name, key.name))
        .collect();
    assert!(bare.is_empty(), "config/wirewatch.toml says nothing about {bare:?}");
}
