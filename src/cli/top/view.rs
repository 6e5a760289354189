//! What the operator looks at and how: keys in, a [`TopView`] out. Pure: the terminal is elsewhere.

/// Longest filter.
const FILTER_CHARS_MAX: usize = 40;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TerminalKey {
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
pub(super) struct KeyDecoder {
    rest: Vec<u8>,
}

impl KeyDecoder {
    /// The keys that these bytes complete.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Vec<TerminalKey> {
        self.rest.extend_from_slice(bytes);
        let taken = std::mem::take(&mut self.rest);
        let (mut keys, mut at) = (Vec::new(), 0);
        while at < taken.len() {
            let (key, length) = match &taken[at..] {
                [0x1b, b'[' | b'O', rest @ ..] if !rest.is_empty() => sequence(rest),
                [0x1b, ..] => (Some(TerminalKey::Escape), 1),
                [b'\r' | b'\n', ..] => (Some(TerminalKey::Enter), 1),
                [0x7f | 0x08, ..] => (Some(TerminalKey::Backspace), 1),
                [control @ 1..=26, ..] => (Some(TerminalKey::Ctrl((control - 1 + b'a') as char)), 1),
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
fn sequence(rest: &[u8]) -> (Option<TerminalKey>, usize) {
    let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)).unwrap_or(rest.len() - 1);
    let key = match &rest[..=end] {
        b"A" => Some(TerminalKey::Up),
        b"B" => Some(TerminalKey::Down),
        b"5~" => Some(TerminalKey::PageUp),
        b"6~" => Some(TerminalKey::PageDown),
        b"H" | b"1~" | b"7~" => Some(TerminalKey::Home),
        b"F" | b"4~" | b"8~" => Some(TerminalKey::End),
        _ => None,
    };
    (key, end + 3)
}

/// One character; length 0 while its end has not come.
fn character(bytes: &[u8]) -> (Option<TerminalKey>, usize) {
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
    (c.filter(|c| !c.is_control()).map(TerminalKey::Char), length)
}

/// Which table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum TopPane {
    #[default]
    Alerts,
    Stories,
    Feeds,
    Topics,
    Endpoints,
    /// Only where several processes share the store.
    Nodes,
}

impl TopPane {
    /// In the order of their keys, `1` first.
    const ALL: [Self; 6] = [Self::Alerts, Self::Stories, Self::Feeds, Self::Topics, Self::Endpoints, Self::Nodes];

    /// Those that there are with nodes, or without.
    pub(super) fn all(nodes: bool) -> &'static [Self] {
        if nodes { &Self::ALL } else { &Self::ALL[..5] }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Stories => "stories",
            Self::Feeds => "feeds",
            Self::Topics => "topics",
            Self::Endpoints => "endpoints",
            Self::Nodes => "nodes",
        }
    }

    fn next(self, nodes: bool) -> Self {
        let all = Self::all(nodes);
        let at = all.iter().position(|pane| *pane == self).unwrap_or(0);
        all[(at + 1) % all.len()]
    }
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
pub(super) struct TopView {
    pub(super) pane: TopPane,
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
    /// Whether there are nodes to show.
    pub(super) nodes: bool,
    /// First row shown.
    pub(super) from: usize,
    /// Rows that fit, as last drawn.
    page: usize,
}

/// What comes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ViewStep {
    Draw,
    Quit,
}

impl TopView {
    /// Takes a key.
    pub(super) fn press(&mut self, key: TerminalKey) -> ViewStep {
        if key == TerminalKey::Ctrl('c') {
            return ViewStep::Quit;
        }
        if self.typing {
            self.type_filter(key);
            return ViewStep::Draw;
        }
        match key {
            TerminalKey::Char('q') => return ViewStep::Quit,
            TerminalKey::Char(digit @ '1'..='6') => {
                let pane = TopPane::all(self.nodes).get(digit as usize - '1' as usize);
                self.show(pane.copied().unwrap_or(self.pane));
            }
            TerminalKey::Ctrl('i') => self.show(self.pane.next(self.nodes)),
            TerminalKey::Char('s') => self.sort = self.sort.next(),
            TerminalKey::Char('r') => self.reverse = !self.reverse,
            TerminalKey::Char('f') => (self.attention, self.from) = (!self.attention, 0),
            TerminalKey::Char('/') => self.typing = true,
            TerminalKey::Char(' ') => self.paused = !self.paused,
            TerminalKey::Char('?' | 'h') => self.help = !self.help,
            TerminalKey::Escape => {
                (self.help, self.attention, self.from) = (false, false, std::mem::take(&mut self.from));
            }
            TerminalKey::Up | TerminalKey::Char('k') => self.from = self.from.saturating_sub(1),
            TerminalKey::Down | TerminalKey::Char('j') => self.from += 1,
            TerminalKey::PageUp => self.from = self.from.saturating_sub(self.page.max(1)),
            TerminalKey::PageDown => self.from += self.page.max(1),
            TerminalKey::Home | TerminalKey::Char('g') => self.from = 0,
            TerminalKey::End | TerminalKey::Char('G') => self.from = usize::MAX,
            _ => {}
        }
        if key == TerminalKey::Escape {
            self.filter.clear();
        }
        ViewStep::Draw
    }

