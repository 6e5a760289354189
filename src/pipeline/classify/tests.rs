//! Every example of `docs/guide/topics.md`, the formula, gates, evidence and explain, on invented texts.

use super::*;

const PAGE: &str = include_str!("../../../docs/guide/topics.md");

/// A document that owns its parts.
#[derive(Clone)]
pub(super) struct Sample {
    title: String,
    text: String,
    url: Option<String>,
    tags: Vec<String>,
    lang: Option<Lang>,
    source: SourceId,
}

impl Sample {
    pub fn of(title: &str, text: &str) -> Self {
        Self {
            title: title.to_owned(),
            text: text.to_owned(),
            url: None,
            tags: Vec::new(),
            lang: Some(Lang::EN),
            source: SourceId::new("example").expect("a name"),
        }
    }

    pub fn in_lang(mut self, lang: Lang) -> Self {
        self.lang = Some(lang);
        self
    }

    pub fn dressed(mut self, url: &str, tags: &[&str]) -> Self {
        self.url = Some(url.to_owned());
        self.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    pub fn with<T>(&self, read: impl FnOnce(&Document<'_>) -> T) -> T {
        let (title_words, text_words) = (Tokens::of(&self.title), Tokens::of(&self.text));
        read(&Document {
            title: &self.title,
            title_words: &title_words,
            text: &self.text,
            text_words: &text_words,
            url: self.url.as_deref(),
            tags: &self.tags,
            source: &self.source,
            lang: self.lang,
        })
    }
}

fn alias(name: &str, forms: &[&str]) -> AliasConfig {
    let forms = forms.iter().map(|form| AliasForm { text: (*form).to_owned(), lang: None }).collect();
    AliasConfig { name: name.to_owned(), forms, languages: Vec::new() }
}

pub(super) fn concept(name: &str, lists: &[(&str, &[&str])]) -> AliasConfig {
    let lists = lists.iter().map(|(code, forms)| (Lang::from_tag(code).expect("a code"), forms));
    let form = |lang, text: &&str| AliasForm { text: (*text).to_owned(), lang: Some(lang) };
    AliasConfig {
        name: name.to_owned(),
        languages: lists.clone().map(|(lang, _)| lang).collect(),
        forms: lists.flat_map(|(lang, forms)| forms.iter().map(move |text| form(lang, text))).collect(),
    }
}

fn page_aliases() -> Vec<AliasConfig> {
    vec![
        alias("bridge", &["bridge*", "flyover", "Long Causeway"]),
        alias("city", &["Harbourton", "Port of Harbourton"]),
        concept(
            "works",
            &[
                ("en", &["repair~", "building site*"]),
                ("de", &["*baustelle*", "Reparatur~"]),
                ("fr", &["travaux", "chantier~"]),
            ],
        ),
    ]
}

pub(super) fn topic(name: &str, terms: &[(&str, f64)]) -> TopicConfig {
    TopicConfig {
        id: TopicId::new(name).expect("a name"),
        label: name.to_owned(),
        severity: Severity::Medium,
        severity_bands: Vec::new(),
        threshold: 1.0,
        title_boost: 2.0,
        lead_boost: 1.5,
        repeat_bonus: 0.0,
        terms: terms
            .iter()
            .enumerate()
            .map(|(index, (query, weight))| TermConfig {
                id: format!("rule-{index}"),
                query: (*query).to_owned(),
                weight: *weight,
                severity: None,
            })
            .collect(),
        require: Vec::new(),
        exclude: Vec::new(),
        languages: Vec::new(),
        sources: Vec::new(),
        model_weight: None,
    }
}

pub(super) fn compiled(topics: &[TopicConfig]) -> TopicSet {
    TopicSet::compile(topics, &page_aliases()).expect("these topics compile")
}

fn hits(set: &TopicSet, sample: &Sample) -> bool {
    !sample.with(|document| set.classify(document)).is_empty()
}

#[test]
fn page_every_example_does_what_it_says() {
    let mut examples = 0;
    for block in PAGE.split("```example\n").skip(1) {
        let block = block.split("```").next().expect("a closed block");
        let mut base = Sample::of("", "");
        let mut query = "";
        for line in block.lines() {
            let (key, value) = line.split_once(':').expect("key: value");
            let value = value.trim();
            match key {
                "query" => query = value,
                "lang" => base.lang = Lang::from_tag(value),
                "url" => base.url = Some(value.to_owned()),
                "tag" => base.tags.push(value.to_owned()),
                "hit" | "miss" => {
                    let (title, text) = value.split_once('|').unwrap_or(("", value));
                    let sample = Sample { title: title.trim().into(), text: text.trim().into(), ..base.clone() };
                    let set = compiled(&[topic("t", &[(query, 1.0)])]);
                    assert_eq!(hits(&set, &sample), key == "hit", "{query} on {value}");
                    examples += 1;
                }
                "error" => {
                    let problems = TopicSet::compile(&[topic("t", &[(query, 1.0)])], &page_aliases()).expect_err(query);
                    let said = format!("{} {}", problems[0].message, problems[0].hint.clone().unwrap_or_default());
                    assert!(said.contains(value), "{query}: {said}");
                    assert!(problems[0].span.end <= query.len());
                    examples += 1;
                }
                other => panic!("unknown key {other}"),
            }
        }
    }
    assert!(examples > 60, "only {examples} examples were found");
}

#[test]
fn page_states_the_constants_in_force() {
    assert!(PAGE.contains(&format!("first {LEAD_WORDS} words")));
    assert!(PAGE.contains(&format!("{HALF_WORTH_WORDS} / ({HALF_WORTH_WORDS} + d)")));
    assert!(PAGE.contains(&format!("at least {PASSAGE_WORDS} words apart")));
}

#[test]
fn evidence_points_into_the_text_as_written() {
    let set = compiled(&[topic("t", &[("\"price caps\"", 1.0), ("école", 2.0)])]);
    let sample = Sample::of("Über Price-Caps", "Die École.");
    let found = sample.with(|document| set.classify(document));
    let evidence = &found[0].evidence;
    assert_eq!((evidence[0].field, evidence[0].text.as_str()), (Field::Title, "Price-Caps"));
    assert_eq!(&sample.title[evidence[0].start..evidence[0].end], "Price-Caps");
    assert_eq!(&sample.text[evidence[1].start..evidence[1].end], "École");
    assert_eq!(evidence[1].weight, Score::from_f64(3.0));
    assert_eq!(found[0].score, Score::from_f64(5.0));
}

#[test]
fn evidence_of_link_tag_source_and_language_shows_their_words() {
    let set = compiled(&[topic("t", &[("url:a/b", 1.0), ("tag:two", 1.0), ("source:ex*", 1.0), ("lang:en", 1.0)])]);
    let sample =
        Sample { url: Some("https://x.org/a/b".into()), tags: vec!["One".into(), "Two".into()], ..Sample::of("", "") };
    let found = sample.with(|document| set.classify(document));
    let texts: Vec<&str> = found[0].evidence.iter().map(|evidence| evidence.text.as_str()).collect();
    assert_eq!(texts, ["a/b", "Two", "example", "en"]);
}

#[test]
fn lead_ends_after_its_words() {
    let set = compiled(&[topic("t", &[("lead:(storm tide)", 1.0)]), topic("p", &[("lead:/t[i]de/ AND storm", 1.0)])]);
    let sample = |words: usize| Sample::of("", &format!("storm {}tide", "calm ".repeat(words)));
    let found = |words: usize| sample(words).with(|document| set.classify(document)).len();
    assert_eq!([found(LEAD_WORDS - 2), found(LEAD_WORDS - 1)], [2, 0]);
}

#[test]
fn near_never_joins_two_tags() {
    let set = compiled(&[topic("t", &[("tag:(one NEAR/5 two)", 1.0)])]);
    let tagged = |tags: &[&str]| Sample { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..Sample::of("", "") };
    assert!(hits(&set, &tagged(&["x", "one and two"])));
    assert!(!hits(&set, &tagged(&["one", "two"])));
}

#[test]
fn score_one_word_repeated_is_one_hit() {
    let set = compiled(&[topic("t", &[("tide", 2.0)])]);
    let once = Sample::of("", "tide").with(|document| set.classify(document));
    let often = Sample::of("", &"tide ".repeat(500)).with(|document| set.classify(document));
    assert_eq!(once[0].score, often[0].score);
}

#[test]
fn score_negative_weight_takes_away_and_bands_raise_the_severity() {
    let mut config = topic("t", &[("storm", 4.0), ("flood", 4.0), ("film", -4.0)]);
    config.severity_bands = vec![(6.0, Severity::High), (12.0, Severity::Critical)];
    config.threshold = 5.0;
    let set = compiled(&[config]);
    let severity = |title: &str| {
        let found = Sample::of(title, "").with(|document| set.classify(document));
        found.first().map(|found| (found.score.to_f64() as i32, found.severity))
    };
    assert_eq!(severity("storm"), Some((8, Severity::High)));
    assert_eq!(severity("storm and flood"), Some((16, Severity::Critical)));
    assert_eq!(severity("storm film"), None);
    assert_eq!(severity("calm"), None);
}

#[test]
fn gates_close_whatever_the_score() {
    let mut config = topic("t", &[("storm", 9.0)]);
    config.require = vec!["coast*".into(), "title:storm".into()];
    config.exclude = vec!["film".into()];
    config.languages = vec![Lang::EN];
    let set = compiled(&[config]);
    let open = Sample::of("storm", "at the coast");
    assert!(hits(&set, &open));
    assert!(!hits(&set, &Sample::of("storm", "inland")));
    assert!(!hits(&set, &Sample::of("coast", "storm")));
    assert!(!hits(&set, &Sample::of("storm", "at the coast, a film")));
    assert!(!hits(&set, &Sample { lang: Lang::from_tag("fr"), ..open.clone() }));
    assert!(!hits(&set, &Sample { lang: None, ..open }));
}

#[test]
fn explain_shows_gates_and_topics_below_threshold_and_agrees_with_classify() {
    let mut closed = topic("closed", &[("storm", 9.0)]);
    closed.exclude = vec!["film".into()];
    let mut low = topic("low", &[("storm", 1.0), ("film", 0.5)]);
    low.threshold = 50.0;
    let set = compiled(&[closed, low, topic("hit", &[("film AND storm", 3.0)])]);
    let sample = Sample::of("Storm: the film", "");
    let explained = sample.with(|document| set.explain(document));
    let state: Vec<_> = explained.iter().map(|topic| (topic.matched, topic.score.to_f64() as i32)).collect();
    assert_eq!(state, [(false, 18), (false, 3), (true, 6)]);
    let gate = &explained[0].gates[0];
    assert_eq!((gate.kind, gate.open, gate.hits[0].text.as_str()), (GateKind::Exclude, false, "film"));
    assert_eq!(explained[1].rules[1].points, Score::from_f64(1.0));
    assert_eq!(explained[2].rules[0].hits.len(), 2);
    let matched = sample.with(|document| set.classify(document));
    assert_eq!(matched.len(), 1);
    assert_eq!(matched[0].score, explained[2].score);
    assert!(serde_json::to_value(&explained).is_ok());
}

#[test]
fn compile_reports_every_problem_at_its_place() {
    let mut bad = topic("t", &[("a1 NEAR/500 b1", 1.0), ("fine", 0.0), ("(", 1.0)]);
    bad.require = vec!["@nobody".into()];
    bad.exclude = vec!["titel:x".into()];
    bad.threshold = 0.0;
    let mut aliases = page_aliases();
    aliases.push(alias("round", &["@about"]));
    aliases.push(alias("about", &["@round"]));
    aliases.push(alias("empty", &[]));
    let problems = TopicSet::compile(&[bad], &aliases).expect_err("all of it is wrong");
    let places: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
    let id = || TopicId::new("t").expect("a name");
    for place in [
        RulePlace::Term { topic: id(), index: 0 },
        RulePlace::Term { topic: id(), index: 1 },
        RulePlace::Term { topic: id(), index: 2 },
        RulePlace::Require { topic: id(), index: 0 },
        RulePlace::Exclude { topic: id(), index: 0 },
        RulePlace::Topic { topic: id() },
        RulePlace::Alias { name: "round".into(), index: 0 },
        RulePlace::Alias { name: "empty".into(), index: 0 },
    ] {
        assert!(places.contains(&place), "{place:?} in {places:?}");
    }
    assert_eq!(problems.iter().find(|p| p.rule.as_deref() == Some("rule-0")).map(|p| p.span.clone()), Some(3..11));
}

#[test]
fn pattern_reads_only_the_start_of_a_huge_text() {
    let set = compiled(&[topic("t", &[("/need[l]e/", 1.0)])]);
    let huge = format!("{} needle", "hay ".repeat(20_000));
    assert!(!hits(&set, &Sample::of("", &huge)));
    assert!(hits(&set, &Sample::of("", &format!("needle {huge}"))));
}

#[test]
fn learned_score_counts_beside_the_rules_and_alone_and_explain_agrees() {
    use model::{LinearModel, Training};
    let learner =
        |name: &str| TopicConfig { model_weight: Some(6.0), threshold: 5.0, ..topic(name, &[("storm", 1.0)]) };
    let topics = [topic("first", &[("storm", 1.0)]), learner("a"), learner("b"), topic("last", &[("tide", 1.0)])];
    let mut set = compiled(&topics);
    assert!(set.lacks_model(&topics[1].id) && !set.lacks_model(&topics[0].id));
    for topic in &topics[..3] {
        let training =
            Training { topic: topic.id.clone(), at: crate::model::Timestamp::default(), items: 9, about: 4, f1: 1.0 };
        set.set_model(
            &topic.id,
            LinearModel::new(&training, -1.0, [("surge".to_owned(), 20.0), ("fair".to_owned(), -20.0)]),
        );
    }
    let matched = |title: &str| {
        let sample = Sample::of(title, "");
        sample.with(|document| {
            let found = set.classify(document);
            for explained in set.explain(document) {
                let same = found.iter().find(|found| found.topic == explained.topic);
                assert_eq!(same.map(|found| found.score), explained.matched.then_some(explained.score));
            }
            found.iter().map(|found| found.topic.to_string()).collect::<Vec<_>>()
        })
    };
    assert_eq!(matched("surge"), ["a", "b"], "a topic that wants no learned score gets none");
    assert_eq!(matched("storm surge tide"), ["first", "a", "b", "last"]);
    assert_eq!(matched("storm fair"), ["first"], "a learned score never takes away");
    let sample = Sample::of("The surge", "");
    let found = sample.with(|document| set.classify(document));
    let evidence = &found[0].evidence[0];
    assert_eq!((evidence.rule.as_str(), evidence.text.as_str(), evidence.start), (MODEL_RULE, "surge", 4));
    let explained = sample.with(|document| set.explain(document));
    let rule = explained[1].rules.last().expect("a rule");
    assert_eq!(
        (rule.rule.as_str(), rule.telling[0].word.as_str(), rule.hits[0].text.as_str()),
        ("model", "surge", "surge")
    );
}
