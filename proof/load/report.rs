//! Figures that drivers kept, and what the benches printed, to docs/development/performance.md and its curves:
//! ratios first, then the goals one by one with what was found, misses marked. Writes nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::figures::{Figure, Figures, short};
use crate::svg::{self, Chart, Line};

/// Where things are.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// Figures, as drivers kept them, and `*.txt`: what each bench printed.
    #[arg(long)]
    from: PathBuf,
    /// The page.
    #[arg(long, default_value = "docs/development/performance.md")]
    page: PathBuf,
    /// The curves.
    #[arg(long, default_value = "docs/development/performance.svg")]
    curves: PathBuf,
}

/// Whether less or more is better.
#[derive(Debug, Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One line of the table of goals.
struct Aim {
    what: &'static str,
    figure: (&'static str, u64, &'static str),
    goal: Goal,
    unit: &'static str,
}

const fn at_most(what: &'static str, figure: (&'static str, u64, &'static str), goal: f64, unit: &'static str) -> Aim {
    Aim { what, figure, goal: Goal::AtMost(goal), unit }
}

const fn at_least(what: &'static str, figure: (&'static str, u64, &'static str), goal: f64, unit: &'static str) -> Aim {
    Aim { what, figure, goal: Goal::AtLeast(goal), unit }
}

/// How often the time of a tenth of the feeds it took, in the same run.
const AGAINST_A_TENTH: &str = "against_a_tenth";

/// Everything that is promised in numbers and measured by a driver.
const AIMS: &[Aim] = &[
    at_most("1,000 feeds cold, wall against the lower bound", ("poll.cold", 1000, "wall_ratio"), 4.0, "×"),
    at_most("the same, processor time", ("poll.cold", 1000, "cpu_ratio"), 5.0, "×"),
    at_most("10,000 feeds cold, wall against 1,000 in this run", ("poll.cold", 10_000, AGAINST_A_TENTH), 11.0, "×"),
    at_most(
        "database, search index in it, against the lower bound's",
        ("poll.unchanged", 1000, "database_ratio"),
        1.0,
        "×",
    ),
    at_most("written to the disk, 1,000 feeds cold", ("poll.cold", 1000, "written_mib"), 350.0, " MiB"),
    at_most("1,000 feeds, all 304", ("poll.unchanged", 1000, "wall_s"), 0.10, " s"),
    at_most("1,000 feeds, one new item each", ("poll.new", 1000, "wall_s"), 1.2, " s"),
    at_most("10,000 feeds (of 10 items), all 304", ("poll.unchanged.10items", 10_000, "wall_s"), 1.0, " s"),
    at_most("peak memory, 1,000 feeds cold", ("poll.cold", 1000, "peak_mib"), 96.0, " MiB"),
    at_most("peak memory, 10,000 feeds cold", ("poll.cold", 10_000, "peak_mib"), 350.0, " MiB"),
    at_most("memory at rest, 10,000 feeds", ("poll.idle.10items", 10_000, "resident_mib"), 100.0, " MiB"),
    at_most("CPU at rest, 10,000 feeds", ("poll.idle.10items", 10_000, "cpu_percent"), 2.0, " % of a core"),
    at_least("files, a burst of 20,000", ("files.burst", 20_000, "items_per_s"), 8000.0, " /s"),
    at_least("apply, batches of 100, all side tables, FULL", ("store", 100_000, "apply_per_s"), 15_000.0, " /s"),
    at_least("the same in a store of 1,000,000 items", ("store", 1_000_000, "apply_per_s"), 10_000.0, " /s"),
    at_most("start to ready, 100,000 items in the window", ("store", 100_000, "start_s"), 2.0, " s"),
    at_most("start to ready, 1,000,000 items", ("store", 1_000_000, "start_s"), 20.0, " s"),
    at_most("the same from the snapshot, 100,000 items", ("store", 100_000, "start_again_s"), 2.0, " s"),
    at_most("the same from the snapshot, 1,000,000 items", ("store", 1_000_000, "start_again_s"), 3.0, " s"),
    at_most("a month out of 100,000 items", ("retention", 100_000, "busy_s"), 1.0, " s"),
    at_most("a write beside it, the longest of all", ("retention", 100_000, "write_max_ms"), 20.0, " ms"),
    at_most("a month out of 1,000,000 items", ("retention", 1_000_000, "busy_s"), 1.0, " s"),
    at_most("a write beside it, the longest of all", ("retention", 1_000_000, "write_max_ms"), 20.0, " ms"),
    at_most("the slowest page, p95, 1,000,000 items", ("page.worst", 1_000_000, "p95_ms"), 60.0, " ms"),
    at_most("the largest page with what it loads", ("page.worst", 1_000_000, "transferred_kb"), 60.0, " KB"),
    at_most("file to webhook, p99, ten tabs open against none", ("live.tabs", 10, "p99_ratio"), 1.1, "×"),
    at_least("matching, 1,000 topics of three queries", ("rules", 1000, "items_per_s"), 16_000.0, " /s"),
    at_least("matching, 10,000 topics of three queries", ("rules", 10_000, "items_per_s"), 3000.0, " /s"),
    at_most("program, `cargo build --release`", ("weight", 0, "binary_mib"), 20.0, " MiB"),
    at_most("program, `packaging/build`", ("weight", 0, "packaged_mib"), 20.0, " MiB"),
    at_most("crates", ("weight", 0, "crates"), 260.0, ""),
];