    fn show(&mut self, pane: TopPane) {
        (self.pane, self.from) = (pane, 0);
    }

    fn type_filter(&mut self, key: TerminalKey) {
        match key {
            TerminalKey::Enter => self.typing = false,
            TerminalKey::Escape => {
                self.typing = false;
                self.filter.clear();
            }
            TerminalKey::Backspace => {
                self.filter.pop();
            }
            TerminalKey::Char(c) if self.filter.chars().count() < FILTER_CHARS_MAX => self.filter.push(c),
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
            (&[&b"q"[..]][..], &[TerminalKey::Char('q')][..]),
            (&[b"\x1b[A\x1b[B\x1bOA"], &[TerminalKey::Up, TerminalKey::Down, TerminalKey::Up]),
            (
                &[b"\x1b[5~\x1b[6~\x1b[H\x1b[4~"],
                &[TerminalKey::PageUp, TerminalKey::PageDown, TerminalKey::Home, TerminalKey::End],
            ),
            (&[b"\x1b"], &[TerminalKey::Escape]),
            (&[b"\x1b[200~x"], &[TerminalKey::Char('x')]),
            (&[b"\xc3", b"\xbc"], &[TerminalKey::Char('ü')]),
            (
                &[b"\x03\t\r\x7f"],
                &[TerminalKey::Ctrl('c'), TerminalKey::Ctrl('i'), TerminalKey::Enter, TerminalKey::Backspace],
            ),
            (&[b"\xff\xfe a"], &[TerminalKey::Char(' '), TerminalKey::Char('a')]),
        ] {
            let mut decoder = KeyDecoder::default();
            let keys: Vec<TerminalKey> = reads.iter().flat_map(|bytes| decoder.decode(bytes)).collect();
            assert_eq!(keys, expected, "{reads:?}");
        }
    }

    fn pressed(keys: &str) -> TopView {
        let mut view = TopView::default();
        for key in KeyDecoder::default().decode(keys.as_bytes()) {
            view.press(key);
        }
        view
    }

    #[test]
    fn view_follows_its_keys() {
        assert_eq!(pressed("2").pane, TopPane::Stories);
        assert_eq!(pressed("\t\t").pane, TopPane::Feeds);
        assert_eq!(
            (pressed("56").pane, pressed("5\t").pane),
            (TopPane::Endpoints, TopPane::Alerts),
            "there are no nodes"
        );
        let mut several = TopView { nodes: true, ..pressed("5") };
        several.press(TerminalKey::Ctrl('i'));
        assert_eq!(several.pane, TopPane::Nodes);
        assert!(pressed("r f ").reverse && pressed("f").attention && pressed(" ").paused && pressed("?").help);
        assert_eq!(pressed("/north q\r").filter, "north q", "q is a letter of a filter");
        assert_eq!(pressed("/ab\x7f\r").filter, "a");
        assert_eq!(pressed("/ab\x1b").filter, "");
        assert_eq!(pressed("/ab\r\x1b").filter, "", "escape shows everything again");
        assert_eq!(pressed("s").sort, SortKey::default().next());
        let mut view = TopView::default();
        assert_eq!(view.press(TerminalKey::Char('q')), ViewStep::Quit);
        view.typing = true;
        assert_eq!(view.press(TerminalKey::Ctrl('c')), ViewStep::Quit);
    }

    #[test]
    fn view_scrolls_inside_its_rows() {
        let mut view = TopView::default();
        view.press(TerminalKey::End);
        view.fit(30, 10);
        assert_eq!(view.from, 20);
        view.press(TerminalKey::PageUp);
        assert_eq!(view.from, 10);
        view.press(TerminalKey::Down);
        view.fit(5, 10);
        assert_eq!(view.from, 0, "fewer rows than fit");
    }
}
