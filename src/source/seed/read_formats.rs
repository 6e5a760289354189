//! What is read, for people: docs/guide/sources.md is made of this table and of that of what is refused.

use crate::source::DocumentFormat;

/// A format and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct ReadFormat {
    /// The format.
    pub format: DocumentFormat,
    /// Its name and kinds.
    pub what: &'static str,
    /// What it is known by; names of files only break ties.
    pub known_by: &'static str,
    /// What becomes of it.
    pub becomes: &'static str,
}

const fn row(format: DocumentFormat, what: &'static str, known_by: &'static str, becomes: &'static str) -> ReadFormat {
    ReadFormat { format, what, known_by, becomes }
}

/// Every format that is read.
pub const READ_FORMATS: [ReadFormat; 15] = [
    row(
        DocumentFormat::Rss,
        "RSS 0.9x, 2.0; exports of WordPress (WXR)",
        "`<rss>` or `<channel>`",
        "an item each; drafts and attachments of an export are left out",
    ),
    row(DocumentFormat::Rdf, "RSS 1.0, 0.90", "`<rdf:RDF>`", "an item each"),
    row(DocumentFormat::Atom, "Atom 1.0, 0.3; a single entry", "`<feed>`, `<entry>`", "an item each"),
    row(DocumentFormat::JsonFeed, "JSON Feed 1.x", "its version, or a list `items` with ids", "an item each"),
    row(DocumentFormat::Sitemap, "news sitemaps", "`<urlset>`", "an item for each page; its text with `full_text`"),
    row(
        DocumentFormat::Text,
        "plain text, in any common encoding",
        "nothing else",
        "one item; title, date, byline where they stand",
    ),
    row(
        DocumentFormat::Markdown,
        "Markdown; front matter in YAML, TOML or JSON (Hugo, Jekyll)",
        "front matter, a heading, or its name",
        "one item; the day also from a name such as `2031-05-14-pier.md`",
    ),
    row(DocumentFormat::Html, "web pages and pieces of them", "its first element", "one item: the article in it"),
    row(DocumentFormat::Mhtml, "pages saved as MHTML", "a header with the page's place", "one item"),
    row(
        DocumentFormat::Json,
        "JSON: our fields and those of NewsAPI, GDELT, Event Registry, WordPress and others; several values one after the other",
        "`{` or `[`",
        "an item for each object with a title or text, also within `items`, `articles`, `results`, `data` and the like",
    ),
    row(DocumentFormat::JsonLines, "JSON Lines", "one object a line", "an item a line"),
    row(
        DocumentFormat::Mail,
        "e-mail (.eml, a file of a Maildir)",
        "its header",
        "one item, or one a headline (`split`); feeds and calendar entries attached are read",
    ),
    row(
        DocumentFormat::Table,
        "CSV and TSV with a header line",
        "two column names that are known, a title or text among them",
        "an item a row",
    ),
    row(
        DocumentFormat::NewsXml,
        "NITF, NewsML-G2",
        "`<nitf>`, `<newsItem>`, `<newsMessage>`",
        "an item each; what is withheld or withdrawn is left out and counted",
    ),
    row(
        DocumentFormat::PressArchive,
        "text exports of LexisNexis and Factiva",
        "`1 of 2 DOCUMENTS`; fields of two letters",
        "an item each",
    ),
];

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::super::detect::MAGIC;
    use super::super::foreign::FOREIGN_FORMATS;
    use super::*;

    const HEAD: &str = "# What is read\n\nFrom the seed directory, `wirewatch ingest` and `wirewatch parse`; feeds are the first five. Told apart by content; the \
        name of a\nfile only breaks ties. Everything is read within the caps of `[limits]`, on threads of its own: a document that takes too\nlong, \
        nests too deeply or makes a parser panic costs itself alone.\n\nMade from the program's own tables; a test keeps this page the same.\n";
    const NOTES: &str = "\n## One blemish costs one item\n\nBroken JSON is mended where that is clear (escapes, commas, `NaN`, control characters); what is not costs its \
        item, and that is\ncounted. Broken XML likewise. A text in another encoding than its document is read in its own. Of a file that was read in part,\nthe \
        rest goes to `error` with a note that says what was lost.\n\n## E-mail\n\nFetching it is another program's work: `mbsync`, `getmail` or `fetchmail` into a \
        Maildir, or a mail server's pipe to `wirewatch ingest -`.\n\n- A Maildir is named as the seed directory, itself or its `new` (`after = \"keep\"`): \
        `new` and `cur` are both read, so that it does not\n  matter whether somebody was faster; flags and other names make no other message. What lay \
        in `cur` before it was watched\n  first is stored and not told.\n- Title: the subject without \
        `Re:`, `Fwd:` and `[list]`; author: the sender's name; outlet: the list, else the sender's domain; date:\n  `Date`, else when it arrived; link: the \
        archived copy, else the link to the page in a browser; key: the Message-ID. The whole subject\n  is kept as `title_original`.\n- Text: the plain one, unless it only stands in for the HTML. Quoted history, \
        signatures and the small print of lists are cut; a\n  forward is what was forwarded.\n- Anybody can write any sender. With `require_auth_results` and \
        `auth_results_by` the word of your own receiver decides; all\n  other messages have the tag `unauthenticated`.\n- Caps: 200 parts, 10 messages within one \
        another, 64 KiB of header. Encrypted mail is refused; attachments are counted.\n\n\
        ## Decided where it could be otherwise\n\n\
        - Items that a feed wraps once more (`channel/items`) are read; of two documents in one body both are, and a note says so.\n\
        - What a publisher took back in a dump (`[Removed]`) is no article, and `[+2219 chars]` no text; both are counted or cut.\n\
        - A date in a dump means the moment it names (`seendate`, `dateTime`, `date_gmt` before `date`); without a zone UTC is taken and\n  the date marked as assumed.\n\
        - A text export of an archive is as many items as it has documents. An export of WordPress is its published posts; drafts are no news.\n\
        - Front matter may end its lines with CR alone; a nested author is his name; tags of templates (`{% … %}`) are no text; a day in the\n  name of a file stands where none is inside.\n\
        - A page without text is what its JSON-LD says (`articleBody`).\n\
        - Items without id and link are known by their words; a date that is only the time of the request makes none of them new.\n\
        - An article from years ago that comes into a feed now is stored and not told (`alerts.age_max`); one in a dropped file is told.\n\
        - A body in the clear that is labelled gzip is read as it is; of a transfer that breaks off nothing is taken, however whole it\n  looks: it is asked for again.\n\
        - 201, 202 and 203 with a feed are answers; 206 is a part, and refused. No cookies are kept: who asks for one is named.\n\
        - The link of an item that has none is its enclosure.\n";

    #[test]
    fn sources_page_says_what_the_tables_say() {
        let mut page = HEAD.to_owned();
        page.push_str("\n| Format | What | Known by | Becomes |\n|---|---|---|---|\n");
        for ReadFormat { format, what, known_by, becomes } in READ_FORMATS {
            writeln!(page, "| `{}` | {what} | {known_by} | {becomes} |", format.as_str()).expect("written");
        }
        page.push_str(NOTES);
        page.push_str("\n## Refused by name\n\n| This is … | Instead |\n|---|---|\n");
        for format in FOREIGN_FORMATS {
            writeln!(page, "| {} | {} |", format.what, format.hint).expect("written");
        }
        for (_, what) in MAGIC {
            writeln!(page, "| {what} | save it as text, Markdown, HTML or JSON |").expect("written");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/sources.md");
        if std::env::var_os("WIREWATCH_WRITE").is_some() {
            std::fs::write(&path, &page).expect("written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "docs/guide/sources.md is behind: WIREWATCH_WRITE=1 cargo test sources_page");
    }

    #[test]
    fn every_format_is_told_of_once() {
        let names: std::collections::BTreeSet<_> = READ_FORMATS.iter().map(|row| row.format.as_str()).collect();
        assert_eq!(names.len(), READ_FORMATS.len());
        for format in DocumentFormat::ALL {
            assert!(names.contains(format.as_str()), "{format:?}");
        }
    }
}
