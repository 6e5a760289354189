//! Config files to parsed tables: the main file and what it includes, each read once, capped, and with
//! every syntax error at its place. Knows nothing of what the keys mean; `section` reads on from here.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{FileId, Place, Problem, ProblemKind, Quoted};
use super::{embedded, pattern};

/// Largest config file.
const FILE_BYTES_MAX: u64 = 10_000_000;
/// Files of one config.
const FILES_MAX: usize = 1000;
/// Files that include one another.
const DEPTH_MAX: usize = 8;
/// Syntax errors shown per file: the parser goes on after the first, but not all that follow are real.
const SYNTAX_ERRORS_MAX: usize = 5;
/// Folder entries looked at for one pattern.
const ENTRIES_MAX: usize = 100_000;

/// A table whose values know where they stand.
pub(super) type Table<'a> = DeTable<'a>;
/// A value that knows where it stands.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A file that was read.
pub(super) struct SourceFile {
    /// As shown to people.
    pub name: String,
    /// Where it is; `None` when it is compiled in.
    pub path: Option<PathBuf>,
    /// What relative paths in it are relative to.
    pub folder: PathBuf,
    /// Its text.
    pub text: String,
    /// Whether it had syntax errors, so that more may be missing than was forgotten.
    pub damaged: bool,
}

impl SourceFile {
    /// Its content, as far as it could be parsed.
    pub fn table(&self) -> Table<'_> {
        DeTable::parse_recoverable(&self.text).0.into_inner()
    }

    /// The text with secrets blanked out.
    pub fn quoted(&self) -> Quoted {
        Quoted::new(self.name.clone(), &self.text)
    }
}

/// Where a config comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigPlace {
    /// A file.
    File(PathBuf),
    /// The shipped one, compiled in, as if it stood in this folder.
    BuiltIn {
        /// The folder.
        folder: PathBuf,
    },
}

/// The files of a config and what was wrong with reading them. The first file is always the compiled-in
/// default, the second the main file.
pub(super) struct Files {
    pub read: Vec<SourceFile>,
    pub problems: Vec<Problem>,
    built_in: bool,
    seen: BTreeSet<PathBuf>,
}

impl Files {
    /// Reads the main file and everything it includes.
    pub fn read(place: &ConfigPlace) -> Self {
        let built_in = matches!(place, ConfigPlace::BuiltIn { .. });
        let mut this = Self { read: Vec::new(), problems: Vec::new(), built_in, seen: BTreeSet::new() };
        this.add("(default)".to_owned(), PathBuf::new(), embedded::MAIN.to_owned());
        match place {
            ConfigPlace::BuiltIn { folder } => {
                let name = format!("(built in)/{}", embedded::MAIN_NAME);
                let main = this.add(name, folder.clone(), embedded::MAIN.to_owned());
                this.include_from(main, 1);
            }
            ConfigPlace::File(path) => {
                if let Some(main) = this.add_path(path, None) {
                    this.include_from(main, 1);
                }
            }
        }
        this
    }

    /// A text that is no file: what it includes is not looked for.
    pub fn of_text(name: &str, text: &str) -> Self {
        let mut this = Self { read: Vec::new(), problems: Vec::new(), built_in: false, seen: BTreeSet::new() };
        this.add("(default)".to_owned(), PathBuf::new(), embedded::MAIN.to_owned());
        this.add(name.to_owned(), PathBuf::new(), text.to_owned());
        this
    }

    /// The keys at the top of the last file, with their places.
    pub fn keys_of_last(&self) -> Vec<(String, Place)> {
        let Some(last) = self.read.last() else { return Vec::new() };
        let file = FileId(self.read.len() - 1);
        let keys = last.table();
        keys.iter().map(|(key, _)| (key.get_ref().to_string(), Place { file, span: key.span() })).collect()
    }

