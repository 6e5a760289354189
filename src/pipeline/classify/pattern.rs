//! `/pattern/` of a query → a compiled expression, or why not. The engine is linear in the text but
//! not cheap: one `.{0,5000}z` took minutes on a megabyte. So: bounded repeats, a small program, a measured
//! `effort` within bounds, and only the first 64 KiB of a text are searched. Matching is case-insensitive.

use regex::{Regex, RegexBuilder};

use super::effort::{self, STEPS_PER_BYTE_MAX};

/// Longest pattern as written.
const PATTERN_BYTES_MAX: usize = 1024;
/// Largest bound of a repeat.
const REPEAT_MAX: u32 = 100;
/// Largest compiled program: bounds the work per byte of text.
const PROGRAM_BYTES_MAX: usize = 64 * 1024;
/// How much of a text is searched.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatternProblem {
    /// A lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

fn problem(message: impl Into<String>, hint: &str) -> PatternProblem {
    PatternProblem { message: message.into(), hint: hint.to_owned() }
}

/// Says whether [`compile`] will take a pattern, and whether its effort is within bounds: for every pattern
/// of a config, when it is read.
pub(super) fn check(pattern: &str) -> Result<(), PatternProblem> {
    compile(pattern)?;
    let steps = effort::steps_per_byte(pattern);
    if steps > STEPS_PER_BYTE_MAX {
        return Err(problem(
            format!(
                "this expression costs too much: {steps} steps per letter of a text that is hard on it, \
                 more than {STEPS_PER_BYTE_MAX}"
            ),
            "use words with `NEAR/n`, which cost nearly nothing, or shorten its repeats",
        ));
    }
    Ok(())
}

/// Compiles a pattern within the limits.
pub(super) fn compile(pattern: &str) -> Result<Regex, PatternProblem> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(problem(format!("an expression longer than {PATTERN_BYTES_MAX} bytes"), "split it into several"));
    }
    if let Some(bound) = largest_repeat(pattern).filter(|bound| *bound > REPEAT_MAX) {
        return Err(problem(
            format!("a repeat of up to {bound}, more than {REPEAT_MAX}, costs too much"),
            "use `*` or `+`, or `NEAR/n` between words",
        ));
    }
    let regex =
        RegexBuilder::new(pattern).case_insensitive(true).size_limit(PROGRAM_BYTES_MAX).build().map_err(|error| {
            match error {
                regex::Error::CompiledTooBig(_) => problem(
                    format!("this expression compiles to more than {} KiB", PROGRAM_BYTES_MAX / 1024),
                    "write `[a-z]` or `[0-9]` in place of `\\w` or `\\d`, shorten repeats, or use words with `NEAR/n`",
                ),
                other => problem(syntax_message(&other), "the syntax is that of the Rust `regex` crate"),
            }
        })?;
    if regex.is_match("") {
        return Err(problem("this expression matches the empty text, so it is found everywhere", "use `+` for `*`"));
    }
    Ok(regex)
}

/// The part of a text that is searched.
pub(super) fn start_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// The last line of a syntax error says what is wrong; the ones before repeat the pattern.
fn syntax_message(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The largest number in `{n}`, `{n,}` or `{n,m}`, outside classes and escapes.
fn largest_repeat(pattern: &str) -> Option<u32> {
    let mut largest = None;
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let mut step = c.len_utf8();
        match c {
            '\\' => step += rest[step..].chars().next().map_or(0, char::len_utf8),
            '[' => in_class = true,
            ']' => in_class = false,
            '{' if !in_class => {
                let end = rest.find('}').unwrap_or(rest.len());
                for number in rest[1..end].split(',') {
                    if let Ok(bound) = number.trim().parse::<u64>() {
                        largest = largest.max(Some(u32::try_from(bound).unwrap_or(u32::MAX)));
                    }
                }
            }
            _ => {}
        }
        rest = &rest[step..];
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_within_limits_is_taken_whatever_the_case() {
        let regex = compile(r"su-?(24|27|35)s?\b").expect("a fine pattern");
        assert!(regex.is_match("two SU-35s took off"));
    }

    #[test]
    fn pattern_over_a_limit_says_which() {
        for (pattern, part) in [
            (".{0,5000}z", "repeat of up to 5000"),
            ("a{99999999999999}", "repeat"),
            ("(?:.{50}){100}", "compiles to more than 64 KiB"),
            ("(unclosed", "unclosed group"),
            ("a*", "the empty text"),
            ("[a-z]{0,90}[0-9a-f]{2,90}z", "steps per letter"),
            (".*[^A-Z]|[A-Z]", "steps per letter"),
        ] {
            let problem = check(pattern).expect_err(pattern);
            assert!(problem.message.contains(part), "{pattern}: {}", problem.message);
        }
        assert!(check(&"a".repeat(2000)).is_err());
    }

    #[test]
    fn largest_repeat_ignores_classes_and_escapes() {
        assert_eq!(largest_repeat(r"[{500}]\{600\}x{2,7}"), Some(7));
        assert_eq!(largest_repeat("plain"), None);
    }
}
