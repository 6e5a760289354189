//! How well facts alone tell pairs of short items apart: `cargo run --release --example facts -- PAIRS`,
//! one pair a line: `{"same": …, "kind": …, "a": {"title", "text", "lang"}, "b": {…}}`.
//! `-v` lists the pairs that it gets wrong.

use std::collections::BTreeMap;

use serde::Deserialize;
use wirewatch::model::Lang;
use wirewatch::pipeline::facts::{ItemFacts, KnownNames, Separation, differences, read};
use wirewatch::text::tokens::Tokens;

#[derive(Deserialize)]
struct Pair {
    same: bool,
    kind: String,
    a: Side,
    b: Side,
}

#[derive(Deserialize)]
struct Side {
    title: String,
    text: String,
    lang: String,
}

fn facts(side: &Side, with_text: bool) -> ItemFacts {
    let text = if with_text { side.text.as_str() } else { "" };
    let names = KnownNames::default();
    read(&side.title, &Tokens::of(&side.title), text, &Tokens::of(text), Lang::from_tag(&side.lang), &names)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("the path of the pairs");
    let verbose = args.next().is_some();
    let text = std::fs::read_to_string(path).expect("the file reads");
    for with_text in [true, false] {
        let mut counts: BTreeMap<(bool, bool, String), [u32; 2]> = BTreeMap::new();
        for line in text.lines() {
            let pair: Pair = serde_json::from_str(line).expect("a pair");
            let found = differences(&facts(&pair.a, with_text), &facts(&pair.b, with_text));
            let clear = found.iter().any(|d| d.separation == Separation::Clear);
            let across = pair.a.lang != pair.b.lang;
            for kind in [pair.kind.clone(), "all".to_owned()] {
                let count = counts.entry((pair.same, across, kind)).or_default();
                count[usize::from(clear)] += 1;
            }
            if verbose && clear == pair.same {
                println!("{}: {} | {}\n    {} | {}", pair.kind, pair.a.title, pair.a.text, pair.b.title, pair.b.text);
                for facts in [facts(&pair.a, with_text), facts(&pair.b, with_text)] {
                    let spell = |f: &wirewatch::pipeline::facts::Fact| {
                        format!("{}{}", if f.in_title() { "" } else { "." }, f.spell())
                    };
                    println!(
                        "    {} + {} words",
                        facts.facts.iter().map(spell).collect::<Vec<_>>().join(", "),
                        facts.frame.len()
                    );
                }
                for difference in found {
                    println!("    {:?} {}", difference.separation, difference.spell());
                }
            }
        }
        println!("\n{}", if with_text { "headline and text" } else { "headline alone" });
        for ((same, across, kind), [not, clear]) in counts {
            let name = if same { "same" } else { "different" };
            let across = if across { "across" } else { "within" };
            println!("{name:<10} {across} {kind:<12} separated {clear:>3} of {:>3}", not + clear);
        }
    }
}
