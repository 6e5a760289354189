//! One event told in other words on one topic: recognised by what both say, and by nothing that tells the two apart.

use std::time::Duration;

use super::*;
use crate::model::{ItemKey, Lang, SourceId};
use crate::text::tokens::Tokens;

fn id(number: usize) -> ItemId {
    ItemId::of(&SourceId::new("test").expect("a valid name"), &ItemKey::new(&number.to_string()))
}

fn features((lang, title, text): (&str, &str, &str)) -> Features {
    let features = Features::of_text(title, &Tokens::of(title), text, &Tokens::of(text), None);
    features.with_facts(title, text, Lang::from_tag(lang))
}

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Whether a second report, so much later, is recognised as of the event of the first.
fn recognised(languages: Languages, first: (&str, &str, &str), second: (&str, &str, &str), hours: u64) -> bool {
    let mut memory = Memory::new(MemoryConfig { languages, ..MemoryConfig::default() });
    let story = StoryId::opened_by(id(1));
    memory.insert(id(1), story, &features(first), NOW);
    memory.advance(NOW.plus(Duration::from_secs(hours * 3600)));
    let found = memory.recognise(&features(second), std::iter::once(story));
    assert!(found.as_ref().is_none_or(|found| found.story == story && found.score >= found.threshold));
    found.is_some()
}

const FIRST: (&str, &str, &str) = (
    "en",
    "Norway adopts second package of measures against trawler owners",
    "Oslo closed its harbours on Tuesday to 62 trawlers of the Kestrel line that had fished off Svalbard.",
);
const IN_OTHER_WORDS: (&str, &str, &str) = (
    "en",
    "Oslo hits Kestrel, shuts ports to 62 boats",
    "The owner says that its trawlers never left their waters. Norway had warned the line in spring.",
);

#[test]
fn recognise_needs_what_both_say_and_their_time() {
    let same = |second: (&str, &str, &str), hours| recognised(Languages::Together, FIRST, second, hours);
    assert!(same(IN_OTHER_WORDS, 2));
    assert!(!same(IN_OTHER_WORDS, 60), "too late");
    let (lang, title, text) = IN_OTHER_WORDS;
    assert!(!same((lang, "Oslo hits Petrel, shuts ports to 17 boats", "It never left its waters, the owner says."), 2));
    let elsewhere = (title.replace("Oslo", "Lisbon"), text.replace("Norway", "Portugal"));
    assert!(!same((lang, &elsewhere.0, &elsewhere.1), 2), "another place");
    let briefing = format!("Morning briefing: {title}");
    assert!(!same((lang, &briefing, text), 2), "a round-up stands for no event");
}

#[test]
fn recognise_across_languages_only_where_they_come_together() {
    let german = (
        "de",
        "Norwegen sperrt Häfen für 62 Trawler der Reederei Kestrel",
        "Das zweite Paket gegen Fischer vor Svalbard beschloss die Regierung in Oslo am Dienstag.",
    );
    assert!(recognised(Languages::Together, FIRST, german, 2));
    assert!(!recognised(Languages::Related, FIRST, german, 2));
}
