//! The matcher once more, as slow and plain as the page of the language reads: no shared plan, no
//! presearch, every pair compared. Tests hold the real one to it.

use proptest::prelude::*;

use super::lexicon::forms_of;
use super::query::{self, Clause, Form, Order, Query, Scope, Word};
use super::score::LEAD_WORDS;
use super::stem::Language;
use super::tests::{Sample, compiled, topic};
use super::{Document, Field, Lang};
use crate::text::tokens::{Tokens, fold};

/// Field, first word, behind the last word, end of the first match inside, start of the last match inside.
type Place = (Field, usize, usize, usize, usize);
type Places = Vec<Place>;
/// A field, and how many words of it are looked at.
type Part = (Field, usize);

const EVERYWHERE: [Part; 2] = [(Field::Title, usize::MAX), (Field::Body, usize::MAX)];

fn parts_of(scope: Scope) -> Vec<Part> {
    match scope {
        Scope::Title => vec![(Field::Title, usize::MAX)],
        Scope::Lead => vec![(Field::Title, usize::MAX), (Field::Body, LEAD_WORDS)],
        _ => vec![(Field::Body, usize::MAX)],
    }
}

fn holds(query: &Query, document: &Document<'_>, fields: &[Part]) -> bool {
    match &query.clause {
        Clause::And(parts) => parts.iter().all(|part| holds(part, document, fields)),
        Clause::Or(parts) => parts.iter().any(|part| holds(part, document, fields)),
        Clause::Not(inner) => !holds(inner, document, fields),
        Clause::In(scope, inner) => holds(inner, document, &parts_of(*scope)),
        Clause::Source(pattern) => pattern.holds(document.source.as_str()),
        Clause::Lang(code) => document.lang.is_some_and(|lang| lang.as_str() == code),
        Clause::Regex { pattern, .. } => {
            let pattern = super::pattern::LazyPattern::new(pattern);
            let regex = pattern.regex();
            fields.iter().any(|(field, words_max)| {
                let (whole, words) = text(document, *field);
                regex.find_iter(whole).any(|found| words.word_at(found.start()) < *words_max)
            })
        }
        _ => !places(query, document, fields).is_empty(),
    }
}

fn text<'a>(document: &Document<'a>, field: Field) -> (&'a str, &'a Tokens) {
    match field {
        Field::Title => (document.title, document.title_words),
        _ => (document.text, document.text_words),
    }
}

fn places(query: &Query, document: &Document<'_>, fields: &[Part]) -> Places {
    let found = match &query.clause {
        Clause::Word(word) => rows(std::slice::from_ref(word), document, fields),
        Clause::Phrase(words) => rows(words, document, fields),
        Clause::Number(bounds) => each_word(document, fields, 1, |_, words, at| {
            words.get(at).is_some_and(|token| {
                token.folded.starts_with(|c: char| c.is_ascii_digit())
                    && forms_of(token.folded)[0].parse().is_ok_and(|number| bounds.hold(number))
            })
        }),
        Clause::Or(parts) => parts.iter().flat_map(|part| places(part, document, fields)).collect(),
        Clause::In(scope, inner) => places(inner, document, &parts_of(*scope)),
        Clause::Near { words, order, left, right } => {
            let right = places(right, document, fields);
            let mut found = Vec::new();
            for a in places(left, document, fields) {
                for b in &right {
                    let forward = b.1 >= a.2 && b.1 - a.2 <= usize::from(*words);
                    let backward = a.1 >= b.2 && a.1 - b.2 <= usize::from(*words);
                    let entangled = b.1 < a.2 && a.1 < b.2 && !shares_edge(&a, b);
                    if a.0 == b.0 && (forward || *order == Order::Any && (backward || entangled)) {
                        let first = if b.1 < a.1 { b } else { &a };
                        let last = if b.2 > a.2 { b } else { &a };
                        found.push((a.0, first.1, last.2, first.3, last.4));
                    }
                }
            }
            found
        }
        Clause::Apart { words, left, right } => {
            let right = places(right, document, fields);
            let mut found = places(left, document, fields);
            found.retain(|a| {
                !right.iter().any(|b| {
                    let reach = usize::from(*words);
                    a.0 == b.0 && b.1 <= a.2 + reach && a.1 <= b.2 + reach
                })
            });
            found
        }
        _ => Vec::new(),
    };
    // Of spans that contain one another the inner one counts, of equal ones one.
    let contains = |a: &Place, b: &Place| a.0 == b.0 && a.1 <= b.1 && b.2 <= a.2 && (a.1, a.2) != (b.1, b.2);
    let mut minimal: Places = found.iter().filter(|a| !found.iter().any(|b| contains(a, b))).copied().collect();
    minimal.sort_unstable();
    minimal.dedup_by_key(|place| (place.0, place.1, place.2));
    minimal
}

fn shares_edge(a: &Place, b: &Place) -> bool {
    let edges = |place: &Place| [(place.1, place.3), (place.4, place.2)];
    edges(a).iter().any(|x| edges(b).iter().any(|y| x.0 < y.1 && y.0 < x.1))
}

