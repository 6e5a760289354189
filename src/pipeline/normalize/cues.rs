//! The words of page furniture: phrases that speak to a reader about the page, not about the news.
//! Found in one pass over the text. A strong cue makes its sentence furniture; a weak one only adds to
//! others. No sentences of any site stand here, only what all sites say.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

/// Points at which a sentence is furniture by itself.
pub(super) const STRONG: u8 = 3;

// ASCII case is ignored by the search; phrases in other scripts leave out their first letter, which
// may be a capital.

/// Enough by itself.
#[rustfmt::skip]
const STRONG_CUES: &[&str] = &[
    // Rights and legal lines.
    "all rights reserved", "may not be published, broadcast", "may not be reproduced", "©",
    "terms and conditions apply", "alle rechte vorbehalten", "tous droits réservés", "todos los derechos reservados",
    "tutti i diritti riservati", "wszelkie prawa zastrzeżone", "alle rechten voorbehouden",
    "todos os direitos reservados", "все права защищены", "сі права захищені", "се права защищены",
    "protected by recaptcha", "content of external sites", "approach to external linking",
    "responsible for their own content", "legal statement", "cookie policy", "cookie settings",
    // Scripts, browsers, players.
    "enable javascript", "javascript is", "turn on javascript", "browser does not support", "supports html5",
    "in your browser settings", "in browser preferences", "to view this video", "skipping the main menu",
    "skip to main content", "skip to content", "please refresh the page", "refresh your browser", "verify access",
    "retrieving the article", "javascript activé", "javascript aktivieren", "reader mode",
    // Cookies.
    "we use cookies", "uses cookies", "accept cookies", "accept all cookies", "allow cookies",
    "wir verwenden cookies", "utilise des cookies", "utilisons des cookies", "utilizamos cookies",
    "utilizziamo i cookie", "używamy plików cookie", "спользуем файлы cookie", "икористовуємо файли cookie",
    "gebruiken cookies", "använder cookies",
    // Newsletters and accounts.
    "sign up for our", "sign up to our", "sign up here", "sign up for free", "sign up for the free",
    "you can sign up", "subscribe to our", "subscribe now", "by subscribing", "subscription centre",
    "subscribe button", "delivered to your inbox", "straight to your inbox", "in your inbox", "to your inbox",
    "clicking the subscribe", "successfully subscribed", "already a subscriber", "already have an account",
    "don't have an account", "don’t have an account", "forgot password", "forgot your password", "username or email",
    "log into your", "log in to your account", "create an account", "must be logged in", "logged in to post",
    "to be logged in", "automatically logged in", "confirm your email", "processing your submission",
    "follow the instructions in the email", "enter your email", "your email address", "opt-out at any time",
    "unsubscribe at any time", "unsubscribe from", "all of your free articles", "remaining free articles",
    "this article is for subscribers", "to continue reading", "join the conversation", "post a comment",
    "leave a comment", "our free newsletter", "our newsletter", "our daily newsletter", "our weekly newsletter",
    "weekly email newsletter", "unseren newsletter", "notre newsletter", "nuestro boletín", "nostra newsletter",
    "naszego newslettera", "sur un seul appareil", "déjà abonné", "réservé aux abonnés", "abonnez-vous",
    "inscrivez-vous", "jetzt abonnieren", "suscríbete", "suscríbase", "iscriviti alla", "zapisz się", "ідпишіться на",
    "ідписуйтесь на", "ідписуйтеся на", "одписывайтесь на", "одпишитесь на", "ітайте нас у", "итайте нас в",
    "please try again later", "for subscribers only", "of this article left to read", "sur un autre appareil", "avec ce compte",
    "votre mot de passe", "votre abonnement", "lecture restreinte", "story tips",
    "bestehenden account", "digitales abo", "digitalabo", "bereits ein konto", "schon registriert", "hier anmelden",
    "melden sie sich jetzt", "jetzt registrieren", "newsletter abonnieren", "kostenlos testen", "weiterlesen mit",
    "artikel speichern", "redaktionell nicht bearbeitet", "automatisch von der deutschen presse-agentur", "dpa-infocom",
    "in der beta-phase",
    // Appeals.
    "support from readers", "readers like you", "your support makes", "your contribution", "your donation",
    "please contribute", "please consider supporting", "please consider donating", "quality news outlets", "quality journalism should be", "become a member",
    "become a supporter", "support our journalism", "support independent journalism", "support quality journalism",
    "help keep our journalism", "we need your help now", "make a donation", "donate now",
    // Pointers elsewhere.
    "want to know more about", "check out our", "listen to our podcast", "download our app", "download the app",
    "follow us on", "follow us at", "like us on facebook", "join us on", "join our telegram", "our telegram channel",
    "our whatsapp channel", "appeared first on", "read the original article", "more on this story", "share this article", "share this story",
    "click here to", "get in touch with us", "we want to hear from you", "confidential news tip", "please contact us",
    "contact us at", "have you got a story", "suivez-nous sur", "folgen sie uns", "síguenos en", "seguici su",
    "ашому telegram", "ашем telegram", "аш telegram", "наш telegram",
    // Labels of the page.
    "closed captioning and", "toll-free", "market data provided", "data provided by", "delayed by at least",
    "delayed at least", "powered and implemented by", "real-time snapshot", "stock quotes, and market",
    "this article was originally", "edited by:", "while you're here", "while you’re here",
    "notifications can be managed", "this site is protected", "this content is hosted by", "story continues below",
    "article continues below", "continue reading the main story", "get the latest in",
];
/// Enough beside others, or beside furniture.
#[rustfmt::skip]
const USUAL_CUES: &[&str] = &[
    "newsletter", "our reporting", "our journalism", "quality journalism", "our privacy policy", "privacy policy",
    "terms of use", "terms of service", "terms & conditions", "i accept the", "you agree to", "sign up", "subscribe",
    "log in", "paywall", "patience while", "help center", "send us", "contact us",
    "remember me", "privacy notice", "unlimited access", "free articles", "this material", "vos appareils",
    "votre compte", "conditions générales", "datenschutz", "registrieren sie sich",
    "audience relations", "our mission", "advertising revenue", "copyright 20", "copyright ©", "rss feed",
    "push notifications", "email alerts", "our app", "our website", "view comments", "read more about",
    "explore more", "recommended for you", "most popular", "most read", "top stories", "all comments",
];
/// Counts only with others.
#[rustfmt::skip]
const FAINT_CUES: &[&str] = &[
    "account", "inbox", "cookies", "subscriber", "subscription", "advertisement", "comments", "podcast", "delivered",
    "browser",
];
/// Phrases by weight.
const CUES: [(u8, &[&str]); 3] = [(STRONG, STRONG_CUES), (2, USUAL_CUES), (1, FAINT_CUES)];

