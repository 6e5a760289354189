//! Broken JSON made whole, so that one blemish costs one item at most: escapes that do not exist, half a
//! surrogate pair, raw control characters, commas too many or missing, `NaN`, an end that is cut off. What
//! cannot be mended becomes `null` where it stands, for the readers to count. One pass, no recursion.

use crate::text::work;

/// Containers within one another; readers refuse what is deeper anyway.
const DEPTH_MAX: usize = 512;

/// JSON made whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MendedJson {
    /// One value that parses, unless it nests too deeply.
    pub text: String,
    /// Bytes of the input that it stands for.
    pub consumed: usize,
    /// The input ends before its first value does: an element is lost that stands nowhere.
    pub is_cut: bool,
    /// It was not valid as it came.
    pub was_broken: bool,
}

/// Mends the first value of a text; `None` where there is none, or it ends before anything in it is whole.
pub(crate) fn mend(text: &str) -> Option<MendedJson> {
    Mender::new(text).run()
}

/// A container that is open.
struct OpenContainer {
    closer: u8,
    /// Where the element or the value that is being written begins in the output.
    element_at: usize,
    /// Elements or fields that are whole.
    whole: usize,
    /// The one that was written last is among them.
    is_counted: bool,
    /// One of them is an object, or a list of such.
    holds_objects: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A value, or the end of a list.
    Value,
    Key,
    Colon,
    /// A comma, or the end of the container.
    Comma,
}

struct Mender<'a> {
    text: &'a str,
    at: usize,
    out: String,
    open: Vec<OpenContainer>,
    wanted: Wanted,
    was_broken: bool,
}

