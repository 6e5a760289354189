//! Letting go what waited: quiet hours that come in between, rates, digests.

use super::*;
use crate::store::engine::{self, Connection, params};
use crate::store::{Access, Store};

const HOUR: i64 = 3_600_000;

fn at(minutes: i64) -> Timestamp {
    // Noon, UTC.
    Timestamp::from_millis(1_742_212_800_000 + minutes * 60_000)
}

fn desk() -> EndpointId {
    EndpointId::new("desk").expect("a name")
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("a store");
    (dir, store)
}

/// An alert of a story on a topic that waits until a minute, or was delivered.
fn owe(connection: &Connection, n: i64, story: i64, topic: &str, waits: Option<i64>) -> engine::Result<DeliveryId> {
    connection.execute(
        "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
         VALUES (?1, 't', 0, 0, 1, 0, 0)
         ON CONFLICT DO NOTHING",
        [story],
    )?;
    connection.execute(
        "INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
         VALUES (?1, ?2, 'alert.matched', ?3, 1, 'first', 'high', 500, 1, 0, ?4)",
        params![n, format!("alr_{n}"), story, b"{}".to_vec()],
    )?;
    connection.execute("INSERT INTO alert_topics VALUES (?1, ?2, 500, 'high', 1)", params![n, topic])?;
    connection.query_row(
        "INSERT INTO deliveries (alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at, hold)
         VALUES (?1, ?2, 'desk', 'application/json', ?3, 0, 0, ?4, ?5) RETURNING id",
        params![
            n,
            format!("alr_{n}"),
            if waits.is_some() { "pending" } else { "delivered" },
            at(waits.unwrap_or(0)).millis(),
            waits.map(|_| "group"),
        ],
        |row| row.get(0).map(DeliveryId),
    )
}

fn let_go_at(connection: &Connection, minute: i64, timing: &Timing) -> engine::Result<usize> {
    let (endpoint, format) = (desk(), Format::Standard);
    release(connection, &Release { endpoint: &endpoint, format: &format, timing, instance: "i", now: at(minute) })
}

/// Each row: its number, state, what it waits for, until which minute, what it went up in.
fn rows(connection: &Connection) -> Vec<(i64, String, String, i64, Option<i64>)> {
    let query = "SELECT id, state, coalesce(hold, ''), due_at, folded_into FROM deliveries ORDER BY id";
    let mut statement = connection.prepare(query).expect("sound");
    let minute = |millis: i64| (millis - at(0).millis()) / 60_000;
    let row = |row: &engine::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, minute(row.get(3)?), row.get(4)?));
    statement.query_map([], row).expect("read").collect::<Result<_, _>>().expect("rows")
}

fn row(id: i64, state: &str, hold: &str, minute: i64, into: Option<i64>) -> (i64, String, String, i64, Option<i64>) {
    (id, state.to_owned(), hold.to_owned(), minute, into)
}

#[test]
fn group_and_rate_that_end_in_quiet_hours_wait_for_their_end() {
    let (_dir, store) = store();
    let quiet = vec!["12:30-13:00".parse().expect("hours")];
    let timing = Timing { quiet, urgent: Some(Severity::Critical), ..Timing::default() };
    let done = store.write("test", |tx| {
        for n in 1..=4 {
            owe(tx, n, n * 10, "levee", Some(35))?;
        }
        tx.execute("UPDATE deliveries SET hold = 'rate' WHERE id = 3", [])?;
        tx.execute("UPDATE alerts SET severity = 'critical' WHERE sequence = 4", [])?;
        assert_eq!(let_go_at(tx, 35, &timing)?, 4);
        let quiet = rows(tx);
        assert_eq!(let_go_at(tx, 59, &timing)?, 0);
        assert_eq!(let_go_at(tx, 60, &timing)?, 3);
        Ok((quiet, rows(tx)))
    });
    let (quiet, loud) = done.expect("written");
    assert_eq!(
        quiet,
        [
            row(1, "pending", "quiet", 60, None),
            row(2, "pending", "quiet", 60, None),
            row(3, "pending", "rate", 60, None),
            row(4, "pending", "", 35, None),
        ],
        "what is urgent waits for nothing"
    );
    // One digest, and by itself what was too many: there is no rate any more.
    assert_eq!(
        loud.iter().map(|row| (row.1.as_str(), row.2.as_str())).collect::<Vec<_>>(),
        [("folded", ""), ("folded", ""), ("pending", ""), ("pending", ""), ("pending", "")]
    );
}

#[test]
fn group_counts_against_the_rate_when_it_goes() {
    let (_dir, store) = store();
    let timing = Timing { rate: Some("2/h".parse().expect("a rate")), ..Timing::default() };
    let done = store.write("test", |tx| {
        for n in 1..=5 {
            owe(tx, n, n * 10, "levee", Some(5))?;
        }
        let_go_at(tx, 5, &timing)?;
        let gone = rows(tx);
        let_go_at(tx, 5 + HOUR / 60_000, &timing)?;
        Ok((gone, rows(tx)))
    });
    let (gone, later) = done.expect("written");
    let holds: Vec<(&str, i64)> = gone.iter().map(|row| (row.2.as_str(), row.3)).collect();
    assert_eq!(holds, [("", 5), ("", 5), ("rate", 65), ("rate", 65), ("rate", 65)]);
    assert_eq!(later.iter().filter(|row| row.1 == "folded").count(), 3);
}

