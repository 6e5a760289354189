//! Numbers as they are written: digits of any script, thousands and decimals, with what is glued to them.

use super::Amount;

/// What a word with digits is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// A plain number, perhaps with a power of ten behind it (`5bn`).
    Amount(Amount),
    /// The how-manieth (`17th`).
    Nth(u16),
    /// Letters and digits that name something (`124b`, `4.99.2`).
    Code,
}

/// Endings that make a number the how-manieth.
const NTH: [&str; 20] =
    ["st", "nd", "rd", "th", "e", "er", "eme", "ere", "º", "o", "a", "й", "и", "я", "а", "го", "ої", "ои", "му", "ту"];
/// Endings that are powers of ten.
const SCALES: [(&str, u8); 9] =
    [("k", 3), ("m", 6), ("mn", 6), ("mln", 6), ("bn", 9), ("b", 9), ("mrd", 9), ("tn", 12), ("млн", 6)];

/// Reads a folded word that holds a digit, and what it was folded from. `comma_groups`: commas part thousands (English); else dots do.
pub(super) fn written(folded: &str, original: &str, comma_groups: bool) -> Written {
    let digits: String = folded.chars().map(western).collect();
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '.' && c != '\'').unwrap_or(digits.len());
    let (number, tail) = digits.split_at(end);
    if number.is_empty() || !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Written::Code;
    }
    let amount = amount(number, comma_groups);
    if tail.is_empty() {
        return amount.map_or(Written::Code, Written::Amount);
    }
    let Some(amount) = amount else { return Written::Code };
    if NTH.contains(&tail) && amount.power >= 0 && amount.value() < 1000.0 {
        return Written::Nth(amount.value() as u16);
    }
    match SCALES.iter().find(|(name, _)| *name == tail) {
        // A licence 124B is no sum: those are written small.
        Some((_, power)) if original.ends_with(char::is_lowercase) => Written::Amount(amount.times_ten_to(*power)),
        _ => Written::Code,
    }
}

/// A digit of any script as the one everybody knows; other characters stay.
pub(super) fn western(c: char) -> char {
    /// The zeros of scripts with digits of their own.
    const ZEROS: [u32; 12] = [0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xE50, 0xFF10];
    let digit = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|digit| *digit < 10));
    digit.and_then(|digit| char::from_digit(digit, 10)).unwrap_or(c)
}

/// A number with its thousands and decimals; `None` for versions and the like.
fn amount(number: &str, comma_groups: bool) -> Option<Amount> {
    let number = number.trim_end_matches([',', '.', '\'']);
    let (group, point) = if comma_groups { (',', '.') } else { ('.', ',') };
    let parts: Vec<&str> = number.split([',', '.', '\'']).collect();
    let grouped = parts.len() > 1
        && !parts[0].starts_with('0')
        && (1..=3).contains(&parts[0].len())
        && parts[1..].iter().all(|part| part.len() == 3);
    let separators: Vec<char> = number.chars().filter(|c| !c.is_ascii_digit()).collect();
    let all_groups = separators.iter().all(|c| *c == group || *c == '\'')
        || separators.len() > 1 && separators.iter().all(|c| *c == separators[0]);
    if parts.len() == 1 || grouped && (all_groups || (separators.len() == 1 && separators[0] != point)) {
        let joined: String = parts.concat();
        return (joined.len() <= 18).then(|| joined.parse().ok()).flatten().map(|n| Amount::new(n, 0));
    }
    // The last separator is the point, where it is the only one of its kind.
    let last = *separators.last()?;
    if separators.iter().filter(|c| **c == last).count() > 1 {
        return None;
    }
    let decimals = parts.last()?.len();
    let joined: String = parts.concat();
    let (digits, power) = (joined.get(..joined.len().min(18))?.parse().ok()?, -(decimals as i32));
    Some(Amount::new(digits, power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(word: &str, comma_groups: bool) -> Option<f64> {
        match written(word, word, comma_groups) {
            Written::Amount(amount) => Some((amount.value() * 1000.0).round() / 1000.0),
            _ => None,
        }
    }

    #[test]
    fn written_numbers_mean_the_same_in_each_notation() {
        for (word, english, expected) in [
            ("12", true, 12.0),
            ("26,000", true, 26_000.0),
            ("26.000", false, 26_000.0),
            ("1'250", false, 1250.0),
            ("6.1", true, 6.1),
            ("6,1", false, 6.1),
            ("1,200,000", true, 1_200_000.0),
            ("1.200.000", false, 1_200_000.0),
            ("5bn", true, 5e9),
            ("2.5m", true, 2.5e6),
            ("١٢", true, 12.0),
            ("0", true, 0.0),
        ] {
            assert_eq!(value(word, english), Some(expected), "{word}");
        }
    }

    #[test]
    fn written_ordinals_and_identifiers_are_no_amounts() {
        assert_eq!(written("17th", "", true), Written::Nth(17));
        assert_eq!(written("19e", "", false), Written::Nth(19));
        assert_eq!(written("17-го".trim_start_matches("17-"), "", false), Written::Code);
        for code in ["4.99.2", "a9", "124b2", "h5n1"] {
            assert_eq!(written(code, "", true), Written::Code, "{code}");
        }
    }
}
