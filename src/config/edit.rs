//! Feeds put into, taken out of and switched in the config files as people wrote them: comments, order
//! and everything else stay. An edit is whole or not at all: what the config then refuses is undone.
//! Knows only `[[feeds]]`, `id` and `enabled`; what they mean is read by `entries`.

use std::io;
use std::path::PathBuf;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::files::Files;
use super::problem::Report;
use super::{Config, ConfigPlace, Environment};
use crate::files::replace;
use crate::model::SourceId;

/// Why the config stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The shipped config is compiled in.
    #[error("change the built-in config")]
    BuiltIn,
    /// A file is not TOML as it stands; `check` shows where.
    #[error("read {} as TOML", .0.display())]
    Syntax(PathBuf),
    /// No file has this feed.
    #[error("find the feed `{0}` in the config files")]
    NoFeed(SourceId),
    /// The entries are written as one inline list.
    #[error("edit {}: its feeds are written `feeds = [ … ]`, not as [[feeds]] entries", .0.display())]
    Inline(PathBuf),
    /// The config would not be valid any more.
    #[error("edit {}: the config would not be valid", path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        report: Box<Report>,
    },
    /// A file could not be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An entry to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFeed {
    /// Its id, not in use.
    pub id: SourceId,
    /// Its address.
    pub url: url::Url,
    /// Its tags.
    pub tags: Vec<String>,
    /// Ranges that are not public and that it may be in.
    pub allow_private: Vec<String>,
    /// For people, above the entry.
    pub comment: Option<String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedEdit {
    /// Put these after the feeds that are there.
    Add(Vec<NewFeed>),
    /// Take this one out.
    Remove(SourceId),
    /// Poll this one, or do not.
    Enable(SourceId, bool),
}

/// Edits the file that has the feed, or for new ones the last file that has feeds; returns which.
///
/// # Errors
/// [`EditError`]; no file is changed then.
pub fn edit_feeds(place: &ConfigPlace, environment: &Environment, edit: &FeedEdit) -> Result<PathBuf, EditError> {
    if matches!(place, ConfigPlace::BuiltIn { .. }) {
        return Err(EditError::BuiltIn);
    }
    let (path, before, after) = planned(place, edit)?;
    // A linked file is changed where it is, not replaced by a file of its own.
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let write =
        |text: &str| replace(&path, text.as_bytes()).map_err(|source| EditError::Write { path: path.clone(), source });
    write(&after)?;
    match Config::load(place, environment) {
        Ok(_) => Ok(path),
        Err(report) => {
            write(&before)?;
            Err(EditError::Refused { path, report: Box::new(report) })
        }
    }
}

/// The file, its text, and what it is to become.
fn planned(place: &ConfigPlace, edit: &FeedEdit) -> Result<(PathBuf, String, String), EditError> {
    let mut found = None;
    let mut main = None;
    for file in Files::read(place).read {
        let Some(path) = file.path else { continue };
        let document: DocumentMut = file.text.parse().map_err(|_| EditError::Syntax(path.clone()))?;
        let wanted = match (document.get("feeds"), edit) {
            (None, _) => false,
            (Some(Item::ArrayOfTables(_)), FeedEdit::Add(_)) => true,
            (Some(Item::ArrayOfTables(tables)), FeedEdit::Remove(id) | FeedEdit::Enable(id, _)) => {
                position(tables, id).is_some()
            }
            (Some(_), _) => return Err(EditError::Inline(path)),
        };
        if wanted {
            found = Some((path, file.text, document));
        } else if main.is_none() {
            main = Some((path, file.text, document));
        }
    }
    let found = match edit {
        FeedEdit::Add(_) => found.or(main),
        FeedEdit::Remove(_) | FeedEdit::Enable(..) => found,
    };
    match (found, edit) {
        (Some((path, before, document)), _) => {
            let after = edited(&before, document, edit);
            Ok((path, before, after))
        }
        (None, FeedEdit::Remove(id) | FeedEdit::Enable(id, _)) => Err(EditError::NoFeed(id.clone())),
        (None, FeedEdit::Add(_)) => Err(EditError::BuiltIn),
    }
}

