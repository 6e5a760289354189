//! Fits the pair model of `src/pipeline/story` on the labelled sets under `$WIREWATCH_SHARED/eval`, and says
//! what it is worth on what it has not seen; skips without them. `cargo run --release --example fit -- WHAT`:
//! `cv` (k-fold cross-validation), `sweep` (thresholds), `ablate` (one view or guard left out), `sets` (each set
//! left out of the training), `shipped` (the weights in use; fails when the order of arrival matters), `write`
//! (fits on everything, writes `model.rs`).

mod data;
mod score;
mod train;

use std::path::PathBuf;

use wirewatch::pipeline::story::decision::Model;
use wirewatch::pipeline::story::signals::VIEWS;

use data::{FOLDS, Sets};
use score::Scores;
use train::Recipe;

/// What the order of arrival within six hours may change.
const ORDER_CHANGE_MAX: f64 = 0.02;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let Some(shared) = std::env::var_os("WIREWATCH_SHARED").map(PathBuf::from) else {
        println!("skipped: WIREWATCH_SHARED is not set");
        return Ok(());
    };
    let sets = Sets::read(&shared)?;
    println!("{}", sets.summary());
    let recipe = Recipe::from_environment();
    match std::env::args().nth(1).as_deref() {
        Some("cv") | None => cross_validate(&sets, &recipe),
        Some("sweep") => sweep(&sets, &recipe),
        Some("ablate") => ablate(&sets, &recipe),
        Some("sets") => across_sets(&sets, &recipe),
        Some("shipped") => shipped(&sets)?,
        Some("write") => write(&sets, &recipe)?,
        Some(other) => return Err(format!("`{other}` is none of cv, sweep, ablate, sets, shipped, write").into()),
    }
    Ok(())
}

/// One model per fold, which has seen no pair that touches it.
fn models(sets: &Sets, recipe: &Recipe) -> Vec<Model> {
    (0..FOLDS)
        .map(|fold| {
            let pairs: Vec<_> = sets.pairs.iter().filter(|p| sets.folds_of(p).iter().all(|f| *f != fold)).collect();
            train::fit(&pairs, recipe)
        })
        .collect()
}

fn with_thresholds(models: &[Model], join: f32, merge: f32) -> Vec<&'static Model> {
    let leaked = |model: &Model| &*Box::leak(Box::new(Model { join, merge, ..model.clone() }));
    models.iter().map(leaked).collect()
}

fn cross_validate(sets: &Sets, recipe: &Recipe) {
    let models = with_thresholds(&models(sets, recipe), recipe.join, recipe.merge);
    println!("{}", Scores::head());
    println!("{}", Scores::of(sets, &models).row("cross-validated"));
    let shuffled = sets.shuffled();
    println!("{}", Scores::of(&shuffled, &models).row("… shuffled within 6 h"));
    let all =
        vec![
            with_thresholds(&[train::fit(&sets.pairs.iter().collect::<Vec<_>>(), recipe)], recipe.join, recipe.merge)
                [0];
            FOLDS
        ];
    println!("{}", Scores::of(sets, &all).row("as fitted on everything"));
}

fn sweep(sets: &Sets, recipe: &Recipe) {
    let models = models(sets, recipe);
    println!("{}", Scores::head());
    for join in [-0.75f32, -0.5, -0.25, 0.0, 0.25, 0.5] {
        for merge in [-0.1f32, 0.25, 0.6] {
            let judged = with_thresholds(&models, join, merge);
            println!("{}", Scores::of(sets, &judged).row(&format!("join {join:+.2} merge {merge:+.2}")));
        }
    }
}

fn ablate(sets: &Sets, recipe: &Recipe) {
    println!("{}", Scores::head());
    let row = |name: &str, recipe: &Recipe| {
        let models = with_thresholds(&models(sets, recipe), recipe.join, recipe.merge);
        println!("{}", Scores::of(sets, &models).row(name));
    };
    row("all", recipe);
    for (name, view) in VIEWS {
        row(&format!("without {name}"), &Recipe { without: view.to_vec(), ..recipe.clone() });
    }
    row("without vetoes of names and numbers", &Recipe { without: vec![14, 15], ..recipe.clone() });
    row("linear", &Recipe { linear: true, ..recipe.clone() });
    row("without late merges", &Recipe { merge: f32::INFINITY, ..recipe.clone() });
}

fn across_sets(sets: &Sets, recipe: &Recipe) {
    println!("{}", Scores::head());
    for (number, name) in data::NAMES.iter().enumerate() {
        let pairs: Vec<_> = sets.pairs.iter().filter(|p| p.set != number).collect();
        let model = with_thresholds(&[train::fit(&pairs, recipe)], recipe.join, recipe.merge);
        println!("{}", Scores::of(sets, &[model[0]; FOLDS]).row(&format!("without {name}")));
    }
}

fn shipped(sets: &Sets) -> Result<(), Failure> {
    let models = vec![Model::shipped(); FOLDS];
    let (ordered, shuffled) = (Scores::of(sets, &models), Scores::of(&sets.shuffled(), &models));
    println!("{}\n{}\n{}", Scores::head(), ordered.row("shipped"), shuffled.row("… shuffled within 6 h"));
    let change = (ordered.dated() - shuffled.dated()).abs();
    if change < ORDER_CHANGE_MAX {
        Ok(())
    } else {
        Err(format!("arrival within 6 h changes B-cubed by {change:.3}").into())
    }
}

fn write(sets: &Sets, recipe: &Recipe) -> Result<(), Failure> {
    let fitted = train::fit(&sets.pairs.iter().collect::<Vec<_>>(), recipe);
    let model = Model { join: recipe.join, merge: recipe.merge, ..fitted };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/pipeline/story/model.rs");
    std::fs::write(&path, train::source(&model))?;
    println!("wrote {}; run `cargo fmt`", path.display());
    Ok(())
}
