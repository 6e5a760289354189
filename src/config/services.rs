//! What endpoints for Telegram and for mail have beside the keys of all: a chat and a bot's token; a mail server
//! that is only spoken to under TLS, a sender, recipients. What a delivery would fail for is refused here.

use url::Url;

use super::found::{Fault, Found};
use super::problem::{Problem, ProblemKind};
use super::section::Section;
use crate::deliver::{EndpointConfig, MailConfig, PayloadFormat};
use crate::pipeline::alert::format::Mailbox;

/// Where bots are, unless the endpoint names a server of its own.
const TELEGRAM_URL: &str = "https://api.telegram.org/";
/// Recipients of one endpoint.
const RECIPIENTS_MAX: usize = 100;

/// Reads the keys that only these formats have, and refuses them on the others.
pub(super) fn read(s: &Section<'_>, endpoint: &mut EndpointConfig) {
    let chat = s.get("chat", chat);
    let (user, from) = (s.get("user", user), s.get("from", mailbox));
    let to = s.list_or_empty("to", mailbox);
    match endpoint.format {
        PayloadFormat::Telegram => telegram(s, endpoint, chat),
        PayloadFormat::Email => email(s, endpoint, MailParts { user, from, to }),
        _ => {}
    }
    for (key, format) in [
        ("chat", PayloadFormat::Telegram),
        ("user", PayloadFormat::Email),
        ("from", PayloadFormat::Email),
        ("to", PayloadFormat::Email),
    ] {
        if let Some(place) = s.written(key).filter(|_| endpoint.format != format) {
            let what = format!("has a meaning only for format = \"{}\"", format.as_str());
            s.fault(key, &place, Fault::new(ProblemKind::Value, what, "not used"));
        }
    }
}

fn telegram(s: &Section<'_>, endpoint: &mut EndpointConfig, chat: Option<String>) {
    endpoint.url = s.get("url", Found::url).or_else(|| Url::parse(TELEGRAM_URL).ok());
    if s.written("chat").is_none() {
        missing(s, "chat", "which chat?", "chat = \"-1001234567890\", or \"@name\" of a public one");
    }
    endpoint.chat = chat;
    if endpoint.secret_file.is_none() && endpoint.secret_credential.is_none() {
        let hint = "secret_file = \"secrets/telegram\" with the token that @BotFather gave, or secret_credential";
        missing(s, "secret_file", "a chat is written to with a bot's token", hint);
    }
}

struct MailParts {
    user: Option<String>,
    from: Option<Mailbox>,
    to: Vec<Mailbox>,
}

fn email(s: &Section<'_>, endpoint: &mut EndpointConfig, parts: MailParts) {
    if !cfg!(feature = "email")
        && let Some(place) = s.written("format")
    {
        let fault = Fault::new(ProblemKind::Value, "asks for mail, which this build leaves out", "not in this build");
        s.fault("format", &place, fault.hint("build with --features email"));
    }
    endpoint.url = s.required("url", mail_server);
    let secret = endpoint.secret_file.is_some() || endpoint.secret_credential.is_some();
    if parts.user.is_some() != secret {
        let (key, why) =
            if secret { ("user", "a password alone") } else { ("secret_file", "a user without a password") };
        missing(s, key, why, "set `user`, and `secret_file` or `secret_credential`, or neither");
    }
    if s.written("from").is_none() {
        missing(s, "from", "who is it from?", "from = \"Wirewatch <alerts@example.org>\"");
    }
    if s.written("to").is_none() {
        missing(s, "to", "who is it to?", "to = [\"desk@example.org\"]");
    } else if let Some(place) = s.written("to")
        && (parts.to.is_empty() || parts.to.len() > RECIPIENTS_MAX)
    {
        let what = format!("must have 1 to {RECIPIENTS_MAX} addresses");
        s.fault("to", &place, Fault::new(ProblemKind::Range, what, format!("{}", parts.to.len())));
    }
    endpoint.mail = parts.from.map(|from| MailConfig { user: parts.user, from, to: parts.to });
}

fn missing(s: &Section<'_>, key: &'static str, why: &str, hint: &str) {
    let problem = Problem::new(ProblemKind::Missing, format!("`{key}` is missing"))
        .at(s.written("format").unwrap_or_else(|| s.place.clone()), why.to_owned())
        .key(format!("{}.{key}", s.path))
        .hint(hint.to_owned());
    s.reader.problem(problem);
}

fn chat(found: &Found<'_>) -> Result<String, Fault> {
    let text = if found.is_integer() { found.integer()?.to_string() } else { found.text()?.to_owned() };
    let number = text.strip_prefix('-').unwrap_or(&text);
    let is_number = !number.is_empty() && number.len() <= 20 && number.bytes().all(|b| b.is_ascii_digit());
    let is_name = text.strip_prefix('@').is_some_and(|name| {
        (4..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if is_number || is_name {
        return Ok(text);
    }
    let fault = Fault::new(ProblemKind::Value, "must be a chat's number or public @name", "neither");
    Err(fault.hint("a bot's getUpdates shows the number, -100… for groups and channels"))
}

fn user(found: &Found<'_>) -> Result<String, Fault> {
    let text = found.text()?;
    if text.trim().is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Fault::new(ProblemKind::Value, "must be the name of a mail account", "not one"));
    }
    Ok(text.to_owned())
}

fn mailbox(found: &Found<'_>) -> Result<Mailbox, Fault> {
    Mailbox::parse(found.text()?)
        .map_err(|why| Fault::new(ProblemKind::Value, "must be an address such as \"Desk <desk@example.org>\"", why))
}

/// `smtps://` is under TLS from the first byte, `smtp+starttls://` before anything is said. There is no third way.
fn mail_server(found: &Found<'_>) -> Result<Url, Fault> {
    let text = found.text()?;
    let must = "must be a mail server such as \"smtps://mail.example.org\"";
    let hint = "smtps:// (port 465), or smtp+starttls:// (port 587): mail is sent under TLS or not at all";
    let url = Url::parse(text).map_err(|e| Fault::new(ProblemKind::Value, must, e.to_string()).hint(hint))?;
    if !matches!(url.scheme(), "smtps" | "smtp+starttls") {
        let why = if url.scheme() == "smtp" { "no TLS".to_owned() } else { format!("{}://", url.scheme()) };
        return Err(Fault::new(ProblemKind::Value, must, why).hint(hint));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Fault::new(ProblemKind::Value, must, "no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let fault = Fault::new(ProblemKind::Secret, "holds a user or password", "a secret in the config");
        return Err(fault.hint("user = \"…\", and the password in secret_file"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(Fault::new(ProblemKind::Value, must, "more than a host and a port"));
    }
    Ok(url)
}
