//! A disk as a power cut leaves it: replays recorded writes and keeps apart what was synced from what only
//! the page cache had. Images are what may be found afterwards: nothing unsynced, all of it, or some of it
//! with sectors torn and renames lost.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::shim::Event;
use super::truth::Dice;

/// What is written whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What survives of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Each write or not.
    Some,
    /// Each sector of each write or not.
    Torn,
}

impl Survives {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Everything, Self::Some, Self::Torn];
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Debug, Clone)]
enum Naming {
    Create(String, usize),
    Rename(String, String),
    Unlink(String),
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    /// Not synced, each with its number.
    pending: Vec<(u64, Change)>,
    /// Syncs under way: what had come before each.
    syncing: Vec<u64>,
}

/// The disk.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<(u64, Naming)>,
    syncing_directories: BTreeMap<String, Vec<u64>>,
    number: u64,
}

impl Disk {
    /// Takes the next event.
    pub fn take(&mut self, event: &Event) {
        self.number += 1;
        match event {
            Event::Create { path } => {
                let file = self.files.len();
                self.files.push(File::default());
                self.name(Naming::Create(path.clone(), file));
            }
            Event::Rename { from, to } => self.name(Naming::Rename(from.clone(), to.clone())),
            Event::Unlink { path } => self.name(Naming::Unlink(path.clone())),
            Event::Write { path, offset, data } => self.change(path, Change::Write(*offset as usize, data.clone())),
            Event::Truncate { path, len } => self.change(path, Change::Truncate(*len as usize)),
            Event::SyncBegin { path } => self.sync_begins(path),
            Event::SyncEnd { path, done } => self.sync_ends(path, *done),
            Event::Send { .. } | Event::Print { .. } => {}
        }
    }

    /// Writes an image of one directory: what a start after a power cut now finds.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn image(&self, directory: &str, survives: Survives, dice: &mut Dice, to: &Path) -> io::Result<()> {
        let mut names = self.durable_names.clone();
        // A journal keeps the order of names, so a part of them is their beginning.
        let named = match survives {
            Survives::Nothing => 0,
            Survives::Everything => self.pending_names.len(),
            Survives::Some | Survives::Torn => dice.below(self.pending_names.len() as u64 + 1) as usize,
        };
        for (_, naming) in &self.pending_names[..named] {
            apply_name(&mut names, naming);
        }
        for (path, file) in names {
            let Some(name) = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')) else { continue };
            // Shared memory is made anew at every start.
            if !name.contains('/') && !name.ends_with("-shm") {
                fs::write(to.join(name), self.files[file].contents(survives, dice))?;
            }
        }
        Ok(())
    }

    fn name(&mut self, naming: Naming) {
        apply_name(&mut self.names, &naming);
        self.pending_names.push((self.number, naming));
    }

    fn change(&mut self, path: &str, change: Change) {
        // Written through a name that is gone: nobody can find it again.
        if let Some(file) = self.names.get(path) {
            self.files[*file].pending.push((self.number, change));
        }
    }

    fn sync_begins(&mut self, path: &str) {
        match self.names.get(path) {
            Some(file) => self.files[*file].syncing.push(self.number),
            None => self.syncing_directories.entry(path.to_owned()).or_default().push(self.number),
        }
    }

    fn sync_ends(&mut self, path: &str, done: bool) {
        if let Some(file) = self.names.get(path) {
            let file = &mut self.files[*file];
            if file.syncing.is_empty() {
                return;
            }
            let until = file.syncing.remove(0);
            if done {
                let (synced, left) = std::mem::take(&mut file.pending).into_iter().partition(|(n, _)| *n < until);
                file.pending = left;
                let synced: Vec<(u64, Change)> = synced;
                for (_, change) in &synced {
                    apply(&mut file.durable, change);
                }
            }
        } else if let Some(began) = self.syncing_directories.get_mut(path).filter(|began| !began.is_empty()) {
            let until = began.remove(0);
            if done {
                self.names_synced(path, until);
            }
        }
    }

    fn names_synced(&mut self, directory: &str, until: u64) {
        let inside = |path: &str| Path::new(path).parent().is_some_and(|parent| parent == Path::new(directory));
        let pending = std::mem::take(&mut self.pending_names);
        for (number, naming) in pending {
            let here = match &naming {
                Naming::Create(path, _) | Naming::Unlink(path) | Naming::Rename(path, _) => inside(path),
            };
            if here && number < until {
                apply_name(&mut self.durable_names, &naming);
            } else {
                self.pending_names.push((number, naming));
            }
        }
    }
}

impl File {
    fn contents(&self, survives: Survives, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (_, change) in &self.pending {
            match (survives, change) {
                (Survives::Nothing, _) => {}
                (Survives::Everything, change) => apply(&mut bytes, change),
                (Survives::Torn, Change::Write(offset, data)) => {
                    for (n, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                        if dice.percent(50) {
                            write(&mut bytes, offset + n * SECTOR_BYTES, sector);
                        }
                    }
                }
                (Survives::Some | Survives::Torn, change) => {
                    if dice.percent(50) {
                        apply(&mut bytes, change);
                    }
                }
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, data) => write(bytes, *offset, data),
        Change::Truncate(len) => bytes.resize(*len, 0),
    }
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

fn apply_name(names: &mut BTreeMap<String, usize>, naming: &Naming) {
    match naming {
        Naming::Create(path, file) => _ = names.insert(path.clone(), *file),
        Naming::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Naming::Unlink(path) => _ = names.remove(path),
    }
}
