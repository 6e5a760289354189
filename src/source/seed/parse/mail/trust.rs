//! Who vouches for the sender of a message: anybody can write any `From`, so only what the named receiver wrote
//! into `Authentication-Results` (RFC 8601) counts.

use mail_parser::Message;

use super::MailRules;

/// Whether every method that is asked for passed, by the word of the receiver that is named. False where none is asked.
pub(super) fn is_authenticated(message: &Message, rules: &MailRules) -> bool {
    let Some(receiver) = rules.auth_results_by.as_deref().filter(|_| !rules.require_auth_results.is_empty()) else {
        return false;
    };
    // The receiver's own stands first: one that came with the message stands below it.
    let own = message.headers_raw().find_map(|(name, value)| {
        let results = name.eq_ignore_ascii_case("authentication-results").then(|| AuthResults::of(value))?;
        results.receiver.eq_ignore_ascii_case(receiver).then_some(results)
    });
    own.is_some_and(|results| rules.require_auth_results.iter().all(|method| results.passed(method)))
}

/// One such header.
struct AuthResults {
    receiver: String,
    /// `spf=pass smtp.mailfrom=…` and the like.
    results: Vec<String>,
}

impl AuthResults {
    fn of(value: &str) -> Self {
        let plain = without_comments(value);
        let mut parts = plain.split(';').map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
        let receiver = parts.next().unwrap_or_default();
        let receiver = receiver.split(' ').next().unwrap_or_default().to_owned();
        Self { receiver, results: parts.collect() }
    }

    /// `method=pass`, or `method/1=pass`.
    fn passed(&self, method: &str) -> bool {
        self.results.iter().any(|result| {
            let Some((name, rest)) = result.split_once('=') else { return false };
            let name = name.split('/').next().unwrap_or_default().trim();
            let verdict = rest.trim_start().split([' ', ';']).next().unwrap_or_default();
            name.eq_ignore_ascii_case(method) && verdict.eq_ignore_ascii_case("pass")
        })
    }
}

/// A header without what stands in round brackets.
fn without_comments(value: &str) -> String {
    let mut depth = 0u32;
    value
        .chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn passes(headers: &str, require: &[&str]) -> bool {
        let rules = MailRules {
            require_auth_results: require.iter().map(|method| (*method).to_owned()).collect(),
            auth_results_by: Some("mx.desk.example".to_owned()),
            ..MailRules::default()
        };
        let message = format!("{headers}From: a@wire.example\n\nx");
        is_authenticated(&MessageParser::new().parse(message.as_bytes()).expect("a message"), &rules)
    }

    #[test]
    fn auth_results_count_when_the_named_receiver_wrote_them_first() {
        let own = "Authentication-Results: mx.desk.example 1; spf=pass (sender; dkim=pass) smtp.mailfrom=wire.example;\n\tdkim=fail\n";
        let forged = "Authentication-Results: mx.desk.example; spf=pass; dkim=pass\n";
        assert!(passes(own, &["spf"]));
        assert!(!passes(own, &["spf", "dkim"]));
        assert!(!passes(&format!("{own}{forged}"), &["dkim"]), "one below the receiver's own came with the message");
        assert!(!passes("Authentication-Results: mx.other.example; spf=pass\n", &["spf"]));
        assert!(!passes("", &["spf"]) && !passes(own, &[]));
    }
}
