//! Bytes to text: a byte order mark wins, then valid UTF-8, then what is declared (transport before
//! document, RFC 7303 section 3.2), then detection. Never fails: what cannot be decoded becomes U+FFFD.
//! Encodings and their labels are those of the WHATWG Encoding Standard; UTF-32 is read by hand.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A declaration is looked for in so many bytes: HTML prescribes 1,024, feeds put comments before it.
const DECLARATION_BYTES_MAX: usize = 4096;

/// Detection reads so many bytes and then knows enough.
const DETECTION_BYTES_MAX: usize = 256 << 10;

/// So many characters of several bytes in a row are not UTF-8 by chance.
const SURE_CHARACTERS_MIN: usize = 4;

/// A decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedText<'a> {
    /// The text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// The encoding it was in, by its WHATWG name (`UTF-32LE` and `UTF-32BE` beside them).
    pub encoding: &'static str,
    /// Whether some bytes made no sense in that encoding.
    pub had_errors: bool,
}

/// Decodes bytes of any origin. `declared_by_transport` is the `charset` parameter of a content type.
#[must_use]
pub fn decode<'a>(bytes: &'a [u8], declared_by_transport: Option<&str>) -> DecodedText<'a> {
    if let Some(decoded) = by_mark(bytes).or_else(|| by_zero_bytes(bytes)) {
        return decoded;
    }
    let transport = declared_by_transport.and_then(encoding_for);
    let document = || declared_in(bytes).and_then(|label| encoding_for(&label));
    let valid = std::str::from_utf8(bytes);
    if let Ok(text) = valid {
        // ISO-2022-JP is pure ASCII with escape sequences, so it always passes for UTF-8.
        let escapes = bytes.contains(&0x1b) && transport.or_else(document) == Some(ISO_2022_JP);
        if !escapes {
            return DecodedText { text: Cow::Borrowed(text), encoding: UTF_8.name(), had_errors: false };
        }
    }
    let mut utf8_declared = false;
    for encoding in [transport, document()].into_iter().flatten() {
        if encoding == UTF_8 {
            utf8_declared = true;
            continue;
        }
        // A single-byte encoding accepts everything, so only a wrong multi-byte label is noticed.
        let decoded = in_encoding(bytes, encoding);
        if !decoded.had_errors {
            return decoded;
        }
    }
    if utf8_declared && bytes.iter().filter(|b| !b.is_ascii()).count() < 2 {
        return in_encoding(bytes, UTF_8);
    }
    if let Some(mixed) = mixed(bytes) {
        return mixed;
    }
    let encoding = if mostly_utf8(bytes) { UTF_8 } else { detected(bytes) };
    in_encoding(bytes, encoding)
}

/// The text after a leading `<?xml …?>`: it was true of the bytes, and is not of the decoded text.
#[must_use]
pub fn after_declaration(text: &str) -> &str {
    let start = text.trim_start();
    match start.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n', '?'])) {
        Some(rest) => rest.find("?>").map_or(text, |end| &rest[end + 2..]),
        None => text,
    }
}

/// Whether there are control characters, C1 included. Sixteen bytes without anything like one are told in a
/// few steps; line breaks, tabs and the first byte of C1 are looked at by themselves.
#[must_use]
pub fn has_controls(bytes: &[u8]) -> bool {
    let is_control = |at: usize| match bytes[at] {
        b'\t' | b'\n' | b'\r' => false,
        // C1 controls take two bytes, C2 80 to C2 9F; the second may begin the next sixteen.
        0xc2 => bytes.get(at + 1).is_some_and(|b| *b < 0xa0),
        byte => byte < 0x20,
    };
    let (sixteens, rest) = bytes.as_chunks::<16>();
    for (word, sixteen) in sixteens.iter().enumerate() {
        if has_suspect(u128::from_le_bytes(*sixteen)) && (word * 16..word * 16 + 16).any(is_control) {
            return true;
        }
    }
    (bytes.len() - rest.len()..bytes.len()).any(is_control)
}

/// Whether one of sixteen bytes is below 0x20 or is 0xC2: subtracting sets the highest bit of a byte that was
/// smaller, and no borrow begins elsewhere (Warren, Hacker's Delight, "Find First 0-Byte").
const fn has_suspect(sixteen: u128) -> bool {
    const ONES: u128 = u128::MAX / 255;
    let c2 = sixteen ^ (ONES * 0xc2);
    let low = sixteen.wrapping_sub(ONES * 0x20) & !sixteen;
    (low | (c2.wrapping_sub(ONES) & !c2)) & (ONES << 7) != 0
}

