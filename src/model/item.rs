//! Coverage: as a source published it ([`RawItem`]) and as wirewatch reads it ([`Item`]).

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;

use serde::{Serialize, Serializer};

use super::{ContentHash, ItemId, ItemKey, Outlet, SourceId, Timestamp};

/// Longer links are no links to coverage: the item is taken without, and that is counted. Everything that keeps or
/// compares links goes by this.
pub const LINK_BYTES_MAX: usize = 8 << 10;

/// Whether a text still carries markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub enum Markup {
    /// Text as is.
    Plain,
    /// HTML, possibly with entities, possibly broken.
    Html,
}

/// A text as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct RawText {
    /// What the source says, or what detection found.
    pub markup: Markup,
    /// The text, valid UTF-8, otherwise untouched.
    pub text: String,
}

impl RawText {
    /// Text without markup.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { markup: Markup::Plain, text: text.into() }
    }

    /// Text that may hold tags and entities.
    pub fn html(text: impl Into<String>) -> Self {
        Self { markup: Markup::Html, text: text.into() }
    }
}

/// How far a date can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "postgres", derive(serde::Deserialize))]
pub enum DateCertainty {
    /// Date, time and zone were given.
    Exact,
    /// Only a day was given: midnight UTC stands for it.
    Day,
    /// The zone was missing or unknown: UTC was assumed.
    ZoneAssumed,
    /// The year was missing and comes from other evidence in the text.
    YearInferred,
    /// Nothing in the text: the file's time stands in.
    FileTime,
    /// The date was outside what can be true and was moved to the nearest possible time.
    Clamped,
}

impl DateCertainty {
    /// Every certainty.
    pub const ALL: [Self; 6] =
        [Self::Exact, Self::Day, Self::ZoneAssumed, Self::YearInferred, Self::FileTime, Self::Clamped];

    /// Reads the stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|certainty| certainty.as_str() == name)
    }

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Day => "day",
            Self::ZoneAssumed => "zone-assumed",
            Self::YearInferred => "year-inferred",
            Self::FileTime => "file-time",
            Self::Clamped => "clamped",
        }
    }

    /// Whether a reader should look twice.
    #[must_use]
    pub fn is_suspect(self) -> bool {
        matches!(self, Self::YearInferred | Self::FileTime | Self::Clamped)
    }
}

/// A date with what is known about it. Dates are data, never identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct Dated {
    /// The moment.
    pub at: Timestamp,
    /// How it was found.
    pub certainty: DateCertainty,
}

/// One item as its source published it; strings are valid UTF-8 and otherwise untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct RawItem {
    /// Identity within the source.
    pub key: ItemKey,
    /// Headline.
    pub title: Option<RawText>,
    /// The headline as it came, where what stands before it was taken off: the subject of an e-mail.
    pub title_original: Option<String>,
    /// Link to the coverage, absolute where it could be resolved.
    pub url: Option<String>,
    /// Byline.
    pub author: Option<String>,
    /// Who published it, where the document names the outlet: a seed file's `source`, a dateline.
    pub publisher: Option<String>,
    /// When it says it was published.
    pub published: Option<Dated>,
    /// When it says it was last changed.
    pub updated: Option<Dated>,
    /// Language as declared (a BCP 47 tag), not detected.
    pub lang: Option<String>,
    /// The publisher's own summary.
    pub summary: Option<RawText>,
    /// The body.
    pub content: Option<RawText>,
    /// The text of the page it links to, where that was fetched.
    pub page: Option<RawText>,
    /// Categories and keywords of the source.
    pub tags: Vec<String>,
    /// Stored but not alerted on: part of a feed's first-poll baseline.
    pub quiet: bool,
    /// The bytes it was read from, where the same bytes give the same item in the feed's next document as well.
    #[cfg_attr(feature = "postgres", serde(skip))]
    pub bytes: Option<BytesHash>,
}

