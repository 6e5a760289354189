//! Small charts as SVG: bars and steps, numbers only, coloured by the stylesheet. What they show is said in words as
//! well, for who does not see them.

use std::fmt::Write as _;

use crate::model::Timestamp;

const HEIGHT: u64 = 28;
const WIDTH: u64 = 120;

/// One bar a value; the highest fills the height.
pub(super) fn bars(values: &[u64], label: &str) -> String {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let slots = values.len().max(1) as u64;
    let mut path = String::new();
    for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        // Hundredths, so that the bars of any number of slots fill the width; a bar that is there can be seen.
        let left = at as u64 * WIDTH * 100 / slots;
        let width = (WIDTH * 100 / slots).saturating_sub(60).max(60);
        let height = (value * HEIGHT * 100 / most).max(150);
        let top = HEIGHT * 100 - height;
        let _ = write!(path, "M{} {}h{}v{}h-{}z", point(left), point(top), point(width), point(height), point(width));
    }
    let total: u64 = values.iter().sum();
    frame(&format!("{label}: {total} in all, at most {most} in one"), &format!("<path class=\"bar\" d=\"{path}\"/>"))
}

/// How a count rose, one step a moment, from the first moment to the end.
pub(super) fn steps(moments: &[Timestamp], end: Timestamp, label: &str) -> String {
    // One moment is no rise.
    let (Some(first), count @ 2..) = (moments.iter().min(), moments.len() as u64) else {
        return String::new();
    };
    let span = end.millis().saturating_sub(first.millis()).max(1).unsigned_abs();
    let mut sorted = moments.to_vec();
    sorted.sort_unstable();
    let across = |at: Timestamp| {
        let passed = at.millis().saturating_sub(first.millis()).clamp(0, span.cast_signed()).unsigned_abs();
        (u128::from(passed) * u128::from(WIDTH) * 100 / u128::from(span)) as u64
    };
    let up = |n: u64| HEIGHT * 100 - (n * (HEIGHT * 100 - 200) / count.max(1)) - 100;
    let mut path = format!("M0 {}", point(up(1)));
    for (at, moment) in sorted.iter().enumerate() {
        let _ = write!(path, "H{}V{}", point(across(*moment)), point(up(at as u64 + 1)));
    }
    let _ = write!(path, "H{WIDTH}");
    frame(&format!("{label}: {count}"), &format!("<path class=\"line\" d=\"{path}\"/>"))
}

fn point(hundredths: u64) -> String {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}") }
}

fn frame(label: &str, inside: &str) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{label}\">{inside}</svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_bars_fill_width_and_height_and_say_what_they_show() {
        let drawn = bars(&[0, 1, 2, 4], "items by the hour");
        assert!(drawn.contains("aria-label=\"items by the hour: 7 in all, at most 4 in one\""), "{drawn}");
        assert_eq!(drawn.matches('M').count(), 3, "nothing is drawn for nothing: {drawn}");
        assert!(drawn.contains("M90 0h29.40v28h-29.40z"), "the highest is as high as the chart: {drawn}");
        assert!(bars(&[], "none").contains("0 in all"));
        assert!(bars(&[u64::MAX / 10_000], "many").contains("v28"));
    }

    #[test]
    fn chart_steps_rise_from_left_to_right() {
        let at = |s| Timestamp::from_seconds(s);
        let drawn = steps(&[at(50), at(0), at(100)], at(100), "outlets");
        assert!(drawn.contains("d=\"M0 18.34H0V18.34H60V9.67H120V1H120\""), "{drawn}");
        assert_eq!(steps(&[at(0)], at(0), "outlets"), "");
    }
}
