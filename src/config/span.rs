//! Where a position inside a TOML string's *value* lies in the *file*: a query that fails to compile is
//! shown at the very character, whatever quotes and escapes it was written with.

use std::ops::Range;

/// The range in the file of `inside`, a byte range of the string value that is written at `written`
/// (quotes included) of `text`. Positions past the end of the value give the closing quote.
#[must_use]
pub fn in_file(text: &str, written: Range<usize>, inside: Range<usize>) -> Range<usize> {
    let Some(raw) = text.get(written.clone()) else { return written };
    let start = written.start + raw_offset(raw, inside.start);
    let end = written.start + raw_offset(raw, inside.end);
    start..end.max(start)
}

/// The offset in `raw`, a TOML string with its quotes, of byte `wanted` of its value.
fn raw_offset(raw: &str, wanted: usize) -> usize {
    let quote = if raw.starts_with('\'') { '\'' } else { '"' };
    let delimiter = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let content_end = raw.len().saturating_sub(delimiter).max(delimiter.min(raw.len()));
    let mut at = delimiter.min(raw.len());
    if delimiter == 3 {
        // A line break right after the opening quotes is not part of the value.
        let rest = &raw[at..];
        at += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let mut value_len = 0;
    while at < content_end {
        let (raw_len, decoded_len) = unit(&raw[at..content_end], quote);
        if decoded_len > 0 && value_len + decoded_len > wanted {
            return at;
        }
        value_len += decoded_len;
        at += raw_len;
    }
    content_end
}

/// Bytes of the next character as written and as decoded.
fn unit(rest: &str, quote: char) -> (usize, usize) {
    let mut chars = rest.chars();
    let first = chars.next().map_or(1, char::len_utf8);
    if quote == '\'' || !rest.starts_with('\\') {
        return (first, first);
    }
    let code_len = |digits: usize| {
        let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        (2 + digits, code.map_or(1, char::len_utf8))
    };
    match chars.next() {
        Some('u') => code_len(4),
        Some('U') => code_len(8),
        Some('x') => code_len(2),
        Some(c) if c.is_whitespace() => {
            // A backslash at the end of a line swallows all white space up to the next character.
            let swallowed = rest[1..].len() - rest[1..].trim_start().len();
            (1 + swallowed, 0)
        }
        Some(c) => (1 + c.len_utf8(), 1),
        None => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds `needle` in the value and in the file, and says whether both are the same place.
    fn maps(document: &str, needle: &str, as_written: &str) {
        let table = toml::de::DeTable::parse(document).expect("valid TOML");
        let value = table.get_ref().get("k").expect("the key");
        let text = value.get_ref().as_str().expect("a string");
        let inside = text.find(needle).expect("in the value");
        let found = in_file(document, value.span(), inside..inside + needle.len());
        assert_eq!(&document[found], as_written, "{document}");
    }

    #[test]
    fn position_maps_through_every_kind_of_string() {
        maps(r#"k = "plain AND bad""#, "bad", "bad");
        maps(r"k = 'literal \n AND bad'", "bad", "bad");
        maps(r#"k = "quoted \"phrase\" AND bad""#, "bad", "bad");
        maps(r#"k = "esc \\ \t \u00e9 \U0001F600 \x41 bad""#, "bad", "bad");
        maps(r#"k = "say \"x\" now""#, "\"x\"", r#"\"x\""#);
        maps(r#"k = "Зеленський bad é""#, "bad", "bad");
        maps("k = \"\"\"\nfirst \\\n    joined\n bad\"\"\"", "bad", "bad");
        maps("k = \"\"\"\nfirst \\\n    joined\n bad\"\"\"", "joined", "joined");
        maps("k = '''\nraw \\ 'x' bad'''", "bad", "bad");
        maps("k = '''\r\nraw\r\nbad'''", "bad", "bad");
    }

    #[test]
    fn position_at_the_end_is_the_closing_quote() {
        let document = r#"k = "a AND ""#;
        assert_eq!(in_file(document, 4..12, 6..6), 11..11);
        assert_eq!(in_file(document, 4..12, 60..99), 11..11);
    }

    #[test]
    fn position_in_a_file_that_changed_does_not_panic() {
        assert_eq!(in_file("k", 4..12, 0..1), 4..12);
        assert_eq!(in_file("k = é", 4..5, 0..1), 4..5);
        let _ = in_file("\"", 0..1, 0..9);
    }
}
