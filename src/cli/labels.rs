//! `items label`, `unlabel` and `labels`: what people say an item is about, collected in the store beside a
//! running daemon, and handed out in the evaluation format.

use serde_json::{Value, json};

use super::output::{self, Output, Table};
use super::{CliError, Context, ids};
use crate::action::{self, ActionScene};
use crate::model::{ItemId, TopicId};
use crate::store::{Access, LabelledItem, Relevance};

/// Notes labels such as `+sanctions` and `-sanctions`.
pub(super) fn label(id: &str, labels: &[String], author: &str, context: &Context, out: Output) -> Result<(), CliError> {
    let mut read = Vec::with_capacity(labels.len());
    for label in labels {
        let (topic, relevance) = parse(label)?;
        read.push((topic, Some(relevance)));
    }
    let of = write(id, &read, author, context)?;
    if out == Output::Json {
        return Ok(output::lines(&said(of, &read))?);
    }
    let words: Vec<String> = read
        .iter()
        .map(|(topic, relevance)| match relevance {
            Some(Relevance::About) => format!("is about {topic}"),
            _ => format!("is not about {topic}"),
        })
        .collect();
    outln!("{of} {}", words.join(", "));
    Ok(())
}

/// Forgets labels.
pub(super) fn unlabel(
    id: &str,
    topics: &[String],
    author: &str,
    context: &Context,
    out: Output,
) -> Result<(), CliError> {
    let mut read = Vec::with_capacity(topics.len());
    for topic in topics {
        let topic = TopicId::new(topic.trim_start_matches(['+', '-'])).map_err(|e| CliError::usage(e.to_string()))?;
        read.push((topic, None));
    }
    let of = write(id, &read, author, context)?;
    if out == Output::Json {
        return Ok(output::lines(&said(of, &read))?);
    }
    outln!("{of}: forgotten");
    Ok(())
}

type GivenLabel = (TopicId, Option<Relevance>);

/// What was noted, as `/v1` answers it.
fn said(item: ItemId, labels: &[GivenLabel]) -> Vec<Value> {
    let line = |(topic, relevance): &GivenLabel| {
        let about = relevance.map(|relevance| relevance == Relevance::About);
        json!({"item": item, "topic": topic.as_str(), "about": about})
    };
    labels.iter().map(line).collect()
}

fn write(id: &str, labels: &[GivenLabel], author: &str, context: &Context) -> Result<ItemId, CliError> {
    let (store, config) = (context.open_store(Access::Share)?, context.load()?.config);
    let item = ids::item(&store, id)?;
    let scene = ActionScene { store: &store, config: &config, now: context.clock.now(), author };
    Ok(action::label_item(&scene, item, labels)?)
}

fn parse(label: &str) -> Result<(TopicId, Relevance), CliError> {
    let (relevance, name) = match label.chars().next() {
        Some('+') => (Relevance::About, &label[1..]),
        Some('-') => (Relevance::NotAbout, &label[1..]),
        _ => {
            return Err(CliError::usage(format!("read the label {label}"))
                .hint(format!("did you mean `+{label}` (it is about it) or `-{label}` (it is not)?")));
        }
    };
    let topic = TopicId::new(name).map_err(|e| CliError::usage(format!("read the label {label}: {e}")))?;
    Ok((topic, relevance))
}

/// Lists what was labelled.
pub(super) fn list(json: bool, context: &Context) -> Result<(), CliError> {
    let items = context.read_store()?.labelled()?;
    if json {
        let lines: Vec<Value> = items.iter().map(line).collect();
        return Ok(output::lines(&lines)?);
    }
    let mut table = Table::new(&["ID", "SOURCE", "LABELS", "TITLE"]);
    for item in items {
        let about = item.about.iter().map(|topic| format!("+{topic}"));
        let labels: Vec<String> = about.chain(item.not_about.iter().map(|topic| format!("-{topic}"))).collect();
        table.row([item.id.to_string(), item.source, labels.join(" "), item.title]);
    }
    Ok(table.print("no labels: `wirewatch items label ITEM +topic -topic`")?)
}

/// An item in the evaluation format. Topics nobody judged count neither way: `judged` names the others.
pub(super) fn line(item: &LabelledItem) -> Value {
    let names = |topics: &[String]| -> Vec<String> { topics.iter().map(|topic| topic.replace('-', "_")).collect() };
    let judged: Vec<String> = names(&item.about).into_iter().chain(names(&item.not_about)).collect();
    json!({
        "id": item.id, "title": item.title, "text": item.text, "url": item.url, "source": item.source,
        "published": item.published, "lang": item.lang, "labels": names(&item.about), "judged": judged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_needs_a_sign_and_says_which() {
        let read = |label: &str| parse(label).map(|(topic, relevance)| (topic.to_string(), relevance));
        assert_eq!(read("+storm-tide").ok(), Some(("storm-tide".to_owned(), Relevance::About)));
        assert_eq!(read("-storm").ok(), Some(("storm".to_owned(), Relevance::NotAbout)));
        assert!(read("storm").expect_err("no sign").to_string().contains("+storm"));
        assert!(read("+").is_err());
    }
}
