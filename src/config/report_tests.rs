//! Every problem is found at once and shown as people will read it, and nothing secret is shown.

use super::tests::{load, load_with, private, refused, whats};
use super::*;

#[test]
fn report_shows_each_problem_at_its_place() {
    let main = "\
[polling]
connect_timeout = 10
fetch_max = 3
[[feeds]]
id = \"a\"
url = \"ftp://x.example/\"
interval = \"10s\"
";
    let expected = "\
error: `connect_timeout` must be a duration such as \"15m\"
 --> wirewatch.toml:2:19
  |
2 | connect_timeout = 10
  |                   ^^ found the number 10
  |
  = help: write \"10s\" if seconds are meant

error: unknown key `fetch_max` in [polling]
 --> wirewatch.toml:3:1
  |
3 | fetch_max = 3
  | ^^^^^^^^^ not a key
  |
  = help: did you mean `fetches_max`?

error: `url` must be an http or https URL
 --> wirewatch.toml:6:7
  |
6 | url = \"ftp://x.example/\"
  |       ^^^^^^^^^^^^^^^^^^ `ftp:` is not fetched

error: `interval` is out of range
 --> wirewatch.toml:7:12
  |
7 | interval = \"10s\"
  |            ^^^^^ less than 1m
  |
  = help: polling.interval_floor is the least, but for feeds with `allow_private`

warning: nothing is watched: no feed, no seed directory

warning: no topic: nothing will ever match

warning: no endpoint: alerts are stored but go nowhere

4 errors, 3 warnings
";
    let shown = refused(main, &[]);
    assert!(shown == expected, "{shown}");
}

#[test]
fn report_duplicate_ids_points_at_both_files() {
    let shown = refused(
        "include = [\"b.toml\"]\n[[feeds]]\nid = \"a\"\nurl = \"https://x.example/\"\n",
        &[("b.toml", "# more\n[[feeds]]\nid = \"a\"\nurl = \"https://y.example/\"\n")],
    );
    let expected = "\
error: feed `a` is there twice
 --> b.toml:3:6
  |
3 | id = \"a\"
  |      ^^^ second use
  |
 ::: wirewatch.toml:3:6
  |
3 | id = \"a\"
  |      --- first used here
";
    assert!(shown.starts_with(expected), "{shown}");
}

