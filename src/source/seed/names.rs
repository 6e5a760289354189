//! Which names of the seed directory are taken, by `include` and `ignore` patterns and by what
//! programs call files they have not finished. Pure; `watch` asks before it looks at a file.

use wildmatch::WildMatch;

/// Names that programs give to files they are still writing, or keep for themselves.
const UNFINISHED: [&str; 9] =
    [".*", "*.tmp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*~", "*.swp", "#*#"];

/// Patterns over file names: `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, Default)]
pub struct NameRules {
    include: Vec<String>,
    ignore: Vec<String>,
}

impl NameRules {
    /// From the config; an empty `include` takes all.
    #[must_use]
    pub fn new(include: &[String], ignore: &[String]) -> Self {
        Self { include: include.to_vec(), ignore: ignore.to_vec() }
    }

    /// Whether a file of this name is looked at.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        !UNFINISHED.iter().any(|pattern| matches(pattern, name))
            && !any(&self.ignore)
            && (self.include.is_empty() || any(&self.include))
    }
}

/// Matches a whole name.
fn matches(pattern: &str, name: &str) -> bool {
    WildMatch::new(pattern).matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_whole_names() {
        let table = [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a?c*", "abcd", true),
            ("*", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("*é", "café", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn pattern_with_many_stars_stays_cheap() {
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39).repeat(6).replace("aaaaaa", "aaaaab")));
    }

    #[test]
    fn names_unfinished_and_hidden_are_left_alone() {
        let rules = NameRules::default();
        for name in [".hidden", "a.tmp", "a.part", "a.txt~", ".a.swp", "b.swp", "a.crdownload", "#a#"] {
            assert!(!rules.takes(name), "{name}");
        }
        assert!(rules.takes("a.txt") && rules.takes("no extension"));
    }

    #[test]
    fn names_include_and_ignore_are_both_heard() {
        let rules = NameRules::new(&["*.txt".into(), "*.md".into()], &["README*".into()]);
        assert!(rules.takes("a.txt") && rules.takes("b.md"));
        assert!(!rules.takes("README.md") && !rules.takes("a.json"));
    }
}
