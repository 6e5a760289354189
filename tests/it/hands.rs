//! What people do through the page and `/v1`: with a login or a token and not without, once, under their name, and as the
//! command line would.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use wirewatch::clock::Clock;

use super::newsroom::{Newsroom, article, number, pending, until};
use super::operate::{Running, get};

/// A listener with a token, a reader's token and two people.
pub async fn guarded(more: &str) -> (Newsroom, Running, SocketAddr) {
    guarded_by(more, &Clock::system()).await
}

pub async fn guarded_by(more: &str, clock: &Clock) -> (Newsroom, Running, SocketAddr) {
    let room = Newsroom::silent(more);
    let hash = wirewatch::config::PasswordHash::new("correct horse").expect("random");
    let users = format!("ada:write:{hash}\nbob:read:{hash}\n");
    for (name, text) in [("token", "t0ken\n"), ("look", "l00k\n"), ("users", users.as_str())] {
        std::fs::write(room.path(name), text).expect("written");
        std::fs::set_permissions(room.path(name), std::fs::Permissions::from_mode(0o600)).expect("private");
    }
    let keys = "listen = \"127.0.0.1:0\"\ntoken_file = \"token\"\nread_token_file = \"look\"\nusers_file = \"users\"";
    room.reconfigure("listen = \"off\"", keys);
    let running = Running::of(&room, room.start(clock).await);
    let http = running.http.expect("it listens");
    (room, running, http)
}

/// What was answered: status, headers and body.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn cookie(&self) -> String {
        let set = self.header("set-cookie").expect("a cookie");
        for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(set.contains(word), "{set}");
        }
        set.split(';').next().expect("a pair").to_owned()
    }
}