/// A hash of the bytes of an item and of what decides how they are read: 56 bits, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesHash(NonZeroU64);

impl BytesHash {
    /// How many bits it has.
    pub const BITS: u32 = 56;

    /// From a hash of 64 bits, as good as any other.
    #[must_use]
    pub fn of(hash: u64) -> Self {
        Self(NonZeroU64::new(hash & ((1 << Self::BITS) - 1)).unwrap_or(NonZeroU64::MIN))
    }

    /// Its bits.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl RawItem {
    /// Bytes of its texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        [&self.title, &self.summary, &self.content, &self.page].into_iter().flatten().map(|text| text.text.len()).sum()
    }

    /// An item that has nothing but its key.
    #[must_use]
    pub fn new(key: ItemKey) -> Self {
        Self {
            key,
            title: None,
            title_original: None,
            url: None,
            author: None,
            publisher: None,
            published: None,
            updated: None,
            lang: None,
            summary: None,
            content: None,
            page: None,
            tags: Vec::new(),
            quiet: false,
            bytes: None,
        }
    }
}

/// A language: its ISO 639-1 code, or 639-3 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lang([u8; 3]);

impl Lang {
    /// English.
    pub const EN: Self = Self(*b"en\0");

    /// From the primary subtag of a BCP 47 tag (`en-GB` → `en`); `None` if that is not 2 or 3 letters.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        if !(2..=3).contains(&primary.len()) || !primary.bytes().all(|b| b.is_ascii_alphabetic()) {
            return None;
        }
        let mut code = [0; 3];
        for (slot, byte) in code.iter_mut().zip(primary.bytes()) {
            *slot = byte.to_ascii_lowercase();
        }
        Some(Self(code))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = if self.0[2] == 0 { 2 } else { 3 };
        std::str::from_utf8(&self.0[..len]).expect("invariant: ASCII letters")
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Lang {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Where the body text of an item came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextSource {
    /// The source carried the body.
    Content,
    /// The source carried only a summary.
    Summary,
    /// The linked page was fetched and extracted.
    Page,
    /// There is no body: the title is all there is.
    Title,
}

impl TextSource {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Content, Self::Summary, Self::Page, Self::Title];

    /// Reads the stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Summary => "summary",
            Self::Page => "page",
            Self::Title => "title",
        }
    }
}

/// Characters of text that stand in for a missing title.
const HEADLINE_CHARS_MAX: usize = 120;

/// One piece of coverage as wirewatch reads it: plain text, no markup, no control characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Derived from source and key.
    pub id: ItemId,
    /// Where it came from: a feed, or the seed directory.
    pub source: SourceId,
    /// Identity within the source.
    pub key: ItemKey,
    /// Headline without the publisher's suffix; may be empty.
    pub title: String,
    /// The headline as it came, where the source took something off it: the whole subject of an e-mail.
    pub title_original: Option<String>,
    /// The publisher's name where the headline or feed carried one ("… - Reuters").
    pub publisher: Option<String>,
    /// Who carries it, as stories count outlets; `None` where nothing says so.
    pub outlet: Option<Outlet>,
    /// Canonical link: no fragment, no tracking keys.
    pub url: Option<String>,
    /// The link as it came.
    pub url_original: Option<String>,
    /// Byline.
    pub author: Option<String>,
    /// Clamped to what can be true.
    pub published: Option<Dated>,
    /// Clamped likewise.
    pub updated: Option<Dated>,
    /// When wirewatch first saw it.
    pub first_seen: Timestamp,
    /// Declared or detected.
    pub lang: Option<Lang>,
    /// The publisher's summary, or empty.
    pub summary: String,
    /// The body in paragraphs separated by `\n`, furniture removed; may be empty.
    pub text: String,
    /// Where `text` came from.
    pub text_source: TextSource,
    /// Categories and keywords.
    pub tags: Vec<String>,
    /// Hash of title and text, folded: equal for the same text from any source.
    pub text_hash: ContentHash,
    /// Hash of title and text as the source itself carries them: another one means that it was edited.
    /// The same as `text_hash`, except where the text is that of the page.
    pub version: ContentHash,
    /// Stored but not alerted on.
    pub quiet: bool,
}

