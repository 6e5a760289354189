//! What several pages have: filters and turns of lists, alerts with who was told.

use serde_json::{Value, json};

use crate::http::asked::AskedQuery;
use crate::http::cursor::ListCursor;
use crate::http::look::StoreLook;
use crate::http::refusal::AnswerRefusal;
use crate::http::rows;
use crate::store::AlertRecord;
use crate::store::outbox::{self, DeliveryFilter};
use crate::view::delivery_words;

/// The next part of a list, and its beginning where this is not it.
pub(super) fn turns(asked: &AskedQuery, next: Option<ListCursor>, look: &StoreLook) -> Value {
    let next = next.map(|cursor| {
        let text = cursor.encode(asked, &look.lineage());
        format!("?{}", rows::query_with(asked, "cursor", &text))
    });
    let first = asked.text("cursor").map(|_| {
        let filters: Vec<_> = asked.filters().collect();
        format!("?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish())
    });
    json!({"next": next, "first": first})
}

/// What was asked for, for the fields of a form: every key, empty where it was not given.
pub(super) fn given(asked: &AskedQuery, keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), json!(asked.text(key).unwrap_or_default()))).collect::<Value>()
}

/// Names of topics and sources for the choices of a form.
pub(super) fn choices(look: &StoreLook) -> Value {
    let topics: Vec<Value> =
        look.config.topics.iter().map(|topic| json!({"id": topic.id.as_str(), "label": topic.label})).collect();
    let mut sources: Vec<&str> = look.config.feeds.iter().map(|feed| feed.id.as_str()).collect();
    if look.config.seeds.dir.is_some() {
        sources.insert(0, look.config.seeds.id.as_str());
    }
    let endpoints: Vec<&str> = look.config.endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
    json!({"topics": topics, "sources": sources, "endpoints": endpoints})
}

/// An alert without its payload, with what it is about in words.
pub(super) fn alert_line(alert: &AlertRecord) -> Value {
    let payload: Value = serde_json::from_str(alert.payload.get()).unwrap_or_default();
    let data = &payload["data"];
    let said = [&data["item"]["title"], &data["summary"], &data["source"]["error"]];
    let title = said.iter().find_map(|text| text.as_str()).unwrap_or_default();
    json!({
        "id": alert.id, "sequence": alert.sequence, "kind": alert.r#type, "topics": alert.topics,
        "source": alert.source, "reason": alert.reason, "severity": alert.severity, "score": alert.score,
        "story": alert.story, "item": alert.item, "outlets": alert.outlets, "at": alert.at,
        "silenced_by": alert.silenced_by, "title": title, "outlet": data["item"]["outlet"],
    })
}

/// Alerts, each with who was told of it.
pub(super) fn told(look: &StoreLook, alerts: &[AlertRecord]) -> Result<Vec<Value>, AnswerRefusal> {
    let mut out = Vec::with_capacity(alerts.len());
    for alert in alerts {
        let filter =
            DeliveryFilter { alert: Some(alert.sequence.cast_signed()), rows_max: 200, ..DeliveryFilter::default() };
        let mut rows = Vec::new();
        for row in look.store.read("list deliveries", |c| outbox::list(c, &filter))? {
            let mut shown = json!(row);
            shown["words"] = delivery_words(&look.store, &row)?.into();
            rows.push(shown);
        }
        out.push(json!({"alert": alert_line(alert), "deliveries": rows}));
    }
    Ok(out)
}
