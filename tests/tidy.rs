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
    ("files", &[]),
    ("niceness", &[]),
    ("text", &["model"]),
    ("telemetry", &["model", "text"]),
    ("net", &["files", "model", "text"]),
    ("source", &["model", "clock", "text", "net", "niceness", "telemetry", "failpoint"]),
    ("pipeline", &["model", "text"]),
    ("store", &["files", "model", "pipeline", "text", "failpoint"]),
    ("ingest", &["model", "source", "pipeline", "store", "clock", "text", "niceness", "telemetry", "failpoint"]),
    ("deliver", &["files", "model", "store", "pipeline", "net", "text", "clock", "telemetry", "failpoint"]),
    ("receiver", &["clock", "text", "deliver"]),
    ("eval", &["model", "pipeline"]),
    ("config", &["files", "model", "text", "net", "source", "pipeline", "store", "deliver"]),
    ("view", &["model", "text", "pipeline", "source", "store", "deliver", "config"]),
    ("action", &["model", "text", "store", "pipeline", "config", "deliver", "view"]),
    (
        "http",
        &[
            "action",
            "model",
            "clock",
            "text",
            "net",
            "niceness",
            "telemetry",
            "source",
            "pipeline",
            "store",
            "deliver",
            "config",
            "view",
        ],
    ),
    (
        "app",
        &[
            "failpoint",
            "files",
            "model",
            "clock",
            "text",
            "net",
            "niceness",
            "telemetry",
            "source",
            "pipeline",
            "store",
            "ingest",
            "deliver",
            "eval",
            "view",
            "http",
            "config",
        ],
    ),
    ("fuzz", &["model", "text", "source", "pipeline", "config"]),
    (
        "cli",
        &[
            "files",
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
            "eval",
            "config",
            "view",
            "action",
            "app",
        ],
    ),
];

const FILE_LINES_MAX: usize = 600;
const TEST_FILE_LINES_MAX: usize = 800;
/// Files that are longer still.
const LONG_FILES_LEFT: &[&str] = &[];
/// A list of steps in order reads better in one piece than in two that hand each other tuples; beyond this
/// nobody sees the whole.
const FUNCTION_LINES_MAX: usize = 100;
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

/// The code of a file without comments and without its test module.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every `crate::…`, `super::…` and `self::…` path in some code, lists of imports taken apart.
fn paths_in(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            // `super::super::` is found at its first part.
            if before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':')) {
                read_path(&code[at..], "", &mut out);
            }
        }
    }
    out
}

/// Reads one path, or a list of them in braces, after a prefix; gives what is left.
fn read_path<'a>(code: &'a str, prefix: &str, out: &mut Vec<String>) -> &'a str {
    let end = code.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':')).unwrap_or(code.len());
    let path = format!("{prefix}{}", &code[..end]);
    let mut rest = code[end..].trim_start();
    if !path.ends_with("::") || !rest.starts_with('{') {
        out.push(path);
        return rest;
    }
    rest = rest[1..].trim_start();
    while !rest.is_empty() && !rest.starts_with('}') {
        rest = read_path(rest, &path, out);
        let next = rest.find([',', '}']).unwrap_or(rest.len());
        rest = rest[next..].strip_prefix(',').unwrap_or(&rest[next..]).trim_start();
    }
    rest.strip_prefix('}').unwrap_or(rest)
}

/// Top-level modules that a file names.
fn imported(text: &str) -> BTreeSet<String> {
    let paths = paths_in(&code_of(text)).into_iter();
    paths.filter_map(|path| Some(path.strip_prefix("crate::")?.split("::").next()?.to_owned())).collect()
}

/// A file as a module: `src/store/outbox/claim.rs` is `store::outbox::claim`.
fn module_path(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src").ok()?.with_extension("");
    let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).filter(|part| *part != "mod").collect();
    (!matches!(parts[..], ["lib" | "main"])).then(|| parts.join("::"))
}

