//! The shipped config, compiled in: the only source of defaults, what runs where there is no config at
//! all, and what `init` writes. A test holds the lists to the folders.

use super::pattern::path_matches;

/// The main file; every key with its default and a comment.
pub(super) const MAIN: &str = include_str!("../../config/wirewatch.toml");

/// Name of the main file.
pub(super) const MAIN_NAME: &str = "wirewatch.toml";

/// The files it includes, by their path below the config folder.
pub(super) const INCLUDED: &[(&str, &str)] = &[
    ("feeds.toml", include_str!("../../config/feeds.toml")),
    ("topics/cases.toml", include_str!("../../config/topics/cases.toml")),
    ("topics/elections.toml", include_str!("../../config/topics/elections.toml")),
    ("topics/energy-attacks.toml", include_str!("../../config/topics/energy-attacks.toml")),
    ("topics/exploited-vulnerabilities.toml", include_str!("../../config/topics/exploited-vulnerabilities.toml")),
    ("topics/names.toml", include_str!("../../config/topics/names.toml")),
    ("topics/sanctions.toml", include_str!("../../config/topics/sanctions.toml")),
    ("topics/security-guarantees.toml", include_str!("../../config/topics/security-guarantees.toml")),
    ("topics/tests.toml", include_str!("../../config/topics/tests.toml")),
    ("topics/troop-deployment.toml", include_str!("../../config/topics/troop-deployment.toml")),
];

/// Paths below the config folder that match a pattern, in the order of their names.
pub(super) fn matching(pattern: &str) -> Vec<&'static (&'static str, &'static str)> {
    let mut found: Vec<_> = INCLUDED.iter().filter(|(path, _)| path_matches(pattern, path)).collect();
    found.sort_by_key(|(path, _)| *path);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_files_are_those_of_the_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let mut on_disk = vec!["feeds.toml".to_owned()];
        if let Ok(topics) = std::fs::read_dir(folder.join("topics")) {
            let names = topics.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
            on_disk.extend(names.filter(|name| path_matches("*.toml", name)).map(|name| format!("topics/{name}")));
        }
        on_disk.sort();
        let mut compiled_in: Vec<_> = INCLUDED.iter().map(|(path, _)| (*path).to_owned()).collect();
        compiled_in.sort();
        assert_eq!(compiled_in, on_disk, "list every file of config/ in INCLUDED");
        for (path, text) in INCLUDED {
            assert_eq!(std::fs::read_to_string(folder.join(path)).ok().as_deref(), Some(*text));
        }
    }
}