/// What other programs were found to need for the same documents (50 items a feed, 42 KB gzipped) on another
/// machine of two cores where the lower bound needed 0.99 s: seconds cold, all 304, one new item each, and memory.
/// Each at the concurrency that suits it best.
const PEERS: [(&str, f64, f64, f64, &str); 5] = [
    ("newsboat 2.21", 34.0, 48.0, 105.0, "78 MB"),
    ("yarr 2.8 (4 % of the items lost)", 37.0, 0.41, 11.0, "53 MB"),
    ("Miniflux 2.3 with PostgreSQL", 59.0, 1.6, 79.0, "620 MB"),
    ("reader 3.26", 71.0, 1.8, 61.0, "46 MB"),
    ("eilmeldung 1.4", 224.0, 100.0, 106.0, "377 MB"),
];
const PEERS_FLOOR_S: f64 = 0.99;

/// The latest value of each figure.
struct Found(BTreeMap<(String, u64, String), f64>);

impl Found {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        for line in std::fs::read_to_string(folder.join("figures.jsonl"))?.lines() {
            let Figure { run, size, name, value } = serde_json::from_str(line)?;
            found.insert((run, size, name), value);
        }
        let mut found = Self(found);
        for feeds in found.sizes("poll.cold") {
            let (all, tenth) = (("poll.cold", feeds, "wall_s"), ("poll.cold", feeds / 10, "wall_s"));
            if let (Some(all), Some(tenth)) = (found.get(all), found.get(tenth)) {
                found.0.insert(("poll.cold".to_owned(), feeds, AGAINST_A_TENTH.to_owned()), all / tenth);
            }
        }
        Ok(found)
    }

    fn get(&self, (run, size, name): (&str, u64, &str)) -> Option<f64> {
        self.0.get(&(run.to_owned(), size, name.to_owned())).copied()
    }

    fn line(&self, run: &str, name: &str) -> Vec<(f64, f64)> {
        let of = self.0.iter().filter(|((r, _, n), value)| r == run && n == name && **value > 0.0);
        of.map(|((_, size, _), value)| (*size as f64, *value)).collect()
    }

    fn sizes(&self, run: &str) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.0.keys().filter(|(r, ..)| r == run).map(|(_, size, _)| *size).collect();
        sizes.dedup();
        sizes
    }
}

