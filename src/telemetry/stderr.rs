//! Standard error as a log writes to it: never waiting long. A pipe whose reader has stopped reading takes nothing any
//! more, and a thread that waits for it holds up whatever it was doing, the stop of the program included. So a line
//! that finds no room for a moment is dropped and counted, and the count is told once there is room again.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that says it takes something takes so much (POSIX: PIPE_BUF).
const CHUNK_BYTES: usize = 4096;
/// The first line that finds no room waits so long; those after it do not wait.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
const NO_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

static DROPPED: AtomicU64 = AtomicU64::new(0);
static FULL: AtomicBool = AtomicBool::new(false);

/// Log lines dropped because nobody read them.
#[must_use]
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// What a log writes to.
pub(super) struct LogStderr;

impl Write for LogStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        // One line at a time.
        let mut stderr = stderr.lock();
        write_line(&mut stderr, line, &FULL, &DROPPED);
        // A line that is dropped is no error: there is nowhere to tell of it.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line while there is room, or counts it.
fn write_line<W: Write + AsFd>(out: &mut W, line: &[u8], full: &AtomicBool, dropped: &AtomicU64) {
    let was_full = full.load(Ordering::Relaxed);
    if !has_room(out.as_fd(), if was_full { NO_PATIENCE } else { PATIENCE }) {
        full.store(true, Ordering::Relaxed);
        dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    if was_full {
        full.store(false, Ordering::Relaxed);
        let lines = dropped.load(Ordering::Relaxed);
        // What cannot be written now is told with the next line.
        let _ = writeln!(out, "WARN wirewatch: {lines} log lines dropped since the start, nobody read them");
    }
    for chunk in line.chunks(CHUNK_BYTES) {
        if !has_room(out.as_fd(), PATIENCE) || out.write_all(chunk).is_err() {
            full.store(true, Ordering::Relaxed);
            dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}

/// Whether something can be written without waiting, within this time.
fn has_room(fd: BorrowedFd<'_>, patience: Timespec) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    // Interrupted, or not to be asked: a write finds out.
    !matches!(poll(&mut asked, Some(&patience)), Ok(0))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn log_line_that_nobody_reads_is_dropped_and_counted() {
        let (mut reader, mut writer) = io::pipe().expect("a pipe");
        let (full, dropped) = (AtomicBool::new(false), AtomicU64::new(0));
        let line = [b'x'; 1000];
        let begun = tokio::time::Instant::now();
        let mut lines = 0;
        while dropped.load(Ordering::Relaxed) < 1000 {
            write_line(&mut writer, &line, &full, &dropped);
            lines += 1;
        }
        let took = begun.elapsed();
        assert!(took < std::time::Duration::from_secs(30), "a thousand lines without room took {took:?}");
        let mut read = vec![0; (lines - 1000) * line.len()];
        reader.read_exact(&mut read).expect("read");
        write_line(&mut writer, b"there is room again\n", &full, &dropped);
        let mut said = [0; 200];
        let length = reader.read(&mut said).expect("read");
        let said = String::from_utf8_lossy(&said[..length]).into_owned();
        assert!(said.contains("1000 log lines dropped"), "{said}");
        assert!(!full.load(Ordering::Relaxed));
    }
}
