//! `feeds add|remove|enable|disable|import|export`: the config's feeds changed where they are written.
//! A running daemon takes the change at its next reload.

use std::collections::HashSet;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::json;
use url::Url;

use super::super::error::{CONFIG, IO};
use super::super::output::{self, Output};
use super::super::{CliError, Context, reload};
use super::check::{self, FeedsProbe};
use crate::config::{Config, EditError, FeedEdit, NewFeed, edit_feeds};
use crate::model::{FeedFailure, SourceId};
use crate::source::feed::FeedConfig;
use crate::source::feed::polling::look::FeedInspection;
use crate::source::feed::reading::discover::{self, DeclaredFeed, SiteFeed, of_comments};
use crate::source::feed::reading::opml::{self, OpmlOutline};
use crate::store::Access;
use crate::text::{clean, counted};

/// Largest OPML file.
const OPML_BYTES_MAX: u64 = 64 << 20;

/// What `feeds add` is given.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Address of the feed, or of a web page that declares one.
    url: Url,
    /// Its id [default: made from its title].
    #[arg(long)]
    id: Option<String>,
    /// A tag for its items; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A range of addresses that are not public and that it may be in, such as 10.0.0.0/8.
    #[arg(long, value_name = "RANGE")]
    allow_private: Vec<String>,
    /// Add it without fetching it.
    #[arg(long, requires = "id")]
    unchecked: bool,
}

#[derive(Serialize)]
struct AddedFeed<'a> {
    id: &'a str,
    url: &'a str,
    title: Option<&'a str>,
    items: Option<usize>,
    file: String,
}

/// Adds the feed at an address, or the one that the page there declares.
pub(super) fn add(args: &AddArgs, context: &Context, out: Output) -> Result<(), CliError> {
    let config = context.load()?.config;
    let mut taken: HashSet<SourceId> = config.feeds.iter().map(|feed| feed.id.clone()).collect();
    taken.insert(config.seeds.id.clone());
    let asked = args.id.as_deref().map(|id| SourceId::new(id).map_err(|e| CliError::usage(format!("use the id: {e}"))));
    let asked = asked.transpose()?;
    if let Some(id) = asked.as_ref().filter(|id| taken.contains(id)) {
        return Err(CliError::usage(format!("add the feed `{id}`: the id is taken")).hint("name another with --id"));
    }
    let (url, looked) = if args.unchecked { (args.url.clone(), None) } else { found(args, &config, context)? };
    refuse_known(&config, &url)?;
    let document = looked.and_then(|looked| looked.document.ok());
    let title = document.as_ref().and_then(|document| document.title.as_deref());
    let id = asked.unwrap_or_else(|| opml::unique_id(title.unwrap_or(""), &url, &mut taken));
    let feed = NewFeed {
        id: id.clone(),
        url: url.clone(),
        tags: args.tags.clone(),
        allow_private: args.allow_private.clone(),
        comment: title.map(|title| clean::excerpt(title, 100)),
    };
    let file = edit(context, &FeedEdit::Add(vec![feed]))?;
    let items = document.as_ref().map(|document| document.items.len());
    if out == Output::Json {
        return Ok(output::document(&AddedFeed { id: id.as_str(), url: url.as_str(), title, items, file })?);
    }
    let items = items.map(|items| format!(", {} now", counted(items as u64, "item"))).unwrap_or_default();
    outln!("added {id} to {file}: {}{items}", clean::one_line(title.unwrap_or(url.as_str())));
    reload_hint();
    Ok(())
}

fn refuse_known(config: &Config, url: &Url) -> Result<(), CliError> {
    match config.feeds.iter().find(|feed| feed.url == *url) {
        Some(known) => Err(CliError::usage(format!("add {}: it is there as `{}`", shown(url), known.id))),
        None => Ok(()),
    }
}

/// The feed at the address, else the one feed that the page there declares.
fn found(args: &AddArgs, config: &Config, context: &Context) -> Result<(Url, Option<FeedInspection>), CliError> {
    let probe = FeedsProbe::new(config, context)?;
    let feed = |url: &Url| check::unnamed(url, &args.allow_private);
    let by_rule = discover::feed_of_site(&args.url);
    if let Some(SiteFeed::At(url)) = &by_rule {
        let looked = probe.look(feed(url)?);
        if looked.document.is_ok() {
            errln!("note: the feed of that page is {}", clean::one_line(url.as_str()));
            return Ok((url.clone(), Some(looked)));
        }
    }
    let looked = probe.look(feed(&args.url)?);
    let failure = match &looked.document {
        Ok(_) => return Ok((args.url.clone(), Some(looked))),
        Err(failure) => failure.clone(),
    };
    if failure.0 != FeedFailure::HtmlPage {
        return Err(not_readable(&args.url, &failure));
    }
    let declared = probe.declared(feed(&args.url)?).map_err(|failure| not_readable(&args.url, &failure))?;
    let wanted: Vec<&DeclaredFeed> = declared.iter().filter(|feed| !of_comments(feed)).collect();
    if let (true, Some(SiteFeed::Missing(instead))) = (wanted.is_empty(), by_rule) {
        return Err(CliError::data(format!("find a feed: {} declares none", shown(&args.url))).hint(instead));
    }
    let [only] = wanted.as_slice() else { return Err(no_single(&args.url, &declared)) };
    let looked = probe.look(feed(&only.url)?);
    if let Err(failure) = &looked.document {
        return Err(not_readable(&only.url, failure));
    }
    errln!("note: the page declares the feed {}", clean::one_line(only.url.as_str()));
    Ok((only.url.clone(), Some(looked)))
}

