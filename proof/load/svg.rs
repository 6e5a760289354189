//! Curves of cost against size, both axes logarithmic, as one SVG that reads on light and dark pages.

use std::fmt::Write as _;

/// One chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it.
    pub x_label: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Beside its last point.
    pub name: String,
    /// Sizes and values, all above zero, by size.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const PANEL: f64 = 470.0;
/// Readable on white and on black.
const COLOURS: [&str; 4] = ["#2f7fd6", "#d9731a", "#2c9c5a", "#b257c4"];

/// Draws charts beside each other.
pub fn draw(charts: &[Chart]) -> String {
    let width = PANEL * charts.len() as f64;
    let height = TOP + HEIGHT + 48.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<style>text{{fill:#333}}.grid{{stroke:#999;stroke-opacity:.35}}@media(prefers-color-scheme:\
         dark){{text{{fill:#ddd}}}}</style>\n"
    );
    for (at, chart) in charts.iter().enumerate() {
        let _ = writeln!(out, "<g transform=\"translate({} 0)\">", at as f64 * PANEL);
        panel(&mut out, chart);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, chart: &Chart) {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let (x, y) = (Axis::over(points().map(|p| p.0)), Axis::over(points().map(|p| p.1)));
    let place = |&(size, value): &(f64, f64)| (LEFT + x.share(size) * WIDTH, TOP + (1.0 - y.share(value)) * HEIGHT);
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">{}</text>", escape(&chart.title));
    for decade in x.decades() {
        let at = LEFT + x.share(decade) * WIDTH;
        let (bottom, label) = (TOP + HEIGHT, label(decade));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>");
        let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 16.0);
    }
    for decade in y.decades() {
        let (at, right, label) = (TOP + (1.0 - y.share(decade)) * HEIGHT, LEFT + WIDTH, label(decade));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>");
        let _ = writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, at + 4.0);
    }
    let (middle, below) = (LEFT + WIDTH / 2.0, TOP + HEIGHT + 36.0);
    let _ =
        writeln!(out, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escape(&chart.x_label));
    for (line, colour) in chart.lines.iter().zip(COLOURS.iter().cycle()) {
        let places: Vec<String> = line.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            places.join(" ")
        );
        for (x, y) in line.points.iter().map(place) {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        if let Some((x, y)) = line.points.last().map(place) {
            let (x, y, name) = (x + 8.0, y + 4.0, escape(&line.name));
            let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" style=\"fill:{colour}\">{name}</text>");
        }
    }
}

/// A logarithmic axis over whole decades.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            values.filter(|value| *value > 0.0).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// 0 at the axis's beginning, 1 at its end.
    fn share(&self, value: f64) -> f64 {
        ((value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn decades(&self) -> Vec<f64> {
        (self.low as i32..=self.high as i32).map(|power| 10f64.powi(power)).collect()
    }
}

fn label(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// How a value grows with size: the exponent of the power law between the first and the last point.
pub fn growth(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    (last.0 > first.0 && first.1 > 0.0 && last.1 > 0.0).then(|| (last.1 / first.1).ln() / (last.0 / first.0).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draw_every_point_is_inside_and_higher_values_are_higher() {
        let points = vec![(100.0, 0.5), (1000.0, 5.0), (10_000.0, 49.0)];
        let chart = Chart {
            title: "a < b".to_owned(),
            x_label: "feeds".to_owned(),
            lines: vec![Line { name: "s".to_owned(), points }],
        };
        let svg = draw(&[chart.clone(), chart]);
        let places: Vec<(f64, f64)> = svg
            .lines()
            .filter_map(|line| {
                let rest = line.strip_prefix("<circle cx=\"")?;
                let (x, rest) = rest.split_once("\" cy=\"")?;
                Some((x.parse().ok()?, rest.split_once('"')?.0.parse().ok()?))
            })
            .collect();
        assert_eq!(places.len(), 6);
        assert!(places.iter().all(|(x, y)| (LEFT..=LEFT + WIDTH).contains(x) && (TOP..=TOP + HEIGHT).contains(y)));
        assert!(places[0].0 < places[1].0 && places[0].1 > places[1].1, "{places:?}");
        assert!(svg.contains("a &lt; b") && svg.contains("prefers-color-scheme"));
    }

    #[test]
    fn growth_is_the_exponent_and_nothing_of_a_single_point() {
        let near = |points: &[(f64, f64)], expected: f64| (growth(points).expect("grows") - expected).abs() < 1e-9;
        assert!(near(&[(10.0, 1.0), (1000.0, 100.0)], 1.0));
        assert!(near(&[(10.0, 3.0), (1000.0, 3.0)], 0.0));
        assert_eq!(growth(&[(10.0, 1.0)]), None);
        assert_eq!(growth(&[]), None);
    }
}
