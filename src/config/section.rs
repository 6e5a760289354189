//! A typed cursor over one table of the config: asks for a key by type and range, falls back to
//! `[defaults.…]` and the compiled-in file, and writes down everything that is wrong instead of
//! stopping at it. What the keys mean is the business of `settings` and `entries`.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::files::{SourceFile, Table, Value};
use super::problem::{FileId, Place, Problem, ProblemKind};
use super::value::{duration, masked, nearest, show_duration, show_size, size_bytes};
use crate::text::clean::excerpt;

/// Characters of a value repeated in a message.
const VALUE_CHARS_MAX: usize = 40;
/// The compiled-in default file.
const DEFAULT: FileId = FileId(0);

/// All files together: hands out sections and collects problems.
pub(super) struct Reader<'a> {
    files: &'a [SourceFile],
    roots: &'a [Table<'a>],
    problems: RefCell<Vec<Problem>>,
    said: RefCell<HashSet<(Option<Place>, String)>>,
    known: RefCell<BTreeSet<String>>,
    asked: RefCell<BTreeSet<String>>,
}

/// A value and where it stands.
pub(super) struct Found<'a> {
    value: &'a Value<'a>,
    pub place: Place,
}

/// Why a value cannot be taken.
pub(super) struct Fault {
    pub kind: ProblemKind,
    /// Continues "`key` …".
    pub what: String,
    /// What stands there.
    pub why: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(kind: ProblemKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
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

    fn written(&self) -> impl Iterator<Item = (FileId, &'a Table<'a>)> + use<'a> {
        self.roots.iter().enumerate().skip(1).map(|(at, root)| (FileId(at), root))
    }

