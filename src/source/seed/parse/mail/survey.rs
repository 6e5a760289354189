//! What a message is made of, before a parser builds anything of it: sizes and numbers are held to their caps, and
//! what would let a parser recurse without end is closed. One pass over the lines; the parser gets what comes out.

use crate::model::{RejectReason, Rejection};
use crate::text::{charset, work};

use super::super::rejected;

/// Parts of one message, those of messages within it among them.
const PARTS_MAX: usize = 200;
/// Parts within one another.
const DEPTH_MAX: usize = 10;
/// One header, of the message or of a part.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// A message that may be parsed.
#[derive(Debug)]
pub(super) struct SurveyedMessage {
    /// Its bytes; the header in UTF-8.
    pub bytes: Vec<u8>,
    /// Messages within it that are encoded and stay closed.
    pub sealed: usize,
}

/// Surveys the bytes of a message.
///
/// # Errors
/// [`RejectReason::TooLarge`] for a header, [`RejectReason::TooManyItems`] for parts, [`RejectReason::TooDeep`] for parts
/// within parts beyond their caps.
pub(super) fn survey(bytes: &[u8]) -> Result<SurveyedMessage, Rejection> {
    let mut bytes = with_readable_header(bytes);
    let (mut parts, mut messages, mut sealed) = (1usize, 0usize, 0usize);
    let mut boundaries: Vec<Vec<u8>> = Vec::new();
    let mut header: Option<Vec<u8>> = Some(Vec::new());
    let mut header_at = 0;
    let mut at = 0;
    while at < bytes.len() {
        work::spend(1 + boundaries.len());
        let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |found| at + found + 1);
        let line = bytes[at..end].trim_ascii_end();
        let delimits = line.starts_with(b"--") && boundaries.iter().any(|boundary| begins_with(&line[2..], boundary));
        if delimits {
            parts += 1;
            (header, header_at) = (Some(Vec::new()), end);
        } else if let Some(block) = &mut header {
            if line.is_empty() {
                let block = std::mem::take(block);
                (boundaries, header) = (with_boundaries_of(boundaries, &block), None);
                match inner_message(&block) {
                    InnerMessage::None => {}
                    InnerMessage::Open => {
                        (parts, messages) = (parts + 1, messages + 1);
                        (header, header_at) = (Some(Vec::new()), end);
                    }
                    InnerMessage::Encoded => sealed += 1,
                }
                seal(&mut bytes[header_at..end], &block);
            } else {
                block.extend(bytes[at..end].to_ascii_lowercase());
                if block.len() > HEADER_BYTES_MAX {
                    let detail = format!("a header of more than {} KiB in an e-mail", HEADER_BYTES_MAX >> 10);
                    return Err(rejected(RejectReason::TooLarge, detail));
                }
            }
        }
        if parts > PARTS_MAX + 1 {
            let detail = format!("an e-mail of more than {PARTS_MAX} parts");
            return Err(rejected(RejectReason::TooManyItems, detail));
        }
        if messages > DEPTH_MAX || boundaries.len() > PARTS_MAX {
            let detail = format!("an e-mail of more than {DEPTH_MAX} messages within one another");
            return Err(rejected(RejectReason::TooDeep, detail));
        }
        at = end;
    }
    Ok(SurveyedMessage { bytes, sealed })
}

/// The bytes of a message with a header in UTF-8: what stands there in bytes beyond ASCII was never declared.
fn with_readable_header(bytes: &[u8]) -> Vec<u8> {
    let end = header_end(bytes);
    let (header, body) = bytes.split_at(end);
    if std::str::from_utf8(header).is_ok() {
        return bytes.to_vec();
    }
    let lower = header.to_ascii_lowercase();
    let declared = parameter(&lower, b"charset=").map(|label| String::from_utf8_lossy(label).into_owned());
    let mut out = charset::decode(header, declared.as_deref()).text.into_owned().into_bytes();
    out.extend_from_slice(body);
    out
}

fn begins_with(line: &[u8], boundary: &[u8]) -> bool {
    line.get(..boundary.len()).is_some_and(|start| start.eq_ignore_ascii_case(boundary))
}

/// Where the header of a message ends, the empty line aside.
pub(super) fn header_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            return at;
        }
        at += line.len();
    }
    bytes.len()
}

enum InnerMessage {
    None,
    Open,
    Encoded,
}

