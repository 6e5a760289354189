//! A number and its noun, for sentences.

/// A number and what it counts: `1 story`, `2 stories`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    // Keys and days, but stories.
    match (count, what.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']))) {
        (1, _) => format!("1 {what}"),
        (count, Some(stem)) => format!("{count} {stem}ies"),
        (count, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_agrees_with_its_number() {
        let all = [(1, "story"), (2, "story"), (0, "item"), (1, "item"), (2, "key")];
        let all = all.map(|(count, what)| counted(count, what));
        assert_eq!(all, ["1 story", "2 stories", "0 items", "1 item", "2 keys"]);
    }
}