    /// The table `[name]`, from whatever files it stands in.
    pub fn section(&'a self, name: &'static str) -> Section<'a> {
        self.known.borrow_mut().insert(name.to_owned());
        self.table(self.written().collect(), &self.roots[DEFAULT.0], name, name.to_owned())
    }

    /// The table `[defaults.name]`.
    pub fn defaults(&'a self, name: &'static str) -> Section<'a> {
        let mut outer = self.section("defaults");
        outer.seen.get_mut().insert(name);
        let builtin = outer.builtin.expect("invariant: the default file has [defaults]");
        self.known.borrow_mut().insert(format!("defaults.{name}"));
        self.table(outer.own, builtin, name, format!("defaults.{name}"))
    }

    fn table(
        &'a self,
        outer: Vec<(FileId, &'a Table<'a>)>,
        builtin: &'a Table<'a>,
        name: &str,
        path: String,
    ) -> Section<'a> {
        let mut own = Vec::new();
        let mut place = None;
        for (file, table) in outer {
            let Some((_, value)) = table.get_key_value(name) else { continue };
            let here = Place { file, span: value.span() };
            match value.get_ref() {
                DeValue::Table(table) => {
                    place.get_or_insert(here);
                    own.push((file, table));
                }
                other => self.problem(
                    Problem::new(ProblemKind::Type, format!("`{path}` must be a table"))
                        .at(here, format!("found {}", describe(other)))
                        .key(path.clone())
                        .hint(format!("write [{path}] on a line of its own and its keys below")),
                ),
            }
        }
        Section {
            reader: self,
            schema: path.clone(),
            path,
            own,
            inherited: Vec::new(),
            builtin: builtin.get(name).and_then(|value| value.get_ref().as_table()),
            place: place.unwrap_or(Place { file: FileId(usize::from(self.files.len() > 1)), span: 0..0 }),
            seen: RefCell::default(),
        }
    }

    /// The entries `[[name]]` of all files, in order; what one does not say comes from `defaults`.
    pub fn entries(&'a self, name: &'static str, defaults: Option<&Section<'a>>) -> Vec<Section<'a>> {
        self.known.borrow_mut().insert(name.to_owned());
        let mut out = Vec::new();
        for (file, root) in self.written() {
            let Some(value) = root.get(name) else { continue };
            self.list_of_tables(value, file, name, |place, table| {
                out.push(Section {
                    reader: self,
                    schema: format!("{name}[]"),
                    path: format!("{name}[{}]", out.len()),
                    own: vec![(file, table)],
                    inherited: defaults.map(|section| section.own.clone()).unwrap_or_default(),
                    builtin: defaults.and_then(|section| section.builtin),
                    place,
                    seen: RefCell::default(),
                });
            });
        }
        out
    }

    fn list_of_tables(
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
        for entry in array.iter() {
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

/// One table, with what stands behind it.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    schema: String,
    pub path: String,
    own: Vec<(FileId, &'a Table<'a>)>,
    inherited: Vec<(FileId, &'a Table<'a>)>,
    builtin: Option<&'a Table<'a>>,
    pub place: Place,
    seen: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    /// Every place a key is written at, the one that counts first.
    fn find(&self, key: &'static str) -> Vec<Found<'a>> {
        self.seen.borrow_mut().insert(key);
        self.reader.asked.borrow_mut().insert(format!("{}.{key}", self.schema));
        let lookup = |(file, table): &(FileId, &'a Table<'a>)| {
            let value = (*table).get(key)?;
            Some(Found { value, place: Place { file: *file, span: value.span() } })
        };
        let mut found: Vec<Found<'a>> = self.own.iter().filter_map(lookup).collect();
        if let [first, second, ..] = found.as_slice() {
            let problem = Problem::new(ProblemKind::Duplicate, format!("`{key}` of [{}] is set twice", self.path))
                .at(second.place.clone(), "set again here")
                .key(self.key(key))
                .related(first.place.clone(), "first set here");
            self.reader.problem(problem);
        }
        found.truncate(1);
        found.extend(self.inherited.iter().filter_map(lookup));
        found.extend(self.builtin.map(|table| (DEFAULT, table)).as_ref().and_then(lookup));
        found
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Records a fault of a value.
    pub fn fault(&self, key: &str, place: &Place, fault: Fault) {
        let mut problem =
            Problem::new(fault.kind, format!("`{key}` {}", fault.what)).at(place.clone(), fault.why).key(self.key(key));
        problem.hint = fault.hint;
        self.reader.problem(problem);
    }

    /// The reader, for problems that span sections.
    pub fn reader(&self) -> &'a Reader<'a> {
        self.reader
    }

    /// Reads a key with `read`; what cannot be read is a problem and the default stands in.
    pub fn get<T>(&self, key: &'static str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> Option<T> {
        for found in self.find(key) {
            match read(&found) {
                Ok(value) => return Some(value),
                Err(fault) => self.fault(key, &found.place, fault),
            }
        }
        None
    }

    /// Like [`Section::get`] for a key that the default file has.
    fn set<T>(&self, key: &'static str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> T {
        self.get(key, read).unwrap_or_else(|| {
            unreachable!("invariant: config/wirewatch.toml has a valid default for {}", self.key(key))
        })
    }

    /// Like [`Section::get`] for a key that must be written; its absence is a problem.
    pub fn required<T>(&self, key: &'static str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> Option<T> {
        if self.find(key).is_empty() {
            let problem = Problem::new(ProblemKind::Missing, format!("`{key}` is missing"))
                .at(self.place.clone(), format!("this entry has no `{key}`"))
                .key(self.key(key));
            self.reader.problem(problem);
            return None;
        }
        self.get(key, read)
    }

    /// Whether the key is written, here or in the table of defaults.
    pub fn written(&self, key: &'static str) -> Option<Place> {
        self.find(key).into_iter().find(|found| found.place.file != DEFAULT).map(|found| found.place)
    }

    pub fn flag(&self, key: &'static str) -> bool {
        self.set(key, |found| match found.value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(wrong_type("must be true or false", other)),
        })
    }

    pub fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Duration {
        self.set(key, |found| found.duration(&range))
    }

    /// A duration, or `None` for the word.
    pub fn duration_or(&self, key: &'static str, word: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.set(key, |found| {
            if found.value.get_ref().as_str() == Some(word) {
                return Ok(None);
            }
            found
                .duration(&range)
                .map(Some)
                .map_err(|fault| if fault.hint.is_some() { fault } else { fault.hint(format!("or write \"{word}\"")) })
        })
    }

    pub fn bytes(&self, key: &'static str, range: RangeInclusive<u64>) -> u64 {
        self.set(key, |found| {
            let must = "must be a size such as \"10MiB\"";
            let text = match found.value.get_ref() {
                DeValue::String(text) => text,
                other @ DeValue::Integer(number) => {
                    return Err(wrong_type(must, other).hint(format!("write \"{number}B\" if bytes are meant")));
                }
                other => return Err(wrong_type(must, other)),
            };
            let bytes = size_bytes(text)
                .map_err(|why| Fault::new(ProblemKind::Value, must, why).hint("units: B, KiB, MiB, GiB, kB, MB, GB"))?;
            in_range(&bytes, &range, |bytes| show_size(*bytes))?;
            Ok(bytes)
        })
    }

    pub fn count(&self, key: &'static str, range: RangeInclusive<usize>) -> usize {
        self.set(key, |found| {
            let number = found.integer()?;
            in_range(&number, &(*range.start() as i64..=*range.end() as i64), ToString::to_string)?;
            Ok(number as usize)
        })
    }

    pub fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> f64 {
        self.set(key, |found| found.number(&range))
    }

    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> T {
        self.set(key, |found| found.choice(choices))
    }

    /// A list, each element read by `read`; bad elements are problems and left out.
    pub fn list<T>(&self, key: &'static str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> Vec<T> {
        self.set(key, |found| Ok(self.elements(key, found, &read)))
    }

    /// Like [`Section::list`] for a list that has no default.
    pub fn list_or_empty<T>(&self, key: &'static str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> Vec<T> {
        self.get(key, |found| Ok(self.elements(key, found, &read))).unwrap_or_default()
    }

    fn elements<T>(&self, key: &str, found: &Found<'a>, read: &impl Fn(&Found<'a>) -> Result<T, Fault>) -> Vec<T> {
        let file = found.place.file;
        let values: Vec<&'a Value<'a>> = match found.value.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            other => {
                let fault = wrong_type("must be a list", other).hint(format!("write {key} = [ … ]"));
                self.fault(key, &found.place, fault);
                return Vec::new();
            }
        };
        let element = |value: &'a Value<'a>| Found { value, place: Place { file, span: value.span() } };
        let mut out = Vec::with_capacity(values.len());
        for found in values.into_iter().map(element) {
            match read(&found) {
                Ok(value) => out.push(value),
                Err(fault) => self.fault(key, &found.place, fault),
            }
        }
        out
    }

    /// A path, relative to the folder of the file it stands in; it never has a default.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        let found = self.find(key).into_iter().find(|found| found.place.file != DEFAULT)?;
        match found.text() {
            Ok("") => {
                self.fault(key, &found.place, Fault::new(ProblemKind::Value, "must be a path", "it is empty"));
                None
            }
            Ok(text) => Some(plain_path(&self.reader.file(found.place.file).folder.join(text))),
            Err(fault) => {
                self.fault(key, &found.place, fault);
                None
            }
        }
    }

    /// The tables of a list inside this one.
    pub fn tables(&self, key: &'static str) -> Vec<Section<'a>> {
        let mut out = Vec::new();
        let Some(found) = self.find(key).into_iter().next() else { return out };
        let file = found.place.file;
        self.reader.list_of_tables(found.value, file, key, |place, table| {
            out.push(Section {
                reader: self.reader,
                schema: format!("{}.{key}[]", self.schema),
                path: format!("{}.{key}[{}]", self.path, out.len()),
                own: vec![(file, table)],
                inherited: Vec::new(),
                builtin: None,
                place,
                seen: RefCell::default(),
            });
        });
        out
    }

    /// Ends the reading of this table: keys that nothing asked for are problems.
    pub fn finish(self) {
        let seen = self.seen.borrow();
        let known: Vec<&str> = seen.iter().copied().collect();
        let within = match self.schema.strip_suffix("[]") {
            Some(list) if !list.contains('.') => format!("[[{list}]]"),
            Some(list) => format!("`{}`", list.rsplit('.').next().unwrap_or(list)),
            None => format!("[{}]", self.schema),
        };
        for (file, table) in &self.own {
            for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
                let place = Place { file: *file, span: key.span() };
                self.reader.problem(unknown_key(key.get_ref(), place, &self.path, &within, &known));
            }
        }
    }
}

