//! A snapshot and a view to lines that fit the terminal. Pure. Everything is said in words, colour only
//! repeats it; text from outside is cleaned by the table it stands in.

use unicode_width::UnicodeWidthStr;

use super::snapshot::{TopSnapshot, TopStanding};
use super::view::{SortKey, TopPane, TopView};
use crate::cli::output::{self, Table};
use crate::text::{clean, counted};
use crate::view::nodes_in_short;

/// Lines above the table's rows, and below them.
const HEAD_ROWS: usize = 7;
const FOOT_ROWS: usize = 1;
const KEYS: &str = "q quit  1-5 table  s sort  r reverse  / filter  f attention  space pause  ? help";
const HELP: [&str; 14] = [
    "q, Ctrl-C       quit",
    "1 to 5, Tab     alerts, stories, feeds, topics (last hour), endpoints; 6: nodes",
    "s               sort by urgency, name, newest, most",
    "r               the other way round",
    "/ text Enter    only rows with this text; Escape shows all again",
    "f               only what fails, is due or is owed",
    "space           pause",
    "arrows, PgUp, PgDn, Home, End   scroll",
    "",
    "FAILING  its last poll failed; it is tried again by itself",
    "GONE     it answered 410; `wirewatch feeds enable ID` asks again",
    "due      its time has come; many of them for long: more feeds than slots",
    "owed     deliveries not made yet; parked: given up, to be replayed",
    "                ? closes this",
];

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScreenSize {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// How lines may be set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScreenPaint {
    Colour,
    /// Bold and reverse only.
    Mono,
    /// Not at all.
    None,
}