    /// Parses a text and keeps it.
    fn add(&mut self, name: String, folder: PathBuf, text: String) -> FileId {
        let id = FileId(self.read.len());
        let (_, errors) = DeTable::parse_recoverable(&text);
        let mut shown = BTreeSet::new();
        for error in &errors {
            let (what, hint) = syntax_message(error.message());
            let span = error.span().unwrap_or(0..0);
            // What comes later in a line is a consequence of what came first.
            let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count());
            if shown.len() >= SYNTAX_ERRORS_MAX || !shown.insert(line) {
                continue;
            }
            let problem = Problem::new(ProblemKind::Syntax, what).at(Place { file: id, span }, "");
            self.problems.push(match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
        let damaged = !errors.is_empty();
        self.read.push(SourceFile { name, path: None, folder, text, damaged });
        id
    }

    /// Reads a file, once; says at `asked_at` (or without a place) why it could not.
    fn add_path(&mut self, path: &Path, asked_at: Option<Place>) -> Option<FileId> {
        if self.read.len() > FILES_MAX {
            self.fault(asked_at, format!("more than {FILES_MAX} config files"), None);
            return None;
        }
        let name = path.display().to_string();
        match read_text(path) {
            Ok(text) => {
                let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                if !self.seen.insert(real) {
                    let hint = "a file that includes itself, or is named twice, would count twice";
                    self.fault(asked_at, format!("{name} is included a second time"), Some(hint.to_owned()));
                    return None;
                }
                // The real folder, so that `..` in a path means what the kernel would make of it; but of the
                // file as named: a linked file counts as standing where the link stands.
                let named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                let folder = named.parent().unwrap_or(Path::new("/"));
                let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
                let id = self.add(name, folder, text);
                self.read[id.0].path = Some(path.to_owned());
                Some(id)
            }
            Err((why, hint)) => {
                self.fault(asked_at, format!("{name} {why}"), hint);
                None
            }
        }
    }

    fn fault(&mut self, at: Option<Place>, what: String, hint: Option<String>) {
        let mut problem = Problem::new(ProblemKind::File, what);
        problem.hint = hint;
        problem.key = if at.is_some() { "include".to_owned() } else { String::new() };
        if let Some(place) = at {
            problem = problem.at(place, "included here");
        }
        self.problems.push(problem);
    }

    /// Follows the `include` of a file.
    fn include_from(&mut self, file: FileId, depth: usize) {
        for pattern in self.patterns(file) {
            let (place, pattern) = match pattern {
                Ok(found) => found,
                Err(problem) => {
                    self.problems.push(*problem);
                    continue;
                }
            };
            if depth >= DEPTH_MAX {
                self.fault(Some(place), format!("files include one another more than {DEPTH_MAX} deep"), None);
                return;
            }
            for child in self.find(file, &pattern, &place) {
                self.include_from(child, depth + 1);
            }
        }
    }

    /// What a file says under `include`, each with its place.
    fn patterns(&self, file: FileId) -> Vec<Result<(Place, String), Box<Problem>>> {
        let root = self.read[file.0].table();
        let Some(include) = root.get("include") else { return Vec::new() };
        let values = match include.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            _ => vec![include],
        };
        let read = |value: &Value<'_>| {
            let place = Place { file, span: value.span() };
            match value.get_ref() {
                DeValue::String(pattern) => Ok((place, pattern.to_string())),
                other => Err(Box::new(
                    Problem::new(ProblemKind::Type, "`include` must be a list of file names")
                        .at(place, format!("found {}", other.type_str()))
                        .key("include")
                        .hint("write include = [\"topics/*.toml\", \"feeds.toml\"]"),
                )),
            }
        };
        values.into_iter().map(read).collect()
    }

    /// Adds the files that match a pattern.
    fn find(&mut self, from: FileId, pattern: &str, place: &Place) -> Vec<FileId> {
        let folder = self.read[from.0].folder.clone();
        if self.built_in {
            let found = embedded::matching(pattern);
            return found
                .into_iter()
                .map(|(path, text)| self.add(format!("(built in)/{path}"), folder.clone(), (*text).to_owned()))
                .collect();
        }
        let paths = match expand(&folder, pattern) {
            Ok(paths) => paths,
            Err(why) => {
                self.fault(Some(place.clone()), format!("`{pattern}` cannot be included: {why}"), None);
                return Vec::new();
            }
        };
        if paths.is_empty() {
            let hint = format!("it is looked for in {}", folder.display());
            self.fault(Some(place.clone()), format!("no file matches `{pattern}`"), Some(hint));
        }
        paths.iter().filter_map(|path| self.add_path(path, Some(place.clone()))).collect()
    }
}

/// The text of a file, or why not and what to do.
fn read_text(path: &Path) -> Result<String, (String, Option<String>)> {
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => Some("`wirewatch init FOLDER` writes one to start from".to_owned()),
            std::io::ErrorKind::PermissionDenied => {
                Some("the user wirewatch runs as must be able to read it".to_owned())
            }
            _ => None,
        };
        (format!("cannot be read: {error}"), hint)
    };
    // Looked at before it is opened: opening a FIFO would wait for a writer for ever.
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err(("is not a regular file".to_owned(), None));
    }
    let too_large = || {
        (
            format!("is larger than {} MB", FILE_BYTES_MAX / 1_000_000),
            Some("split it up and include the parts".to_owned()),
        )
    };
    if meta.len() > FILE_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = String::from_utf8_lossy(&error.as_bytes()[..at]).matches('\n').count() + 1;
        (format!("is not UTF-8 text (line {line})"), Some("save it as UTF-8".to_owned()))
    })?;
    if text.trim().is_empty() {
        let hint =
            "if nothing is meant to be in it, write a comment into it: an empty file is more often a failed copy";
        return Err(("is empty".to_owned(), Some(hint.to_owned())));
    }
    Ok(text)
}