impl<'a> Found<'a> {
    pub fn text(&self) -> Result<&'a str, Fault> {
        self.value.get_ref().as_str().ok_or_else(|| {
            let fault = wrong_type("must be text", self.value.get_ref());
            match self.value.get_ref() {
                DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => fault.hint("put it in quotes"),
                _ => fault,
            }
        })
    }

    pub fn integer(&self) -> Result<i64, Fault> {
        let must = "must be a whole number";
        match self.value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Fault::new(ProblemKind::Range, must, "it is too large")),
            other @ DeValue::String(text) if text.parse::<i64>().is_ok() => {
                Err(wrong_type(must, other).hint("take the quotes away"))
            }
            other => Err(wrong_type(must, other)),
        }
    }

    /// A number, whole or not.
    pub fn number(&self, range: &RangeInclusive<f64>) -> Result<f64, Fault> {
        let number = match self.value.get_ref() {
            DeValue::Integer(_) => self.integer()? as f64,
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN),
            other => return Err(wrong_type("must be a number", other)),
        };
        in_range(&number, range, ToString::to_string)?;
        Ok(number)
    }

    pub fn duration(&self, range: &RangeInclusive<Duration>) -> Result<Duration, Fault> {
        let must = "must be a duration such as \"15m\"";
        let text = match self.value.get_ref() {
            DeValue::String(text) => text,
            other @ DeValue::Integer(number) => {
                return Err(wrong_type(must, other).hint(format!("write \"{number}s\" if seconds are meant")));
            }
            other => return Err(wrong_type(must, other)),
        };
        let units = "units: ms, s, m, h, d, w, as in \"1h30m\"";
        let span = duration(text).map_err(|why| Fault::new(ProblemKind::Value, must, why).hint(units))?;
        in_range(&span, range, |span| show_duration(*span))?;
        Ok(span)
    }

    /// A time: TOML's own, or its text in RFC 3339.
    pub fn time(&self) -> Result<crate::model::Timestamp, Fault> {
        let text = match self.value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            DeValue::String(text) => text.to_string(),
            other => return Err(wrong_type("must be a time such as 2025-03-17T08:00:00Z", other)),
        };
        crate::model::Timestamp::parse(&text).map_err(|_| {
            Fault::new(
                ProblemKind::Value,
                "must be a time such as 2025-03-17T08:00:00Z",
                "date, time and zone are needed",
            )
        })
    }

    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Fault> {
        let text = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let fault = Fault::new(ProblemKind::Value, format!("must be one of {}", names.join(", ")), "not one of them");
        Err(match nearest(text, choices.iter().map(|(name, _)| *name)) {
            Some(meant) => fault.hint(format!("did you mean \"{meant}\"?")),
            None => fault,
        })
    }

    /// Whether it is a whole number.
    pub fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }
}

