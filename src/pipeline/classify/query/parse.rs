//! Lexemes → query, by operator precedence (Pratt): `NEAR` holds tightest, then `NOT`, then `AND`
//! (also unwritten, between neighbours), then `OR`. Depth, length and phrase size are capped, so a
//! hostile config costs an error message and no stack.

use std::ops::Range;

use super::lex::{Kind, Lexeme, form_of, lex};
use super::{
    Bounds, Clause, DEPTH_MAX, Form, Order, PHRASE_WORDS_MAX, QUERY_BYTES_MAX, Query, QueryProblem, Scope,
    SourcePattern, Word,
};
use crate::model::{Lang, SourceId};
use crate::pipeline::classify::pattern;
use crate::text::tokens::Tokens;

/// Shortest start of a word that `*` may follow, in letters, where words are written with spaces.
const PREFIX_LETTERS_MIN: usize = 2;

/// Shortest part of a word that may be sought inside others, in letters.
const PART_LETTERS_MIN: usize = 4;

/// Longest word.
const WORD_BYTES_MAX: usize = 120;

/// Reads a query.
///
/// # Errors
/// The first [`QueryProblem`], with its place in the text.
pub fn parse(text: &str) -> Result<Query, QueryProblem> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryProblem::new(0..0, format!("the query is longer than {QUERY_BYTES_MAX} bytes"))
            .hint("split it into several rules, or put word lists into `[[aliases]]`"));
    }
    let lexemes = lex(text)?;
    if lexemes.is_empty() {
        return Err(QueryProblem::new(0..text.len(), "the query is empty"));
    }
    let mut parser = Parser { lexemes: &lexemes, at: 0, end: text.len(), scoped: false };
    let query = parser.expression(Level::Or, 0)?;
    match parser.peek() {
        None => Ok(query),
        Some(Lexeme { span, .. }) => {
            Err(QueryProblem::new(span.clone(), "this `)` closes nothing").hint("remove it, or add a `(` before"))
        }
    }
}

/// Reads one form of an alias: a word or a phrase without quotes, `*` and `~` allowed, no operators.
///
/// # Errors
/// The [`QueryProblem`], with its place in the form.
pub fn parse_form(text: &str) -> Result<Query, QueryProblem> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryProblem::new(0..0, format!("the form is longer than {QUERY_BYTES_MAX} bytes")));
    }
    let name = text.trim();
    if let Some(alias) = name.strip_prefix('@') {
        return Ok(Query { clause: Clause::Alias(alias.to_owned()), span: 0..text.len() });
    }
    quoted(text.trim_matches(['"', ' ']), 0..text.len())
}

/// Operators by how tightly they hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Near,
}

/// What stands between two operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Infix {
    Or,
    And { written: bool },
    Near { words: u8, order: Order },
    Apart { words: u8 },
}

impl Infix {
    fn level(self) -> Level {
        match self {
            Self::Or => Level::Or,
            Self::And { .. } => Level::And,
            Self::Near { .. } | Self::Apart { .. } => Level::Near,
        }
    }
}

