//! Page furniture out of a text: labels, appeals, newsletter boxes, cookie and paywall notices, update
//! and credit lines, related links, legal tails. A unit goes because of what it says (cues), what it
//! looks like (shape) and where it stands: much is believed at the ends of a text, little in its middle.

use std::borrow::Cow;

use super::cues::STRONG;
use super::segments::{Unit, units};
use super::shapes;
use crate::text::tokens::fold;

/// Passes until nothing more goes: dropping a tail can bring the next one to light.
const PASSES_MAX: usize = 4;
/// A unit without any cue may go with its neighbours when it is at most this long.
const GAP_WORDS_MAX: usize = 6;
/// So many in a row.
const GAPS_MAX: usize = 3;
/// In the middle of a text, a longer sentence with a cue may be furniture and prose run together.
const SENTENCE_WORDS_MAX: usize = 32;
/// A headline is looked for in the first paragraphs, if it is long enough to be no chance.
const TITLE_BYTES_MIN: usize = 15;
const TITLE_PARAGRAPHS: usize = 8;
/// Points at which weak cues are furniture together.
const WEAK_SUM_MIN: u8 = 5;
/// Beside furniture, a unit this short goes for a weak cue.
const BESIDE_WORDS_MAX: usize = 14;
/// The part of a text that can be an end of it.
const ENDS_PERCENT: usize = 50;

/// The text without its furniture; borrowed when there was none.
#[must_use]
pub(super) fn strip<'t>(text: &'t str, title: &str) -> Cow<'t, str> {
    let mut current = Cow::Borrowed(text);
    for _ in 0..PASSES_MAX {
        let Some(next) = pass(&current, title) else { break };
        current = Cow::Owned(next);
    }
    current
}

fn pass(text: &str, title: &str) -> Option<String> {
    let inline = shapes::without_inline(text);
    let text = inline.as_ref();
    let units = units(text);
    let keep = judge(text, &units, &fold(title));
    let (first, last) = (keep.iter().position(|kept| *kept), keep.iter().rposition(|kept| *kept));
    let mut out = String::with_capacity(text.len());
    let mut changed = matches!(inline, Cow::Owned(_));
    let mut paragraph = None;
    for (at, unit) in units.iter().enumerate() {
        if !keep[at] {
            changed = true;
            continue;
        }
        let written = &text[unit.span.clone()];
        let trimmed = shapes::trim(written, first == Some(at), last == Some(at));
        changed |= trimmed.len() != written.len();
        let trimmed = trimmed.trim();
        if trimmed.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(if paragraph == Some(unit.paragraph) { ' ' } else { '\n' });
        }
        paragraph = Some(unit.paragraph);
        out.push_str(trimmed);
    }
    changed.then_some(out)
}

fn judge(text: &str, units: &[Unit], title: &str) -> Vec<bool> {
    let mut keep: Vec<bool> = units.iter().map(|unit| !goes_anywhere(&text[unit.span.clone()], unit)).collect();
    let total: usize = units.iter().map(|u| u.words).sum();
    let bound = (total * ENDS_PERCENT / 100).max(80);
    for at in head(text, units, bound).chain(tail(text, units, bound)) {
        keep[at] = false;
    }
    let mut start = 0;
    for paragraph in units.chunk_by(|a, b| a.paragraph == b.paragraph) {
        judge_paragraph(text, paragraph, title, &mut keep[start..start + paragraph.len()]);
        start += paragraph.len();
    }
    keep
}

