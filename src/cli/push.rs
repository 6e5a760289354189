//! `push`: files, or standard input, to a daemon that runs here or elsewhere. Sends again until it hears an answer,
//! always under the same key, so that nothing is taken twice; a long list goes in parts.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::error::{DATA, IO, UNAVAILABLE};
use super::input::read_whole;
use super::output::{self, Table};
use super::{CliError, Context};
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::push_client::{PushAuth, PushClient, PushReply, PushRequest};
use crate::deliver::secret::{AccessToken, Secret};
use crate::model::ContentHash;
use crate::source::Limits;
use crate::source::seed::{DEFAULT_MAIL_RULES, FileContext, format_of};
use crate::source::{DocumentFormat, push::PushBody};
use crate::text::clean;

/// Bytes of one file or of standard input.
const BYTES_MAX: u64 = 1 << 30;
/// Lines of one request, of a body of lines; and about so many bytes.
const PART_LINES: usize = 1000;
const PART_BYTES: usize = 4 << 20;

/// Sends files, or standard input, to a running daemon: POST /v1/items.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// JSON, JSON Lines, RSS, Atom or JSON Feed; `-` reads standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where to [default: the daemon of the config].
    #[arg(long, value_name = "URL")]
    to: Option<Url>,
    /// The file with the token of a `[[pushes]]` entry [default: that of the config's first].
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    token_file: Option<PathBuf>,
    /// Sign with the secret in this file instead, as webhooks are signed.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A push under a key is taken once [default: made from the content, so that a second call changes nothing].
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// What the body is, as a media type [default: by its content].
    #[arg(long = "type", value_name = "TYPE")]
    media_type: Option<String>,
    /// So often it is sent again when nothing, or "later", is answered.
    #[arg(long, default_value_t = 8)]
    retries: u32,
    /// Print JSON Lines, one per file.
    #[arg(long)]
    json: bool,
}

/// What became of one file.
#[derive(Debug, Default, Serialize)]
struct PushLine {
    file: String,
    key: String,
    new: u64,
    known: u64,
    copies: u64,
    revisions: u64,
    rejected: Vec<Value>,
    alerts: u64,
    /// It had been taken before, and was answered from what was stored.
    replayed: bool,
    error: Option<String>,
    #[serde(skip)]
    code: u8,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when a file cannot be read, nobody answers, or something was not taken.
pub fn run(args: &PushArgs, context: &Context) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(IO, format!("start the runtime: {error}")))?;
    let config = match (&args.to, &args.token_file, &args.secret_file) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => None,
        _ => Some(context.load()?.config),
    };
    let client = client(args, config.as_ref(), &context.clock)?;
    let mut lines = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let bytes = read(file)?;
        lines.push(runtime.block_on(send_file(args, &client, file, bytes, &context.clock)));
    }
    if args.json {
        output::lines(&lines)?;
    } else {
        table(&lines)?;
    }
    let failed: Vec<&PushLine> = lines.iter().filter(|line| line.code != 0).collect();
    match failed.first() {
        None => Ok(()),
        Some(first) => Err(CliError::new(first.code, format!("have {} of {} files taken", failed.len(), lines.len()))),
    }
}

fn client(args: &PushArgs, config: Option<&Config>, clock: &Clock) -> Result<PushClient, CliError> {
    let url = match (&args.to, config.and_then(|config| config.http.listen)) {
        (Some(url), _) => url.clone(),
        (None, Some(address)) => {
            let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { address.ip().to_string() };
            let host = if address.is_ipv6() && host != "localhost" { format!("[{host}]") } else { host };
            Url::parse(&format!("http://{host}:{}/v1/items", address.port()))
                .map_err(|error| CliError::usage(format!("find the daemon: {error}")))?
        }
        (None, None) => {
            return Err(CliError::usage("find the daemon: `listen` in [http] is off").hint("name it: --to URL"));
        }
    };
    let bad = |error: &dyn std::fmt::Display| CliError::usage(format!("use the token or secret: {error}"));
    let of_config = || config.and_then(|config| config.pushes.iter().find_map(|push| push.token_file.clone()));
    let auth = if let Some(path) = &args.secret_file {
        PushAuth::Secret(Secret::from_file(path).map_err(|error| bad(&error))?)
    } else {
        let path = args.token_file.clone().or_else(of_config).ok_or_else(|| {
            let error = CliError::usage("find a token: nobody has a [[pushes]] entry with a `token_file`");
            error.hint("name one: --token-file FILE, or --secret-file FILE")
        })?;
        PushAuth::Token(AccessToken::from_file(&path).map_err(|error| bad(&error))?)
    };
    PushClient::new(url, auth, args.retries, clock.clone())
        .map_err(|error| CliError::new(UNAVAILABLE, format!("prepare the HTTP client: {error}")))
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    if file == Path::new("-") {
        return read_whole(std::io::stdin(), BYTES_MAX, file);
    }
    let opened = std::fs::File::open(file);
    let opened = opened.map_err(|error| CliError::new(DATA, format!("read {}: {error}", file.display())))?;
    read_whole(opened, BYTES_MAX, file)
}

