//! Text cut to a limit while it is escaped: never inside a character, never inside an escape, never
//! longer than the receiver takes.

use crate::text::clean;

/// What a receiver counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// UTF-16 code units: never fewer than characters, so safe for services that count either.
    Utf16,
    /// Bytes of UTF-8.
    Byte,
}

/// One safe line of at most `max` units after escaping, with an ellipsis where something is missing.
pub(super) fn fit(text: &str, max: usize, unit: Unit, escape: fn(char, &mut String)) -> String {
    let size = |text: &str| match unit {
        Unit::Utf16 => text.encode_utf16().count(),
        Unit::Byte => text.len(),
    };
    // Far more than fits, whatever the cleaning takes away; the rest is not worth looking at.
    let enough = text.floor_char_boundary(max.saturating_mul(16).saturating_add(64));
    let line = clean::one_line(&text[..enough]);
    let reserve = size("…");
    let mut out = String::with_capacity(line.len().min(max * 3));
    // Where to go back to once it is clear that not all of it fits.
    let (mut used, mut cut_at) = (0, 0);
    let mut piece = String::new();
    for c in line.chars() {
        piece.clear();
        escape(c, &mut piece);
        used += size(&piece);
        if used > max {
            out.truncate(cut_at);
            out.truncate(out.trim_end().len());
            if max >= reserve {
                out.push('…');
            }
            return out;
        }
        out.push_str(&piece);
        if used + reserve <= max {
            cut_at = out.len();
        }
    }
    out
}

/// As it is.
pub(super) fn plain(c: char, out: &mut String) {
    out.push(c);
}

/// Slack: three characters start its markup (`<!channel>`, `<@U…>`, `<url|text>`).
pub(super) fn slack(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => out.push(c),
    }
}

/// Plain text for services that look for mentions in it: a mention needs a name right after the sign.
pub(super) fn without_mentions(c: char, out: &mut String) {
    out.push(c);
    if c == '@' {
        out.push('\u{200b}');
    }
}

/// Markdown of Discord and Mattermost: punctuation is escaped, and nobody is called.
pub(super) fn markdown(c: char, out: &mut String) {
    match c {
        '\\' | '`' | '*' | '_' | '~' | '|' | '>' | '<' | '#' | '[' | ']' | '(' | ')' | '!' | ':' | '+' | '-' | '$' => {
            out.push('\\');
            out.push(c);
        }
        // A mention needs a name right after the sign.
        '@' => out.push_str("@\u{200b}"),
        c => out.push(c),
    }
}

/// Adaptive cards: text runs know no markup, but `{{DATE(…)}}` and `${…}` are expanded in some hosts.
pub(super) fn card(c: char, out: &mut String) {
    match c {
        '{' => out.push_str("\u{200b}{\u{200b}"),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fit_cuts_between_characters_and_escapes() {
        assert_eq!(fit("Зеленський", 5, Unit::Utf16, plain), "Зеле…");
        assert_eq!(fit("Зеленський", 11, Unit::Byte, plain), "Зеле…");
        assert_eq!(fit("a&b", 7, Unit::Utf16, slack), "a&amp;b");
        assert_eq!(fit("a&b", 6, Unit::Utf16, slack), "a…", "no half of an escape");
        assert_eq!(fit("𝕊𝕊𝕊", 5, Unit::Utf16, plain), "𝕊𝕊…", "two units each");
        assert_eq!(fit("exact", 5, Unit::Utf16, plain), "exact");
        assert_eq!(fit("exact", 0, Unit::Utf16, plain), "");
    }

    proptest! {
        #[test]
        fn fit_never_exceeds_its_limit(text in "\\PC{0,60}", max in 0usize..40) {
            for escape in [plain, slack, without_mentions, markdown, card] {
                prop_assert!(fit(&text, max, Unit::Utf16, escape).encode_utf16().count() <= max);
                prop_assert!(fit(&text, max, Unit::Byte, escape).len() <= max);
            }
        }
    }
}
