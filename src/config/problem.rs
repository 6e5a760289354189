//! Everything that is wrong with a config, each thing at its place: collected by `section` and the
//! checks, rendered for people the way rustc does or as JSON. Secrets in quoted lines are blanked out.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level as Tone, Origin, Renderer, Snippet};
use serde::Serialize;

use super::value::masked;
use crate::text::clean::one_line;

/// Rendered problems; more are counted.
const SHOWN_MAX: usize = 100;
/// Bytes of one line quoted on either side of what is wrong.
const QUOTED_BYTES_MAX: usize = 4096;

/// A file of the config, by its position among those read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(super) usize);

/// A place in a file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which file.
    pub file: FileId,
    /// Where in it.
    pub span: Range<usize>,
}

/// A file as it is quoted: its name, and its text without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    pub(super) name: String,
    pub(super) text: String,
}

impl Quoted {
    /// Takes a file's name and text and blanks out the secrets.
    pub(super) fn new(name: impl Into<String>, text: &str) -> Self {
        Self { name: one_line(&name.into()).into_owned(), text: masked(text) }
    }

    /// Line and column of a byte, both from 1, the column in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Whether a problem keeps the config from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The config is refused.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// What kind of problem it is. A closed set, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A file that cannot be read or included.
    File,
    /// Not TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key that must be there.
    Missing,
    /// A value of another type.
    Type,
    /// A value that cannot be read.
    Value,
    /// A value outside its range.
    Range,
    /// An id or key used twice.
    Duplicate,
    /// A name that nothing has.
    Reference,
    /// A secret that is missing, readable by others, or in the config itself.
    Secret,
    /// A query that does not compile.
    Query,
    /// A `[[tests]]` entry that fails.
    Test,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub kind: ProblemKind,
    /// Where; `None` when the file could not be read at all.
    pub place: Option<Place>,
    /// The path of the key, such as `feeds[2].url`; empty where there is none.
    pub key: String,
    /// What is wrong, one line.
    pub what: String,
    /// What stands there, next to the place.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
    /// A second place that belongs to it, with what it is.
    pub related: Option<(Place, String)>,
}

impl Problem {
    /// An error without a place.
    pub fn new(kind: ProblemKind, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind,
            place: None,
            key: String::new(),
            what: what.into(),
            why: String::new(),
            hint: None,
            related: None,
        }
    }

    /// At this place, where `why` holds.
    #[must_use]
    pub fn at(mut self, place: Place, why: impl Into<String>) -> Self {
        self.place = Some(place);
        self.why = why.into();
        self
    }

    /// About this key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a second place.
    #[must_use]
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related = Some((place, label.into()));
        self
    }

    /// Only a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// How a report is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For files, pipes and logs.
    Plain,
    /// With colours, for a terminal of so many columns.
    Terminal {
        /// Columns.
        width: usize,
    },
}

/// All problems of one config, errors before warnings, in the order of files and lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    files: Arc<Vec<Quoted>>,
    problems: Vec<Problem>,
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Look::Plain))
    }
}

impl Report {
    pub(super) fn new(files: Vec<Quoted>, problems: Vec<Problem>) -> Self {
        let mut report = Self { files: Arc::new(files), problems: Vec::new() };
        report.extend(problems);
        report
    }

