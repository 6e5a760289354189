//! The OpenAPI 3.1 document, made of the table of routes: what is not in the table is neither served nor described.

use serde_json::{Map, Value, json};

use super::answer::{AnswerShape, ApiRoute};
use crate::http::verbs::VerbRoute;

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
        "kinds" => ("Only of these kinds, with commas between", json!({"type": "string"})),
        "limit" => ("At most so many", json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50})),
        "cursor" => ("`next` of the part before", json!({"type": "string"})),
        "after" => ("`newest` or `next` of a part before: what came since, oldest first", json!({"type": "string"})),
        other => unreachable!("invariant: every key is described, {other} too"),
    };
    json!({"name": key, "in": "query", "required": key == "q", "description": description, "schema": schema})
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
        "parameters": [parameter("kinds"), after, full],
        "responses": {
            "200": {"description": "Events without end", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            "400": problem, "401": problem, "503": problem,
        },
    })
}

/// A verb: what it takes as JSON, and what comes of it.
fn change(verb: &VerbRoute) -> Value {
    let name = |part: &str| part.trim_matches(['{', '}']).to_owned();
    let in_path = verb.path.split('/').filter(|part| part.starts_with('{')).map(name);
    let parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let text = json!({"type": ["string", "boolean", "number", "null"]});
    let mut properties: Map<String, Value> = verb
        .fields
        .iter()
        .map(|field| {
            let mut schema = if field.is_list {
                json!({"type": ["array", "string"], "items": {"type": "string"}})
            } else {
                text.clone()
            };
            schema["description"] = json!(field.about);
            (field.name.to_owned(), schema)
        })
        .collect();
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

/// The whole document.
pub(super) fn document(routes: &[ApiRoute], verbs: &[VerbRoute]) -> Value {
    let mut paths: Map<String, Value> =
        routes.iter().map(|route| (route.path.to_owned(), json!({"get": operation(route)}))).collect();
    for verb in verbs {
        let path = paths.entry(verb.path).or_insert_with(|| json!({}));
        path[verb.method.as_str()] = change(verb);
    }
    paths.insert("/v1/stream".to_owned(), json!({"get": stream()}));
    json!({
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
                    },
                },
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                        "detail": {"type": "string"}, "hint": {"type": "string"},
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
    })
}