impl<'a> Mender<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            out: String::with_capacity(text.len()),
            open: Vec::new(),
            wanted: Wanted::Value,
            was_broken: false,
        }
    }

    fn run(mut self) -> Option<MendedJson> {
        loop {
            if self.open.len() > DEPTH_MAX {
                return None;
            }
            work::spend(1);
            self.skip_space();
            let Some(byte) = self.peek() else { return self.cut() };
            match (self.wanted, byte) {
                (_, b'}' | b']') if !self.open.is_empty() => self.close(byte),
                (Wanted::Value, b'{' | b'[') => self.open(byte),
                (Wanted::Value, b'"') => {
                    if !self.string() {
                        return self.cut();
                    }
                    self.value_ends();
                }
                (Wanted::Value, _) => self.bare(),
                (Wanted::Key, b'"') => {
                    if !self.string() {
                        return self.cut();
                    }
                    self.wanted = Wanted::Colon;
                }
                (Wanted::Key | Wanted::Comma, b',') => {
                    self.was_broken |= self.wanted == Wanted::Key;
                    self.at += 1;
                    self.next_element();
                }
                (Wanted::Colon, b':') => {
                    self.at += 1;
                    self.out.push(':');
                    self.wanted = Wanted::Value;
                }
                // A comma that was forgotten between two objects.
                (Wanted::Comma, b'{') if self.in_list() => {
                    self.was_broken = true;
                    self.next_element();
                }
                _ => self.recover(),
            }
            if self.open.is_empty() && self.wanted == Wanted::Comma {
                let (consumed, was_broken) = (self.at, self.was_broken);
                return Some(MendedJson { text: self.out, consumed, is_cut: false, was_broken });
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len()
            - rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}').len();
    }

    fn in_list(&self) -> bool {
        self.open.last().is_some_and(|open| open.closer == b']')
    }

    fn open(&mut self, byte: u8) {
        self.separate();
        self.at += 1;
        self.out.push(char::from(byte));
        let closer = if byte == b'{' { b'}' } else { b']' };
        self.wanted = if byte == b'{' { Wanted::Key } else { Wanted::Value };
        self.open.push(OpenContainer {
            closer,
            element_at: self.out.len(),
            whole: 0,
            is_counted: false,
            holds_objects: false,
        });
    }

    /// A value of the innermost container is written.
    fn value_ends(&mut self) {
        self.wanted = Wanted::Comma;
        if let Some(open) = self.open.last_mut() {
            open.whole += 1;
            open.is_counted = true;
        }
    }

    /// The comma before the next element is written with it, so that none is left over.
    fn next_element(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        open.element_at = self.out.len();
        open.is_counted = false;
        self.wanted = if open.closer == b'}' { Wanted::Key } else { Wanted::Value };
    }

    /// Ends the innermost container, and those that a wrong bracket skips.
    fn close(&mut self, byte: u8) {
        self.at += 1;
        let last = self.open.last();
        self.was_broken |= last.is_none_or(|open| open.closer != byte)
            || self.wanted != Wanted::Comma && last.is_some_and(|open| open.whole > 0);
        if !self.open.iter().any(|open| open.closer == byte) {
            return;
        }
        while let Some(closer) = self.end_innermost() {
            if closer == byte {
                break;
            }
        }
    }

    fn end_innermost(&mut self) -> Option<u8> {
        // A key without a value.
        if self.wanted == Wanted::Colon || self.wanted == Wanted::Value && !self.in_list() {
            self.was_broken = true;
            let at = self.open.last().map_or(0, |open| open.element_at);
            self.out.truncate(at);
        }
        let open = self.open.pop()?;
        self.out.push(char::from(open.closer));
        self.value_ends();
        if let Some(outer) = self.open.last_mut() {
            outer.holds_objects |= open.closer == b'}' || open.holds_objects;
        }
        Some(open.closer)
    }

    /// Writes the comma that an element after the first needs.
    fn separate(&mut self) {
        let Some(open) = self.open.last() else { return };
        if open.whole > 0 && open.element_at == self.out.len() {
            self.out.push(',');
        }
    }

    /// A string, its blemishes mended; `false` where it does not end.
    fn string(&mut self) -> bool {
        self.separate();
        self.out.push('"');
        let body = &self.text[self.at + 1..];
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.out.push('"');
                    self.at += at + 2;
                    return true;
                }
                '\\' => {
                    let Some((_, escaped)) = chars.next() else { break };
                    match escaped {
                        'u' => {
                            let taken = self.unicode(&body[at..]);
                            for _ in 2..taken {
                                chars.next();
                            }
                        }
                        '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => self.out.extend(['\\', escaped]),
                        // No escape of JSON: the character stands for itself.
                        other => {
                            self.was_broken = true;
                            self.plain(other);
                        }
                    }
                }
                other => self.plain(other),
            }
        }
        self.at = self.text.len();
        false
    }

    fn plain(&mut self, c: char) {
        self.was_broken |= c < ' ';
        match c {
            '\n' => self.out.push_str("\\n"),
            '\0'..' ' => self.out.push(' '),
            c => self.out.push(c),
        }
    }

    /// An escape of four hexadecimal digits, or a pair of them, at the start of `rest`; gives the characters taken.
    fn unicode(&mut self, rest: &str) -> usize {
        let unit = |at: usize| {
            let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
            digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
        };
        let Some(first) = unit(0) else {
            self.was_broken = true;
            self.out.push(char::REPLACEMENT_CHARACTER);
            return 2;
        };
        if !(0xd800..0xe000).contains(&first) {
            self.out.push_str(&rest[..6]);
            return 6;
        }
        match unit(6) {
            Some(second) if first < 0xdc00 && (0xdc00..0xe000).contains(&second) => {
                self.out.push_str(&rest[..12]);
                12
            }
            _ => {
                self.was_broken = true;
                self.out.push(char::REPLACEMENT_CHARACTER);
                6
            }
        }
    }

    /// A number or a word; words of other languages become what they mean in JSON.
    fn bare(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| matches!(c, ',' | '}' | ']' | ':' | '{' | '[' | '"') || c.is_whitespace());
        let word = &rest[..end.unwrap_or(rest.len())];
        let known = match word {
            "true" | "True" => "true",
            "false" | "False" => "false",
            "null" | "None" | "nil" | "undefined" | "NaN" | "nan" | "-NaN" | "Infinity" | "-Infinity" | "+Infinity"
            | "inf" | "-inf" => "null",
            number if serde_json::from_str::<serde_json::Number>(number).is_ok() => number,
            // `,,` and `[,`: an element that is not there.
            "" if self.peek() == Some(b',') && self.in_list() => {
                self.at += 1;
                self.was_broken = true;
                return;
            }
            _ => return self.recover(),
        };
        self.was_broken |= known != word;
        self.separate();
        self.out.push_str(known);
        self.at += word.len();
        self.value_ends();
    }

    /// Gives up on what is being written: the object of a list that it stands in becomes `null`, or else the
    /// field or element alone; then goes on behind it.
    fn recover(&mut self) {
        self.was_broken = true;
        let lists = self.open.windows(2).rposition(|pair| pair[0].closer == b']' && pair[1].closer == b'}');
        let depth = lists.map_or(0, |list| self.open.len() - (list + 1));
        if let Some(list) = lists {
            self.open.truncate(list + 1);
        }
        let Some(open) = self.open.last_mut() else {
            self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
            return;
        };
        self.out.truncate(open.element_at);
        // What seemed to have ended goes on: it was not whole.
        open.whole -= usize::from(std::mem::take(&mut open.is_counted));
        if open.closer == b']' {
            self.separate();
            self.out.push_str("null");
            self.skip_to(depth);
            self.value_ends();
        } else {
            self.skip_to(0);
            self.wanted = Wanted::Comma;
        }
    }

    /// Passes over the rest of so many open containers, or to the comma or bracket that ends this element.
    fn skip_to(&mut self, mut depth: usize) {
        let enclosed = depth > 0;
        let (mut in_string, mut escaped) = (false, false);
        for (at, byte) in self.text.bytes().enumerate().skip(self.at) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => {
                    self.at = at;
                    return;
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 && enclosed {
                        self.at = at + 1;
                        return;
                    }
                }
                _ => {}
            }
        }
        self.at = self.text.len();
    }

    /// The text ends within a value: what is whole is kept; the element of a list that is not is for the readers to count.
    /// An object that is no list of others is not kept by halves.
    fn cut(mut self) -> Option<MendedJson> {
        let list = self.open.iter().position(|open| open.closer == b']');
        let outer = list.unwrap_or(0);
        let within = self.open.len() > outer + 1;
        self.open.truncate(outer + 1);
        let last = self.open.last()?;
        if last.whole == 0 || list.is_none() && !last.holds_objects {
            return None;
        }
        if within || last.element_at < self.out.len() && self.wanted != Wanted::Comma {
            self.out.truncate(last.element_at);
        }
        while let Some(open) = self.open.pop() {
            self.out.push(char::from(open.closer));
        }
        Some(MendedJson { text: self.out, consumed: self.text.len(), is_cut: true, was_broken: true })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn mended(text: &str) -> String {
        let mended = mend(text).map(|mended| mended.text).unwrap_or_default();
        assert!(serde_json::from_str::<Value>(&mended).is_ok(), "{text} became {mended}");
        mended
    }

    #[test]
    fn mend_blemishes_within_strings_cost_nothing() {
        for (text, whole) in [
            (r#"["It\'s", "a\xb", "tab	and"]"#, r#"["It's","axb","tab and"]"#),
            (
                r#"["\ud83d", "\udfc6 x", "\ud83d\udfc6", "\u12", "\u00e9"]"#,
                "[\"\u{fffd}\",\"\u{fffd} x\",\"\\ud83d\\udfc6\",\"\u{fffd}12\",\"\\u00e9\"]",
            ),
            ("[\"one\ntwo\"]", r#"["one\ntwo"]"#),
        ] {
            assert_eq!(mended(text), whole);
        }
    }

    #[test]
    fn mend_commas_words_and_brackets() {
        for (text, whole) in [
            (r#"[{"a":1,},{"b":2},]"#, r#"[{"a":1},{"b":2}]"#),
            (r#"[{"a":1}{"b":2}]"#, r#"[{"a":1},{"b":2}]"#),
            (r#"{"a":NaN,"b":-Infinity,"c":True,"d":undefined}"#, r#"{"a":null,"b":null,"c":true,"d":null}"#),
            ("[1,,2]", "[1,2]"),
            (r#"{"a":[1,2}"#, r#"{"a":[1,2]}"#),
            (r#"{"a":1]}"#, r#"{"a":1}"#),
            (r#"{"a":}"#, "{}"),
        ] {
            assert_eq!(mended(text), whole);
        }
    }

    #[test]
    fn mend_what_cannot_be_mended_costs_its_item_alone() {
        let text =
            r#"{"n":oops,"items":[{"t":"one"},{"t":"He said "no" today","x":[{"y":1}]},{"t" "u"},{"t":"four"}]}"#;
        assert_eq!(mended(text), r#"{"items":[{"t":"one"},null,null,{"t":"four"}]}"#);
        let text = r#"[{"t":"one","by":[{"name" 7}],"u":"x"}]"#;
        assert_eq!(mended(text), r#"[{"t":"one","by":[null],"u":"x"}]"#);
    }

    #[test]
    fn mend_cut_text_keeps_what_is_whole_and_says_where_it_stopped() {
        let cut = mend(r#"{"items":[{"a":"1"},{"b":["x"#).expect("one item is whole");
        assert_eq!((cut.text.as_str(), cut.is_cut), (r#"{"items":[{"a":"1"}]}"#, true));
        assert_eq!(mended(r#"{"items":[{"a":"1"},"#), r#"{"items":[{"a":"1"}]}"#);
        assert_eq!(mend(r#"{"items":["#), None);
        assert_eq!(mend(r#"{"a":"b"#), None);
        assert_eq!(mended(r#"{"items":[{"a":"1"}],"next":"https"#), r#"{"items":[{"a":"1"}]}"#);
        let two = "{\"a\":1} {\"b\":2}";
        assert_eq!(mend(two).map(|first| first.consumed), Some(7));
    }

    proptest! {
        #[test]
        fn mend_always_gives_json_and_leaves_good_json_as_it_means(text in "[\\[\\]{}:,\"\\\\uabd1-9 .\\x00é-]{0,80}") {
            if let Some(mended) = mend(&text) {
                let value: Result<Value, _> = serde_json::from_str(&mended.text);
                prop_assert!(value.is_ok(), "{} became {}", text, mended.text);
                if let Ok(good) = serde_json::from_str::<Value>(&text) {
                    prop_assert_eq!(value.ok(), Some(good));
                    prop_assert!(!mended.was_broken, "{}", text);
                }
            }
        }
    }
}
