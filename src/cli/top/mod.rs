//! `top`: what the daemon does, live in the terminal. Looks at the store beside the daemon, never through
//! it, so that it works with the listener off and while the daemon hangs. `snapshot` looks, `view` knows
//! the keys, `screen` draws, `terminal` is the only one that touches the terminal.

mod screen;
mod snapshot;
mod terminal;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::error::IO;
use super::output::{self, Output};
use super::{CliError, Context};
use screen::{ScreenPaint, ScreenSize};
use snapshot::{SnapshotReader, TopSnapshot};
use terminal::RawTerminal;
use view::{TerminalKey, TopView, ViewStep};

/// ScreenSize where there is no terminal to ask.
const SIZE_DEFAULT: ScreenSize = ScreenSize { columns: 100, rows: 40 };

/// Shows what goes on, live: alerts, stories, feeds, topics, endpoints, lag.
///
/// Where standard output is no terminal it prints once and ends. Keys: q quit, 1 2 3 feeds, topics,
/// endpoints, s sort, r reverse, / filter, f only what fails or is due, space pause, arrows scroll, ? help.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Seconds between two looks.
    #[arg(long, default_value_t = 1.0, value_parser = seconds, value_name = "SECONDS")]
    every: f64,
    /// Print once and end.
    #[arg(long)]
    once: bool,
    /// Print one look as JSON.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("use seconds from 0.1 to 3600".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there is no store, it cannot be read, or the terminal is gone.
pub fn run(args: &TopArgs, context: &Context) -> Result<(), CliError> {
    let config = context.load()?.config;
    let looker = SnapshotReader::new(&config, context.read_store()?, context.clock.clone());
    let snapshot = looker.look()?;
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&snapshot)?);
    }
    if args.once || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let size = if io::stdout().is_terminal() { terminal::size() } else { SIZE_DEFAULT };
        let lines = screen::draw(&snapshot, &TopView::default(), size);
        // Neither what fills a screen nor its keys are of use on paper.
        let said = lines.split_last().map_or(&[][..], |(_keys, said)| said);
        let mut out = io::stdout().lock();
        for line in said.iter().map(screen::ScreenLine::plain).filter(|line| !line.trim().is_empty()) {
            writeln!(out, "{}", line.trim_end())?;
        }
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::new(IO, format!("start the runtime: {error}")))?;
    runtime.block_on(live(looker, snapshot, Duration::from_secs_f64(args.every)))
}

/// Draws until somebody presses q, a signal ends it, or the terminal goes away.
async fn live(looker: SnapshotReader, mut snapshot: TopSnapshot, every: Duration) -> Result<(), CliError> {
    let signals = |kind| signal(kind).map_err(|e| CliError::new(IO, format!("set signal handlers: {e}")));
    let (mut resized, mut term) = (signals(SignalKind::window_change())?, signals(SignalKind::terminate())?);
    let (mut hup, mut int) = (signals(SignalKind::hangup())?, signals(SignalKind::interrupt())?);
    let paint = ScreenPaint::of_environment();
    let mut terminal = RawTerminal::enter()?;
    let mut keys = terminal::keys()?;
    let mut view = TopView::default();
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        let size = terminal::size();
        view.nodes = !snapshot.nodes.is_empty();
        view.fit(snapshot.rows(&view).len(), screen::table_rows(size));
        terminal.show(&screen::draw(&snapshot, &view, size), paint)?;
        tokio::select! {
            key = keys.recv() => match key.map(|key| pressed(&mut view, key)) {
                Some(ViewStep::Quit) | None => return Ok(()),
                Some(ViewStep::Draw) => {}
            },
            _ = tick.tick() => if !view.paused {
                snapshot = looker.look()?;
            },
            _ = resized.recv() => terminal.forget(),
            _ = term.recv() => return Ok(()),
            _ = hup.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
        }
    }
}

/// A debug build has one key more: the test of what a panic leaves behind presses it.
fn pressed(view: &mut TopView, key: TerminalKey) -> ViewStep {
    assert!(!cfg!(debug_assertions) || key != TerminalKey::Ctrl('x'), "a panic was asked for");
    view.press(key)
}
