//! The terminal of `top`: raw keys in, whole frames out, and everything as it was on every way out, a
//! panic and a signal included. Escape sequences are the few that every terminal since the VT100 knows, so
//! no library is needed for them.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use parking_lot::Mutex;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::screen::{ScreenLine, ScreenPaint, ScreenSize};
use super::view::{KeyDecoder, TerminalKey};
use crate::cli::CliError;
use crate::cli::error::IO;

/// KeyDecoder that wait to be looked at; a key held down beyond that waits in the terminal.
const KEYS_WAITING_MAX: usize = 64;
/// The alternate screen, no cursor, no wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l";

/// What the terminal was like; there is one terminal per process, and the panic hook needs it too.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal in raw mode that is restored when this is dropped.
pub(super) struct RawTerminal {
    shown: Vec<String>,
}

impl RawTerminal {
    /// Takes the terminal over.
    pub(super) fn enter() -> Result<Self, CliError> {
        let fail = |error: rustix::io::Errno| CliError::new(IO, format!("use the terminal: {error}"));
        let before = tcgetattr(io::stdin()).map_err(fail)?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock() = Some(before);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |what| {
            // First the terminal, or the message would go to the screen that is about to vanish.
            restore();
            usual(what);
        }));
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw).map_err(fail)?;
        let terminal = Self { shown: Vec::new() };
        write(ENTER)?;
        Ok(terminal)
    }

    /// The next frame is drawn from nothing.
    pub(super) fn forget(&mut self) {
        self.shown.clear();
    }

    /// Shows a frame; only lines that differ are written, in one piece.
    pub(super) fn show(&mut self, frame: &[ScreenLine], paint: ScreenPaint) -> io::Result<()> {
        let lines: Vec<String> = frame.iter().map(|line| line.painted(paint)).collect();
        let mut out = String::new();
        if self.shown.len() != lines.len() {
            self.shown.clear();
            out.push_str("\x1b[2J");
        }
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) != Some(line) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\x1b[{};1H{line}\x1b[K", row + 1);
            }
        }
        self.shown = lines;
        if out.is_empty() { Ok(()) } else { write(&out) }
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// The size of the terminal now.
pub(super) fn size() -> ScreenSize {
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or(ScreenSize { columns: 80, rows: 24 }, |size| ScreenSize {
        columns: usize::from(size.ws_col),
        rows: usize::from(size.ws_row),
    })
}

fn restore() {
    let before = BEFORE.lock().take();
    if let Some(before) = before {
        // A terminal that is gone needs no restoring.
        let _ = write(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// KeyDecoder as they are pressed; ends with the terminal.
pub(super) fn keys() -> Result<mpsc::Receiver<TerminalKey>, CliError> {
    let (sender, receiver) = mpsc::channel(KEYS_WAITING_MAX);
    let read = move || {
        let (mut stdin, mut bytes, mut decoder) = (io::stdin().lock(), [0; 64], KeyDecoder::default());
        while let Ok(length @ 1..) = stdin.read(&mut bytes) {
            for key in decoder.decode(&bytes[..length]) {
                if sender.blocking_send(key).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(read)
        .map_err(|error| CliError::new(IO, format!("start the keyboard's thread: {error}")))?;
    Ok(receiver)
}
