//! `silences`: what is not told for a while, by hand; those of the config are listed with them. What each held back
//! can be seen, and what one would have held back before it is given.

use clap::{Args, Subcommand};

use super::output::{self, Output, Table};
use super::{CliError, Context, Since, ids};
use crate::action::{self, ActionScene, SilenceEnd, SilenceWish};
use crate::config::Config;
use crate::model::Timestamp;
use crate::store::{Access, PastAlert, SilenceRecord, Store};
use crate::text::{clean, counted};
use crate::view::{SilencePreview, SilenceShown, SilenceTally, silences};

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
    /// Shows one and the alerts it held back.
    Show {
        /// Its id (`sil_…`, or the name it has in the config).
        id: String,
    },
    /// Says what one would have held back in the last seven days; nothing is changed.
    Preview(MatcherArgs),
    /// Adds one, for seven days unless it says otherwise: everything that is given must fit.
    Add(AddArgs),
    /// Ends one now.
    Expire {
        /// Its id (`sil_…`).
        id: String,
        /// Who ends it [default: the user].
        #[arg(long, env = "USER", default_value = "unknown")]
        author: String,
    },
}

/// What is silenced. One of them at least: a silence without would keep every alert from everybody.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "matchers", args = ["topic", "source", "story", "text"])]
struct MatcherArgs {
    /// This topic; may be given several times.
    #[arg(long)]
    topic: Vec<String>,
    /// This source; may be given several times.
    #[arg(long)]
    source: Vec<String>,
    /// This story (`sty_…`, or the beginning of it).
    #[arg(long)]
    story: Option<String>,
    /// These words, one after the other, in the title.
    #[arg(long)]
    text: Option<String>,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    matchers: MatcherArgs,
    /// From then on [default: now].
    #[arg(long)]
    starts: Option<String>,
    /// So long (`2h`, `7d`) [default: 7d].
    #[arg(long = "for", value_parser = super::since, conflicts_with_all = ["until", "forever"])]
    length: Option<Since>,
    /// Until then (`2025-03-17T08:00:00Z`).
    #[arg(long, visible_alias = "ends", conflicts_with = "forever")]
    until: Option<String>,
    /// Until somebody ends it.
    #[arg(long)]
    forever: bool,
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
    let (now, out) = (context.clock.now(), Output::of(args.json));
    match &args.verb {
        None => list(&config, false, out, context),
        Some(SilencesVerb::List { all }) => list(&config, *all, out, context),
        Some(SilencesVerb::Show { id }) => show(id, &config, out, context),
        Some(SilencesVerb::Preview(matchers)) => {
            let store = context.read_store()?;
            let scene = ActionScene { store: &store, config: &config, now, author: "" };
            print_preview(&action::preview_silence(&scene, &matchers.wish(&store)?)?.1, out)
        }
        Some(SilencesVerb::Add(add)) => {
            let store = context.open_store(Access::Share)?;
            let scene = ActionScene { store: &store, config: &config, now, author: &add.author };
            let (record, preview) = action::add_silence(&scene, &timed(add, add.matchers.wish(&store)?)?)?;
            if out == Output::Json {
                return Ok(output::document(&record)?);
            }
            let id = &record.id;
            outln!("{id} silences {}; a running daemon heeds it from its next batch on", until(record.ends));
            outln!("in the last 7 days it would have held back {}", count(&preview));
            Ok(())
        }
        Some(SilencesVerb::Expire { id, author }) => {
            let store = context.open_store(Access::Share)?;
            let scene = ActionScene { store: &store, config: &config, now, author };
            if action::expire_silence(&scene, id)? {
                match out {
                    Output::Json => output::document(&serde_json::json!({"id": id, "ends": now}))?,
                    Output::Text => outln!("{id} has ended"),
                }
                return Ok(());
            }
            Err(CliError::data(format!("end {id}: it has ended already")))
        }
    }
}

impl MatcherArgs {
    fn wish(&self, store: &Store) -> Result<SilenceWish, CliError> {
        Ok(SilenceWish {
            topics: self.topic.clone(),
            sources: self.source.clone(),
            story: self.story.as_deref().map(|id| ids::story(store, id)).transpose()?,
            text: self.text.clone(),
            starts: None,
            ends: SilenceEnd::Usual,
            comment: String::new(),
        })
    }
}

