//! Receivers that misbehave, each over a real socket with the time moved by hand: whatever they do, an alert
//! arrives or is listed with the reason, under one id with one body, and nobody else waits for it. Cases and
//! tests stand side by side in docs/development/fault-cases.md.

use std::time::Duration;

use serde_json::Value;
use wirewatch::app::{App, Parts};
use wirewatch::clock::Clock;
use wirewatch::deliver::console::{Console, Style};
use wirewatch::deliver::{EndpointConfig, PayloadFormat};
use wirewatch::model::Timestamp;
use wirewatch::store::outbox::{self, DeliveryState, Replay};

use super::deliver::{Bed, SECRET, START, endpoint, is_signed_with, name, verify, write_secret, write_secret_as};
use super::feed_tls;
use super::newsroom::{Newsroom, body};
use super::receiver::{Answer, Receiver};

const HOUR: Duration = Duration::from_secs(3600);
const SECRET_OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn vectors_go_over_the_wire_as_published() {
    let vectors = [
        (
            SECRET,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            SECRET_OLD,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ];
    for (secret, id, at, body, signature) in vectors {
        let receiver = Receiver::start().await;
        let mut bed = Bed::new(Vec::new());
        let secret_file = Some(write_secret(&bed, secret));
        bed.reload(vec![EndpointConfig { secret_file, ..endpoint("desk", receiver.url()) }]);
        bed.clock.set(Timestamp::from_seconds(at));
        bed.run();
        bed.owe_these([(1, id.to_owned(), body.to_owned())], &["desk"]);
        receiver.wait_for(1).await;
        let request = &receiver.received()[0];
        assert_eq!((request.id.as_str(), request.timestamp.clone()), (id, at.to_string()));
        assert_eq!(request.signature, format!("v1,{signature}"));
        assert_eq!(request.body, body.as_bytes());
        bed.stop().await;
    }
}

#[tokio::test]
async fn refusals_are_tried_again_by_schedule_with_a_hint() {
    let payload = "is it an endpoint for this format";
    let cases = [
        (400, payload),
        (401, "secret or clock?"),
        (403, "secret or clock?"),
        (404, "is the path right"),
        (405, payload),
        (408, "answered 408"),
        (413, payload),
        (415, payload),
        (422, payload),
        (425, "answered 425"),
    ];
    for (status, hint) in cases {
        let receiver = Receiver::start().await;
        receiver.script([Answer::status(status)]);
        let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
        let ids = bed.owe(1..=2, &["desk"]);
        // The other alert goes out all the same: nothing is known against the endpoint.
        bed.attempts(ids[1], 1).await;
        let detail = bed.show(ids[0]);
        assert_eq!((detail.row.state, detail.row.last_status), (DeliveryState::Pending, Some(status)));
        assert!(detail.row.last_error.as_deref().is_some_and(|e| e.contains(hint)), "{status}: {:?}", detail.row);
        let health = bed.store.read("health", |c| outbox::health(c, &name("desk"))).expect("read");
        assert_eq!((health.state.not_before, health.state.disabled), (None, None), "{status}");
        let waited = bed.advance_to_due(ids[0]).as_secs_f64();
        assert!((4.0..=6.0).contains(&waited), "{status}: {waited}");
        assert_eq!(bed.attempts(ids[0], 2).await.row.state, DeliveryState::Delivered);
        let received = receiver.received();
        assert_eq!((received[0].id.as_str(), received[2].id.as_str()), ("alr_1", "alr_1"));
        assert_eq!(received[0].body_hash(), received[2].body_hash());
        bed.stop().await;
    }
}

#[tokio::test]
async fn overload_is_left_alone_for_a_minute_at_least() {
    for (answer, seconds) in [
        (Answer::status(502), 60),
        (Answer::with(503, "Retry-After: 5"), 60),
        (Answer::with(504, "Retry-After: 90"), 90),
        (Answer::with(503, "Retry-After: soon"), 60),
    ] {
        let receiver = Receiver::start().await;
        receiver.script([answer.clone()]);
        let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, ..endpoint("desk", receiver.url()) }]);
        let ids = bed.owe(1..=2, &["desk"]);
        let detail = bed.attempts(ids[0], 1).await;
        assert_eq!(detail.row.due_at, START.plus(Duration::from_secs(seconds)), "{answer:?}");
        bed.clock.advance(Duration::from_millis(seconds * 1000 - 1));
        bed.waker.wake();
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(receiver.count(), 1, "{answer:?}");
        bed.clock.advance(Duration::from_millis(1));
        receiver.wait_for(3).await;
        bed.until("both delivered", |bed| bed.count("desk", DeliveryState::Delivered) == 2).await;
        bed.stop().await;
    }
}