    /// Adds problems and keeps the order.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
        self.problems.sort_by_key(|problem| {
            let place = problem.place.as_ref().map(|place| (place.file, place.span.start));
            (problem.severity, place)
        });
    }

    /// Without what only may be wrong.
    pub(super) fn errors_only(mut self) -> Self {
        self.problems.retain(|problem| problem.severity == Severity::Error);
        self
    }

    /// The problems, errors first.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }

    /// Whether the config can be used.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors() == 0
    }

    /// `file:line:column`, where there is a place.
    #[must_use]
    pub fn location(&self, problem: &Problem) -> Option<String> {
        let place = problem.place.as_ref()?;
        let file = self.files.get(place.file.0)?;
        let (line, column) = file.position(place.span.start);
        Some(format!("{}:{line}:{column}", file.name))
    }

    /// One line per problem, for the log: `file:line:column: what`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |problem: &Problem| match self.location(problem) {
            Some(location) => format!("{location}: {}", problem.what),
            None => problem.what.clone(),
        };
        self.problems.iter().map(line).collect()
    }

    /// The report for people: every problem with the line it is in, then a count.
    #[must_use]
    pub fn render(&self, look: Look) -> String {
        let renderer = match look {
            Look::Plain => Renderer::plain(),
            Look::Terminal { width } => Renderer::styled().term_width(width),
        };
        let mut out = String::new();
        for problem in self.problems.iter().take(SHOWN_MAX) {
            out.push_str(&renderer.render(&[self.group(problem)]));
            out.push_str("\n\n");
        }
        if self.problems.len() > SHOWN_MAX {
            let _ = writeln!(out, "… and {} more\n", self.problems.len() - SHOWN_MAX);
        }
        if !self.problems.is_empty() {
            let _ = writeln!(out, "{}", self.summary());
        }
        out
    }

    /// `2 errors, 1 warning`.
    #[must_use]
    pub fn summary(&self) -> String {
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match (self.errors(), self.warnings()) {
            (0, 0) => "no problems".to_owned(),
            (errors, 0) => plural(errors, "error"),
            (0, warnings) => plural(warnings, "warning"),
            (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
        }
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let tone = match problem.severity {
            Severity::Error => Tone::ERROR,
            Severity::Warning => Tone::WARNING,
        };
        let mut group = Group::with_title(tone.primary_title(one_line(&problem.what)));
        if let Some((place, file)) = problem.place.as_ref().and_then(|place| Some((place, self.file(place)?))) {
            if file.text.is_empty() {
                group = group.element(Origin::path(file.name.as_str()));
            } else {
                group = group.element(file.snippet(place, &problem.why, AnnotationKind::Primary));
            }
        }
        if let Some((place, label)) = &problem.related
            && let Some(file) = self.file(place)
        {
            group = group.element(file.snippet(place, label, AnnotationKind::Context));
        }
        match &problem.hint {
            Some(hint) => group.element(Tone::HELP.message(one_line(hint))),
            None => group,
        }
    }

    fn file(&self, place: &Place) -> Option<&Quoted> {
        self.files.get(place.file.0)
    }

    fn json_place(&self, place: &Place) -> Option<JsonPlace<'_>> {
        let file = self.file(place)?;
        let (line, column) = file.position(place.span.start);
        Some(JsonPlace { file: &file.name, line, column, span: [place.span.start, place.span.end] })
    }

    /// The report for scripts.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let problem = |problem: &Problem| {
            serde_json::json!({
                "severity": problem.severity,
                "kind": problem.kind,
                "place": problem.place.as_ref().and_then(|place| self.json_place(place)),
                "key": problem.key,
                "what": problem.what,
                "why": problem.why,
                "hint": problem.hint,
                "related": problem.related.as_ref().map(|(place, label)| {
                    serde_json::json!({ "place": self.json_place(place), "what": label })
                }),
            })
        };
        serde_json::json!({
            "ok": self.is_ok(),
            "errors": self.errors(),
            "warnings": self.warnings(),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
        })
    }
}

#[derive(Serialize)]
struct JsonPlace<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    span: [usize; 2],
}

impl Quoted {
    /// The lines a place touches (the first three of many), never a whole file: a report on ten
    /// megabytes stays quick and short.
    fn snippet<'a>(
        &'a self,
        place: &Place,
        label: &str,
        kind: AnnotationKind,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        const LINES_MAX: usize = 3;
        let text = self.text.as_str();
        let start = text.floor_char_boundary(place.span.start);
        let mut end = text.floor_char_boundary(place.span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        if let Some((cut, _)) = text[start..end].match_indices('\n').nth(LINES_MAX - 1) {
            end = start + cut;
        }
        let line_end = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
        // A line of a megabyte is quoted around the place only.
        let from = text.floor_char_boundary(line_start.max(start.saturating_sub(QUOTED_BYTES_MAX)));
        let to = text.floor_char_boundary(line_end.min(end + QUOTED_BYTES_MAX));
        let (line, _) = self.position(start);
        let annotation = kind.span(start - from..end.min(to) - from);
        let annotation = if label.is_empty() { annotation } else { annotation.label(one_line(label).into_owned()) };
        Snippet::source(&text[from..to]).path(self.name.as_str()).line_start(line).fold(false).annotation(annotation)
    }
}