fn not_readable(url: &Url, (class, words): &(FeedFailure, String)) -> CliError {
    let error = CliError::data(format!("read {}: {class}: {words}", shown(url)));
    match class {
        FeedFailure::PrivateAddress => error.hint("for a server of your own add --allow-private RANGE"),
        _ => error.hint("to add it as it is: `wirewatch feeds add --unchecked --id NAME URL`"),
    }
}

/// A page with several feeds, or none, is for a person to choose from.
fn no_single(url: &Url, declared: &[DeclaredFeed]) -> CliError {
    if declared.is_empty() {
        return CliError::data(format!("find a feed: {} is a web page that declares none", shown(url)))
            .hint("look on the site for a link named RSS, Atom or feed");
    }
    for feed in declared {
        outln!("{}  {}", clean::one_line(feed.url.as_str()), clean::one_line(&feed.title));
    }
    CliError::data(format!("choose a feed: {} declares {}", shown(url), declared.len()))
        .hint("`wirewatch feeds add` with one of the addresses above")
}

fn shown(url: &Url) -> String {
    crate::net::display_url(url)
}

/// Takes a feed out of the config.
pub(super) fn remove(id: &str, context: &Context, out: Output) -> Result<(), CliError> {
    let file = edit(context, &FeedEdit::Remove(name(id)?))?;
    if out == Output::Json {
        return Ok(output::document(&json!({"id": id, "removed": true, "file": file}))?);
    }
    outln!("removed {} from {file}; its items stay", clean::one_line(id));
    reload_hint();
    Ok(())
}

/// Switches a feed; a feed that answered 410 is let go as well.
pub(super) fn enable(id: &str, enabled: bool, context: &Context, out: Output) -> Result<(), CliError> {
    let config = context.load()?.config;
    let feed = super::known(&config.feeds, id)?;
    let written =
        if feed.enabled == enabled { None } else { Some(edit(context, &FeedEdit::Enable(feed.id.clone(), enabled))?) };
    let revived = match context.open_store(Access::Share) {
        Ok(store) if enabled => store.revive_feed(&feed.id, context.clock.now())?,
        _ => false,
    };
    let word = if enabled { "enabled" } else { "disabled" };
    match (&written, revived) {
        _ if out == Output::Json => {
            output::document(&json!({"id": id, "enabled": enabled, "file": written, "revived": revived}))?;
        }
        (None, false) => outln!("{id} is {word} already"),
        (Some(file), _) => outln!("{word} {id} in {file}"),
        (None, true) => outln!("{id} had answered 410 (gone); it is polled again"),
    }
    if written.is_some() || revived {
        take_effect(context);
    }
    Ok(())
}

/// A running daemon takes the change at once; where it cannot be asked, it is said how.
fn take_effect(context: &Context) {
    match reload::ask(context) {
        Ok(record) if record.taken => errln!("the running daemon has taken it"),
        Ok(record) => errln!("the running daemon refused to reload: {}", clean::one_line(&record.summary)),
        // Most often there is no daemon, and the next one reads the config when it starts.
        Err(_) => reload_hint(),
    }
}

/// Adds the feeds of an OPML list that are not there yet.
pub(super) fn import(file: &Path, dry_run: bool, context: &Context, out: Output) -> Result<(), CliError> {
    let config = context.load()?.config;
    let read = read_list(file)?;
    let known: HashSet<&Url> = config.feeds.iter().map(|feed| &feed.url).collect();
    let mut taken: HashSet<SourceId> = config.feeds.iter().map(|feed| feed.id.clone()).collect();
    taken.insert(config.seeds.id.clone());
    let (old, new): (Vec<&OpmlOutline>, Vec<&OpmlOutline>) = read.outlines.iter().partition(|o| known.contains(&o.url));
    let feeds: Vec<NewFeed> = new.into_iter().map(|outline| new_feed(outline, &mut taken)).collect();
    if out == Output::Json {
        let lines: Vec<_> =
            feeds.iter().map(|feed| json!({"id": feed.id, "url": feed.url, "tags": feed.tags})).collect();
        output::lines(&lines)?;
    }
    for feed in feeds.iter().filter(|_| out == Output::Text) {
        outln!("{}  {}", feed.id, clean::one_line(feed.url.as_str()));
    }
    let count = feeds.len();
    let place = match (dry_run, count) {
        (true, _) => "would be added".to_owned(),
        (false, 0) => "added".to_owned(),
        (false, _) => format!("added to {}", edit(context, &FeedEdit::Add(feeds))?),
    };
    errln!(
        "{} {place}; {} there already, {} twice in the list, {} not usable",
        counted(count as u64, "feed"),
        old.len(),
        read.repeated,
        read.skipped.len()
    );
    for skipped in read.skipped.iter().take(20) {
        errln!("note: left out: {}", clean::one_line(skipped));
    }
    if let Some(broken) = &read.broken {
        errln!("note: the list is broken from {} on, what came before was read", clean::one_line(broken));
    }
    if !dry_run && count > 0 {
        reload_hint();
    }
    Ok(())
}

