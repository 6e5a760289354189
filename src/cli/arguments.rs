//! Arguments before they are read: `-word` behind `search` and `-topic` behind `items label` are no options, and
//! everything that begins with two hyphens is. Clap knows only all or nothing.

use std::ffi::OsString;

use clap::Args;

/// Stands for the hyphen of such a word until clap has read it: the minus sign of typographers, which means the same.
const MINUS: char = '\u{2212}';

/// Who does what is done.
#[derive(Debug, Args)]
pub(super) struct ActionAuthor {
    /// Who does it [default: the user].
    #[arg(long, env = "USER", default_value = "unknown")]
    pub author: String,
}

/// The arguments of the process with such words marked.
pub(super) fn given(all: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = all.into_iter().collect();
    let from = words(&all).unwrap_or(all.len());
    for argument in &mut all[from..] {
        if argument == "--" {
            break;
        }
        let marked = argument.to_str().and_then(|text| text.strip_prefix('-')).filter(|word| is_word(word));
        if let Some(word) = marked {
            *argument = format!("{MINUS}{word}").into();
        }
    }
    all
}

/// Whether a program reads what is printed, known before clap has read anything.
pub(super) fn ask_for_json(all: &[OsString]) -> bool {
    all.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// A word as it was typed, for clap.
#[expect(clippy::unnecessary_wraps, reason = "clap's way of reading a value")]
pub(super) fn word(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.strip_prefix(MINUS).map_or_else(|| text.to_owned(), |word| format!("-{word}")))
}

/// `-h` and `-V` are options, and so is all that begins with a second hyphen.
fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && !matches!(word, "h" | "V")
}

/// Where the words of a command that takes some begin.
fn words(all: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while all.get(at)?.to_str().is_some_and(|text| text.starts_with("--")) {
        at += if all[at] == "--config" { 2 } else { 1 };
    }
    if all[at] == "search" {
        return Some(at + 1);
    }
    let verb = (at + 1..all.len()).find(|&at| all[at].to_str().is_none_or(|text| !text.starts_with("--")))?;
    (all[at] == "items" && all[verb] == "label").then_some(verb + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let all = given(line.split(' ').map(OsString::from));
        all.iter().map(|text| text.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_with_a_hyphen_are_marked_where_a_command_takes_some() {
        for (line, expected) in [
            ("w search a -b --json -h", "w search a \u{2212}b --json -h"),
            ("w --config c search -b --limit 3", "w --config c search \u{2212}b --limit 3"),
            ("w --config=c items label itm_1 -b --json", "w --config=c items label itm_1 \u{2212}b --json"),
            ("w search a -- -b", "w search a -- -b"),
            ("w items -b", "w items -b"),
            ("w explain -", "w explain -"),
            ("w search", "w search"),
            ("w", "w"),
        ] {
            assert_eq!(read(line), expected);
        }
        assert_eq!(word("\u{2212}b"), Ok("-b".to_owned()));
    }
}
