//! What a daemon tells whoever started it on a terminal: what is watched, what became of each file, a feed's first good
//! poll, and troubles summed up by their cause. Reads the same events as the log, whose messages are constant phrases;
//! whatever it does not know and that matters is shown as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::model::FeedFailure;
use crate::text::clean;

/// Target of the events about what was taken: too many for a log, right for a person who drops a file.
pub const TAKEN: &str = "wirewatch::taken";
/// Events between the stages and the screen; what is beyond is counted and said rather than waited for.
const EVENTS_WAITING_MAX: usize = 4096;
/// Quiet for so long, and what was collected is said.
const QUIET: Duration = Duration::from_millis(600);
/// Feeds that fail of one cause come one after the other: so many quiet times are waited for.
const QUIETS_BEFORE_TROUBLES: u32 = 3;
/// Digits of an id that is told: `explain` takes a beginning.
const ID_CHARS: usize = 12;
/// What is waiting is printed before the program ends, but not at any price.
const FLUSH_WAIT: Duration = Duration::from_secs(1);
/// Files named between two such pauses; the others are counted.
const FILES_NAMED_MAX: usize = 20;
/// Feeds of one trouble that are named.
const FEEDS_NAMED_MAX: usize = 3;
/// Characters of an error in words.
const ERROR_CHARS_MAX: usize = 100;

/// What the screen has to know of the program around it.
#[derive(Debug, Clone, Default)]
pub struct ScreenRules {
    /// How the program is called, with its config: `wirewatch --config desk/wirewatch.toml`.
    pub program: String,
    /// Alerts are printed as they are told, by an endpoint of their own.
    pub has_console: bool,
}

/// The layer that hands events to the screen.
pub(super) struct ScreenLayer {
    signals: SyncSender<Signal>,
    /// Events that found no room and were not told of yet.
    missed: Arc<AtomicU64>,
}

/// What the thread that writes is sent.
enum Signal {
    Event(Happening),
    /// Print what was collected, then say so.
    Flush(SyncSender<()>),
}

/// To have everything printed.
#[derive(Debug, Clone)]
pub(super) struct ScreenFlush(SyncSender<Signal>);

/// An event as it is handed over.
#[derive(Debug, Clone, Default)]
struct Happening {
    is_trouble: bool,
    message: String,
    fields: BTreeMap<&'static str, String>,
}

impl ScreenLayer {
    /// Starts the thread that writes.
    pub(super) fn start(rules: ScreenRules) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(EVENTS_WAITING_MAX);
        let missed = Arc::<AtomicU64>::default();
        let screen = Screen::new(rules, Arc::clone(&missed));
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || show(&receiver, screen))?;
        Ok(Self { signals: sender, missed })
    }

    /// A stage never waits for the terminal.
    fn hand_over(&self, happening: Happening) {
        if self.signals.try_send(Signal::Event(happening)).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn flush(&self) -> ScreenFlush {
        ScreenFlush(self.signals.clone())
    }
}

impl ScreenFlush {
    /// Waits until all that happened is printed.
    pub(super) fn wait(&self) {
        let (done, printed) = sync_channel(1);
        if self.0.try_send(Signal::Flush(done)).is_ok() {
            let _ = printed.recv_timeout(FLUSH_WAIT);
        }
    }
}

impl<S: Subscriber> Layer<S> for ScreenLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut happening = Happening { is_trouble: *event.metadata().level() <= Level::WARN, ..Happening::default() };
        event.record(&mut happening);
        self.hand_over(happening);
    }
}