/// Writes the page and the curves.
pub fn report(args: &ReportArgs, _figures: &Figures) -> Result<(), Failure> {
    let found = Found::read(&args.from)?;
    let charts = charts(&found);
    std::fs::write(&args.curves, svg::draw(&charts))?;
    let mut page = String::from(
        "# Performance\n\nWritten by `proof/performance`: it runs the load bed (`proof/load`) and the benches, and \
         replaces this page; what was found on the way is in [speed.md](speed.md). Ratios come first, because they carry over to other machines: each is taken in one run, \
         beside a lower bound that only fetches, unpacks, parses with feed-rs and inserts one row an item with \
         synchronous=NORMAL. wirewatch does the same with near-duplicates, stories, 100 topics, an outbox and FULL. \
         Every polling round asserts items stored = items served.\n\n",
    );
    let machine = std::fs::read_to_string(args.from.join("machine.txt")).unwrap_or_default();
    let _ = writeln!(page, "Machine: {}\n", machine.trim().replace('\n', ", "));
    ratios(&mut page, &found);
    peers(&mut page, &found);
    aims(&mut page, &found);
    growth(&mut page, &charts, &args.curves);
    rounds(&mut page, &found);
    benches(&mut page, &args.from)?;
    std::fs::write(&args.page, page)?;
    println!("{} and {} are written", args.page.display(), args.curves.display());
    Ok(())
}

fn ratios(page: &mut String, found: &Found) {
    page.push_str(
        "## Against the lower bound\n\n| Feeds | Round | wall | × lower bound | CPU | × lower bound | items/s |\n|---|---|---|---|---|---|---|\n",
    );
    for (run, name) in [
        ("poll.cold", "cold"),
        ("poll.unchanged", "all 304"),
        ("poll.new", "one new item each"),
        ("poll.cold.10items", "cold, 10 items each"),
        ("poll.unchanged.10items", "all 304, 10 items each"),
        ("poll.new.10items", "one new item each, of 10"),
    ] {
        for size in found.sizes(run) {
            let get = |name| found.get((run, size, name)).map_or_else(|| "–".to_owned(), short);
            let _ = writeln!(
                page,
                "| {size} | {name} | {} s | {} | {} s | {} | {} |",
                get("wall_s"),
                get("wall_ratio"),
                get("cpu_s"),
                get("cpu_ratio"),
                get("items_per_s")
            );
        }
    }
    page.push_str(
        "\nThe server has a process of its own and shares the two cores. All feeds are on 16 loopback addresses; the \
         pause between requests to one host is off, as is the spread at start, or politeness would be what is \
         measured; all else is as shipped. A wave begins with the first request the server sees and ends when the \
         last feed's state is in the store. The lower bound has no incremental mode: beside \"one new item\" stands its \
         cold round.\n\n",
    );
}

/// Ours beside the others, all in multiples of the lower bound's cold round of the same machine.
fn peers(page: &mut String, found: &Found) {
    let Some(floor) = found.get(("poll.cold", 1000, "floor_wall_s")) else { return };
    page.push_str(
        "## Beside other programs\n\n1,000 feeds of 50 items, in multiples of the time the lower bound needs to read all of \
         them once on the same machine. The others were measured elsewhere, at their best; none of them tells copies \
         or stories apart, and only the multiples can be compared.\n\n\
         | | cold | all 304 | one new item each | memory |\n|---|---|---|---|---|\n",
    );
    let times = |seconds: Option<f64>, floor: f64| seconds.map_or_else(|| "–".to_owned(), |s| short(s / floor));
    let ours = |run| times(found.get((run, 1000, "wall_s")), floor);
    let memory = found.get(("poll.cold", 1000, "peak_mib")).map_or_else(|| "–".to_owned(), short);
    let (cold, unchanged, new) = (ours("poll.cold"), ours("poll.unchanged"), ours("poll.new"));
    let _ = writeln!(page, "| **wirewatch**, everything on | {cold} | {unchanged} | {new} | {memory} MiB |");
    if found.get(("newsboat.cold", 1000, "wall_s")).is_some() {
        let (cold, unchanged) = (ours("newsboat.cold"), ours("newsboat.unchanged"));
        let _ = writeln!(page, "| newsboat as packaged, in this run | {cold} | {unchanged} | – | – |");
    }
    for (name, cold, unchanged, new, memory) in PEERS {
        let [cold, unchanged, new] = [cold, unchanged, new].map(|seconds| times(Some(seconds), PEERS_FLOOR_S));
        let _ = writeln!(page, "| {name} | {cold} | {unchanged} | {new} | {memory} |");
    }
    page.push('\n');
}

