//! The marks of text exports of press archives: LexisNexis (`1 of 2 DOCUMENTS`, labelled lines) and Factiva (fields of two
//! letters). `detect` knows an export by them, `parse` takes it apart by them.

/// Lines of a file that are looked at to tell what it is.
const LOOKED_AT_MAX: usize = 60;

/// Which archive a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PressArchive {
    LexisNexis,
    Factiva,
}

/// Whether a text is an export of one.
pub(super) fn is_export(text: &str) -> bool {
    archive_of(text).is_some()
}

pub(super) fn archive_of(text: &str) -> Option<PressArchive> {
    let lines = || text.lines().take(LOOKED_AT_MAX);
    if lines().any(is_document_line)
        && lines().any(|line| label(line, "LENGTH").is_some() || label(line, "LOAD-DATE").is_some())
    {
        return Some(PressArchive::LexisNexis);
    }
    let has = |code: &str| lines().any(|line| factiva_field(line).is_some_and(|(found, _)| found == code));
    (has("HD") && has("PD") && (has("SN") || has("LP"))).then_some(PressArchive::Factiva)
}

/// `1 of 2 DOCUMENTS`, `Document 1 of 2`.
pub(super) fn is_document_line(line: &str) -> bool {
    // Prose is told from it by its fifth word.
    let words: Vec<&str> = line.split_whitespace().take(5).collect();
    let number = |word: &str| !word.is_empty() && word.len() <= 6 && word.bytes().all(|b| b.is_ascii_digit());
    match words[..] {
        [first, "of", last, kind] => number(first) && number(last) && kind.to_uppercase().starts_with("DOCUMENT"),
        [kind, first, "of", last] => kind.eq_ignore_ascii_case("document") && number(first) && number(last),
        _ => false,
    }
}

/// The value of `LABEL: value`.
pub(super) fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim();
    let head = line.get(..name.len()).filter(|head| head.eq_ignore_ascii_case(name))?;
    line[head.len()..].strip_prefix(':').map(str::trim)
}

/// `HD    Harbour reopens`: a code of two letters and what follows it; the value may begin on the next line.
pub(super) fn factiva_field(line: &str) -> Option<(&str, &str)> {
    const CODES: [&str; 28] = [
        "SE", "HD", "BY", "CR", "WC", "PD", "ET", "SN", "SC", "ED", "PG", "LA", "CY", "CX", "LP", "TD", "CT", "RF",
        "CO", "IN", "NS", "RE", "IPC", "IPD", "PUB", "AN", "ART", "VOL",
    ];
    // Most lines are prose, and no code has a small letter.
    if !line.as_bytes().get(1).is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let code = CODES.into_iter().find(|code| {
        line.strip_prefix(code).is_some_and(|rest| rest.is_empty() || rest.starts_with("  ") || rest.starts_with('\t'))
    })?;
    Some((code, line[code.len()..].trim()))
}
