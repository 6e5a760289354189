//! Queries that can be read and hardly mean what they say: signs and words of other query languages that
//! are looked for as words here, or do nothing. Warnings of `check`, each with the right way to write it.
//! `parse` refuses what cannot be read; this looks at what it took.

use std::ops::Range;

use super::QueryProblem;
use super::lex::{Kind, Lexeme, lex};

/// Operators of other languages; as words of a text they stand in quotes.
const FOREIGN_OPERATORS: [(&str, &str); 14] = [
    ("XOR", "(a OR b) AND NOT (a AND b)"),
    ("NEXT", "a BEFORE/0 b"),
    ("ADJ", "a NEAR/0 b"),
    ("ONEAR", "a BEFORE/5 b"),
    ("ANDNOT", "a AND NOT b"),
    ("NAND", "NOT (a AND b)"),
    ("EXCEPT", "a AND NOT b"),
    ("WITHOUT", "a AND NOT b"),
    ("BUT", "a AND NOT b"),
    ("AFTER", "b BEFORE/5 a"),
    ("FOLLOWED", "a BEFORE/5 b"),
    ("SENTENCE", "a NEAR/15 b"),
    ("PARAGRAPH", "a NEAR/60 b"),
    ("ATLEAST", "repeat_bonus"),
];
/// Letters that stand behind an expression in other languages.
const REGEX_FLAGS: &str = "gimsuxyUADXJ";

/// What looks wrong in a query that was read.
#[must_use]
pub fn doubts(text: &str) -> Vec<QueryProblem> {
    let Ok(lexemes) = lex(text) else { return Vec::new() };
    let mut found = control_signs(text);
    for (index, lexeme) in lexemes.iter().enumerate() {
        let behind = index.checked_sub(1).map(|before| &lexemes[before]);
        match &lexeme.kind {
            Kind::Word { .. } => word(text, lexeme, behind, lexemes.get(index + 1), &mut found),
            Kind::Quoted(inner) => found.extend(operators_in_quotes(inner, &lexeme.span)),
            _ => {}
        }
    }
    found
}

/// What looks wrong in a form of an alias, which is a word or a phrase and knows no operator.
#[must_use]
pub fn form_doubts(text: &str) -> Vec<QueryProblem> {
    let mut found = control_signs(text);
    let mut doubt = |span, message: String, hint: String| found.push(QueryProblem::new(span, message).hint(hint));
    let words: Vec<(usize, &str)> = spans_of(text).collect();
    for (at, word) in &words {
        let span = *at..at + word.len();
        if matches!(*word, "AND" | "OR" | "NOT" | "XOR") || is_near(word) {
            let hint = if *word == "OR" {
                let forms: Vec<String> = text.split(" OR ").map(|form| format!("\"{}\"", form.trim())).collect();
                format!("write one form each: {}", forms.join(", "))
            } else {
                "combine aliases in the query of a rule; a form is one word or phrase".to_owned()
            };
            doubt(span, format!("`{word}` is looked for as a word: a form knows no operators"), hint);
        } else if word.starts_with('(') || word.ends_with(')') {
            let hint = "write one form each, without parentheses".to_owned();
            doubt(span, "parentheses do nothing in a form".to_owned(), hint);
        } else if let Some(field) = field_of(word) {
            doubt(span, format!("`{field}:` does nothing in a form"), format!("write `{field}:@name` in the query"));
        } else if word.contains(['?', '^']) {
            doubt(span, sign_message(word), sign_hint(word));
        } else if is_quoted(word) {
            doubt(
                span,
                "single quotes do nothing here".to_owned(),
                "a form of several words is a phrase already".to_owned(),
            );
        }
    }
    let commas: Vec<usize> = words.iter().filter(|(_, word)| has_comma(word)).map(|(at, _)| *at).collect();
    if let Some(first) = commas.first() {
        let forms: Vec<String> = text.split(',').map(|form| format!("\"{}\"", form.trim())).collect();
        let message = "a comma divides nothing: all of this is one phrase".to_owned();
        doubt(*first..text.len(), message, format!("if several forms are meant: {}", forms.join(", ")));
    }
    found
}

