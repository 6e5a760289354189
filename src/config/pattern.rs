//! The patterns of `include`: `*` is any run of characters of a name, `?` any one; folders are matched one by one.

use wildmatch::WildMatch;

/// Whether a path matches a pattern, part by part.
pub(super) fn path_matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(pattern, part)| name_matches(pattern, part))
}

/// Whether a name matches; a leading dot must be written.
pub(super) fn name_matches(pattern: &str, name: &str) -> bool {
    (!name.starts_with('.') || pattern.starts_with('.')) && WildMatch::new(pattern).matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_pattern_stars_do_not_explode() {
        assert!(name_matches("*.toml", "a.toml") && name_matches("a*b?c*", "aXXbYcZZ") && name_matches("*", ""));
        assert!(!name_matches("*.toml", ".a.toml") && !name_matches("*.toml", "a.tom"));
        assert!(!name_matches(&"*a".repeat(50), &"a".repeat(49)));
        assert!(path_matches("topics/*.toml", "topics/x.toml") && !path_matches("*.toml", "topics/x.toml"));
    }
}
