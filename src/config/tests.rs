//! The config as a whole: the shipped file is valid and complete, and what is written is what is meant.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::embedded;
use super::*;
use crate::source::seed::AfterTaken;

/// Reads a main file, with others beside it, in a folder of its own.
pub(super) fn load_with(main: &str, others: &[(&str, &str)]) -> (tempfile::TempDir, Result<Loaded, Report>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in others.iter().copied().chain([("wirewatch.toml", main)]) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let loaded = Config::load(&place, &Environment::default());
    (folder, loaded)
}

pub(super) fn load(main: &str) -> Result<Loaded, Report> {
    load_with(main, &[]).1
}

/// The report on a config that must be refused, with the folder's name taken out.
pub(super) fn refused(main: &str, others: &[(&str, &str)]) -> String {
    let (folder, loaded) = load_with(main, others);
    let report = loaded.err().unwrap_or_else(|| panic!("accepted:\n{main}"));
    report.render(Look::Plain).replace(&format!("{}/", folder.path().display()), "")
}

/// What is wrong, without the quoted lines.
pub(super) fn whats(main: &str) -> Vec<String> {
    let report = load(main).err().unwrap_or_else(|| panic!("accepted:\n{main}"));
    report
        .problems()
        .iter()
        .filter(|p| p.severity == Severity::Error)
        .map(|p| format!("{} ({})", p.what, p.why))
        .collect()
}

/// As a secret file should be.
pub(super) fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("changed");
}

/// Strips the `#` from keys without a default, as the head of the default file explains them.
fn with_optional_keys(text: &str) -> String {
    let is_key = |rest: &str| {
        let key = rest.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        (key > 0 && rest[key..].starts_with(" = ")) || rest.starts_with(['[', ']']) || rest.starts_with("  {")
    };
    let line = |line: &'_ str| line.strip_prefix('#').filter(|rest| is_key(rest)).unwrap_or(line).to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Every key of a document, entries of lists as `list[].key`.
fn keys_of(table: &toml::Table, path: &str, out: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => keys_of(table, &path, out),
            toml::Value::Array(array) if array.first().is_some_and(toml::Value::is_table) => {
                if path.contains('.') {
                    out.insert(path.clone());
                }
                for table in array.iter().filter_map(toml::Value::as_table) {
                    keys_of(table, &format!("{path}[]"), out);
                }
            }
            _ => {
                out.insert(path);
            }
        }
    }
}

#[test]
fn default_file_documents_every_key_and_no_other() {
    let text = with_optional_keys(embedded::MAIN);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("wirewatch.toml"), &text).expect("written");
    let files = Files::read(&ConfigPlace::File(folder.path().join("wirewatch.toml")));
    let (_, asked) = read(files, &Environment::default());
    let mut documented = BTreeSet::new();
    keys_of(&text.parse().expect("TOML"), "", &mut documented);
    // What an entry can have from its table of defaults is documented there.
    for (list, defaults) in [
        ("feeds[]", "defaults.feed"),
        ("topics[]", "defaults.topic"),
        ("endpoints[]", "defaults.endpoint"),
        ("pushes[]", "defaults.push"),
    ] {
        let inherited: Vec<_> =
            documented.iter().filter_map(|key| key.strip_prefix(defaults)).map(|key| format!("{list}{key}")).collect();
        documented.extend(inherited);
    }
    let asked: BTreeSet<_> =
        asked.into_iter().filter(|key| !key.starts_with("defaults.") || documented.contains(key)).collect();
    let unread: Vec<_> = documented.difference(&asked).collect();
    let undocumented: Vec<_> = asked.difference(&documented).collect();
    assert!(unread.is_empty(), "documented in config/wirewatch.toml but read by nothing: {unread:?}");
    assert!(undocumented.is_empty(), "read but not in config/wirewatch.toml: {undocumented:?}");
}

#[test]
fn shipped_config_is_valid_and_prints_alerts() {
    let environment = Environment { home: Some("/home/me".into()), ..Environment::default() };
    let loaded = Config::embedded(&environment).unwrap_or_else(|report| panic!("{report}"));
    let config = &loaded.config;
    assert_eq!(config.endpoints.len(), 1);
    assert_eq!(config.endpoints[0].format, crate::deliver::PayloadFormat::Console);
    assert_eq!(config.daemon.state_dir, Path::new("/home/me/.local/state/wirewatch/state"));
    assert_eq!(config.seeds.dir.as_deref(), Some(Path::new("/home/me/.local/state/wirewatch/seeds")));
    assert!(config.feeds.len() >= 30);
    assert!(config.topics.len() >= 3);
    let others = loaded.report.problems().iter().filter(|problem| problem.key != "seeds.dir");
    assert_eq!(others.count(), 0, "{}", loaded.report);
}

