//! Written values: durations (`1h30m`), sizes (`10MiB`), the key somebody meant, and secrets blanked out
//! before a line of a config file is shown. Pure text in, values out; `section` puts the errors in place.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

const DURATION_UNITS: [(&str, u64); 6] =
    [("w", 7 * 24 * 3_600_000), ("d", 24 * 3_600_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("KB", 1000),
    ("B", 1),
];

/// Longest duration that is taken: a hundred years, far from any overflow.
const DURATION_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Reads `500ms`, `90s`, `15m`, `1h30m`, `7d`, `2w`.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn duration(text: &str) -> Result<Duration, Cow<'static, str>> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut last_unit_ms = u64::MAX;
    if text.is_empty() {
        return Err("it is empty".into());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        rest = &rest[digits + letters..];
        if number.is_empty() {
            return Err("a number is missing".into());
        }
        if unit.is_empty() {
            return Err(format!("{number} has no unit").into());
        }
        let Some(&(_, unit_ms)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is no unit").into());
        };
        if unit_ms >= last_unit_ms {
            return Err("larger units come first, each once".into());
        }
        last_unit_ms = unit_ms;
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms)).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= DURATION_MAX)
            .ok_or("it is longer than a hundred years")?;
    }
    Ok(total)
}

/// The shortest way to write a duration: what [`duration`] reads back.
#[must_use]
pub fn show_duration(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    // Weeks only where nothing else is left: people write 8d rather than 1w1d.
    let units = if rest % DURATION_UNITS[0].1 == 0 { &DURATION_UNITS[..] } else { &DURATION_UNITS[1..] };
    for (unit, unit_ms) in units {
        let count = rest / unit_ms;
        if count > 0 {
            let _ = write!(out, "{count}{unit}");
        }
        rest %= unit_ms;
    }
    out
}

