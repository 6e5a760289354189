//! `stories`: what was told together, by how many outlets, and how each story came about.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::page::Page;
use super::{CliError, Context, ids};
use crate::action::{self, ActionScene};
use crate::app::tell_now;
use crate::model::Timestamp;
use crate::store::{
    Access, Correction, CorrectionRecord, SilenceRecord, Store, StoryEvent, StoryFilter, StoryRecord, Why,
};
use crate::text::{clean, counted};

/// How long a running daemon is waited for: it looks every two seconds.
const LOOKS_MAX: u32 = 40;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Lists stories, latest first; shows the timeline of one; splits, merges or tells them by hand.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StoriesArgs {
    #[command(subcommand)]
    verb: Option<StoriesVerb>,
    #[command(flatten)]
    list: ListArgs,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only with an item on this topic.
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    page: Page,
    /// Only carried by so many outlets or more.
    #[arg(long, default_value_t = 1, value_name = "N")]
    outlets: usize,
}

#[derive(Debug, Subcommand)]
enum StoriesVerb {
    /// Lists stories, latest first; so does no verb at all.
    List(ListArgs),
    /// Shows one story: first report, copies, growth, alerts.
    Show {
        /// Its id (`sty_…`), or the beginning of it.
        id: String,
    },
    /// Takes items out of a story that report another event: they become a story of their own. Holds
    /// against later arrivals, a restart and a re-run; nothing that was told is told again.
    Split(SplitArgs),
    /// Makes two stories one: the older id stays, the other leads to it. Holds likewise.
    Merge(MergeArgs),
    /// Takes a split or merge back: two halves are one again, what was merged leaves again. What was told, by `tell` or
    /// otherwise, stays told.
    Undo(UndoArgs),
    /// Tells a story by its best report, or one report (`itm_…`), to every endpoint that takes it and did not hear
    /// of it: after a split, or when another story took it in. This cannot be undone.
    Tell(TellArgs),
}

#[derive(Debug, Args)]
struct TellArgs {
    /// The story (`sty_…`) or the report (`itm_…`).
    #[arg(value_name = "STORY|ITEM")]
    what: String,
    #[command(flatten)]
    word: CorrectionWord,
}

#[derive(Debug, Args)]
struct SplitArgs {
    /// The story (`sty_…`).
    story: String,
    /// Its items that leave (`itm_…`).
    #[arg(required = true)]
    items: Vec<String>,
    #[command(flatten)]
    word: CorrectionWord,
}

#[derive(Debug, Args)]
struct MergeArgs {
    /// A story (`sty_…`).
    story: String,
    /// Another one.
    other: String,
    #[command(flatten)]
    word: CorrectionWord,
}

#[derive(Debug, Args)]
struct UndoArgs {
    /// The number of the correction: `stories show` lists those of a story.
    number: i64,
    #[command(flatten)]
    word: CorrectionWord,
}

