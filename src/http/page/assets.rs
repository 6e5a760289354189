//! What pages load, all of it from here: a stylesheet, a script, an icon, below a path that changes when they do.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

pub(super) const STYLE: &str = include_str!("assets/page.css");
pub(super) const SCRIPT: &str = include_str!("assets/live.js");
pub(super) const ICON: &str = include_str!("assets/icon.svg");

static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let all = [STYLE, SCRIPT, ICON].concat();
    format!("/assets/{:016x}", xxh3_64(all.as_bytes()))
});

/// Where the assets of this build are.
pub(super) fn folder() -> &'static str {
    &FOLDER
}
