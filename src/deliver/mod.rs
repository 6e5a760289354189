//! [5] Outbox rows become signed requests: claim → sign → POST → record. `retry` is a pure function;
//! the exact body bytes were stored with the decision and are never rendered again.

mod attempt;
pub mod console;
mod count;
mod hidden;
#[cfg(feature = "email")]
mod mail;
mod notice;
pub mod push_client;
mod queue;
mod record;
pub mod retry;
mod run;
pub mod secret;
mod send;
pub mod sign;
mod summary;
mod waker;

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{EndpointId, Lang, Score, Severity, SourceId, Timestamp, TopicId};
use crate::net::Cidr;
use crate::pipeline::alert::format::{Format, MailRoute, Mailbox, Service, Template};
use crate::pipeline::alert::{Route, Timing};

pub use count::{DeliveryCounters, EndpointCounts};
pub use run::{Delivery, DeliveryError, DeliveryPart, DeliveryRules};
pub use summary::QueueSummary;
pub use waker::DeliveryWaker;

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadFormat {
    /// Standard Webhooks JSON.
    Standard,
    /// For people, on the daemon's standard output; no URL, no secret.
    Console,
    /// CloudEvents 1.0, structured.
    CloudEvents,
    /// Slack incoming webhook.
    Slack,
    /// Discord webhook.
    Discord,
    /// Microsoft Teams workflow.
    Teams,
    /// Mattermost incoming webhook.
    Mattermost,
    /// ntfy; its topic is the last part of the URL.
    Ntfy,
    /// Telegram's Bot API; the secret is the bot's token.
    Telegram,
    /// Mail over SMTP; the secret is the account's password.
    Email,
    /// A template of the operator's.
    Template,
}

impl PayloadFormat {
    /// Its name in the config.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Console => "console",
            Self::CloudEvents => "cloudevents",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Mattermost => "mattermost",
            Self::Ntfy => "ntfy",
            Self::Telegram => "telegram",
            Self::Email => "email",
            Self::Template => "template",
        }
    }

    /// How long an alert waits for more of its story, where the config does not say: people are told once, of
    /// all that came within two minutes, programs at once. A terminal is watched: there, what comes at one stroke is
    /// one alert, and that is shown right away.
    #[must_use]
    pub fn group_wait(self) -> Duration {
        match self {
            Self::Console => Duration::from_secs(1),
            _ if self.is_chat() || self == Self::Email => Duration::from_secs(120),
            _ => Duration::ZERO,
        }
    }

    /// Whether the receiver is a chat service: it checks no signature, for the URL or a token is the secret,
    /// and it means it when it calls a payload invalid.
    #[must_use]
    pub fn is_chat(self) -> bool {
        matches!(self, Self::Slack | Self::Discord | Self::Teams | Self::Mattermost | Self::Ntfy | Self::Telegram)
    }
}

/// What an endpoint for mail has beside its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailConfig {
    /// The account's name; without one, no password is needed either.
    pub user: Option<String>,
    /// The sender.
    pub from: Mailbox,
    /// The recipients.
    pub to: Vec<Mailbox>,
}

/// One `[[endpoints]]` entry, checked. Secrets stay in files and are read when delivery starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Its name.
    pub id: EndpointId,
    /// Where to; `None` only for `console`.
    pub url: Option<url::Url>,
    /// How it is written.
    pub format: PayloadFormat,
    /// File with the `whsec_…` secret, absolute.
    pub secret_file: Option<PathBuf>,
    /// Name of a systemd credential that holds the secret.
    pub secret_credential: Option<String>,
    /// Used or not.
    pub enabled: bool,
    /// Only these topics; empty means all.
    pub topics: Vec<TopicId>,
    /// Only these sources; empty means all.
    pub sources: Vec<SourceId>,
    /// Only items in these languages; empty means all.
    pub languages: Vec<Lang>,
    /// Only this severity and above.
    pub severity_min: Severity,
    /// Only this score and above.
    pub score_min: Score,
    /// Also alerts about sources that fail, work again or fall silent.
    pub source_alerts: bool,
    /// Non-public addresses it may resolve to.
    pub allow_private: Vec<Cidr>,
    /// Requests at once.
    pub concurrency: usize,
    /// Whole request.
    pub timeout: Duration,
    /// Additional root certificates (PEM).
    pub ca_file: Option<PathBuf>,
    /// Further headers of every request, lower-case names.
    pub headers: Vec<(String, String)>,
    /// A key that is on its way out: it signs beside the new one until then.
    pub secret_old: Option<(PathBuf, Timestamp)>,
    /// For `format = "telegram"`: the chat's number, or `@name` of a public one.
    pub chat: Option<String>,
    /// For `format = "email"`.
    pub mail: Option<MailConfig>,
    /// For `format = "template"`, compiled and tried out.
    pub template: Option<Template>,
    /// When it hears of an alert.
    pub timing: Timing,
}