/// `a` to `b` as people read a range, or an error that names it.
fn in_range<T: PartialOrd>(value: &T, range: &RangeInclusive<T>, show: impl Fn(&T) -> String) -> Result<(), Fault> {
    if range.contains(value) {
        return Ok(());
    }
    let why = if value < range.start() {
        format!("less than {}", show(range.start()))
    } else {
        format!("more than {}", show(range.end()))
    };
    let hint = format!("allowed: {} to {}", show(range.start()), show(range.end()));
    Err(Fault::new(ProblemKind::Range, "is out of range", why).hint(hint))
}

fn wrong_type(must: &str, found: &DeValue<'_>) -> Fault {
    Fault::new(ProblemKind::Type, must, format!("found {}", describe(found)))
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", excerpt(&masked(text), VALUE_CHARS_MAX)),
        DeValue::Integer(number) => format!("the number {}", excerpt(&number.to_string(), VALUE_CHARS_MAX)),
        DeValue::Float(number) => format!("the number {}", excerpt(&number.to_string(), VALUE_CHARS_MAX)),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(_) => "a time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn unknown_key(key: &str, place: Place, path: &str, within: &str, known: &[&str]) -> Problem {
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

/// A path without `.` and `..` where that can be told from the text alone.
fn plain_path(path: &std::path::Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}
