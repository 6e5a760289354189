//! The OpenAPI 3.1 document, made of the table of routes: what is not in the table is neither served nor described.

use serde_json::{Map, Value, json};

use super::answer::{AnswerShape, ApiRoute};
use super::preview;
use crate::http::verbs::{VerbField, VerbRoute};

/// What each key of a query means, and its JSON Schema.
fn parameter(key: &str) -> Value {
    let (description, schema) = match key {
        "source" => ("Only of this source", json!({"type": "string"})),
        "topic" => ("Only with a match on this topic", json!({"type": "string"})),
        "story" => ("Only of this story (`sty_…`)", json!({"type": "string"})),
        "endpoint" => ("Only to this endpoint", json!({"type": "string"})),
        "since" => ("Only from then on: an age (`90m`, `7d`) or an RFC 3339 time", json!({"type": "string"})),
        "outlets" => {
            ("Only carried by so many outlets or more", json!({"type": "integer", "minimum": 0, "maximum": 65535}))
        }
        "told" => ("Only stories that somebody was told of, or nobody", json!({"enum": ["yes", "no"]})),
        "state" => ("Only in this state", json!({"enum": ["pending", "delivered", "parked", "cancelled", "folded"]})),
        "all" => ("Those that have ended as well", json!({"enum": ["true", "false"]})),
        "q" => ("Words, \"phrases\", prefix*, -without, OR; or the operators of topics", json!({"type": "string"})),
        "severity_min" => ("Only what is at least so severe", json!({"enum": ["low", "medium", "high", "critical"]})),
        "count" => ("With `1` the rows of the whole list are counted, up to 10,000", json!({"enum": ["1", "0"]})),
        "topics" => ("Only alerts and items on these topics, with commas between", json!({"type": "string"})),
        "item" => ("Which item (`itm_…`)", json!({"type": "string"})),
        "match" => ("A query as topics have them", json!({"type": "string"})),
        "alert" => ("The alert: its id (`alr_…`) or its number", json!({"type": "string"})),
        "kinds" => ("Only of these kinds, with commas between", json!({"type": "string"})),
        "limit" => ("At most so many", json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50})),
        "about" => ("Only what was done to this: the id or name of an item, story, feed, …", json!({"type": "string"})),
        "cursor" => ("`next` of the part before", json!({"type": "string"})),
        "after" => ("`newest` or `next` of a part before: what came since, oldest first", json!({"type": "string"})),
        other => unreachable!("invariant: every key is described, {other} too"),
    };
    json!({"name": key, "in": "query", "required": matches!(key, "q" | "item" | "match" | "alert"), "description": description, "schema": schema})
}

fn operation(route: &ApiRoute) -> Value {
    let mut parameters: Vec<Value> = route.query.iter().map(|key| parameter(key)).collect();
    if route.path.contains("{id}") {
        parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    let shape = match route.shape {
        AnswerShape::List => "#/components/schemas/List",
        AnswerShape::Document => "#/components/schemas/Document",
    };
    let problem = json!({"$ref": "#/components/responses/Problem"});
    json!({
        "summary": route.summary,
        "operationId": operation_id(route.path),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "What was asked for",
                "headers": {"ETag": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": shape}}},
            },
            "304": {"description": "Nothing changed since the validator in `If-None-Match`"},
            "308": {"description": "A story that was merged: see `Location`"},
            "400": problem, "401": problem, "404": problem, "410": problem, "503": problem,
        },
    })
}

fn operation_id(path: &str) -> String {
    let words = path.trim_start_matches("/v1/").replace("/{id}", "_one").replace(['/', '.'], "_");
    format!("read_{words}")
}

/// What happens, as it is committed; served apart from the table, for it does not end.
fn stream() -> Value {
    let problem = json!({"$ref": "#/components/responses/Problem"});
    let mut after = parameter("after");
    after["description"] = json!("Go on after this event; `now` (the default), or `0`: from the oldest that is kept");
    let full = json!({
        "name": "full", "in": "query", "required": false, "schema": {"enum": ["1", "0"]},
        "description": "With `1` the data of an alert is its payload as stored",
    });
    json!({
        "summary": "What happens, as server-sent events: `id` is a cursor to resume from by `Last-Event-ID`, `event` the \
                    kind of the change or the type of the alert, `reset` says to list anew",
        "operationId": "read_stream",
        "parameters": [parameter("kinds"), parameter("topics"), parameter("severity_min"), after, full],
        "responses": {
            "200": {"description": "Events without end", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            "400": problem, "401": problem, "503": problem,
        },
    })
}

fn properties(fields: &[VerbField]) -> Map<String, Value> {
    let schema = |field: &VerbField| {
        let mut schema = if field.is_list {
            json!({"type": ["array", "string"], "items": {"type": "string"}})
        } else {
            json!({"type": ["string", "boolean", "number", "null"]})
        };
        schema["description"] = json!(field.about);
        (field.name.to_owned(), schema)
    };
    fields.iter().map(schema).collect()
}

/// A verb: what it takes as JSON, and what comes of it.
fn change(verb: &VerbRoute) -> Value {
    let name = |part: &str| part.trim_matches(['{', '}']).to_owned();
    let in_path = verb.path.split('/').filter(|part| part.starts_with('{')).map(name);
    let parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let mut properties = properties(verb.fields);
    let author = json!({"type": "string", "description": "Who does it, where a program sends the token for somebody"});
    properties.insert("author".to_owned(), author);
    let problem = json!({"$ref": "#/components/responses/Problem"});
    let words = verb.path.trim_start_matches("/v1/").replace(['{', '}'], "").replace(['/', '-'], "_");
    let document = json!({
        "description": "What came of it",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Document"}}},
    });
    json!({
        "summary": verb.summary,
        "operationId": format!("{}_{words}", verb.method.as_str()),
        "security": [{"token": []}],
        "parameters": parameters,
        "requestBody": {
            "required": false,
            "content": {"application/json": {"schema": {
                "type": "object", "properties": properties, "additionalProperties": false,
            }}},
        },
        "responses": {
            "200": document, "201": document, "202": document,
            "400": problem, "401": problem, "403": problem, "404": problem, "409": problem, "413": problem, "415": problem,
            "422": problem, "503": problem,
        },
    })
}

/// What would become of a text; nothing is kept of it.
fn explain_text() -> Value {
    let problem = json!({"$ref": "#/components/responses/Problem"});
    json!({
        "summary": "Why a text would alert or would not; nothing of it is kept",
        "operationId": "explain_text",
        "parameters": [parameter("topic")],
        "requestBody": {
            "required": true,
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/json": {"schema": {"$ref": "#/components/schemas/PushItem"}},
            },
        },
        "responses": {
            "200": {
                "description": "One explanation for each item of it",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/List"}}},
            },
            "400": problem, "401": problem, "413": problem, "422": problem, "503": problem,
        },
    })
}