/// The media type of what is sent, by its content.
fn media_type(file: &Path, bytes: &[u8], clock: &Clock) -> Result<&'static str, String> {
    let (now, name) = (clock.now(), file.to_string_lossy());
    let (limits, mail) = (&Limits::SHIPPED, &DEFAULT_MAIL_RULES);
    let context = FileContext { name: &name, modified: now, received: now, limits, mail };
    match format_of(bytes, &context).map_err(|rejection| rejection.detail)? {
        DocumentFormat::Rss | DocumentFormat::Rdf | DocumentFormat::Atom | DocumentFormat::Sitemap => {
            Ok("application/xml")
        }
        DocumentFormat::JsonFeed => Ok("application/feed+json"),
        DocumentFormat::Json => Ok("application/json"),
        DocumentFormat::JsonLines => Ok("application/x-ndjson"),
        DocumentFormat::Mail => Ok("message/rfc822"),
        _ => Err("it is neither JSON nor a feed nor an e-mail; the seed directory takes text and pages".to_owned()),
    }
}

async fn send_file(args: &PushArgs, client: &PushClient, file: &Path, bytes: Vec<u8>, clock: &Clock) -> PushLine {
    let key = args.key.clone().unwrap_or_else(|| ContentHash::of(&[&bytes]).to_string());
    let mut line = PushLine { file: file.display().to_string(), key, ..PushLine::default() };
    let given = args.media_type.clone().map_or_else(|| media_type(file, &bytes, clock).map(str::to_owned), Ok);
    let media_type = match given {
        Ok(media_type) => media_type,
        Err(why) => {
            (line.error, line.code) = (Some(why), DATA);
            return line;
        }
    };
    let is_lines = PushBody::of_media_type(&media_type) == Some(PushBody::JsonLines);
    let parts = if is_lines { parts_of(&bytes) } else { vec![(0, bytes.as_slice())] };
    let several = parts.len() > 1;
    for (number, (lines_before, part)) in parts.into_iter().enumerate() {
        let key = if several { format!("{}-{number}", line.key) } else { line.key.clone() };
        let request = PushRequest { key: &key, media_type: &media_type, body: part };
        match client.push(&request).await {
            Ok(PushReply { body, replayed }) => {
                line.replayed |= replayed;
                line.count(&body, lines_before);
            }
            Err(error) => {
                line.code = if error.is_final { DATA } else { UNAVAILABLE };
                line.rejected.extend(error.errors);
                line.error = Some(error.detail);
                break;
            }
        }
    }
    if line.code == 0 && !line.rejected.is_empty() {
        line.code = DATA;
    }
    line
}

/// A body of lines in parts, each with the lines before it.
fn parts_of(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let (mut parts, mut from, mut lines, mut before, mut at) = (Vec::new(), 0, 0, 0u64, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        lines += 1;
        if lines == PART_LINES || at - from >= PART_BYTES || at == bytes.len() {
            parts.push((before, &bytes[from..at]));
            before += lines as u64;
            (from, lines) = (at, 0);
        }
    }
    parts
}

impl PushLine {
    /// Adds what was answered: one document, or a line for each item.
    fn count(&mut self, body: &str, lines_before: u64) {
        if let Ok(answer) = serde_json::from_str::<Value>(body)
            && answer["items"].is_array()
        {
            for item in answer["items"].as_array().into_iter().flatten() {
                self.count_item(item);
            }
            self.rejected.extend(answer["rejected"].as_array().into_iter().flatten().cloned());
            return;
        }
        for line in body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if line["outcome"].is_string() {
                self.count_item(&line);
            } else if line["rejected"].is_object() {
                let mut rejected = line["rejected"].clone();
                if let Some(number) = rejected["line"].as_u64() {
                    rejected["line"] = (number + lines_before).into();
                }
                self.rejected.push(rejected);
            } else if line["error"].is_object() {
                self.error = Some(line["error"]["detail"].as_str().unwrap_or("it ended early").to_owned());
                self.code = UNAVAILABLE;
            }
        }
    }

    fn count_item(&mut self, item: &Value) {
        self.alerts += item["alerts"].as_array().map_or(0, |alerts| alerts.len() as u64);
        match item["outcome"].as_str() {
            Some("new") => self.new += 1,
            Some("sighting") => self.copies += 1,
            Some("revision") => self.revisions += 1,
            _ => self.known += 1,
        }
    }
}

fn table(lines: &[PushLine]) -> std::io::Result<()> {
    let mut table = Table::new(&["NEW", "KNOWN", "COPIES", "EDITED", "REJECTED", "ALERTS", "FILE"]);
    for line in lines {
        let error = line.error.as_ref().map(|error| format!("  {}", clean::one_line(error))).unwrap_or_default();
        let rejected = line.rejected.iter().filter_map(|one| one["count"].as_u64()).sum();
        let counts = [line.new, line.known, line.copies, line.revisions, rejected, line.alerts];
        let again = if line.replayed { "  (answered before)" } else { "" };
        table.row(counts.map(|n| n.to_string()).into_iter().chain([format!("{}{again}{error}", line.file)]));
    }
    table.print("no files")?;
    for line in lines {
        for one in &line.rejected {
            let place = one["line"].as_u64().map(|number| format!(" line {number}")).unwrap_or_default();
            let (reason, detail) = (one["reason"].as_str().unwrap_or("?"), one["detail"].as_str().unwrap_or(""));
            errln!("{}{place}: {reason}: {}", line.file, clean::one_line(detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_in_parts_that_say_which_lines_went_before() {
        let text: String = (0..2500).fold(String::new(), |text, n| text + &format!("{{\"id\":{n}}}\n"));
        let parts = parts_of(text.as_bytes());
        assert_eq!(parts.iter().map(|(before, _)| *before).collect::<Vec<_>>(), [0, 1000, 2000]);
        assert_eq!(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), text.len());
        assert_eq!(parts_of(b"{}\n{}").len(), 1);
        assert!(parts_of(b"").is_empty());
    }
}