struct Cues {
    search: AhoCorasick,
    weights: Vec<u8>,
}

static SEARCH: LazyLock<Cues> = LazyLock::new(|| {
    let (phrases, weights): (Vec<&str>, Vec<u8>) =
        CUES.iter().flat_map(|(weight, phrases)| phrases.iter().map(|phrase| (*phrase, *weight))).unzip();
    let search = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        // A megabyte or so for twice the speed of what it would choose by itself for so many phrases.
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases)
        .expect("invariant: a small constant set of phrases");
    Cues { search, weights }
});

/// Where cues stand in a text, in order, with their weights.
pub(super) fn find(text: &str) -> Vec<(usize, u8)> {
    let cues = &*SEARCH;
    cues.search
        .find_iter(text)
        .filter(|hit| begins_a_word(text, hit.start()))
        .map(|hit| (hit.start(), cues.weights[hit.pattern().as_usize()]))
        .collect()
}

/// A cue begins a word, unless it is one whose first letter was left out, or a page ran two lines
/// together ("inPlease refresh").
fn begins_a_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let first = text[at..].chars().next();
    match (before, first) {
        (Some(before), Some(first)) if first.is_ascii_alphabetic() => {
            !before.is_alphanumeric() || (before.is_lowercase() && first.is_uppercase())
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_found_in_any_case_at_word_starts() {
        let total = |text: &str| find(text).iter().map(|(_, weight)| *weight).sum::<u8>();
        assert!(total("All Rights Reserved.") >= STRONG);
        assert!(total("Будь ласка, підпишіться на канал") >= STRONG);
        assert!(total("Підпишіться на канал") >= STRONG);
        assert_eq!(total("The harbour reopened on Monday."), 0);
        assert_eq!(total("unaccountable"), 0);
    }

    #[test]
    fn cues_are_generic_and_short() {
        for (_, phrases) in CUES {
            for phrase in phrases {
                assert!(phrase.split_whitespace().count() <= 6, "{phrase}");
            }
        }
    }
}