impl Item {
    /// What stands for the item where one line is wanted: its title, else the beginning of its text, else its
    /// link.
    #[must_use]
    pub fn headline(&self) -> Cow<'_, str> {
        if !self.title.is_empty() {
            return Cow::Borrowed(&self.title);
        }
        let body = if self.text.is_empty() { &self.summary } else { &self.text };
        let line = match body.lines().next() {
            Some(line) if !line.is_empty() => line,
            _ => self.url.as_deref().unwrap_or_default(),
        };
        match line.char_indices().nth(HEADLINE_CHARS_MAX) {
            None => Cow::Borrowed(line),
            Some((end, _)) => {
                let cut = &line[..end];
                let words = cut.rfind(' ').map_or(cut, |space| &cut[..space]);
                Cow::Owned(format!("{words}…"))
            }
        }
    }
}

/// Why a document or an item was not taken. A closed set: log field, metric label, `status` row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "postgres", derive(serde::Deserialize))]
pub enum RejectReason {
    /// No text at all, in title, summary or body.
    Empty,
    /// Larger than the configured cap.
    TooLarge,
    /// More items in one document than the cap; the rest is counted.
    TooManyItems,
    /// Elements or containers nested deeper than the cap.
    TooDeep,
    /// One tag with more attributes than the cap.
    TooManyAttributes,
    /// Not text, and no format that is read.
    NotText,
    /// Neither a feed nor any other format, though it should be one.
    NotAFeed,
    /// A web page where a feed was expected.
    HtmlPage,
    /// Broken beyond repair.
    Malformed,
    /// A symbolic link in the seed directory.
    Symlink,
    /// A FIFO, socket or device in the seed directory.
    SpecialFile,
    /// The file cannot be read.
    Unreadable,
    /// Parsing took longer than its budget.
    TimedOut,
    /// Not read: the process ended more than once while it was.
    Quarantined,
    /// The parser itself failed; the document is at fault or the parser is.
    ParserPanic,
    /// The same key twice in one document, with nothing to tell the two apart.
    DuplicateKey,
    /// The item was taken, but its text went beyond the cap and was cut there.
    TextCut,
    /// The item was taken without its link, which is longer than links are.
    LinkDropped,
    /// The item was stored without alerting: its feed gave all its items new ids at once.
    Rekeyed,
    /// The item was stored without alerting: it was published long before it came.
    TooOld,
    /// The item was taken as a new one: nothing of it agrees with what is known under its id.
    IdNotBelieved,
    /// The item was taken with its feed's text: its page could not be reached.
    PageUnreachable,
    /// Likewise: the page was refused, by its server or by us.
    PageRefused,
    /// Likewise: there is no such page.
    PageMissing,
    /// Likewise: its server answered with an error.
    PageError,
    /// Likewise: the page holds no more text than the feed.
    PageWithoutText,
    /// Likewise: too many pages of one host, or too late for this document.
    PageOverBudget,
    /// The seed file was read while its writer still had it open, or written on after it was moved.
    HeldOpen,
    /// It hits a topic and raises no alert by itself, since it comments on what others report.
    CommentWithheld,
    /// Likewise, since it reports on many events at once.
    RoundUpWithheld,
    /// Its alert waits for the next digest: its feed has raised more on this day than its quota.
    OverAlertQuota,
    /// The feed is not polled any more on this day: it has sent its quota of bytes.
    OverByteQuota,
}

