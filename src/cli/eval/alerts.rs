//! `eval alerts`: a labelled stream through the pipeline as the daemon runs it, and what one endpoint with the
//! defaults is told of it. The clock is moved by the dates of the items.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::error::IO;
use super::super::labelled::{origin, raw, text};
use super::super::output::{self, Table};
use super::{CliError, arrivals};
use crate::eval::alerts::{
    AlertJudge, AlertQuality, LabelledEvent, Post, PostVerdict, PostedArticle, SAGA_ITEMS, StorySize,
};
use crate::eval::outbox::{PretendedOutbox, SentAlert};
use crate::model::{EndpointId, ItemId, Origin, RawItem, Severity, SourceId, StoryId, Timestamp};
use crate::pipeline::alert::Route;
use crate::pipeline::identity::{self, FiledItem};
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Decision, Ledger, Rules, decide, prepare};
use crate::text::{clean, counted};

/// What a source brings within this time of its first item is its baseline.
const BASELINE: Duration = Duration::from_secs(3600);

/// What was told, and how good that was.
pub(super) struct Told {
    posts: Vec<Post>,
    quality: AlertQuality,
}

/// How long an alert waits for more of its story, as for formats that people read.
const GROUP_WAIT: Duration = Duration::from_secs(120);

/// The items that a payload may show.
#[derive(Default)]
struct Shown {
    by_id: HashMap<String, (String, PostedArticle, Option<LabelledEvent>)>,
}

/// Runs the stream.
pub(super) fn run(items: &[Value], mut rules: Rules, memory: MemoryConfig) -> Told {
    let mut route = Route::everything(EndpointId::new("eval").expect("invariant: a valid name"));
    route.timing.group_wait = GROUP_WAIT;
    rules.alert.routes = vec![route];
    rules.alert.told_window = memory.story_window;
    let mut ledger = Ledger::new("eval", memory);
    let mut judge = AlertJudge::default();
    let (mut posts, mut outbox, mut shown) = (Vec::new(), PretendedOutbox::default(), Shown::default());
    let mut starts: HashMap<SourceId, Timestamp> = HashMap::new();
    let mut headlines = HashMap::new();
    let mut members: Vec<(StoryId, Option<String>, String)> = Vec::new();
    let bar = output::progress(items.len() as u64, "items");
    for (number, (item, now)) in items.iter().zip(arrivals(items)).enumerate() {
        bar.inc(1);
        let event = labelled_event(item);
        if let Some(event) = &event {
            judge.note(event, now);
        }
        let (mut raw, origin) = (raw(item, number), origin(item, now));
        let start = *starts.entry(origin.source.clone()).or_insert(now);
        raw.quiet = now < start.plus(BASELINE);
        posts.extend(outbox.send(Some(now)).iter().map(|sent| post_of(sent, &shown, &mut judge)));
        if let Some(decision) = decided(&raw, &origin, &rules, &mut ledger, &mut headlines) {
            let id = decision.prepared.item.id.to_string();
            if let Some(story) = decision.story() {
                let event = event.as_ref().map(|event: &LabelledEvent| event.event.clone());
                members.push((story, event, decision.prepared.item.headline().into_owned()));
            }
            let name = clean::excerpt(item["id"].as_str().unwrap_or_default(), 80);
            shown.by_id.insert(id, (name, article(item), event));
            outbox.take(&decision.alerts, &decision.refreshed, |story| ledger.resolve(story));
        }
    }
    posts.extend(outbox.send(None).iter().map(|sent| post_of(sent, &shown, &mut judge)));
    bar.finish_and_clear();
    let mut quality = judge.quality(&posts);
    quality.note_stories(sizes(members, &ledger));
    Told { posts, quality }
}

/// Decides as `ingest` does: what an edited item was called before is known, and a live blog with another event on top
/// is another item.
fn decided(
    raw: &RawItem,
    origin: &Origin,
    rules: &Rules,
    ledger: &mut Ledger,
    filed: &mut HashMap<ItemId, FiledItem>,
) -> Option<Decision> {
    let mut prepared = prepare(raw, origin, rules).ok()?;
    let live = !prepared.matches.is_empty() && rules.live_headline(&prepared.item.title).is_some();
    if live && filed.get(&prepared.item.id).is_some_and(|filed| filed.is_earlier_entry_of(&prepared.item)) {
        identity::rename(&mut prepared.item);
    }
    let (id, now) = (prepared.item.id, FiledItem::of(&prepared.item));
    let before = filed.insert(id, now).map(|filed| filed.title);
    prepared.headline_before = before.filter(|before| *before != prepared.item.title);
    Some(decide(prepared, ledger, rules, origin.received))
}

