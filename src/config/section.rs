//! A typed cursor over one table of the config: asks for a key by type and range, falls back to
//! `[defaults.…]` and the compiled-in file, and writes down everything that is wrong instead of
//! stopping at it. What the keys mean is the business of `settings` and `entries`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::files::{Table, Value};
use super::found::{Fault, Found, describe, in_range, wrong_type};
use super::problem::{FileId, Place, Problem, ProblemKind};
use super::reader::{DEFAULT, Reader, unknown_key};

/// Languages that words can be listed for, by ISO 639-1: those of Europe and the most read ones beyond it.
const LANGUAGE_KEYS: [&str; 55] = [
    "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga",
    "gl", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "ko", "lt", "lv", "mk", "ms", "mt", "nl",
    "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "th", "tr", "uk", "ur", "uz", "vi", "zh",
];

/// Whether words can be listed for a language, and items be told to be in it.
#[must_use]
pub fn is_language(code: &str) -> bool {
    LANGUAGE_KEYS.contains(&code)
}

/// One table, with what stands behind it.
pub(super) struct Section<'a> {
    pub reader: &'a Reader<'a>,
    pub schema: String,
    pub path: String,
    pub own: Vec<(FileId, &'a Table<'a>)>,
    pub inherited: Vec<(FileId, &'a Table<'a>)>,
    pub builtin: Option<&'a Table<'a>>,
    pub place: Place,
    pub seen: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Section<'a> {
    /// Every place a key is written at, the one that counts first.
    fn find(&self, key: &'a str) -> Vec<Found<'a>> {
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

    /// Reads a key with `read`; what cannot be read is a problem and the default stands in.
    pub fn get<T>(&self, key: &'a str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> Option<T> {
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
        self.set(key, Found::flag)
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
        self.set(key, |found| found.bytes(&range))
    }

    /// A size, or `None` for "off".
    pub fn bytes_or_off(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.set(key, |found| if is_off(found) { Ok(None) } else { found.bytes(&range).map(Some).map_err(or_off) })
    }

    /// A whole number, or `None` for "off".
    pub fn count_or_off(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.set(key, |found| {
            if is_off(found) {
                return Ok(None);
            }
            let number = found.integer().map_err(or_off)?;
            in_range(&number, &(range.start().cast_signed()..=range.end().cast_signed()), ToString::to_string)?;
            Ok(Some(number.cast_unsigned()))
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
    pub fn list_or_empty<T>(&self, key: &'a str, read: impl Fn(&Found<'a>) -> Result<T, Fault>) -> Vec<T> {
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

    /// Keys of this table itself that are codes of languages, as [`Section::list_or_empty`] then reads them.
    pub fn language_keys(&self) -> Vec<&'a str> {
        let keys = self.own.iter().flat_map(|(_, table)| table.keys());
        let codes = keys.map(|key| key.get_ref().as_ref()).filter(|key| LANGUAGE_KEYS.contains(key));
        codes.collect()
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

impl<'a> Reader<'a> {
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

fn is_off(found: &Found<'_>) -> bool {
    found.value.get_ref().as_str() == Some("off")
}

fn or_off(fault: Fault) -> Fault {
    if fault.hint.is_some() { fault } else { fault.hint("or write \"off\"") }
}
