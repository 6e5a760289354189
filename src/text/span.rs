//! Lengths of time, for sentences.

use std::time::Duration;

/// A length in the largest unit that fits: `40 s`, `5 min`, `47 h`, `3 d`.
#[must_use]
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_takes_the_largest_unit_that_says_enough() {
        let all = [0, 59, 60, 3599, 3600, 172_799, 172_800].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(all, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"]);
    }
}