impl ScreenPaint {
    /// As `NO_COLOR` and `TERM` ask.
    pub(super) fn of_environment() -> Self {
        match (std::env::var("TERM").as_deref(), std::env::var_os("NO_COLOR")) {
            (Ok("dumb" | ""), _) => Self::None,
            (_, Some(value)) if !value.is_empty() => Self::Mono,
            _ => Self::Colour,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellStyle {
    Plain,
    Bold,
    Bar,
    Alarm,
}

/// One line of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScreenLine {
    text: String,
    style: CellStyle,
}

impl ScreenLine {
    /// The text alone.
    pub(super) fn plain(&self) -> &str {
        self.text.trim_end()
    }

    /// With escape sequences.
    pub(super) fn painted(&self, paint: ScreenPaint) -> String {
        let code = match (paint, self.style) {
            (ScreenPaint::None, _) | (_, CellStyle::Plain) => return self.text.clone(),
            (_, CellStyle::Bold) | (ScreenPaint::Mono, CellStyle::Alarm) => "1",
            (_, CellStyle::Bar) => "7",
            (ScreenPaint::Colour, CellStyle::Alarm) => "31",
        };
        format!("\x1b[{code}m{}\x1b[0m", self.text)
    }
}

/// Rows that a table has on a screen of this size.
pub(super) fn table_rows(size: ScreenSize) -> usize {
    size.rows.saturating_sub(HEAD_ROWS + FOOT_ROWS)
}

/// The whole screen, never more lines or columns than it has.
pub(super) fn draw(snapshot: &TopSnapshot, view: &TopView, size: ScreenSize) -> Vec<ScreenLine> {
    let mut lines: Vec<ScreenLine> = head(snapshot, view)
        .into_iter()
        .enumerate()
        .map(|(row, text)| ScreenLine { text, style: if row == 0 { CellStyle::Bold } else { CellStyle::Plain } })
        .collect();
    lines.push(ScreenLine { text: tabs(snapshot, view, size.columns), style: CellStyle::Bar });
    if view.help {
        lines.extend(HELP.map(|text| ScreenLine { text: text.to_owned(), style: CellStyle::Plain }));
    } else {
        lines.extend(table(snapshot, view, size));
    }
    lines.truncate(size.rows.saturating_sub(FOOT_ROWS));
    while lines.len() + FOOT_ROWS < size.rows {
        lines.push(ScreenLine { text: String::new(), style: CellStyle::Plain });
    }
    let foot = match (view.typing, view.nodes) {
        (true, _) => format!("filter: {}_", clean::one_line(&view.filter)),
        (false, true) => KEYS.replace("1-5", "1-6"),
        (false, false) => KEYS.to_owned(),
    };
    lines.push(ScreenLine { text: foot, style: CellStyle::Bold });
    lines.truncate(size.rows.max(1));
    for line in &mut lines {
        line.text = output::cut(&line.text, size.columns);
    }
    lines
}

fn head(snapshot: &TopSnapshot, view: &TopView) -> [String; 5] {
    let a = &snapshot.activity;
    let running = match (&snapshot.pid, snapshot.resident_bytes) {
        (Some(pid), Some(bytes)) => format!("running (process {pid}, {} MiB)", bytes >> 20),
        (Some(pid), None) => format!("running (process {pid})"),
        (None, _) => "NOT RUNNING".to_owned(),
    };
    let nodes = nodes_in_short(&snapshot.nodes).map(|nodes| format!("   {nodes}")).unwrap_or_default();
    let paused = if view.paused { "   PAUSED" } else { "" };
    let time = snapshot.at.to_string().get(..19).unwrap_or_default().replace('T', " ");
    let last = a.last_item_at.map_or_else(|| "none yet".to_owned(), |at| output::ago(at, snapshot.at));
    let standing = |which| snapshot.feeds.iter().filter(|feed| feed.standing == which).count();
    let next = snapshot.feeds.iter().filter_map(|feed| feed.next_poll_at).filter(|at| *at > snapshot.at).min();
    let next = next.map(|at| format!("; next poll {}", output::ago(at, snapshot.at))).unwrap_or_default();
    let (owed, parked) = snapshot.endpoints.iter().fold((0, 0), |(o, p), e| (o + e.owed, p + e.parked));
    let oldest = snapshot.endpoints.iter().filter_map(|e| e.oldest_owed_at).min();
    let oldest = oldest.map(|at| format!(", oldest {}", output::ago(at, snapshot.at))).unwrap_or_default();
    let held: u64 = snapshot.silences.iter().map(|silence| silence.held_back).sum();
    let silenced = match snapshot.silences.len() {
        0 => String::new(),
        count => format!("; {} held {held} back", counted(count as u64, "silence")),
    };
    let lag = |span: Option<u64>, what: &str| span.map(|ms| format!("; {what} {}", lag(ms))).unwrap_or_default();
    [
        format!("wirewatch  {running}   {time} UTC{paused}{nodes}"),
        format!("Items      {:.1}/s, {} in the last hour; last {last}", a.items_minute as f64 / 60.0, a.items_hour),
        format!(
            "Feeds      {}: {} due, {} failing, {} gone, {} new{next}",
            snapshot.feeds.len(),
            standing(TopStanding::Due),
            standing(TopStanding::Failing),
            standing(TopStanding::Gone),
            standing(TopStanding::New),
        ),
        format!(
            "Alerts     {} in the last hour{}{silenced}",
            a.alerts_hour,
            lag(a.published_to_alert_ms, "published to alert, median")
        ),
        format!(
            "Delivery   {owed} owed{oldest}, {parked} parked; {} in the last minute{}",
            a.delivered_minute,
            lag(a.alert_to_delivered_ms, "median")
        ),
    ]
}

/// A span for people, with more care for short ones than [`output::ago`].
fn lag(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        ms => format!("{} h", ms / 3_600_000),
    }
}

fn tabs(snapshot: &TopSnapshot, view: &TopView, columns: usize) -> String {
    let name = |(at, pane): (usize, TopPane)| {
        let (open, close) = if view.pane == pane { ("[", "]") } else { (" ", " ") };
        format!("{open}{} {}{close}", at + 1, pane.name())
    };
    let names: String = TopPane::all(view.nodes).iter().copied().enumerate().map(name).collect();
    let mut bar = format!(
        "{names} {}{}{}{}",
        counted(snapshot.rows(view).len() as u64, "row"),
        if view.sort == SortKey::default() { String::new() } else { format!(", by {}", view.sort.name()) },
        if view.reverse { ", reversed" } else { "" },
        if view.attention { ", attention only" } else { "" },
    );
    if !view.filter.is_empty() {
        bar.push_str(", with `");
        bar.push_str(&clean::one_line(&view.filter));
        bar.push('`');
    }
    bar.push_str(&" ".repeat(columns.saturating_sub(bar.width())));
    bar
}

fn table(snapshot: &TopSnapshot, view: &TopView, size: ScreenSize) -> Vec<ScreenLine> {
    let mut table = Table::new(match view.pane {
        TopPane::Alerts => &["#", "AGE", "SEVERITY", "TOPICS", "OUTLET", "TITLE"],
        TopPane::Stories => &["STORY", "AGE", "ITEMS", "OUTLETS", "ALERTED", "TITLE"],
        TopPane::Feeds => &["FEED", "STATE", "NEXT POLL", "LAST NEW", "ITEMS", "ERROR"],
        TopPane::Topics => &["TOPIC", "HITS/H", "ALERTS/H"],
        TopPane::Endpoints => &["ENDPOINT", "OWED", "OLDEST", "PARKED", "LAST SUCCESS", "TROUBLE"],
        TopPane::Nodes => &["NODE", "STATE", "HOSTS", "REGIONS", "ROLES", "LAST SEEN", "BEHIND", "TROUBLE"],
    })
    .cuttable(&["TOPICS", "OUTLET", "OUTLETS", "ALERTED"]);
    let rows = snapshot.rows(view);
    let shown: Vec<_> = rows.into_iter().skip(view.from).take(table_rows(size)).collect();
    for row in &shown {
        table.row(row.cells.iter().cloned());
    }
    let styles = std::iter::once(CellStyle::Bold)
        .chain(shown.iter().map(|row| if row.alarm { CellStyle::Alarm } else { CellStyle::Plain }));
    let rendered = table.render(size.columns);
    rendered.lines().zip(styles).map(|(text, style)| ScreenLine { text: text.to_owned(), style }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::{TopAlert, TopEndpoint, TopFeed, TopStory};
    use super::super::view::{KeyDecoder, TerminalKey};
    use super::*;
    use crate::model::Timestamp;
    use crate::store::{Activity, NodeRecord, TopicActivity};

    const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

    fn feed(id: &str, standing: TopStanding, error: Option<&str>) -> TopFeed {
        TopFeed {
            id: id.to_owned(),
            standing,
            next_poll_at: Some(NOW.plus(std::time::Duration::from_secs(90))),
            last_new_item_at: Some(Timestamp::from_seconds(1_742_198_000 + id.len() as i64)),
            items_last: id.len() as u64,
            error: error.map(str::to_owned),
        }
    }

    fn alert(number: u64) -> TopAlert {
        TopAlert {
            number,
            at: Timestamp::from_seconds(1_742_198_000 + number as i64),
            severity: if number == 12 { "critical" } else { "high" }.to_owned(),
            topics: "harbours".to_owned(),
            outlet: "gazette +2".to_owned(),
            title: format!("Town council approves harbour wall number {number}, after years of debate"),
        }
    }

    fn snapshot() -> TopSnapshot {
        let topic = |name: &str, matches| TopicActivity { topic: name.to_owned(), matches, alerts: matches / 2 };
        let activity = Activity {
            items_minute: 132,
            items_hour: 4000,
            last_item_at: Some(Timestamp::from_seconds(1_742_198_529)),
            topics: vec![topic("sanctions", 12), topic("harbours", 1)],
            published_to_alert_ms: Some(130_000),
            alert_to_delivered_ms: Some(85),
            ..Activity::default()
        };
        let endpoint = TopEndpoint {
            id: "desk".to_owned(),
            owed: 2,
            parked: 0,
            oldest_owed_at: Some(Timestamp::from_seconds(1_742_198_501)),
            last_success_at: None,
            trouble: Some("connect refused".to_owned()),
        };
        let hostile = "bad\u{1b}[2J\u{202e}\nforged";
        let mut feeds: Vec<TopFeed> = (0..40).map(|n| feed(&format!("feed-{n:02}"), TopStanding::Ok, None)).collect();
        feeds.push(feed("zz-failing", TopStanding::Failing, Some(hostile)));
        feeds.push(feed("due", TopStanding::Due, None));
        TopSnapshot {
            nodes: Vec::new(),
            at: NOW,
            pid: Some("42".to_owned()),
            resident_bytes: Some(50 << 20),
            activity,
            feeds,
            endpoints: vec![endpoint],
            silences: Vec::new(),
            alerts: (1..=12).rev().map(alert).collect(),
            stories: vec![TopStory {
                id: "sty_2yt3tg".to_owned(),
                last_seen: Timestamp::from_seconds(1_742_198_000),
                items: 3,
                outlets: "gazette +1".to_owned(),
                alerted: "harbours".to_owned(),
                title: "Harbour wall approved".to_owned(),
            }],
        }
    }

    fn screen(view: &TopView, columns: usize, rows: usize) -> Vec<String> {
        let lines = draw(&snapshot(), view, ScreenSize { columns, rows });
        lines.iter().map(|line| line.plain().to_owned()).collect()
    }

    fn view(keys: &str) -> TopView {
        let mut view = TopView::default();
        for key in KeyDecoder::default().decode(keys.as_bytes()) {
            view.press(key);
        }
        view
    }

    #[test]
    fn screen_says_everything_on_80_by_24() {
        let lines = screen(&TopView::default(), 80, 24);
        let text = lines.join("\n");
        for words in [
            "running (process 42, 50 MiB)   2025-03-17 08:02:11 UTC",
            "2.2/s, 4000 in the last hour; last 2 s ago",
            "42: 1 due, 1 failing, 0 gone, 0 new; next poll in 1 min",
            "published to alert, median 2 min",
            "2 owed, oldest 30 s ago, 0 parked; 0 in the last minute; median 85 ms",
            "[1 alerts] 2 stories  3 feeds  4 topics  5 endpoints  12 rows",
            "q quit",
        ] {
            assert!(text.contains(words), "no `{words}` in\n{text}");
        }
        assert!(lines[7].starts_with("12  8 min  critical  harbours  gazette +2"), "the latest first:\n{text}");
        assert!(lines[7].contains("Town council approves"), "{text}");
        let lines = screen(&view("3"), 80, 24);
        let text = lines.join("\n");
        assert!(lines[7].starts_with("zz-failing  FAILING  in 1 min"), "the urgent first:\n{text}");
        assert!(lines[8].starts_with("due         due      now"), "\n{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "\n{text}");
    }

    #[test]
    fn nodes_are_a_table_with_their_hosts_and_regions() {
        let node = |name: &str, regions: &[&str], hosts, decides| NodeRecord {
            name: name.to_owned(),
            decides,
            stands_by: !decides,
            roles: vec!["fetch", "deliver"],
            address: None,
            seeds: String::new(),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            hosts,
            reaches: true,
            version: "1".to_owned(),
            same_rules: true,
            behind: 0,
            behind_ms: 0,
            clock_apart_ms: 0,
            started_at: NOW,
            silent_ms: 900,
            has_session: true,
        };
        let nodes = vec![
            node("eu-1", &["eu", "uk"], 120, true),
            NodeRecord { silent_ms: 61_000, ..node("us-1", &[], 0, false) },
        ];
        let (snapshot, mut of_nodes) = (TopSnapshot { nodes, ..snapshot() }, view(""));
        of_nodes.nodes = true;
        let size = ScreenSize { columns: 120, rows: 24 };
        let shown = |keys: &str| {
            let mut view = of_nodes.clone();
            for key in KeyDecoder::default().decode(keys.as_bytes()) {
                view.press(key);
            }
            draw(&snapshot, &view, size).iter().map(|line| line.plain().to_owned()).collect::<Vec<_>>()
        };
        let lines = shown("6");
        let rows: Vec<String> =
            lines[7..9].iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            rows[0], "us-1 SILENT 0 - fetch, deliver 1 min ago 0 us-1 has been silent for 61 s",
            "what wants a look first"
        );
        assert_eq!(rows[1], "eu-1 decides 120 eu, uk fetch, deliver 0 s ago 0");
        assert!(lines[5].contains("[6 nodes]") && lines[23].contains("1-6 table"), "{lines:#?}");
    }

    #[test]
    fn screen_fits_any_terminal_and_any_view() {
        for keys in ["", "2", "3", "4", "5", "3?", "/zz", "f", "sr", "/nothing\r"] {
            for (columns, rows) in [(80, 24), (200, 60), (40, 10), (20, 5), (1, 1), (80, 8)] {
                let mut view = view(keys);
                view.fit(42, table_rows(ScreenSize { columns, rows }));
                let lines = screen(&view, columns, rows);
                assert_eq!(lines.len(), rows, "{keys} {columns}x{rows}");
                assert!(lines.iter().all(|line| line.width() <= columns), "{keys} {columns}x{rows}: {lines:#?}");
            }
        }
    }

    #[test]
    fn screen_sorts_filters_and_scrolls() {
        let first =
            |keys: &str| screen(&view(&format!("3{keys}")), 80, 24)[7].split(' ').next().unwrap_or_default().to_owned();
        assert_eq!(first("s"), "due", "by name");
        assert_eq!(first("ss"), "zz-failing", "newest");
        assert_eq!(first("sssr"), "due", "most, reversed");
        assert_eq!(first("/feed-3\r"), "feed-30");
        assert_eq!(first("4"), "sanctions");
        assert_eq!(first("5"), "desk");
        assert_eq!(first("2"), "sty_2yt3tg");
        assert!(screen(&view("3f"), 80, 24)[9].is_empty(), "two rows want attention");
        let mut scrolled = view("3");
        scrolled.press(TerminalKey::End);
        scrolled.fit(42, table_rows(ScreenSize { columns: 80, rows: 24 }));
        assert!(screen(&scrolled, 80, 24)[22].starts_with("feed-39"));
    }

    #[test]
    fn paint_only_repeats_what_words_say() {
        let alarm = ScreenLine { text: "x FAILING".to_owned(), style: CellStyle::Alarm };
        assert_eq!(alarm.painted(ScreenPaint::None), "x FAILING");
        assert_eq!(alarm.painted(ScreenPaint::Mono), "\x1b[1mx FAILING\x1b[0m");
        assert_eq!(alarm.painted(ScreenPaint::Colour), "\x1b[31mx FAILING\x1b[0m");
    }
}