#[tokio::test]
async fn limit_in_header_or_body_is_kept() {
    let discord = r#"{"message":"You are being rate limited.","retry_after":2.5,"global":false}"#;
    for (format, answer, millis) in [
        (PayloadFormat::Standard, Answer::with(429, "Retry-After: 7"), 7_000),
        (PayloadFormat::Discord, Answer::Status(429, Vec::new(), discord.to_owned()), 2_500),
        (PayloadFormat::Standard, Answer::with(429, "Retry-After: -5"), 60_000),
        (PayloadFormat::Standard, Answer::with(429, "Retry-After: 99999999999999999999"), 24 * 3_600_000),
        (PayloadFormat::Standard, Answer::with(429, "Retry-After: Mon, 17 Mar 2025 08:12:11 GMT"), 600_000),
    ] {
        let receiver = Receiver::start().await;
        receiver.script([answer.clone()]);
        let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, format, ..endpoint("desk", receiver.url()) }]);
        let ids = bed.owe(1..=2, &["desk"]);
        bed.attempts(ids[0], 1).await;
        let health = bed.store.read("health", |c| outbox::health(c, &name("desk"))).expect("read");
        let until = START.plus(Duration::from_millis(millis));
        assert_eq!((health.state.not_before, health.state.throttled), (Some(until), true), "{answer:?}");
        assert!(bed.show(ids[0]).row.due_at >= until, "{answer:?}");
        assert_eq!(receiver.count(), 1, "{answer:?}");
        bed.clock.advance(Duration::from_millis(millis));
        bed.until("the other goes out", |bed| bed.show(ids[1]).row.state == DeliveryState::Delivered).await;
        bed.clock.advance(Duration::from_secs(10));
        bed.until("both delivered", |bed| bed.count("desk", DeliveryState::Delivered) == 2).await;
        bed.stop().await;
    }
}

#[tokio::test]
async fn invalid_payload_of_a_chat_service_parks_that_message_alone() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(400, Vec::new(), "invalid_blocks".to_owned()), Answer::status(200)]);
    let format = PayloadFormat::Slack;
    let mut bed = Bed::start(vec![EndpointConfig { concurrency: 1, format, ..endpoint("chat", receiver.url()) }]);
    let ids = bed.owe(1..=2, &["chat"]);
    bed.attempts(ids[1], 1).await;
    receiver.otherwise(Answer::Status(400, Vec::new(), "invalid_blocks".to_owned()));
    for attempt in 2..=3 {
        bed.advance_to_due(ids[0]);
        bed.attempts(ids[0], attempt).await;
    }
    let (parked, fine) = (bed.show(ids[0]), bed.show(ids[1]));
    assert_eq!((parked.row.state, parked.attempts.len()), (DeliveryState::Parked, 3));
    assert!(parked.row.last_error.expect("a reason").contains("invalid_blocks"));
    assert_eq!(fine.row.state, DeliveryState::Delivered);
    bed.stop().await;
}

#[tokio::test]
async fn answer_after_the_timeout_is_none_and_the_same_id_comes_again() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::After(Duration::from_millis(400), Box::new(Answer::status(200)))]);
    let timeout = Duration::from_millis(100);
    let mut bed = Bed::start(vec![EndpointConfig { timeout, ..endpoint("desk", receiver.url()) }]);
    let id = bed.owe(1..=1, &["desk"])[0];
    let late = bed.attempts(id, 1).await;
    assert_eq!((late.row.state, late.attempts[0].outcome.as_str()), (DeliveryState::Pending, "timeout"));
    assert!(late.row.last_error.expect("a reason").contains("dedupe by `webhook-id`"));
    bed.until("counted", |bed| bed.counters.maybe_received() == 1).await;
    // The late answer comes to a connection that nobody reads any more, and is no answer to the next.
    tokio::time::sleep(Duration::from_millis(400)).await;
    bed.advance_to_due(id);
    assert_eq!(bed.attempts(id, 2).await.row.state, DeliveryState::Delivered);
    let received = receiver.received();
    assert_eq!((received.len(), received[1].attempt), (2, 2));
    assert_eq!(received[0].body_hash(), received[1].body_hash());
    bed.stop().await;
}