/// Reads `512B`, `64KiB`, `10MiB`, `2GB`: bytes.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn size_bytes(text: &str) -> Result<u64, Cow<'static, str>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    if number.is_empty() {
        return Err(if text.is_empty() { "it is empty" } else { "a whole number is missing" }.into());
    }
    if unit.is_empty() {
        return Err(format!("{number} has no unit").into());
    }
    let Some(&(_, unit_bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{unit}` is no unit").into());
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_bytes)).ok_or_else(|| "it is too large".into())
}

/// A size in the largest unit that leaves no remainder.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let fits = |unit: u64| bytes >= unit && bytes.is_multiple_of(unit);
    SIZE_UNITS
        .iter()
        .filter(|(name, _)| name.ends_with("iB") || *name == "B")
        .find(|(_, unit)| fits(*unit))
        .map_or_else(|| "0B".to_owned(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// The candidate somebody most likely meant, if any is near enough.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    let limit = (written.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&written, &candidate.to_lowercase().replace('-', "_")), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, a swap of neighbours counting as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    const CHARS_MAX: usize = 64;
    let a: Vec<char> = a.chars().take(CHARS_MAX).collect();
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, slot) in rows[0].iter_mut().enumerate() {
        *slot = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// `whsec_…` anywhere; what a key named for a secret is set to; user info and query of a URL.
static SECRETS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r"whsec_([A-Za-z0-9+/=_-]+)",
        r#"(?i)[a-z0-9_-]*(?:secret|token|passw|credential|authorization|api_?key)[a-z0-9_-]*["']?\s*=\s*("""[^"]*"?"?"?|'''[^']*'?'?'?|"[^"\n]*"?|'[^'\n]*'?|[^\s,}\]#]+)"#,
        r#"(?i)\b[a-z][a-z0-9+.-]*://(?:([^\s/"'@?#]+)@)?[^\s?"'#]*(?:\?([^\s"']+))?"#,
    ]
    .map(|pattern| Regex::new(pattern).expect("invariant: the pattern is valid"))
});

/// The same text with every secret blanked out by `*`, byte for byte, so that positions still hold
/// (promise P10).
#[must_use]
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (which, regex) in SECRETS.iter().enumerate() {
        for found in regex.captures_iter(text) {
            // Where a file or a credential is named, its name is what the operator must see.
            let key = found[0].split('=').next().unwrap_or_default().trim_end();
            let is_name = which == 1 && (key.ends_with("_file") || key.ends_with("_credential"));
            for group in found.iter().skip(1).flatten().filter(|_| !is_name) {
                for byte in &mut bytes[group.range()] {
                    if !matches!(*byte, b'\n' | b'\r' | b'"' | b'\'') {
                        *byte = b'*';
                    }
                }
            }
        }
    }
    mask_headers(&mut bytes);
    String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len()))
}

/// Header fields may hold a key under any name, so their values are blanked out: in `headers = […]` what follows
/// the first colon of each text, or all of it; in a table of headers every value. Written for texts that are
/// no TOML as well: what is not closed ends with its line.
fn mask_headers(bytes: &mut [u8]) {
    let (mut at, mut in_table) = (0, false);
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length);
        let line = bytes[at..end].trim_ascii_start();
        let start = end - line.len();
        if line.starts_with(b"[") {
            let name = line.split(|&b| b == b']').next().unwrap_or(line);
            in_table = name.trim_ascii().to_ascii_lowercase().ends_with(b"headers");
        }
        let key = line.iter().position(|&b| b == b'=');
        let names_headers = key.is_some_and(|key| line[..key].to_ascii_lowercase().windows(7).any(|w| w == b"headers"));
        at = match key {
            Some(key) if names_headers => mask_list(bytes, start + key + 1),
            Some(key) if in_table => {
                blank(&mut bytes[start + key + 1..end]);
                end + 1
            }
            _ => end + 1,
        };
    }
}

/// Blanks out the values of a list of header fields that begins here; gives where to go on.
fn mask_list(bytes: &mut [u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'\n' if depth == 0 => return at + 1,
            b'#' => {
                let end = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length);
                blank(&mut bytes[at + 1..end]);
                at = end;
                continue;
            }
            quote @ (b'"' | b'\'') => {
                let length = string_length(&bytes[at + 1..], quote);
                let inside = at + 1..at + 1 + length;
                let colon = bytes[inside.clone()].iter().position(|&b| b == b':').map_or(0, |colon| colon + 1);
                blank(&mut bytes[inside.start + colon..inside.end]);
                at = inside.end;
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// Bytes of a text up to the quote that closes it, or to the end of its line.
fn string_length(rest: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    let ends = |&b: &u8| {
        let end = b == b'\n' || b == quote && !escaped;
        escaped = quote == b'"' && b == b'\\' && !escaped;
        end
    };
    rest.iter().position(ends).unwrap_or(rest.len())
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if !matches!(*byte, b'\n' | b'\r' | b'"' | b'\'' | b' ') {
            *byte = b'*';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_reads_what_people_write() {
        let cases = [("500ms", 500), ("90s", 90_000), ("15m", 900_000), ("1h30m", 5_400_000), ("7d", 604_800_000)];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn duration_nonsense_says_what_is_wrong() {
        let cases = [
            ("", "it is empty"),
            ("15", "15 has no unit"),
            ("m", "a number is missing"),
            ("15 m", "15 has no unit"),
            ("15min", "`min` is no unit"),
            ("30m1h", "larger units come first, each once"),
            ("1m1m", "larger units come first, each once"),
            ("-5s", "a number is missing"),
            ("99999999999999999999d", "it is longer than a hundred years"),
            ("200000d", "it is longer than a hundred years"),
            ("15м", "15 has no unit"),
        ];
        for (text, why) in cases {
            assert_eq!(duration(text).err().as_deref(), Some(why), "{text}");
        }
    }

    #[test]
    fn duration_shown_is_read_back() {
        for text in ["500ms", "90s", "15m", "1h30m", "7d", "8d", "2w", "1d1ms"] {
            let span = duration(text).expect("valid");
            assert_eq!(duration(&show_duration(span)), Ok(span), "{text}");
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(show_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn size_reads_both_kinds_of_units() {
        for (text, bytes) in [("10MiB", 10 << 20), ("64KiB", 65_536), ("2GB", 2_000_000_000), ("5 kB", 5000), ("0B", 0)]
        {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("10", "10 has no unit"),
            ("MiB", "a whole number is missing"),
            ("1.5MiB", "`.5MiB` is no unit"),
            ("10mb", "`mb` is no unit"),
            ("99999999999GiB", "it is too large"),
        ] {
            assert_eq!(size_bytes(text).err().as_deref(), Some(why), "{text}");
        }
        assert_eq!(show_size(10 << 20), "10MiB");
        assert_eq!(show_size(1_000_000), "1000000B");
        assert_eq!(show_size(0), "0B");
    }

    #[test]
    fn nearest_finds_typos_and_leaves_strangers() {
        let keys = ["interval", "url", "backfill", "allow_private", "topics"];
        for (written, meant) in
            [("intervall", "interval"), ("allow-private", "allow_private"), ("URL", "url"), ("topisc", "topics")]
        {
            assert_eq!(nearest(written, keys), Some(meant), "{written}");
        }
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("x", keys), None);
    }

    #[test]
    fn masked_keeps_length_and_hides_secrets() {
        let text = "secret = \"hunter2\" # x\nurl = 'https://me:pw@h.example/p?key=1' \nk = \"whsec_AbC+/=\"\nsecret_file = \"a/b\"\n\
                    http_token = \"\"\"tok\nen!\"\"\"\nsecret = bare\nsecret = \"unclosed\n";
        let shown = masked(text);
        assert_eq!(shown.len(), text.len());
        for canary in ["hunter2", "me:pw", "key=1", "AbC", "tok\n", "en!", "bare", "unclosed"] {
            assert!(!shown.contains(canary), "{canary} in {shown}");
        }
        for kept in ["h.example/p", "a/b", "secret = \"*******\"", "# x"] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
    }

    #[test]
    fn masked_values_of_headers_are_hidden_in_every_notation() {
        for text in [
            "headers = [\"x-key: CANARY\", 'x-team CANARY', \"CANARY\"]\nurl = 'kept'",
            "headers = [\n  \"x-key: a]CANARY\", # x-key: CANARY\n  \"x-b: \\\"CANARY\"\n]\nurl = 'kept'",
            "headers = \"x-key: CANARY\"\nurl = 'kept'",
            "headers = { x-key = \"CANARY\" }\nurl = 'kept'",
            "headers = [\"x-key: CANARY\nurl = 'kept'",
            "[endpoints.headers]\nx-key = \"CANARY\"\nx-b = CANARY\n[a]\nurl = 'kept'",
        ] {
            let shown = masked(text);
            assert!(!shown.contains("CANARY"), "{text} → {shown}");
            assert!(
                shown.contains("url = ") && (shown.contains("kept") || text.contains("CANARY\nurl")),
                "{text} → {shown}"
            );
            assert_eq!(shown.len(), text.len());
        }
    }

    #[test]
    fn masked_text_of_any_script_stays_text() {
        assert_eq!(masked("secret = \"пароль\""), format!("secret = \"{}\"", "*".repeat("пароль".len())));
    }
}