fn word(text: &str, lexeme: &Lexeme, behind: Option<&Lexeme>, next: Option<&Lexeme>, found: &mut Vec<QueryProblem>) {
    let written = &text[lexeme.span.clone()];
    let mut doubt = |message: String, hint: String| {
        found.push(QueryProblem::new(lexeme.span.clone(), message).hint(hint));
    };
    let between = behind.is_some() && next.is_some();
    let flags = !written.is_empty() && written.chars().all(|c| REGEX_FLAGS.contains(c));
    if let Some(Lexeme { kind: Kind::Regex(pattern), span }) = behind
        && span.end == lexeme.span.start
        && flags
    {
        let message = format!("`{written}` behind an expression is no flag but one more word that must occur");
        return doubt(message, format!("write `/{pattern}/`: case never counts, and every place is found"));
    }
    if let Some((name, way)) = foreign(written).filter(|_| between || written.contains('/')) {
        return doubt(
            format!("`{name}` is no operator here: it is looked for as a word"),
            format!("write `{way}`; the word itself stands in quotes"),
        );
    }
    if between && matches!(written.to_lowercase().as_str(), "near" | "before") && written != written.to_uppercase() {
        let upper = written.to_uppercase();
        return doubt(
            format!("`{written}` is looked for as a word"),
            format!("if the operator is meant, write `{upper}/5`; the word itself stands in quotes"),
        );
    }
    if has_comma(written) {
        let bare = written.trim_matches([',', ';']);
        let way = next.map_or_else(String::new, |next| text[next.span.clone()].trim_matches([',', ';']).to_owned());
        let hint = match (bare.is_empty() || way.is_empty(), written.trim_end_matches([',', ';']).contains([',', ';']))
        {
            (_, true) => format!("write `({})`", bare.replace([',', ';'], " OR ")),
            (false, _) => format!("write `{bare} OR {way}`, or without the comma if both must occur"),
            (true, _) => "write `OR` for either of two words".to_owned(),
        };
        return doubt("a comma divides nothing: words side by side must all occur".to_owned(), hint);
    }
    if written.contains(['?', '^']) {
        return doubt(sign_message(written), sign_hint(written));
    }
    if written.len() > 1 && written.starts_with(['\'', '‘', '`']) {
        let hint = "write `\"in double quotes\"`, and the query itself in ''' … ''' if it stands in '…'".to_owned();
        doubt("single quotes make no phrase: these are words that must all occur, anywhere".to_owned(), hint);
    }
}

/// `"a OR b"` is a phrase of three words.
fn operators_in_quotes(inner: &str, span: &Range<usize>) -> Option<QueryProblem> {
    let operator = inner.split_whitespace().find(|word| matches!(*word, "AND" | "OR" | "NOT") || is_near(word))?;
    let parts: Vec<String> = inner.split(operator).map(|part| format!("\"{}\"", part.trim())).collect();
    let problem = QueryProblem::new(span.clone(), format!("`{operator}` in quotes is a word of the phrase"));
    Some(problem.hint(format!("write `({})`", parts.join(&format!(" {operator} ")))))
}

/// What TOML made of `\b` and its like in `"…"`.
fn control_signs(text: &str) -> Vec<QueryProblem> {
    let sign = |(at, c): (usize, char)| {
        let (name, written) = match c {
            '\u{8}' => ("a backspace", "\\b"),
            '\u{c}' => ("a form feed", "\\f"),
            '\u{1b}' => ("an escape", "\\e"),
            _ => return None,
        };
        let problem = QueryProblem::new(at..at + 1, format!("this is {name} sign, which no text has"));
        Some(
            problem
                .hint(format!("in TOML `\"{written}\"` is a sign of its own: write the query in single quotes, '…'")),
        )
    };
    text.char_indices().filter_map(sign).collect()
}

fn foreign(written: &str) -> Option<(&'static str, &'static str)> {
    let name = written.split(['/', '~', '(']).next().unwrap_or_default();
    FOREIGN_OPERATORS.into_iter().find(|(known, _)| *known == name)
}

fn is_near(word: &str) -> bool {
    word.split_once('/').is_some_and(|(name, _)| matches!(name, "NEAR" | "BEFORE"))
}

fn field_of(word: &str) -> Option<&str> {
    let (name, rest) = word.split_once(':')?;
    (!rest.is_empty() && super::lex::FIELDS.contains(&name)).then_some(name)
}

/// A comma or semicolon that is none of a number.
fn has_comma(word: &str) -> bool {
    let mut before = ' ';
    let mut letters = word.chars().peekable();
    while let Some(c) = letters.next() {
        let numeric = before.is_ascii_digit() && letters.peek().is_some_and(char::is_ascii_digit);
        if matches!(c, ',' | ';') && !numeric {
            return true;
        }
        before = c;
    }
    false
}

fn is_quoted(word: &str) -> bool {
    word.len() > 2 && word.starts_with('\'') && word.ends_with('\'')
}

