//! What is read of headlines in eight languages, and what tells two of them apart.

use super::*;
use crate::model::Lang;
use crate::text::tokens::Tokens;

/// What an item says.
fn said(lang: &str, title: &str, text: &str) -> ItemFacts {
    let names = KnownNames::default();
    read(title, &Tokens::of(title), text, &Tokens::of(text), Lang::from_tag(lang), &names)
}

fn spelled(facts: &ItemFacts) -> Vec<String> {
    facts.facts.iter().map(|fact| fact.spell()).collect()
}

/// Aspects in which two headlines differ clearly.
fn clear(a: &ItemFacts, b: &ItemFacts) -> Vec<Aspect> {
    let clear = differences(a, b).into_iter().filter(|d| d.separation == Separation::Clear);
    clear.map(|d| d.aspect).collect()
}

#[test]
fn read_places_are_one_place_in_every_language_and_case() {
    for (lang, title) in [
        ("en", "Drones strike port in Odesa, Ukraine says"),
        ("de", "Drohnen treffen Hafen von Odessa in der Ukraine"),
        ("fr", "Des drones frappent le port d'Odessa en Ukraine"),
        ("it", "Droni colpiscono il porto di Odessa in Ucraina"),
        ("es", "Drones golpean el puerto de Odesa en Ucrania"),
        ("pl", "Drony uderzyły w port w Odessie na Ukrainie"),
        ("uk", "Дрони вдарили по порту в Одесі, Україна"),
        ("ru", "Дроны ударили по порту в Одессе, Украина"),
    ] {
        let spelled = spelled(&said(lang, title, ""));
        assert!(spelled.contains(&"UA/Odesa".to_owned()) && spelled.contains(&"UA".to_owned()), "{lang}: {spelled:?}");
    }
}

#[test]
fn read_numbers_are_one_number_in_words_digits_and_notations() {
    for (lang, title, expected) in [
        ("en", "Two thousand soldiers leave the camp", "2000 troops"),
        ("en", "2,000 troops leave the camp", "2000 troops"),
        ("de", "2.000 Soldaten verlassen das Lager", "2000 troops"),
        ("fr", "2 000 soldats quittent le camp", "2000 troops"),
        ("pl", "2 tys. żołnierzy opuszcza obóz", "2000 troops"),
        ("uk", "2 тисячі військових залишають табір", "2000 troops"),
        ("ru", "2 тыс. военных покидают лагерь", "2000 troops"),
        ("en", "Fund grows by 1.5 billion euros", "1500000000 eur"),
        ("de", "Fonds wächst um 1,5 Milliarden Euro", "1500000000 eur"),
        ("es", "El fondo crece en 1.500 millones de euros", "1500000000 eur"),
        ("uk", "Фонд зростає на 1,5 млрд євро", "1500000000 eur"),
        ("en", "Landslide leaves twenty-one dead", "21 dead"),
        ("it", "Frana, 21 morti", "21 dead"),
        ("ru", "Оползень: 21 человек погиб", "21 dead"),
    ] {
        let spelled = spelled(&said(lang, title, ""));
        assert!(spelled.contains(&expected.to_owned()), "{title}: {spelled:?}");
    }
}

#[test]
fn stored_form_reads_back_and_what_is_cut_does_not() {
    let facts =
        said("en", "Senate rejects third aid package for Chad worth $40m", "Twelve of 30 members agreed on Monday.");
    let mut bytes = Vec::new();
    facts.write(&mut bytes);
    assert!(bytes.len() <= 2 + 4 * FACTS_MAX + 2 * FRAME_MAX);
    assert_eq!(ItemFacts::read_from(&bytes), Some((facts, &[][..])));
    for cut in 0..bytes.len() {
        assert_eq!(ItemFacts::read_from(&bytes[..cut]), None, "{cut}");
    }
}

#[test]
fn differences_need_a_word_on_both_sides() {
    let strike = said("en", "Rail workers in Finland strike over pay", "Trains stand still in Tampere and Turku.");
    let town = said("en", "No trains from Turku as drivers walk out", "The Finnish union wants five per cent.");
    assert_eq!(clear(&strike, &town), []);
    let norway = said("en", "Rail workers in Norway strike over pay", "Trains stand still in Bergen.");
    assert_eq!(clear(&strike, &norway), [Aspect::Place]);
}

#[test]
fn differences_rising_counts_are_a_development_and_no_difference() {
    let first = said("en", "Ferry sinks off Crete, four dead", "");
    let later = said("en", "Toll of ferry sinking off Crete rises to eleven dead", "");
    let found = differences(&first, &later);
    assert_eq!((found[0].aspect, found[0].separation), (Aspect::Quantity, Separation::Rising));
    assert_eq!(clear(&first, &later), []);
    assert_eq!(found[0].spell(), "quantity: 4 dead / 11 dead");
}