#[test]
fn rate_what_it_held_back_is_told_by_itself_where_the_next_window_has_room() {
    let (_dir, store) = store();
    let timing = Timing { rate: Some("2/h".parse().expect("a rate")), ..Timing::default() };
    let done = store.write("test", |tx| {
        for n in 1..=4 {
            owe(tx, n, n * 10, "levee", Some(5))?;
        }
        let_go_at(tx, 5, &timing)?;
        let gone = rows(tx);
        let_go_at(tx, 65, &timing)?;
        owe(tx, 5, 50, "levee", Some(70))?;
        let_go_at(tx, 70, &timing)?;
        Ok((gone, rows(tx)))
    });
    let (gone, later) = done.expect("written");
    let holds = |rows: &[(i64, String, String, i64, Option<i64>)]| {
        rows.iter().map(|row| (row.1.clone(), row.2.clone(), row.3)).collect::<Vec<_>>()
    };
    let pending = |hold: &str, minute| ("pending".to_owned(), hold.to_owned(), minute);
    assert_eq!(holds(&gone), [pending("", 5), pending("", 5), pending("rate", 65), pending("rate", 65)]);
    let expected = [pending("", 5), pending("", 5), pending("", 65), pending("", 65), pending("rate", 125)];
    assert_eq!(holds(&later), expected, "they count in their new window");
}

#[test]
fn rate_and_digest_name_every_story_however_many_there_are() {
    let many = ENTRIES_MAX as i64 + 30;
    for (hold, rate) in [("rate", Some("2/h".parse().expect("a rate"))), ("digest", None)] {
        let (_dir, store) = store();
        let timing = Timing { rate, ..Timing::default() };
        let done = store.write("test", |tx| {
            for n in 1..=many {
                owe(tx, n, n * 10, "levee", Some(5))?;
                let named = serde_json::json!({"type": "alert.matched", "data": {
                    "alert": {"id": format!("alr_{n}"), "sequence": n, "reason": "first", "severity": "high"}}});
                tx.execute(
                    "UPDATE alerts SET payload = ?2 WHERE sequence = ?1",
                    params![n, named.to_string().as_bytes()],
                )?;
            }
            tx.execute("UPDATE alerts SET severity = 'critical' WHERE sequence = 1", [])?;
            tx.execute("UPDATE deliveries SET hold = ?1", [hold])?;
            let_go_at(tx, 5, &timing)?;
            let first: (i64, i64) =
                tx.query_row("SELECT count(*), min(alert) FROM deliveries WHERE state = 'folded'", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            assert_eq!(first, (ENTRIES_MAX as i64, 1), "{hold}: the most severe among them");
            let_go_at(tx, 65, &timing)?;
            let left = "SELECT count(*) FROM deliveries WHERE state = 'pending' AND hold IS NOT NULL";
            assert_eq!(tx.query_row(left, [], |row| row.get::<_, i64>(0))?, 0, "{hold}: nothing is left behind");
            let mut statement =
                tx.prepare("SELECT payload FROM alerts WHERE kind LIKE 'alerts.%' ORDER BY sequence")?;
            let payloads = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()?;
            Ok(payloads
                .iter()
                .map(|bytes| serde_json::from_slice(bytes).expect("JSON"))
                .collect::<Vec<serde_json::Value>>())
        });
        let notices = done.expect("written");
        let named = |notice: &serde_json::Value| notice["data"]["entries"].as_array().map_or(0, Vec::len);
        assert_eq!(notices.iter().map(named).sum::<usize>() as i64, many, "{hold}");
        assert_eq!(notices[0]["data"]["omitted"], 30, "{hold}");
    }
}

#[test]
fn digest_that_cannot_be_written_lets_its_alerts_go_one_by_one() {
    let (_dir, store) = store();
    let source = "{% if type == 'alerts.digest' and data.alerts > 3 %}{{ 1 // 0 }}{% endif %}{}";
    let format = Format::Template(
        crate::pipeline::alert::format::Template::compile(source, "application/json").expect("it works"),
    );
    let done = store.write("test", |tx| {
        for n in 1..=4 {
            owe(tx, n, n * 10, "levee", Some(5))?;
        }
        tx.execute("UPDATE deliveries SET hold = 'digest'", [])?;
        let (endpoint, timing) = (desk(), Timing::default());
        let what = Release { endpoint: &endpoint, format: &format, timing: &timing, instance: "i", now: at(5) };
        release(tx, &what)?;
        let state = endpoint::state(tx, &endpoint)?;
        assert_eq!(state.unwritten, 1);
        assert!(state.last_error.is_some_and(|error| error.contains("template")));
        Ok(rows(tx))
    });
    let rows = done.expect("written");
    assert!(rows.iter().all(|row| row.1 == "pending" && row.2.is_empty()), "{rows:?}");
    assert_eq!(rows.len(), 4);
}
