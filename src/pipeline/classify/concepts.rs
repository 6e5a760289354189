//! Which languages the concepts of a topic speak, and which one lacks a language that the others have: what `lint`
//! tells of `[[aliases]]` with a list per language. Reads the config as written; the matcher never asks.

use std::collections::{BTreeSet, HashMap};

use super::query::{Clause, Query};
use super::{AliasConfig, AliasForm, LanguageGap, TopicConfig};
use crate::model::Lang;

/// Aliases by name, with what lists they have.
pub(super) struct Concepts<'a> {
    aliases: HashMap<&'a str, &'a AliasConfig>,
}

impl<'a> Concepts<'a> {
    pub fn of(aliases: &'a [AliasConfig]) -> Self {
        Self { aliases: aliases.iter().map(|alias| (alias.name.as_str(), alias)).collect() }
    }

    /// Concepts that these queries name and that lack a language the topic reads: those it is limited to, else
    /// all that any of its concepts has a list for.
    pub fn gaps(&self, topic: &TopicConfig, queries: &[Query]) -> Vec<LanguageGap> {
        let mut names = BTreeSet::new();
        for query in queries {
            named(query, &mut names);
        }
        let spoken: Vec<(&str, BTreeSet<Lang>)> = names
            .into_iter()
            .map(|name| (name, self.languages(name, &mut BTreeSet::new())))
            .filter(|(_, languages)| !languages.is_empty())
            .collect();
        let claimed: BTreeSet<Lang> = if topic.languages.is_empty() {
            spoken.iter().flat_map(|(_, languages)| languages.iter().copied()).collect()
        } else {
            topic.languages.iter().copied().collect()
        };
        let gap = |(name, languages): (&str, BTreeSet<Lang>)| {
            let missing: Vec<Lang> = claimed.difference(&languages).copied().collect();
            (!missing.is_empty()).then(|| LanguageGap { alias: name.to_owned(), topic: topic.id.clone(), missing })
        };
        spoken.into_iter().filter_map(gap).collect()
    }

    /// Languages an alias has lists for, those of the aliases it names included; none for one that has words of
    /// every language: its lists only add to them.
    fn languages(&self, name: &str, above: &mut BTreeSet<String>) -> BTreeSet<Lang> {
        let Some(alias) = self.aliases.get(name) else { return BTreeSet::new() };
        let everywhere = |form: &AliasForm| form.lang.is_none() && !form.text.trim().starts_with('@');
        if alias.forms.iter().any(everywhere) || !above.insert(name.to_owned()) {
            return BTreeSet::new();
        }
        let mut languages: BTreeSet<Lang> = alias.languages.iter().copied().collect();
        for inner in alias.forms.iter().filter_map(|form| form.text.trim().strip_prefix('@')) {
            languages.extend(self.languages(inner, above));
        }
        languages
    }
}

fn named<'q>(query: &'q Query, names: &mut BTreeSet<&'q str>) {
    match &query.clause {
        Clause::Alias(name) => {
            names.insert(name);
        }
        Clause::In(_, inner) | Clause::Not(inner) => named(inner, names),
        Clause::Near { left, right, .. } | Clause::Apart { left, right, .. } => {
            named(left, names);
            named(right, names);
        }
        Clause::And(parts) | Clause::Or(parts) => parts.iter().for_each(|part| named(part, names)),
        Clause::Word(_)
        | Clause::Phrase(_)
        | Clause::Number(_)
        | Clause::Regex { .. }
        | Clause::Source(_)
        | Clause::Lang(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::TopicSet;
    use super::super::tests::{concept, topic};
    use super::*;

    fn missing(languages: &[&str], aliases: &[AliasConfig]) -> Vec<(String, Vec<String>)> {
        let mut config = topic("t", &[("@works NEAR/3 (@site OR NOT_A_CONCEPT)", 1.0)]);
        config.languages = languages.iter().filter_map(|code| Lang::from_tag(code)).collect();
        let set = TopicSet::compile(&[config], aliases).expect("compiles");
        set.gaps.iter().map(|gap| (gap.alias.clone(), gap.missing.iter().map(ToString::to_string).collect())).collect()
    }

    #[test]
    fn gap_is_a_language_that_another_concept_of_the_topic_has() {
        let works = concept("works", &[("en", &["repairs"]), ("de", &["Baustelle"]), ("it", &[])]);
        let site = concept("site", &[("en", &["bridge"])]);
        let gaps = missing(&[], &[works.clone(), site.clone()]);
        assert_eq!(gaps, [("site".to_owned(), vec!["de".to_owned(), "it".to_owned()])]);
        assert_eq!(missing(&["en"], &[works.clone(), site.clone()]), []);
        assert_eq!(missing(&["en", "fr"], &[works, site]).len(), 2);
    }

    #[test]
    fn gap_names_of_every_language_and_words_through_another_alias_leave_none() {
        let works = concept("works", &[("en", &["repairs"]), ("de", &["Baustelle"])]);
        let mut site = concept("site", &[]);
        site.forms = vec![AliasForm { text: "Harbourton".to_owned(), lang: None }];
        assert_eq!(missing(&[], &[works.clone(), site.clone()]), []);
        site.forms = vec![AliasForm { text: "@works".to_owned(), lang: None }];
        assert_eq!(missing(&[], &[works, site]), []);
    }
}