/// The file that a path of another leads to: the longest part of it that is one.
fn target_of(path: &str, from: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut base: Vec<&str> = from.split("::").collect();
    let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    match parts.first() {
        Some(&"crate") => base.clear(),
        Some(&"self") => {}
        _ => {
            while parts.first() == Some(&"super") {
                base.pop();
                parts.remove(0);
            }
            parts.insert(0, "");
        }
    }
    parts.remove(0);
    base.extend(parts);
    while !base.is_empty() && !modules.contains(&base.join("::")) {
        base.pop();
    }
    Some(base.join("::")).filter(|target| !target.is_empty() && target != from)
}

/// Files whose imports lead back to them; these are being rewritten.
const CIRCLES_LEFT: &[&str] = &[
    "deliver::mail deliver::send",
    "pipeline::alert::route pipeline::alert::source",
    "pipeline::classify::compile pipeline::classify::lint",
    "pipeline::classify::plan pipeline::classify::score pipeline::classify::search pipeline::classify::spans",
    "pipeline::decide pipeline::ledger pipeline::raise",
    "pipeline::facts pipeline::facts::difference pipeline::facts::read",
    "pipeline::memory pipeline::memory::chains pipeline::memory::groups pipeline::memory::records",
    "pipeline::story::decision pipeline::story::model",
    "store::corrections store::recall store::silences",
];

#[test]
fn files_import_each_other_in_no_circle() {
    let files: Vec<(String, String)> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test_file(path))
        .filter_map(|(path, text)| Some((module_path(&path)?, code_of(&text))))
        .collect();
    let modules: BTreeSet<String> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut reached: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (module, code) in &files {
        let targets = paths_in(code).iter().filter_map(|path| target_of(path, module, &modules)).collect();
        reached.insert(module, targets);
    }
    assert!(reached["app::start"].contains("app::health"), "the reading of imports broke");
    // Until nothing is added: everything that can be reached from a file.
    loop {
        let mut grown = false;
        for module in &modules {
            let near = reached[module.as_str()].clone();
            let far: BTreeSet<String> = near.iter().flat_map(|near| reached[near.as_str()].clone()).collect();
            let all = reached.get_mut(module.as_str()).expect("it is there");
            let before = all.len();
            all.extend(far);
            grown |= all.len() > before;
        }
        if !grown {
            break;
        }
    }
    let mut circles: BTreeSet<String> = BTreeSet::new();
    for module in modules.iter().filter(|module| reached[module.as_str()].contains(*module)) {
        let members: Vec<&str> = modules
            .iter()
            .filter(|other| reached[module.as_str()].contains(*other) && reached[other.as_str()].contains(module))
            .map(String::as_str)
            .collect();
        circles.insert(members.join(" "));
    }
    let left: BTreeSet<String> = CIRCLES_LEFT.iter().map(|circle| (*circle).to_owned()).collect();
    let new: Vec<_> = circles.difference(&left).collect();
    assert!(new.is_empty(), "files that import each other; move what both need to a third: {new:#?}");
    let gone: Vec<_> = left.difference(&circles).collect();
    assert!(gone.is_empty(), "no circles any more, take them off the list: {gone:#?}");
}

/// Types that are public or shared between files, with where they are.
fn shared_types() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("src") && !is_test_file(path)) {
        for line in code_of(&text).lines().map(str::trim_start).filter(|line| line.starts_with("pub")) {
            let mut words = line.split_whitespace().skip(1);
            let Some("struct" | "enum" | "trait" | "type" | "union") = words.next() else { continue };
            let name = words.next().unwrap_or_default();
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            // A name that a macro is given stands elsewhere.
            if end > 0 {
                out.push((name[..end].to_owned(), path.display().to_string()));
            }
        }
    }
    out
}

