//! What the operator looks at and how: keys in, a [`View`] out. Pure: the terminal is elsewhere.

/// Longest filter.
const FILTER_CHARS_MAX: usize = 40;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Backspace,
    Escape,
    /// Ctrl and this letter.
    Ctrl(char),
}

/// Bytes of a terminal to keys; a character may come in two reads.
#[derive(Debug, Default)]
pub(super) struct Keys {
    rest: Vec<u8>,
}

impl Keys {
    /// The keys that these bytes complete.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.rest.extend_from_slice(bytes);
        let taken = std::mem::take(&mut self.rest);
        let (mut keys, mut at) = (Vec::new(), 0);
        while at < taken.len() {
            let (key, length) = match &taken[at..] {
                [0x1b, b'[' | b'O', rest @ ..] if !rest.is_empty() => sequence(rest),
                [0x1b, ..] => (Some(Key::Escape), 1),
                [b'\r' | b'\n', ..] => (Some(Key::Enter), 1),
                [0x7f | 0x08, ..] => (Some(Key::Backspace), 1),
                [control @ 1..=26, ..] => (Some(Key::Ctrl((control - 1 + b'a') as char)), 1),
                rest => character(rest),
            };
            if length == 0 {
                self.rest = taken[at..].to_vec();
                break;
            }
            keys.extend(key);
            at += length;
        }
        keys
    }
}

/// What follows `ESC [`, with the bytes it takes in all.
fn sequence(rest: &[u8]) -> (Option<Key>, usize) {
    let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)).unwrap_or(rest.len() - 1);
    let key = match &rest[..=end] {
        b"A" => Some(Key::Up),
        b"B" => Some(Key::Down),
        b"5~" => Some(Key::PageUp),
        b"6~" => Some(Key::PageDown),
        b"H" | b"1~" | b"7~" => Some(Key::Home),
        b"F" | b"4~" | b"8~" => Some(Key::End),
        _ => None,
    };
    (key, end + 3)
}

/// One character; length 0 while its end has not come.
fn character(bytes: &[u8]) -> (Option<Key>, usize) {
    let length = match bytes[0] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    if bytes.len() < length {
        return (None, 0);
    }
    let c = std::str::from_utf8(&bytes[..length]).ok().and_then(|text| text.chars().next());
    (c.filter(|c| !c.is_control()).map(Key::Char), length)
}

/// Which table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pane {
    #[default]
    Feeds,
    Topics,
    Endpoints,
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SortKey {
    /// What wants a look first.
    #[default]
    Urgency,
    Name,
    /// What had news last.
    Newest,
    /// What has most: items, hits, deliveries owed.
    Most,
}

impl SortKey {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Urgency => Self::Name,
            Self::Name => Self::Newest,
            Self::Newest => Self::Most,
            Self::Most => Self::Urgency,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Urgency => "urgency",
            Self::Name => "name",
            Self::Newest => "newest",
            Self::Most => "most",
        }
    }
}

/// What is shown and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key that turns something on and off")]
pub(super) struct View {
    pub(super) pane: Pane,
    pub(super) sort: SortKey,
    pub(super) reverse: bool,
    /// Only rows that have this in their name or error.
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) typing: bool,
    /// Only what fails, is due or is owed.
    pub(super) attention: bool,
    pub(super) paused: bool,
    pub(super) help: bool,
    /// First row shown.
    pub(super) from: usize,
    /// Rows that fit, as last drawn.
    page: usize,
}

/// What comes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Draw,
    Quit,
}

