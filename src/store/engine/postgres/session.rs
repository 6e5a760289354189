//! A session with a PostgreSQL server.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{ToSql, Type};
use postgres::{Client, NoTls, SimpleQueryMessage};
use rusqlite::types::FromSql;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

use super::super::{CommitWord, EngineError, Params, Result};
use super::deferred::Deferred;
use super::place::PostgresPlace;
use super::translate::Translated;
use super::values::{Came, Sent};
use crate::failpoint::Planted;
use crate::files::descriptors_are_short;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A session that was idle answers within this time, or is given up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// One that answered within this time is not asked whether it does.
const IDLE_MIN: Duration = Duration::from_secs(5);
/// What was sent and is not acknowledged for so long is lost, and the way with it.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);
/// Statements kept prepared; beyond them all are let go, which costs one round trip each to come back.
const STATEMENTS_KEPT: usize = 512;
/// Rows of a page of a long result.
pub(in crate::store::engine) const CURSOR_PAGE_ROWS: usize = 2_000;
/// Among the advisory locks of a database, whoever writes into one schema.
const WRITERS: i32 = 0x7769_7265;
/// The channel on which it is said that something was committed.
const WORDS: &str = "wirewatch";

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::engine) enum SessionUse {
    Write,
    Read,
    /// Claims what may be sent, beside whoever writes. A claim that the server loses is made again.
    Claim,
}

/// A session with a server.
pub(in crate::store::engine) struct Session {
    /// There until the session ends.
    client: RefCell<Option<Client>>,
    statements: RefCell<Statements>,
    /// Statements as they are written, and in PostgreSQL's words.
    translated: RefCell<HashMap<String, Arc<Translated>>>,
    /// Statements that are sent with what is asked next.
    deferred: RefCell<Deferred>,
    in_transaction: Cell<bool>,
    /// Cursors that were opened, to name the next one.
    cursors: Cell<u64>,
    /// The number of the transaction that writes, by which it is found out later what became of it.
    number: RefCell<Option<String>>,
    /// The last line of what happened when that began, where it was asked for; else 0.
    change_before: Cell<i64>,
    /// Whether a statement of this transaction failed: then the server commits nothing of it, and calls that no error.
    failed: Cell<bool>,
    /// Whether a transaction that writes was begun ahead of who asks for it.
    is_begun: Cell<bool>,
    /// What each transaction that writes asks first.
    fence: RefCell<Option<String>>,
    for_use: SessionUse,
    /// How to begin one that reads anew.
    place: PostgresPlace,
    /// When the server last answered here.
    answered_at: Cell<Instant>,
    pub(super) schema: String,
}

