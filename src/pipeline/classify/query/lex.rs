//! Query text → lexemes with their bytes. Says what a run of characters is (word, phrase, operator,
//! field); whether it may stand there is for the parser. Never fails on odd Unicode: what is not a
//! sign of the language is part of a word.

use std::ops::Range;

use super::{Bounds, Form, NEAR_WORDS_MAX, Order, QueryProblem, closest};

/// One sign of a query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexeme {
    pub kind: Kind,
    pub span: Range<usize>,
}

/// What a lexeme is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    Not,
    Near {
        words: u8,
        order: Order,
    },
    /// `name:` with nothing between it and what follows.
    Field(String),
    /// What follows `source:` and `lang:`, taken as it stands.
    Name(String),
    Word {
        text: String,
        form: Form,
    },
    Quoted(String),
    Regex(String),
    Alias(String),
    Number(Bounds),
}

/// Fields a query can name.
pub(super) const FIELDS: [&str; 7] = ["title", "lead", "body", "source", "lang", "url", "tag"];

const OPERATORS: [&str; 5] = ["AND", "OR", "NOT", "NEAR", "BEFORE"];

/// Words that people type for operators; as words they stand in quotes.
pub(super) fn is_reserved(word: &str) -> bool {
    let upper = word.to_uppercase();
    OPERATORS.contains(&upper.as_str()) || operator_like(word).is_some()
}

/// Splits a query.
pub(super) fn lex(query: &str) -> Result<Vec<Lexeme>, QueryProblem> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(c) = query[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, end) = match c {
            '(' => (Kind::Open, at + 1),
            ')' => (Kind::Close, at + 1),
            '"' | '“' | '”' | '„' | '«' | '»' => quoted(query, at)?,
            '/' => regex(query, at)?,
            '@' => alias(query, at)?,
            '#' => number(query, at)?,
            _ if matches!(lexemes.last(), Some(Lexeme { kind: Kind::Field(name), span }) if takes_name(name) && span.end == at) =>
            {
                let end = run_end(query, at);
                (Kind::Name(query[at..end].to_owned()), end)
            }
            _ => run(query, at)?,
        };
        lexemes.push(Lexeme { kind, span: at..end });
        at = end;
    }
    Ok(lexemes)
}

fn takes_name(field: &str) -> bool {
    field == "source" || field == "lang"
}

/// End of a run of word characters.
fn run_end(query: &str, start: usize) -> usize {
    query[start..]
        .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '“' | '”' | '„' | '«' | '»'))
        .map_or(query.len(), |offset| start + offset)
}

fn quoted(query: &str, start: usize) -> Result<(Kind, usize), QueryProblem> {
    let open = query[start..].chars().next().expect("invariant: the caller saw a quote");
    let inner = start + open.len_utf8();
    let closes = |c: char| match open {
        '“' | '„' | '”' => matches!(c, '“' | '”' | '"'),
        '«' | '»' => matches!(c, '«' | '»'),
        _ => c == '"',
    };
    let Some(offset) = query[inner..].find(closes) else {
        return Err(QueryProblem::new(start..query.len(), "this phrase has no closing quote")
            .hint(format!("did you mean `\"{}\"`?", query[inner..].trim())));
    };
    let close = query[inner + offset..].chars().next().map_or(1, char::len_utf8);
    Ok((Kind::Quoted(query[inner..inner + offset].to_owned()), inner + offset + close))
}

fn regex(query: &str, start: usize) -> Result<(Kind, usize), QueryProblem> {
    let mut escaped = false;
    for (offset, c) in query[start + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '/' => {
                let end = start + 1 + offset;
                return Ok((Kind::Regex(query[start + 1..end].to_owned()), end + 1));
            }
            _ => {}
        }
    }
    Err(QueryProblem::new(start..query.len(), "this expression has no closing `/`")
        .hint("write `/pattern/`; a slash inside it is written `\\/`"))
}

fn alias(query: &str, start: usize) -> Result<(Kind, usize), QueryProblem> {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = query[start + 1..].find(|c| !name(c)).map_or(query.len(), |offset| start + 1 + offset);
    if end == start + 1 {
        return Err(QueryProblem::new(start..start + 1, "`@` needs the name of an alias")
            .hint("write `@name`, with `[[aliases]] name = \"name\"` in the config"));
    }
    Ok((Kind::Alias(query[start + 1..end].to_owned()), end))
}

fn number(query: &str, start: usize) -> Result<(Kind, usize), QueryProblem> {
    let end = run_end(query, start);
    let text = &query[start + 1..end];
    let problem = || {
        QueryProblem::new(start..end, "`#` stands for a number and takes only bounds")
            .hint("write `#`, `#1000..`, `#..50` or `#10..20`; for a hashtag write its word")
    };
    let bound = |text: &str| -> Result<Option<u64>, QueryProblem> {
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| problem()) }
    };
    if text.is_empty() {
        return Ok((Kind::Number(Bounds { from: None, to: None }), end));
    }
    let (from, to) = text.split_once("..").ok_or_else(problem)?;
    let bounds = Bounds { from: bound(from)?, to: bound(to)? };
    if bounds.from.zip(bounds.to).is_some_and(|(from, to)| from > to) || (bounds.from.is_none() && bounds.to.is_none())
    {
        return Err(problem());
    }
    Ok((Kind::Number(bounds), end))
}