/// The `charset` parameter of a content type, however it is quoted.
#[must_use]
pub fn of_content_type(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

fn by_mark(bytes: &[u8]) -> Option<DecodedText<'_>> {
    // UTF-32LE begins with the mark of UTF-16LE: it is looked at first.
    if let Some(rest) = bytes.strip_prefix(&[0xff, 0xfe, 0, 0]) {
        return Some(utf32(rest, "UTF-32LE", u32::from_le_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(&[0, 0, 0xfe, 0xff]) {
        return Some(utf32(rest, "UTF-32BE", u32::from_be_bytes));
    }
    let (encoding, mark_len) = Encoding::for_bom(bytes)?;
    if encoding == UTF_8 && std::str::from_utf8(&bytes[mark_len..]).is_err() && !mostly_utf8(&bytes[mark_len..]) {
        return None;
    }
    Some(in_encoding(&bytes[mark_len..], encoding))
}

/// UTF-16 and UTF-32 without a mark: markup begins with `<`, whose other bytes are zero (XML 1.0,
/// appendix F).
fn by_zero_bytes(bytes: &[u8]) -> Option<DecodedText<'_>> {
    match bytes.first_chunk::<4>()? {
        [b'<' | b'{', 0, 0, 0] => Some(utf32(bytes, "UTF-32LE", u32::from_le_bytes)),
        [0, 0, 0, b'<' | b'{'] => Some(utf32(bytes, "UTF-32BE", u32::from_be_bytes)),
        [b'<' | b'{', 0, next, 0] if *next != 0 => Some(in_encoding(bytes, UTF_16LE)),
        [0, b'<' | b'{', 0, next] if *next != 0 => Some(in_encoding(bytes, UTF_16BE)),
        _ => None,
    }
}

fn utf32<'a>(bytes: &[u8], encoding: &'static str, unit: fn([u8; 4]) -> u32) -> DecodedText<'a> {
    let mut had_errors = !bytes.len().is_multiple_of(4);
    let text = bytes
        .chunks_exact(4)
        .map(|four| {
            let scalar = four.try_into().ok().and_then(|four| char::from_u32(unit(four)));
            had_errors |= scalar.is_none();
            scalar.unwrap_or(char::REPLACEMENT_CHARACTER)
        })
        .collect::<String>();
    DecodedText { text: Cow::Owned(text), encoding, had_errors }
}

fn in_encoding<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> DecodedText<'a> {
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    DecodedText { text, encoding: encoding.name(), had_errors }
}

/// The encoding of a label, as for content: `replacement` is an attack, and a document whose label
/// could be read as ASCII is not in UTF-16 (HTML, "prescan a byte stream").
fn encoding_for(label: &str) -> Option<&'static Encoding> {
    let label = label.trim();
    let encoding = match label.to_ascii_lowercase().as_str() {
        // Names seen in feeds that the standard does not list.
        "cp949" | "uhc" => encoding_rs::EUC_KR,
        "cp936" | "gb_2312" => encoding_rs::GBK,
        "cp932" | "ms932" => encoding_rs::SHIFT_JIS,
        "cp950" => encoding_rs::BIG5,
        "win-1251" | "windows1251" => encoding_rs::WINDOWS_1251,
        "latin-1" | "iso latin 1" => WINDOWS_1252,
        _ => Encoding::for_label(label.as_bytes())?,
    };
    (encoding != REPLACEMENT && encoding != UTF_16LE && encoding != UTF_16BE).then_some(encoding)
}

/// The label in an XML declaration or an HTML `meta`.
fn declared_in(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(DECLARATION_BYTES_MAX)];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if let Some(at) = head.find("<?xml") {
        let declaration = &head[at..head[at..].find("?>").map_or(head.len(), |end| at + end)];
        if let Some(label) = value_after(declaration, "encoding") {
            return Some(label);
        }
    }
    let mut rest = head.as_str();
    while let Some(at) = rest.find("<meta") {
        rest = &rest[at + 5..];
        let tag = &rest[..rest.find('>').unwrap_or(rest.len())];
        if let Some(label) = value_after(tag, "charset") {
            return Some(label);
        }
    }
    None
}

