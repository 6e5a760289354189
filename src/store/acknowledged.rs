//! What a server has acknowledged, kept beside what else belongs to this machine: one that was put in its place and has
//! less is told from it, also by a process that was started anew.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::StoreError;
use super::engine::{Connection, EngineError};

/// Its name in the state directory.
pub(super) const ACKNOWLEDGED_FILE: &str = "wirewatch.acknowledged";
/// Longest text that is read of it; what is written is shorter.
const BYTES_MAX: usize = 512;

/// The last that a server acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    known: Mutex<Known>,
    /// `None`: nothing is kept, by a process that only reads.
    file: Option<File>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    /// Of the store.
    instance: String,
    /// Of the server's data, which numbers its transactions: a standby that took over has the same.
    system: String,
    /// The last transaction of this process; none yet: empty.
    transaction: String,
    /// The last line of what happened that this process has seen.
    change: i64,
}

impl Known {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.lines().next()?.split(' ').filter(|word| !word.is_empty());
        let mut next = || words.next().map(str::to_owned);
        let (instance, system, transaction) = (next()?, next()?, next()?);
        let change = next()?.parse().ok()?;
        let transaction = if transaction == "-" { String::new() } else { transaction };
        Some(Self { instance, system, transaction, change })
    }

    /// Always of one length, so that one write replaces all of the line before.
    fn line(&self) -> String {
        let transaction = if self.transaction.is_empty() { "-" } else { &self.transaction };
        format!("{} {} {transaction:>20} {:>20}\n", self.instance, self.system, self.change)
    }
}

impl Acknowledged {
    /// Compares what is there with what this machine was told before, and keeps it from here on.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the server has lost some of it.
    pub(super) fn of(state_dir: &Path, connection: &Connection, shown: &Path) -> Result<Self, StoreError> {
        let path = state_dir.join(ACKNOWLEDGED_FILE);
        let file_error = |path: &PathBuf| {
            let path = path.clone();
            move |source| StoreError::File { path, source }
        };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(file_error(&path))?;
        let mut now = read_now(connection)
            .map_err(|error| StoreError::sql(shown, "see whether the store has all that it had", error))?;
        let mut text = [0; BYTES_MAX];
        let length = file.read_at(&mut text, 0).map_err(file_error(&path))?;
        // One that was cut off by a full disk says nothing, as a new one.
        let before = std::str::from_utf8(&text[..length]).ok().and_then(Known::read);
        if let Some(before) = before.filter(|before| before.instance == now.instance) {
            if before.change > now.change {
                return Err(StoreError::behind(shown));
            }
            if before.system == now.system && !before.transaction.is_empty() {
                refuse_behind(connection, &before.transaction, shown)?;
                now.transaction = before.transaction;
            }
        }
        file.set_len(0).and_then(|()| file.write_all_at(now.line().as_bytes(), 0)).map_err(file_error(&path))?;
        Ok(Self { known: Mutex::new(now), file: Some(file) })
    }

    /// Sees whether the server of a new connection has all that was acknowledged.
    pub(super) fn refuse_less(&self, connection: &Connection, shown: &Path) -> Result<(), StoreError> {
        let known = self.known.lock().clone();
        let fail = |error| StoreError::sql(shown, "see whether the store has all that it had", error);
        if connection.highest_change().map_err(fail)? < known.change {
            return Err(StoreError::behind(shown));
        }
        if known.transaction.is_empty() { Ok(()) } else { refuse_behind(connection, &known.transaction, shown) }
    }

    /// The last transaction of a connection was acknowledged.
    pub(super) fn note_commit(&self, connection: &Connection) {
        let Some(number) = connection.last_number() else { return };
        let mut known = self.known.lock();
        known.transaction = number;
        known.change = known.change.max(connection.change_before());
        self.keep(&known);
    }

    /// What happened was seen up to here.
    pub(super) fn note_change(&self, change: i64) {
        let mut known = self.known.lock();
        if change > known.change {
            known.change = change;
            self.keep(&known);
        }
    }

    /// Without waiting for the disk: the end of this process loses nothing of it, and what the end of the machine
    /// loses is the newest only, which makes the comparison less sharp and nothing wrong.
    fn keep(&self, known: &Known) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(known.line().as_bytes(), 0);
        }
    }
}