/// A run of characters: an operator, a field or a word.
fn run(query: &str, start: usize) -> Result<(Kind, usize), QueryProblem> {
    let end = run_end(query, start);
    let text = &query[start..end];
    if let Some(kind) = operator(text, start..end)? {
        return Ok((kind, end));
    }
    if let Some(colon) = text.find(':')
        && text[..colon].chars().all(|c| c.is_ascii_alphabetic())
        && colon > 0
    {
        return field(text, colon, start);
    }
    word(text, start..end).map(|kind| (kind, end))
}

fn field(text: &str, colon: usize, start: usize) -> Result<(Kind, usize), QueryProblem> {
    let name = text[..colon].to_lowercase();
    let span = start..start + colon + 1;
    if FIELDS.contains(&name.as_str()) {
        return Ok((Kind::Field(name), span.end));
    }
    let problem = QueryProblem::new(span, format!("there is no field `{}`", &text[..colon]));
    Err(match closest(&name, FIELDS) {
        Some(near) => problem.hint(format!("did you mean `{near}:`?")),
        None => problem.hint(format!(
            "fields are {}; a word with a colon stands in quotes",
            FIELDS.map(|f| format!("`{f}:`")).join(" ")
        )),
    })
}

fn operator(text: &str, span: Range<usize>) -> Result<Option<Kind>, QueryProblem> {
    match text {
        "AND" => return Ok(Some(Kind::And)),
        "OR" => return Ok(Some(Kind::Or)),
        "NOT" => return Ok(Some(Kind::Not)),
        _ => {}
    }
    if let Some((name, words)) = text.split_once('/')
        && let Some(order) = match name {
            "NEAR" => Some(Order::Any),
            "BEFORE" => Some(Order::LeftFirst),
            _ => None,
        }
    {
        return match words.parse::<u8>() {
            Ok(words) if words <= NEAR_WORDS_MAX => Ok(Some(Kind::Near { words, order })),
            _ => Err(QueryProblem::new(span, format!("`{text}` needs a number of words from 0 to {NEAR_WORDS_MAX}"))
                .hint(format!("did you mean `{name}/5`?"))),
        };
    }
    match operator_like(text) {
        Some(meant) => Err(QueryProblem::new(span, format!("`{text}` is not an operator"))
            .hint(format!("did you mean `{meant}`? The word itself stands in quotes"))),
        None => Ok(None),
    }
}

/// The operator that was meant by something that is none.
fn operator_like(text: &str) -> Option<String> {
    let fixed = match text {
        "&" | "&&" | "and" => Some("AND"),
        "|" | "||" | "or" => Some("OR"),
        "!" | "not" => Some("NOT"),
        _ => None,
    };
    if let Some(fixed) = fixed {
        return Some(fixed.to_owned());
    }
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (name, rest) = text.split_at(letters);
    let upper = name.to_ascii_uppercase();
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let signs_only = rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '/' | '~' | '-' | ':' | '='));
    let words = if digits.is_empty() { "5".to_owned() } else { digits.clone() };
    let shouted = name.len() > 1 && name == upper;
    let target = match upper.as_str() {
        "NEAR" | "BEFORE" if signs_only && (shouted || rest.starts_with('/')) => upper.as_str(),
        "ONEAR" | "PRE" | "FOLLOWEDBY" | "P" if rest.starts_with('/') && signs_only => "BEFORE",
        "W" | "N" | "WITHIN" | "ADJ" | "NEER" | "NERA" | "NAER" | "NEAER" | "NAR"
            if rest.starts_with('/') && signs_only =>
        {
            "NEAR"
        }
        "WITHIN" | "ADJ" | "ONEAR" if shouted && signs_only => "NEAR",
        _ => return None,
    };
    Some(format!("{target}/{words}"))
}

fn word(text: &str, span: Range<usize>) -> Result<Kind, QueryProblem> {
    let first = text.chars().next();
    if matches!(first, Some('-' | '!')) && text.len() > 1 {
        return Err(QueryProblem::new(span.start..span.start + 1, "a word is left out with `NOT`")
            .hint(format!("did you mean `NOT {}`?", &text[1..])));
    }
    if first == Some('+') && text.len() > 1 {
        return Err(QueryProblem::new(span.start..span.start + 1, "`+` is not an operator")
            .hint(format!("words side by side must all occur: write `{}`", &text[1..])));
    }
    let (stem, form) = form_of(text);
    if let Some(at) = stem.find(['*', '~']) {
        // Of the signs before it the first is none of the word's.
        let lead = usize::from(matches!(form, Form::Written | Form::Inside | Form::Ending));
        let sign = span.start + lead + at;
        return Err(QueryProblem::new(sign..sign + 1, "`*` and `~` stand only at the end of a word")
            .hint("for other patterns write an expression: `/pattern/`"));
    }
    Ok(Kind::Word { text: stem.to_owned(), form })
}

/// A word without the signs that say how far it reaches.
pub(super) fn form_of(chunk: &str) -> (&str, Form) {
    match chunk.char_indices().next_back() {
        _ if chunk.starts_with('=') => (&chunk[1..], Form::Written),
        Some((at, '*')) if at > 0 && chunk.starts_with('*') => (&chunk[1..at], Form::Inside),
        Some((at, _)) if at > 0 && chunk.starts_with('*') => (&chunk[1..], Form::Ending),
        Some((at, '*')) => (&chunk[..at], Form::Prefix),
        Some((at, '~')) => (&chunk[..at], Form::Stem),
        _ => (chunk, Form::Exact),
    }
}
