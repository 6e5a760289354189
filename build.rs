//! What `wirewatch --version` says beyond the version: commit, features, target. The same source gives the
//! same words: no time, no machine, no path. Debug builds do not ask git, or each commit would compile all
//! of it again.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Digits of a commit that are shown.
const COMMIT_DIGITS: usize = 12;

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
