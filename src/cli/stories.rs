//! `stories`: what was told together, by how many outlets, and how each story came about.

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::{CliError, Context};
use crate::model::StoryId;
use crate::store::{StoryFilter, StoryRecord};
use crate::text::clean;

/// Lists stories, latest first, or shows the timeline of one.
#[derive(Debug, Args)]
pub struct StoriesArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only with an item on this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only with something new this long ago or since a time: 2h, 7d, 2025-03-17T00:00:00Z.
    #[arg(long, value_parser = super::since)]
    since: Option<super::Since>,
    /// Only carried by so many outlets or more.
    #[arg(long, default_value_t = 1, value_name = "N")]
    outlets: usize,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows one story: first report, copies, growth, alerts.
    Show {
        /// Its id (`sty_…`).
        id: String,
    },
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, no such story, or it cannot be read.
pub fn run(args: &StoriesArgs, context: &Context) -> Result<(), CliError> {
    let store = context.read_store()?;
    let out = Output::of(args.json);
    if let Some(Verb::Show { id }) = &args.verb {
        let id = StoryId::parse(id).map_err(|e| CliError::usage(e.to_string()))?;
        let story = store.story(id)?.ok_or_else(|| CliError::data(format!("find {id}: no such story")))?;
        if out == Output::Json {
            return Ok(output::document(&story)?);
        }
        show(&story);
        return Ok(());
    }
    let filter = StoryFilter {
        topic: args.topic.clone(),
        since: args.since.map(|since| since.at(context.clock.now())),
        outlets_min: args.outlets,
        limit: args.limit,
    };
    let stories = store.stories(&filter)?;
    if out == Output::Json {
        return Ok(output::lines(&stories)?);
    }
    let mut table = Table::new(&["ID", "LATEST (UTC)", "ITEMS", "COPIES", "OUTLETS", "ALERTED", "TITLE"]);
    for story in stories {
        table.row([
            story.id.to_string(),
            output::minute(story.last_seen),
            story.items.to_string(),
            (story.sightings_exact + story.sightings_near).to_string(),
            story.sources.len().to_string(),
            story.alerted.join(", "),
            story.title,
        ]);
    }
    Ok(table.print("no stories")?)
}

fn show(story: &StoryRecord) {
    let line = &story.line;
    println!("{}", clean::one_line(&line.title));
    println!("  id         {}", line.id);
    if let Some(from) = story.merged_from {
        println!("  merged     {from} went up in it");
    }
    println!("  seen       {} to {}", line.first_seen, line.last_seen);
    println!(
        "  counts     {} items, {} exact copies, {} near copies",
        line.items, line.sightings_exact, line.sightings_near
    );
    println!("  outlets    {}: {}", line.sources.len(), clean::one_line(&line.sources.join(", ")));
    println!();
    for event in &story.timeline {
        let by = clean::one_line(&event.by);
        let title = clean::excerpt(&event.title, 100);
        println!("  {}  {:<10}  {by}  {title}", output::minute(event.at), event.what);
    }
}