#[test]
fn problems_of_every_kind_are_found() {
    let feed = |rest: &str| format!("[[feeds]]\nid = 'f'\nurl = 'https://x.example/'\n{rest}");
    let topic = |rest: &str| format!("[[topics]]\nid = 't'\n{rest}");
    let endpoint = |rest: &str| format!("[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\n{rest}");
    let cases: Vec<(String, &str)> = vec![
        ("[poling]\n".into(), "unknown key `poling` in the top level (not a key)"),
        ("[defaults.feeds]\n".into(), "unknown key `feeds` in [defaults] (not a key)"),
        ("[defaults.feed]\nurl = 'x'\n".into(), "unknown key `url` in [defaults.feed] (not a key)"),
        ("polling = 3\n".into(), "`polling` must be a table (found the number 3)"),
        ("feeds = 3\n".into(), "`feeds` must be a list of tables (found the number 3)"),
        ("[[polling]]\n".into(), "`polling` must be a table (found a list)"),
        ("[daemon]\nthreads = 1000\n".into(), "`threads` is out of range (more than 256)"),
        ("[daemon]\nthreads = '4'\n".into(), "`threads` must be a whole number (found the text \"4\")"),
        (
            "[daemon]\nlog = 'loud'\nlog_format = 'txt'".into(),
            "`log_format` must be one of \"text\", \"json\" (not one of them)",
        ),
        ("[daemon]\ninstance = 'My Desk'\n".into(), "`instance` must be a name (not a name)"),
        (
            "[limits]\ndocument_max = '10 mb'\n".into(),
            "`document_max` must be a size such as \"10MiB\" (`mb` is no unit)",
        ),
        (
            "[limits]\ndocument_max = 10\n".into(),
            "`document_max` must be a size such as \"10MiB\" (found the number 10)",
        ),
        ("[limits]\ndocument_max = '1B'\n".into(), "`document_max` is out of range (less than 1KiB)"),
        ("[retention]\ntexts = 'never'\n".into(), "`texts` must be a duration such as \"15m\" (a number is missing)"),
        ("[retention]\ntexts = 'forever'\n".into(), "`texts` must not be longer than `items` (kept longer)"),
        (
            "[http]\nlisten = 'localhost'\n".into(),
            "`listen` must be an address and port such as \"127.0.0.1:7411\", or \"off\" (not an address and port)",
        ),
        ("[http]\nlisten = '[::]:80'\n".into(), "`listen` needs `token_file` (reachable from other machines)"),
        ("[http]\ntoken_file = 'gone'\n".into(), "`token_file` must name a file that can be read"),
        ("[alerts]\ngrowth = [10, 3]\n".into(), "`growth` must rise (not in rising order)"),
        ("[alerts]\ngrowth = 3\n".into(), "`growth` must be a list (found the number 3)"),
        ("[delivery]\nschedule = []\n".into(), "`schedule` must have 1 to 100 waits (not so many)"),
        ("[delivery]\njitter = 3\n".into(), "`jitter` is out of range (more than 0.5)"),
        ("[delivery]\njitter = nan\n".into(), "`jitter` is out of range"),
        ("[delivery]\nuser_agent = \"a\\nb\"\n".into(), "`user_agent` must be 1 to 256 printable ASCII characters"),
        ("[[feeds]]\nid = 'a'\n".into(), "`url` is missing (this entry has no `url`)"),
        ("[[feeds]]\nurl = 'https://x.example'\n".into(), "`id` is missing"),
        (
            "[[feeds]]\nid = 'Ä b'\nurl = '/x'\n".into(),
            "`url` must be an http or https URL (relative URL without a base)",
        ),
        (feed("allow_private = ['10.0.0.0/33']"), "`allow_private` must hold address ranges (not an address range)"),
        (feed("allow_private = '10.0.0.0/8'"), "`allow_private` must be a list"),
        (feed("backfill = 'some'"), "`backfill` must be \"none\", \"all\", or how many of the newest items alert"),
        (feed("backfill = -1"), "`backfill` is out of range"),
        (feed("full_text = 'yes'"), "`full_text` must be one of \"off\", \"on\", \"if_short\""),
        (feed("interval = '1h'\ninterval_max = '30m'"), "`interval_max` must not be less than `interval`"),
        (feed("interval_max = '90d'"), "`interval_max` is out of range"),
        (feed("headers = ['x-client']"), "`headers` must have the form \"name: value\" (no colon)"),
        (feed("headers = ['Cookie: CANARY']"), "`headers` has a header that is a secret"),
        (feed("headers = ['If-None-Match: x']"), "`headers` has a header that is written by wirewatch itself"),
        (feed("headers = [\"x: a\\nb\"]"), "`headers` must be printable ASCII with a header name"),
        (feed("timeout = '2h'"), "`timeout` is out of range"),
        ("[polling]\nspacing_scope = 'site'\n".into(), "`spacing_scope` must be one of \"host\", \"feed\""),
        ("[polling]\npages_per_hour_max = 0\n".into(), "`pages_per_hour_max` is out of range"),
        ("[polling]\nproxy = 'http://u:CANARY@p.example/'\n".into(), "`proxy` must not hold credentials"),
        ("[polling]\nproxy = 'socks5://p.example/'\n".into(), "`proxy` must be an http or https URL"),
        (feed("lang = 'english'"), "`lang` must be a language code such as \"en\""),
        (feed("enabled = 'yes'"), "`enabled` must be true or false (found the text \"yes\")"),
        (feed("password = 'x'"), "unknown key `password` in [[feeds]]"),
        (topic("terms = [{ weight = 1 }]"), "`match` is missing"),
        (topic("terms = [{ match = ' ' }]"), "`match` must be a query (it is empty)"),
        (topic("terms = ['word']"), "`terms` must be a list of tables (found the text \"word\")"),
        (
            topic("terms = [{ id = 'a', match = 'x' }, { id = 'a', match = 'y' }]"),
            "term `a` is there twice (second use)",
        ),
        (topic(""), "topic `t` has no `terms` (it can never match)"),
        (topic("severity = 'urgent'"), "`severity` must be one of \"low\", \"medium\", \"high\", \"critical\""),
        (topic("severity_bands = [{ score = 3.0 }]"), "`severity` is missing"),
        ("[[aliases]]\nname = 'x'\n".into(), "`forms` is missing or empty"),
        ("[[endpoints]]\nid = 'e'\n".into(), "`url` is missing"),
        (
            "[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nheaders = ['authorization: CANARY']\n".into(),
            "`headers` has a header that is a secret",
        ),
        (
            "[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nheaders = ['webhook-id: 1']\n".into(),
            "`headers` has a header that is written by wirewatch itself",
        ),
        (
            "[[endpoints]]\nid = 'e'\nurl = 'https://ntfy.example/'\nformat = 'ntfy'\n".into(),
            "`url` must end in ntfy's topic",
        ),
        (
            "[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nformat = 'template'\n".into(),
            "`template_file` is missing",
        ),
        ("[delivery]\noperations = ['nobody']\n".into(), "`operations` names endpoint `nobody`"),
        ("[defaults.endpoint]\nquiet = ['22-7']\n".into(), "`quiet` must hold hours"),
        ("[defaults.endpoint]\ndigest = 'often'\n".into(), "`digest` must be a schedule"),
        ("[defaults.endpoint]\nrate = '30'\n".into(), "`rate` must be a rate"),
        ("[defaults.endpoint]\ntime_zone = 'Atlantis/Capital'\n".into(), "`time_zone` must be a time zone"),
        (endpoint("languages = ['english']"), "`languages` must be a language code such as \"en\""),
        (endpoint("score_min = -1"), "`score_min` is out of range"),
        (endpoint("min_score = 5"), "unknown key `min_score` in [[endpoints]]"),
        (endpoint("via = 'fax'"), "unknown key `via` in [[endpoints]]"),
        (endpoint("quiet = ['00:00-13:00', '12:00-00:00']"), "`quiet` leaves no time of day to send at"),
        (
            "[[endpoints]]\nid = 'e'\nurl = 'http://10.1.2.3/'\nallow_private = ['10.2.0.0/16']\n".into(),
            "`url` names an address that `allow_private` does not have (10.1.2.3 is not public)",
        ),
        ("[[endpoints]]\nid = 'e'\nformat = 'slakc'\n".into(), "`format` must be one of \"standard\", \"console\""),
        (
            "[[endpoints]]\nid = 'e'\nformat = 'console'\nurl = 'https://x.example'\n".into(),
            "`url` has no meaning for format = \"console\"",
        ),
        (
            "[[endpoints]]\nid = 'e'\nformat = 'console'\ntopics = ['t']\n".into(),
            "`topics` names a topic that does not exist",
        ),
        ("[[silences]]\nid = 's'\nstory = 'itm_1'\n".into(), "`story` must be the id of a story"),
        (
            "[[silences]]\nid = 's'\nstarts = 2025-01-02T00:00:00Z\nends = 2025-01-01T00:00:00Z\n".into(),
            "`ends` must be after `starts`",
        ),
        ("[[silences]]\nid = 'quiet'\n".into(), "silence `quiet` names nothing and would silence everything"),
        ("[[silences]]\nid = 's'\ntopics = []\ntext = ' '\n".into(), "silence `s` names nothing and would silence"),
        (
            "[[silences]]\nid = 's'\ntext = 'drill'\nforever = true\nends = 2025-01-01T00:00:00Z\n".into(),
            "`forever` contradicts `ends`",
        ),
        ("[[silences]]\nid = 's'\nends = 2025-01-01\n".into(), "`ends` must be a time such as 2025-03-17T08:00:00Z"),
        ("[[tests]]\ntitle = 'a'\n".into(), "`topics` is missing"),
        ("[[tests]]\ntopics = []\n".into(), "this test has neither `title` nor `text`"),
    ];
    for (main, expected) in cases {
        let found = whats(&main);
        assert!(found.iter().any(|what| what.starts_with(expected)), "{main}\nwanted: {expected}\nfound: {found:#?}");
    }
}

