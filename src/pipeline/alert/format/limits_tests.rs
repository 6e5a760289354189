//! What services publish as their limits, as numbers of their own: a constant of ours that is wrong is
//! found here and not by them.

use serde_json::Value;

/// In UTF-16 units, of which there are never fewer than characters.
fn units(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.encode_utf16().count())
}

fn known_keys(object: &Value, known: &[&str]) {
    let keys = object.as_object().expect("an object").keys();
    let unknown: Vec<&String> = keys.filter(|key| !known.contains(&key.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} in {object}");
}

fn is_link(value: &Value) {
    let url = value.as_str().expect("a link");
    assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
}

/// <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block> and the elements below it;
/// <https://docs.slack.dev/reference/block-kit/blocks/context-block>; <https://docs.slack.dev/reference/block-kit/blocks>
/// (50 blocks); <https://docs.slack.dev/changelog/2018-truncating-really-long-messages> for the text beside the blocks.
pub(super) fn check_slack(message: &Value) {
    let blocks = message["blocks"].as_array().expect("blocks");
    assert!((1..=50).contains(&blocks.len()), "{} blocks", blocks.len());
    assert!((1..=4_000).contains(&units(&message["text"])), "the text for notifications");
    for block in blocks {
        match block["type"].as_str() {
            Some("rich_text") => {
                known_keys(block, &["type", "elements"]);
                let sections = block["elements"].as_array().expect("sections");
                assert!(!sections.is_empty());
                let elements = sections.iter().flat_map(|section| {
                    assert_eq!(section["type"], "rich_text_section");
                    section["elements"].as_array().expect("elements")
                });
                let mut total = 0;
                for element in elements {
                    match element["type"].as_str() {
                        Some("text") => known_keys(element, &["type", "text", "style"]),
                        Some("link") => {
                            known_keys(element, &["type", "text", "url", "style"]);
                            is_link(&element["url"]);
                        }
                        other => panic!("no element is called {other:?}"),
                    }
                    assert!(units(&element["text"]) >= 1, "{element}");
                    total += units(&element["text"]);
                }
                assert!(total <= 3_000, "{total} characters of text");
            }
            Some("context") => {
                known_keys(block, &["type", "elements"]);
                let elements = block["elements"].as_array().expect("elements");
                assert!((1..=10).contains(&elements.len()), "{} elements", elements.len());
                for element in elements {
                    assert!((1..=3_000).contains(&units(&element["text"])), "{element}");
                }
            }
            other => panic!("no block is called {other:?}"),
        }
    }
}

/// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>;
/// <https://discord.com/developers/docs/resources/webhook#execute-webhook> for the message around it.
pub(super) fn check_discord(message: &Value) {
    assert!(units(&message["content"]) <= 2_000);
    let embeds = message["embeds"].as_array().expect("embeds");
    assert!((1..=10).contains(&embeds.len()));
    let mut total = 0;
    for embed in embeds {
        known_keys(embed, &["title", "description", "color", "footer", "url", "timestamp"]);
        for (part, max) in [(&embed["title"], 256), (&embed["description"], 4_096), (&embed["footer"]["text"], 2_048)] {
            assert!(units(part) <= max, "{part}");
            total += units(part);
        }
        if !embed["url"].is_null() {
            is_link(&embed["url"]);
        }
    }
    assert!(total <= 6_000, "{total} in all embeds of a message");
}

/// 28 KB a message: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>;
/// <https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run>: markdown is not supported, so no character
/// of markup may be escaped.
pub(super) fn check_teams(message: &Value) {
    assert!(message.to_string().len() <= 28 * 1024, "{} bytes", message.to_string().len());
    for block in message["attachments"][0]["content"]["body"].as_array().expect("a body") {
        for run in block["inlines"].as_array().expect("runs") {
            known_keys(run, &["type", "text", "size", "weight", "color", "isSubtle", "selectAction"]);
            let text = run["text"].as_str().expect("text");
            assert!(!text.contains("\\*") && !text.contains("&amp;"), "{text}");
        }
    }
}

/// 16,383 characters a post: `POST_MESSAGE_MAX_RUNES_V2` of <https://github.com/mattermost/mattermost>. Which fields
/// are markdown: <https://developers.mattermost.com/integrate/reference/message-attachments/>; the plain ones
/// hold no escapes.
pub(super) fn check_mattermost(message: &Value) {
    let attachment = &message["attachments"][0];
    known_keys(attachment, &["fallback", "color", "title", "title_link", "text", "footer"]);
    assert!(message.to_string().encode_utf16().count() <= 16_383, "{}", message.to_string().len());
    let mut plain = vec![&attachment["fallback"], &attachment["footer"]];
    if !attachment["title_link"].is_null() {
        is_link(&attachment["title_link"]);
        plain.push(&attachment["title"]);
    }
    for text in plain {
        assert!(
            !text.as_str().expect("text").contains("\\-") && !text.as_str().expect("text").contains("\\("),
            "{text}"
        );
    }
}

/// <https://docs.ntfy.sh/publish/#limitations>: 4,096 bytes; <https://docs.ntfy.sh/publish/#publish-as-json>.
pub(super) fn check_ntfy(message: &Value) {
    known_keys(message, &["topic", "title", "message", "priority", "tags", "click"]);
    assert!((1..=4_096).contains(&message["message"].as_str().expect("text").len()));
    assert!(message["title"].as_str().expect("text").len() <= 250, "a title is one line on a phone");
    assert!((1..=5).contains(&message["priority"].as_u64().expect("a number")));
}

/// <https://core.telegram.org/bots/api#sendmessage>: 1 to 4,096 characters after the entities are read, and
/// <https://core.telegram.org/bots/api#messageentity>: offsets and lengths in UTF-16 units, inside the text;
/// <https://core.telegram.org/bots/api#formatting-options>: a hundred entities.
pub(super) fn check_telegram(message: &Value) {
    known_keys(message, &["chat_id", "text", "entities", "link_preview_options", "disable_notification"]);
    let length = units(&message["text"]);
    assert!((1..=4_096).contains(&length), "{length}");
    let entities = message["entities"].as_array().expect("entities");
    assert!(entities.len() <= 100, "{} entities", entities.len());
    for entity in entities {
        let at = |key: &str| entity[key].as_u64().expect("a number") as usize;
        assert!(at("length") >= 1 && at("offset") + at("length") <= length, "{entity} in {length}");
        match entity["type"].as_str() {
            Some("bold") => {}
            Some("text_link") => is_link(&entity["url"]),
            other => panic!("no entity is called {other:?}"),
        }
    }
}
