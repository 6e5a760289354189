//! The protocol, by a recorded talk for each of its dates, and what is promised of every tool.

use serde_json::{Value, json};

use super::protocol::Server;
use super::tools::{TOOLS, ToolBox};
use crate::app::compile;
use crate::clock::Clock;
use crate::config::{Config, ConfigPlace, Environment};
use crate::model::Timestamp;
use crate::store::{Access, Store};

fn server() -> (tempfile::TempDir, Server) {
    started(false)
}

fn started(may_write: bool) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("wirewatch.toml");
    let text = "[daemon]\nstate_dir = \"state\"\n[[feeds]]\nid = \"wire\"\nurl = \"https://wire.example/\"\n\
                [[topics]]\nid = \"levee\"\nterms = [{ match = \"levee\" }]\n";
    std::fs::write(&file, text).expect("written");
    let config = Config::load(&ConfigPlace::File(file), &Environment::default()).expect("sound").config;
    drop(Store::open(&config.daemon.state_dir, Access::Own).expect("made"));
    let access = if may_write { Access::Share } else { Access::Read };
    let store = Store::open(&config.daemon.state_dir, access).expect("opened");
    let rules = compile::rules(&config).expect("compiled");
    let clock = Clock::manual(Timestamp::from_seconds(1_742_198_531));
    (dir, Server::new(ToolBox { store, config, rules, clock, may_write }))
}

fn ask(server: &Server, message: &Value) -> Option<Value> {
    server.answer(message.to_string().as_bytes())
}

#[test]
fn protocol_of_every_date_greets_lists_and_calls() {
    let (_dir, server) = server();
    for (date, spoken) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ] {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": date, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let greeted = ask(&server, &hello).expect("answered");
        assert_eq!(greeted["result"]["protocolVersion"], spoken);
        assert!(greeted["result"]["instructions"].as_str().expect("words").contains("untrusted_text"));
        assert_eq!(ask(&server, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})), None);
        let listed = ask(&server, &json!({"jsonrpc": "2.0", "id": "a", "method": "tools/list"})).expect("answered");
        assert_eq!(
            (&listed["id"], listed["result"]["tools"].as_array().map(Vec::len)),
            (&json!("a"), Some(TOOLS.len()))
        );
        let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "feed_health"}});
        let called = ask(&server, &call).expect("answered");
        assert_eq!(called["result"]["structuredContent"]["feeds"], 1, "{called}");
        assert_eq!(called["result"]["structuredContent"]["stale"], true, "no daemon runs");
    }
    let both = json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "method": "notifications/x"}]);
    assert_eq!(ask(&server, &both), Some(json!([{"jsonrpc": "2.0", "id": 1, "result": {}}])));
}

#[test]
fn protocol_refuses_by_code_and_tools_say_what_would_be_right() {
    let (_dir, server) = server();
    assert_eq!(server.answer(b"{nonsense").expect("answered")["error"]["code"], -32700);
    for (message, code) in [
        (json!({"jsonrpc": "2.0", "id": 1}), -32600),
        (json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}), -32601),
        (json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "delete_everything"}}), -32602),
    ] {
        assert_eq!(ask(&server, &message).expect("answered")["error"]["code"], code, "{message}");
    }
    for (name, arguments, word) in [
        ("list_stories", json!({"topic": "levees"}), "there are: levee"),
        ("list_stories", json!({"subject": "levee"}), "it takes: topic, since"),
        ("list_stories", json!({"limit": 1000}), "1 to 20"),
        ("list_alerts", json!({"since": "yesterday"}), "7d"),
        ("get_item", json!({"id": "itm_0000000000000"}), "search_items"),
        ("get_item", json!({}), "`id` is needed"),
        ("get_item", json!({"id": ["itm_1"]}), "must be a text"),
        ("try_rule", json!({"query": "("}), "query"),
        ("search_items", json!({"query": "NOT"}), "query"),
    ] {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
        let result = ask(&server, &call).expect("answered")["result"].clone();
        let said = result["content"][0]["text"].as_str().expect("words");
        assert!(result["isError"] == true && said.contains(word), "{name} {arguments}: {said}");
    }
}

#[test]
fn tools_are_few_read_only_and_take_neither_urls_nor_paths() {
    assert!(TOOLS.len() <= 9);
    for tool in TOOLS {
        let described = tool.described();
        let words = described["description"].as_str().expect("words");
        let first = words.split_inclusive(". ").next().expect("a sentence");
        assert!(first.len() <= 120, "{}: {} bytes", tool.name, first.len());
        assert_eq!(described["annotations"]["readOnlyHint"], true);
        assert_eq!(described["outputSchema"]["type"], "object");
        for name in described["inputSchema"]["properties"].as_object().expect("arguments").keys() {
            assert!(!name.contains("url") && !name.contains("path") && !name.contains("file"), "{}: {name}", tool.name);
        }
    }
}

#[test]
fn tool_that_silences_is_there_only_where_it_was_asked_for() {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "silence_story", "arguments": {"id": "sty_0000000000000", "hours": 2, "comment": "exercise"}}});
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let (_dir, server) = started(false);
    assert_eq!(ask(&server, &call).expect("answered")["error"]["code"], -32602);
    let (_dir, server) = started(true);
    let listed = ask(&server, &list).expect("answered");
    let last = listed["result"]["tools"].as_array().and_then(|tools| tools.last()).cloned().expect("tools");
    assert_eq!((&last["name"], &last["annotations"]["readOnlyHint"]), (&json!("silence_story"), &json!(false)));
    let said = ask(&server, &call).expect("answered")["result"]["content"][0]["text"].clone();
    assert!(said.as_str().is_some_and(|said| said.contains("no such story")), "{said}");
}