/// What only a whole paragraph shows: link lines, credits, the headline once more near the start, and
/// the short remains of a paragraph that is mostly gone.
fn judge_paragraph(text: &str, units: &[Unit], title: &str, keep: &mut [bool]) {
    let (Some(first), Some(last)) = (units.first(), units.last()) else { return };
    let written = text[first.span.start..last.span.end].trim();
    let words: usize = units.iter().map(|u| u.words).sum();
    let dropped: usize = units.iter().zip(&*keep).filter(|(_, kept)| !**kept).map(|(u, _)| u.words).sum();
    let remains = dropped * 2 > words && units.iter().zip(&*keep).all(|(u, kept)| !*kept || u.words <= GAP_WORDS_MAX);
    let repeats_title = title.len() >= TITLE_BYTES_MIN
        && first.paragraph < TITLE_PARAGRAPHS
        && written.len() <= title.len() * 2
        && fold(written) == title;
    let whole = units.len() > 1 && shapes::is_line(written, words);
    if remains || repeats_title || whole {
        keep.fill(false);
    }
}

/// Furniture wherever it stands: labels, link lines, credits, update lines; sentences that speak of
/// nothing but the page. Quoted speech never does.
fn goes_anywhere(written: &str, unit: &Unit) -> bool {
    (unit.alone && shapes::is_furniture(written, unit.words))
        || (speaks_of_the_page(unit) && unit.words <= SENTENCE_WORDS_MAX && !shapes::is_quoted(written))
}

/// Furniture from the start: each unit has a cue, or speaks to the reader between two that have.
fn head(text: &str, units: &[Unit], words_max: usize) -> std::ops::Range<usize> {
    let mut end = 0;
    let (mut gaps, mut words) = (0, 0);
    for (at, unit) in units.iter().enumerate() {
        let written = &text[unit.span.clone()];
        words += unit.words;
        if words > words_max {
            break;
        }
        if is_furniture(written, unit) || (end > 0 && end == at && goes_beside(written, unit)) {
            (end, gaps) = (at + 1, 0);
        } else if gaps < GAPS_MAX
            && end > 0
            && !shapes::is_quoted(written)
            && (unit.score > 0 || shapes::addresses_the_reader(written))
        {
            gaps += 1;
        } else {
            break;
        }
    }
    0..end
}

/// Furniture to the end, found from the end: between furniture, short units go along.
fn tail(text: &str, units: &[Unit], words_max: usize) -> std::ops::Range<usize> {
    let mut start = units.len();
    let (mut gaps, mut words) = (0, 0);
    for (at, unit) in units.iter().enumerate().rev() {
        let written = &text[unit.span.clone()];
        words += unit.words;
        if words > words_max {
            break;
        }
        if is_furniture(written, unit) || (start < units.len() && start == at + 1 && goes_beside(written, unit)) {
            (start, gaps) = (at, 0);
            continue;
        }
        let goes_along = unit.words <= GAP_WORDS_MAX || unit.score > 0 || shapes::addresses_the_reader(written);
        if gaps == GAPS_MAX || !goes_along || shapes::is_quoted(written) {
            break;
        }
        gaps += 1;
    }
    start..units.len()
}

/// One strong cue, or so many weak ones that no news has them together.
fn speaks_of_the_page(unit: &Unit) -> bool {
    unit.strongest >= STRONG || unit.score >= WEAK_SUM_MIN
}

/// "Copyright 2025 Example." is furniture when more of it follows.
fn goes_beside(written: &str, unit: &Unit) -> bool {
    unit.strongest >= 2 && unit.words <= BESIDE_WORDS_MAX && !shapes::is_quoted(written)
}