impl RejectReason {
    /// Every reason, for tables that start at zero.
    pub const ALL: [Self; 32] = [
        Self::Empty,
        Self::TooLarge,
        Self::TooManyItems,
        Self::TooDeep,
        Self::TooManyAttributes,
        Self::NotText,
        Self::NotAFeed,
        Self::HtmlPage,
        Self::Malformed,
        Self::Symlink,
        Self::SpecialFile,
        Self::Unreadable,
        Self::TimedOut,
        Self::Quarantined,
        Self::ParserPanic,
        Self::DuplicateKey,
        Self::TextCut,
        Self::LinkDropped,
        Self::Rekeyed,
        Self::TooOld,
        Self::IdNotBelieved,
        Self::PageUnreachable,
        Self::PageRefused,
        Self::PageMissing,
        Self::PageError,
        Self::PageWithoutText,
        Self::PageOverBudget,
        Self::HeldOpen,
        Self::CommentWithheld,
        Self::RoundUpWithheld,
        Self::OverAlertQuota,
        Self::OverByteQuota,
    ];

    /// What was stored and raised no alert by itself.
    pub const WITHHELD: [Self; 2] = [Self::CommentWithheld, Self::RoundUpWithheld];

    /// Whether the items it counts were taken all the same: a note beside the outcomes, not one of them.
    #[must_use]
    pub fn is_note(self) -> bool {
        matches!(
            self,
            Self::TextCut
                | Self::LinkDropped
                | Self::Rekeyed
                | Self::TooOld
                | Self::IdNotBelieved
                | Self::PageUnreachable
                | Self::PageRefused
                | Self::PageMissing
                | Self::PageError
                | Self::PageWithoutText
                | Self::PageOverBudget
                | Self::HeldOpen
                | Self::CommentWithheld
                | Self::RoundUpWithheld
                | Self::OverAlertQuota
                | Self::OverByteQuota
        )
    }

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too-large",
            Self::TooManyItems => "too-many-items",
            Self::TooDeep => "too-deep",
            Self::TooManyAttributes => "too-many-attributes",
            Self::NotText => "not-text",
            Self::NotAFeed => "not-a-feed",
            Self::HtmlPage => "html-page",
            Self::Malformed => "malformed",
            Self::Symlink => "symlink",
            Self::SpecialFile => "special-file",
            Self::Unreadable => "unreadable",
            Self::TimedOut => "timed-out",
            Self::Quarantined => "quarantined",
            Self::ParserPanic => "parser-panic",
            Self::DuplicateKey => "duplicate-key",
            Self::TextCut => "text-cut",
            Self::LinkDropped => "link-dropped",
            Self::Rekeyed => "rekeyed",
            Self::TooOld => "too-old",
            Self::IdNotBelieved => "id-not-believed",
            Self::PageUnreachable => "page-unreachable",
            Self::PageRefused => "page-refused",
            Self::PageMissing => "page-missing",
            Self::PageError => "page-error",
            Self::PageWithoutText => "page-without-text",
            Self::PageOverBudget => "page-over-budget",
            Self::HeldOpen => "held-open",
            Self::CommentWithheld => "comment-withheld",
            Self::RoundUpWithheld => "round-up-withheld",
            Self::OverAlertQuota => "over-alert-quota",
            Self::OverByteQuota => "over-byte-quota",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that was not taken: counted, shown, never silent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "postgres", derive(serde::Serialize, serde::Deserialize))]
pub struct Rejection {
    /// The class.
    pub reason: RejectReason,
    /// What exactly, for people: file name, position, limit. Cleaned before it is shown.
    pub detail: String,
    /// How many items or documents this stands for.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lang_takes_the_primary_subtag_only() {
        assert_eq!(Lang::from_tag("en-GB").map(|l| l.to_string()), Some("en".to_owned()));
        assert_eq!(Lang::from_tag("UK").map(|l| l.to_string()), Some("uk".to_owned()));
        assert_eq!(Lang::from_tag("e"), None);
        assert_eq!(Lang::from_tag("english"), None);
    }

    #[test]
    fn reject_reason_names_are_distinct() {
        let names: std::collections::BTreeSet<_> = RejectReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), RejectReason::ALL.len());
    }
}