fn aims(page: &mut String, found: &Found) {
    page.push_str("## Goals\n\n| What | Goal | Found | |\n|---|---|---|---|\n");
    for aim in AIMS {
        let (sign, goal) = match aim.goal {
            Goal::AtMost(goal) => ("≤", goal),
            Goal::AtLeast(goal) => ("≥", goal),
        };
        let value = found.get(aim.figure);
        let verdict = match (value, aim.goal) {
            (None, _) => "not measured in this run",
            (Some(value), Goal::AtMost(goal)) if value <= goal => "met",
            (Some(value), Goal::AtLeast(goal)) if value >= goal => "met",
            (Some(_), _) => "**missed**",
        };
        let shown = value.map_or_else(|| "–".to_owned(), |value| format!("{}{}", short(value), aim.unit));
        let _ = writeln!(page, "| {} | {sign} {}{} | {shown} | {verdict} |", aim.what, short(goal), aim.unit);
    }
    page.push('\n');
}

fn charts(found: &Found) -> Vec<Chart> {
    let chart = |title: &str, x_label: &str, lines: &[(&str, &str, &str)]| Chart {
        title: title.to_owned(),
        x_label: x_label.to_owned(),
        lines: lines
            .iter()
            .map(|(name, run, figure)| Line { name: (*name).to_owned(), points: found.line(run, figure) })
            .filter(|line| !line.points.is_empty())
            .collect(),
    };
    vec![
        chart(
            "Seconds for one wave",
            "feeds",
            &[
                ("cold", "poll.cold", "wall_s"),
                ("one new item", "poll.new", "wall_s"),
                ("all 304", "poll.unchanged", "wall_s"),
            ],
        ),
        chart(
            "As the store grows",
            "items",
            &[
                ("start, s", "store", "start_s"),
                ("decide, µs", "store", "decide_us"),
                ("search p95, ms", "store", "search_p95_ms"),
                ("backup, s", "store", "backup_s"),
            ],
        ),
        chart(
            "As rules grow",
            "topics of three queries",
            &[("match, µs an item", "rules", "us_per_item"), ("compile, s", "rules", "compile_s")],
        ),
    ]
}

fn growth(page: &mut String, charts: &[Chart], curves: &Path) {
    let name = curves.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let _ = writeln!(page, "## Cost against size\n\n![Cost against size]({name})\n");
    page.push_str(
        "Growth as the exponent of size between the ends of each curve: 1 is in proportion, 0 not at all.\n\n",
    );
    page.push_str("| Curve | from | to | exponent |\n|---|---|---|---|\n");
    for chart in charts {
        for line in &chart.lines {
            let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else { continue };
            let exponent = svg::growth(&line.points).map_or_else(|| "–".to_owned(), |e| format!("{e:.2}"));
            let _ = writeln!(
                page,
                "| {}: {} | {} at {} | {} at {} | {exponent} |",
                chart.title,
                line.name,
                short(first.1),
                first.0,
                short(last.1),
                last.0
            );
        }
    }
    page.push('\n');
}

/// Every other figure, run by run.
fn rounds(page: &mut String, found: &Found) {
    page.push_str("## All figures\n\n");
    let mut runs: Vec<(&str, u64)> = found.0.keys().map(|(run, size, _)| (run.as_str(), *size)).collect();
    runs.dedup();
    for (run, size) in runs {
        let values = found.0.iter().filter(|((r, s, _), _)| r == run && *s == size);
        let words: Vec<String> = values.map(|((.., name), value)| format!("{name} {}", short(*value))).collect();
        let _ = writeln!(page, "- **{run} {size}**: {}", words.join(", "));
    }
    page.push('\n');
}

