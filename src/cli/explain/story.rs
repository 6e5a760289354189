//! The part of `explain` about stories: which ones the item was held against, what spoke for and against
//! each, and why it won or lost. Runs on a memory rebuilt from the store; changes nothing.

use std::io::{self, Write};

use serde::Serialize;

use super::super::{CliError, Context};
use crate::config::Config;
use crate::model::{ItemId, Timestamp};
use crate::pipeline::consider::{Consideration, Considered, ForeignStory, Repeats, Standing, Wording};
use crate::pipeline::{Ledger, Prepared};
use crate::store::{Access, Store, StoreError};
use crate::text::clean;

/// The stories an item was held against, with names for people.
#[derive(Debug, Serialize)]
pub(super) struct StoryExplained {
    /// `joined`, `opened` or `copy`.
    decision: &'static str,
    threshold: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<Named<Repeats>>,
    stories: Vec<Named<Considered>>,
    /// Stories of other languages.
    related: Vec<Named<ForeignStory>>,
}

/// Something with the headline of the item it is about.
#[derive(Debug, Serialize)]
struct Named<T> {
    nearest_title: String,
    #[serde(flatten)]
    what: T,
}

/// The memory as it is now, for items that are not in the store.
pub(super) struct Recalled {
    store: Store,
    ledger: Ledger,
}

impl Recalled {
    /// From the store; `None` where there is none yet.
    pub(super) fn of(config: &Config, context: &Context) -> Result<Option<Self>, CliError> {
        let store = match Store::open(&config.daemon.state_dir, Access::Read) {
            Err(StoreError::Missing { .. }) => return Ok(None),
            store => store?,
        };
        let window = config.memory.copies_window.max(config.memory.story_window);
        let (ledger, _) = store.recall_quickly(config.memory, context.clock.now().minus(window))?;
        Ok(Some(Self { store, ledger }))
    }

    /// What would be considered if the item came now.
    pub(super) fn consider(&mut self, prepared: &Prepared, now: Timestamp) -> Result<StoryExplained, CliError> {
        let wording = Wording { title: &prepared.item.title, text: &prepared.item.text };
        let considered = self.ledger.consider(prepared.item.id, &prepared.features, wording, now);
        named(considered, &self.store)
    }
}

/// What was considered when a stored item came, with stories as they are composed now.
pub(super) fn of_stored(id: ItemId, store: &Store, config: &Config) -> Result<Option<StoryExplained>, CliError> {
    let Some(record) = store.item(id)? else { return Ok(None) };
    let Some((mut ledger, features, at)) = store.recall_before(config.memory, record.line.id)? else {
        return Ok(None);
    };
    let wording = Wording { title: &record.title, text: &record.text };
    let considered = ledger.consider(record.line.id, &features, wording, at);
    named(considered, store).map(Some)
}

fn named(considered: Consideration, store: &Store) -> Result<StoryExplained, CliError> {
    let title = |item: ItemId| store.item(item).map(|found| found.map(|record| record.line.title).unwrap_or_default());
    let decision = match (&considered.copy, considered.joins) {
        (Some(_), _) => "copy",
        (None, Some(_)) => "joined",
        (None, None) => "opened",
    };
    let copy = match considered.copy {
        Some(copy) => Some(Named { nearest_title: title(copy.of)?, what: copy }),
        None => None,
    };
    let mut stories = Vec::with_capacity(considered.stories.len());
    for story in considered.stories {
        stories.push(Named { nearest_title: title(story.nearest)?, what: story });
    }
    let mut related = Vec::with_capacity(considered.related.len());
    for story in considered.related {
        related.push(Named { nearest_title: title(story.nearest)?, what: story });
    }
    Ok(StoryExplained { decision, threshold: considered.threshold, copy, stories, related })
}

/// Prints it for people.
pub(super) fn print(out: &mut impl Write, story: &StoryExplained) -> io::Result<()> {
    let head = match story.decision {
        "copy" => "repeats a known text",
        "joined" => "joins a story",
        _ if story.stories.is_empty() => "opens a story: nothing that is remembered shares its telling words",
        _ => "opens a story: none is near enough",
    };
    writeln!(out, "\nstory: {head}")?;
    if let Some(copy) = &story.copy {
        let title = clean::excerpt(&copy.nearest_title, 90);
        let Repeats { of, overlap, headlines } = copy.what;
        writeln!(out, "  {:.0} % of the shorter text, headlines {headlines}: {of} “{title}”", overlap * 100.0)?;
    }
    for near in &story.stories {
        print_one(out, near, story.threshold)?;
    }
    story.related.iter().try_for_each(|near| print_related(out, near))
}

fn print_related(out: &mut impl Write, near: &Named<ForeignStory>) -> io::Result<()> {
    let Named { nearest_title, what } = near;
    let verdict = match (&what.kept_apart_by, what.sure) {
        (Some(difference), _) => format!("kept apart by {difference}"),
        (None, true) => "sure enough to be one story ([memory] languages = \"together\")".to_owned(),
        (None, false) => "not sure enough to be one story".to_owned(),
    };
    let title = clean::excerpt(nearest_title, 90);
    writeln!(out, "  in another language {}: {:+.2}, {verdict}", what.story, what.score)?;
    writeln!(out, "    “{title}”: both say {}", what.shared.join(", "))
}

fn print_one(out: &mut impl Write, near: &Named<Considered>, threshold: f32) -> io::Result<()> {
    let Named { nearest_title, what } = near;
    let mark = if matches!(what.standing, Standing::Joined | Standing::Merged) { "✓" } else { "✗" };
    let why = match what.standing {
        Standing::Joined => "joined",
        Standing::Merged => "joined as well: the two are one story",
        Standing::Outscored => "near enough, but another one is nearer",
        Standing::BelowThreshold => "not near enough",
        Standing::Different => "near enough by its words, but it says something else",
        Standing::TooLate => "the story opened too long before ([memory] story_span): what follows an event is another",
        Standing::TooFewShared => "too few words in common to tell",
        Standing::CopyElsewhere => "near enough, but the text it repeats is in another",
    };
    writeln!(out, "{mark} {}: {:+.2}, needs {threshold:+.2}: {why}", what.story, what.score)?;
    let title = clean::excerpt(nearest_title, 90);
    let members = if what.compared == 1 { "its item" } else { "its nearest item" };
    writeln!(out, "    {members} ({:+.2}): {} “{title}”", what.nearest_score, what.nearest)?;
    let effects: Vec<String> = what.effects.iter().map(|e| format!("{} {:+.1}", e.view, e.effect)).collect();
    writeln!(out, "    brought by {}", effects.join(", "))?;
    if !what.differences.is_empty() {
        let differences = clean::excerpt(&what.differences.join("; "), 160);
        writeln!(out, "    told apart by {differences} (-{:.1})", what.toll)?;
    }
    if !what.shared.is_empty() {
        writeln!(out, "    shared: {}", clean::excerpt(&what.shared.join(", "), 160))?;
    }
    Ok(())
}