#[test]
fn defaults_are_those_the_stages_are_tested_with() {
    let config = load("# all defaults").expect("valid").config;
    assert_eq!(config.limits, Limits::SHIPPED);
    assert_eq!(config.delivery.schedule.len(), 10);
    assert_eq!(config.delivery.schedule.iter().sum::<Duration>().as_secs() / 3600, 75);
    assert_eq!(config.seeds.dir, None, "paths have no default");
    assert_eq!(config.daemon.threads, None);
    assert!(config.feeds.is_empty() && config.endpoints.is_empty());
}

#[test]
fn config_of_the_first_page_works_as_written() {
    let main = r#"
[daemon]
state_dir = "state"
[seeds]
dir = "seeds"
after = "keep"                    # or "move"
[http]
listen = "127.0.0.1:7411"         # or "off"
[[feeds]]
id = "example"
url = "http://127.0.0.1:9100/feed/0"
interval = "1s"
allow_private = ["127.0.0.0/8"]
backfill = "all"
[[topics]]
id = "sanctions"
label = "Sanctions"
severity = "high"
threshold = 5.0
terms = [ { id = "package", match = '"sanctions package"', weight = 5.0 }, { match = 'sanction*', weight = 2.0 } ]
[[endpoints]]
id = "desk"
url = "http://127.0.0.1:9200/hook"
format = "standard"
secret_file = "secrets/desk"
allow_private = ["127.0.0.0/8"]
"#;
    let (folder, _) = load_with(main, &[("secrets/desk", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]);
    private(&folder.path().join("secrets/desk"));
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let config = Config::load(&place, &Environment::default()).unwrap_or_else(|report| panic!("{report}")).config;
    let real = folder.path().canonicalize().expect("there");
    assert_eq!(config.daemon.state_dir, real.join("state"));
    assert_eq!(config.endpoints[0].secret_file, Some(real.join("secrets/desk")));
    assert_eq!(config.feeds[0].interval, Duration::from_secs(1));
    assert_eq!(config.feeds[0].backfill, crate::source::feed::Backfill::All);
    let terms: Vec<_> = config.topics[0].terms.iter().map(|term| (term.id.as_str(), term.weight)).collect();
    assert_eq!(terms, [("package", 5.0), ("sanction", 2.0)]);
}

#[test]
fn section_in_two_files_is_one_section_and_a_key_in_both_is_a_problem() {
    let (_folder, loaded) = load_with(
        "include = ['a.toml']\n[polling]\nredirects_max = 3\n",
        &[("a.toml", "[polling]\nfetches_max = 2\n")],
    );
    let config = loaded.expect("valid").config;
    assert_eq!((config.polling.redirects_max, config.polling.fetches_max), (3, 2));
    let shown =
        refused("include = ['a.toml']\n[polling]\nfetches_max = 3\n", &[("a.toml", "[polling]\nfetches_max = 2\n")]);
    assert!(shown.starts_with("error: `fetches_max` of [polling] is set twice"), "{shown}");
}

#[test]
fn defaults_of_a_list_stand_behind_its_entries() {
    let main = "[defaults.feed]\ninterval = '5m'\ntags = ['x']\n[[feeds]]\nid = 'a'\nurl = 'https://a.example/'\n\
                [[feeds]]\nid = 'b'\nurl = 'https://b.example/'\ninterval = '1h'\ntags = []\n";
    let feeds = load(main).expect("valid").config.feeds;
    assert_eq!((feeds[0].interval, feeds[0].tags.len()), (Duration::from_secs(300), 1));
    assert_eq!((feeds[1].interval, feeds[1].tags.len()), (Duration::from_secs(3600), 0));
    let bad = main.replace("'5m'", "'5'");
    assert_eq!(whats(&bad).len(), 1, "a bad default is one problem, not one per entry");
}

#[test]
fn paths_are_relative_to_the_file_they_stand_in() {
    let (folder, loaded) = load_with(
        "include = ['sub/more.toml']\n[daemon]\nstate_dir = '../state'\n",
        &[("sub/more.toml", "[seeds]\ndir = 'drop'\nafter = 'move'\n")],
    );
    let config = loaded.expect("valid").config;
    let real = folder.path().canonicalize().expect("there");
    assert_eq!(config.daemon.state_dir, real.parent().expect("a parent").join("state"));
    let AfterTaken::Move { done, error } = config.seeds.after else { panic!("moves") };
    assert_eq!((done, error), (real.join("sub/drop/done"), real.join("sub/drop/error")));
    let off = load("[seeds]\ndir = 'off'\n").expect("valid").config;
    assert_eq!(off.seeds.dir, None);
}

#[test]
fn state_dir_left_out_is_what_systemd_gives_or_the_users_own() {
    let given = Environment { state_directory: Some("/var/lib/wirewatch".into()), ..Environment::default() };
    let xdg = Environment { xdg_state_home: Some("/x".into()), ..Environment::default() };
    for (environment, state) in [(given, "/var/lib/wirewatch"), (xdg, "/x/wirewatch/state")] {
        let folder = tempfile::tempdir().expect("a folder");
        let main = folder.path().join("c.toml");
        std::fs::write(&main, "# nothing").expect("written");
        let config = Config::load(&ConfigPlace::File(main), &environment).expect("valid").config;
        assert_eq!(config.daemon.state_dir, Path::new(state));
    }
}

#[test]
fn fingerprint_depends_on_meaning_only() {
    let feed = |id: &str, interval: &str| {
        format!("[[feeds]]\nid = '{id}'\nurl = 'https://{id}.example/'\ninterval = '{interval}'\n")
    };
    let fingerprint = |main: &str| load(main).expect("valid").config.fingerprint();
    let one = fingerprint(&(feed("a", "15m") + &feed("b", "1h")));
    assert_eq!(one, fingerprint(&(feed("b", "60m") + "# a comment\n" + &feed("a", "900s"))));
    assert_ne!(one, fingerprint(&(feed("a", "15m") + &feed("b", "2h"))));
}

#[test]
fn diff_names_what_a_reload_does_and_cannot_do() {
    let old = "[http]\nlisten = '127.0.0.1:1'\n[[feeds]]\nid = 'a'\nurl = 'https://a.example/'\n[[feeds]]\nid = 'b'\nurl = 'https://b.example/'\n";
    let new = "[http]\nlisten = '127.0.0.1:2'\n[polling]\nfetches_max = 3\n[[feeds]]\nid = 'b'\nurl = 'https://b.example/new'\n\
               [[feeds]]\nid = 'c'\nurl = 'https://c.example/'\n[[topics]]\nid = 't'\nterms = [{ match = 'x' }]\n";
    let (old, new) = (load(old).expect("valid").config, load(new).expect("valid").config);
    let changes = diff(&old, &new);
    let ids =
        |list: &[crate::model::SourceId]| list.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!([ids(&changes.feeds.added), ids(&changes.feeds.removed), ids(&changes.feeds.changed)], ["c", "a", "b"]);
    assert_eq!(changes.sections, ["polling"]);
    assert_eq!(changes.restart_only, ["http.listen"]);
    assert!(changes.rules_changed() && !changes.is_empty());
    assert!(diff(&old, &old).is_empty());

    // What is compiled follows topics, routes and caps; polling does not touch it.
    let none = load("# none").expect("valid").config;
    let changed = |new: &str| diff(&none, &load(new).expect("valid").config).rules_changed();
    assert!(changed("[limits]\ntext_max = '1KiB'"));
    assert!(changed("[[endpoints]]\nid = 'e'\nformat = 'console'"));
    assert!(!changed("[polling]\nfetches_max = 3\n[[feeds]]\nid = 'a'\nurl = 'https://a.example/'"));
}

#[test]
fn locate_prefers_what_was_asked_for() {
    let environment = Environment { xdg_state_home: Some("/x".into()), ..Environment::default() };
    assert_eq!(locate(Some(Path::new("a.toml")), &environment), ConfigPlace::File("a.toml".into()));
}

#[test]
fn config_sections_far_from_utf8_or_half_written_are_refused_not_fatal() {
    // Every prefix of the shipped file: a reload may read it half-written.
    let text = embedded::MAIN;
    for end in (0..text.len()).step_by(97).filter(|&end| text.is_char_boundary(end)) {
        let _ = load(&text[..end]);
    }
}
