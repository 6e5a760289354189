//! `parse`: a feed or seed file as wirewatch reads it. Touches neither the store nor the config's state.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{CliError, Context, output};
use crate::model::{DateCertainty, Dated, Item, Lang, Origin, SourceId, SourceKind, Timestamp};
use crate::pipeline::normalize::normalize;
use crate::source::parser::Parser;
use crate::source::seed::parse_file;
use crate::source::{DocumentFormat, ParsedDocument};
use crate::text::{clean, counted};

/// Prints the items of a feed or seed file as wirewatch reads them, without any effect.
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// The file: RSS, Atom, JSON Feed, sitemap, HTML, Markdown, text, JSON or JSON Lines.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ParsedFile {
    format: DocumentFormat,
    encoding: &'static str,
    title: Option<String>,
    items: Vec<ParsedItem>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ParsedItem {
    key: String,
    title: String,
    /// It has no title of its own: what stands for it is the beginning of its text, or its link.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    untitled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    title_original: Option<String>,
    publisher: Option<String>,
    url: Option<String>,
    url_original: Option<String>,
    author: Option<String>,
    published: Option<Timestamp>,
    published_certainty: Option<DateCertainty>,
    updated: Option<Timestamp>,
    lang: Option<Lang>,
    summary: String,
    text: String,
    tags: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the file cannot be read or nothing can be taken from it.
pub fn run(args: &ParseArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let runtime = super::run::runtime(&config)?;
    let now = context.clock.now();
    let parser = Parser::new(1);
    let (document, _) = runtime
        .block_on(parse_file(&args.file, now, &config.limits, &config.seeds.mail, &parser))
        .map_err(|rejection| {
            CliError::data(format!("read {}: {} ({})", args.file.display(), rejection.detail, rejection.reason))
        })?;
    let parsed = read(document, &config, now);
    if args.json {
        return Ok(output::document(&parsed)?);
    }
    print(&parsed);
    Ok(())
}

fn read(document: ParsedDocument, config: &crate::config::Config, now: Timestamp) -> ParsedFile {
    let source = SourceId::new("file").expect("invariant: a valid name");
    let origin = Origin { source, kind: SourceKind::Seed, received: now };
    let mut warnings = document.warnings;
    let rejected = document.rejected.iter().map(|r| format!("{} × {}: {}", r.count, r.reason, r.detail));
    warnings.extend(rejected);
    let mut items = Vec::with_capacity(document.items.len());
    for raw in &document.items {
        match normalize(raw, &origin, &config.normalize) {
            Ok(normalized) => {
                if normalized.cut_bytes > 0 {
                    warnings.push(format!("item {}: {} bytes of text cut", raw.key.as_str(), normalized.cut_bytes));
                }
                if normalized.dropped_link_bytes > 0 {
                    let bytes = normalized.dropped_link_bytes;
                    warnings.push(format!("item {}: its link of {bytes} bytes is too long", raw.key.as_str()));
                }
                items.push(view(normalized.item));
            }
            Err(rejection) => warnings.push(format!("item {}: {}", raw.key.as_str(), rejection.detail)),
        }
    }
    ParsedFile { format: document.format, encoding: document.encoding, title: document.title, items, warnings }
}

fn view(item: Item) -> ParsedItem {
    let at = |dated: Option<Dated>| dated.map(|d| d.at);
    ParsedItem {
        key: item.key.as_str().to_owned(),
        title: item.headline().into_owned(),
        untitled: item.title.is_empty(),
        publisher: item.publisher,
        url: item.url,
        title_original: item.title_original,
        url_original: item.url_original,
        author: item.author,
        published: at(item.published),
        published_certainty: item.published.map(|d| d.certainty),
        updated: at(item.updated),
        lang: item.lang,
        summary: item.summary,
        text: item.text,
        tags: item.tags,
    }
}

fn print(parsed: &ParsedFile) {
    let title = parsed.title.as_deref().map(clean::one_line).unwrap_or_default();
    let items = counted(parsed.items.len() as u64, "item");
    outln!("{:?}, {}, {items}  {title}", parsed.format, parsed.encoding);
    for item in &parsed.items {
        outln!("\n{}", clean::one_line(&item.title));
        for (name, value) in [
            ("key", Some(item.key.clone())),
            ("url", item.url.clone()),
            ("author", item.author.clone()),
            ("publisher", item.publisher.clone()),
            ("published", item.published.map(|at| dated(at, item.published_certainty))),
            ("language", item.lang.map(|l| l.to_string())),
        ] {
            if let Some(value) = value {
                outln!("  {name:<10} {}", clean::one_line(&value));
            }
        }
        for paragraph in item.text.lines() {
            outln!("  | {}", clean::one_line(paragraph));
        }
    }
    for warning in &parsed.warnings {
        errln!("note: {}", clean::one_line(warning));
    }
}

fn dated(at: Timestamp, certainty: Option<DateCertainty>) -> String {
    match certainty {
        Some(DateCertainty::Exact) | None => at.to_string(),
        Some(certainty) => format!("{at} ({})", certainty.as_str()),
    }
}
