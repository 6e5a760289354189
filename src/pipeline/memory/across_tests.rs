//! Stories across languages: joined where that is sure and wanted, else only related.

use std::time::Duration;

use super::*;
use crate::model::{ItemKey, Lang, SourceId};
use crate::text::tokens::Tokens;

fn id(number: usize) -> ItemId {
    ItemId::of(&SourceId::new("test").expect("a valid name"), &ItemKey::new(&number.to_string()))
}

fn features(lang: &str, title: &str, text: &str) -> Features {
    let features = Features::of_text(title, &Tokens::of(title), text, &Tokens::of(text), None);
    features.with_facts(title, text, Lang::from_tag(lang))
}

fn after(minutes: u64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000).plus(Duration::from_secs(60 * minutes))
}

fn memory(languages: Languages) -> Memory {
    Memory::new(MemoryConfig { languages, ..MemoryConfig::default() })
}

/// Places items one after the other, and gives their stories and what each was found to be related to.
fn told(memory: &mut Memory, items: &[(&str, &str, &str)]) -> Vec<(StoryId, usize)> {
    let mut out = Vec::new();
    for (number, (lang, title, text)) in items.iter().enumerate() {
        let features = features(lang, title, text);
        memory.advance(after(number as u64));
        let placement = memory.place(id(number), &features);
        memory.insert(id(number), placement.story(), &features, after(number as u64));
        if let Some(gone) = placement.merged {
            memory.merge(placement.story(), gone);
        }
        out.push((placement.story(), placement.related.len()));
    }
    out
}

/// One event told in four languages, and one that only resembles it.
const FERRY: [(&str, &str, &str); 5] = [
    (
        "en",
        "Ferry sinks off Lampedusa, 37 missing",
        "The Star of Ragusa had left Sfax in Tunisia with 112 people, Frontex said.",
    ),
    (
        "de",
        "Fähre vor Lampedusa gesunken, 37 Vermisste",
        "Die Star of Ragusa war mit 112 Menschen aus Sfax in Tunesien gekommen, teilte Frontex mit.",
    ),
    (
        "uk",
        "Біля Лампедузи затонув пором, 37 зниклих",
        "Судно вийшло зі Сфакса в Тунісі зі 112 людьми, повідомляє Frontex.",
    ),
    (
        "fr",
        "Un ferry coule au large de Lampedusa, 37 disparus",
        "Le navire était parti de Sfax en Tunisie avec 112 personnes, selon Frontex.",
    ),
    ("de", "Senat lehnt Haushalt für Straßen ab", "Die Opposition in Ottawa hatte höhere Ausgaben verlangt."),
];

#[test]
fn place_joins_one_event_told_in_four_languages() {
    let stories = told(&mut memory(Languages::Together), &FERRY);
    let first = stories[0].0;
    assert_eq!(stories.iter().map(|(story, _)| *story == first).collect::<Vec<_>>(), [true, true, true, true, false]);
}

#[test]
fn place_only_relates_stories_where_languages_are_not_together() {
    let stories = told(&mut memory(Languages::Related), &FERRY);
    assert_eq!(stories.iter().map(|(_, related)| *related > 0).collect::<Vec<_>>(), [false, true, true, true, false]);
    assert_ne!(stories[0].0, stories[1].0);
    let apart = told(&mut memory(Languages::Apart), &FERRY);
    assert!(apart.iter().all(|(_, related)| *related == 0));
}

#[test]
fn place_keeps_another_number_of_a_series_apart_and_says_so() {
    let mut memory = memory(Languages::Together);
    let items = [
        ("en", "Lawmakers in Quito approve 17th aid package for Esmeraldas", "It is worth 40 million dollars."),
        ("es", "Quito aprueba el 18º paquete de ayuda para Esmeraldas", "Vale 40 millones de dólares."),
    ];
    let stories = told(&mut memory, &items);
    assert_ne!(stories[0].0, stories[1].0);
    let related = memory.related(&features("es", items[1].1, items[1].2));
    let of_english = related.iter().find(|related| related.story == stories[0].0).expect("the English story is seen");
    assert!(!of_english.joins);
    assert_eq!(of_english.kept_apart_by.map(|d| d.spell()).as_deref(), Some("nth: package no. 18 / package no. 17"));
}

#[test]
fn related_is_the_same_after_a_restart() {
    let mut whole = memory(Languages::Together);
    let stories = told(&mut whole, &FERRY[..3]);
    let mut rebuilt = memory(Languages::Together);
    for (number, (lang, title, text)) in FERRY[..3].iter().enumerate() {
        let bytes = features(lang, title, text).to_bytes();
        let stored = Features::from_bytes(&bytes).expect("a stored form");
        rebuilt.insert(id(number), stories[number].0, &stored, after(number as u64));
    }
    let (lang, title, text) = FERRY[3];
    let next = features(lang, title, text);
    assert_eq!(whole.place(id(9), &next), rebuilt.place(id(9), &next));
}
