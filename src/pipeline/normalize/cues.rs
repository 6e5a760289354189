//! The words of page furniture: phrases that speak to a reader about the page, not about the news.
//! Found in one pass over the text. A strong cue makes its sentence furniture; a weak one only adds to
//! others. No sentences of any site stand here, only what all sites say.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, Anchored, Input, MatchKind, StartKind};

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
    /// Asked only where a phrase may begin.
    search: AhoCorasick,
    weights: Vec<u8>,
    /// A bit for each beginning of a phrase, by a hash of it.
    beginnings: Box<[u64; BEGINNING_BITS / 64]>,
}

/// Bytes of a phrase that tell whether it may begin somewhere; [`SIGN`] alone has fewer.
const BEGINNING_BYTES: usize = 4;
/// Few of them fall together by chance, and the nearest cache holds all.
const BEGINNING_BITS: usize = 1 << 14;
const SIGN: &[u8] = "©".as_bytes();

static SEARCH: LazyLock<Cues> = LazyLock::new(|| {
    let (phrases, weights): (Vec<&str>, Vec<u8>) =
        CUES.iter().flat_map(|(weight, phrases)| phrases.iter().map(|phrase| (*phrase, *weight))).unzip();
    let mut beginnings = Box::new([0; BEGINNING_BITS / 64]);
    for beginning in phrases.iter().filter_map(|phrase| phrase.as_bytes().first_chunk()) {
        let (word, bit) = place_of(*beginning);
        beginnings[word] |= bit;
    }
    let search = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .start_kind(StartKind::Anchored)
        // A megabyte or so for twice the speed of what it would choose by itself for so many phrases.
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases)
        .expect("invariant: a small constant set of phrases");
    Cues { search, weights, beginnings }
});

/// The place of a beginning among the bits, its ASCII letters in any case.
fn place_of(beginning: [u8; BEGINNING_BYTES]) -> (usize, u64) {
    let small = u32::from_le_bytes(beginning) | 0x2020_2020;
    let bit = small.wrapping_mul(0x9e37_79b1) >> (u32::BITS - BEGINNING_BITS.trailing_zeros());
    (bit as usize / 64, 1 << (bit % 64))
}

/// Where cues stand in a text, in order, with their weights: of those that overlap, the first, and of those that begin
/// together, the longest.
pub(super) fn find(text: &str) -> Vec<(usize, u8)> {
    let cues = &*SEARCH;
    let (mut found, mut from) = (Vec::new(), 0);
    let mut look = |at: usize| {
        let here = (at >= from).then(|| Input::new(text).range(at..).anchored(Anchored::Yes));
        let Some(hit) = here.and_then(|here| cues.search.find(here)) else { return };
        from = hit.end();
        if begins_a_word(text, at) {
            found.push((at, cues.weights[hit.pattern().as_usize()]));
        }
    };
    let bytes = text.as_bytes();
    let begins = |four: &[u8]| {
        let (word, bit) = place_of(four.try_into().expect("invariant: a window of so many bytes"));
        cues.beginnings[word] & bit != 0
    };
    let windows = bytes.windows(BEGINNING_BYTES).enumerate();
    if text.is_ascii() {
        windows.filter(|(_, four)| begins(four)).for_each(|(at, _)| look(at));
    } else {
        windows.filter(|(_, four)| begins(four) || four.starts_with(SIGN)).for_each(|(at, _)| look(at));
        // What stands in the last bytes is too short for any other.
        let rest = bytes.len().saturating_sub(BEGINNING_BYTES - 1);
        (rest..bytes.len()).filter(|at| bytes[*at..].starts_with(SIGN)).for_each(look);
    }
    found
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
    use proptest::prelude::*;

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

    proptest::proptest! {
        #[test]
        fn find_is_what_one_search_for_all_phrases_gives(
            parts in proptest::collection::vec(prop_oneof![
                Just("subscribe now"), Just("Our Newsletter"), Just("unaccountable"), Just("©"), Just("© "), Just("log in"),
                Just("sign up for our newsletter"), Just("аш telegram"), Just("Наш Telegram"), Just("é"), Just("a"), Just(" "),
                Just("COMMENTS"), Just("copyright ©"), Just("account"), Just("This materia"), Just("don’t have an account"),
            ], 0..12)
        ) {
            let text = parts.concat();
            let phrases = CUES.iter().flat_map(|(weight, phrases)| phrases.iter().map(|phrase| (*phrase, *weight)));
            let (phrases, weights): (Vec<&str>, Vec<u8>) = phrases.unzip();
            let search = AhoCorasickBuilder::new()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .build(phrases)
                .expect("builds");
            let hits = search.find_iter(&text).filter(|hit| begins_a_word(&text, hit.start()));
            let expected: Vec<_> = hits.map(|hit| (hit.start(), weights[hit.pattern().as_usize()])).collect();
            prop_assert_eq!(find(&text), expected);
        }
    }

    #[test]
    fn cues_are_generic_and_short() {
        for (_, phrases) in CUES {
            for phrase in phrases {
                assert!(phrase.len() >= BEGINNING_BYTES || phrase.as_bytes() == SIGN, "{phrase}");
                assert!(phrase.split_whitespace().count() <= 6, "{phrase}");
            }
        }
    }
}
