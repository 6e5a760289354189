//! The topics in `config/topics`: they compile, their own `[[tests]]` hold, and, where labelled data is
//! at hand (`WIREWATCH_SHARED`), they reach their floors. Reads TOML by hand: the config module is above.

use std::path::Path;

use super::quality::{Borderline, Judged, judge, topic_of_borderline, topic_of_label};
use super::tests::Sample;
use super::{AliasConfig, AliasForm, TermConfig, TopicConfig, TopicSet};
use crate::model::{Lang, Severity, TopicId};

const FILES: [&str; 9] = [
    include_str!("../../../config/topics/names.toml"),
    include_str!("../../../config/topics/sanctions.toml"),
    include_str!("../../../config/topics/security-guarantees.toml"),
    include_str!("../../../config/topics/troop-deployment.toml"),
    include_str!("../../../config/topics/tests.toml"),
    include_str!("../../../config/topics/cases.toml"),
    include_str!("../../../config/topics/exploited-vulnerabilities.toml"),
    include_str!("../../../config/topics/energy-attacks.toml"),
    include_str!("../../../config/topics/elections.toml"),
];

fn tables() -> Vec<toml::Table> {
    FILES.iter().map(|file| file.parse().expect("valid TOML")).collect()
}

fn entries<'a>(tables: &'a [toml::Table], key: &str) -> Vec<&'a toml::Value> {
    tables.iter().filter_map(|table| table.get(key)?.as_array()).flatten().collect()
}

fn text(value: &toml::Value, key: &str) -> String {
    value.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: &toml::Value, key: &str) -> f64 {
    value.get(key).and_then(toml::Value::as_float).unwrap_or_else(|| panic!("{key} in {value}"))
}