/// The value after `name =`, quoted or not.
fn value_after(tag: &str, name: &str) -> Option<String> {
    let rest = tag[tag.find(name)? + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let (quote, rest) = match rest.chars().next()? {
        quote @ ('"' | '\'') => (Some(quote), &rest[1..]),
        _ => (None, rest),
    };
    let ends = |c: char| quote.map_or(c.is_whitespace() || matches!(c, '>' | ';' | '"' | '\'' | '/'), |q| c == q);
    let value = rest[..rest.find(ends).unwrap_or(rest.len())].trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether most of what is not ASCII is well-formed UTF-8: a few bad bytes do not make it Latin-1.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|b| *b >= 0xc0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > bad.saturating_mul(2)
}

/// A document that is UTF-8 but for some of its items, which were taken over in another encoding: each piece of text
/// between marks is read in its own. `None` where no piece is UTF-8 beyond doubt, or none is anything else.
fn mixed(bytes: &[u8]) -> Option<DecodedText<'_>> {
    let pieces = || bytes.split_inclusive(|byte| matches!(byte, b'<' | b'>' | b'"' | b'\n'));
    let is_foreign =
        |piece: &&[u8]| std::str::from_utf8(piece).is_err() && !mostly_utf8(piece) && !has_cut_character(piece);
    let certain = pieces().any(|piece| {
        let characters = || piece.iter().filter(|byte| **byte >= 0xc0).count();
        !piece.is_ascii() && std::str::from_utf8(piece).is_ok() && characters() >= SURE_CHARACTERS_MIN
    });
    if !certain {
        return None;
    }
    let foreign: Vec<u8> = pieces().filter(is_foreign).flatten().copied().take(DETECTION_BYTES_MAX).collect();
    if foreign.is_empty() {
        return None;
    }
    let encoding = detected(&foreign);
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 4);
    for piece in pieces() {
        if is_foreign(&piece) {
            text.push_str(&encoding.decode_without_bom_handling(piece).0);
        } else {
            text.push_str(&String::from_utf8_lossy(piece));
        }
    }
    Some(DecodedText { text: Cow::Owned(text), encoding: UTF_8.name(), had_errors: true })
}

/// Whether what is wrong with a piece is a character of UTF-8 that was cut through.
fn has_cut_character(piece: &[u8]) -> bool {
    piece.utf8_chunks().all(|chunk| chunk.invalid().len() != 1)
}