impl EndpointConfig {
    /// What it wants to hear, and when.
    #[must_use]
    pub fn route(&self) -> Route {
        Route {
            endpoint: self.id.clone(),
            format: self.wire_format(),
            topics: self.topics.clone(),
            sources: self.sources.clone(),
            languages: self.languages.clone(),
            severity_min: self.severity_min,
            score_min: self.score_min,
            source_alerts: self.source_alerts,
            timing: self.timing.clone(),
        }
    }

    /// An endpoint with the defaults of an entry that says no more.
    #[must_use]
    pub fn new(id: EndpointId, url: url::Url) -> Self {
        Self {
            id,
            url: Some(url),
            format: PayloadFormat::Standard,
            secret_file: None,
            secret_credential: None,
            enabled: true,
            topics: Vec::new(),
            sources: Vec::new(),
            languages: Vec::new(),
            severity_min: Severity::Low,
            score_min: Score::ZERO,
            source_alerts: true,
            allow_private: Vec::new(),
            concurrency: 4,
            timeout: Duration::from_secs(20),
            ca_file: None,
            headers: Vec::new(),
            secret_old: None,
            chat: None,
            mail: None,
            template: None,
            timing: Timing::default(),
        }
    }

    /// How its bodies are made.
    #[must_use]
    pub fn wire_format(&self) -> Format {
        let service = match (self.format, &self.template) {
            (PayloadFormat::CloudEvents, _) => return Format::CloudEvents,
            (PayloadFormat::Template, Some(template)) => return Format::Template(template.clone()),
            (PayloadFormat::Standard | PayloadFormat::Console | PayloadFormat::Template, _) => return Format::Standard,
            (PayloadFormat::Slack, _) => Service::Slack,
            (PayloadFormat::Discord, _) => Service::Discord,
            (PayloadFormat::Teams, _) => Service::Teams,
            (PayloadFormat::Mattermost, _) => Service::Mattermost,
            (PayloadFormat::Ntfy, _) => Service::Ntfy { topic: self.ntfy_topic().unwrap_or_default() },
            (PayloadFormat::Telegram, _) => Service::Telegram { chat: self.chat.clone().unwrap_or_default() },
            (PayloadFormat::Email, _) => match &self.mail {
                Some(mail) => {
                    let (endpoint, from, to) = (self.id.clone(), mail.from.clone(), mail.to.clone());
                    Service::Email(MailRoute { endpoint, from, to })
                }
                None => return Format::Standard,
            },
        };
        Format::People(service, self.timing.zone.clone())
    }

    /// The last part of the URL's path.
    #[must_use]
    pub fn ntfy_topic(&self) -> Option<String> {
        let last = self.url.as_ref()?.path_segments()?.next_back()?;
        (!last.is_empty()).then(|| last.to_owned())
    }

    /// Where requests go: ntfy takes JSON at its root, not at the topic.
    #[must_use]
    pub fn post_url(&self) -> Option<url::Url> {
        let mut url = self.url.clone()?;
        if self.format == PayloadFormat::Ntfy
            && let Ok(mut segments) = url.path_segments_mut()
        {
            segments.pop();
        }
        Some(url)
    }
}

/// The `[delivery]` section, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryConfig {
    /// Waits before each attempt; the first is usually zero. After the last the delivery is parked.
    pub schedule: Vec<Duration>,
    /// Each wait is stretched or shrunk by up to this share.
    pub jitter: f64,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// `User-Agent`, with a contact.
    pub user_agent: String,
    /// An endpoint that fails for so long without a single success is disabled.
    pub disable_after: Duration,
    /// Endpoints that hear what happens to the others.
    pub operations: Vec<EndpointId>,
}
