//! What a receiver knows of us and may say back: the address with its token, own headers, the bot's token, the
//! password. An answer is kept with its attempt, logged, shown and told to other endpoints, so these are taken
//! out of it first (promise P10).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// Stands where a secret stood.
const HIDDEN: &str = "[hidden]";

/// Texts of fewer bytes are words, not secrets; those with a digit may have one less than this by half.
const WORD_BYTES_MIN: usize = 6;
const WORD_WITH_DIGIT_BYTES_MIN: usize = 4;

/// The texts that no answer may show, the longest first.
#[derive(Default)]
pub(super) struct HiddenTexts(Vec<String>);

impl HiddenTexts {
    /// What is said to a receiver over HTTP.
    pub(super) fn of_request(url: &Url, headers: &[(String, String)]) -> Self {
        let mut withheld = Self::default();
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        if url.path().len() > 1 {
            withheld.whole(&target);
            withheld.whole(url.path());
        }
        for part in url.path_segments().into_iter().flatten() {
            withheld.word(part);
        }
        for (name, value) in url.query_pairs() {
            withheld.word(&name);
            withheld.word(&value);
        }
        for part in url.query().into_iter().flat_map(|query| query.split(['&', '='])) {
            withheld.word(part);
        }
        withheld.word(url.username());
        withheld.word(url.password().unwrap_or_default());
        for (_, value) in headers {
            withheld.word(value);
            // `Bearer …`, `key=…; key=…`
            for part in value.split([' ', ';', ',', '=']) {
                withheld.word(part);
            }
        }
        withheld.sorted()
    }

    /// What is said to a mail server.
    #[cfg(feature = "email")]
    pub(super) fn of_login(user: &str, password: &str) -> Self {
        let mut withheld = Self::default();
        for secret in [password.to_owned(), STANDARD.encode(password), STANDARD.encode(format!("\0{user}\0{password}"))]
        {
            withheld.whole(&secret);
        }
        withheld.sorted()
    }

    fn word(&mut self, text: &str) {
        let digits = text.bytes().any(|b| b.is_ascii_digit());
        if text.len() >= if digits { WORD_WITH_DIGIT_BYTES_MIN } else { WORD_BYTES_MIN } {
            self.whole(text);
        }
    }

    /// A text as it is, and as JSON, a URL and base64 write it.
    fn whole(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let plain = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        for form in [text, &plain] {
            let quoted = serde_json::to_string(form).unwrap_or_default();
            let quoted = quoted.trim_matches('"');
            self.0.extend([form.to_owned(), quoted.to_owned(), quoted.replace('/', "\\/")]);
            self.0.push(percent_encoding::utf8_percent_encode(form, percent_encoding::NON_ALPHANUMERIC).to_string());
            if form.len() >= WORD_BYTES_MIN {
                self.0.push(STANDARD.encode(form));
            }
        }
    }

    /// These and those.
    pub(super) fn also(&mut self, more: &Self) {
        self.0.extend_from_slice(&more.0);
        *self = std::mem::take(self).sorted();
    }

    fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
        self
    }

    /// The text without them, whatever the case of their letters.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.0 {
            // ASCII letters keep their places and their number of bytes.
            let folded = shown.to_ascii_lowercase();
            let secret = secret.to_ascii_lowercase();
            if !folded.contains(&secret) {
                continue;
            }
            let mut rest = 0;
            let mut without = String::with_capacity(shown.len());
            for (at, _) in folded.match_indices(&secret) {
                without.push_str(&shown[rest..at]);
                without.push_str(HIDDEN);
                rest = at + secret.len();
            }
            without.push_str(&shown[rest..]);
            shown = without;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withheld_texts_are_found_however_they_are_written() {
        let url = Url::parse("https://me:pass-w0rd@hooks.example/services/T0AB/x7Kq%2Bz?key=a1b2&code=Ab%20Cd9")
            .expect("url");
        let headers = [("x-key".to_owned(), "Token CANARY-77".to_owned()), ("x-team".to_owned(), "desk".to_owned())];
        let withheld = HiddenTexts::of_request(&url, &headers);
        for (echo, canary) in [
            ("POST /services/T0AB/x7Kq%2Bz?key=a1b2 HTTP/1.1", "x7Kq"),
            ("no such hook: x7Kq+z", "x7Kq"),
            (r#"{"url":"https:\/\/hooks.example\/services\/T0AB\/x7Kq%2Bz"}"#, "x7Kq"),
            ("x-key: Token CANARY-77", "CANARY"),
            ("X-KEY: canary-77", "canary"),
            ("code Ab Cd9 is not known, nor Ab%20Cd9", "Cd9"),
            ("pass-w0rd for me", "w0rd"),
            ("Q0FOQVJZLTc3", "Q0FO"),
        ] {
            let shown = withheld.hide(echo);
            assert!(!shown.contains(canary) && shown.contains(HIDDEN), "{echo} → {shown}");
        }
        assert_eq!(withheld.hide("channel is archived (desk)"), "channel is archived (desk)");
        // A path of one short word is hidden as a path only.
        let short = HiddenTexts::of_request(&Url::parse("https://hooks.example/in").expect("url"), &[]);
        assert_eq!(short.hide("POST /in: no such thing in here"), format!("POST {HIDDEN}: no such thing in here"));
    }
}
