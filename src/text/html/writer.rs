//! Text with its white space folded as it is written: one space between words, `\n` between
//! paragraphs, nothing at either end, no harmful or invisible characters.

use crate::text::clean::is_harmful;

/// What stands between what was written and what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WriterGap {
    None,
    Space,
    Cell,
    Line,
}

/// See the module.
#[derive(Debug)]
pub(super) struct TextWriter {
    out: String,
    gap: WriterGap,
}

impl TextWriter {
    pub fn new(capacity_bytes: usize) -> Self {
        Self { out: String::with_capacity(capacity_bytes), gap: WriterGap::None }
    }

    /// Text in which white space is only a space.
    pub fn text(&mut self, text: &str) {
        self.write(text, false);
    }

    /// Text in which line ends are paragraphs.
    pub fn preformatted(&mut self, text: &str) {
        self.write(text, true);
    }

    fn write(&mut self, text: &str, lines: bool) {
        let bytes = text.as_bytes();
        let plain = |at: usize| bytes.get(at).is_some_and(|byte| matches!(byte, b'!'..=b'~'));
        let (mut run, mut at) = (0, 0);
        while at < bytes.len() {
            // A single space within a run of plain characters is written as it stands.
            if plain(at) || (bytes[at] == b' ' && at > run && plain(at + 1)) {
                let blocks = bytes[at..].windows(BLOCK + 1).step_by(BLOCK).take_while(|block| is_prose(block)).count();
                at += (blocks * BLOCK).max(1);
                continue;
            }
            let c = text[at..].chars().next().expect("invariant: steps go from character to character");
            let end = at + c.len_utf8();
            if c.is_whitespace() || is_harmful(c) || is_invisible(c) {
                self.run(&text[run..at]);
                run = end;
                if c == '\n' && lines {
                    self.line_break();
                } else if c.is_whitespace() || c.is_control() {
                    self.space();
                }
            }
            at = end;
        }
        self.run(&text[run..]);
    }

    fn run(&mut self, run: &str) {
        if run.is_empty() {
            return;
        }
        if !self.out.is_empty() {
            self.out.push_str(match self.gap {
                WriterGap::None => "",
                WriterGap::Space => " ",
                WriterGap::Cell => " | ",
                WriterGap::Line => "\n",
            });
        }
        self.gap = WriterGap::None;
        self.out.push_str(run);
    }

    pub fn space(&mut self) {
        self.gap = self.gap.max(WriterGap::Space);
    }

    /// Between two cells of a table row.
    pub fn cell(&mut self) {
        self.gap = self.gap.max(WriterGap::Cell);
    }

    pub fn line_break(&mut self) {
        self.gap = WriterGap::Line;
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Whether a block holds plain characters and single spaces alone; one byte more than a block tells of its last.
fn is_prose(bytes: &[u8]) -> bool {
    // Without a branch: the compiler makes wide instructions of that.
    let stops = |byte: u8, next: u8| {
        u8::from(byte.wrapping_sub(b' ') > b'~' - b' ') | (u8::from(byte == b' ') & u8::from(next == b' '))
    };
    bytes.iter().zip(&bytes[1..]).fold(0, |found, (byte, next)| found | stops(*byte, *next)) == 0
}

/// Characters that take no room and mean nothing to a reader. Joiners stay: Persian needs them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{ad}' | '\u{2060}'..='\u{2064}' | '\u{180e}' | '\u{fffc}')
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn text_is_written_as_character_by_character(
            parts in proptest::collection::vec("([ab.é “]|[ \\n\\t\u{a0}\u{ad}\u{200b}\u{2028}\u{7f}\u{202e}\u{1b}]){0,12}", 0..4),
            lines in proptest::bool::ANY,
        ) {
            let (mut whole, mut single) = (TextWriter::new(0), TextWriter::new(0));
            for part in parts {
                whole.write(&part, lines);
                for c in part.chars() {
                    match c {
                        '\n' if lines => single.line_break(),
                        c if c.is_whitespace() || c.is_control() => single.space(),
                        c if is_harmful(c) || is_invisible(c) => {}
                        c => single.run(c.encode_utf8(&mut [0; 4])),
                    }
                }
                whole.cell();
                single.cell();
            }
            proptest::prop_assert_eq!(whole.finish(), single.finish());
        }
    }
}