impl View {
    /// Takes a key.
    pub(super) fn press(&mut self, key: Key) -> Step {
        if key == Key::Ctrl('c') {
            return Step::Quit;
        }
        if self.typing {
            self.type_filter(key);
            return Step::Draw;
        }
        match key {
            Key::Char('q') => return Step::Quit,
            Key::Char('1') => self.show(Pane::Feeds),
            Key::Char('2') => self.show(Pane::Topics),
            Key::Char('3') => self.show(Pane::Endpoints),
            Key::Ctrl('i') => self.show(match self.pane {
                Pane::Feeds => Pane::Topics,
                Pane::Topics => Pane::Endpoints,
                Pane::Endpoints => Pane::Feeds,
            }),
            Key::Char('s') => self.sort = self.sort.next(),
            Key::Char('r') => self.reverse = !self.reverse,
            Key::Char('f') => (self.attention, self.from) = (!self.attention, 0),
            Key::Char('/') => self.typing = true,
            Key::Char(' ') => self.paused = !self.paused,
            Key::Char('?' | 'h') => self.help = !self.help,
            Key::Escape => (self.help, self.attention, self.from) = (false, false, std::mem::take(&mut self.from)),
            Key::Up | Key::Char('k') => self.from = self.from.saturating_sub(1),
            Key::Down | Key::Char('j') => self.from += 1,
            Key::PageUp => self.from = self.from.saturating_sub(self.page.max(1)),
            Key::PageDown => self.from += self.page.max(1),
            Key::Home | Key::Char('g') => self.from = 0,
            Key::End | Key::Char('G') => self.from = usize::MAX,
            _ => {}
        }
        if key == Key::Escape {
            self.filter.clear();
        }
        Step::Draw
    }

    fn show(&mut self, pane: Pane) {
        (self.pane, self.from) = (pane, 0);
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter => self.typing = false,
            Key::Escape => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Char(c) if self.filter.chars().count() < FILTER_CHARS_MAX => self.filter.push(c),
            _ => {}
        }
        self.from = 0;
    }

    /// Keeps the first row inside a table of so many rows, of which so many fit.
    pub(super) fn fit(&mut self, rows: usize, fitting: usize) {
        self.page = fitting;
        self.from = self.from.min(rows.saturating_sub(fitting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sequences_characters_and_halves_of_them_are_read() {
        for (reads, expected) in [
            (&[&b"q"[..]][..], &[Key::Char('q')][..]),
            (&[b"\x1b[A\x1b[B\x1bOA"], &[Key::Up, Key::Down, Key::Up]),
            (&[b"\x1b[5~\x1b[6~\x1b[H\x1b[4~"], &[Key::PageUp, Key::PageDown, Key::Home, Key::End]),
            (&[b"\x1b"], &[Key::Escape]),
            (&[b"\x1b[200~x"], &[Key::Char('x')]),
            (&[b"\xc3", b"\xbc"], &[Key::Char('ü')]),
            (&[b"\x03\t\r\x7f"], &[Key::Ctrl('c'), Key::Ctrl('i'), Key::Enter, Key::Backspace]),
            (&[b"\xff\xfe a"], &[Key::Char(' '), Key::Char('a')]),
        ] {
            let mut decoder = Keys::default();
            let keys: Vec<Key> = reads.iter().flat_map(|bytes| decoder.decode(bytes)).collect();
            assert_eq!(keys, expected, "{reads:?}");
        }
    }

    fn pressed(keys: &str) -> View {
        let mut view = View::default();
        for key in Keys::default().decode(keys.as_bytes()) {
            view.press(key);
        }
        view
    }

    #[test]
    fn view_follows_its_keys() {
        assert_eq!(pressed("2").pane, Pane::Topics);
        assert_eq!(pressed("\t\t\t").pane, Pane::Feeds);
        assert!(pressed("r f ").reverse && pressed("f").attention && pressed(" ").paused && pressed("?").help);
        assert_eq!(pressed("/north q\r").filter, "north q", "q is a letter of a filter");
        assert_eq!(pressed("/ab\x7f\r").filter, "a");
        assert_eq!(pressed("/ab\x1b").filter, "");
        assert_eq!(pressed("/ab\r\x1b").filter, "", "escape shows everything again");
        assert_eq!(pressed("s").sort, SortKey::default().next());
        let mut view = View::default();
        assert_eq!(view.press(Key::Char('q')), Step::Quit);
        view.typing = true;
        assert_eq!(view.press(Key::Ctrl('c')), Step::Quit);
    }

    #[test]
    fn view_scrolls_inside_its_rows() {
        let mut view = View::default();
        view.press(Key::End);
        view.fit(30, 10);
        assert_eq!(view.from, 20);
        view.press(Key::PageUp);
        assert_eq!(view.from, 10);
        view.press(Key::Down);
        view.fit(5, 10);
        assert_eq!(view.from, 0, "fewer rows than fit");
    }
}
