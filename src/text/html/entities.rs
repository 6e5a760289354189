//! Character references decoded to the end, however often they were encoded: `&amp;nbsp;` and
//! `&amp;#8217;` are left-overs of one system quoting another. One pass, linear.

use std::borrow::Cow;

use html5ever::data::NAMED_ENTITIES;

use crate::text::work;

/// The longest name in the table of HTML is 33 bytes.
const NAME_BYTES_MAX: usize = 40;

/// Decodes references that end in `;`. A bare `&` stays what it is.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('&').filter(|_| text.contains(';')) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(body) = rest.strip_prefix('&') {
        work::spend(1);
        match reference(body) {
            // The `&` it stands for may begin the next reference.
            Some((decoded, after)) if decoded == ['&', '\0'] && reference(after).is_some() => {
                let at = text.len() - after.len();
                if let Some((decoded, after)) = chain(&text[at..]) {
                    out.extend(decoded.into_iter().filter(|c| *c != '\0'));
                    rest = after;
                }
            }
            Some((decoded, after)) => {
                out.extend(decoded.into_iter().filter(|c| *c != '\0'));
                rest = after;
            }
            None => {
                out.push('&');
                rest = body;
            }
        }
        let next = rest.find('&').unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// Follows `amp;amp;lt;` to what it finally stands for.
fn chain(body: &str) -> Option<([char; 2], &str)> {
    let mut found = reference(body)?;
    while found.0 == ['&', '\0'] {
        work::spend(1);
        match reference(found.1) {
            Some(next) => found = next,
            None => break,
        }
    }
    Some(found)
}

/// What follows a `&`: one or two characters (the second `\0` if there is none) and the rest.
fn reference(body: &str) -> Option<([char; 2], &str)> {
    let end = body.bytes().take(NAME_BYTES_MAX).position(|b| !(b.is_ascii_alphanumeric() || b == b'#'))?;
    if end == 0 || body.as_bytes()[end] != b';' {
        return None;
    }
    let after = &body[end + 1..];
    if let Some(number) = body[..end].strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return Some(([numbered(code)?, '\0'], after));
    }
    let (first, second) = NAMED_ENTITIES.get(&body[..=end]).copied()?;
    Some(([char::from_u32(first).filter(|c| *c != '\0')?, char::from_u32(second)?], after))
}

/// Windows-1252 code points are sold as Unicode; controls and surrogates are nothing.
fn numbered(code: u32) -> Option<char> {
    if let 0x80..=0x9f = code {
        return encoding_rs::WINDOWS_1252.decode(&[code as u8]).0.chars().next();
    }
    char::from_u32(code).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decode_reads_references_however_often_encoded() {
        for (text, expected) in [
            ("Q&amp;A", "Q&A"),
            ("a&nbsp;b", "a\u{a0}b"),
            ("it&#8217;s &#x2014; &#146;", "it’s — ’"),
            ("&amp;amp;amp;quot;x&amp;quot;", "\"x\""),
            ("&amp;amp;", "&"),
            ("AT&T; R&D &", "AT&T; R&D &"),
            ("&unknown; &#0; &#xd800; &;", "&unknown; &#0; &#xd800; &;"),
            ("&NotEqualTilde;", "≂̸"),
        ] {
            assert_eq!(decode(text), expected, "{text:?}");
            assert_eq!(decode(expected), expected, "{expected:?} again");
        }
    }
}
