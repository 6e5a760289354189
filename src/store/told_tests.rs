//! Stories that turn out to be one while their alerts wait, or after one of them went out.

use serde_json::json;

use super::engine::{self};
use super::*;
use crate::store::{Access, Store};

fn desk() -> EndpointId {
    EndpointId::new("desk").expect("a name")
}

fn topic(name: &str) -> TopicId {
    TopicId::new(name).expect("a name")
}

/// A first alert of a story with these topics; written, and on its way, or waiting.
fn owe(c: &Connection, n: i64, story: i64, topics: &[&str], sent: bool) -> engine::Result<()> {
    let view =
        |name: &&str| json!({"id": name, "label": name, "score": 6, "threshold": 5, "severity": "high", "new": true});
    let payload = json!({
        "type": "alert.matched", "timestamp": "2025-03-17T08:02:11Z",
        "data": {
            "alert": {"id": format!("alr_{n}"), "sequence": n, "reason": "first", "severity": "high"},
            "topics": topics.iter().map(view).collect::<Vec<_>>(),
            "story": {
                "id": format!("sty_{story}"), "title": "t", "first_seen": "2025-03-17T08:02:11Z", "items": 1,
                "outlets": [], "outlets_total": n, "languages": [], "phase": "new", "related": [], "merged_from": []
            },
            "item": {
                "id": "itm_1", "title": format!("report {n}"), "url": null, "outlet": null, "source": "s", "publisher": null,
                "author": null, "published": null, "date_suspect": false, "first_seen": "2025-03-17T08:02:11Z",
                "lang": null, "excerpt": ""
            },
            "evidence": [{
                "topic": topics[0], "rule": "r", "field": "title", "text": "x", "start": 0, "end": 1, "points": n
            }],
            "sightings": {"exact": 0, "near": 0}, "new": [], "growth": null, "previous": null
        }
    });
    c.execute(
        "INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
         VALUES (?1, ?2, 'alert.matched', ?3, 1, 'first', 'high', 600, 1, 0, ?4)",
        params![n, format!("alr_{n}"), story, payload.to_string().into_bytes()],
    )?;
    c.execute(
        "INSERT INTO deliveries (id, alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at, story)
         VALUES (?1, ?1, ?2, 'desk', ?3, ?4, 0, 0, 0, ?5)",
        params![
            n,
            format!("alr_{n}"),
            if sent { "application/json" } else { "" },
            if sent { "delivered" } else { "pending" },
            story
        ],
    )?;
    let mut topics: Vec<TopicId> = topics.iter().map(|name| topic(name)).collect();
    topics.sort();
    let told = Told {
        topics,
        severity: Severity::High,
        outlets: vec![Outlet::from_stored(&format!("outlet-{n}"))],
        at: Timestamp::from_seconds(n),
        developed_at: None,
        facts: vec![n.unsigned_abs()],
    };
    write(c, story, &Listener::Endpoint(desk()), &told, Some(n))
}

/// State, row it went up in, and what it says: type, headline, topics with a mark for those that are new.
fn row(c: &Connection, n: i64) -> (String, Option<i64>, String) {
    let (state, into, bytes): (String, Option<i64>, Vec<u8>) = c
        .query_row(
            "SELECT d.state, d.folded_into, coalesce(d.body, a.payload) FROM deliveries d JOIN alerts a ON a.sequence = d.alert
             WHERE d.id = ?1",
            [n],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("a row");
    let payload: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let data = &payload["data"];
    let topics: Vec<String> = data["topics"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|topic| format!("{}{}", topic["id"].as_str().unwrap_or("?"), if topic["new"] == true { "+" } else { "" }))
        .collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let words = format!("{} {} {}", text(&payload["type"]), text(&data["item"]["title"]), topics.join(" "));
    (state, into, words)
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("a store");
    (dir, store)
}

fn standing(c: &Connection, story: i64) -> Standing {
    standings(c, story).expect("read").pop().expect("told")
}

#[test]
fn group_stories_that_became_one_go_out_as_one_when_the_first_is_due() {
    let (_dir, store) = store();
    let done = store.write("test", |tx| {
        owe(tx, 1, 10, &["levee"], false)?;
        owe(tx, 2, 20, &["levee", "ferry"], false)?;
        merge_told(tx, 20, 10, Timestamp::from_seconds(9))?;
        assert_eq!(row(tx, 2).1, Some(1));
        assert_eq!(
            row(tx, 1),
            ("pending".to_owned(), None, "alert.matched report 2 levee+ ferry+".to_owned()),
            "under its own id, by the better report"
        );
        let told = standing(tx, 10);
        assert_eq!((told.alert, told.told.topics.len(), told.told.outlets.len()), (Some(1), 2, 2));
        assert_eq!(told.told.facts, [1, 2]);
        assert!(standings(tx, 20)?.is_empty());
        Ok(())
    });
    done.expect("written");
}

#[test]
fn merge_with_a_story_that_was_told_leaves_only_what_that_did_not_say() {
    let (_dir, store) = store();
    let done = store.write("test", |tx| {
        owe(tx, 1, 10, &["levee", "ferry"], true)?;
        owe(tx, 2, 20, &["levee"], false)?;
        merge_told(tx, 20, 10, Timestamp::from_seconds(9))?;
        assert_eq!((row(tx, 2).0.as_str(), row(tx, 2).1), ("folded", Some(1)), "nothing of it is news");
        assert_eq!(standing(tx, 10).alert, Some(1));
        // The other way round, with a topic that was not told.
        owe(tx, 3, 30, &["strike", "levee"], false)?;
        owe(tx, 4, 40, &["levee"], true)?;
        merge_told(tx, 40, 30, Timestamp::from_seconds(9))?;
        assert_eq!(
            row(tx, 3),
            ("pending".to_owned(), None, "story.updated report 3 strike+ levee".to_owned()),
            "an update of what it had"
        );
        assert_eq!(standing(tx, 30).alert, Some(3));
        Ok(())
    });
    done.expect("written");
}

#[test]
fn told_survives_the_store_and_a_split_leaves_both_halves_told() {
    let (_dir, store) = store();
    let done = store.write("test", |tx| {
        owe(tx, 1, 10, &["levee", "ferry"], true)?;
        tx.execute("INSERT INTO story_topics VALUES (77, 'ferry', 600, 500, 'high')", [])?;
        split_told(tx, 10, 77)?;
        let (whole, half) = (standing(tx, 10), standing(tx, 77));
        assert_eq!(half.told.topics, [topic("ferry")], "of what it still is about");
        assert_eq!(Told { topics: whole.told.topics.clone(), ..half.told }, whole.told);
        assert_eq!((half.alert, half.listener), (whole.alert, whole.listener));
        Ok(())
    });
    done.expect("written");
}
