//! The house holds: imports go one way, no module cycles, sizes stay readable, every file says what it
//! is for, and no shortcut is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("failpoint", &[]),
    ("text", &["model"]),
    ("telemetry", &["model", "text"]),
    ("net", &["model", "clock", "text"]),
    ("source", &["model", "clock", "text", "net", "telemetry", "failpoint"]),
    ("pipeline", &["model", "text"]),
    ("store", &["model", "pipeline", "clock", "text", "telemetry", "failpoint"]),
    ("ingest", &["model", "source", "pipeline", "store", "clock", "text", "telemetry", "failpoint"]),
    ("deliver", &["model", "store", "pipeline", "net", "text", "clock", "telemetry", "failpoint"]),
    ("receiver", &["model", "clock", "text", "deliver"]),
    ("http", &["model", "store", "clock", "text", "telemetry"]),
    ("eval", &["model", "pipeline", "text"]),
    ("config", &["model", "text", "net", "source", "pipeline", "deliver", "http", "telemetry", "clock"]),
    (
        "app",
        &[
            "model",
            "clock",
            "text",
            "net",
            "telemetry",
            "source",
            "pipeline",
            "store",
            "ingest",
            "deliver",
            "http",
            "config",
        ],
    ),
    ("fuzz", &["model", "text", "source", "pipeline", "config"]),
    (
        "cli",
        &[
            "model",
            "clock",
            "text",
            "net",
            "telemetry",
            "source",
            "pipeline",
            "store",
            "ingest",
            "deliver",
            "receiver",
            "http",
            "eval",
            "config",
            "app",
        ],
    ),
];

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// Tables of cases read better in one piece.
const TEST_FUNCTION_LINES_MAX: usize = 160;
const DRAWERS: &[&str] = &["utils", "util", "common", "helpers", "types", "misc"];
const FUNCTION_HEADS: &[&str] = &[
    "fn ",
    "async fn ",
    "const fn ",
    "pub fn ",
    "pub async fn ",
    "pub const fn ",
    "pub(crate) fn ",
    "pub(crate) async fn ",
    "pub(super) fn ",
    "pub(super) async fn ",
];
const ITEM_HEADS: &[&str] =
    &["pub fn ", "pub async fn ", "pub const ", "pub struct ", "pub enum ", "pub trait ", "pub type "];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(dir: &Path, out: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<_> =
        fs::read_dir(dir).expect("the folder reads").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("the file reads");
            out.push((path.strip_prefix(root()).expect("below the root").to_owned(), text));
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    for dir in ["src", "tests", "benches", "examples"].map(|d| root().join(d)) {
        if dir.is_dir() {
            walk(&dir, &mut out);
        }
    }
    out
}

fn is_test_file(path: &Path) -> bool {
    path.starts_with("tests") || path.file_stem().is_some_and(|s| s.to_string_lossy().ends_with("tests"))
}

fn module_of(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?;
    let name = first.trim_end_matches(".rs");
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// Top-level modules named in `crate::…` paths, test modules left out.
fn imported(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let mut out = BTreeSet::new();
    for line in code.lines().map(str::trim_start).filter(|l| !l.starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split([',', '}']).map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                out.insert(name[..end].to_owned());
            }
        }
    }
    out.remove("");
    out
}

#[test]
fn imports_go_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test_file(path)) {
        let Some(module) = module_of(&path) else { continue };
        let Some(may) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the imports table", path.display()));
            continue;
        };
        for name in imported(&text).into_iter().filter(|n| *n != module && !may.contains(&n.as_str())) {
            wrong.push(format!("{}: `{module}` may not import `{name}`", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_table_has_no_cycle() {
    let mut known = BTreeSet::new();
    let mut left: Vec<_> = IMPORTS.to_vec();
    while !left.is_empty() {
        let before = left.len();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, uses)| uses.iter().all(|u| known.contains(u)));
        known.extend(ready.iter().map(|(name, _)| *name));
        left = waiting;
        assert!(left.len() < before, "these import each other: {left:?}");
    }
}

#[test]
fn files_open_with_their_purpose_and_stay_readable() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.display();
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: opens without a module doc"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{name}: {lines} lines, split it by responsibility (at most {FILE_LINES_MAX})"));
        }
        if path.components().any(|c| DRAWERS.contains(&c.as_os_str().to_string_lossy().trim_end_matches(".rs"))) {
            wrong.push(format!("{name}: a drawer is not a module; name what it does"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn functions_fit_on_a_screen() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let mut test_code = is_test_file(&path);
        let mut open: Option<(usize, usize, &str)> = None;
        for (number, line) in text.lines().enumerate() {
            test_code |= line.starts_with("mod tests");
            let code = line.trim_start();
            let indent = line.len() - code.len();
            if open.is_none() && FUNCTION_HEADS.iter().any(|head| code.starts_with(head)) {
                open = Some((number, indent, code));
            }
            let Some((from, at, head)) = open else { continue };
            let one_line = number == from && (code.ends_with('}') || code.ends_with(';'));
            if one_line || (indent == at && code == "}") {
                let most = if test_code { TEST_FUNCTION_LINES_MAX } else { FUNCTION_LINES_MAX };
                let long = number - from + 1;
                if long > most {
                    wrong.push(format!("{}:{}: {long} lines: {head}", path.display(), from + 1));
                }
                open = None;
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn public_items_are_documented() {
    let (mut documented, mut bare) = (0, Vec::new());
    for (path, text) in sources().into_iter().filter(|(p, _)| p.starts_with("src")) {
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (number, code) in lines.iter().enumerate() {
            if !ITEM_HEADS.iter().any(|head| code.starts_with(head)) {
                continue;
            }
            let above = lines[..number].iter().rev().find(|l| !l.starts_with("#[") && !l.starts_with([')', ']']));
            if above.is_some_and(|l| l.starts_with("///") || l.starts_with("$(#[$doc") || l.ends_with(',')) {
                documented += 1;
            } else {
                bare.push(format!("{}:{}: {code}", path.display(), number + 1));
            }
        }
    }
    assert!(documented > 50, "the count itself broke");
    assert!(bare.len() * 10 <= documented, "more than a tenth of public items lack a doc:\n{}", bare.join("\n"));
}

#[test]
fn every_dependency_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml reads");
    let mut section = "";
    let mut wrong = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && line.contains(" = ") && !line.contains(" # ") {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "dependencies without a reason: {wrong:#?}");
}

/// Names in backticks in the second column of docs/fault-cases.md.
fn fault_case_names() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/fault-cases.md")).expect("the page reads");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|line| line.trim_end_matches(" |").rsplit_once(" | ").map(|(_, cell)| cell.to_owned()));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn fault_cases_name_tests_that_exist() {
    let mut files = sources();
    for dir in ["proof", "fuzz/fuzz_targets"].map(|d| root().join(d)).into_iter().filter(|d| d.is_dir()) {
        walk(&dir, &mut files);
    }
    let names = fault_case_names();
    assert!(names.len() > 100, "only {} names were found: was the page's form changed?", names.len());
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| match name.strip_prefix("proof/") {
            Some(case) => {
                let files_of_its_own = [format!("proof/{case}"), format!("proof/prove/{case}.rs")];
                !files_of_its_own.iter().any(|path| root().join(path).exists())
                    && !files
                        .iter()
                        .any(|(path, text)| path.starts_with("proof") && text.contains(&format!("\"{case}\"")))
            }
            None => !files.iter().any(|(_, text)| text.contains(&format!("fn {name}("))),
        })
        .collect();
    assert!(missing.is_empty(), "docs/fault-cases.md names what does not exist: {missing:#?}");
}
