//! Fits the pair model of `src/pipeline/story` on the labelled sets under `$WIREWATCH_SHARED/eval`, each read whole,
//! cut to headline and first sentence, and to the headline, and says what it is worth on what it has not seen; skips
//! without them. `cargo run --release --example fit -- WHAT`: `cv` (k-fold cross-validation), `blocks` (the same with
//! blocks of time as folds), `sweep` (thresholds), `ablate` (one view left out), `sets` (each set left out of the
//! training), `shipped` (the weights in use; fails when the order of arrival matters or a seed article is in a wrong
//! story), `write` (fits on everything, checks that, writes `model.rs`), `same` (fails unless `write` would write
//! what is shipped, byte for byte).

mod checks;
mod data;
mod random;
mod read;
mod score;
mod train;

use std::path::PathBuf;
use std::process::Command;

use wirewatch::pipeline::story::decision::Model;
use wirewatch::pipeline::story::signals::VIEWS;

use checks::Orders;
use data::{FOLDS, Set, Sets};
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
    let what = std::env::args().nth(1).unwrap_or_else(|| "cv".to_owned());
    let sets = Sets::read(&shared, what == "blocks")?;
    println!("{}", sets.summary());
    let recipe = Recipe::from_environment(&sets.weights);
    match what.as_str() {
        "cv" | "blocks" => cross_validate(&sets, &recipe),
        "sweep" => sweep(&sets, &recipe),
        "ablate" => ablate(&sets, &recipe),
        "sets" => across_sets(&sets, &recipe),
        "shipped" => check(&sets, Model::shipped(), "shipped")?,
        "write" => write(&sets, &recipe)?,
        "same" => same(&sets, &recipe)?,
        other => {
            return Err(format!("`{other}` is none of cv, blocks, sweep, ablate, sets, shipped, write, same").into());
        }
    }
    Ok(())
}

/// One model per fold, which has seen no pair that touches it.
fn models(sets: &Sets, recipe: &Recipe) -> Vec<Model> {
    (0..FOLDS)
        .map(|fold| {
            let pairs: Vec<_> = sets.pairs.iter().filter(|p| p.folds.iter().all(|f| *f != fold)).collect();
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
    Scores::of(sets, &sets.corpora, &models, None).print("cross-validated");
    Scores::of(sets, &sets.shuffled(), &models, None).print("… shuffled within 6 h");
    // What is quoted stands beside what it is worth on sets that it saw.
    Scores::of(sets, &sets.corpora, &[Model::shipped(); FOLDS], None).print("as shipped: it saw all of these");
}

fn sweep(sets: &Sets, recipe: &Recipe) {
    let models = models(sets, recipe);
    for join in [0.0f32, 0.2, 0.4, 0.6] {
        for merge in [0.2f32, 0.5, 0.8] {
            let judged = with_thresholds(&models, join, merge);
            Scores::of(sets, &sets.corpora, &judged, None).print(&format!("join {join:+.2} merge {merge:+.2}"));
        }
    }
}

fn ablate(sets: &Sets, recipe: &Recipe) {
    let row = |name: &str, recipe: &Recipe| {
        let models = with_thresholds(&models(sets, recipe), recipe.join, recipe.merge);
        Scores::of(sets, &sets.corpora, &models, None).print(name);
    };
    row("all", recipe);
    for (name, view) in VIEWS {
        row(&format!("without {name}"), &Recipe { without: view.to_vec(), ..recipe.clone() });
    }
    row("linear", &Recipe { linear: true, ..recipe.clone() });
    row("without late merges", &Recipe { merge: f32::INFINITY, ..recipe.clone() });
}

fn across_sets(sets: &Sets, recipe: &Recipe) {
    for set in Set::ALL {
        let pairs: Vec<_> = sets.pairs.iter().filter(|p| p.set != set).collect();
        let model = with_thresholds(&[train::fit(&pairs, recipe)], recipe.join, recipe.merge);
        Scores::of(sets, &sets.corpora, &[model[0]; FOLDS], Some(set)).print(&format!("without {}", set.name()));
    }
}

/// Scores a model as it would be shipped; fails when it must not be.
fn check(sets: &Sets, model: &'static Model, name: &str) -> Result<(), Failure> {
    let models = vec![model; FOLDS];
    let ordered = Scores::of(sets, &sets.corpora, &models, None);
    let shuffled = Scores::of(sets, &sets.shuffled(), &models, None);
    ordered.print(name);
    shuffled.print("… shuffled within 6 h");
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
    let path = weights_file();
    if std::env::var_os("FIT_FORCE").is_none() {
        check(sets, with_thresholds(std::slice::from_ref(&model), model.join, model.merge)[0], "fitted")?;
    }
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
