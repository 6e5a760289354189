//! `silences`: what is not told for a while, by hand; those of the config are listed with them.

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::{CliError, Context, Since};
use crate::config::{Config, SilenceConfig};
use crate::model::{SourceId, StoryId, Timestamp, TopicId};
use crate::store::{Access, SilenceRecord};

/// Lists silences; adds one or ends one. What is silenced is stored as an alert and told nobody.
#[derive(Debug, Args)]
pub struct SilencesArgs {
    #[command(subcommand)]
    verb: Option<SilencesVerb>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SilencesVerb {
    /// Lists those that hold or will hold.
    List {
        /// Those that have ended as well.
        #[arg(long)]
        all: bool,
    },
    /// Adds one: everything that is given must fit.
    Add(AddArgs),
    /// Ends one now.
    Expire {
        /// Its id (`sil_…`).
        id: String,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "matchers", args = ["topic", "source", "story", "text"])]
struct AddArgs {
    /// This topic; may be given several times.
    #[arg(long)]
    topic: Vec<String>,
    /// This source; may be given several times.
    #[arg(long)]
    source: Vec<String>,
    /// This story (`sty_…`).
    #[arg(long)]
    story: Option<String>,
    /// These words, one after the other, in the title.
    #[arg(long)]
    text: Option<String>,
    /// From then on [default: now].
    #[arg(long)]
    starts: Option<String>,
    /// So long (`2h`, `7d`).
    #[arg(long = "for", value_parser = super::since, conflicts_with = "ends")]
    length: Option<Since>,
    /// Until then.
    #[arg(long)]
    ends: Option<String>,
    /// Who silences [default: the user].
    #[arg(long, env = "USER", default_value = "unknown")]
    author: String,
    /// Why.
    #[arg(long, default_value = "")]
    comment: String,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when an argument means nothing, or the store cannot be read or written.
pub fn run(args: &SilencesArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let now = context.clock.now();
    match &args.verb {
        None => list(&config, false, Output::of(args.json), context),
        Some(SilencesVerb::List { all }) => list(&config, *all, Output::of(args.json), context),
        Some(SilencesVerb::Add(add)) => {
            let mut record = record(add, &config, now)?;
            let store = context.open_store(Access::Share)?;
            if let Some(named) = record.story {
                // As it stands today: the silence is for what is read under that id now.
                record.story = store.standing_story(named)?;
                if record.story.is_none() {
                    let hint = "`wirewatch stories` lists them";
                    return Err(CliError::data(format!("silence story {named}: no such story")).hint(hint));
                }
            }
            let id = store.add_silence(&record)?;
            if args.json {
                return Ok(output::document(&SilenceRecord { id, ..record })?);
            }
            let until = record.ends.map_or_else(|| "for good".to_owned(), |ends| format!("until {ends}"));
            println!("{id} silences {until}; a running daemon heeds it from its next batch on");
            Ok(())
        }
        Some(SilencesVerb::Expire { id }) if config.silences.iter().any(|silence| silence.id == *id) => {
            Err(CliError::data(format!("end {id}: it stands in the config")).hint("take it out there, and reload"))
        }
        Some(SilencesVerb::Expire { id }) => {
            if context.open_store(Access::Share)?.expire_silence(id, now)? {
                match Output::of(args.json) {
                    Output::Json => output::document(&serde_json::json!({"id": id, "ends": now}))?,
                    Output::Text => println!("{id} has ended"),
                }
                return Ok(());
            }
            Err(CliError::data(format!("end {id}: no such silence, or it has ended")))
        }
    }
}

fn record(add: &AddArgs, config: &Config, now: Timestamp) -> Result<SilenceRecord, CliError> {
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Timestamp::parse(text)
            .map(Some)
            .map_err(|_| CliError::usage(format!("read the time {text}")).hint("write 2025-03-17T08:00:00Z")),
    };
    for topic in &add.topic {
        if !config.topics.iter().any(|known| known.id.as_str() == topic) || TopicId::new(topic).is_err() {
            return Err(CliError::data(format!("silence topic {topic}: the config has none of this name")));
        }
    }
    for source in &add.source {
        SourceId::new(source).map_err(|_| CliError::usage(format!("silence source {source}: that is no name")))?;
    }
    let story = match &add.story {
        Some(id) => Some(StoryId::parse(id).map_err(|e| CliError::usage(format!("silence story {id}: {e}")))?),
        None => None,
    };
    let starts = time(&add.starts)?.unwrap_or(now);
    let ends = match (&add.length, time(&add.ends)?) {
        (Some(Since::Age(length)), _) => Some(starts.plus(*length)),
        (Some(Since::Moment(at)), _) => Some(*at),
        (None, ends) => ends,
    };
    if ends.is_some_and(|ends| ends <= starts) {
        return Err(CliError::usage("silence for no time: it ends before it starts"));
    }
    Ok(SilenceRecord {
        id: String::new(),
        topics: add.topic.clone(),
        sources: add.source.clone(),
        story,
        text: add.text.clone(),
        starts,
        ends,
        author: add.author.clone(),
        comment: add.comment.clone(),
    })
}

fn list(config: &Config, all: bool, out: Output, context: &Context) -> Result<(), CliError> {
    let now = context.clock.now();
    let mut silences: Vec<SilenceRecord> =
        config.silences.iter().map(of_config).filter(|s| all || s.ends.is_none_or(|ends| ends > now)).collect();
    silences.extend(context.read_store()?.silences(now, all)?);
    if out == Output::Json {
        return Ok(output::lines(&silences)?);
    }
    let mut table = Table::new(&["SILENCE", "FROM (UTC)", "UNTIL", "BY", "WHAT", "WHY"]);
    for silence in &silences {
        table.row([
            silence.id.clone(),
            output::minute(silence.starts),
            silence.ends.map_or_else(|| "for good".to_owned(), output::minute),
            silence.author.clone(),
            what(silence),
            silence.comment.clone(),
        ]);
    }
    Ok(table.print("no silences")?)
}

fn of_config(silence: &SilenceConfig) -> SilenceRecord {
    SilenceRecord {
        id: silence.id.clone(),
        topics: silence.topics.iter().map(|t| t.as_str().to_owned()).collect(),
        sources: silence.sources.iter().map(|s| s.as_str().to_owned()).collect(),
        story: silence.story,
        text: silence.text.clone(),
        starts: silence.starts.unwrap_or_default(),
        ends: silence.ends,
        author: silence.author.clone().unwrap_or_else(|| "the config".to_owned()),
        comment: silence.comment.clone().unwrap_or_default(),
    }
}

fn what(silence: &SilenceRecord) -> String {
    let mut parts: Vec<String> = silence.topics.iter().map(|t| format!("topic {t}")).collect();
    parts.extend(silence.sources.iter().map(|s| format!("source {s}")));
    parts.extend(silence.story.map(|s| format!("story {s}")));
    parts.extend(silence.text.as_ref().map(|t| format!("\"{t}\"")));
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}