fn each_word(
    document: &Document<'_>,
    fields: &[Part],
    length: usize,
    fits: impl Fn(&str, &Tokens, usize) -> bool,
) -> Places {
    let mut found = Vec::new();
    for (field, words_max) in fields {
        let (whole, words) = text(document, *field);
        let last = words.len().min(*words_max).saturating_sub(length - 1);
        found.extend(
            (0..last).filter(|at| fits(whole, words, *at)).map(|at| (*field, at, at + length, at + length, at)),
        );
    }
    found
}

fn rows(row: &[Word], document: &Document<'_>, fields: &[Part]) -> Places {
    each_word(document, fields, row.len(), |whole, words, at| {
        row.iter().enumerate().all(|(offset, word)| {
            let token = words.get(at + offset);
            token.is_some_and(|token| is(word, token.folded, &whole[token.start..token.end], document.lang))
        })
    })
}

fn is(word: &Word, token: &str, written: &str, lang: Option<Lang>) -> bool {
    if word.form == Form::Written {
        return written == word.text || written.strip_suffix("'s").is_some_and(|owner| owner == word.text);
    }
    let wanted = forms_of(&fold(&word.text)).swap_remove(0);
    forms_of(token).iter().any(|form| match word.form {
        Form::Exact => *form == wanted,
        Form::Prefix => form.starts_with(&wanted),
        Form::Inside => form.contains(&wanted),
        Form::Ending => form.ends_with(&wanted),
        Form::Written => false,
        Form::Stem => Language::of(lang).is_some_and(|language| language.stem(form) == language.stem(&wanted)),
    })
}

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "(alpha|beta|gamma|delta|alphas|betas|alp|gate|Alpha)",
        "[ab]1",
        "[1-4]",
        "1,000",
        "制裁|裁",
        "Ö2",
        "F-16",
        "l'alpha|alpha's",
        "x",
    ];
    prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn matcher_agrees_with_the_reference(
        queries in prop::collection::vec(query::any_query(), 1..6), title in any_text(), text in any_text()
    ) {
        let sample = Sample::of(&title, &text);
        for query in &queries {
            // As a gate a query may hold without any word; `x1` opens the topic.
            let mut config = topic("t", &[("title:always1", 1.0)]);
            config.require = vec![query.clone()];
            let set = compiled(&[config]);
            let opened = Sample::of(&format!("always1 {title}"), &text);
            let (got, wanted) = opened.with(|document| {
                let parsed = query::parse(query).expect("generated queries parse");
                (!set.classify(document).is_empty(), holds(&parsed, document, &EVERYWHERE))
            });
            prop_assert_eq!(got, wanted, "gate {}", query);
        }
        let placed: Vec<&String> = queries.iter().filter(|query| super::TopicSet::compile(&[topic("t", &[(query.as_str(), 1.0)])], &[]).is_ok()).collect();
        let configs: Vec<_> = placed.iter().enumerate().map(|(n, query)| topic(&format!("t{n}"), &[(query.as_str(), 1.0)])).collect();
        let set = compiled(&configs);
        let (got, wanted) = sample.with(|document| {
            let got: Vec<String> = set.classify(document).into_iter().filter(|found| !found.evidence.is_empty()).map(|found| found.topic.to_string()).collect();
            let wanted: Vec<String> = placed.iter().enumerate()
                .filter(|(_, query)| holds(&query::parse(query).expect("parses"), document, &EVERYWHERE))
                .map(|(n, _)| format!("t{n}"))
                .collect();
            (got, wanted)
        });
        prop_assert_eq!(got, wanted, "rules {:?}", placed);
    }

    #[test]
    fn score_text_without_hits_at_the_end_link_and_tags_change_nothing(
        query in query::any_query(), title in any_text(), text in any_text(), tail in "( qq){0,200}"
    ) {
        let config = [topic("t", &[(query.as_str(), 2.0), ("alpha", 3.0), ("beta", -1.0)])];
        let Ok(set) = super::TopicSet::compile(&config, &[]) else { return Ok(()) };
        let before = Sample::of(&title, &text).with(|document| set.explain(document));
        let longer = Sample::of(&title, &format!("{text}{tail}"));
        prop_assert_eq!(&longer.with(|document| set.explain(document)), &before);
        let dressed = longer.dressed("https://qq.example/qq", &["qq"]);
        prop_assert_eq!(&dressed.with(|document| set.explain(document)), &before);
    }

    #[test]
    fn evidence_lies_inside_its_field(query in query::any_query(), title in any_text(), text in any_text()) {
        let Ok(set) = super::TopicSet::compile(&[topic("t", &[(query.as_str(), 2.0)])], &[]) else { return Ok(()) };
        Sample::of(&title, &text).with(|document| {
            for evidence in set.classify(document).iter().flat_map(|found| &found.evidence) {
                let whole = match evidence.field { Field::Title => document.title, Field::Body => document.text, _ => continue };
                assert_eq!(&whole[evidence.start..evidence.end], evidence.text);
                assert!(!evidence.text.is_empty());
            }
        });
    }
}