type Statements = HashMap<(String, Vec<u32>), postgres::Statement>;

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects, and sees that the server is one that keeps what it said it keeps.
    pub(in crate::store::engine) fn connect(place: &PostgresPlace, for_use: SessionUse) -> Result<Self> {
        let session = Self {
            client: RefCell::new(Some(client(place)?)),
            statements: RefCell::default(),
            translated: RefCell::default(),
            deferred: RefCell::default(),
            in_transaction: Cell::new(false),
            cursors: Cell::new(0),
            number: RefCell::default(),
            change_before: Cell::new(0),
            failed: Cell::new(false),
            is_begun: Cell::new(false),
            fence: RefCell::default(),
            for_use,
            place: place.clone(),
            answered_at: Cell::new(Instant::now()),
            schema: place.schema().to_owned(),
        };
        session.set_up()?;
        Ok(session)
    }

    fn set_up(&self) -> Result<()> {
        self.refuse_unsound(self.for_use != SessionUse::Read)?;
        // Whoever reads makes something of it meanwhile, such as a memory; whoever writes holds up others.
        let idle = match self.for_use {
            SessionUse::Read => "10min",
            SessionUse::Write => "60s",
            SessionUse::Claim => "5s",
        };
        let reads_only = if self.for_use == SessionUse::Read { "on" } else { "off" };
        let waits_for_disk = if self.for_use == SessionUse::Claim { "off" } else { "on" };
        self.batch(&format!(
            "SET search_path = \"{}\"; SET synchronous_commit = {waits_for_disk}; SET default_transaction_read_only = {reads_only};
             SET TIME ZONE 'UTC'; SET idle_in_transaction_session_timeout = '{idle}'; SET lock_timeout = '5s';
             SET standard_conforming_strings = on",
            self.schema
        ))
    }

    /// Begins a session that reads anew where the server has ended it, and nothing of a transaction is lost with it:
    /// whether what failed may be asked once more.
    fn is_begun_anew(&self, failure: &EngineError) -> bool {
        let is_ended = self.is_closed() || failure.ends_session();
        if self.for_use != SessionUse::Read || self.in_transaction.get() || !is_ended {
            return false;
        }
        let Ok(fresh) = client(&self.place) else { return false };
        if let Some(ended) = self.client.replace(Some(fresh)) {
            outside(|| drop(ended));
        }
        self.statements.borrow_mut().clear();
        let is_set_up = self.set_up().is_ok();
        if !is_set_up {
            // Half of it is worse than none.
            let half = self.client.replace(None);
            outside(|| drop(half));
        }
        is_set_up
    }

    pub(in crate::store::engine) fn batch(&self, sql: &str) -> Result<()> {
        self.send_deferred()?;
        self.ask(|client| client.batch_execute(sql))
    }

    /// Runs a statement whose outcome nobody waits for, with what is asked next; before a commit at the latest.
    pub(in crate::store::engine) fn defer(&self, statement: &Translated, params: impl Params) -> Result<()> {
        if !self.in_transaction.get() {
            return self.execute(statement, params).map(|_| ());
        }
        params.with(|values| {
            let sent: Vec<Sent<'_>> = values.iter().map(|value| Sent::of(*value)).collect::<Result<_>>()?;
            let mut deferred = self.deferred.borrow_mut();
            deferred.add(statement.plain(), &sent);
            if deferred.is_long() {
                drop(deferred);
                self.send_deferred()?;
            }
            Ok(())
        })
    }

    fn send_deferred(&self) -> Result<()> {
        let text = self.deferred.borrow_mut().take();
        if text.is_empty() {
            return Ok(());
        }
        self.ask(|client| client.batch_execute(&text)).inspect_err(|_| self.deferred.borrow_mut().forget())
    }

    /// Begins a transaction: everything of one moment, or the only one that writes.
    pub(in crate::store::engine) fn begin(&self, writes: bool) -> Result<()> {
        if writes && self.is_begun.replace(false) {
            return Ok(());
        }
        self.failed.set(false);
        self.in_transaction.set(true);
        if writes && self.for_use == SessionUse::Claim {
            return self.batch("BEGIN");
        }
        if !writes {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            self.in_transaction.set(false);
            let begun = match self.batch(begin) {
                Err(failure) if self.is_begun_anew(&failure) => self.batch(begin),
                begun => begun,
            };
            self.in_transaction.set(begun.is_ok());
            self.failed.set(begun.is_err());
            return begun;
        }
        // One writes at a time, as the operations expect: what they read is what they change.
        let lock = format!("SELECT pg_advisory_xact_lock({WRITERS}, hashtext('{}'))", self.schema);
        // Whoever has a fence has a schema: the last line of what happened is asked for on the way.
        let last_change = "SELECT coalesce(max(seq), 0) FROM changes";
        let fence = self.fence_to_ask().map(|fence| format!("; {last_change}; {fence}")).unwrap_or_default();
        let begin = format!("BEGIN; {lock}; SELECT pg_current_xact_id()::text{fence}");
        let rows: Vec<String> = self
            .ask(|client| client.simple_query(&begin))?
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                _ => None,
            })
            .collect();
        // The lock, the number, and with a fence the last change and whether it holds.
        if !fence.is_empty() && rows.len() < 4 {
            return Err(EngineError::SteppedDown);
        }
        self.number.replace(rows.get(1).cloned());
        self.change_before.set(rows.get(2).and_then(|change| change.parse().ok()).unwrap_or_default());
        Ok(())
    }

    fn fence_to_ask(&self) -> Option<String> {
        let mut fence = self.fence.borrow_mut();
        if Planted::FenceOff.is_in() {
            return None;
        }
        if Planted::FenceOnce.is_in() { fence.take() } else { fence.clone() }
    }

    /// Begins a transaction that writes for whoever asks for one next: what fails here shows whether anybody answers.
    pub(in crate::store::engine) fn begin_ahead(&self) {
        if self.begin(true).is_ok() {
            self.is_begun.set(true);
        } else {
            self.roll_back();
        }
    }

    /// Whether the server still answers here, as far as is known: one that did a moment ago is not asked.
    pub(in crate::store::engine) fn answers(&self) -> bool {
        let is_idle = self.answered_at.get().elapsed() >= IDLE_MIN;
        !self.is_closed() && (!is_idle || self.ask(|client| client.is_valid(ANSWERS_WITHIN)).is_ok())
    }

    pub(in crate::store::engine) fn set_fence(&self, asked: String) {
        self.fence.replace(Some(asked));
    }

    /// Ends the sessions of a process that hold the turn to write.
    pub(in crate::store::engine) fn end_writers(&self, mark: &str) -> Result<()> {
        self.batch(&format!(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.classid::bigint = {WRITERS} AND l.granted
               AND a.application_name = 'wirewatch {mark}' AND l.pid <> pg_backend_pid()"
        ))
    }

    /// The number of the last transaction that wrote.
    pub(in crate::store::engine) fn last_number(&self) -> Option<String> {
        self.number.borrow().clone()
    }

    /// The last line of what happened when the last transaction that wrote began; 0: nobody asked.
    pub(in crate::store::engine) fn change_before(&self) -> i64 {
        self.change_before.get()
    }

    /// What became of a transaction whose end was not heard; `None`: it has not ended, or nobody knows any more.
    pub(in crate::store::engine) fn was_committed(&self, number: &str) -> Result<Option<bool>> {
        let asked = self.ask(|client| client.query_opt("SELECT pg_xact_status($1::text::xid8)", &[&number]))?;
        let status: Option<String> = asked.and_then(|row| row.get(0));
        Ok(match status.as_deref() {
            Some("committed") => Some(true),
            Some("aborted") => Some(false),
            _ => None,
        })
    }

    /// `word`: what those who listen are told of it.
    pub(in crate::store::engine) fn commit(&self, word: CommitWord) -> Result<()> {
        if self.failed.get() {
            return Err(EngineError::unreadable("a statement of this transaction failed before"));
        }
        // What waits goes in the same message: where it fails, the server does not get to the end.
        let mut text = self.deferred.borrow_mut().take();
        if self.for_use == SessionUse::Write && word != CommitWord::Nothing {
            let (mark, word) = (self.place.mark(), word.as_str());
            // Writing to a string cannot fail.
            let _ = write!(text, "SELECT pg_notify('{WORDS}', '{} {mark} {word}');", self.schema);
        }
        text.push_str("COMMIT");
        self.ask(|client| client.batch_execute(&text)).inspect_err(|_| self.deferred.borrow_mut().forget())?;
        self.in_transaction.set(false);
        Ok(())
    }

    /// Hears from here on of what is committed.
    pub(in crate::store::engine) fn listen(&self) -> Result<()> {
        self.batch(&format!("LISTEN {WORDS}"))
    }

    /// Waits for the word that another process than `own` has committed something, if it comes.
    pub(in crate::store::engine) fn hears_of_others(&self, own: &str, within: Duration) -> Result<Option<CommitWord>> {
        let store = format!("{} ", self.schema);
        // That nothing was heard is no answer.
        self.ask_besides(|client| {
            let mut words = client.notifications();
            let mut heard = words.timeout_iter(within);
            while let Some(word) = heard.next()? {
                let Some(said) = word.payload().strip_prefix(&store) else { continue };
                // One of another version says less, or what this one does not know.
                let (mark, word) = said.split_once(' ').unwrap_or((said, ""));
                if mark != own {
                    return Ok(Some(CommitWord::read(word)));
                }
            }
            Ok(None)
        })
    }

    pub(in crate::store::engine) fn roll_back(&self) {
        if self.in_transaction.replace(false) {
            let mut deferred = self.deferred.borrow_mut();
            if !deferred.take().is_empty() {
                deferred.forget();
            }
            drop(deferred);
            // Where even this fails, the server lets it go with the session.
            let _ = self.batch("ROLLBACK");
        }
    }

    /// Whether the server or the way to it is gone.
    pub(in crate::store::engine) fn is_closed(&self) -> bool {
        self.client.borrow().as_ref().is_none_or(Client::is_closed)
    }

    pub(in crate::store::engine) fn prepare(&self, sql: &str) -> Arc<Translated> {
        let mut known = self.translated.borrow_mut();
        if let Some(translated) = known.get(sql) {
            return Arc::clone(translated);
        }
        if known.len() >= STATEMENTS_KEPT {
            known.clear();
        }
        let translated = Arc::new(Translated::of(sql));
        known.insert(sql.to_owned(), Arc::clone(&translated));
        translated
    }

    pub(in crate::store::engine) fn execute(&self, statement: &Translated, params: impl Params) -> Result<usize> {
        let changed = self.run(statement, params, |client, prepared, values| client.execute(prepared, values))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(in crate::store::engine) fn query(
        &self,
        statement: &Translated,
        params: impl Params,
    ) -> Result<Vec<postgres::Row>> {
        let query = |client: &mut Client, prepared: &postgres::Statement, values: &[&(dyn ToSql + Sync)]| {
            client.query(prepared, values)
        };
        params.with(|values| match self.run(statement, values, query) {
            Err(failure) if self.is_begun_anew(&failure) => self.run(statement, values, query),
            rows => rows,
        })
    }

    pub(in crate::store::engine) fn column_names(&self, statement: &Translated) -> Result<Vec<String>> {
        let prepared = self.prepared(statement.with_nulls(|_| false).0, &[])?;
        Ok(prepared.columns().iter().map(|column| column.name().to_owned()).collect())
    }

    /// Begins a query whose rows are fetched by pages, in the transaction that is open; its name.
    pub(in crate::store::engine) fn open_cursor(&self, statement: &Translated, params: impl Params) -> Result<String> {
        let name = format!("wirewatch_{}", self.cursors.get());
        self.cursors.set(self.cursors.get() + 1);
        let opens = Translated::of_translated(&format!("DECLARE {name} NO SCROLL CURSOR FOR {}", statement.plain()));
        self.execute(&opens, params).map(|_| name)
    }

    /// The next page of a cursor; its last one is short.
    pub(in crate::store::engine) fn fetch(&self, cursor: &str) -> Result<Vec<postgres::Row>> {
        let fetches = format!("FETCH {CURSOR_PAGE_ROWS} FROM {cursor}");
        self.send_deferred()?;
        self.ask(|client| client.query(fetches.as_str(), &[]))
    }

    /// Whether a transaction is open.
    pub(in crate::store::engine) fn is_in_transaction(&self) -> bool {
        self.in_transaction.get()
    }

    /// Lets go of a cursor; with the transaction it goes by itself.
    pub(in crate::store::engine) fn close_cursor(&self, cursor: &str) {
        if self.in_transaction.get() && !self.failed.get() {
            let _ = self.batch(&format!("CLOSE {cursor}"));
        }
    }

    fn run<T>(
        &self,
        statement: &Translated,
        params: impl Params,
        run: impl FnOnce(&mut Client, &postgres::Statement, &[&(dyn ToSql + Sync)]) -> Result<T, postgres::Error> + Send,
    ) -> Result<T>
    where
        T: Send,
    {
        self.send_deferred()?;
        params.with(|values| {
            let mut sent: Vec<Sent<'_>> = values.iter().map(|value| Sent::of(*value)).collect::<Result<_>>()?;
            let is_null = |number: usize| matches!(sent.get(number.wrapping_sub(1)), Some(Sent::Null));
            let (sql, said) = statement.with_nulls(is_null);
            let mut types: Vec<Type> = sent.iter().map(Sent::declared).collect();
            for number in said {
                // Nothing refers to it any more, so it may be anything, but something it must be.
                types[number - 1] = Type::TEXT;
            }
            let prepared = self.prepared(sql, &types)?;
            // What the statement does not mention is not sent.
            sent.truncate(prepared.params().len());
            let values: Vec<&(dyn ToSql + Sync)> = sent.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            self.ask(|client| run(client, &prepared, &values))
        })
    }

    fn prepared(&self, sql: String, types: &[Type]) -> Result<postgres::Statement> {
        let key = (sql, types.iter().map(Type::oid).collect());
        let mut kept = self.statements.borrow_mut();
        if let Some(prepared) = kept.get(&key) {
            return Ok(prepared.clone());
        }
        let prepared = self.ask(|client| client.prepare_typed(&key.0, types))?;
        if kept.len() >= STATEMENTS_KEPT {
            kept.clear();
        }
        kept.insert(key, prepared.clone());
        Ok(prepared)
    }

    /// Asks the server something; what fails spoils the transaction that is open.
    pub(super) fn ask<T: Send>(
        &self,
        asked: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send,
    ) -> Result<T> {
        let answer = self.ask_besides(asked)?;
        self.answered_at.set(Instant::now());
        Ok(answer)
    }

    /// The same for what may come to an end without the server.
    fn ask_besides<T: Send>(&self, asked: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send) -> Result<T> {
        let mut client = self.client.borrow_mut();
        let client = client.as_mut().ok_or_else(|| EngineError::unreadable("the session is over"))?;
        outside(|| asked(client)).map_err(|error| {
            self.failed.set(true);
            error.into()
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Saying goodbye blocks as well.
        if let Some(client) = self.client.get_mut().take() {
            outside(|| drop(client));
        }
    }
}

fn client(place: &PostgresPlace) -> Result<Client> {
    // The client ends the thread where it cannot make what it waits with.
    if descriptors_are_short() {
        return Err(EngineError::NotNow("too many files are open".to_owned()));
    }
    let mut config = place.config();
    config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    config.connect_timeout(CONNECT_TIMEOUT).application_name(&format!("wirewatch {}", place.mark()));
    let tls = place.tls()?;
    outside(|| match tls {
        Some(tls) => config.connect(tls),
        None => config.connect(NoTls),
    })
    .map_err(connecting)
}

/// Does something that waits for the server where that may wait: the client drives a runtime of its own, which none of the
/// threads that drive another may.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Err(_) => work(),
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) => std::thread::scope(|scope| match scope.spawn(work).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }),
    }
}

/// What the client alone knows of why there is no connection.
fn connecting(error: postgres::Error) -> EngineError {
    if error.source().is_some_and(|why| why.to_string().contains("password missing")) {
        return EngineError::Refused(
            "the server wants a password: put it into a file of its owner, named as `[store] password_file`".to_owned(),
        );
    }
    error.into()
}

/// The value of a column, read.
pub(in crate::store::engine) fn read<T: FromSql>(row: &postgres::Row, column: usize) -> Result<T> {
    let Came(value) = row.try_get(column)?;
    T::column_result(value).map_err(|error| {
        let name = row.columns().get(column).map_or("?", postgres::Column::name);
        EngineError::unreadable(format!("column {name}: {error}"))
    })
}

/// Where the column of a name is.
pub(in crate::store::engine) fn place_of(row: &postgres::Row, name: &str) -> Result<usize> {
    let found = row.columns().iter().position(|column| column.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| EngineError::unreadable(format!("there is no column {name}")))
}