/// The parser's message with a capital letter less and, for frequent mistakes, advice.
fn syntax_message(message: &str) -> (String, Option<&'static str>) {
    let hint = if message.contains("duplicate key") {
        Some("each key stands once in its table, and each [table] once in its file")
    } else if message.contains("string values must be quoted") {
        Some("write text in quotes: key = \"text\"")
    } else {
        None
    };
    (format!("not valid TOML: {message}"), hint)
}

/// The files a pattern means, in the order of their names. Folders are not searched unless named.
fn expand(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { folder.to_owned() }];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !part.contains(['*', '?']) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        let mut next = Vec::new();
        for parent in &found {
            let entries = match std::fs::read_dir(parent) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(format!("{}: {error}", parent.display())),
            };
            let names = entries.take(ENTRIES_MAX).flatten().filter_map(|entry| entry.file_name().into_string().ok());
            next.extend(names.filter(|name| pattern::name_matches(part, name)).map(|name| parent.join(name)));
        }
        found = next;
    }
    found.retain(|path| std::fs::symlink_metadata(path).is_ok());
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, bytes).expect("written");
        }
        let files = Files::read(&ConfigPlace::File(folder.path().join("main.toml")));
        (folder, files)
    }

    fn whats(files: &Files, folder: &Path) -> Vec<String> {
        let prefix = format!("{}/", folder.display());
        files.problems.iter().map(|problem| problem.what.replace(&prefix, "")).collect()
    }

    #[test]
    fn include_patterns_are_followed_in_the_order_of_names() {
        let (folder, files) = read_in(&[
            ("main.toml", b"include = ['t/*.toml', 'feeds.toml']"),
            ("t/b.toml", b"# b"),
            ("t/a.toml", b"# a"),
            ("t/.hidden.toml", b"# h"),
            ("t/a.toml.bak", b"# n"),
            ("feeds.toml", b"# f"),
        ]);
        assert!(files.problems.is_empty(), "{:?}", files.problems);
        let names: Vec<_> =
            files.read.iter().skip(1).map(|f| f.name.replace(&format!("{}/", folder.path().display()), "")).collect();
        assert_eq!(names, ["main.toml", "t/a.toml", "t/b.toml", "feeds.toml"]);
        assert_eq!(files.read[2].folder, folder.path().join("t"));
    }

    #[test]
    fn include_faults_are_all_found() {
        let (folder, files) = read_in(&[
            ("main.toml", b"include = ['none/*.toml', 'gone.toml', 'self.toml', 'dir', 'empty.toml', 'latin.toml', 7]"),
            ("self.toml", b"include = ['main.toml']"),
            ("dir/x", b""),
            ("empty.toml", b" \n"),
            ("latin.toml", b"# a\n# \xe9"),
        ]);
        assert_eq!(
            whats(&files, folder.path()),
            [
                "no file matches `none/*.toml`",
                "no file matches `gone.toml`",
                "main.toml is included a second time",
                "dir is not a regular file",
                "empty.toml is empty",
                "latin.toml is not UTF-8 text (line 2)",
                "`include` must be a list of file names",
            ]
        );
    }

    #[test]
    fn main_file_missing_or_huge_is_one_problem() {
        let (folder, files) = read_in(&[]);
        assert_eq!(whats(&files, folder.path()), ["main.toml cannot be read: No such file or directory (os error 2)"]);
        let big = vec![b'#'; 10_000_001];
        let (folder, files) = read_in(&[("main.toml", &big)]);
        assert_eq!(whats(&files, folder.path()), ["main.toml is larger than 10 MB"]);
    }

    #[test]
    fn syntax_errors_are_reported_together_and_mark_the_file() {
        let (_folder, files) = read_in(&[("main.toml", b"a = \nb = 1\nc = [1,\n[x\n")]);
        assert!(files.problems.len() >= 2, "{:?}", files.problems);
        assert!(files.problems.iter().all(|p| p.kind == ProblemKind::Syntax));
        assert!(files.read[1].damaged);
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let deep = format!("a = {}", "[".repeat(100_000));
        let (_folder, files) = read_in(&[("main.toml", deep.as_bytes())]);
        assert!(files.read[1].damaged);
    }
}
