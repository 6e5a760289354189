//! Files that a user names on the command line, for `parse` and `ingest`: read once, wherever they
//! lie, with no directory to watch and nothing to move. Also the one way onto a parser thread.

use std::path::Path;

use super::files::{self, ReadError};
use super::parse::{self, FileContext, MailRules};
use crate::model::{ContentHash, RejectReason, Rejection, SeedFile, SeedOutcome, Timestamp};
use crate::source::parser::Parser;
use crate::source::quarantine::ReadingPermit;
use crate::source::{DocumentFormat, Limits, ParsedDocument};

/// Largest file read: the user chose it, so the cap only keeps memory safe.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Reads a file, links followed: the document, and the file as the store would remember it.
///
/// # Errors
/// [`Rejection`] when it cannot be read or nothing can be taken from it.
pub async fn parse_file(
    path: &Path,
    received: Timestamp,
    limits: &Limits,
    mail: &MailRules,
    parser: &Parser,
) -> Result<(ParsedDocument, SeedFile), Rejection> {
    let target = path.to_owned();
    let read = tokio::task::spawn_blocking(move || files::read_named(&target, FILE_BYTES_MAX)).await;
    let contents = match read {
        Ok(Ok(contents)) => contents,
        Ok(Err(ReadError::Refused(rejection))) => return Err(rejection),
        Ok(Err(error)) => return Err(unreadable(error.to_string())),
        Err(_) => return Err(unreadable("reading it failed".to_owned())),
    };
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let modified = contents.stamp.modified();
    NamedBytes { name, modified, bytes: contents.bytes }.parse(received, limits, mail, parser).await
}

/// Larger documents take long: they leave threads to the others.
const HEAVY_BYTES: usize = 256 << 10;

/// Bytes that came under a name: from a pipe, say.
#[derive(Debug)]
pub struct NamedBytes {
    /// Breaks ties between formats.
    pub name: String,
    /// Stands in for a missing date.
    pub modified: Timestamp,
    /// The content.
    pub bytes: Vec<u8>,
}

impl NamedBytes {
    /// Reads the bytes: the document, and the file as the store would remember it.
    ///
    /// # Errors
    /// [`Rejection`] when nothing can be taken from them.
    pub async fn parse(
        self,
        received: Timestamp,
        limits: &Limits,
        mail: &MailRules,
        parser: &Parser,
    ) -> Result<(ParsedDocument, SeedFile), Rejection> {
        let context = FileContext { name: &self.name, modified: self.modified, received, limits, mail };
        let format = parse::format_of(&self.bytes, &context)?;
        self.parse_as(format, received, limits, mail, parser).await
    }

    /// The same where somebody says what the bytes are, as a content type does.
    ///
    /// # Errors
    /// [`Rejection`] when nothing can be taken from them.
    pub async fn parse_as(
        self,
        format: DocumentFormat,
        received: Timestamp,
        limits: &Limits,
        mail: &MailRules,
        parser: &Parser,
    ) -> Result<(ParsedDocument, SeedFile), Rejection> {
        let Self { name, modified, bytes } = self;
        let (hash, size_bytes) = (ContentHash::of(&[&bytes]), bytes.len() as u64);
        let (limits, mail) = (*limits, mail.clone());
        let job = ParseJob { format, bytes, name: name.clone(), modified, received, limits, mail, permit: None };
        let document = job.run(parser).await?;
        let rejected = document.rejected.iter().map(|r| r.count).sum();
        let outcome = SeedOutcome::Taken { items: document.items.len() as u64, rejected };
        Ok((document, SeedFile { hash, name, size_bytes, modified, outcome }))
    }
}

/// A parse on a parser thread.
pub(super) struct ParseJob {
    pub format: DocumentFormat,
    pub bytes: Vec<u8>,
    pub name: String,
    pub modified: Timestamp,
    pub received: Timestamp,
    pub limits: Limits,
    pub mail: MailRules,
    /// `None` for a command that reads one file.
    pub permit: Option<ReadingPermit>,
}

impl ParseJob {
    pub(super) async fn run(self, parser: &Parser) -> Result<ParsedDocument, Rejection> {
        let budget = self.limits.parse_time_max;
        let is_heavy = self.bytes.len() > HEAVY_BYTES;
        let job = move || {
            let _mark = self.permit.map(ReadingPermit::begin);
            let (modified, received, limits, mail) = (self.modified, self.received, &self.limits, &self.mail);
            let context = FileContext { name: &self.name, modified, received, limits, mail };
            parse::parse_as(self.format, &self.bytes, &context)
        };
        let parsed = if is_heavy { parser.run_heavy(budget, job).await } else { parser.run(budget, job).await };
        parsed.unwrap_or_else(|reason| {
            let detail = format!("reading it did not end well within {budget:?}");
            Err(Rejection { reason, detail, count: 1 })
        })
    }
}

fn unreadable(detail: String) -> Rejection {
    Rejection { reason: RejectReason::Unreadable, detail, count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(path: &Path) -> Result<(ParsedDocument, SeedFile), Rejection> {
        parse_file(path, Timestamp::from_seconds(0), &Limits::SHIPPED, &MailRules::default(), &Parser::new(1)).await
    }

    #[tokio::test]
    async fn named_file_is_read_through_a_link_with_its_place_in_the_store() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, link) = (dir.path().join("a.txt"), dir.path().join("link.txt"));
        std::fs::write(&file, "Harbour opens new pier").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let (document, seed) = read(&link).await.expect("read");
        assert_eq!((document.items.len(), seed.name.as_str(), seed.size_bytes), (1, "link.txt", 22));
        assert_eq!(seed.outcome, SeedOutcome::Taken { items: 1, rejected: 0 });
    }

    #[tokio::test]
    async fn named_file_missing_too_large_or_binary_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::File::create(path("large")).and_then(|f| f.set_len(1 << 40)).expect("made");
        std::fs::write(path("binary"), "%PDF-").expect("written");
        let table = [
            ("missing", RejectReason::Unreadable),
            ("large", RejectReason::TooLarge),
            ("binary", RejectReason::NotText),
        ];
        for (name, reason) in table {
            assert_eq!(read(&path(name)).await.expect_err("refused").reason, reason, "{name}");
        }
    }
}