fn texts(value: &toml::Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    list.filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

fn read_topic(value: &toml::Value) -> TopicConfig {
    let terms = value.get("terms").and_then(toml::Value::as_array).expect("terms");
    TopicConfig {
        id: TopicId::new(&text(value, "id")).expect("a name"),
        label: text(value, "label"),
        severity: Severity::High,
        severity_bands: Vec::new(),
        threshold: number(value, "threshold"),
        title_boost: number(value, "title_boost"),
        lead_boost: number(value, "lead_boost"),
        repeat_bonus: number(value, "repeat_bonus"),
        terms: terms
            .iter()
            .map(|term| TermConfig {
                id: text(term, "id"),
                query: text(term, "match"),
                weight: number(term, "weight"),
                severity: None,
            })
            .collect(),
        require: texts(value, "require"),
        exclude: texts(value, "exclude"),
        languages: Vec::new(),
        sources: Vec::new(),
        model_weight: None,
    }
}

fn read_alias(value: &toml::Value) -> AliasConfig {
    let keys = value.as_table().expect("a table").keys();
    let lists = keys.map(String::as_str).filter(|key| *key != "name").map(|key| (key, Lang::from_tag(key)));
    let lists: Vec<_> = lists.map(|(key, lang)| (key, lang.filter(|_| key != "forms"))).collect();
    AliasConfig {
        name: text(value, "name"),
        languages: lists.iter().filter_map(|(_, lang)| *lang).collect(),
        forms: lists
            .iter()
            .flat_map(|(key, lang)| texts(value, key).into_iter().map(|text| AliasForm { text, lang: *lang }))
            .collect(),
    }
}

fn shipped() -> (TopicSet, Vec<TopicId>) {
    let tables = tables();
    let topics: Vec<TopicConfig> = entries(&tables, "topics").into_iter().map(read_topic).collect();
    let aliases: Vec<AliasConfig> = entries(&tables, "aliases").into_iter().map(read_alias).collect();
    let ids = topics.iter().map(|topic| topic.id.clone()).collect();
    (TopicSet::compile(&topics, &aliases).expect("the shipped topics compile"), ids)
}

/// Every test with the topics it judges: those of its file, or those that the tests of its file name.
fn judging(tables: &[toml::Table]) -> Vec<(&toml::Value, Vec<TopicId>)> {
    let mut tests = Vec::new();
    for table in tables {
        let file = std::slice::from_ref(table);
        let own = entries(file, "topics").into_iter().map(|topic| text(topic, "id")).collect::<Vec<_>>();
        let named = entries(file, "tests").into_iter().flat_map(|test| texts(test, "topics"));
        let judged: Vec<String> = if own.is_empty() { named.collect() } else { own };
        let judged: Vec<TopicId> = judged.iter().map(|name| TopicId::new(name).expect("a name")).collect();
        tests.extend(entries(file, "tests").into_iter().map(|test| (test, judged.clone())));
    }
    tests
}

fn predicted(set: &TopicSet, sample: &Sample) -> Vec<TopicId> {
    sample.with(|document| set.classify(document)).into_iter().map(|found| found.topic).collect()
}

#[test]
fn shipped_topics_hold_their_own_tests() {
    let (set, _) = shipped();
    let tables = tables();
    let tests = judging(&tables);
    assert!(tests.len() > 470, "only {} tests", tests.len());
    for (test, judged) in tests {
        let lang = Lang::from_tag(&text(test, "lang")).unwrap_or(Lang::EN);
        let sample = Sample::of(&text(test, "title"), &text(test, "text")).in_lang(lang);
        let mut expected: Vec<TopicId> =
            texts(test, "topics").iter().filter_map(|topic| TopicId::new(topic).ok()).collect();
        let mut got = predicted(&set, &sample);
        got.retain(|topic| judged.contains(topic));
        expected.sort();
        got.sort();
        let why = sample.with(|document| serde_json::to_string(&set.explain(document)).expect("serializes"));
        assert_eq!(got, expected, "{test}: {why}");
    }
}

/// Whoever asks for a little more must not be stopped by tests that were written at 5.
#[test]
fn shipped_tests_hold_at_a_threshold_of_six() {
    let tables = tables();
    let mut topics: Vec<TopicConfig> = entries(&tables, "topics").into_iter().map(read_topic).collect();
    for topic in &mut topics {
        topic.threshold = 6.0;
    }
    let aliases: Vec<AliasConfig> = entries(&tables, "aliases").into_iter().map(read_alias).collect();
    let set = TopicSet::compile(&topics, &aliases).expect("the shipped topics compile");
    let wrong: Vec<String> = entries(&tables, "tests")
        .into_iter()
        .filter_map(|test| {
            let lang = Lang::from_tag(&text(test, "lang")).unwrap_or(Lang::EN);
            let sample = Sample::of(&text(test, "title"), &text(test, "text")).in_lang(lang);
            let got = predicted(&set, &sample);
            let wanted = texts(test, "topics");
            let missed = wanted.iter().find(|topic| got.iter().all(|one| one.as_str() != topic.as_str()))?;
            Some(format!("{missed}: {}", text(test, "title")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shipped_rules_have_nothing_to_lint_and_wait_for_a_word() {
    let (set, _) = shipped();
    assert_eq!(set.lint(), []);
    assert_eq!(set.size().always, 0);
}

#[test]
fn shipped_topics_reach_their_floors_on_labelled_data() {
    let Some(shared) = std::env::var_os("WIREWATCH_SHARED") else {
        println!("skipped: WIREWATCH_SHARED is not set");
        return;
    };
    let (set, ids) = shipped();
    let file = std::fs::read_to_string(Path::new(&shared).join("eval/topics.jsonl")).expect("labelled items");
    let judged: Vec<Judged> = file
        .lines()
        .map(|line| {
            let item: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            let field = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            let list = |key: &str| item[key].as_array().cloned().unwrap_or_default();
            let sample = Sample::of(&field("title"), &format!("{}\n{}", field("description"), field("text")));
            Judged {
                labels: list("labels").iter().filter_map(|label| topic_of_label(label.as_str()?)).collect(),
                borderline: list("borderline")
                    .iter()
                    .filter_map(|entry| topic_of_borderline(entry.as_str()?))
                    .collect(),
                predicted: predicted(&set, &sample),
            }
        })
        .collect();
    let quality = judge(&judged, &ids, Borderline::LeftOut);
    println!("{}", serde_json::to_string_pretty(&quality).expect("serializes"));
    for (topic, floor) in [("sanctions", 0.90), ("security_guarantees", 0.90), ("troop_deployment", 0.85)] {
        assert!(quality.topics[topic].f1 >= floor, "{topic}: {:?}", quality.topics[topic]);
    }
    assert!(quality.false_alarm_rate <= 0.04);
}
