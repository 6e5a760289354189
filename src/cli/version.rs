//! What `--version` says: the version, and for a report of a fault the commit, features and target it was
//! built from (`build.rs` finds them). The same source always says the same.

/// The commit, or `unknown` in a debug build and outside of git.
pub const COMMIT: &str = env!("WIREWATCH_BUILD_COMMIT");

/// `wirewatch --version`; `-V` prints the first line's number only.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("WIREWATCH_BUILD_COMMIT"),
    ")\nfeatures: ",
    env!("WIREWATCH_BUILD_FEATURES"),
    "\ntarget: ",
    env!("WIREWATCH_BUILD_TARGET"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_says_commit_features_and_target() {
        let lines: Vec<&str> = LONG.lines().collect();
        assert_eq!(lines[0], format!("{} ({COMMIT})", env!("CARGO_PKG_VERSION")));
        assert!(COMMIT == "unknown" || (COMMIT.len() == 12 && COMMIT.bytes().all(|b| b.is_ascii_hexdigit())));
        assert!(lines[1].starts_with("features: ") && lines[2].contains(std::env::consts::ARCH), "{LONG}");
    }
}