/// From when until when, and why.
fn timed(add: &AddArgs, what: SilenceWish) -> Result<SilenceWish, CliError> {
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Timestamp::parse(text)
            .map(Some)
            .map_err(|_| CliError::usage(format!("read the time {text}")).hint("write 2025-03-17T08:00:00Z")),
    };
    let ends = match (&add.length, time(&add.until)?) {
        _ if add.forever => SilenceEnd::Never,
        (Some(Since::Age(length)), _) => SilenceEnd::After(*length),
        (Some(Since::Moment(at)), _) => SilenceEnd::At(*at),
        (Some(Since::Day { .. }), _) => return Err(CliError::usage("silence until a day that has passed")),
        (None, until) => until.map_or(SilenceEnd::Usual, SilenceEnd::At),
    };
    Ok(SilenceWish { starts: time(&add.starts)?, ends, comment: add.comment.clone(), ..what })
}

fn count(preview: &SilencePreview) -> String {
    format!("{} of {}", preview.held_back, counted(preview.alerts as u64, "alert"))
}

fn print_preview(preview: &SilencePreview, out: Output) -> Result<(), CliError> {
    if out == Output::Json {
        return Ok(output::document(preview)?);
    }
    outln!("in the last 7 days it would have held back {}", count(preview));
    print_alerts(&preview.newest, preview.held_back)
}

fn print_alerts(alerts: &[PastAlert], all: usize) -> Result<(), CliError> {
    if alerts.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["RAISED (UTC)", "ID", "TOPICS", "SOURCE", "TITLE"]);
    for alert in alerts {
        let topics = alert.topics.join(", ");
        table.row([output::minute(alert.at), alert.id.clone(), topics, alert.source.clone(), alert.title.clone()]);
    }
    table.print("")?;
    if all > alerts.len() {
        outln!("… and {} before these", all - alerts.len());
    }
    Ok(())
}

fn show(id: &str, config: &Config, out: Output, context: &Context) -> Result<(), CliError> {
    let (store, now) = (context.read_store()?, context.clock.now());
    let Some(shown) = SilenceShown::find(id, config, &store, now)? else {
        let hint = "`wirewatch silences list --all` lists them";
        return Err(CliError::data(format!("find {id}: no such silence")).hint(hint));
    };
    if out == Output::Json {
        return Ok(output::document(&shown)?);
    }
    let SilenceShown { tally, alerts } = &shown;
    let SilenceTally { silence, active, held_back, .. } = tally;
    outln!("{}: {}", silence.id, what(silence));
    let state = if *active {
        "in force"
    } else if silence.starts > now {
        "not yet"
    } else {
        "has ended"
    };
    outln!("  {state}: from {} {}", output::minute(silence.starts), until(silence.ends));
    outln!(
        "  by {}{}",
        silence.author,
        if silence.comment.is_empty() { String::new() } else { format!(": {}", silence.comment) }
    );
    outln!("  held back {}", counted(*held_back, "alert"));
    print_alerts(alerts, usize::try_from(*held_back).unwrap_or(usize::MAX))
}

fn list(config: &Config, all: bool, out: Output, context: &Context) -> Result<(), CliError> {
    let silences = silences(config, &context.read_store()?, context.clock.now(), all)?;
    if out == Output::Json {
        return Ok(output::lines(&silences)?);
    }
    let mut table = Table::new(&["SILENCE", "FROM (UTC)", "UNTIL", "HELD BACK", "BY", "WHAT", "WHY"]);
    for SilenceTally { silence, held_back, .. } in &silences {
        table.row([
            silence.id.clone(),
            output::minute(silence.starts),
            silence.ends.map_or_else(|| "for good".to_owned(), output::minute),
            held_back.to_string(),
            silence.author.clone(),
            what(silence),
            silence.comment.clone(),
        ]);
    }
    Ok(table.print("no silences")?)
}

/// For `status` and `doctor`.
pub(super) fn in_a_line(tally: &SilenceTally, now: Timestamp) -> String {
    let SilenceTally { silence, held_back, last_held_back_at, .. } = tally;
    let last = last_held_back_at.map(|at| format!(", the last {}", output::ago(at, now))).unwrap_or_default();
    let why = if silence.comment.is_empty() { String::new() } else { format!(" ({})", silence.comment) };
    let (id, what, until) = (&silence.id, what(silence), until(silence.ends));
    let line = format!("{id} on {what} {until}{why}: {} held back{last}", counted(*held_back, "alert"));
    clean::one_line(&line).into_owned()
}

fn until(ends: Option<Timestamp>) -> String {
    ends.map_or_else(|| "for good".to_owned(), |ends| format!("until {}", output::minute(ends)))
}

fn what(silence: &SilenceRecord) -> String {
    let mut parts: Vec<String> = silence.topics.iter().map(|t| format!("topic {t}")).collect();
    parts.extend(silence.sources.iter().map(|s| format!("source {s}")));
    parts.extend(silence.story.map(|s| format!("story {s}")));
    parts.extend(silence.text.as_ref().map(|t| format!("\"{t}\"")));
    parts.join(", ")
}
