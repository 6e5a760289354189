//! Every command in README and docs is one that this program has; every link leads somewhere; every message that
//! troubleshooting quotes is one that it prints.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;

use super::Cli;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page beside the README and in docs.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    for folder in ["", "docs", "docs/guide", "docs/development", "seeds"] {
        let listed = fs::read_dir(root().join(folder)).expect("listed");
        paths.extend(listed.map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("read");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Where the links of a page lead, code left out.
fn links(page: &str) -> Vec<&str> {
    let (mut out, mut fence) = (Vec::new(), false);
    for line in page.lines() {
        fence ^= line.trim_start().starts_with("```");
        if !fence {
            let prose = line.split('`').step_by(2).flat_map(|prose| prose.split("](").skip(1));
            out.extend(prose.filter_map(|rest| Some(rest.split_once(')')?.0)));
            // A link whose words are code: its end stands in the next piece of prose.
            out.extend(line.split("`](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)));
        }
    }
    out
}

/// The anchors of a page's headings, as usual viewers make them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' '));
    let letters = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|text| text.to_lowercase().chars().filter(|&c| letters(c)).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn links_of_every_page_lead_somewhere() {
    let (mut broken, mut followed) = (Vec::new(), 0);
    for (page, text) in pages() {
        for link in links(&text).into_iter().filter(|link| !link.contains(':')) {
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            let there = to.exists()
                && (anchor.is_empty() || anchors(&fs::read_to_string(&to).expect("read")).iter().any(|a| a == anchor));
            if !there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(followed > 50, "only {followed} links were found");
}

#[test]
fn every_page_of_docs_is_linked_from_another() {
    let pages = pages();
    let linked: std::collections::BTreeSet<PathBuf> = pages
        .iter()
        .flat_map(|(page, text)| links(text).into_iter().map(move |link| (page, link)))
        .filter_map(|(page, link)| page.parent()?.join(link.split('#').next()?).canonicalize().ok())
        .collect();
    let lost: Vec<_> = pages
        .iter()
        .filter(|(page, _)| page.starts_with(root().join("docs")))
        .filter(|(page, _)| !linked.contains(&page.canonicalize().expect("there")))
        .map(|(page, _)| page.display())
        .collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}

/// Lines of `sh` blocks, and inline code, that call wirewatch. Inline code may only name a command.
fn commands(page: &str) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    let (mut fence, mut shell) = (false, false);
    for line in page.lines() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            fence = !fence;
            shell = fence && matches!(info.split(' ').next(), Some("sh" | "bash" | "console"));
        } else if shell {
            out.push((line.to_owned(), false));
        } else if !fence {
            out.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter(|code| code.starts_with("wirewatch "))
                    .map(|code| (code.to_owned(), true)),
            );
        }
    }
    out
}

/// The words of each command of a line, as a shell would see them; `None` for what stands in for something.
fn words(line: &str) -> Option<Vec<Vec<String>>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '#') if word.is_empty() => break,
            // Left out, optional, put in by the shell; and `a|b` is a choice, not a pipe.
            (None, '…' | '[' | '$' | '`' | '|') if c != '|' || !word.is_empty() => return None,
            (None, ' ' | '|' | '&' | ';' | '>' | '<') => {
                if begun || !word.is_empty() {
                    commands.last_mut().expect("one").push(std::mem::take(&mut word));
                }
                begun = false;
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            (_, c) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        commands.last_mut().expect("one").push(word);
    }
    Some(commands)
}

/// What stands for something of the reader's own, as something of that kind.
fn filled_in(word: &str, command: &[String]) -> String {
    match word {
        "PAGE" | "URL" => "https://www.example.org/".to_owned(),
        "ID" if command.iter().any(|word| word == "deliveries") => "dlv_12".to_owned(),
        word => word.to_owned(),
    }
}

#[test]
fn commands_of_every_page_are_ours() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (page, text) in pages() {
        for (line, inline) in commands(&text) {
            for command in words(&line).unwrap_or_default() {
                if command.first().is_none_or(|first| first != "wirewatch") {
                    continue;
                }
                tried += 1;
                let Err(error) = Cli::try_parse_from(command.iter().map(|word| filled_in(word, &command))) else {
                    continue;
                };
                let named_only = inline && error.kind() == ErrorKind::MissingRequiredArgument;
                if !named_only && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                    wrong.push(format!("{}: {line}\n{error}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(tried > 60, "only {tried} commands were found: did the form of the pages change?");
}

#[test]
fn messages_quoted_in_troubleshooting_are_printed() {
    let mut sources = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push_str(&fs::read_to_string(path).unwrap_or_default());
            }
        }
    }
    // A long literal is broken by a backslash at the end of its line.
    let sources: Vec<&str> = sources.split_whitespace().filter(|word| *word != "\\").collect();
    let sources = sources.join(" ");
    let page = fs::read_to_string(root().join("docs/guide/troubleshooting.md")).expect("read");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let quoted: Vec<&str> =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|q| q.contains(' ')).collect();
    let missing: Vec<&&str> =
        quoted.iter().filter(|text| !text.starts_with("after = ") && !sources.contains(**text)).collect();
    assert!(missing.is_empty(), "quoted in docs/guide/troubleshooting.md, printed by nothing: {missing:#?}");
    assert!(quoted.len() > 30, "only {} messages were found", quoted.len());
}

#[test]
fn words_are_those_of_a_shell() {
    let one = |line: &str| words(line).map(|commands| commands.concat());
    assert_eq!(
        one("wirewatch search 'a b' \"c\" -d # e"),
        Some(["wirewatch", "search", "a b", "c", "-d"].map(str::to_owned).into())
    );
    assert_eq!(words("a && wirewatch b > c").map(|c| c.iter().filter(|c| !c.is_empty()).count()), Some(3));
    assert_eq!(words("wirewatch feeds add|remove"), None);
    assert_eq!(words("wirewatch explain …"), None);
}