/// Whether a part is a message of its own, by the header of the part in lower case.
fn inner_message(block: &[u8]) -> InnerMessage {
    let holds = |word: &[u8]| block.windows(word.len()).any(|window| window == word);
    if !holds(b"message") || !(holds(b"rfc822") || holds(b"global")) || !holds(b"content-type") {
        return InnerMessage::None;
    }
    if holds(b"base64") || holds(b"quoted-printable") { InnerMessage::Encoded } else { InnerMessage::Open }
}

/// Renames what a parser would go on into without a bound of its own: messages in an encoding, which may hold others,
/// and digests, whose parts are messages without saying so.
fn seal(header: &mut [u8], block: &[u8]) {
    if matches!(inner_message(block), InnerMessage::Encoded) {
        replace(header, b"message", b"x-seald");
    }
    replace(header, b"/digest", b"/mixed ");
}

/// Replaces a word by one of the same length, whatever the case of its letters.
fn replace(bytes: &mut [u8], word: &[u8], by: &[u8]) {
    for at in 0..bytes.len().saturating_sub(word.len() - 1) {
        if bytes[at..at + word.len()].eq_ignore_ascii_case(word) {
            bytes[at..at + word.len()].copy_from_slice(by);
        }
    }
}

fn with_boundaries_of(mut boundaries: Vec<Vec<u8>>, block: &[u8]) -> Vec<Vec<u8>> {
    if let Some(boundary) = parameter(block, b"boundary=").filter(|boundary| !boundary.is_empty()) {
        boundaries.push(boundary.to_vec());
    }
    boundaries
}

/// The value of a parameter in a header that is in lower case.
fn parameter<'a>(block: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = block.windows(name.len()).position(|window| window == name)? + name.len();
    let rest = &block[at..];
    let (quoted, rest) = match rest.first() {
        Some(b'"') => (true, &rest[1..]),
        _ => (false, rest),
    };
    let ends = |byte: &u8| if quoted { *byte == b'"' } else { byte.is_ascii_whitespace() || *byte == b';' };
    Some(&rest[..rest.iter().position(ends).unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(message: &str) -> Option<RejectReason> {
        survey(message.as_bytes()).err().map(|rejection| rejection.reason)
    }

    #[test]
    fn survey_holds_headers_and_parts_to_their_caps() {
        let part = "--Edge\r\nContent-Type: text/plain\r\n\r\nx\r\n";
        let of =
            |parts: usize| format!("Content-Type: multipart/mixed; boundary=\"Edge\"\r\n\r\n{}", part.repeat(parts));
        assert_eq!(reason(&of(PARTS_MAX)), None);
        assert_eq!(reason(&of(PARTS_MAX + 1)), Some(RejectReason::TooManyItems));
        assert_eq!(reason(&format!("Subject: {}\n\nx", "y".repeat(HEADER_BYTES_MAX))), Some(RejectReason::TooLarge));
        let nested = |levels: usize| format!("{}Subject: x\n\ny", "Content-Type: message/rfc822\n\n".repeat(levels));
        assert_eq!(reason(&nested(DEPTH_MAX)), None);
        assert_eq!(reason(&nested(DEPTH_MAX + 1)), Some(RejectReason::TooDeep));
    }

    #[test]
    fn survey_closes_messages_in_an_encoding_and_opens_digests() {
        let message = "Content-Type: Message/RFC822\nContent-Transfer-Encoding: base64\n\nU3Vi\n";
        let surveyed = survey(message.as_bytes()).expect("within the caps");
        assert_eq!(surveyed.sealed, 1);
        assert!(surveyed.bytes.starts_with(b"Content-Type: x-seald/RFC822\n"));
        let digest = survey(b"Content-Type: multipart/digest; boundary=b\n\n").expect("within the caps");
        assert!(digest.bytes.starts_with(b"Content-Type: multipart/mixed ; boundary=b"));
    }

    #[test]
    fn survey_reads_bytes_of_a_header_in_the_charset_of_the_message() {
        let subject = encoding_rs::KOI8_R.encode("Порт открыт").0;
        let message = [b"Subject: ", &*subject, b"\nContent-Type: text/plain; charset=koi8-r\n\nx"].concat();
        let surveyed = survey(&message).expect("within the caps");
        assert!(String::from_utf8_lossy(&surveyed.bytes).starts_with("Subject: Порт открыт\n"));
    }
}
