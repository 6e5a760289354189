//! The tools: one table of what there is, what each takes and what each reads. The documents are those that commands
//! print with `--json`.

use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::CallArguments;
use super::shown;
use crate::action::{self, ActionScene, SilenceEnd, SilenceWish};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::{ItemId, StoryId};
use crate::pipeline::Rules;
use crate::store::outbox::{self, DeliveryId};
use crate::store::{AlertFilter, ItemRecord, SearchQuery, Store, StoryFilter, lock_holder};
use crate::text::clean;
use crate::view::{FeedLine, ItemExplained, RuleTrial, TrialError};

/// How far back a query is tried where nobody says.
const TRIAL_DAYS: u64 = 7;

/// One tool.
pub(super) struct Tool {
    pub name: &'static str,
    /// Its first sentence has 120 bytes at most: that is what is shown.
    description: &'static str,
    /// Names of its arguments; the first `needed` must be given.
    arguments: &'static [&'static str],
    needed: usize,
    call: fn(&ToolBox, &CallArguments<'_>) -> Result<Value, String>,
}

/// What they read.
pub(super) struct ToolBox {
    pub store: Store,
    pub config: Config,
    pub rules: Rules,
    pub clock: Clock,
    /// Whether the tool that changes something is there.
    pub may_write: bool,
}

/// The one that changes something; there only where whoever started this said so.
const SILENCE_STORY: Tool = Tool {
    name: "silence_story",
    description: "Silences one story for some hours: its alerts are stored and nobody is told. Ask before you do.",
    arguments: &["id", "hours", "comment"],
    needed: 3,
    call: ToolBox::silence_story,
};
/// Longest silence.
const SILENCE_HOURS_MAX: u64 = 48;

/// Those that read.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "search_items",
        description: "Finds news items by their text, newest first. Words, \"phrases\", prefix*, -without, OR.",
        arguments: &["query", "topic", "source", "since", "limit"],
        needed: 1,
        call: ToolBox::search_items,
    },
    Tool {
        name: "list_stories",
        description: "Lists stories, the latest first. A story is one event with every report and copy of it.",
        arguments: &["topic", "since", "told", "limit"],
        needed: 0,
        call: ToolBox::list_stories,
    },
    Tool {
        name: "get_story",
        description: "Shows one story with its timeline: items, copies and alerts in the order they came.",
        arguments: &["id"],
        needed: 1,
        call: ToolBox::get_story,
    },
    Tool {
        name: "get_item",
        description: "Shows one item with its text, matches, edits and further appearances.",
        arguments: &["id"],
        needed: 1,
        call: ToolBox::get_item,
    },
    Tool {
        name: "explain_item",
        description: "Explains why an item alerted or did not. Rules that hit, points, gates, the stories it was held against.",
        arguments: &["id", "topic"],
        needed: 1,
        call: ToolBox::explain_item,
    },
    Tool {
        name: "list_alerts",
        description: "Lists alerts, newest first, with why each was raised.",
        arguments: &["topic", "since", "limit"],
        needed: 0,
        call: ToolBox::list_alerts,
    },
    Tool {
        name: "get_delivery",
        description: "Shows one delivery with its attempts: whether an endpoint was told, and what it answered.",
        arguments: &["id"],
        needed: 1,
        call: ToolBox::get_delivery,
    },
    Tool {
        name: "feed_health",
        description: "Shows how the feeds stand: failures, silence, what was not taken. Without `id` those in trouble.",
        arguments: &["id"],
        needed: 0,
        call: ToolBox::feed_health,
    },
    Tool {
        name: "try_rule",
        description: "Tries a query against what was taken lately and counts what it hits. Changes no rule.",
        arguments: &["query", "since"],
        needed: 1,
        call: ToolBox::try_rule,
    },
];

impl Tool {
    /// As the list of tools has it.
    pub(super) fn described(&self) -> Value {
        let properties: serde_json::Map<String, Value> =
            self.arguments.iter().map(|name| ((*name).to_owned(), argument(name))).collect();
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": properties,
                "required": &self.arguments[..self.needed],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "required": ["as_of", "stale", "cut"],
                "properties": {
                    "as_of": {"type": "string", "description": "When it was read, UTC"},
                    "stale": {"type": "boolean", "description": "No daemon runs: nothing new is taken"},
                    "cut": {"type": "boolean", "description": "There is more than is shown"},
                    "data": {"type": "array", "items": {"type": "object"}},
                },
            },
            "annotations": {"readOnlyHint": self.name != SILENCE_STORY.name, "destructiveHint": false, "openWorldHint": false},
        })
    }
}

fn argument(name: &str) -> Value {
    let (kind, description) = match name {
        "query" => ("string", "Words or a query as topics have them: \"a phrase\", AND, OR, NOT, NEAR/5, title:"),
        "topic" => ("string", "Only this topic, by its id"),
        "source" => ("string", "Only this source, by its id"),
        "since" => ("string", "Only from then on: an age (90m, 24h, 7d) or a time (2025-03-17T00:00:00Z)"),
        "told" => ("string", "yes: only stories that somebody was told of; no: only the others"),
        "hours" => ("integer", "For so many hours, 1 to 48"),
        "comment" => ("string", "Why, for whoever looks later"),
        "limit" => ("integer", "At most so many rows, 1 to 20"),
        _ => ("string", "Its id: itm_…, sty_…, dlv_…, or the name of a feed"),
    };
    json!({"type": kind, "description": description})
}

