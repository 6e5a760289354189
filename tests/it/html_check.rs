//! What every page is held to: the headers of a closed door, and HTML that its parser stumbles over nowhere: no error of the
//! tokenizer or of the tree, nothing left open, no id twice, nothing that runs or loads.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use html5ever::tendril::{StrTendril, TendrilSink as _};
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, parse_document};

/// The tree of a page, of which only the names of elements are kept, and what was wrong with it.
#[derive(Default)]
struct PageTree {
    names: RefCell<Vec<Option<&'static QualName>>>,
    errors: RefCell<Vec<String>>,
}

impl PageTree {
    fn add(&self, name: Option<&'static QualName>) -> usize {
        self.names.borrow_mut().push(name);
        self.names.borrow().len()
    }
}

impl TreeSink for PageTree {
    type Handle = usize;
    type Output = Self;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Self {
        self
    }

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name(&self, target: &usize) -> ExpandedName<'_> {
        self.names.borrow()[target - 1].expect("an element").expanded()
    }

    fn create_element(&self, name: QualName, _: Vec<Attribute>, _: ElementFlags) -> usize {
        // A few thousand names in a test: they may stay.
        self.add(Some(Box::leak(Box::new(name))))
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.add(None)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.add(None)
    }

    fn parse_error(&self, what: Cow<'static, str>) {
        self.errors.borrow_mut().push(what.into_owned());
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        if mode != QuirksMode::NoQuirks {
            self.errors.borrow_mut().push(format!("quirks: {mode:?}"));
        }
    }

    fn get_template_contents(&self, target: &usize) -> usize {
        *target
    }

    fn same_node(&self, one: &usize, other: &usize) -> bool {
        one == other
    }

    fn append(&self, _: &usize, _: NodeOrText<usize>) {}
    fn append_before_sibling(&self, _: &usize, _: NodeOrText<usize>) {}
    fn append_based_on_parent_node(&self, _: &usize, _: &usize, _: NodeOrText<usize>) {}
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn add_attrs_if_missing(&self, _: &usize, _: Vec<Attribute>) {}
    fn remove_from_parent(&self, _: &usize) {}
    fn reparent_children(&self, _: &usize, _: &usize) {}
}

/// Tags of a page, and what its reader stumbled over.
#[derive(Default)]
struct PageTags {
    tags: RefCell<Vec<Tag>>,
    errors: RefCell<Vec<String>>,
}

impl TokenSink for PageTags {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => self.tags.borrow_mut().push(tag),
            Token::ParseError(what) => self.errors.borrow_mut().push(what.into_owned()),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// Holds a page to what every page keeps to.
pub fn check_page(path: &str, head: &str, html: &str) {
    let head = head.to_lowercase();
    for header in ["default-src 'none'; script-src 'self'", "require-trusted-types-for", "nosniff", "no-store"] {
        assert!(head.contains(header), "{path}: {header} in {head}");
    }
    assert!(!html.contains('\u{202e}') && !html.contains('\u{7}'), "{path}: a character that changes how a page reads");
    let tokenizer =
        Tokenizer::new(PageTags::default(), TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() });
    let input = BufferQueue::default();
    input.push_back(html.into());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let errors = tokenizer.sink.errors.borrow();
    assert!(errors.is_empty(), "{path}: {errors:?}");
    let (mut ids, mut open) = (BTreeSet::new(), Vec::new());
    for tag in tokenizer.sink.tags.borrow().iter() {
        let name = tag.name.to_string();
        let value = |key: &str| tag.attrs.iter().find(|a| *a.name.local == *key).map(|a| a.value.to_string());
        match tag.kind {
            TagKind::EndTag => assert_eq!(open.pop().as_ref(), Some(&name), "{path}: </{name}> closes something else"),
            TagKind::StartTag => {
                let void = ["meta", "link", "input", "path", "img", "br"].contains(&name.as_str());
                if !(tag.self_closing || void) {
                    open.push(name.clone());
                }
            }
        }
        assert!(!["img", "iframe", "object", "style", "base", "embed"].contains(&name.as_str()), "{path}: <{name}>");
        if name == "script" && tag.kind == TagKind::StartTag {
            assert!(value("src").is_some_and(|src| src.starts_with("/assets/")), "{path}: a script of somebody else");
        }
        for attribute in &tag.attrs {
            let key = attribute.name.local.to_string();
            assert!(!key.starts_with("on") && key != "style", "{path}: {key} on <{name}>");
        }
        for link in [value("href"), value("action"), value("src")].into_iter().flatten() {
            let known = ["/", "?", "#", "http://", "https://"].iter().any(|start| link.starts_with(start));
            assert!(known, "{path}: a link to {link}");
        }
        if let Some(id) = value("id") {
            assert!(ids.insert(id.clone()), "{path}: {id} stands twice");
        }
    }
    assert!(open.is_empty(), "{path}: left open: {open:?}");
    let tree = parse_document(PageTree::default(), ParseOpts::default()).one(html);
    assert!(tree.errors.borrow().is_empty(), "{path}: {:?}", tree.errors.borrow());
}

#[test]
fn html_that_is_wrong_is_found() {
    let wrong = |html: &str| parse_document(PageTree::default(), ParseOpts::default()).one(html).errors.take();
    let page = |body: &str| format!("<!doctype html><html><head><title>t</title></head><body>{body}</body></html>");
    assert_eq!(wrong(&page("<table><tbody><tr><td>a</td></tr></tbody></table>")), [] as [String; 0]);
    for body in [
        "<table><p>in between</p></table>",
        "<p><div>block</div></p>",
        "</section>",
        "<a href=\"/\"><a href=\"/\">b</a></a>",
    ] {
        assert!(!wrong(&page(body)).is_empty(), "{body}");
    }
    assert!(!wrong("<html><body></body></html>").is_empty(), "no doctype");
}
