//! What an item says that a listener was not told: another actor, place, number or number in a row, the opposite of
//! what was said. And whether an edited headline says another thing than it did.

use super::facts::{self, Aspect, Difference, Fact, ItemFacts, KnownNames, Separation, Sort, differences};
use crate::model::{AlertNews, Lang, NewsKind};
use crate::text::tokens::Tokens;

/// A key of a fact among those that were told; others have bits above these.
const FACT_BITS: u64 = u32::MAX as u64;

/// The keys of what an item says.
pub(super) fn fact_keys(item: &ItemFacts) -> impl Iterator<Item = u64> + '_ {
    item.facts.iter().map(|fact| u64::from(fact.bits()))
}

/// What an item says that was not told, by the keys of what was.
pub(super) fn unheard(item: &ItemFacts, told: &[u64]) -> Vec<AlertNews> {
    // A round-up names everything: that is no news of anything.
    if item.is_collection() {
        return Vec::new();
    }
    let of_told = told.iter().filter(|key| **key <= FACT_BITS).filter_map(|key| Fact::from_bits(*key as u32));
    // What was told is held against all that it says: who reports a headline only is no less clear.
    let item = &ItemFacts { has_lead: true, ..item.clone() };
    let known = ItemFacts { facts: of_told.collect(), frame: Vec::new(), lang: item.lang, has_lead: true };
    let mut news = differences(item, &known);
    news.retain(|difference| match difference.aspect {
        Aspect::Quantity => difference.is_another_size(&known),
        // Every report of an event quotes somebody else.
        Aspect::Name => false,
        _ => true,
    });
    let mut news = clear(&news);
    // A denial is the opposite of a report that needs no word for what it says.
    let denied = facts::denial(item).filter(|act| known.of(Sort::Act).all(|told| told.value() != act.value()));
    if let Some(act) = denied.filter(|_| news.iter().all(|news| news.kind != NewsKind::Polarity)) {
        news.push(AlertNews { kind: NewsKind::Polarity, text: act.spell(), was: None });
    }
    news
}

/// What an edited headline says otherwise.
pub(super) fn edited(before: &str, now: &str, lang: Option<Lang>) -> Vec<AlertNews> {
    let read = |title: &str| {
        let nothing = Tokens::of("");
        facts::read(title, &Tokens::of(title), "", &nothing, lang, &KnownNames::default())
    };
    let mut news = clear(&differences(&read(now), &read(before)));
    if news.is_empty() && is_negated(now, lang) != is_negated(before, lang) {
        let (text, was) = (now.to_owned(), Some(before.to_owned()));
        news.push(AlertNews { kind: NewsKind::Polarity, text, was });
    }
    news
}

/// Words that make the opposite of what a headline says, by language, folded.
#[rustfmt::skip]
const NEGATIONS: &[(&str, &[&str])] = &[
    ("en", &["not", "no", "never", "won't", "can't", "cannot", "doesn't", "didn't", "isn't", "aren't", "wasn't", "without"]),
    ("de", &["nicht", "kein", "keine", "keinen", "keiner", "nie", "ohne"]),
    ("fr", &["pas", "jamais", "aucun", "aucune", "sans"]),
    ("it", &["non", "mai", "nessun", "nessuna", "senza"]),
    ("es", &["no", "nunca", "ningun", "ninguna", "sin"]),
    ("pl", &["nie", "nigdy", "zadnych", "zadnego", "bez"]),
    ("uk", &["не", "ніколи", "жодного", "жодних", "без"]),
    ("ru", &["не", "никогда", "ни", "без"]),
];

fn is_negated(title: &str, lang: Option<Lang>) -> bool {
    let lang = lang.as_ref().map_or("", Lang::as_str);
    let negations = NEGATIONS.iter().find(|(code, _)| *code == lang).map_or(&[][..], |(_, words)| words);
    Tokens::of(title).iter().filter(|word| negations.contains(&word.folded)).count() % 2 == 1
}

fn clear(found: &[Difference]) -> Vec<AlertNews> {
    let kind = |aspect: Aspect| match aspect {
        Aspect::Place => Some(NewsKind::Place),
        Aspect::Actor => Some(NewsKind::Actor),
        Aspect::Nth | Aspect::Identifier => Some(NewsKind::Nth),
        Aspect::Quantity => Some(NewsKind::Quantity),
        Aspect::Polarity | Aspect::Stage => Some(NewsKind::Polarity),
        Aspect::Name => Some(NewsKind::Person),
        Aspect::Date | Aspect::Genre | Aspect::Wording => None,
    };
    let clear = found.iter().filter(|difference| difference.separation == Separation::Clear);
    clear
        .filter_map(|difference| {
            let text = difference.ours?.spell();
            Some(AlertNews { kind: kind(difference.aspect)?, text, was: difference.theirs.map(Fact::spell) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(title: &str) -> ItemFacts {
        facts::read(title, &Tokens::of(title), "", &Tokens::of(""), Some(Lang::EN), &KnownNames::default())
    }

    #[test]
    fn unheard_is_what_nobody_was_told_and_a_rising_count_is_none() {
        let told: Vec<u64> = fact_keys(&read("EU adopts 16th sanctions package")).collect();
        let kinds = |title: &str| unheard(&read(title), &told).iter().map(|news| news.kind).collect::<Vec<_>>();
        assert_eq!(kinds("EU adopts 16th sanctions package"), []);
        assert!(kinds("EU adopts 17th sanctions package").contains(&NewsKind::Nth));
        let told: Vec<u64> = fact_keys(&read("Storm kills 12 people in Porto")).collect();
        assert_eq!(unheard(&read("Storm kills 15 people in Porto"), &told), []);
        let told: Vec<u64> = fact_keys(&read("Minister Haldorsen defends new wall")).collect();
        assert_eq!(unheard(&read("Mayor Quintero defends new wall"), &told), [], "another person is no development");
        let told: Vec<u64> = fact_keys(&read("Norway to send 500 soldiers to Chile")).collect();
        let news = |title: &str| unheard(&read(title), &told).len();
        assert_eq!(news("Norway to send 600 soldiers to Chile"), 0, "told more exactly");
        assert_eq!(news("Norway to send 4,000 soldiers to Chile"), 1, "of another size");
    }

    #[test]
    fn unheard_denial_of_what_was_told_is_news_once() {
        let mut told: Vec<u64> = fact_keys(&read("Chile ready to send 500 soldiers to Norway")).collect();
        let denial = read("Santiago denies plan to send soldiers to Norway");
        let news = unheard(&denial, &told);
        assert!(news.iter().any(|n| n.kind == NewsKind::Polarity && n.text == "denied"), "{news:?}");
        told.extend(fact_keys(&denial));
        told.sort_unstable();
        let again = unheard(&read("Chile denies sending soldiers to Norway"), &told);
        assert!(again.iter().all(|n| n.kind != NewsKind::Polarity), "{again:?}");
    }

    #[test]
    fn edited_in_a_fact_is_told_from_edited_in_its_words() {
        let lang = Some(Lang::EN);
        assert_eq!(edited("Council approves the new wall", "Council approves new wall at last", lang), []);
        assert!(!edited("EU adopts 16th sanctions package", "EU adopts 17th sanctions package", lang).is_empty());
        let turned = edited("Mayor ready to close the ferry", "Mayor not ready to close the ferry", lang);
        assert_eq!(turned.iter().map(|news| news.kind).collect::<Vec<_>>(), [NewsKind::Polarity]);
        assert_eq!(edited("Mayor not ready for the ferry", "Mayor still not ready for the ferry", lang), []);
    }
}
