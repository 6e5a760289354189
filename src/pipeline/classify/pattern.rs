//! `/pattern/` of a query → an expression to search with, or why not. The engine is linear in the text but
//! not cheap: one `.{0,5000}z` took minutes on a megabyte. So: bounded repeats, a small program, a measured
//! `effort` within bounds, and only the first 64 KiB of a text are searched. Matching is case-insensitive.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use regex_automata::nfa::thompson::NFA;

use super::effort::{self, STEPS_PER_BYTE_MAX};

/// Longest pattern as written.
const PATTERN_BYTES_MAX: usize = 1024;
/// Largest bound of a repeat.
const REPEAT_MAX: u32 = 100;
/// Largest compiled program: bounds the work per byte of text.
const PROGRAM_BYTES_MAX: usize = 64 * 1024;
/// What a thread may remember of its searches with one pattern.
const CACHE_BYTES_MAX: usize = 256 * 1024;
/// Largest programs of all patterns of a config together.
pub(super) const PROGRAMS_BYTES_MAX: usize = 64 << 20;
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

/// A pattern of a plan. What searches with it is made when a document asks for it first: most of many thousands are
/// asked by no document of a day, and each takes tens of kilobytes.
#[derive(Debug)]
pub(super) struct LazyPattern {
    text: String,
    regex: OnceLock<Regex>,
}

impl LazyPattern {
    /// Of a pattern that [`check`] has taken.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), regex: OnceLock::new() }
    }

    pub fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| {
            // Its program is within the bound already; that of the way back may be a little larger.
            let built = builder(&self.text).size_limit(8 * PROGRAM_BYTES_MAX).build();
            built.unwrap_or_else(|_| Regex::new("[a&&b]").expect("invariant: a pattern that finds nothing"))
        })
    }
}

/// Says whether a pattern keeps to the limits, and whether its effort is within bounds: for every pattern of a config,
/// when it is read. What this builds is small, and let go again; gives the bytes of its program.
pub(super) fn check(pattern: &str) -> Result<usize, PatternProblem> {
    let program = program(pattern)?;
    let steps = effort::steps_per_byte(pattern, &program);
    if steps > STEPS_PER_BYTE_MAX {
        return Err(problem(
            format!(
                "this expression costs too much: {steps} steps per letter of a text that is hard on it, \
                 more than {STEPS_PER_BYTE_MAX}"
            ),
            "use words with `NEAR/n`, which cost nearly nothing, or shorten its repeats",
        ));
    }
    Ok(program.memory_usage())
}

/// The program of a pattern within the limits.
fn program(pattern: &str) -> Result<NFA, PatternProblem> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(problem(format!("an expression longer than {PATTERN_BYTES_MAX} bytes"), "split it into several"));
    }
    if let Some(bound) = largest_repeat(pattern).filter(|bound| *bound > REPEAT_MAX) {
        return Err(problem(
            format!("a repeat of up to {bound}, more than {REPEAT_MAX}, costs too much"),
            "use `*` or `+`, or `NEAR/n` between words",
        ));
    }
    let program = effort::automaton(pattern, PROGRAM_BYTES_MAX).map_err(|error| {
        // The other library says in better words what is wrong.
        match builder(pattern).build() {
            Err(syntax @ regex::Error::Syntax(_)) if error.size_limit().is_none() => {
                problem(syntax_message(&syntax), "the syntax is that of the Rust `regex` crate")
            }
            _ => problem(
                format!("this expression compiles to more than {} KiB", PROGRAM_BYTES_MAX / 1024),
                "write `[a-z]` or `[0-9]` in place of `\\w` or `\\d`, shorten repeats, or use words with `NEAR/n`",
            ),
        }
    })?;
    if effort::matches_empty(&program) {
        return Err(problem("this expression matches the empty text, so it is found everywhere", "use `+` for `*`"));
    }
    Ok(program)
}

fn builder(pattern: &str) -> RegexBuilder {
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(true).dfa_size_limit(CACHE_BYTES_MAX);
    builder
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
        let text = r"su-?(24|27|35)s?\b";
        check(text).expect("a fine pattern");
        let pattern = LazyPattern::new(text);
        assert!(pattern.regex.get().is_none(), "made when it is asked for first");
        assert!(pattern.regex().is_match("two SU-35s took off"));
    }

    #[test]
    fn pattern_over_a_limit_says_which() {
        for (pattern, part) in [
            (".{0,5000}z", "repeat of up to 5000"),
            ("a{99999999999999}", "repeat"),
            ("(?:.{50}){100}", "compiles to more than 64 KiB"),
            ("(unclosed", "unclosed group"),
            ("a*", "the empty text"),
            ("^$", "the empty text"),
            (r"\B", "the empty text"),
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
