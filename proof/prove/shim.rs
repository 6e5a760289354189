//! Builds shim.c, puts it before the program, and reads back the events it noted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("shim.c");
const MAGIC: u32 = 0x5752_4954;
const HEAD_BYTES: usize = 32;

/// What the shim does beside noting.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The k-th counted call kills the process instead.
    pub kill_at: Option<u64>,
    /// `sync|write:errno:from:count`.
    pub fail: Option<String>,
    /// Where events are noted.
    pub log: Option<PathBuf>,
}

/// One call that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Write {
        path: String,
        offset: u64,
        data: Vec<u8>,
    },
    Truncate {
        path: String,
        len: u64,
    },
    SyncBegin {
        path: String,
    },
    SyncEnd {
        path: String,
        done: bool,
    },
    Create {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    /// Bytes into a socket.
    Send {
        data: Vec<u8>,
    },
    /// Bytes to standard error.
    Print {
        text: String,
    },
}

/// The built shim.
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Builds it with the system's C compiler.
    ///
    /// # Errors
    /// No compiler, or not on x86-64 Linux: the caller skips what needs it and says so.
    pub fn build(dir: &Path) -> io::Result<Self> {
        let (source, library) = (dir.join("shim.c"), dir.join("shim.so"));
        fs::write(&source, SOURCE)?;
        let built = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output()?;
        if built.status.success() {
            Ok(Self { library })
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&built.stderr).into_owned()))
        }
    }

    /// Puts it before a program; files below `root` count.
    pub fn around<'a>(&self, command: &'a mut Command, root: &Path, plan: &Plan) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.library).env("PROVE_ROOT", root);
        if let Some(kill_at) = plan.kill_at {
            command.env("PROVE_KILL_AT", kill_at.to_string());
        }
        if let Some(fail) = &plan.fail {
            command.env("PROVE_FAIL", fail);
        }
        if let Some(log) = &plan.log {
            command.env("PROVE_LOG", log);
        }
        command
    }
}

impl Event {
    /// Whether the shim counted it.
    pub fn counts(&self) -> bool {
        !matches!(self, Self::SyncEnd { .. } | Self::Print { .. })
    }
}

/// Reads what the shim noted.
///
/// # Errors
/// Those of the file system, and a log that is not one.
pub fn read(log: &Path) -> io::Result<Vec<Event>> {
    let bytes = fs::read(log)?;
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while rest.len() >= HEAD_BYTES {
        let number = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        if number(0) != MAGIC {
            return Err(io::Error::other("the shim's log is damaged"));
        }
        let offset = u64::from(number(8)) | u64::from(number(12)) << 32;
        let lengths = [number(16) as usize, number(20) as usize, number(24) as usize];
        let (kind, result) = (number(4), number(28));
        rest = &rest[HEAD_BYTES..];
        if rest.len() < lengths.iter().sum() {
            // Killed while noting.
            break;
        }
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at(bytes);
            rest = left;
            taken
        };
        let path = String::from_utf8_lossy(take(lengths[0])).into_owned();
        let other = String::from_utf8_lossy(take(lengths[1])).into_owned();
        let data = take(lengths[2]);
        events.push(match kind {
            1 => Event::Write { path, offset, data: data.to_vec() },
            2 => Event::Truncate { path, len: offset },
            3 => Event::SyncBegin { path },
            4 => Event::SyncEnd { path, done: result == 1 },
            5 => Event::Create { path },
            6 => Event::Rename { from: path, to: other },
            7 => Event::Unlink { path },
            8 => Event::Send { data: data.to_vec() },
            _ => Event::Print { text: String::from_utf8_lossy(data).into_owned() },
        });
    }
    Ok(events)
}