/// Names that two public types still have.
const NAMES_SHARED: &[&str] = &[
    "Cause",
    "Example",
    "Form",
    "Found",
    "Hit",
    "Kind",
    "Lexicon",
    "LogFormat",
    "NearMiss",
    "Outcome",
    "Query",
    "QueryProblem",
    "Severity",
    "Standing",
    "Table",
    "Told",
    "Unit",
    "Verdict",
    "Word",
];

#[test]
fn no_two_public_types_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, path) in shared_types() {
        places.entry(name).or_default().push(path);
    }
    let types: usize = places.values().map(Vec::len).sum();
    let one_word = |name: &str| name.chars().filter(char::is_ascii_uppercase).count() == 1;
    let single: usize = places.iter().filter(|(name, _)| one_word(name)).map(|(_, at)| at.len()).sum();
    let twice: BTreeMap<_, _> = places.iter().filter(|(_, at)| at.len() > 1).collect();
    let shared: usize = twice.values().map(|at| at.len()).sum();
    println!("{types} types, {single} of one word, {shared} that share their name");
    assert!(types > 300, "the count itself broke");
    let wrong: Vec<_> = twice.iter().filter(|(name, _)| !NAMES_SHARED.contains(&name.as_str())).collect();
    assert!(wrong.is_empty(), "one name for two types; say what each is: {wrong:#?}");
    let unneeded: Vec<_> = NAMES_SHARED.iter().filter(|name| !twice.contains_key(&(**name).to_owned())).collect();
    assert!(unneeded.is_empty(), "these names are not shared any more: {unneeded:?}");
}

/// SQL that only SQLite takes; `ON CONFLICT`, `string_agg`, `CASE` and `IS DISTINCT FROM` say the same.
const SQL_OF_ONE_ENGINE: &[&str] = &[
    "INSERT OR ",
    "REPLACE INTO ",
    "group_concat(",
    "json_group_array(",
    "iif(",
    "ifnull(",
    "char(10)",
    "randomblob(",
];

/// Its operations run on whichever database holds the store. Tests may look into the file from outside.
#[test]
fn only_the_engine_of_the_store_names_a_database() {
    let names = |path: &Path, text: &str| {
        path.starts_with("src") && !path.starts_with("src/store/engine") && !is_test_file(path) && {
            let code = code_of(text);
            let named = |word: &str| code.split("#[cfg(test)]").next().is_some_and(|code| code.contains(word));
            let sql = path.starts_with("src/store") && !path.ends_with("search.rs");
            named("rusqlite") || sql && SQL_OF_ONE_ENGINE.iter().any(|word| named(word))
        }
    };
    let wrong: Vec<_> = sources().into_iter().filter(|(path, text)| names(path, text)).map(|(path, _)| path).collect();
    assert!(wrong.is_empty(), "go through store/engine: {wrong:?}");
}

#[test]
fn imports_table_permits_nothing_that_nobody_uses() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test_file(path)) {
        if let Some(module) = module_of(&path) {
            used.entry(module).or_default().extend(imported(&text));
        }
    }
    let unused: Vec<String> = IMPORTS
        .iter()
        .flat_map(|(module, may)| may.iter().map(move |name| (module, name)))
        .filter(|(module, name)| !used.get(**module).is_some_and(|names| names.contains(**name)))
        .map(|(module, name)| format!("`{module}` never imports `{name}`"))
        .collect();
    assert!(unused.is_empty(), "{unused:#?}");
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
        let most = if is_test_file(&path) { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
        if lines > most && !LONG_FILES_LEFT.iter().any(|left| path == Path::new(left)) {
            wrong.push(format!("{name}: {lines} lines, split it by responsibility (at most {most})"));
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

/// Names in backticks in the second column of docs/development/fault-cases.md.
fn fault_case_names() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/development/fault-cases.md")).expect("the page reads");
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
    assert!(missing.is_empty(), "docs/development/fault-cases.md names what does not exist: {missing:#?}");
}