#[tokio::test]
async fn dead_for_three_days_beside_healthy_ones_loses_nothing() {
    const PER_HOUR: i64 = 4;
    let (dead, healthy, other) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    dead.otherwise(Answer::status(500));
    let mut bed = Bed::start(vec![
        endpoint("dead", dead.url()),
        endpoint("healthy", healthy.url()),
        endpoint("other", other.url()),
    ]);
    for hour in 0..72 {
        bed.owe(hour * PER_HOUR + 1..=(hour + 1) * PER_HOUR, &["dead", "healthy", "other"]);
        let so_far = ((hour + 1) * PER_HOUR) as usize;
        // Before the clock moves on: in the hour they were decided, whatever the dead one has to try again.
        healthy.wait_for(so_far).await;
        other.wait_for(so_far).await;
        bed.clock.advance(HOUR);
    }
    let all = (72 * PER_HOUR) as usize;
    bed.until("recorded", |bed| bed.count("healthy", DeliveryState::Delivered) == all).await;
    assert_eq!((healthy.count(), other.count()), (all, all), "each once");
    let owed = bed.count("dead", DeliveryState::Pending) + bed.count("dead", DeliveryState::Parked);
    assert_eq!(owed, all, "nothing is dropped");
    let health = bed.store.read("health", |c| outbox::health(c, &name("dead"))).expect("read");
    assert_eq!((health.state.failing_since.is_some(), health.state.disabled), (true, None));
    // It comes back: what is still owed arrives by itself, what was parked by a replay.
    dead.otherwise(Answer::status(200));
    let now = bed.clock.now();
    bed.store.write("replay", |tx| outbox::replay(tx, &Replay::Parked, None, now)).expect("written");
    bed.until("everything arrives", |bed| {
        bed.clock.advance(HOUR);
        bed.count("dead", DeliveryState::Delivered) == all
    })
    .await;
    bed.stop().await;
}

#[tokio::test]
async fn flapping_receiver_gets_each_alert_and_raises_no_alarm() {
    const ALERTS: i64 = 30;
    let (flapping, operations) = (Receiver::start().await, Receiver::start().await);
    let mut bed = Bed::start(vec![
        EndpointConfig { concurrency: 1, ..endpoint("flapping", flapping.url()) },
        endpoint("operations", operations.url()),
    ]);
    let broken = [Answer::status(500), Answer::Reset, Answer::status(408)];
    flapping.script((0..ALERTS as usize).flat_map(|n| [broken[n % 3].clone(), Answer::status(200)]));
    let ids = bed.owe(1..=ALERTS, &["flapping"]);
    bed.until("everything arrives", |bed| {
        bed.clock.advance(Duration::from_secs(60));
        bed.count("flapping", DeliveryState::Delivered) == ALERTS as usize
    })
    .await;
    let attempts: usize = ids.iter().map(|id| bed.show(*id).attempts.len()).sum();
    assert_eq!(attempts, flapping.count(), "each request is an attempt on record");
    assert_eq!(attempts, 2 * ALERTS as usize, "as often as it broke, and once more each");
    let health = bed.store.read("health", |c| outbox::health(c, &name("flapping"))).expect("read");
    assert_eq!((health.state.failing_since, health.state.disabled, health.pending), (None, None, 0));
    assert_eq!(operations.count(), 0, "no alarm for what mends itself within the hour");
    bed.stop().await;
}