fn read_list(file: &Path) -> Result<opml::OpmlDocument, CliError> {
    let shown = file.display();
    let failed = |error: std::io::Error| CliError::new(IO, format!("read {shown}: {error}"));
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > OPML_BYTES_MAX {
        return Err(CliError::data(format!("read {shown}: larger than {} MiB", OPML_BYTES_MAX >> 20)));
    }
    let read = opml::read(&std::fs::read(file).map_err(failed)?);
    if read.outlines.is_empty() {
        let why = read.broken.clone().unwrap_or_else(|| "no outline with an xmlUrl".to_owned());
        return Err(CliError::data(format!("find feeds in {shown}: {why}")).hint("it should be an OPML file"));
    }
    Ok(read)
}

fn new_feed(outline: &OpmlOutline, taken: &mut HashSet<SourceId>) -> NewFeed {
    let mut tags: Vec<String> = Vec::new();
    for group in &outline.groups {
        let slug = opml::slug(group);
        let tag = if slug.is_empty() { clean::one_line(group).into_owned() } else { slug };
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    NewFeed {
        id: opml::unique_id(&outline.title, &outline.url, taken),
        url: outline.url.clone(),
        tags,
        allow_private: Vec::new(),
        comment: Some(outline.title.clone()).filter(|title| !title.is_empty()),
    }
}

/// Writes all feeds as OPML; credentials in addresses are left out.
pub(super) fn export(context: &Context, out: Output) -> Result<(), CliError> {
    let config = context.load()?.config;
    let store = context.read_store().ok();
    let mut outlines = Vec::with_capacity(config.feeds.len());
    for feed in &config.feeds {
        outlines.push(outline(feed, store.as_ref())?);
    }
    if out == Output::Json {
        let line = |feed: &OpmlOutline| json!({"title": feed.title, "url": feed.url, "groups": feed.groups});
        return Ok(output::lines(&outlines.iter().map(line).collect::<Vec<_>>())?);
    }
    let list = opml::write("wirewatch feeds", &outlines);
    std::io::Write::write_all(&mut std::io::stdout().lock(), list.as_bytes())?;
    Ok(())
}

fn outline(feed: &FeedConfig, store: Option<&crate::store::Store>) -> Result<OpmlOutline, CliError> {
    let state = match store {
        Some(store) => store.feed(feed.id.as_str())?,
        None => None,
    };
    let title = state.and_then(|state| state.title).unwrap_or_else(|| feed.id.as_str().to_owned());
    let url = Url::parse(&crate::view::clean_url(&feed.url)).unwrap_or_else(|_| feed.url.clone());
    Ok(OpmlOutline { title, url, groups: feed.tags.first().cloned().into_iter().collect() })
}

fn name(id: &str) -> Result<SourceId, CliError> {
    SourceId::new(id).map_err(|error| CliError::usage(format!("use the id: {error}")))
}

fn edit(context: &Context, edit: &FeedEdit) -> Result<String, CliError> {
    let done = edit_feeds(&context.place(), &context.environment, edit);
    done.map(|file| file.display().to_string()).map_err(|error| match &error {
        EditError::BuiltIn => CliError::new(CONFIG, error.to_string()).hint("`wirewatch init` writes one to change"),
        EditError::NoFeed(_) => CliError::usage(error.to_string()).hint("`wirewatch feeds` lists those of the config"),
        EditError::Syntax(_) => CliError::new(CONFIG, error.to_string()).hint("`wirewatch check` shows where"),
        EditError::Inline(_) => CliError::new(CONFIG, error.to_string()).hint("write them as [[feeds]] entries"),
        EditError::Refused { report, .. } => {
            err!("{}", report.render(output::look()));
            CliError::new(CONFIG, error.to_string()).hint("nothing was changed")
        }
        EditError::Write { .. } => CliError::new(IO, error.to_string()),
    })
}

fn reload_hint() {
    errln!("a running daemon takes it with `systemctl reload wirewatch`");
}
