//! What chat services publish as their limits, as numbers of their own: a constant of ours that is wrong is
//! found here and not by them.

use serde_json::Value;

/// In UTF-16 units, of which there are never fewer than characters.
fn units(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.encode_utf16().count())
}

/// <https://docs.slack.dev/reference/block-kit/blocks> and the pages of each block below it;
/// <https://docs.slack.dev/reference/block-kit/composition-objects/text-object>;
/// <https://docs.slack.dev/changelog/2018-truncating-really-long-messages> for the text beside the blocks.
pub(super) fn check_slack(message: &Value) {
    let blocks = message["blocks"].as_array().expect("blocks");
    assert!((1..=50).contains(&blocks.len()), "{} blocks", blocks.len());
    assert!((1..=4_000).contains(&units(&message["text"])), "the text for notifications");
    for block in blocks {
        let known: &[&str] = match block["type"].as_str() {
            Some("header") => {
                assert_eq!(block["text"]["type"], "plain_text", "a header takes nothing else");
                assert!((1..=150).contains(&units(&block["text"]["text"])), "{block}");
                &["type", "text"]
            }
            Some("section") => {
                assert!((1..=3_000).contains(&units(&block["text"]["text"])), "{block}");
                &["type", "text"]
            }
            Some("context") => {
                let elements = block["elements"].as_array().expect("elements");
                assert!((1..=10).contains(&elements.len()), "{} elements", elements.len());
                for element in elements {
                    assert!((1..=3_000).contains(&units(&element["text"])), "{element}");
                }
                &["type", "elements"]
            }
            other => panic!("no block is called {other:?}"),
        };
        let unknown: Vec<&String> =
            block.as_object().expect("a block").keys().filter(|k| !known.contains(&k.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
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
        let fields = embed["fields"].as_array().expect("fields");
        assert!(fields.len() <= 25, "{} fields", fields.len());
        for (part, max) in [
            (&embed["title"], 256),
            (&embed["description"], 4_096),
            (&embed["footer"]["text"], 2_048),
            (&embed["author"]["name"], 256),
        ] {
            assert!(units(part) <= max, "{part}");
            total += units(part);
        }
        for field in fields {
            assert!((1..=256).contains(&units(&field["name"])), "{field}");
            assert!((1..=1_024).contains(&units(&field["value"])), "{field}");
            total += units(&field["name"]) + units(&field["value"]);
        }
    }
    assert!(total <= 6_000, "{total} in all embeds of a message");
}
