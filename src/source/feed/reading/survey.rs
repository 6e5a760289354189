//! What `scan` finds in a document before it is parsed: what is wrong with it, and what feed-rs does not say.

use std::collections::BTreeSet;

use super::left_out::LeftOutItem;
use crate::model::BytesHash;
use crate::source::PollHints;

/// What was found to be wrong. Each but the last four can be mended before feed-rs reads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum XmlQuirk {
    LeadingJunk,
    ControlCharacter,
    BadReference,
    HtmlEntity,
    StrayCharacter,
    Mismatched,
    Truncated,
    InlineMarkup,
    Version,
    UndeclaredPrefix,
    SecondDeclaration,
    OddNamespace,
    /// Names in upper case.
    UpperCase,
    /// A content type feed-rs refuses the document for.
    OddType,
    /// A value feed-rs panics over.
    RiskyValue,
    /// The lexer gave up.
    Unlexable,
}

impl XmlQuirk {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LeadingJunk => "text before the document was skipped",
            Self::ControlCharacter => "control characters were removed",
            Self::BadReference => "character references that stand for nothing were replaced",
            Self::HtmlEntity => "HTML entities unknown to XML were resolved",
            Self::StrayCharacter => "unescaped `&` or `<` was read as text",
            Self::Mismatched => "start and end tags that do not match were mended",
            Self::Truncated => "the document is cut off; what is whole was read",
            Self::InlineMarkup => "markup inside text fields was read as HTML",
            Self::Version => "unknown RSS version, read as 2.0",
            Self::UndeclaredPrefix => "undeclared or misspelt namespaces were taken for the usual ones",
            Self::SecondDeclaration => "a second XML declaration was removed",
            Self::OddNamespace => "unusual namespace, read by element names",
            Self::UpperCase => "element names in upper case were accepted",
            Self::OddType => "unknown content type, read as text",
            Self::RiskyValue => "values that crash the first parser were read by the second",
            Self::Unlexable => "broken XML, read as far as it goes",
        }
    }

    /// Whether feed-rs would misread the document whatever is mended.
    pub(super) fn needs_own_reader(self) -> bool {
        matches!(self, Self::UpperCase | Self::OddType | Self::RiskyValue | Self::Unlexable)
    }
}

/// What is known of a document before it is parsed.
#[derive(Debug, Default)]
pub(super) struct XmlSurvey {
    pub quirks: BTreeSet<XmlQuirk>,
    /// Some item has a field only in a place where feed-rs does not look.
    pub own_fields: bool,
    /// There are more items than are taken: those beyond are not noted.
    pub is_crowded: bool,
    pub items: Vec<ItemNotes>,
    /// Items that were not looked at, and are not among these.
    pub left_out: Vec<LeftOutItem>,
    pub hints: PollHints,
}

/// What feed-rs does not say of an item.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ItemNotes {
    /// `isPermaLink` is not `false`, and there is a guid.
    pub guid_is_link: bool,
    /// `rdf:about`.
    pub about: Option<String>,
    /// `xml:lang` or `dc:language`.
    pub lang: Option<String>,
    /// `feedburner:origLink`.
    pub original_link: Option<String>,
    /// `itunes:author`, which feed-rs mixes with picture credits.
    pub itunes_author: Option<String>,
    /// Its own, where they tell by themselves what it is.
    pub bytes: Option<BytesHash>,
}
