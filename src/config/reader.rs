//! All files of a config together: hands out sections and lists, collects the problems, and knows in the
//! end which keys nothing asked for. Knows no key's meaning; `section` reads what it hands out.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use toml::de::DeValue;

use super::files::{SourceFile, Table, Value};
use super::found::{VALUE_CHARS_MAX, describe};
use super::problem::{FileId, Place, Problem, ProblemKind};
use super::value::nearest;
use crate::text::clean::excerpt;

/// The compiled-in default file.
pub(super) const DEFAULT: FileId = FileId(0);

/// All files together: hands out sections and collects problems.
pub(super) struct Reader<'a> {
    pub(super) files: &'a [SourceFile],
    pub(super) roots: &'a [Table<'a>],
    problems: RefCell<Vec<Problem>>,
    said: RefCell<HashSet<(Option<Place>, String)>>,
    pub(super) known: RefCell<BTreeSet<String>>,
    /// Every key that was asked for, for the test that holds the default file to the code.
    pub asked: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    /// Reads from files and their tables, in the same order.
    pub fn new(files: &'a [SourceFile], roots: &'a [Table<'a>]) -> Self {
        Self {
            files,
            roots,
            problems: RefCell::default(),
            said: RefCell::default(),
            known: RefCell::new(BTreeSet::from(["include".to_owned(), "defaults".to_owned()])),
            asked: RefCell::new(BTreeSet::from(["include".to_owned()])),
        }
    }

    /// Records a problem, once per place: a bad default is not the fault of every entry.
    pub fn problem(&self, problem: Problem) {
        if self.said.borrow_mut().insert((problem.place.clone(), problem.what.clone())) {
            self.problems.borrow_mut().push(problem);
        }
    }

    pub fn file(&self, id: FileId) -> &'a SourceFile {
        &self.files[id.0]
    }

    pub(super) fn written(&self) -> impl Iterator<Item = (FileId, &'a Table<'a>)> + use<'a> {
        self.roots.iter().enumerate().skip(1).map(|(at, root)| (FileId(at), root))
    }

    /// The tables of a list; what is no table is a problem.
    pub fn list_of_tables(
        &self,
        value: &'a Value<'a>,
        file: FileId,
        name: &str,
        mut take: impl FnMut(Place, &'a Table<'a>),
    ) {
        let wrong = |value: &Value<'_>| {
            Problem::new(ProblemKind::Type, format!("`{name}` must be a list of tables"))
                .at(Place { file, span: value.span() }, format!("found {}", describe(value.get_ref())))
                .key(name)
                .hint(format!("write [[{name}]] before each entry"))
        };
        let DeValue::Array(array) = value.get_ref() else { return self.problem(wrong(value)) };
        for entry in array {
            match entry.get_ref() {
                DeValue::Table(table) => take(Place { file, span: entry.span() }, table),
                _ => self.problem(wrong(entry)),
            }
        }
    }

    /// Ends the reading: keys of the top level that nothing asked for are problems too.
    pub fn finish(self) -> (Vec<Problem>, BTreeSet<String>) {
        let known = self.known.borrow();
        let top: Vec<&str> = known.iter().map(String::as_str).filter(|name| !name.contains('.')).collect();
        for (file, root) in self.written() {
            let under_defaults = root.get("defaults").and_then(|value| value.get_ref().as_table());
            let lists = known.iter().filter_map(|name| name.strip_prefix("defaults.")).collect::<Vec<_>>();
            for (table, known, within) in [(Some(root), &top, "the top level"), (under_defaults, &lists, "[defaults]")]
            {
                for key in table.into_iter().flat_map(|table| table.keys()) {
                    if !known.contains(&key.get_ref().as_ref()) {
                        self.problem(unknown_key(key.get_ref(), Place { file, span: key.span() }, "", within, known));
                    }
                }
            }
        }
        (self.problems.take(), self.asked.take())
    }
}

pub(super) fn unknown_key(key: &str, place: Place, path: &str, within: &str, known: &[&str]) -> Problem {
    let dotted = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let lower = key.to_ascii_lowercase();
    let key = excerpt(key, VALUE_CHARS_MAX);
    let secret = ["secret", "token", "passw", "authorization", "api_key", "apikey"];
    let file_key =
        known.iter().find(|known| known.ends_with("_file") && secret.iter().any(|word| known.contains(word)));
    if let (true, Some(file_key)) = (secret.iter().any(|word| lower.contains(word)), file_key)
        && nearest(&lower, [*file_key]).is_none()
    {
        return Problem::new(ProblemKind::Secret, format!("`{key}`: secrets do not belong in the config"))
            .at(place, "refused")
            .key(dotted)
            .hint(format!(
                "write it into a file that others cannot read (chmod 600) and name that: {file_key} = \"secrets/…\""
            ));
    }
    let problem = Problem::new(ProblemKind::UnknownKey, format!("unknown key `{key}` in {within}"))
        .at(place, "not a key")
        .key(dotted);
    match nearest(&key, known.iter().copied()) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("known: {}", known.join(", "))),
    }
}