fn is_furniture(written: &str, unit: &Unit) -> bool {
    (speaks_of_the_page(unit) && (!shapes::is_quoted(written) || unit.score >= STRONG * 2))
        || shapes::is_furniture(written, unit.words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = "The harbour of Aveiro reopened on Monday after three days of storm, the port office said.\n\
        Two ferries left at nine with four hundred people on board.\n\
        “We waited in the hall and slept on our bags,” said one of the passengers.\n\
        The next storm is expected on Friday.";

    fn stripped(text: &str) -> String {
        strip(text, "Harbour of Aveiro reopens").into_owned()
    }

    #[test]
    fn strip_plain_article_stays_untouched() {
        assert!(matches!(strip(BODY, "Harbour of Aveiro reopens"), Cow::Borrowed(_)));
    }

    #[test]
    fn strip_furniture_around_an_article_goes() {
        for (before, after) in [
            ("Advertisement\n", ""),
            ("", "\nRead more: Three ferries collide\nAdvertisement"),
            ("LAST UPDATE | 24 Feb\n", ""),
            ("Updated 24 Feb 2025, 10:11 CET\n", ""),
            (
                "We need your help now\nSupport from readers like you keeps us open.\nYou are here because we have something you value.\nPlease contribute what you can.\n",
                "",
            ),
            ("A ferry in the harbour today. Alamy\n", ""),
            ("Photo: Example Agency\n", "\n© Example 2025"),
            ("", "\nWant to know more about ferries? Check out our guide.\nClose\nNews in 60 seconds"),
            ("We use cookies to make this site work.\n", "\nSign up for our newsletter\nFollow us on every network"),
            ("Harbour of Aveiro reopens\n", ""),
            ("", "\nЧитайте також: Три пороми зіткнулися\nПідпишіться на наш канал"),
            ("", "\nLesen Sie auch: Drei Fähren\nAlle Rechte vorbehalten"),
            ("", "\nThe post Harbour reopens appeared first on Tidewatch."),
            ("Share\nSave\nListen to this article\n", "\nRelated topics\nShipping"),
        ] {
            assert_eq!(stripped(&format!("{before}{BODY}{after}")), BODY, "{before:?} {after:?}");
        }
    }

    #[test]
    fn strip_furniture_run_into_one_paragraph_goes() {
        let body = BODY.replace('\n', " ");
        for (before, after) in [
            ("Advertisement Supported by ", " Advertisement"),
            ("Notifications can be managed in browser preferences. ", ""),
            ("", " By subscribing I accept the terms of use and privacy policy"),
            (
                "",
                " Copyright 2025 Tidewatch. All rights reserved. We are not responsible for the content of external sites.",
            ),
            ("", " Already a subscriber? Log in. Want all of it? Subscribe. Advertisement"),
            ("", " Edited by: A. Example"),
        ] {
            assert_eq!(stripped(&format!("{before}{body}{after}")), body, "{before:?} {after:?}");
        }
    }

    #[test]
    fn strip_news_about_such_things_stays() {
        for text in [
            "The company changed its privacy policy on Monday. Subscribers were told by letter.\nShares fell.",
            "The newspaper lost 20,000 subscribers after it raised its price, the publisher said.\nIt blamed the cost of paper.",
            "“Please contribute what you can,” the mayor told the crowd.\nThe fund for the harbour has three million euros.",
            "The ministry said that cookies were found in the shipment.\nCustoms opened an inquiry.",
            "Talks ended on 24 February.\nUpdates are expected.",
            "He signed up to fight in March 2022. His brother followed.\nBoth came home.",
        ] {
            assert_eq!(stripped(text), text);
        }
    }

    proptest! {
        #[test]
        fn strip_is_stable_and_only_takes_away(parts in proptest::collection::vec(prop_oneof![
            Just("Advertisement".to_owned()), Just("Read more: a story".to_owned()), Just("All rights reserved.".to_owned()),
            Just("Log in.".to_owned()), Just("Photo: Example".to_owned()), Just("Updated 3 March".to_owned()),
            Just("We need your help now".to_owned()), Just("The port reopened on Monday after the storm.".to_owned()),
            Just("“We waited,” she said.".to_owned()), Just("(Credit: Example)".to_owned()), "[a-zA-Z.,?! ]{1,30}",
        ], 0..16), lines in any::<bool>()) {
            let text = crate::text::html::plain(&parts.join(if lines { "\n" } else { " " }));
            let once = stripped(&text);
            prop_assert!(once.len() <= text.len());
            prop_assert_eq!(stripped(&once), once);
        }
    }
}
