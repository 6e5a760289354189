//! Untrusted text made safe to show: no control characters, no line breaks, no bidi overrides. Used
//! wherever text of a feed, file or receiver reaches a log, a terminal or an error message.

use std::borrow::Cow;

/// Whether a character can change how a terminal, log or page reads the text around it.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200e}' | '\u{200f}' | '\u{061c}'          // direction marks
            | '\u{202a}'..='\u{202e}'                      // bidi embeddings and overrides
            | '\u{2066}'..='\u{2069}'                      // bidi isolates
            | '\u{2028}' | '\u{2029}'                      // line and paragraph separators
            | '\u{fff9}'..='\u{fffb}'                      // interlinear annotation
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}'       // BOM inside text, tag characters
        )
}

/// One line, safe to print: harmful characters become spaces, runs of spaces become one.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    let dirty = |c: char| is_harmful(c) || (c.is_whitespace() && c != ' ');
    if !text.chars().any(dirty) && !text.contains("  ") && text.trim().len() == text.len() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if dirty(c) || c == ' ' {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    Cow::Owned(out)
}

/// One safe line of at most `chars_max` characters, cut on a character boundary with an ellipsis.
#[must_use]
pub fn excerpt(text: &str, chars_max: usize) -> String {
    let line = one_line(text);
    if line.char_indices().nth(chars_max).is_none() {
        return line.into_owned();
    }
    let keep = line.char_indices().nth(chars_max.saturating_sub(1)).map_or(0, |(at, _)| at);
    format!("{}…", line[..keep].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_forged_log_line_stays_one_line() {
        assert_eq!(one_line("a\r\nERROR b\u{1b}[31m\u{202e}c"), "a ERROR b [31m c");
        assert!(matches!(one_line("already fine"), Cow::Borrowed(_)));
    }

    #[test]
    fn excerpt_cuts_on_characters_not_bytes() {
        assert_eq!(excerpt("Зеленський", 5), "Зеле…");
        assert_eq!(excerpt("short", 5), "short");
        assert_eq!(excerpt("", 0), "");
    }
}