impl ToolBox {
    /// Those that there are.
    pub(super) fn tools(&self) -> impl Iterator<Item = &'static Tool> {
        TOOLS.iter().chain(self.may_write.then_some(&SILENCE_STORY))
    }

    fn silence_story(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let id = StoryId::parse(arguments.required("id")?).map_err(|error| format!("`id`: {error}"))?;
        let hours = arguments.number("hours", 1..=SILENCE_HOURS_MAX)?.ok_or("`hours` is needed")?;
        let wish = SilenceWish {
            topics: Vec::new(),
            sources: Vec::new(),
            story: Some(id),
            text: None,
            starts: None,
            ends: SilenceEnd::After(std::time::Duration::from_secs(hours * 3600)),
            comment: clean::excerpt(arguments.required("comment")?, 200),
        };
        let scene = ActionScene { store: &self.store, config: &self.config, now: arguments.now, author: "assistant" };
        let (record, _) = action::add_silence(&scene, &wish).map_err(|refusal| refusal.to_string())?;
        document(&record)
    }

    /// Calls one.
    pub(super) fn call(&self, tool: &Tool, given: &Value) -> Result<Value, String> {
        let now = self.clock.now();
        let document = (tool.call)(self, &CallArguments::new(given, tool.arguments, now)?)?;
        let is_running = lock_holder(&self.config.daemon.state_dir).is_some();
        Ok(shown::answer(document, now, is_running))
    }

    fn topic<'a>(&self, arguments: &CallArguments<'a>) -> Result<Option<&'a str>, String> {
        arguments.one_of("topic", self.config.topics.iter().map(|topic| topic.id.as_str()))
    }

    fn search_items(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let query = SearchQuery {
            text: arguments.required("query")?.to_owned(),
            topic: self.topic(arguments)?.map(str::to_owned),
            source: arguments.text("source")?.map(str::to_owned),
            since: arguments.since()?,
            limit: arguments.limit()?,
            ..SearchQuery::default()
        };
        query.check().map_err(|problem| match &problem.hint {
            Some(hint) => format!("`query`: {problem} ({hint})"),
            None => format!("`query`: {problem}"),
        })?;
        document(&self.store.search(&query).map_err(failed)?)
    }

    fn list_stories(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let filter = StoryFilter {
            topic: self.topic(arguments)?.map(str::to_owned),
            since: arguments.since()?,
            told: arguments.one_of("told", ["yes", "no"].into_iter())?.map(|told| told == "yes"),
            limit: arguments.limit()?,
            ..StoryFilter::default()
        };
        document(&self.store.stories(&filter).map_err(failed)?)
    }

    fn get_story(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let id = StoryId::parse(arguments.required("id")?).map_err(|error| format!("`id`: {error}"))?;
        document(&self.store.story(id).map_err(failed)?.ok_or_else(|| none("story", "list_stories"))?)
    }

    fn item(&self, arguments: &CallArguments<'_>) -> Result<ItemRecord, String> {
        let id = ItemId::parse(arguments.required("id")?).map_err(|error| format!("`id`: {error}"))?;
        self.store.item(id).map_err(failed)?.ok_or_else(|| none("item", "search_items"))
    }

    fn get_item(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        document(&self.item(arguments)?)
    }

    fn explain_item(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let (id, topic) = (self.item(arguments)?.line.id, self.topic(arguments)?);
        let explained = ItemExplained::of_stored(id, &self.store, &self.rules, &self.config);
        let mut explained =
            explained.map_err(|error| error.to_string())?.ok_or_else(|| none("item", "search_items"))?;
        explained.topics.retain(|one| topic.is_none_or(|only| one.topic.as_str() == only));
        // A topic that nothing hit says nothing, unless it was asked for.
        explained.topics.retain(|one| topic.is_some() || !one.rules.is_empty());
        document(&explained)
    }

    fn list_alerts(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let filter = AlertFilter {
            topic: self.topic(arguments)?.map(str::to_owned),
            since: arguments.since()?,
            limit: arguments.limit()?,
            ..AlertFilter::default()
        };
        document(&self.store.alerts(&filter).map_err(failed)?)
    }

    fn get_delivery(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let id: DeliveryId = arguments.required("id")?.parse().map_err(|error| format!("`id`: {error}"))?;
        let found = self.store.read("read a delivery", |c| outbox::show(c, id)).map_err(failed)?;
        document(&found.ok_or_else(|| none("delivery", "list_alerts"))?)
    }

    fn feed_health(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let feeds = &self.config.feeds;
        let Some(id) = arguments.one_of("id", feeds.iter().map(|feed| feed.id.as_str()))? else {
            let lines = feeds.iter().map(|feed| FeedLine::of(feed, Some(&self.store), false));
            let lines = lines.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            let mut rows = Vec::new();
            for line in &lines {
                let line = document(line)?;
                if !line["failure"].is_null() {
                    rows.push(line);
                }
            }
            return Ok(json!({"feeds": lines.len(), "failing": rows.len(), "data": rows}));
        };
        let feed = feeds.iter().find(|feed| feed.id.as_str() == id).ok_or_else(|| none("feed", "feed_health"))?;
        document(&FeedLine::of(feed, Some(&self.store), true).map_err(failed)?)
    }

    fn try_rule(&self, arguments: &CallArguments<'_>) -> Result<Value, String> {
        let days = std::time::Duration::from_secs(TRIAL_DAYS * 24 * 3600);
        let since = arguments.since()?.unwrap_or_else(|| arguments.now.minus(days));
        let trial = RuleTrial::of(arguments.required("query")?, since, &self.store, &self.config);
        document(&trial.map_err(|error| match error {
            TrialError::Query { message, hint: Some(hint) } => format!("`query`: {message} ({hint})"),
            error => format!("`query`: {error}"),
        })?)
    }
}

fn document<T: Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: crate::store::StoreError) -> String {
    format!("the store cannot be read: {error}")
}

fn none(what: &str, tool: &str) -> String {
    format!("there is no such {what}; {tool} lists what there is")
}