fn edited(before: &str, mut document: DocumentMut, edit: &FeedEdit) -> String {
    match edit {
        // Written behind what is there: not a byte of it changes.
        FeedEdit::Add(feeds) => {
            feeds.iter().fold(before.trim_end().to_owned() + "\n", |text, feed| text + &entry(feed))
        }
        FeedEdit::Remove(id) => {
            remove(&mut document, id);
            document.to_string()
        }
        FeedEdit::Enable(id, enabled) => {
            if let Some(tables) = document["feeds"].as_array_of_tables_mut()
                && let Some(at) = position(tables, id)
                && let Some(table) = tables.get_mut(at)
            {
                enable(table, *enabled);
            }
            document.to_string()
        }
    }
}

fn entry(feed: &NewFeed) -> String {
    let mut table = Table::new();
    table["id"] = value(feed.id.as_str());
    table["url"] = value(feed.url.as_str());
    if !feed.tags.is_empty() {
        table["tags"] = value(feed.tags.iter().collect::<Array>());
    }
    if !feed.allow_private.is_empty() {
        table["allow_private"] = value(feed.allow_private.iter().collect::<Array>());
    }
    let comment = feed.comment.as_deref().map(crate::text::clean::one_line);
    let comment = comment.filter(|text| !text.is_empty()).map(|text| format!("# {text}\n")).unwrap_or_default();
    format!("\n{comment}[[feeds]]\n{table}")
}

fn position(tables: &ArrayOfTables, id: &SourceId) -> Option<usize> {
    tables.iter().position(|table| table.get("id").and_then(Item::as_str) == Some(id.as_str()))
}

/// A comment directly above an entry goes with it; what stands above that, a heading say, stays.
fn remove(document: &mut DocumentMut, id: &SourceId) {
    let Some(tables) = document["feeds"].as_array_of_tables_mut() else { return };
    let Some(at) = position(tables, id) else { return };
    let prefix = tables.get(at).and_then(|table| table.decor().prefix()?.as_str()).unwrap_or("").to_owned();
    let kept = prefix.rfind("\n\n").map_or("", |end| &prefix[..end]).to_owned();
    tables.remove(at);
    if kept.trim().is_empty() {
        return;
    }
    if let Some(next) = tables.get_mut(at) {
        let own = next.decor().prefix().and_then(|raw| raw.as_str()).unwrap_or("\n").to_owned();
        next.decor_mut().set_prefix(format!("{kept}\n{own}"));
    } else {
        let own = document.trailing().as_str().unwrap_or("").to_owned();
        document.set_trailing(format!("{kept}\n{own}"));
    }
    if tables_empty(document) {
        document.remove("feeds");
    }
}

fn tables_empty(document: &DocumentMut) -> bool {
    document.get("feeds").and_then(Item::as_array_of_tables).is_some_and(ArrayOfTables::is_empty)
}