pub async fn ask(http: SocketAddr, method: &str, path: &str, more: &str, body: &str) -> Answer {
    let length = if method == "GET" { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{more}{length}connection: close\r\n\r\n{body}");
    let answer = get(http, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    // A body may come in chunks; only its text is of interest.
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

const TOKEN: &str = "authorization: Bearer t0ken\r\n";
const JSON: &str = "content-type: application/json\r\n";

async fn verb(http: SocketAddr, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(http, method, path, &format!("{TOKEN}{JSON}"), &body).await
}

async fn read(http: SocketAddr, path: &str) -> Value {
    let answer = ask(http, "GET", path, TOKEN, "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// A form sent by a page, of whoever has the cookie.
pub async fn form(http: SocketAddr, cookie: &str, path: &str, body: &str) -> Answer {
    let more = format!(
        "cookie: {cookie}\r\naccept: text/html\r\norigin: null\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\n"
    );
    ask(http, "POST", path, &more, body).await
}

pub async fn page(http: SocketAddr, cookie: &str, path: &str) -> Answer {
    ask(http, "GET", path, &format!("cookie: {cookie}\r\naccept: text/html\r\n"), "").await
}

pub async fn log_in(http: SocketAddr, cookie: &str, name: &str, password: &str) -> Answer {
    form(http, cookie, "/login", &format!("name={name}&password={}&next=%2Ftopics", password.replace(' ', "+"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_opens_a_new_session_and_logout_ends_it() {
    let (room, running, http) = guarded("").await;
    let away = page(http, "", "/topics?x=1").await;
    assert_eq!((away.status, away.header("location")), (303, Some("/login?next=%2Ftopics%3Fx%3D1")));
    assert_eq!(page(http, "", "/login").await.status, 200);
    let wrong = log_in(http, "", "ada", "correct horsf").await;
    assert!(wrong.status == 403 && wrong.header("set-cookie").is_none(), "{}", wrong.head);
    assert!(wrong.body.contains("name or the password is wrong"), "{}", wrong.body);
    assert_eq!(log_in(http, "", "eva", "correct horse").await.status, 403);
    // A cookie that somebody planted is not what the session gets.
    let planted = "ww=AAAAAAAAAAAAAAAAAAAAAA";
    let entered = log_in(http, planted, "ada", "correct horse").await;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/topics")));
    let cookie = entered.cookie();
    assert_ne!(cookie, planted);
    assert_eq!(page(http, planted, "/topics").await.status, 303);
    let topics = page(http, &cookie, "/topics").await;
    assert!(topics.status == 200 && topics.body.contains("Log out ada"), "{}", topics.body);
    // Logging in again gives another, and the one before is over.
    let again = log_in(http, &cookie, "bob", "correct horse").await.cookie();
    assert_ne!(again, cookie);
    assert_eq!(page(http, &cookie, "/topics").await.status, 303);
    assert!(!page(http, &again, "/silences/new?topic=levee").await.body.contains("Silence it"), "bob may only look");
    assert_eq!(form(http, &again, "/silences", "topics=levee").await.status, 403);
    // The token is a password for any name.
    let by_token = log_in(http, "", "desk", "t0ken").await.cookie();
    assert_eq!(page(http, &by_token, "/").await.status, 200);
    // A link from elsewhere comes without the cookie: the page asks for itself once more.
    let linked = ask(http, "GET", "/topics", "accept: text/html\r\nsec-fetch-site: cross-site\r\n", "").await;
    assert!(linked.status == 200 && linked.body.contains("http-equiv=\"refresh\""), "{}", linked.body);
    assert!(!linked.body.contains("levee"));
    let out = form(http, &again, "/logout", "").await;
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    assert_eq!(page(http, &again, "/topics").await.status, 303);
    // Who is taken out of the file is out at once, and so is the token's session with another token.
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    assert_eq!(page(http, &cookie, "/topics").await.status, 200);
    std::fs::write(room.path("users"), "# nobody\n").expect("written");
    assert_eq!(page(http, &cookie, "/topics").await.status, 303);
    std::fs::write(room.path("token"), "another\n").expect("written");
    assert_eq!(page(http, &by_token, "/").await.status, 303);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_that_fails_too_often_waits_and_an_idle_session_ends() {
    let clock = Clock::manual(wirewatch::model::Timestamp::from_seconds(1_742_198_531));
    let (_room, running, http) = guarded_by("", &clock).await;
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    for _ in 0..5 {
        assert_eq!(log_in(http, "", "ada", "wrong").await.status, 403);
    }
    let waits = log_in(http, "", "ada", "correct horse").await;
    assert_eq!((waits.status, waits.header("retry-after")), (429, Some("10")), "{}", waits.body);
    clock.advance(Duration::from_secs(11));
    assert_eq!(log_in(http, "", "ada", "correct horse").await.status, 303);
    clock.advance(Duration::from_hours(11));
    assert_eq!(page(http, &cookie, "/").await.status, 200, "it slides");
    clock.advance(Duration::from_hours(11));
    assert_eq!(page(http, &cookie, "/").await.status, 200, "it slides");
    clock.advance(Duration::from_hours(13));
    assert_eq!(page(http, &cookie, "/").await.status, 303);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listener_without_a_token_shows_and_changes_nothing() {
    let room = Newsroom::silent("");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let (running, http) = Running::listening(&room).await;
    let sentence = "writing needs a token: `wirewatch init` makes one";
    for more in [JSON.to_owned(), format!("origin: http://localhost\r\n{JSON}"), format!("{TOKEN}{JSON}")] {
        let refused = ask(http, "POST", "/v1/silences", &more, r#"{"topics":["levee"]}"#).await;
        assert_eq!((refused.status, refused.header("content-type")), (403, Some("application/problem+json")));
        assert_eq!(refused.json()["detail"], sentence);
    }
    let refused = form(http, "", "/silences", "topics=levee").await;
    assert!(refused.status == 403 && refused.body.contains("writing needs a token"), "{}", refused.body);
    assert_eq!(number(&running.store, "SELECT count(*) FROM silences"), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_silence_and_end_it_under_a_name() {
    let (room, running, http) = guarded("").await;
    room.drop_file("a.txt", &article(0));
    until("it is told", || number(&running.store, "SELECT count(*) FROM alerts") > 0 && pending(&running.store) == 0)
        .await;
    let preview = verb(http, "POST", "/v1/silences/preview", &json!({"topics": ["levee"]})).await.json();
    assert!(preview["held_back"].as_u64() > Some(0), "{preview}");
    assert_eq!(number(&running.store, "SELECT count(*) FROM silences"), 0, "nothing is changed");
    let made = verb(
        http,
        "POST",
        "/v1/silences",
        &json!({"topics": ["levee"], "for": "2h", "comment": "known", "author": "nina"}),
    )
    .await;
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/silences/sil_1")), "{}", made.body);
    assert_eq!(made.json()["author"], "nina");
    assert_eq!(read(http, "/v1/silences/sil_1").await["active"], true);
    for (body, status, word) in [
        (json!({}), 422, "everybody"),
        (json!({"topics": ["nosuch"]}), 404, "none of this name"),
        (json!({"topic": "levee"}), 422, "`topic`"),
        (json!({"topics": ["levee"], "for": "2h", "forever": true}), 422, "one at most"),
        (json!({"topics": ["levee"], "for": "soon"}), 422, "`for`"),
        (json!({"story": "sty_0000000000000"}), 404, "no such story"),
        (json!({"topics": ["levee"], "author": "a b"}), 422, "author"),
    ] {
        let refused = verb(http, "POST", "/v1/silences", &body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.body);
        assert!(refused.json()["detail"].as_str().is_some_and(|said| said.contains(word)), "{body}: {}", refused.body);
    }
    // Twice is as once.
    for _ in 0..2 {
        let ended = verb(http, "DELETE", "/v1/silences/sil_1", &Value::Null).await;
        assert_eq!((ended.status, &ended.json()["active"]), (200, &json!(false)));
    }
    assert_eq!(verb(http, "DELETE", "/v1/silences/sil_9", &Value::Null).await.status, 404);
    let looked = ask(http, "DELETE", "/v1/silences/sil_1", "authorization: Bearer l00k\r\n", "").await;
    assert_eq!(looked.status, 403, "a token that reads");
    // The same by forms.
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    let look = page(http, &cookie, "/silences/new?topic=levee&for=1h").await;
    assert!(look.body.contains("would have held back 1 of 1 alert"), "{}", look.body);
    let saved = form(http, &cookie, "/silences", "topics=levee&for=1h&comment=").await;
    assert_eq!((saved.status, saved.header("location")), (303, Some("/silences/sil_2")), "{}", saved.body);
    let seen = page(http, &cookie, "/silences/sil_2").await.body;
    assert!(seen.contains("by ada") && seen.contains("End it now"), "{seen}");
    assert_eq!(form(http, &cookie, "/silences/sil_2/expire", "").await.status, 303);
    let seen = page(http, &cookie, "/silences/sil_2").await.body;
    assert!(!seen.contains("End it now") && seen.contains("end silence"), "{seen}");
    let refused = form(http, &cookie, "/silences", "").await;
    assert!(refused.status == 422 && refused.body.contains("<h1>"), "{}", refused.body);
    let deeds = running.store.actions(None, None, 10).expect("read");
    let said: Vec<_> = deeds.iter().rev().map(|deed| (deed.author.as_str(), deed.verb.as_str())).collect();
    assert_eq!(said, [("nina", "silence"), ("token", "end silence"), ("ada", "silence"), ("ada", "end silence")]);
    // The same for programs, in parts and by what it was done to.
    let newest = read(http, "/v1/actions?limit=3").await;
    let verbs = |list: &Value| -> Vec<String> {
        let rows = list["data"].as_array().expect("a list").iter();
        rows.map(|row| format!("{} {} {}", row["author"], row["verb"], row["about"]).replace('"', "")).collect()
    };
    assert_eq!(verbs(&newest), ["ada end silence sil_2", "ada silence sil_2", "token end silence sil_1"]);
    let next = newest["next"].as_str().expect("there is one more");
    let rest = read(http, &format!("/v1/actions?limit=3&cursor={next}")).await;
    assert_eq!((verbs(&rest), &rest["next"]), (vec!["nina silence sil_1".to_owned()], &Value::Null));
    let of_one = read(http, "/v1/actions?about=sil_2").await;
    assert_eq!(verbs(&of_one), ["ada end silence sil_2", "ada silence sil_2"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_split_merge_undo_and_label() {
    let (room, running, http) = guarded("").await;
    for n in 0..2 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    until("both are there", || number(&running.store, "SELECT count(*) FROM items") == 2).await;
    let stories = || async { read(http, "/v1/stories").await["data"].as_array().expect("a list").clone() };
    let before = stories().await;
    let id = |story: &Value| story["id"].as_str().expect("an id").to_owned();
    let [late, early] = [id(&before[0]), id(&before[1])];
    let merged =
        verb(http, "POST", &format!("/v1/stories/{late}/merge"), &json!({"other": early, "comment": "one flood"}))
            .await;
    assert_eq!(merged.status, 200, "{}", merged.body);
    let merged = merged.json();
    assert!(merged["done_at"].is_string() && merged["author"] == "token", "{merged}");
    assert_eq!(merged["items"].as_array().map(Vec::len), Some(1), "what came along is known");
    assert_eq!(stories().await.len(), 1);
    let again = verb(http, "POST", &format!("/v1/stories/{late}/merge"), &json!({"other": early})).await;
    assert!(again.status == 409 && again.body.contains("one story already"), "{}", again.body);
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    let kept = merged["into"].as_str().expect("an id").to_owned();
    let number_of = merged["number"].as_i64().expect("a number");
    let undone = form(http, &cookie, &format!("/stories/{kept}/undo"), &format!("correction={number_of}")).await;
    assert_eq!(undone.status, 303, "{}", undone.body);
    assert_eq!(stories().await.len(), 2, "they are two again");
    let split = read(http, &format!("/v1/stories/{kept}")).await["corrections"][1].clone();
    assert_eq!((&split["verb"], &split["author"]), (&json!("split"), &json!("ada")));
    // And the undoing undone.
    let undone = verb(http, "POST", &format!("/v1/stories/{kept}/undo"), &json!({"correction": split["number"]})).await;
    assert_eq!(undone.status, 200, "{}", undone.body);
    let whole = stories().await;
    assert_eq!((whole.len(), &whole[0]["items"]), (1, &json!(2)));
    assert_eq!(verb(http, "POST", &format!("/v1/stories/{kept}/undo"), &json!({"correction": 99})).await.status, 404);
    let refused = form(http, &cookie, &format!("/stories/{kept}/split"), "comment=x").await;
    assert!(refused.status == 409 && refused.body.contains("not none and not all"), "{}", refused.body);
    // Everybody heard already: that is said, and nothing is sent twice.
    let told = verb(http, "POST", &format!("/v1/stories/{kept}/tell"), &json!({"author": "nina"})).await;
    assert_eq!(told.status, 409, "{}", told.body);
    let bad = verb(http, "POST", &format!("/v1/stories/{kept}/tell"), &json!({"item": "itm_x"})).await;
    assert_eq!(bad.status, 422, "{}", bad.body);
    // Labels.
    let item = read(http, "/v1/items").await["data"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/items/{item}/labels/levee");
    let noted = verb(http, "PUT", &path, &json!({"about": true})).await;
    assert_eq!((noted.status, &noted.json()["about"]), (200, &json!(true)), "{}", noted.body);
    assert_eq!(verb(http, "PUT", &path, &json!({})).await.status, 422);
    let unknown = verb(http, "PUT", &format!("/v1/items/{item}/labels/nosuch"), &json!({"about": false})).await;
    assert!(unknown.status == 422 && unknown.body.contains("nosuch"), "{}", unknown.body);
    assert!(page(http, &cookie, &format!("/items/{item}")).await.body.contains("about <a href=\"/topics/levee\""));
    assert_eq!(form(http, &cookie, &format!("/items/{item}/label"), "topic=levee&about=no").await.status, 303);
    assert_eq!(number(&running.store, "SELECT about FROM labels"), 0);
    assert_eq!(verb(http, "DELETE", &path, &Value::Null).await.status, 200);
    assert_eq!(number(&running.store, "SELECT count(*) FROM labels"), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_replay_cancel_test_and_switch_endpoints() {
    let (room, running, http) = guarded("").await;
    room.drop_file("a.txt", &article(0));
    until("it is told", || number(&running.store, "SELECT count(*) FROM deliveries WHERE state = 'delivered'") == 1)
        .await;
    let delivery = read(http, "/v1/deliveries").await["data"][0]["id"].as_str().expect("an id").to_owned();
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    let refused = verb(http, "POST", &format!("/v1/deliveries/{delivery}/cancel"), &Value::Null).await;
    assert!(refused.status == 409 && refused.body.contains("it is delivered"), "{}", refused.body);
    let replayed = verb(http, "POST", &format!("/v1/deliveries/{delivery}/replay"), &Value::Null).await;
    assert_eq!((replayed.status, replayed.json()), (200, json!({"due_again": 1})));
    let attempts = || number(&running.store, "SELECT count(*) FROM attempts");
    until("it went out again", || attempts() == 2).await;
    assert_eq!(form(http, &cookie, &format!("/deliveries/{delivery}/replay"), "").await.status, 303);
    until("and again", || attempts() == 3).await;
    assert_eq!(verb(http, "POST", "/v1/deliveries/dlv_99/replay", &Value::Null).await.status, 404);
    let test = verb(http, "POST", "/v1/endpoints/console/test", &Value::Null).await;
    assert_eq!((test.status, &test.json()["row"]["state"]), (200, &json!("delivered")), "{}", test.body);
    let off = form(http, &cookie, "/endpoints/console/disable", "reason=moving+house").await;
    assert_eq!(off.header("location"), Some("/endpoints/console"), "{}", off.body);
    let seen = page(http, &cookie, "/endpoints/console").await.body;
    assert!(seen.contains("moving house") && seen.contains("Enable"), "{seen}");
    let refused = verb(http, "POST", "/v1/endpoints/console/test", &Value::Null).await;
    assert!(refused.status == 409 && refused.body.contains("disabled since"), "{}", refused.body);
    // What is owed meanwhile can be called off, once and again.
    room.drop_file("b.txt", &article(1));
    until("it is owed", || pending(&running.store) == 1).await;
    let owed = read(http, "/v1/deliveries?state=pending").await["data"][0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..2 {
        let off = verb(http, "POST", &format!("/v1/deliveries/{owed}/cancel"), &Value::Null).await;
        assert_eq!((off.status, &off.json()["state"]), (200, &json!("cancelled")), "{}", off.body);
    }
    for _ in 0..2 {
        let on = verb(http, "POST", "/v1/endpoints/console/enable", &Value::Null).await;
        assert!(on.status == 200 && on.json()["state"]["disabled"].is_null(), "{}", on.body);
    }
    let parked = verb(http, "POST", "/v1/endpoints/console/replay-parked", &json!({"since": "7d"})).await;
    assert_eq!((parked.status, parked.json()), (200, json!({"due_again": 0})));
    assert_eq!(verb(http, "POST", "/v1/endpoints/nosuch/enable", &Value::Null).await.status, 404);
    let big = "x".repeat(70_000);
    assert_eq!(verb(http, "POST", "/v1/endpoints/console/disable", &json!({"reason": big})).await.status, 413);
    let plain = format!("{TOKEN}content-type: text/plain\r\n");
    assert_eq!(ask(http, "POST", "/v1/silences", &plain, "levee").await.status, 415);
    assert_eq!(verb(http, "POST", "/v1/feeds/nosuch/poll", &Value::Null).await.status, 404);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_tried_on_what_is_stored_and_change_nothing() {
    let (room, running, http) = guarded("").await;
    for n in 0..3 {
        room.drop_file(&format!("{n}.txt"), &article(n));
    }
    room.drop_file(
        "calm.txt",
        "Harbour opens a garden\n\nVolunteers planted roses along the quay, and nothing else happened all day.\n",
    );
    until("all are there", || number(&running.store, "SELECT count(*) FROM items") == 4).await;
    let cookie = log_in(http, "", "bob", "correct horse").await.cookie();
    let shown = page(http, &cookie, "/topics/levee/try").await;
    assert!(
        shown.status == 200 && shown.body.contains("[[topics]]") && shown.body.contains("4 items"),
        "{}",
        shown.body
    );
    let rules = "[[topics]]\nid = \"levee\"\nthreshold = 5.0\n[[topics.terms]]\nmatch = \"roses\"\nweight = 6.0\n\
                 [[topics.terms]]\nmatch = \"tulips\"\nweight = 6.0\n";
    let encoded: String = url::form_urlencoded::byte_serialize(rules.as_bytes()).collect();
    let tried = form(http, &cookie, "/topics/levee/try", &format!("window=24h&text={encoded}")).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
    for words in [
        "Read all of 4 items",
        "Gained: 1",
        "Lost: 3",
        "Harbour opens a garden",
        "<strong>never</strong>",
        "topics = [&quot;levee&quot;]",
    ] {
        assert!(tried.body.contains(words), "{words}: {}", tried.body);
    }
    let only = form(http, &cookie, "/topics/levee/try", &format!("part=trial&window=24h&text={encoded}")).await;
    assert!(only.body.starts_with("<div id=\"trial\"") && only.body.trim_end().ends_with("</div>"), "{}", only.body);
    let wrong =
        form(http, &cookie, "/topics/levee/try", "text=%5B%5Btopics%5D%5D%0D%0Aid+%3D+%22levee%22%0D%0Aterms+%3D+3")
            .await;
    assert!(wrong.status == 200 && wrong.body.contains("rules:3:9"), "{}", wrong.body);
    let other = form(http, &cookie, "/topics/levee/try", "text=%5B%5Bfeeds%5D%5D").await;
    assert!(other.body.contains("`feeds` has no place here"), "{}", other.body);
    let tried = verb(http, "POST", "/v1/preview", &json!({"topic": "levee", "text": rules, "window": "24h"})).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
    let tried = tried.json();
    assert_eq!((&tried["account"]["gained_count"], &tried["account"]["lost_count"]), (&json!(1), &json!(3)), "{tried}");
    let wrong = verb(http, "POST", "/v1/preview", &json!({"topic": "levee", "text": "[[topics]]"})).await;
    assert!(wrong.status == 422 && wrong.body.contains("rules:1"), "{}", wrong.body);
    assert_eq!(form(http, &cookie, "/topics/nosuch/try", "text=x").await.status, 404);
    assert_eq!(form(http, &cookie, "/topics/levee/try", "window=90d&text=x").await.status, 422);
    assert_eq!(form(http, &cookie, "/topics/levee/try", &format!("text={}", "x".repeat(70_000))).await.status, 413);
    assert_eq!(number(&running.store, "SELECT count(*) FROM actions"), 0);
    running.stop().await;
}

/// `users` with a password on standard input.
async fn users(room: &Newsroom, arguments: &[&str], password: &str) -> std::process::Output {
    let mut command = super::crash::command(room);
    command.arg("users").args(arguments).stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let password = format!("{password}\n");
    let run = move || {
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // One that asks for none may have ended.
        let _ = std::io::Write::write_all(&mut stdin, password.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_added_and_removed_and_heeded_at_once() {
    let room = Newsroom::silent("");
    let none = users(&room, &["add", "ada"], "correct horse").await;
    assert_eq!(none.status.code(), Some(65), "{none:?}");
    assert!(super::program::text(&none.stderr).contains("users_file ="), "{none:?}");
    room.reconfigure("listen = \"off\"", "listen = \"127.0.0.1:0\"\nusers_file = \"secrets/users\"");
    let (running, http) = Running::listening(&room).await;
    assert_eq!(log_in(http, "", "ada", "correct horse").await.status, 403, "nobody is there yet");
    for (arguments, password, code, word) in [
        (["add", "a:b"].as_slice(), "correct horse", 64, "letters"),
        (&["add", "ada"], "short", 65, "8 characters"),
        (&["remove", "ada"], "", 65, "nobody of this name"),
        (&["add", "ada"], "correct horse", 0, ""),
        (&["add", "bob", "--role", "read"], "battery staple", 0, ""),
    ] {
        let done = users(&room, arguments, password).await;
        let said = super::program::text(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(word), "{arguments:?}: {done:?}");
    }
    let file = room.path("secrets/users");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).expect("read").contains("horse"));
    let listed = super::program::json(&users(&room, &["list", "--json"], "").await);
    assert_eq!(listed, [json!({"name": "ada", "role": "write"}), json!({"name": "bob", "role": "read"})]);
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    assert_eq!(page(http, &cookie, "/").await.status, 200);
    assert!(users(&room, &["add", "ada"], "another horse").await.status.success());
    assert_eq!(page(http, &cookie, "/").await.status, 303, "another password ends what was opened with the old one");
    assert!(users(&room, &["remove", "ada"], "").await.status.success());
    assert_eq!(log_in(http, "", "ada", "another horse").await.status, 403);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verb_polls_a_feed_that_is_not_due() {
    let feeds = super::feed_server::FeedServer::start().await;
    feeds.feed("/wire", "\"1\"", &super::feed_server::rss_articles(0..2));
    let feed = format!(
        "[[feeds]]\nid = \"wire\"\nurl = \"{}\"\ninterval = \"1h\"\nbackfill = \"all\"\nallow_private = [\"127.0.0.0/8\"]\n",
        feeds.url("/wire")
    );
    let (_room, running, http) = guarded(&feed).await;
    until("the first poll is stored", || number(&running.store, "SELECT count(*) FROM items") == 2).await;
    feeds.feed("/wire", "\"2\"", &super::feed_server::rss_articles(0..3));
    let polled = verb(http, "POST", "/v1/feeds/wire/poll", &json!({"author": "nina"})).await;
    assert_eq!((polled.status, &polled.json()["id"]), (200, &json!("wire")), "{}", polled.body);
    until("it was polled again", || number(&running.store, "SELECT count(*) FROM items") == 3).await;
    assert_eq!(feeds.asked("/wire").len(), 2);
    let cookie = log_in(http, "", "ada", "correct horse").await.cookie();
    assert!(page(http, &cookie, "/feeds/wire").await.body.contains("<strong>nina</strong>: poll"));
    assert_eq!(form(http, &cookie, "/feeds/wire/poll", "").await.header("location"), Some("/feeds/wire"));
    until("and once more", || feeds.asked("/wire").len() == 3).await;
    running.stop().await;
}