fn read_now(connection: &Connection) -> Result<Known, EngineError> {
    let instance = connection
        .query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| row.get::<_, String>(0))?
        .replace(' ', "-");
    // Where that may not be asked, all servers are taken for one.
    let system = connection
        .query_row("SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()", [], |row| row.get(0))
        .unwrap_or_else(|_| "unknown".to_owned());
    Ok(Known { instance, system, transaction: String::new(), change: connection.highest_change()? })
}

/// A server that was put in the place of another and has not all that was acknowledged: what was told already would be
/// told again, under other numbers.
fn refuse_behind(connection: &Connection, number: &str, shown: &Path) -> Result<(), StoreError> {
    let is_behind = match connection.was_committed(number) {
        Ok(known) => known == Some(false),
        // A number that it has not given yet.
        Err(error) if error.sql_state().as_deref() == Some("22023") => true,
        Err(error) => return Err(StoreError::sql(shown, "see whether the store has all that it had", error)),
    };
    if is_behind { Err(StoreError::behind(shown)) } else { Ok(()) }
}

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use super::super::engine::PostgresPlace;
    use super::super::on_a_server_tests::test_place;
    use super::super::{Access, Store};
    use super::*;

    fn with_a_write(place: &PostgresPlace) -> (tempfile::TempDir, Known) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open_remote(dir.path(), place, Access::Own).expect("opens");
        let add = "INSERT INTO changes (kind, ref) VALUES ('item', 1)";
        store.write("test", |tx| tx.execute(add, [])).expect("written");
        drop(store);
        drop(Store::open_remote(dir.path(), place, Access::Own).expect("nothing is lost"));
        let text = std::fs::read_to_string(dir.path().join(ACKNOWLEDGED_FILE)).expect("it is kept");
        (dir, Known::read(&text).expect("it reads"))
    }

    fn refusal(dir: &Path, place: &PostgresPlace) -> String {
        Store::open_remote(dir, place, Access::Own).map(|_| ()).expect_err("refused").to_string()
    }

    #[test]
    fn line_reads_back_and_keeps_its_length() {
        let mut known = Known { instance: "i".to_owned(), system: "7".to_owned(), ..Known::default() };
        let short = known.line();
        assert_eq!(Known::read(&short), Some(known.clone()));
        (known.transaction, known.change) = ("18446744073709551615".to_owned(), i64::MAX);
        assert_eq!(known.line().len(), short.len());
        assert_eq!(Known::read(&known.line()), Some(known));
        assert_eq!(Known::read(""), None);
    }

    #[test]
    fn process_started_anew_knows_of_a_server_that_lost_a_transaction() {
        let Some(place) = test_place("acknowledged_transaction") else { return };
        let (dir, known) = with_a_write(&place);
        assert!(!known.transaction.is_empty(), "{known:?}");
        let path = dir.path().join(ACKNOWLEDGED_FILE);
        let ahead: u64 = known.transaction.parse().expect("a number");
        std::fs::write(&path, Known { transaction: (ahead + 1_000_000).to_string(), ..known.clone() }.line())
            .expect("written");
        let said = refusal(dir.path(), &place);
        assert!(said.contains("lost what it acknowledged") && said.contains(ACKNOWLEDGED_FILE), "{said}");
        assert_eq!(refusal(dir.path(), &place), said, "until somebody decides");
        let moved = Known { system: "1".to_owned(), ..known.clone() };
        std::fs::write(&path, moved.line()).expect("written");
        drop(Store::open_remote(dir.path(), &place, Access::Own).expect("moved to another server, with everything"));
        std::fs::write(&path, Known { transaction: (ahead + 1_000_000).to_string(), ..known }.line()).expect("written");
        std::fs::remove_file(&path).expect("removed");
        drop(Store::open_remote(dir.path(), &place, Access::Own).expect("somebody has decided"));
    }

    #[test]
    fn process_started_anew_knows_of_a_server_that_has_seen_less() {
        let Some(place) = test_place("acknowledged_change") else { return };
        let (dir, known) = with_a_write(&place);
        let path = dir.path().join(ACKNOWLEDGED_FILE);
        let moved = Known { system: "1".to_owned(), change: known.change + 1, ..known.clone() };
        std::fs::write(&path, moved.line()).expect("written");
        assert!(refusal(dir.path(), &place).contains("lost what it acknowledged"), "{}", refusal(dir.path(), &place));
        std::fs::write(&path, Known { instance: "another".to_owned(), ..moved }.line()).expect("written");
        drop(Store::open_remote(dir.path(), &place, Access::Own).expect("it says nothing of another store"));
    }
}