#[tokio::test]
async fn secrets_that_cannot_be_used_let_nothing_out_unsigned() {
    use std::os::unix::fs::PermissionsExt;
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(Vec::new());
    let cases = [
        ("empty", "", "whsec_"),
        ("plain", "correct horse battery staple", "one line"),
        ("not-base64", "whsec_???", "base64"),
        ("too-short", "whsec_c2hvcnQ=", "bytes"),
        ("half-a-pair", "whsk_c2hvcnQ=", "bytes"),
    ];
    let mut endpoints: Vec<EndpointConfig> = Vec::new();
    for (id, text, _) in cases {
        let secret_file = Some(write_secret_as(&bed, id, text));
        endpoints.push(EndpointConfig { secret_file, ..endpoint(id, receiver.url()) });
    }
    let readable = write_secret_as(&bed, "readable", SECRET);
    std::fs::set_permissions(&readable, std::fs::Permissions::from_mode(0o644)).expect("mode");
    endpoints.push(EndpointConfig { secret_file: Some(readable), ..endpoint("readable", receiver.url()) });
    let missing = Some(bed.dir.path().join("nowhere"));
    endpoints.push(EndpointConfig { secret_file: missing, ..endpoint("missing", receiver.url()) });
    let credential = Some("desk".to_owned());
    endpoints.push(EndpointConfig { secret_credential: credential, ..endpoint("credential", receiver.url()) });
    let words: Vec<(&str, &str)> = cases
        .iter()
        .map(|(id, _, word)| (*id, *word))
        .chain([("readable", "readable by others"), ("missing", "nowhere"), ("credential", "desk")])
        .collect();
    let names: Vec<&str> = words.iter().map(|(id, _)| *id).collect();
    bed.reload(endpoints);
    bed.run();
    let ids = bed.owe(1..=1, &names);
    for (id, (endpoint, word)) in ids.iter().zip(&words) {
        let detail = bed.attempts(*id, 1).await;
        assert_eq!(detail.attempts[0].outcome, "secret", "{endpoint}");
        let error = detail.row.last_error.expect("a reason");
        assert!(error.contains(word), "{endpoint}: {error}");
        assert!(!error.contains("MfKQ9r8G") && !error.contains("horse"), "{endpoint}: {error}");
    }
    assert_eq!(receiver.count(), 0);
    bed.stop().await;
}

#[tokio::test]
async fn rotation_signs_with_both_keys_until_its_end() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(Vec::new());
    let secret_file = Some(write_secret(&bed, SECRET));
    let secret_old = Some((write_secret_as(&bed, "old", SECRET_OLD), START.plus(HOUR)));
    bed.reload(vec![EndpointConfig { secret_file, secret_old, ..endpoint("desk", receiver.url()) }]);
    bed.run();
    bed.owe(1..=1, &["desk"]);
    receiver.wait_for(1).await;
    let signed = |n: usize| {
        let request = receiver.received()[n].clone();
        let now = bed.clock.now();
        let count = request.signature.split(' ').count();
        (count, is_signed_with(&request, SECRET, now), is_signed_with(&request, SECRET_OLD, now))
    };
    assert_eq!(signed(0), (2, true, true), "receivers may change when they like");
    bed.clock.advance(Duration::from_secs(3599));
    bed.owe(2..=2, &["desk"]);
    receiver.wait_for(2).await;
    assert_eq!(signed(1), (2, true, true));
    bed.clock.advance(Duration::from_secs(1));
    bed.owe(3..=3, &["desk"]);
    receiver.wait_for(3).await;
    assert_eq!(signed(2), (1, true, false), "the end is the end, without a reload");
    bed.stop().await;
}

#[tokio::test]
async fn own_headers_arrive_and_leave_ours_alone() {
    let receiver = Receiver::start().await;
    let mut bed = Bed::new(Vec::new());
    let secret_file = Some(write_secret(&bed, SECRET));
    let headers = vec![("x-team".to_owned(), "desk".to_owned()), ("x-empty".to_owned(), String::new())];
    bed.reload(vec![EndpointConfig { secret_file, headers, ..endpoint("desk", receiver.url()) }]);
    bed.run();
    bed.owe(1..=1, &["desk"]);
    receiver.wait_for(1).await;
    let request = &receiver.received()[0];
    assert_eq!((request.header("x-team"), request.header("x-empty")), (Some("desk"), Some("")));
    assert_eq!(request.header("content-type"), Some("application/json"));
    for once in ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-length", "host"] {
        let times = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(once)).count();
        assert_eq!(times, 1, "{once}");
    }
    verify(request, START);
    bed.stop().await;
}

