//! Fits the pair model of `src/pipeline/story` on the labelled sets under `$WIREWATCH_SHARED/eval`, and says
//! what it is worth on what it has not seen; skips without them. `cargo run --release --example fit -- WHAT`:
//! `cv` (k-fold cross-validation), `sweep` (thresholds), `ablate` (one view or guard left out), `sets` (each set
//! left out of the training), `shipped` (the weights in use; fails when the order of arrival matters or a seed
//! article is in a wrong story), `write` (fits on everything, checks that, writes `model.rs`), `same` (fails
//! unless `write` would write what is shipped, byte for byte).

mod checks;
mod data;
mod random;
mod score;
mod train;

use std::path::PathBuf;
use std::process::Command;

use wirewatch::pipeline::story::decision::Model;
use wirewatch::pipeline::story::signals::VIEWS;

use checks::Orders;
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
        Some("same") => same(&sets, &recipe)?,
        Some(other) => {
            return Err(format!("`{other}` is none of cv, sweep, ablate, sets, shipped, write, same").into());
        }
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
    row("without the veto of names", &Recipe { without: vec![14], ..recipe.clone() });
    row("without the veto of numbers", &Recipe { without: vec![15], ..recipe.clone() });
    row("without both vetoes", &Recipe { without: vec![14, 15], ..recipe.clone() });
    row("without the labelled seeds", &Recipe { seeds: 0.0, ..recipe.clone() });
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
    check(sets, Model::shipped(), "shipped")
}

/// Scores a model as it would be shipped; fails when it must not be.
fn check(sets: &Sets, model: &'static Model, name: &str) -> Result<(), Failure> {
    let models = vec![model; FOLDS];
    let (ordered, shuffled) = (Scores::of(sets, &models), Scores::of(&sets.shuffled(), &models));
    println!("{}\n{}\n{}", Scores::head(), ordered.row(name), shuffled.row("… shuffled within 6 h"));
    let (labelled, own) = (Orders::of_labelled(sets, model), Orders::of_own(model)?);
    println!("{}\n{}", labelled.row("labelled seeds"), own.row("our own seeds"));
    let change = ordered.change(&shuffled);
    if change >= ORDER_CHANGE_MAX {
        return Err(format!("arrival within 6 h changes B-cubed by {change:.3}").into());
    }
    if !(labelled.passed() && own.passed()) {
        return Err("seed articles are, or nearly are, in wrong stories".into());
    }
    Ok(())
}

fn fitted(sets: &Sets, recipe: &Recipe) -> Model {
    let model = train::fit(&sets.pairs.iter().collect::<Vec<_>>(), recipe);
    Model { join: recipe.join, merge: recipe.merge, ..model }
}

fn write(sets: &Sets, recipe: &Recipe) -> Result<(), Failure> {
    let model = fitted(sets, recipe);
    check(sets, with_thresholds(std::slice::from_ref(&model), model.join, model.merge)[0], "fitted")?;
    let path = weights_file();
    std::fs::write(&path, formatted(&train::source(&model))?)?;
    println!("wrote {}", path.display());
    Ok(())
}

fn same(sets: &Sets, recipe: &Recipe) -> Result<(), Failure> {
    let path = weights_file();
    if std::fs::read_to_string(&path)? != formatted(&train::source(&fitted(sets, recipe)))? {
        return Err(format!("{} is not what the fit gives: run `fit -- write`", path.display()).into());
    }
    println!("{} is what the fit gives", path.display());
    Ok(())
}

fn weights_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/pipeline/story/model.rs")
}

/// As `cargo fmt` leaves it.
fn formatted(source: &str) -> Result<String, Failure> {
    let dir = std::env::temp_dir().join(format!("fit-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("model.rs");
    std::fs::write(&path, source)?;
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rustfmt.toml");
    let status =
        Command::new("rustfmt").args(["--edition", "2024", "--config-path"]).arg(config).arg(&path).status()?;
    let text = std::fs::read_to_string(&path)?;
    std::fs::remove_dir_all(&dir)?;
    if status.success() { Ok(text) } else { Err("rustfmt refused the weights".into()) }
}