/// Who says so, and why.
#[derive(Debug, Args)]
struct CorrectionWord {
    /// Who corrects [default: the user].
    #[arg(long, env = "USER", default_value = "unknown")]
    author: String,
    /// Why.
    #[arg(long, default_value = "")]
    comment: String,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, no such story, or it cannot be read.
pub fn run(args: &StoriesArgs, context: &Context) -> Result<(), CliError> {
    let out = Output::of(args.json);
    match &args.verb {
        Some(StoriesVerb::Show { id }) => {
            let store = context.read_store()?;
            let id = ids::story(&store, id)?;
            let story = store.story(id)?.ok_or_else(|| CliError::data(format!("find {id}: no such story")))?;
            if out == Output::Json {
                return Ok(output::document(&story)?);
            }
            show(&story, &store.silences_of(id, context.clock.now())?);
            Ok(())
        }
        Some(StoriesVerb::Split(split)) => {
            let store = context.open_store(Access::Share)?;
            let items = split.items.iter().map(|id| ids::item(&store, id)).collect::<Result<_, _>>()?;
            let asked = Correction::Split { story: ids::story(&store, &split.story)?, items };
            correct(&asked, &split.word, out, context)
        }
        Some(StoriesVerb::Merge(merge)) => {
            let store = context.open_store(Access::Share)?;
            let asked = Correction::Merge {
                story: ids::story(&store, &merge.story)?,
                other: ids::story(&store, &merge.other)?,
            };
            correct(&asked, &merge.word, out, context)
        }
        Some(StoriesVerb::Undo(undo)) => {
            let (store, config) = (context.open_store(Access::Share)?, context.load()?.config);
            let scene =
                ActionScene { store: &store, config: &config, now: context.clock.now(), author: &undo.word.author };
            let (_, back) = action::correction_undone(&scene, undo.number)?;
            correct(&back, &undo.word, out, context)
        }
        Some(StoriesVerb::Tell(tell)) => {
            let store = context.open_store(Access::Share)?;
            let asked = if ids::is_item(&tell.what) {
                action::tell_item(&store, ids::item(&store, &tell.what)?)?
            } else {
                Correction::Tell { story: ids::story(&store, &tell.what)?, item: None }
            };
            correct(&asked, &tell.word, out, context)
        }
        Some(StoriesVerb::List(args)) => list(args, out, context),
        None => list(&args.list, out, context),
    }
}

fn list(args: &ListArgs, out: Output, context: &Context) -> Result<(), CliError> {
    let store = context.read_store()?;
    let filter = StoryFilter {
        topic: args.topic.clone(),
        since: args.page.since(context.clock.now()),
        outlets_min: args.outlets,
        limit: args.page.limit,
        ..StoryFilter::default()
    };
    let stories = store.stories(&filter)?;
    if out == Output::Json {
        return Ok(output::lines(&stories)?);
    }
    let (now, digits) = (context.clock.now(), store.story_digits(stories.iter().map(|story| story.id))?);
    let head = ["ID", output::AGE, "ITEMS", "COPIES", "OUTLETS", "ALERTED", "TITLE"];
    let mut table = Table::new(&head).cuttable(&["OUTLETS", "ALERTED"]);
    for story in stories {
        table.row([
            story.id.short(digits),
            output::age(story.last_seen, now),
            story.items.to_string(),
            Some(story.sightings_exact + story.sightings_near)
                .filter(|&n| n > 0)
                .map(|n| n.to_string())
                .unwrap_or_default(),
            output::first_of(&story.outlets),
            story.alerted.join(", "),
            story.title,
        ]);
    }
    Ok(table.print("no stories")?)
}

/// Asks whoever holds the store; where nobody does, it is done here and now.
fn correct(asked: &Correction, word: &CorrectionWord, out: Output, context: &Context) -> Result<(), CliError> {
    let now = context.clock.now();
    let (store, config) = (context.open_store(Access::Share)?, context.load()?.config);
    let scene = ActionScene { store: &store, config: &config, now, author: &word.author };
    let number = action::ask_correction(&scene, asked, &word.comment)?;
    match context.open_store(Access::Own) {
        Ok(own) => {
            own.carry_out_corrections(now)?;
            if matches!(asked, Correction::Tell { .. }) {
                let mut loaded = context.load()?;
                let rules = super::compiled(&mut loaded, &context.place_name())?;
                tell_now(&own, &loaded.config, rules, now)?;
            }
        }
        Err(error) if error.code() == super::error::UNAVAILABLE => {}
        Err(error) => return Err(error),
    }
    let mut looks = LOOKS_MAX;
    let done = loop {
        match store.correction(number)? {
            Some(record) if record.done_at.is_some() || looks == 0 => break record,
            None => return Err(CliError::data(format!("find correction {number}: it was removed"))),
            Some(_) => {}
        }
        looks -= 1;
        std::thread::sleep(LOOK_EVERY);
    };
    if let Some(why) = &done.refused {
        return Err(refused(&done.verb, why));
    }
    if out == Output::Json {
        return Ok(output::document(&done)?);
    }
    outln!("{}", said(&done));
    for untold in done.outcome.iter().flat_map(|outcome| &outcome.untold) {
        outln!("  not {}: {}", untold.endpoint, untold.why);
    }
    if let ("split", Some(into)) = (done.verb.as_str(), done.into.filter(|_| done.done_at.is_some())) {
        outln!("what was told of the one counts for both; `wirewatch stories tell {into}` tells the new one as well");
    }
    for line in silenced(&store, &done, now)? {
        outln!("{line}");
    }
    Ok(())
}

fn refused(verb: &str, why: &str) -> CliError {
    CliError::data(format!("{verb}: {why}")).hint("`wirewatch stories show` lists what is in it")
}

/// Which silences hold for what came of a correction: one of two halves may be loud now, or a whole silent.
fn silenced(store: &Store, done: &CorrectionRecord, now: Timestamp) -> Result<Vec<String>, CliError> {
    let (Some(_), Some(into)) = (done.done_at, done.into) else { return Ok(Vec::new()) };
    let halves = if done.verb == "split" { vec![done.story, into] } else { vec![into] };
    let mut lines = Vec::new();
    for half in halves {
        lines.extend(store.silences_of(half, now)?.iter().map(|silence| format!("{} silences {half}", silence.id)));
    }
    if done.verb == "split" && !lines.is_empty() {
        lines.push("`wirewatch silences add --story ID` silences the other one as well".to_owned());
    }
    Ok(lines)
}

fn said(done: &CorrectionRecord) -> String {
    let (story, into) = (done.story, done.into.unwrap_or(done.story));
    match (done.done_at, done.verb.as_str()) {
        (None, _) => format!("correction {} waits: the daemon carries it out with its next batch", done.number),
        (Some(_), "split") => {
            let items = counted(done.items.len() as u64, "item");
            format!("{items} left {story} for {into}; the two stay two")
        }
        (Some(_), "tell") => {
            let told = done.outcome.as_ref().map(|outcome| outcome.told.join(", ")).unwrap_or_default();
            let item = done.items.first().map(|item| format!(" by {item}")).unwrap_or_default();
            format!("{story} is told{item} to {told}")
        }
        (Some(_), _) => format!("{story} was merged into {into}"),
    }
}

fn show(story: &StoryRecord, silences: &[SilenceRecord]) {
    let line = &story.line;
    outln!("{}", clean::one_line(&line.title));
    outln!("  id         {}", line.id);
    if let Some(from) = story.merged_from {
        outln!("  merged     {from} was merged into it");
    }
    outln!("  seen       {} to {}", line.first_seen, line.last_seen);
    outln!(
        "  counts     {}, {}, {}",
        counted(line.items, "item"),
        counted(line.sightings_exact, "exact copy"),
        counted(line.sightings_near, "near copy")
    );
    outln!("  outlets    {}: {}", line.outlets.len(), clean::one_line(&line.outlets.join(", ")));
    for correction in &story.corrections {
        outln!("  by hand    {}", by_hand(correction));
    }
    for silence in silences {
        outln!("  silenced   {}", silenced_by(silence));
    }
    outln!();
    outln!("  {:<16}  {:<10}  {:>7}  {:<20}  TITLE", "SEEN (UTC)", "WHAT", "OUTLETS", "BY");
    for event in &story.timeline {
        let (by, title) = (clean::one_line(&event.by), clean::excerpt(&event.title, 100));
        outln!("  {}  {:<10}  {:>7}  {by:<20}  {title}", output::minute(event.at), event.what, event.outlets);
        // With its id: that is what `split` and `explain` take.
        if is_item(event) {
            let why = reason(event, story).map(|why| format!("  {}", clean::excerpt(&why, 160))).unwrap_or_default();
            outln!("  {:<16}  {}{why}", "", event.item);
        }
    }
}

/// Why an item is where it is; what people said comes before what was found when it came.
fn reason(event: &StoryEvent, story: &StoryRecord) -> Option<String> {
    let here = story.line.id;
    let moved = |c: &&CorrectionRecord| {
        c.verb == "split" && c.story != here && c.refused.is_none() && c.items.contains(&event.item)
    };
    if let Some(split) = story.corrections.iter().rfind(moved).filter(|_| is_item(event))
        && split.done_at.is_some()
    {
        return Some(format!("put here by hand: it left {}", split.story));
    }
    if let Some(from) = event.came_with {
        return Some(format!("came with {from}, which was merged into this story"));
    }
    event.why.as_ref().map(|why| found(why, event.what == "opened"))
}

/// Copies and alerts are none.
fn is_item(event: &StoryEvent) -> bool {
    matches!(event.what.as_str(), "opened" | "joined")
}

/// What an item was nearest to when it came.
fn found(why: &Why, opened: bool) -> String {
    let Why { nearest, score, shared } = why;
    let words = if shared.is_empty() { String::new() } else { format!(": {}", shared.join(", ")) };
    match (score, opened) {
        (None, _) => format!("the same text as {nearest}, but on a further topic{words}"),
        (Some(score), false) => format!("{score:+.2} with the story of {nearest}{words}"),
        (Some(score), true) => format!("nearest was {nearest} at {score:+.2}{words}"),
    }
}

fn silenced_by(silence: &SilenceRecord) -> String {
    let until = silence.ends.map_or_else(|| "for good".to_owned(), |ends| format!("until {}", output::minute(ends)));
    let why = if silence.comment.is_empty() { String::new() } else { format!(": {}", silence.comment) };
    clean::one_line(&format!("{until} by {} ({}){why}", silence.author, silence.id)).into_owned()
}

fn by_hand(correction: &CorrectionRecord) -> String {
    let CorrectionRecord {
        number, verb, story, into, items, author, comment, asked_at, done_at, refused, outcome, ..
    } = correction;
    let what = match (verb.as_str(), into) {
        ("split", Some(into)) => format!("{} of its items left {story} for {into}", items.len()),
        ("split", None) => format!("{} of its items are to leave {story}", items.len()),
        ("tell", _) => match outcome {
            Some(outcome) => format!("told to {}", outcome.told.join(", ")),
            None => "to be told".to_owned(),
        },
        (_, into) => format!("{story} was merged into {}", into.map(|into| into.to_string()).unwrap_or_default()),
    };
    let state = match (refused, done_at) {
        (Some(why), _) => format!(" (refused: {why})"),
        (None, None) => " (waits)".to_owned(),
        (None, Some(_)) => String::new(),
    };
    let why = if comment.is_empty() { String::new() } else { format!(": {comment}") };
    clean::one_line(&format!("{}  {author}  {what}{state} (no. {number}){why}", output::minute(*asked_at))).into_owned()
}