#[test]
fn roles_of_a_node_are_refused_by_name() {
    let unknown = "`roles` must be one of \"decide\", \"fetch\", \"deliver\", \"serve\" (not one of them)";
    for roles in ["['decide', 'deliverer']", "['deliverer']"] {
        assert_eq!(whats(&format!("[node]\nroles = {roles}\n")), [unknown], "and nothing else is said of it");
    }
    let none = "`roles` must name at least one role (a process without one does nothing)";
    assert_eq!(whats("[node]\nroles = []\n"), [none]);
    let found = whats("[node]\nroles = ['decide', 'fetch', 'serve']\n");
    let alone = "`roles` needs `[node] name` and `[store] url` (alone, a process does all)";
    assert_eq!(found, [alone]);
    let alone = "`regions` needs `[node] name` and `[store] url` (alone, a process polls all feeds)";
    assert_eq!(whats("[node]\nregions = ['eu']\n"), [alone]);
    let all = load("[node]\nroles = ['serve', 'deliver', 'fetch', 'decide']\n").expect("valid").config;
    assert_eq!(all.node.roles, NodeRole::ALL);
}

#[test]
fn problems_in_several_sections_and_files_are_found_at_once() {
    let (_folder, loaded) = load_with(
        "include = ['a.toml', 'b.toml']\n[daemon]\nthreds = 1\n[limits]\nitems_max = 0\n",
        &[
            ("a.toml", "[polling]\nredirects_max = 99\n[daemon]\nthreads = 1\n"),
            ("b.toml", "x = \n[polling]\nredirects_max = 98\n"),
        ],
    );
    let report = loaded.expect_err("refused");
    let kinds: Vec<_> = report.problems().iter().filter(|p| p.severity == Severity::Error).map(|p| p.kind).collect();
    use ProblemKind::{Range, Syntax, UnknownKey};
    assert_eq!(kinds, [UnknownKey, Range, Range, Syntax], "{report}");
}