/// `enabled = true` is the default and needs no line, unless one is there.
fn enable(table: &mut Table, enabled: bool) {
    match table.get_mut("enabled").and_then(Item::as_value_mut) {
        Some(found) => {
            let decor = found.decor().clone();
            *found = enabled.into();
            *found.decor_mut() = decor;
        }
        None => table["enabled"] = value(enabled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "include = [\"feeds.toml\"]\n[daemon] # ours\nstate_dir = \"state\"\n";
    const FEEDS: &str = "# All feeds.\n\n# ── Ports ──\n\n# The harbour.\n[[feeds]]\nid = \"harbour\"   # short\n\
        url = \"https://example.org/harbour\"\nenabled = false # for now\n\n[[feeds]]\nid = \"ferry\"\n\
        url = \"https://example.org/ferry\"\n# the end\n";

    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::write(dir.path().join("wirewatch.toml"), MAIN).expect("writes");
            std::fs::write(dir.path().join("feeds.toml"), FEEDS).expect("writes");
            Self(dir)
        }

        fn edit(&self, edit: &FeedEdit) -> Result<String, EditError> {
            let place = ConfigPlace::File(self.0.path().join("wirewatch.toml"));
            edit_feeds(&place, &Environment::default(), edit)?;
            Ok(self.feeds())
        }

        fn feeds(&self) -> String {
            std::fs::read_to_string(self.0.path().join("feeds.toml")).expect("reads")
        }
    }

    fn id(text: &str) -> SourceId {
        SourceId::new(text).expect("a name")
    }

    fn new_feed(name: &str) -> NewFeed {
        NewFeed {
            id: id(name),
            url: "https://example.org/a?b=1&c=\"2\"".parse().expect("a URL"),
            tags: vec!["sea".to_owned()],
            allow_private: vec!["10.0.0.0/8".to_owned()],
            comment: Some("Tides\n[[feeds]]".to_owned()),
        }
    }

    #[test]
    fn add_appends_and_changes_nothing_before() {
        let after = Bench::new().edit(&FeedEdit::Add(vec![new_feed("tides")])).expect("edits");
        let added = after.strip_prefix(FEEDS).expect("nothing before it changed");
        assert_eq!(
            added,
            "\n# Tides [[feeds]]\n[[feeds]]\nid = \"tides\"\nurl = \"https://example.org/a?b=1&c=%222%22\"\ntags = [\"sea\"]\nallow_private = [\"10.0.0.0/8\"]\n"
        );
    }

    #[test]
    fn add_without_any_feeds_goes_to_the_main_file() {
        let bench = Bench::new();
        std::fs::write(bench.0.path().join("feeds.toml"), "# none yet\n").expect("writes");
        assert_eq!(bench.edit(&FeedEdit::Add(vec![new_feed("tides")])).expect("edits"), "# none yet\n");
        let main = std::fs::read_to_string(bench.0.path().join("wirewatch.toml")).expect("reads");
        assert!(main.starts_with(MAIN) && main.contains("id = \"tides\""), "{main}");
    }

    #[test]
    fn edit_that_the_config_refuses_is_undone() {
        let bench = Bench::new();
        let refused = bench.edit(&FeedEdit::Add(vec![new_feed("ferry")])).expect_err("there twice");
        assert!(matches!(refused, EditError::Refused { .. }), "{refused}");
        assert_eq!(bench.feeds(), FEEDS);
        assert!(matches!(bench.edit(&FeedEdit::Remove(id("none"))), Err(EditError::NoFeed(_))));
        let left = std::fs::read_dir(bench.0.path()).expect("lists").count();
        assert_eq!(left, 2, "no draft is left behind");
    }

    #[test]
    fn remove_takes_the_entry_and_its_comment_and_leaves_headings() {
        let bench = Bench::new();
        let after = bench.edit(&FeedEdit::Remove(id("harbour"))).expect("edits");
        assert_eq!(
            after,
            "# All feeds.\n\n# ── Ports ──\n\n[[feeds]]\nid = \"ferry\"\nurl = \"https://example.org/ferry\"\n# the end\n"
        );
        let empty = bench.edit(&FeedEdit::Remove(id("ferry"))).expect("edits");
        assert!(empty.contains("# ── Ports ──") && !empty.contains("[["), "{empty}");
    }

    #[test]
    fn enable_changes_one_line_and_keeps_its_comment() {
        let bench = Bench::new();
        let after = bench.edit(&FeedEdit::Enable(id("harbour"), true)).expect("edits");
        assert_eq!(after, FEEDS.replace("enabled = false", "enabled = true"));
        let after = bench.edit(&FeedEdit::Enable(id("ferry"), false)).expect("edits");
        assert!(after.contains("url = \"https://example.org/ferry\"\nenabled = false\n"), "{after}");
    }

    #[test]
    fn edit_without_a_file_or_with_an_inline_list_is_refused() {
        let built_in = ConfigPlace::BuiltIn { folder: PathBuf::from("/nowhere") };
        let refused = edit_feeds(&built_in, &Environment::default(), &FeedEdit::Remove(id("a")));
        assert!(matches!(refused, Err(EditError::BuiltIn)));
        let bench = Bench::new();
        std::fs::write(bench.0.path().join("feeds.toml"), "feeds = [{ id = \"a\", url = \"https://a.example\" }]\n")
            .expect("writes");
        assert!(matches!(bench.edit(&FeedEdit::Remove(id("a"))), Err(EditError::Inline(_))));
    }
}
