//! CloudEvents 1.0, structured JSON: the envelope's `data` under the attributes of the specification.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use serde_json::{Value, json};

/// Who the events are from; together with the id, which differs per installation, it is unique.
const SOURCE: &str = "/wirewatch";

/// Renders the event.
pub(super) fn render(payload: &Value) -> Value {
    let at = |pointer| payload.pointer(pointer).and_then(Value::as_str);
    let mut event = json!({
        "specversion": "1.0",
        "id": at("/data/alert/id").unwrap_or("unknown"),
        "source": SOURCE,
        "type": format!("wirewatch.{}", at("/type").unwrap_or("unknown")),
        "time": payload["timestamp"],
        "datacontenttype": "application/json",
        "data": payload["data"],
    });
    if let Some(subject) = at("/data/story/id").or_else(|| at("/data/endpoint/id")).or_else(|| at("/data/source/id")) {
        event["subject"] = subject.into();
    }
    if let Some(severity) = at("/data/alert/severity") {
        event["severity"] = severity.into();
    }
    // The sequence extension is text that sorts as the numbers do.
    if let Some(sequence) = payload.pointer("/data/alert/sequence").and_then(Value::as_u64) {
        event["sequence"] = format!("{sequence:020}").into();
    }
    event
}