fn sign_message(word: &str) -> String {
    if word.contains('^') {
        "`^` boosts nothing: the sign is left out of the word".to_owned()
    } else {
        "`?` stands for no letter: the word is looked for without it".to_owned()
    }
}

fn sign_hint(word: &str) -> String {
    if word.contains('^') {
        return "a rule of its own with a higher `weight` counts more".to_owned();
    }
    let start = word.split('?').next().unwrap_or_default();
    let letters = word.replace('?', ".");
    if start.chars().count() >= 2 {
        format!("write `{start}*`, or `/{letters}/`")
    } else {
        format!("write `/{letters}/`")
    }
}

/// Words with where they begin.
fn spans_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_whitespace().map(move |word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::classify::query::{parse, parse_form};

    /// Query, part of the message, part of the right way.
    const WRONG: [(&str, &str, &str); 22] = [
        ("sanctions, embargo", "comma", "sanctions OR embargo"),
        ("(oil,gas)", "comma", "(oil OR gas)"),
        ("oil; gas", "comma", "oil OR gas"),
        ("oil;gas", "comma", "oil OR gas"),
        ("troops near Ukraine", "as a word", "NEAR/5"),
        ("troops before Ukraine", "as a word", "BEFORE/5"),
        ("oil XOR gas", "no operator", "AND NOT"),
        ("price NEXT cap", "no operator", "BEFORE/0"),
        ("price NEXT/3 cap", "no operator", "BEFORE/0"),
        ("oil ANDNOT gas", "no operator", "AND NOT"),
        ("oil EXCEPT gas", "no operator", "AND NOT"),
        ("oil WITHOUT gas", "no operator", "AND NOT"),
        ("storm AFTER flood", "no operator", "BEFORE/5"),
        ("storm SENTENCE flood", "no operator", "NEAR/15"),
        ("analy?e", "`?`", "analy*"),
        ("h?rbour", "`?`", "/h.rbour/"),
        ("storm^2", "`^`", "weight"),
        ("'price cap'", "single quotes", "double quotes"),
        ("\"oil OR gas\"", "in quotes", "(\"oil\" OR \"gas\")"),
        ("\"oil NEAR/3 gas\"", "in quotes", "(\"oil\" NEAR/3 \"gas\")"),
        ("/st[o]rm/i", "no flag", "/st[o]rm/"),
        ("/\u{8}storm\u{8}/", "backspace", "single quotes"),
    ];

    const WRONG_FORMS: [(&str, &str, &str); 8] = [
        ("bridge OR flyover", "no operators", "\"bridge\", \"flyover\""),
        ("bridge AND river", "no operators", "one word or phrase"),
        ("bridge NEAR/3 river", "no operators", "one word or phrase"),
        ("(bridge)", "parentheses", "without parentheses"),
        ("title:bridge", "does nothing", "title:@name"),
        ("bridge, flyover", "comma", "\"bridge\", \"flyover\""),
        ("bridg?", "`?`", "bridg*"),
        ("'bridge'", "single quotes", "phrase already"),
    ];

    #[test]
    fn doubt_names_what_is_not_read_as_meant_and_the_right_way() {
        for (query, message, way) in WRONG {
            assert!(parse(query).is_ok() || query.contains('\u{8}'), "{query} is refused anyway");
            let found = doubts(query);
            let fits = |one: &QueryProblem| {
                one.message.contains(message) && one.hint.as_ref().is_some_and(|h| h.contains(way))
            };
            assert!(found.iter().any(fits), "{query}: {found:?}");
        }
        for (form, message, way) in WRONG_FORMS {
            assert!(parse_form(form).is_ok(), "{form} is refused anyway");
            let found = form_doubts(form);
            let fits = |one: &QueryProblem| {
                one.message.contains(message) && one.hint.as_ref().is_some_and(|h| h.contains(way))
            };
            assert!(found.iter().any(fits), "{form}: {found:?}");
        }
    }

    #[test]
    fn doubt_leaves_sound_queries_alone() {
        for query in [
            "26,000 NEAR/1 troops",
            "\"near\" AND storm",
            "near~ OR close",
            "=XOR",
            "soldiers' NEAR/3 pay",
            "l’Ukraine",
            "F-16",
            "(a1 OR b1) NEAR/5 c1",
            "/su-?(24|27)/ OR jet",
            "\"price cap*\" AND NOT film",
            "title:/^live:/ storm",
            "but OR after",
        ] {
            assert_eq!(doubts(query), [], "{query}");
        }
        for form in ["Long Causeway", "bridge*", "@city", "l'Ukraine", "u.s", "1,000 bridges", "art. 5"] {
            assert_eq!(form_doubts(form), [], "{form}");
        }
    }
}