#[tokio::test]
async fn custom_authority_is_trusted_where_it_is_named() {
    let authority = feed_tls::authority();
    let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned();
    let port = feed_tls::serve(feed_tls::valid(&["localhost"]), Some(&authority), answer).await;
    let url = url::Url::parse(&format!("https://localhost:{port}/hook")).expect("a url");
    let mut bed = Bed::new(Vec::new());
    let ca_file = bed.dir.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).expect("written");
    let broken = bed.dir.path().join("broken.pem");
    std::fs::write(&broken, "no certificate").expect("written");
    let with = |id: &str, ca_file| {
        let allow_private =
            ["127.0.0.0/8", "::1/128"].map(|range| wirewatch::net::Cidr::parse(range).expect("a range"));
        EndpointConfig { ca_file, allow_private: allow_private.to_vec(), ..endpoint(id, url.clone()) }
    };
    bed.reload(vec![with("trusting", Some(ca_file)), with("strict", None), with("broken", Some(broken))]);
    bed.run();
    let ids = bed.owe(1..=1, &["trusting", "strict", "broken"]);
    assert_eq!(bed.attempts(ids[0], 1).await.row.state, DeliveryState::Delivered);
    let strict = bed.attempts(ids[1], 1).await;
    assert_eq!(strict.attempts[0].outcome, "tls");
    assert!(strict.row.last_error.expect("a reason").contains("ca_file"));
    let broken = bed.attempts(ids[2], 1).await;
    assert_eq!(broken.attempts[0].outcome, "endpoint");
    assert!(broken.row.last_error.expect("a reason").contains("broken.pem"));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_titles_are_data_in_every_format() {
    let title = "Levee <!channel> <@U1> @everyone [x](http://y.example) {{ 1234567*7 }} {% raw %} ${now} \"}]";
    let receiver = Receiver::start().await;
    let formats = ["cloudevents", "slack", "discord", "teams", "mattermost", "ntfy", "template"];
    let endpoint = |format: &&str| {
        let template = if *format == "template" { "template_file = \"t.json\"\n" } else { "" };
        format!(
            "[[endpoints]]\nid = \"{format}\"\nformat = \"{format}\"\nurl = \"{}\"\nheaders = [\"x-format: {format}\"]\ngroup_wait = \"0s\"\n\
             allow_private = [\"127.0.0.0/8\"]\n{template}",
            receiver.url()
        )
    };
    let more = formats.iter().map(endpoint).collect::<Vec<_>>().concat();
    // The template must be there before the config is read.
    let room = Newsroom::new(&receiver, "");
    std::fs::write(room.path("t.json"), "{\"title\": {{ data.story.title or data.summary }}}").expect("written");
    room.reconfigure("[[endpoints]]", &format!("{more}[[endpoints]]"));
    let item = serde_json::json!([{"title": title, "text": body(1), "url": "https://news.example/1"}]);
    room.drop_file("hostile.json", &item.to_string());
    let console = Console::to(Box::new(std::io::sink()), Style::plain(80));
    let parts = Parts { config: room.config(), place: String::new(), clock: Clock::manual(START), console };
    App::run_once(parts).await.expect("a round");
    assert_eq!(receiver.count(), formats.len() + 1);
    for request in receiver.received() {
        let format = request.header("x-format").unwrap_or("standard").to_owned();
        let value: Value = serde_json::from_slice(&request.body).unwrap_or_else(|e| panic!("{format}: {e}"));
        let text = value.to_string();
        assert!(!text.contains("8641969"), "{format} worked out what stood in a title: {text}");
        match format.as_str() {
            "standard" | "cloudevents" => assert_eq!(value["data"]["item"]["title"], title),
            "template" => assert_eq!(value["title"], title),
            // Rich text holds what it is given; only the line above the blocks is read for mentions.
            "slack" => {
                let line = value["text"].as_str().expect("a line");
                assert!(!line.contains("<!channel>") && !line.contains("<@U1>"), "{line}");
                assert_eq!(value["blocks"][0]["type"], "rich_text", "{text}");
            }
            "discord" => assert_eq!(value["allowed_mentions"]["parse"], serde_json::json!([])),
            // The fallback is plain text, where a link is none.
            "mattermost" => {
                let attachment = &value["attachments"][0];
                let marked = format!("{}{}", attachment["text"], attachment["pretext"]);
                assert!(!text.contains("@everyone") && !marked.contains("](http"), "{text}");
            }
            "teams" => assert!(!text.contains("{{") && !text.contains("${"), "{text}"),
            _ => assert!(value["title"].is_string() && value["message"].is_string(), "{text}"),
        }
    }
}