fn detected(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[..bytes.len().min(DETECTION_BYTES_MAX)], true);
    detector.guess(None, Utf8Detection::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn decode_mark_wins_over_every_declaration() {
        let text = "<?xml version='1.0' encoding='koi8-r'?><a>é</a>";
        let bytes = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        let decoded = decode(&bytes, Some("iso-8859-5"));
        assert_eq!((&*decoded.text, decoded.encoding), (text, "UTF-8"));
        let decoded = utf16(&format!("\u{feff}{text}"), u16::to_be_bytes);
        assert_eq!(decode(&decoded, Some("utf-8")).text, text);
    }

    #[test]
    fn decode_utf16_and_utf32_with_and_without_mark_at_both_ends() {
        let text = "<rss>Größe 北京 😀</rss>";
        for mark in ["", "\u{feff}"] {
            let marked = format!("{mark}{text}");
            let wide = |unit: fn(u32) -> [u8; 4]| marked.chars().flat_map(|c| unit(c as u32)).collect::<Vec<u8>>();
            for (bytes, name) in [
                (utf16(&marked, u16::to_le_bytes), "UTF-16LE"),
                (utf16(&marked, u16::to_be_bytes), "UTF-16BE"),
                (wide(u32::to_le_bytes), "UTF-32LE"),
                (wide(u32::to_be_bytes), "UTF-32BE"),
            ] {
                let decoded = decode(&bytes, None);
                assert_eq!((&*decoded.text, decoded.encoding, decoded.had_errors), (text, name, false), "{mark:?}");
            }
        }
    }

    #[test]
    fn decode_valid_utf8_wins_over_a_wrong_declaration() {
        let text = "<?xml version='1.0' encoding='windows-1251'?><a>Київ</a>";
        assert_eq!(decode(text.as_bytes(), Some("windows-1252")).text, text);
    }

    #[test]
    fn decode_transport_comes_before_the_prolog_and_the_prolog_before_a_guess() {
        let bytes = b"<?xml version=\"1.0\" encoding = \"iso-8859-5\"?><a>\xb4\xb0</a>";
        assert!(decode(bytes, None).text.contains("ДА"));
        assert_eq!(decode(bytes, None).encoding, "ISO-8859-5");
        assert_eq!(decode(bytes, Some("windows-1252")).encoding, "windows-1252");
    }

    #[test]
    fn decode_meta_charset_of_a_page_is_believed() {
        for meta in ["<meta charset=koi8-r>", "<META http-equiv=x content='text/html; charset=koi8-r'>"] {
            let bytes = [meta.as_bytes(), b"<p>\xeb\xc9\xc5\xd7</p>"].concat();
            let decoded = decode(&bytes, None);
            assert_eq!(decoded.encoding, "KOI8-R");
            assert!(decoded.text.contains("Киев"), "{}", decoded.text);
        }
    }

    #[test]
    fn decode_iso_2022_jp_is_not_mistaken_for_utf8() {
        let text = "<?xml version='1.0' encoding='iso-2022-jp'?><a>日本</a>";
        let bytes = ISO_2022_JP.encode(text).0;
        assert_eq!(decode(&bytes, None).text, text);
    }

    #[test]
    fn decode_few_bad_bytes_in_utf8_cost_only_themselves() {
        let bytes = "Київ, Львів, Одеса".bytes().chain([0xff]).chain("!".bytes()).collect::<Vec<_>>();
        let decoded = decode(&bytes, Some("utf-8"));
        assert_eq!((&*decoded.text, decoded.encoding), ("Київ, Львів, Одеса\u{fffd}!", "UTF-8"));
        assert!(decoded.had_errors);
    }

    #[test]
    fn decode_item_in_another_charset_leaves_the_others_alone() {
        let cyrillic = encoding_rs::WINDOWS_1251.encode("Уряд схвалив новий пакет заходів").0;
        let bytes: Vec<u8> = [
            "<?xml version='1.0' encoding='UTF-8'?><item><title>Новини порту</title></item><item><title>".as_bytes(),
            &cyrillic,
            "</title></item><item><title>Третя новина з\u{457}".as_bytes(),
            b"\xd1</title></item>",
        ]
        .concat();
        let decoded = decode(&bytes, None);
        assert!(decoded.had_errors);
        for title in [
            "<title>Новини порту<",
            "<title>Уряд схвалив новий пакет заходів<",
            "<title>Третя новина з\u{457}\u{fffd}<",
        ] {
            assert!(decoded.text.contains(title), "{}", decoded.text);
        }
    }

    #[test]
    fn decode_cp1252_sold_as_utf8_is_detected() {
        let bytes =
            b"<?xml version='1.0' encoding='utf-8'?><a>\x93Caf\xe9\x94 \x96 d\xe9j\xe0 vu \xe0 la pr\xe9fecture</a>";
        let decoded = decode(bytes, Some("UTF-8"));
        assert_eq!(decoded.encoding, "windows-1252");
        assert!(decoded.text.contains("“Café” – déjà vu"), "{}", decoded.text);
    }

    #[test]
    fn decode_undeclared_cyrillic_is_detected() {
        let bytes =
            encoding_rs::WINDOWS_1251.encode("<a>Уряд схвалив новий пакет заходів, повідомили в міністерстві.</a>").0;
        assert_eq!(decode(&bytes, None).encoding, "windows-1251");
    }

    #[test]
    fn decode_dangerous_and_unknown_labels_are_ignored() {
        for label in ["hz-gb-2312", "utf-16", "utf-7", "", "no such thing", "\u{0}"] {
            assert_eq!(decode("<a>Œuvre</a>".as_bytes(), Some(label)).text, "<a>Œuvre</a>");
            let decoded = decode(b"caf\xe9", Some(label));
            assert!(decoded.text.starts_with("caf"), "{label}: {decoded:?}");
        }
        assert_eq!(decode(b"", None).text, "");
    }

    #[test]
    fn content_type_charset_is_found_however_it_is_quoted() {
        assert_eq!(of_content_type("text/xml; q=1; Charset= 'utf-8'"), Some("utf-8"));
        assert_eq!(of_content_type("application/rss+xml;charset=\"koi8-r\""), Some("koi8-r"));
        assert_eq!(of_content_type("text/xml; charset:iso-8859-1"), None);
        assert_eq!(of_content_type("text/xml"), None);
    }

    #[test]
    fn after_declaration_drops_the_declaration_and_nothing_else() {
        assert_eq!(after_declaration("\n<?xml version='1.0'?><rss/>"), "<rss/>");
        assert_eq!(after_declaration("<?xml-stylesheet href='a'?><rss/>"), "<?xml-stylesheet href='a'?><rss/>");
        assert_eq!(after_declaration("<?xml version='1.0'"), "<?xml version='1.0'");
    }

    #[test]
    fn controls_are_found_at_every_place_and_space_is_none() {
        let calm = "Deich\u{a0}hält ½, sagte man.\t\r\n".repeat(9);
        assert!(!has_controls(calm.as_bytes()));
        for at in (0..200).filter(|at| calm.is_char_boundary(*at)) {
            for control in ["\u{1}", "\u{1f}", "\u{80}", "\u{9f}"] {
                let mut text = calm.clone();
                text.insert_str(at, control);
                assert!(has_controls(text.as_bytes()), "{at} {control:?}");
            }
        }
    }
}
