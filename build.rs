//! What `wirewatch --version` says beyond the version: commit, features, target. The same source gives the
//! same words: no time, no machine, no path. Debug builds do not ask git, or each commit would compile all
//! of it again. And a fingerprint of what decides, so that a snapshot of the memory is only ever read by the
//! code that wrote it.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of a commit that are shown.
const COMMIT_DIGITS: usize = 12;
/// What makes features of items and remembers them.
const DECIDES: [&str; 3] = ["src/model", "src/pipeline", "src/text"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=WIREWATCH_COMMIT");
    let said = env::var("WIREWATCH_COMMIT").ok();
    let commit = said.filter(|commit| is_commit(commit)).or_else(packaged).or_else(checked_out);
    let commit = commit.map_or_else(|| "unknown".to_owned(), |commit| commit[..COMMIT_DIGITS].to_owned());
    println!("cargo:rustc-env=WIREWATCH_BUILD_COMMIT={commit}");
    println!("cargo:rustc-env=WIREWATCH_BUILD_FEATURES={}", features());
    let about = ["TARGET", "PROFILE"].map(|name| env::var(name).unwrap_or_default()).join(", ");
    println!("cargo:rustc-env=WIREWATCH_BUILD_TARGET={about}");
    let decides = fingerprint(&DECIDES.map(PathBuf::from));
    println!("cargo:rustc-env=WIREWATCH_BUILD_DECIDES={decides:016x}");
}

/// One number for the contents of all files below some folders.
fn fingerprint(folders: &[PathBuf]) -> u64 {
    let mut files = Vec::new();
    let mut left = folders.to_vec();
    while let Some(folder) = left.pop() {
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file).unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
}

fn is_commit(text: &str) -> bool {
    text.len() >= COMMIT_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// From the note that `cargo package` leaves in its archive.
fn packaged() -> Option<String> {
    let note = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let commit = note.split_once("\"sha1\"")?.1.split('"').nth(1)?.to_owned();
    is_commit(&commit).then_some(commit)
}

/// From git, where this folder is the top of a checkout: the commit of a repository around it says nothing.
fn checked_out() -> Option<String> {
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") || !Path::new(".git").exists() {
        return None;
    }
    // Grows with each commit and checkout.
    println!("cargo:rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "HEAD"]).filter(|commit| is_commit(commit))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Cargo features that are on, or `default` where there is none to speak of.
fn features() -> String {
    let mut names: Vec<String> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase))
        .filter(|name| name != "default")
        .map(|name| name.replace('_', "-"))
        .collect();
    names.sort();
    if names.is_empty() { "default".to_owned() } else { names.join(", ") }
}