#[test]
fn secret_file_readable_by_others_or_gone_is_refused() {
    let main = "[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nsecret_file = 's'\n";
    let shown = refused(main, &[("s", "whsec_x")]);
    assert!(shown.contains("`secret_file` names a file that everybody can read"), "{shown}");
    assert!(shown.contains("mode 644") && shown.contains("= help: chmod 600 "), "{shown}");
    assert!(refused(main, &[]).contains("s is not there"));
    let (folder, _) = load_with(main, &[("s", "hunter2")]);
    private(&folder.path().join("s"));
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let shown = Config::load(&place, &Environment::default()).expect_err("refused").to_string();
    assert!(shown.contains("holds no secret") && shown.contains("whsec_") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn template_or_authority_that_cannot_work_is_refused_at_its_place() {
    let template = |name: &str| {
        format!("[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nformat = 'template'\ntemplate_file = '{name}'\n")
    };
    let shown = refused(&template("t.json"), &[("t.json", "{\n  \"a\": {{ data.nosuch.title }}\n}")]);
    assert!(shown.contains("wirewatch.toml:5:17"), "the line of the config: {shown}");
    assert!(shown.contains("t.json:2: ") && shown.contains("undefined"), "the line of the template: {shown}");
    let shown =
        refused(&template("t.json"), &[("t.json", "{% if type == 'source.failing' %}{{ 1 // 0 }}{% endif %}{}")]);
    assert!(shown.contains("tried on source.failing"), "{shown}");
    assert!(refused(&template("gone.json"), &[]).contains("gone.json is not there"));
    let main = "[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nca_file = 'ca.pem'\n";
    let shown = refused(main, &[("ca.pem", "no certificate")]);
    assert!(
        shown.contains("wirewatch.toml:4:11") && shown.contains("`ca_file` names a file without a certificate"),
        "{shown}"
    );
}

#[test]
fn credential_is_looked_for_inside_the_service_only() {
    let main = "[[endpoints]]\nid = 'e'\nurl = 'https://x.example/'\nsecret_credential = 'desk'\n";
    let (folder, outside) = load_with(main, &[("credentials/other", "x")]);
    assert!(
        outside.expect("valid").report.lines().iter().any(|line| line.contains("credential `desk` was not checked"))
    );
    let environment =
        Environment { credentials_directory: Some(folder.path().join("credentials")), ..Environment::default() };
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let report = Config::load(&place, &environment).expect_err("refused");
    assert_eq!(report.problems()[0].kind, ProblemKind::Secret);
    std::fs::write(folder.path().join("credentials/desk"), "x").expect("written");
    assert!(Config::load(&place, &environment).is_ok());
    // The command of a reload has the variable, but systemd lets it not into the folder.
    let closed =
        Environment { credentials_directory: Some(folder.path().join("wirewatch.toml")), ..Environment::default() };
    let report = Config::load(&place, &closed).expect("valid").report;
    assert!(report.lines().iter().any(|line| line.contains("was not checked")), "{:?}", report.lines());
}

#[test]
fn canary_secrets_are_in_no_output() {
    let main = "[[endpoints]]\nid = 'e'\nsecret = 'CANARY1'\nurl = 'https://u:CANARY2@h.example/?k=CANARY3'\nx = 'whsec_CANARY4'\n\
                [[feeds]]\nid = 'f'\nurl = 'ftp://u:CANARY5@h.example/'\n[http]\ntoken = 'CANARY6'\n[daemon]\nlog = 'whsec_CANARY7'\n\
                threads = 'whsec_CANARY8'\n\
                [[endpoints]]\nid = 'g'\nurl = 'https://h.example/'\nheaders = ['x-key CANARY9', \"x-key: CANARY10 ü\"]\n\
                [[feeds]]\nid = 'h'\nurl = 'https://h.example/'\nheaders = ['x key: CANARY11']\n";
    let (_folder, loaded) = load_with(main, &[]);
    let report = loaded.expect_err("refused");
    let terminal = report.render(Look::Terminal { width: 80 });
    for shown in [report.render(Look::Plain), terminal, report.to_json().to_string(), report.lines().concat()] {
        assert!(!shown.contains("CANARY"), "{shown}");
    }
    assert!(report.problems().iter().any(|p| p.kind == ProblemKind::Secret));
}

#[test]
fn report_as_json_has_places_for_scripts() {
    let report = load("[daemon]\nthreads = 999\n").expect_err("refused").to_json();
    assert_eq!(report["ok"], false);
    let problem = &report["problems"][0];
    assert_eq!(problem["kind"], "range");
    assert_eq!(problem["key"], "daemon.threads");
    assert_eq!((&problem["place"]["line"], &problem["place"]["column"]), (&2.into(), &11.into()));
    assert_eq!(problem["hint"], "allowed: 0 to 256");
}

#[test]
fn report_on_a_huge_or_hostile_file_stays_short_and_printable() {
    let many = "[[feeds]]\nid = 'X'\n".repeat(5000);
    let shown = refused(&many, &[]);
    assert!(shown.len() < 60_000 && shown.contains("… and "), "{}", shown.len());
    let shown = refused("[daemon]\n\"a\\u001b[31m\\u202e\" = 1\n", &[]);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn query_problem_is_shown_inside_the_string() {
    let main = "[[topics]]\nid = 't'\nterms = [{ match = \"\\\"port closed\\\" AND (harbour\", weight = 5 }]\n";
    let (folder, _) = load_with(main, &[]);
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let report = check(&place, &Environment::default(), |config| {
        let term = &config.topics[0].terms[0];
        let at = term.query.find('(').expect("there");
        let query = QueryKey::Term(config.topics[0].id.clone(), term.id.clone());
        let problem = QueryProblem {
            severity: Severity::Error,
            query,
            inside: at..at + 1,
            what: "unclosed `(`".into(),
            why: "opened here".into(),
            hint: None,
        };
        Err::<(fn(&TestCase) -> TestRun, Vec<QueryProblem>), _>(vec![problem])
    });
    let shown = report.render(Look::Plain).replace(&format!("{}/", folder.path().display()), "");
    let expected = "\
error: unclosed `(`
 --> wirewatch.toml:3:41
  |
3 | terms = [{ match = \"\\\"port closed\\\" AND (harbour\", weight = 5 }]
  |                                         ^ opened here
";
    assert!(shown.starts_with(expected), "{shown}");
    // A complaint about a topic as a whole, or a query that cannot be found, is shown at the topic.
    let loaded = Config::load(&place, &Environment::default()).expect("valid");
    let topic = loaded.config.topics[0].id.clone();
    for query in [QueryKey::Topic(topic.clone()), QueryKey::Term(topic, String::new())] {
        let problem = QueryProblem {
            severity: Severity::Error,
            query,
            inside: 0..0,
            what: "x".into(),
            why: String::new(),
            hint: None,
        };
        let place = loaded.query_problem(&problem).place.expect("a place");
        assert_eq!(place.span.start, 0);
    }
}

#[test]
fn check_runs_the_tests_of_the_config() {
    let main = "[[topics]]\nid = 'a'\nterms = [{ match = 'x' }]\n[[topics]]\nid = 'b'\nterms = [{ match = 'y' }]\n\
                [[tests]]\ntitle = 'x and more'\ntopics = ['a']\n[[tests]]\ntext = 'just x'\ntopics = ['b']\n";
    let (folder, _) = load_with(main, &[]);
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let report = check(&place, &Environment::default(), |config| {
        let topics = config.topics.clone();
        let classify = move |test: &TestCase| {
            let hit = |topic: &&TopicConfig| format!("{} {}", test.title, test.text).contains(&topic.terms[0].query);
            let matched = topics.iter().filter(hit).map(|topic| topic.id.clone()).collect();
            TestRun { matched, account: Vec::new() }
        };
        Ok((classify, Vec::new()))
    });
    let failed: Vec<_> = report.problems().iter().filter(|p| p.kind == ProblemKind::Test).collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(
        (failed[0].what.as_str(), failed[0].why.as_str()),
        ("test \"just x\" fails", "did not match `b`, but `a`")
    );
    assert!(report.location(failed[0]).expect("a place").ends_with(":10:1"));
}

/// Which topics' wrong answers a test complains of.
#[test]
fn test_judges_the_topics_of_its_own_file_and_those_it_names() {
    let topic = |id: &str| format!("[[topics]]\nid = '{id}'\nterms = [{{ match = '{id}' }}]\n");
    let off = format!("{}enabled = false\n", "[[topics]]\nid = 'off'\nterms = [{ match = 'off' }]\n");
    let main = format!("include = ['more/*.toml']\n{}", topic("own"));
    let test = |rest: &str| format!("[[tests]]\ntitle = 'x'\n{rest}\n");
    let matched = |ids: &[&str]| ids.iter().map(|id| crate::model::TopicId::new(id).expect("a name")).collect();
    for (rest, of_tests_alone, matches, wrong) in [
        ("topics = ['own']", false, &["own"][..], (0, 0)),
        // Somebody else's topic beside it is its own tests' business.
        ("topics = ['own']", false, &["own", "other"], (0, 0)),
        ("topics = ['own']\nnot = ['other']", false, &["own", "other"], (0, 1)),
        ("topics = []\nalso = ['other']", false, &[], (1, 0)),
        ("topics = []", false, &["own"], (0, 1)),
        // A topic that is off can neither match nor fail.
        ("topics = ['off']", false, &[], (0, 0)),
        // A file of tests alone judges what its tests name.
        ("topics = ['other']", true, &["own"], (1, 0)),
        ("topics = []\n[[tests]]\ntitle = 'y'\ntopics = ['other']", true, &["own", "other"], (0, 1)),
    ] {
        let (mut first, mut second) = (format!("{main}{off}"), "[[aliases]]\nname = 'x'\nforms = ['x']\n".to_owned());
        if of_tests_alone {
            second.push_str(&test(rest));
        } else {
            first.push_str(&test(rest));
        }
        let (_folder, loaded) =
            load_with(&first, &[("more/other.toml", &topic("other")), ("more/tests.toml", &second)]);
        let loaded = loaded.unwrap_or_else(|report| panic!("{rest}: {report}"));
        let (missing, surplus) = loaded.tests[0].wrong(&matched(matches));
        assert_eq!((missing.len(), surplus.len()), wrong, "{rest}, matched {matches:?}");
    }
}

#[test]
fn endpoint_that_no_topic_is_loud_enough_for_is_warned_of() {
    let config = |least: &str, more: &str| {
        format!(
            "[[topics]]\nid = 't'\nseverity = 'low'\nterms = [{{ id = 'a', match = 'x', severity = 'high' }}]\n{more}\
             [[endpoints]]\nid = 'pager'\nformat = 'console'\nseverity_min = '{least}'\n"
        )
    };
    let bands = "severity_bands = [{ score = 20.0, severity = 'critical' }]\n";
    for (least, more, warned) in [("critical", "", true), ("high", "", false), ("critical", bands, false)] {
        let (_folder, loaded) = load_with(&config(least, more), &[]);
        let shown = loaded.unwrap_or_else(|report| panic!("{}", report.render(Look::Plain))).report.render(Look::Plain);
        let line = format!("warning: endpoint `pager` takes only {least}, and no topic that it takes can become that");
        assert_eq!(shown.contains(&line), warned, "{shown}");
    }
}

#[test]
fn telegram_without_a_token_and_mail_without_tls_are_refused_with_line_and_hint() {
    let telegram = "[[endpoints]]\nid = 'phone'\nformat = 'telegram'\nchat = '-100123'\n";
    let shown = refused(telegram, &[]);
    assert!(shown.contains("`secret_file` is missing") && shown.contains("wirewatch.toml:3:"), "{shown}");
    assert!(shown.contains("= help: secret_file = \"secrets/telegram\""), "{shown}");
    let shown = refused("[[endpoints]]\nid = 'phone'\nformat = 'telegram'\nsecret_credential = 'bot'\n", &[]);
    assert!(shown.contains("`chat` is missing"), "{shown}");
    let shown = refused(&telegram.replace("-100123", "the desk"), &[]);
    assert!(shown.contains("`chat` must be a chat's number or public @name"), "{shown}");
    let mail = |url: &str| {
        format!(
            "[[endpoints]]\nid = 'mail'\nformat = 'email'\nurl = '{url}'\nfrom = 'a@desk.example'\nto = ['b@desk.example']\n"
        )
    };
    for (url, why) in [
        ("smtp://mail.example.org", "no TLS"),
        ("https://mail.example.org", "https://"),
        ("smtps://user:canary@mail.example.org", "a secret in the config"),
        ("smtps://mail.example.org/inbox", "more than a host and a port"),
    ] {
        let shown = refused(&mail(url), &[]);
        assert!(shown.contains("wirewatch.toml:4:") && shown.contains(why), "{url}: {shown}");
    }
    let shown = refused(&mail("smtp://mail.example.org"), &[]);
    assert!(shown.contains("= help: smtps:// (port 465), or smtp+starttls:// (port 587)"), "{shown}");
    assert!(refused(&mail("smtps://127.0.0.1"), &[]).contains("names an address that `allow_private` does not have"));
    let good = mail("smtps://mail.example.org");
    assert!(refused(&good.replace("b@desk", "b desk"), &[]).contains("`to` must be an address"));
    assert!(refused(&format!("{good}user = 'a'\n"), &[]).contains("`secret_file` is missing"));
    assert!(refused(&format!("{good}chat = '1'\n"), &[]).contains("has a meaning only for format = \"telegram\""));
    let (_folder, loaded) = load_with(&good, &[]);
    if let Err(report) = loaded {
        panic!("{}", report.render(Look::Plain));
    }
}