/// What the stories hold, by their members in the order of arrival.
fn sizes(members: Vec<(StoryId, Option<String>, String)>, ledger: &Ledger) -> Vec<StorySize> {
    let mut places: HashMap<StoryId, usize> = HashMap::new();
    let mut stories: Vec<StorySize> = Vec::new();
    for (story, event, title) in members {
        let story = ledger.resolve(story);
        let place = *places.entry(story).or_insert_with(|| {
            let (story, title) = (story.to_string(), clean::excerpt(&title, 80));
            stories.push(StorySize { story, title, items: 0, events: Vec::new() });
            stories.len() - 1
        });
        stories[place].items += 1;
        if let Some(event) = event.filter(|event| !stories[place].events.contains(event)) {
            stories[place].events.push(event);
        }
    }
    stories
}

/// What a line of the stream holds of an article.
fn article(item: &Value) -> PostedArticle {
    let [title, body, url, source, published, lang] =
        ["title", "text", "url", "source", "published", "lang"].map(|name| text(item, name));
    let body = body.or_else(|| text(item, "summary"));
    PostedArticle { title, text: body, url, source, published, lang }
}

fn labelled_event(item: &Value) -> Option<LabelledEvent> {
    let event = item["event"].as_str()?.to_owned();
    Some(LabelledEvent { event, wanted: item["wanted"].as_bool().unwrap_or_default() })
}

/// What goes out, judged by the event that the item in it reports.
fn post_of(alert: &SentAlert, shown: &Shown, judge: &mut AlertJudge) -> Post {
    let data = &alert.payload.data;
    let (item, article, event) = shown.by_id.get(&data.item.id).cloned().unwrap_or_default();
    Post {
        time: alert.at,
        kind: alert.payload.r#type.clone(),
        reason: data.alert.reason.clone(),
        endpoint: "eval".to_owned(),
        topics: data.topics.iter().map(|topic| topic.id.clone()).collect(),
        severity: Severity::ALL
            .into_iter()
            .find(|severity| severity.as_str() == data.alert.severity)
            .unwrap_or(Severity::Medium),
        story: data.story.id.clone(),
        item,
        title: clean::excerpt(&data.item.title, 120),
        article,
        new: data.new.iter().map(|news| format!("{}: {}", news.kind, news.text)).collect(),
        verdict: judge.judge(event.as_ref()),
        event: event.map(|event| event.event),
    }
}

pub(super) fn write_posts(out: &Path, told: &Told) -> Result<(), CliError> {
    let fail = |e: io::Error| CliError::new(IO, format!("write {}: {e}", out.display()));
    let mut file = BufWriter::new(File::create(out).map_err(fail)?);
    for post in &told.posts {
        serde_json::to_writer(&mut file, post).map_err(|e| fail(e.into()))?;
        writeln!(file).map_err(fail)?;
    }
    file.flush().map_err(fail)
}

pub(super) fn print(told: &Told, list: bool, json: bool) -> Result<(), CliError> {
    let quality = &told.quality;
    if list {
        for post in told.posts.iter().filter(|post| post.verdict != PostVerdict::Useful) {
            let event = post.event.as_deref().unwrap_or("no event");
            errln!("{:?}: {} {} ({}): {}", post.verdict, post.item, post.reason, clean::excerpt(event, 60), post.title);
        }
        for event in &quality.missed {
            errln!("missed: {}", clean::excerpt(event, 80));
        }
    }
    if json {
        return Ok(output::document(quality)?);
    }
    outln!(
        "{} of {} told; {}, {:.2} for each event told",
        quality.events_told,
        counted(quality.events_wanted as u64, "wanted event"),
        counted(quality.posts as u64, "alert"),
        quality.alerts_per_told_event
    );
    outln!("recall {:.3}, precision {:.3}", quality.recall, quality.precision);
    if let (Some(median), Some(p90)) = (quality.delay_median_s, quality.delay_p90_s) {
        outln!("told after {} min (median), {} min (nine of ten)", median / 60, p90 / 60);
    }
    let mut table = Table::new(&["REASON", "ALERTS", "USEFUL", "REPEAT", "UNWANTED", "NOISE"]);
    let reasons: BTreeSet<&str> = told.posts.iter().map(|post| post.reason.as_str()).collect();
    for reason in reasons {
        let count = |verdict: Option<PostVerdict>| {
            let of_reason = told.posts.iter().filter(|post| post.reason == reason);
            of_reason.filter(|post| verdict.is_none_or(|verdict| post.verdict == verdict)).count().to_string()
        };
        use PostVerdict::{Noise, Repeat, Unwanted, Useful};
        let counts = [None, Some(Useful), Some(Repeat), Some(Unwanted), Some(Noise)].map(count);
        table.row([reason.to_owned()].into_iter().chain(counts));
    }
    table.print("no alerts")?;
    let shares: Vec<String> =
        quality.severities.iter().map(|(severity, share)| format!("{severity} {:.1} %", share * 100.0)).collect();
    outln!("{}", shares.join(", "));
    outln!("stories of more than {SAGA_ITEMS} items that span two labelled events: {}; the largest:", quality.sagas);
    let mut table = Table::new(&["ITEMS", "EVENTS", "STORY"]);
    for story in &quality.largest_stories {
        table.row([story.items.to_string(), story.events.len().to_string(), story.title.clone()]);
    }
    Ok(table.print("no stories")?)
}