struct Parser<'a> {
    lexemes: &'a [Lexeme],
    at: usize,
    end: usize,
    scoped: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Lexeme> {
        self.lexemes.get(self.at)
    }

    /// Place of the next lexeme, or of the end of the query.
    fn here(&self) -> Range<usize> {
        self.peek().map_or(self.end..self.end, |lexeme| lexeme.span.clone())
    }

    fn expression(&mut self, least: Level, depth: usize) -> Result<Query, QueryProblem> {
        let mut left = self.operand(depth)?;
        // Parts of an AND or OR that is still growing here; a parenthesised one is closed.
        let mut growing = None;
        while let Some(infix) = self.infix().filter(|infix| infix.level() >= least) {
            let operator = self.here();
            match infix {
                Infix::And { written: false } => {}
                Infix::Apart { .. } => self.at += 2,
                _ => self.at += 1,
            }
            let right = match infix {
                Infix::Or => self.expression(Level::And, depth)?,
                Infix::And { .. } => self.expression(Level::Not, depth)?,
                Infix::Near { .. } | Infix::Apart { .. } => self.operand(depth)?,
            };
            left = join(infix, left, right, growing == Some(infix.level()), &operator)?;
            growing = Some(infix.level());
        }
        Ok(left)
    }

    /// What stands before the next operand; `None` at the end and before `)`.
    fn infix(&self) -> Option<Infix> {
        let next = self.lexemes.get(self.at + 1).map(|lexeme| &lexeme.kind);
        match (&self.peek()?.kind, next) {
            (Kind::Close, _) => None,
            (Kind::Or, _) => Some(Infix::Or),
            (Kind::And, _) => Some(Infix::And { written: true }),
            (Kind::Near { words, order }, _) => Some(Infix::Near { words: *words, order: *order }),
            (Kind::Not, Some(Kind::Near { words, .. })) => Some(Infix::Apart { words: *words }),
            _ => Some(Infix::And { written: false }),
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Query, QueryProblem> {
        let span = self.here();
        if depth > DEPTH_MAX {
            return Err(QueryProblem::new(span, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let Some(lexeme) = self.lexemes.get(self.at) else {
            return Err(QueryProblem::new(span, "a word is missing at the end"));
        };
        self.at += 1;
        match &lexeme.kind {
            Kind::Open => self.group(&span, depth),
            Kind::Not => {
                let inner = self.expression(Level::Not, depth + 1)?;
                let span = span.start..inner.span.end;
                Ok(Query { clause: Clause::Not(Box::new(inner)), span })
            }
            Kind::Field(name) => self.field(name, span, depth),
            Kind::Word { text, form } => words(&[(text.as_str(), *form)], span),
            Kind::Quoted(text) => quoted(text, span),
            Kind::Regex(pattern) => {
                let program_bytes = pattern::check(pattern)
                    .map_err(|problem| QueryProblem::new(span.clone(), problem.message).hint(problem.hint))?;
                Ok(Query { clause: Clause::Regex { pattern: pattern.clone(), program_bytes }, span })
            }
            Kind::Alias(name) => Ok(Query { clause: Clause::Alias(name.clone()), span }),
            Kind::Number(bounds) => Ok(number(*bounds, span)),
            Kind::Name(_) => Err(QueryProblem::new(span, "a name is not expected here")),
            Kind::Close => {
                Err(QueryProblem::new(span, "nothing stands before this `)`").hint("write a word between `(` and `)`"))
            }
            Kind::And | Kind::Or | Kind::Near { .. } => {
                Err(QueryProblem::new(span, "a word is missing before this operator")
                    .hint("to look for the word itself, put it in quotes"))
            }
        }
    }

    fn group(&mut self, open: &Range<usize>, depth: usize) -> Result<Query, QueryProblem> {
        let inner = self.expression(Level::Or, depth + 1)?;
        match self.peek() {
            Some(Lexeme { kind: Kind::Close, span }) => {
                let span = open.start..span.end;
                self.at += 1;
                Ok(Query { clause: inner.clause, span })
            }
            _ => Err(QueryProblem::new(open.clone(), "this `(` is never closed").hint("add a `)`")),
        }
    }

    fn field(&mut self, name: &str, span: Range<usize>, depth: usize) -> Result<Query, QueryProblem> {
        let value = self.here();
        if value.start != span.end {
            return Err(QueryProblem::new(span, format!("nothing stands right after `{name}:`"))
                .hint(format!("write `{name}:word` without a space")));
        }
        if self.scoped {
            return Err(QueryProblem::new(span, "a field inside a field").hint("take it out of the parentheses"));
        }
        let Some(scope) = Scope::ALL.into_iter().find(|scope| scope.as_str() == name) else {
            return self.name_field(name, &span);
        };
        self.scoped = true;
        let inner = self.operand(depth + 1);
        self.scoped = false;
        let inner = inner?;
        let span = span.start..inner.span.end;
        Ok(Query { clause: Clause::In(scope, Box::new(inner)), span })
    }

    /// `source:` and `lang:`, which take a name and no words.
    fn name_field(&mut self, field: &str, span: &Range<usize>) -> Result<Query, QueryProblem> {
        let value = self.here();
        let Some(Lexeme { kind: Kind::Name(name), .. }) = self.peek() else {
            return Err(QueryProblem::new(value, format!("`{field}:` takes one name"))
                .hint(format!("for several write `({field}:a OR {field}:b)`")));
        };
        let span = span.start..value.end;
        let clause = if field == "lang" {
            let lang = Lang::from_tag(name).ok_or_else(|| {
                QueryProblem::new(value.clone(), format!("`{name}` is not a language code")).hint("write `lang:en`")
            })?;
            Clause::Lang(lang.to_string())
        } else {
            let (start, open) = name.strip_suffix('*').map_or((name.as_str(), false), |start| (start, true));
            SourceId::new(start).map_err(|error| QueryProblem::new(value.clone(), error.to_string()))?;
            let start = start.to_owned();
            Clause::Source(if open { SourcePattern::Start(start) } else { SourcePattern::Name(start) })
        };
        self.at += 1;
        Ok(Query { clause, span })
    }
}

fn number(bounds: Bounds, span: Range<usize>) -> Query {
    Query { clause: Clause::Number(bounds), span }
}

fn join(infix: Infix, left: Query, right: Query, grow: bool, operator: &Range<usize>) -> Result<Query, QueryProblem> {
    let span = left.span.start..right.span.end;
    if infix.level() == Level::Near {
        for side in [&left, &right] {
            if !side.has_place() {
                return Err(no_place(side, operator));
            }
        }
    }
    let clause = match infix {
        Infix::Or | Infix::And { .. } => many(infix, left, right, grow),
        Infix::Near { words, order } => Clause::Near { words, order, left: Box::new(left), right: Box::new(right) },
        Infix::Apart { words } => Clause::Apart { words, left: Box::new(left), right: Box::new(right) },
    };
    Ok(Query { clause, span })
}

fn many(infix: Infix, left: Query, right: Query, grow: bool) -> Clause {
    match (infix, left) {
        (Infix::Or, Query { clause: Clause::Or(mut parts), .. }) if grow => {
            parts.push(right);
            Clause::Or(parts)
        }
        (Infix::And { .. }, Query { clause: Clause::And(mut parts), .. }) if grow => {
            parts.push(right);
            Clause::And(parts)
        }
        (Infix::Or, left) => Clause::Or(vec![left, right]),
        (_, left) => Clause::And(vec![left, right]),
    }
}

fn no_place(side: &Query, operator: &Range<usize>) -> QueryProblem {
    let what = match side.clause {
        Clause::And(_) => "`AND`",
        Clause::Not(_) => "`NOT`",
        Clause::Regex { .. } => "an expression",
        Clause::Source(_) | Clause::Lang(_) => "a source or language",
        _ => "this",
    };
    let span = side.span.start.min(operator.start)..side.span.end.max(operator.end);
    QueryProblem::new(span, format!("{what} has no place in the text, so nothing can be near it"))
        .hint("beside `NEAR` stand words, phrases, aliases, and `OR` of these: `(a OR b) NEAR/5 c`")
}

fn quoted(text: &str, span: Range<usize>) -> Result<Query, QueryProblem> {
    let mut parts = Vec::new();
    for chunk in text.split_whitespace() {
        let (word, form) = form_of(chunk);
        if word.contains(['*', '~']) {
            return Err(QueryProblem::new(span, "`*` and `~` stand only at the end of a word")
                .hint("in a phrase too: `\"secur* guarantee*\"`"));
        }
        parts.push((word, form));
    }
    words(&parts, span)
}

/// One word or a phrase, from chunks that may hold several words each (`F-16`, 制裁).
fn words(chunks: &[(&str, Form)], span: Range<usize>) -> Result<Query, QueryProblem> {
    let mut words = Vec::new();
    for (chunk, form) in chunks {
        let tokens = Tokens::of(chunk);
        let last = tokens.len().saturating_sub(1);
        for (index, token) in tokens.iter().enumerate() {
            let form = if index == last || *form == Form::Written { *form } else { Form::Exact };
            // A combining mark can bind a sign of the language to itself.
            let text = chunk[token.start..token.end].trim_start_matches('=').to_owned();
            words.push(Word { text, form });
        }
        if tokens.is_empty() && *form != Form::Exact {
            return Err(QueryProblem::new(span, "`*` and `~` need the start of a word before them")
                .hint("for any number write `#`"));
        }
    }
    if let Some(short) = words.iter().find(|word| word.form == Form::Prefix && is_short(&word.text)) {
        return Err(QueryProblem::new(span, format!("`{short}` would match far too many words"))
            .hint(format!("write at least {PREFIX_LETTERS_MIN} letters before `*`")));
    }
    let is_part = |word: &&Word| matches!(word.form, Form::Inside | Form::Ending);
    if let Some(short) = words.iter().find(|word| is_part(word) && word.text.chars().count() < PART_LETTERS_MIN) {
        return Err(QueryProblem::new(span, format!("`{short}` would be found inside far too many words"))
            .hint(format!("write at least {PART_LETTERS_MIN} letters behind the first `*`")));
    }
    if words.iter().any(|word| word.text.len() > WORD_BYTES_MAX) {
        return Err(QueryProblem::new(span, format!("a word longer than {WORD_BYTES_MAX} bytes")));
    }
    if words.len() > PHRASE_WORDS_MAX {
        return Err(QueryProblem::new(span, format!("a phrase of more than {PHRASE_WORDS_MAX} words"))
            .hint("two shorter phrases with `BEFORE/10` between them find the same"));
    }
    match (words.pop(), words.is_empty()) {
        (None, _) => Err(QueryProblem::new(span, "there is no word in this")),
        (Some(word), true) => Ok(Query { clause: Clause::Word(word), span }),
        (Some(word), false) => {
            words.push(word);
            Ok(Query { clause: Clause::Phrase(words), span })
        }
    }
}

/// One Chinese character is a word; one letter is not.
fn is_short(text: &str) -> bool {
    text.chars().count() < PREFIX_LETTERS_MIN && text.chars().all(|c| c < '\u{2e80}')
}