/// What is sent; served apart from the table, for it is not read.
fn push() -> Value {
    let problem = json!({"$ref": "#/components/responses/Problem"});
    let item = json!({"$ref": "#/components/schemas/PushItem"});
    let list = json!({"type": "array", "items": item});
    let wrapper = json!({"type": "object", "required": ["items"], "properties": {"items": list}});
    let text = json!({"schema": {"type": "string"}});
    json!({
        "summary": "Takes items of a `[[pushes]]` source; answered when they are durable",
        "operationId": "push_items",
        "security": [{"push": []}],
        "parameters": [
            {
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "The same push under the same key is taken once and answered the same for a day",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
            },
        ],
        "requestBody": {
            "required": true,
            "content": {
                "application/json": {"schema": {"anyOf": [item, list, wrapper]}},
                "application/x-ndjson": text, "application/rss+xml": text, "application/atom+xml": text,
                "application/feed+json": {"schema": {"type": "object"}}, "message/rfc822": text,
            },
        },
        "responses": {
            "200": {
                "description": "What became of it; for lines a line for each",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/PushAnswer"}},
                    "application/x-ndjson": text,
                },
            },
            "400": problem, "401": problem, "403": problem, "408": problem, "409": problem, "413": problem,
            "415": problem, "422": problem, "429": problem, "503": problem, "507": problem,
        },
    })
}

fn push_schemas() -> Value {
    let text = json!({"type": ["string", "null"]});
    let count = json!({"type": "integer", "minimum": 0});
    let not_taken = json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["reason", "detail", "count"],
            "properties": {"line": count, "reason": {"type": "string"}, "detail": {"type": "string"}, "count": count},
        },
    });
    let names = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "PushItem": {
            "type": "object",
            "description": "As the seed directory takes it, under these names and those that other tools use",
            "properties": {
                "id": {"type": ["string", "integer", "null"]}, "title": text, "text": text, "summary": text,
                "url": text, "source": text, "author": text, "published": text, "lang": text,
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        },
        "PushAnswer": {
            "type": "object",
            "required": ["received", "new", "known", "revisions", "sightings", "rejected", "notes", "items"],
            "properties": {
                "received": count, "new": count, "known": count, "revisions": count, "sightings": count,
                "rejected": not_taken, "notes": not_taken,
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id", "outcome", "story", "topics", "alerts"],
                        "properties": {
                            "line": count, "id": {"type": "string"},
                            "outcome": {"enum": ["new", "known", "revision", "sighting"]},
                            "story": text, "topics": names, "alerts": names,
                        },
                    },
                },
            },
        },
    })
}

/// The whole document.
pub(super) fn document(routes: &[ApiRoute], verbs: &[VerbRoute]) -> Value {
    let mut paths: Map<String, Value> =
        routes.iter().map(|route| (route.path.to_owned(), json!({"get": operation(route)}))).collect();
    for verb in verbs {
        let path = paths.entry(verb.path).or_insert_with(|| json!({}));
        path[verb.method.as_str()] = change(verb);
    }
    let rules = json!({
        "type": "object", "required": ["topic", "text"], "properties": properties(preview::FIELDS),
        "additionalProperties": false,
    });
    let problem = json!({"$ref": "#/components/responses/Problem"});
    paths[preview::PATH]["post"] = preview::operation(&rules, &problem);
    paths.insert("/v1/stream".to_owned(), json!({"get": stream()}));
    paths["/v1/items"]["post"] = push();
    paths["/v1/explain"]["post"] = explain_text();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wirewatch",
            "version": "1",
            "description": "What was taken, what it was made of, who was told. Fields are only ever added. The \
                            documents are those that the command of the same name prints with --json.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Document": {"type": "object"},
                "List": {
                    "type": "object",
                    "required": ["data", "next"],
                    "properties": {
                        "data": {"type": "array", "items": {"type": "object"}},
                        "next": {"type": ["string", "null"]},
                        "newest": {"type": "string"},
                        "count": {"type": "integer", "minimum": 0, "maximum": 10000},
                        "capped": {"type": "boolean"},
                    },
                },
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                        "detail": {"type": "string"}, "hint": {"type": "string"},
                        "errors": {"type": "array", "items": {"type": "object"}},
                    },
                },
            },
            "responses": {
                "Problem": {
                    "description": "Why not",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            },
        },
    });
    document["components"]["securitySchemes"]["push"] = json!({"type": "http", "scheme": "bearer"});
    for (name, schema) in push_schemas().as_object().into_iter().flatten() {
        document["components"]["schemas"][name.as_str()] = schema.clone();
    }
    document
}
