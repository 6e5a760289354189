//! What a template may not do because it could make texts of any size before a byte is written, within very few steps:
//! a text doubled forty times is a terabyte. Fuel counts steps and the writer counts bytes; what grows in between is
//! kept out here, by the tags and operators a template is made of and by filters that know a bound.

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

/// Bytes that a filter may make.
const MADE_BYTES_MAX: usize = 256 << 10;
/// Texts and numbers put together in one template.
const OPERATORS_MAX: usize = 100;
/// Times a value may be taken by `*`, which repeats texts.
const TIMES_MAX: u64 = 100;

/// Tags that give a name to something made of other things, or bring in other templates.
const TAGS_REFUSED: [&str; 11] =
    ["macro", "call", "filter", "import", "from", "include", "extends", "block", "autoescape", "do", "trans"];
/// Filters that make much of little.
const FILTERS_REFUSED: [&str; 8] = ["format", "indent", "pprint", "batch", "slice", "zip", "chain", "sum"];
const FUNCTIONS_REFUSED: [&str; 3] = ["debug", "namespace", "dict"];

/// Takes away what a template is not to use, and puts bounds on the rest.
pub(super) fn restrict(environment: &mut Environment<'_>) {
    for name in FILTERS_REFUSED {
        environment.remove_filter(name);
    }
    for name in FUNCTIONS_REFUSED {
        environment.remove_global(name);
    }
    environment.add_filter("replace", |text: String, from: String, to: String| {
        let found = if from.is_empty() { text.chars().count() + 1 } else { text.matches(&from).count() };
        bounded(text.len().saturating_add(found.saturating_mul(to.len())))?;
        Ok::<_, Error>(text.replace(&from, &to))
    });
    environment.add_filter("join", |list: Value, between: Option<String>| {
        let between = between.unwrap_or_default();
        let mut out = String::new();
        for (at, item) in list.try_iter()?.enumerate() {
            let item = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            bounded(out.len() + between.len() + item.len())?;
            if at > 0 {
                out.push_str(&between);
            }
            out.push_str(&item);
        }
        Ok::<_, Error>(out)
    });
}

fn bounded(bytes: usize) -> Result<(), Error> {
    let what = || format!("it makes a text of more than {MADE_BYTES_MAX} bytes");
    if bytes <= MADE_BYTES_MAX { Ok(()) } else { Err(Error::new(ErrorKind::InvalidOperation, what())) }
}

/// Looks at a template's tags before it is compiled.
///
/// # Errors
/// The line of what is refused, counted from 1, and why.
pub(super) fn check(source: &str) -> Result<(), (usize, String)> {
    let (mut at, mut operators) = (0, 0);
    while let Some(found) = source[at..].find('{') {
        let start = at + found;
        let (end, inside) = match source.as_bytes().get(start + 1) {
            Some(b'{') => ("}}", &source[start + 2..]),
            Some(b'%') => ("%}", &source[start + 2..]),
            Some(b'#') => ("#}", &source[start + 2..]),
            _ => {
                at = start + 1;
                continue;
            }
        };
        let length = closes(inside, end);
        let tag = &inside[..length];
        at = start + 2 + length;
        let refuse = |what: &str| (source[..start].matches('\n').count() + 1, what.to_owned());
        match end {
            "#}" => continue,
            "%}" => check_tag(tag).map_err(|what| refuse(&what))?,
            _ => {}
        }
        let code = code_of(tag);
        operators += code.bytes().filter(|b| matches!(b, b'~' | b'+')).count();
        if operators > OPERATORS_MAX {
            return Err(refuse(&format!("more than {OPERATORS_MAX} times `~` or `+` are not for a template")));
        }
        if code.contains('*') && !is_small_product(&code) {
            return Err(refuse(&format!("`*` repeats texts: once in a tag, and by a number up to {TIMES_MAX}")));
        }
    }
    Ok(())
}

/// Where a tag ends; quotes in it may hold its end.
fn closes(inside: &str, end: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match quote {
            Some(open) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = c == '\\' && !escaped;
            }
            None if end != "#}" && matches!(c, '"' | '\'') => (quote, escaped) = (Some(c), false),
            None if inside[at..].starts_with(end) => return at,
            None => {}
        }
    }
    inside.len()
}

/// Bytes of a text up to the quote that closes it.
fn string_length(inside: &str, quote: u8) -> usize {
    let mut escaped = false;
    let closes = |&b: &u8| {
        let closes = b == quote && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    };
    inside.as_bytes().iter().position(closes).unwrap_or(inside.len())
}

/// The tag without what stands in quotes.
fn code_of(tag: &str) -> String {
    let mut code = String::with_capacity(tag.len());
    let mut rest = tag;
    while let Some(at) = rest.find(['"', '\'']) {
        code.push_str(&rest[..at]);
        code.push('"');
        let quote = rest.as_bytes()[at];
        let length = string_length(&rest[at + 1..], quote);
        rest = rest.get(at + 1 + length + 1..).unwrap_or_default();
    }
    code.push_str(rest);
    code
}

fn check_tag(tag: &str) -> Result<(), String> {
    let code = code_of(tag);
    let code = code.trim_matches(['-', '+', ' ', '\n', '\t', '\r']);
    let (name, rest) = code.split_once(char::is_whitespace).unwrap_or((code, ""));
    if TAGS_REFUSED.contains(&name) {
        return Err(format!("the tag `{name}` is not for a template"));
    }
    if !matches!(name, "set" | "with") {
        return Ok(());
    }
    if name == "set" && !rest.contains('=') {
        return Err("`set` gives a name to one value: {% set title = data.story.title %}".to_owned());
    }
    // A list begins after anything but a name or a closing bracket: what follows these is an index.
    let begins_list = rest.char_indices().any(|(at, c)| {
        let before = rest[..at].trim_end().chars().next_back();
        c == '{'
            || matches!(c, '[' | '(')
                && !before.is_some_and(|b| b.is_alphanumeric() || matches!(b, '_' | ']' | ')' | '"'))
    });
    if begins_list || rest.contains(['~', '*', '+']) {
        return Err(format!(
            "`{name}` gives a name to a value of the payload; put texts together where they are written"
        ));
    }
    Ok(())
}

/// One `*`, with a small number beside it.
fn is_small_product(code: &str) -> bool {
    let Some((before, after)) = code.split_once('*') else { return true };
    let number = |text: &str| text.parse::<u64>().is_ok_and(|times| times <= TIMES_MAX);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let last = before.trim_end().rsplit(|c: char| !is_part(c)).next().unwrap_or_default();
    let first = after.trim_start().split(|c: char| !is_part(c)).next().unwrap_or_default();
    !after.contains('*') && (number(last) || number(first))
}
