//! What each token of HTML does to the text: which elements break paragraphs, which are left out with
//! all they hold, which turn the tokenizer to raw text. Keeps one counter per kind of state and no
//! stack, so depth costs nothing.

use std::cell::RefCell;

use html5ever::LocalName;
use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};

use super::is_void;
use super::writer::TextWriter;

/// Paragraphs or one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextLayout {
    Paragraphs,
    Line,
}

/// Whether menus, captions and hidden parts are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextStrictness {
    LeaveOut,
    KeepAll,
}

/// What was left out of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeftOut {
    /// Something was.
    pub any: bool,
    /// The input ended inside of it: its end tag is missing.
    pub at_end: bool,
}

/// Receives the tokens of one fragment.
pub(super) struct TextSink {
    layout: TextLayout,
    strictness: TextStrictness,
    state: RefCell<SinkState>,
}

struct SinkState {
    writer: TextWriter,
    /// The element that is left out, and how many of its name are open.
    skipped: Option<(LocalName, u32)>,
    skipped_any: bool,
    preformatted: u32,
}

/// How an element is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TagRole {
    Inline,
    Block,
    Cell,
    /// Left out always: raw text of a machine, whose end the tokenizer finds.
    Machine,
    /// Left out unless there is nothing else.
    Apart,
}

impl TextSink {
    pub fn new(capacity_bytes: usize, layout: TextLayout, strictness: TextStrictness) -> Self {
        let state =
            SinkState { writer: TextWriter::new(capacity_bytes), skipped: None, skipped_any: false, preformatted: 0 };
        Self { layout, strictness, state: RefCell::new(state) }
    }

    pub fn finish(self) -> (String, LeftOut) {
        let state = self.state.into_inner();
        let at_end = state.skipped.as_ref().is_some_and(|(name, _)| role(name) != TagRole::Machine);
        (state.writer.finish(), LeftOut { any: state.skipped_any, at_end })
    }

    fn start(&self, tag: &Tag, state: &mut SinkState) -> TokenSinkResult<()> {
        let name = &tag.name;
        if let Some((skipped, open)) = &mut state.skipped {
            if skipped == name && !is_void(name) {
                // A paragraph or list entry without end tag ends where the next begins.
                if matches!(&**name, "p" | "li" | "td" | "tr") { state.skipped = None } else { *open += 1 }
            }
            if state.skipped.is_some() {
                return self.raw_text(tag);
            }
        }
        let role = role(name);
        let leave_out = match role {
            TagRole::Machine => true,
            TagRole::Apart => self.strictness == TextStrictness::LeaveOut && self.layout == TextLayout::Paragraphs,
            _ => self.strictness == TextStrictness::LeaveOut && is_hidden(tag),
        };
        // XHTML in feeds closes what HTML would leave open: `<iframe … />`.
        if leave_out && !is_void(name) && !tag.self_closing {
            state.skipped = Some((name.clone(), 1));
            state.skipped_any = true;
            state.gap(role, self.layout);
            return self.raw_text(tag);
        }
        match &**name {
            "br" | "hr" => state.break_line(self.layout),
            "pre" => {
                state.preformatted += 1;
                state.break_line(self.layout);
            }
            "q" => state.writer.text("“"),
            _ => state.gap(role, self.layout),
        }
        self.raw_text(tag)
    }

    fn end(&self, tag: &Tag, state: &mut SinkState) {
        let name = &tag.name;
        if let Some((skipped, open)) = &mut state.skipped {
            if skipped == name {
                *open -= 1;
                if *open == 0 {
                    state.skipped = None;
                }
            }
            return;
        }
        match &**name {
            "pre" => {
                state.preformatted = state.preformatted.saturating_sub(1);
                state.break_line(self.layout);
            }
            "q" => state.writer.text("”"),
            "td" | "th" => {}
            _ => state.gap(role(name), self.layout),
        }
    }

    /// Elements whose content the tokenizer must not read as tags.
    fn raw_text(&self, tag: &Tag) -> TokenSinkResult<()> {
        match &*tag.name {
            _ if tag.self_closing => TokenSinkResult::Continue,
            "script" => TokenSinkResult::RawData(ScriptData),
            "style" | "iframe" | "xmp" | "noembed" | "noframes" => TokenSinkResult::RawData(Rawtext),
            // In a headline, `<title>` is a word somebody forgot to escape.
            "title" | "textarea" if self.layout == TextLayout::Paragraphs => TokenSinkResult::RawData(Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }
}

impl SinkState {
    fn gap(&mut self, role: TagRole, layout: TextLayout) {
        match (role, layout) {
            (TagRole::Block | TagRole::Apart, _) => self.break_line(layout),
            (TagRole::Cell, TextLayout::Paragraphs) => self.writer.cell(),
            (TagRole::Cell, TextLayout::Line) => self.writer.space(),
            (TagRole::Inline | TagRole::Machine, _) => {}
        }
    }

    fn break_line(&mut self, layout: TextLayout) {
        match layout {
            TextLayout::Paragraphs => self.writer.line_break(),
            TextLayout::Line => self.writer.space(),
        }
    }
}

impl TokenSink for TextSink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return self.start(&tag, &mut state),
            Token::TagToken(tag) => self.end(&tag, &mut state),
            Token::CharacterTokens(text) if state.skipped.is_none() => {
                if state.preformatted > 0 && self.layout == TextLayout::Paragraphs {
                    state.writer.preformatted(&text);
                } else {
                    state.writer.text(&text);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn role(name: &LocalName) -> TagRole {
    match &**name {
        "p" | "div" | "br" | "li" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "section" | "article"
        | "blockquote" | "table" | "tr" | "thead" | "tbody" | "tfoot" | "caption" | "pre" | "dl" | "dt" | "dd"
        | "figure" | "main" | "header" | "footer" | "hr" | "address" | "details" | "summary" | "fieldset"
        | "center" | "form" | "hgroup" | "body" | "html" | "option" | "legend" | "title" | "item" | "description" => {
            TagRole::Block
        }
        "td" | "th" => TagRole::Cell,
        "script" | "style" | "iframe" | "noembed" | "noframes" => TagRole::Machine,
        "template" | "svg" | "object" | "canvas" | "audio" | "video" | "map" | "noscript" | "nav" | "aside"
        | "button" | "select" | "textarea" | "dialog" | "menu" | "figcaption" | "head" => TagRole::Apart,
        _ => TagRole::Inline,
    }
}

/// Hidden by attribute, by inline style, or meant for screen readers only.
fn is_hidden(tag: &Tag) -> bool {
    tag.attrs.iter().any(|attribute| {
        let value = &*attribute.value;
        match &*attribute.name.local {
            "hidden" => !value.eq_ignore_ascii_case("until-found"),
            "aria-hidden" => value.eq_ignore_ascii_case("true"),
            "style" => {
                let style: String = value.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
                style.contains("display:none") || style.contains("visibility:hidden") || style.contains("mso-hide:all")
            }
            "class" => value.split_ascii_whitespace().any(|class| {
                matches!(class, "sr-only" | "visually-hidden" | "screen-reader-text" | "screen-reader-only")
            }),
            _ => false,
        }
    })
}