/// What the benches printed, as they printed it.
fn benches(page: &mut String, from: &Path) -> Result<(), Failure> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(from)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt") && !path.ends_with("machine.txt"));
    files.sort();
    page.push_str("## Stages and benches\n\nAs printed by `cargo bench --bench NAME`.\n");
    for path in files {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read_to_string(&path)?;
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| tells(line)).collect();
        if !lines.is_empty() {
            let _ = writeln!(page, "\n### {name}\n\n```text\n{}\n```", lines.join("\n"));
        }
    }
    Ok(())
}

/// Whether a printed line says something; criterion's progress and comparisons do not.
fn tells(line: &str) -> bool {
    let noise =
        ["Benchmarking", "Found ", "change:", "thrpt:  [+", "thrpt:  [-", "Gnuplot", "Performance has", "No change"];
    let trimmed = line.trim();
    let outliers = trimmed.ends_with("mild") || trimmed.ends_with("severe");
    !trimmed.is_empty() && !outliers && !noise.iter().any(|start| trimmed.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[(&str, u64, &str, f64)]) -> Found {
        Found(
            values
                .iter()
                .map(|(run, size, name, value)| (((*run).to_owned(), *size, (*name).to_owned()), *value))
                .collect(),
        )
    }

    #[test]
    fn aims_say_met_missed_and_not_measured_in_words() {
        let found = found(&[("poll.unchanged", 1000, "wall_s", 0.08), ("poll.new", 1000, "wall_s", 1.5)]);
        let mut page = String::new();
        aims(&mut page, &found);
        assert!(page.contains("| 1,000 feeds, all 304 | ≤ 0.100 s | 0.080 s | met |"), "{page}");
        assert!(page.contains("| 1,000 feeds, one new item each | ≤ 1.20 s | 1.50 s | **missed** |"), "{page}");
        assert!(page.contains("not measured"), "{page}");
    }

    #[test]
    fn cold_waves_are_set_against_those_of_a_tenth_of_the_feeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let figure = |size: u64, value: f64| {
            format!("{{\"run\":\"poll.cold\",\"size\":{size},\"name\":\"wall_s\",\"value\":{value}}}\n")
        };
        let lines = [figure(100, 2.0), figure(1000, 15.0), figure(10_000, 180.0)].concat();
        std::fs::write(folder.path().join("figures.jsonl"), lines).expect("written");
        let found = Found::read(folder.path()).expect("read");
        assert_eq!(found.get(("poll.cold", 1000, AGAINST_A_TENTH)), Some(7.5));
        let mut page = String::new();
        aims(&mut page, &found);
        assert!(
            page.contains("| 10,000 feeds cold, wall against 1,000 in this run | ≤ 11.0× | 12.0× | **missed** |"),
            "{page}"
        );
    }

    #[test]
    fn peers_are_in_multiples_of_the_bound_of_their_own_machine() {
        let found = found(&[("poll.cold", 1000, "floor_wall_s", 2.0), ("poll.cold", 1000, "wall_s", 10.0)]);
        let mut page = String::new();
        peers(&mut page, &found);
        assert!(page.contains("| **wirewatch**, everything on | 5.00 | – | – | – MiB |"), "{page}");
        assert!(page.contains("| newsboat 2.21 | 34.3 | 48.5 | 106 | 78 MB |"), "{page}");
    }

    #[test]
    fn growth_has_a_row_for_every_curve_that_was_measured() {
        let found = found(&[("poll.cold", 100, "wall_s", 0.3), ("poll.cold", 1000, "wall_s", 3.0)]);
        let mut page = String::new();
        growth(&mut page, &charts(&found), Path::new("docs/development/performance.svg"));
        assert!(page.contains("| Seconds for one wave: cold | 0.300 at 100 | 3.00 at 1000 | 1.00 |"), "{page}");
        assert!(page.contains("(performance.svg)"), "{page}");
    }

    #[test]
    fn tells_leaves_out_what_criterion_says_about_itself() {
        for (line, expected) in [
            ("item/normalize   time:   [41 µs 42 µs 43 µs]", true),
            ("Benchmarking item/normalize: Warming up", false),
            ("  1 (10.00%) high mild", false),
            ("", false),
        ] {
            assert_eq!(tells(line), expected, "{line}");
        }
    }
}