impl Visit for Happening {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else if !field.name().starts_with("log.") {
            self.fields.insert(field.name(), clean::one_line(value).into_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn show(signals: &Receiver<Signal>, mut screen: Screen) {
    loop {
        let mut flushed = None;
        let lines = match signals.recv_timeout(QUIET) {
            Ok(Signal::Event(happening)) => screen.happened(&happening),
            Ok(Signal::Flush(done)) => {
                flushed = Some(done);
                screen.all()
            }
            Err(RecvTimeoutError::Timeout) => screen.quiet(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut err = std::io::stderr().lock();
        for line in lines {
            // Nobody reads any more: the daemon goes on all the same.
            let _ = writeln!(err, "{line}");
        }
        // Whoever waits may have given up.
        let _ = flushed.map(|done| done.try_send(()));
    }
}

/// What was seen and is not said yet.
#[derive(Debug)]
struct Screen {
    rules: ScreenRules,
    feeds: usize,
    /// By class: the feeds that began to fail, the last error, and the first time one is tried again.
    failing: BTreeMap<String, Failing>,
    recovered: Vec<String>,
    files: usize,
    /// Quiet times since the last trouble.
    quiets: u32,
    /// Events that found no room.
    missed: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Failing {
    feeds: Vec<String>,
    error: String,
    retry_seconds: Option<u64>,
}

impl Screen {
    fn new(rules: ScreenRules, missed: Arc<AtomicU64>) -> Self {
        Self { rules, feeds: 0, failing: BTreeMap::new(), recovered: Vec::new(), files: 0, quiets: 0, missed }
    }

    /// Lines to print now; what comes in crowds waits for a pause.
    fn happened(&mut self, event: &Happening) -> Vec<String> {
        match event.message.as_str() {
            "wirewatch is ready" => self.ready(event),
            "file taken" => {
                self.files += 1;
                if self.files <= FILES_NAMED_MAX { vec![self.taken(event)] } else { Vec::new() }
            }
            "baseline stored" => {
                let (source, items) = (event.text("source"), event.text("items"));
                vec![format!("{source}: {items} stored as a baseline; what comes from now on can alert")]
            }
            "feed failing" | "feed failing in another way" => {
                self.quiets = 0;
                let retry = event.text("retry_s").parse().ok();
                let failing = self.failing.entry(event.text("failure").to_owned()).or_default();
                failing.feeds.push(event.text("source").to_owned());
                event.text("error").clone_into(&mut failing.error);
                failing.retry_seconds = [failing.retry_seconds, retry].into_iter().flatten().min();
                Vec::new()
            }
            "feed recovered" => {
                self.quiets = 0;
                self.recovered.push(event.text("source").to_owned());
                Vec::new()
            }
            "alert raised" | "source alert raised" if self.rules.has_console => Vec::new(),
            "alert delivered" if event.text("endpoint") == "console" => Vec::new(),
            "alert delivered" => {
                vec![format!(
                    "sent to {} in {} ms: {}",
                    event.text("endpoint"),
                    event.text("latency_ms"),
                    event.text("alert")
                )]
            }
            "alert raised" => vec![format!("alert on {}: {}", event.text("topics"), event.text("alert"))],
            "config warning" => vec![format!("config: {}", event.text("problem"))],
            "config reloaded" => vec![format!("config reloaded: {}", event.text("changes"))],
            "stopping: work in flight ends; a second signal cuts" => {
                vec!["stopping (Ctrl-C again cuts it short)".to_owned()]
            }
            "stopped" => vec!["stopped".to_owned()],
            _ if event.is_trouble => vec![event.as_it_is()],
            _ => Vec::new(),
        }
    }

    /// Nothing happened for a while.
    fn quiet(&mut self) -> Vec<String> {
        self.quiets = self.quiets.saturating_add(1);
        if self.quiets >= QUIETS_BEFORE_TROUBLES { self.all() } else { self.more_files() }
    }

    /// What was collected, one line per cause.
    fn all(&mut self) -> Vec<String> {
        let mut lines = self.more_files();
        for (class, failing) in std::mem::take(&mut self.failing) {
            lines.push(self.summed_up(&class, &failing));
        }
        match std::mem::take(&mut self.recovered).as_slice() {
            [] => {}
            [one] => lines.push(format!("{one} answers again")),
            several => lines.push(format!("{} feeds answer again: {}", several.len(), named(several))),
        }
        lines
    }

    fn more_files(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let more = self.files.saturating_sub(FILES_NAMED_MAX);
        if more > 0 {
            lines.push(format!("and {more} more files taken: `{} items` lists them", self.rules.program));
        }
        self.files = 0;
        match self.missed.swap(0, Ordering::Relaxed) {
            0 => {}
            missed => lines.push(format!(
                "{} not shown: more happened than this terminal could take; `run --log` has all",
                plural(usize::try_from(missed).unwrap_or(usize::MAX), "event")
            )),
        }
        lines
    }

    fn ready(&mut self, event: &Happening) -> Vec<String> {
        self.feeds = event.text("feeds").parse().unwrap_or_default();
        let seeds = event.text("seeds");
        let watched = match (self.feeds, seeds) {
            (0, "") => "nothing: the config has no feeds and no seed directory".to_owned(),
            (0, seeds) => seeds.to_owned(),
            (feeds, "") => plural(feeds, "feed"),
            (feeds, seeds) => format!("{seeds} and {}", plural(feeds, "feed")),
        };
        let topics = event.text("topics").parse().map_or_else(|_| String::new(), |topics| plural(topics, "topic"));
        let to =
            Some(event.text("alerts_to")).filter(|to| !to.is_empty()).unwrap_or("nobody, for there is no endpoint");
        let mut lines = vec![format!("watching {watched} for {topics}; alerts go to {to}. Ctrl-C stops.")];
        match event.text("http") {
            "" | "off" => {}
            address => lines.push(format!("the page: http://{address}/")),
        }
        lines
    }

    fn taken(&self, event: &Happening) -> String {
        let file = event.text("file");
        let number = |name: &str| event.text(name).parse::<usize>().unwrap_or(0);
        let (items, alerts, topics) = (number("items"), number("alerts"), event.text("topics"));
        let item: String = event.text("item").chars().take(ID_CHARS).collect();
        let why = format!("why: {} explain {item}", self.rules.program);
        match (items, number("known"), topics, alerts) {
            (0, 0, ..) => format!("taken {file}: nothing in it that could be taken"),
            (0, ..) => format!("taken {file}: known already"),
            (1, _, "", _) => format!("taken {file}: no topic; {why}"),
            (1, _, topics, 0) => format!("taken {file}: {topics}, no alert of its own; {why}"),
            (1, _, topics, _) => format!("taken {file}: {topics}"),
            (items, _, "", _) => format!("taken {file}: {items} items, no topic"),
            (items, _, topics, alerts) => {
                format!("taken {file}: {items} items on {topics}; {}", plural(alerts, "alert"))
            }
        }
    }

    fn summed_up(&self, class: &str, failing: &Failing) -> String {
        let again =
            failing.retry_seconds.map_or_else(String::new, |seconds| format!(" Tried again in {}.", span(seconds)));
        if let [one] = failing.feeds.as_slice() {
            return format!("{one} fails: {}.{again}", clean::excerpt(&failing.error, ERROR_CHARS_MAX));
        }
        let what = FeedFailure::from_name(class).map_or("fail", FeedFailure::of_several);
        let count = failing.feeds.len();
        let of = if self.feeds >= count { format!(" of {}", self.feeds) } else { String::new() };
        let end = match class {
            // Most at once: it is not they.
            "dns" | "connect" if 2 * count > self.feeds => ": is there a network?".to_owned(),
            _ => format!(": {}.", named(&failing.feeds)),
        };
        format!("{count}{of} feeds {what}{end}{again}")
    }
}

impl Happening {
    fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn as_it_is(&self) -> String {
        let fields =
            self.fields.iter().map(|(name, value)| format!("{name} {}", clean::excerpt(value, ERROR_CHARS_MAX)));
        let fields = fields.collect::<Vec<_>>().join(", ");
        let message = clean::one_line(&self.message);
        if fields.is_empty() { format!("! {message}") } else { format!("! {message} ({fields})") }
    }
}

fn named(feeds: &[String]) -> String {
    let mut names = feeds.iter().take(FEEDS_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if feeds.len() > FEEDS_NAMED_MAX {
        names.push_str(", …");
    }
    names
}

fn plural(count: usize, what: &str) -> String {
    crate::text::counted(count as u64, what)
}

fn span(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{} s", seconds.max(1)),
        90..5400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str, fields: &[(&'static str, &str)]) -> Happening {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Happening { is_trouble: false, message: message.to_owned(), fields }
    }

    fn screen() -> Screen {
        let rules = ScreenRules { program: "wirewatch".to_owned(), has_console: true };
        let mut screen = Screen::new(rules, Arc::default());
        let ready =
            [("feeds", "42"), ("seeds", "./seeds"), ("topics", "5"), ("alerts_to", "console"), ("http", "[::1]:80")];
        assert_eq!(
            screen.happened(&event("wirewatch is ready", &ready)),
            [
                "watching ./seeds and 42 feeds for 5 topics; alerts go to console. Ctrl-C stops.",
                "the page: http://[::1]:80/"
            ]
        );
        screen
    }

    #[test]
    fn troubles_of_one_cause_are_one_line() {
        let mut screen = screen();
        for n in 0..42 {
            let source = format!("feed-{n}");
            let fields =
                [("source", source.as_str()), ("failure", "dns"), ("error", "no such name"), ("retry_s", "61")];
            assert!(screen.happened(&event("feed failing", &fields)).is_empty());
        }
        assert!(screen.quiet().is_empty() && screen.quiet().is_empty());
        assert_eq!(screen.quiet(), ["42 of 42 feeds do not resolve: is there a network? Tried again in 61 s."]);
        assert!(screen.quiet().is_empty(), "it is said once");
        for source in ["a", "b", "c", "d"] {
            let fields = [("source", source), ("failure", "timeout"), ("error", "no answer"), ("retry_s", "1800")];
            screen.happened(&event("feed failing", &fields));
            screen.happened(&event("feed recovered", &[("source", source)]));
        }
        assert_eq!(
            screen.all(),
            [
                "4 of 42 feeds do not answer in time: a, b, c, …. Tried again in 30 min.",
                "4 feeds answer again: a, b, c, …"
            ]
        );
    }

    #[test]
    fn files_are_told_with_what_to_ask_and_crowds_of_them_counted() {
        let mut screen = screen();
        let file = |topics, alerts| {
            event(
                "file taken",
                &[("file", "a.txt"), ("items", "1"), ("topics", topics), ("alerts", alerts), ("item", "itm_1")],
            )
        };
        assert_eq!(screen.happened(&file("", "0")), ["taken a.txt: no topic; why: wirewatch explain itm_1"]);
        assert_eq!(screen.happened(&file("storm", "1")), ["taken a.txt: storm"]);
        assert_eq!(
            screen.happened(&file("storm", "0")),
            ["taken a.txt: storm, no alert of its own; why: wirewatch explain itm_1"]
        );
        let lines: usize = (0..997).map(|_| screen.happened(&file("", "0")).len()).sum();
        assert_eq!(lines, 17);
        assert_eq!(screen.quiet(), ["and 980 more files taken: `wirewatch items` lists them"]);
    }

    #[test]
    fn events_that_find_no_room_are_counted_and_said_once() {
        let (signals, waiting) = sync_channel(2);
        let layer = ScreenLayer { signals, missed: Arc::default() };
        for _ in 0..5 {
            layer.hand_over(event("file taken", &[]));
        }
        let mut screen = Screen::new(ScreenRules::default(), Arc::clone(&layer.missed));
        assert_eq!(waiting.try_iter().count(), 2);
        assert_eq!(
            screen.quiet(),
            ["3 events not shown: more happened than this terminal could take; `run --log` has all"]
        );
        assert!(screen.quiet().is_empty());
    }

    #[test]
    fn what_is_not_known_is_shown_where_it_matters() {
        let mut screen = screen();
        let trouble = Happening { is_trouble: true, ..event("store cannot be used for now", &[("error", "locked")]) };
        assert_eq!(screen.happened(&trouble), ["! store cannot be used for now (error locked)"]);
        assert!(screen.happened(&event("store opened", &[("items", "3")])).is_empty());
    }
}
