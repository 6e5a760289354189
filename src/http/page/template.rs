//! Templates → HTML. Everything that is written out is cleaned of what could change how a page reads, and escaped;
//! what a template names and a model lacks is an error, not a gap.

use std::sync::LazyLock;

use minijinja::value::{Serde, Value as Shown};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, escape_formatter};
use serde_json::Value;

use super::template_files::TEMPLATES;
use super::{assets, charts};
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::model::Timestamp;
use crate::text::clean::is_harmful;
use crate::text::span;

/// Instructions one page may take.
const FUEL: u64 = 4_000_000;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);
/// Renders a page.
pub(super) fn render(name: &str, model: &Value) -> Result<String, AnswerRefusal> {
    #[cfg(debug_assertions)]
    {
        let lacking = super::template_names::lacking(name, model);
        if !lacking.is_empty() {
            tracing::error!(template = name, ?lacking, "a template names what its model lacks");
            return Err(AnswerRefusal::new(RefusalKind::StoreFailed, format!("{name} lacks {lacking:?}")));
        }
    }
    let rendered = ENVIRONMENT.get_template(name).and_then(|template| template.render(Serde(model)));
    rendered.map_err(|error| {
        tracing::error!(template = name, error = format!("{error:#}"), "a page cannot be made");
        AnswerRefusal::new(RefusalKind::StoreFailed, "this page cannot be made; the log says why")
    })
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&escaped(text))?),
        _ => escape_formatter(out, state, value),
    });
    environment.add_global("assets", assets::folder());
    environment.add_global("version", env!("CARGO_PKG_VERSION"));
    environment.add_filter("ago", |time: Shown, now: &str| ago(&time, now));
    environment.add_filter("is_after", |time: &str, other: &str| is_after(time, other));
    environment.add_filter("minute", |time: &str| minute(time));
    environment.add_filter("severity", severity);
    environment.add_filter("bars", |values: Shown, label: &str| -> Result<Shown, Error> {
        let values: Vec<u64> = values.try_iter()?.filter_map(|value| u64::try_from(value).ok()).collect();
        Ok(Shown::from_safe_string(charts::bars(&values, label)))
    });
    environment.add_filter("grouped", |number: u64| grouped(number));
    environment.add_filter("plural", |number: u64, what: &str| crate::text::counted(number, what));
    environment.add_filter("weblink", weblink);
    environment.add_filter("urlencode", |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("invariant: the templates are tried by tests");
    }
    environment
}

fn is_shown_otherwise(c: char) -> bool {
    is_harmful(c) && !matches!(c, '\n' | '\t')
}

fn cleaned(text: &str) -> String {
    text.chars().map(|c| if is_shown_otherwise(c) { ' ' } else { c }).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in cleaned(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// As times, not as texts: `…11.54Z` is before `…11.544Z`, and after it in the alphabet.
fn is_after(time: &str, other: &str) -> bool {
    matches!((Timestamp::parse(time), Timestamp::parse(other)), (Ok(time), Ok(other)) if time > other)
}

/// `2026-11-29 06:55`, UTC.
fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// How long ago, with the time itself for who points at it and for programs.
fn ago(time: &Shown, now: &str) -> Shown {
    let Some(text) = time.as_str() else { return Shown::from("never") };
    let (Ok(at), Ok(now)) = (Timestamp::parse(text), Timestamp::parse(now)) else { return Shown::from(text) };
    let words = if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) };
    let words = if words == "0 s ago" { "now".to_owned() } else { words };
    let (machine, people) = (escaped(text), escaped(&minute(text)));
    Shown::from_safe_string(format!("<time datetime=\"{machine}\" title=\"{people} UTC\">{words}</time>"))
}

/// In words first; the colour only repeats it.
fn severity(name: &str) -> Shown {
    let class = match name {
        "critical" | "high" | "medium" | "low" => name,
        _ => "low",
    };
    Shown::from_safe_string(format!("<span class=\"sev sev-{class}\">{}</span>", escaped(name)))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A link that leads to the web and nowhere else; anything else is text.
fn weblink(address: &str, words: &str) -> Shown {
    let safe = url::Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = safe else { return Shown::from(words) };
    Shown::from_safe_string(format!(
        "<a href=\"{}\" rel=\"noopener noreferrer external\" dir=\"auto\">{}</a>",
        escaped(url.as_str()),
        escaped(words)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_links_lead_to_the_web_and_nowhere_else() {
        let made = |address: &str| weblink(address, "<b>").to_string();
        assert!(made("https://example.org/?a=\"><script>").starts_with("<a href=\"https://example.org/?a=%22"));
        for bad in ["javascript:alert(1)", "data:text/html,x", "//example.org", "file:///etc/passwd", "", "x"] {
            assert_eq!(made(bad), "<b>", "{bad}: words only, to be escaped where they are written");
        }
    }

    #[test]
    fn page_times_are_compared_as_times() {
        let (earlier, later) = ("2026-11-29T11:51:11.54Z", "2026-11-29T11:51:11.544Z");
        assert!(is_after(later, earlier) && !is_after(earlier, later) && !is_after(earlier, earlier));
    }

    #[test]
    fn page_numbers_read_well() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
