//! Pairs to a model: four small networks, each by Adam (Kingma and Ba 2015) with weight decay on balanced
//! pairs, averaged. The same pairs and recipe give the same weights.

use std::fmt::Write as _;

use wirewatch::pipeline::story::decision::{Model, UNITS};
use wirewatch::pipeline::story::signals::SIGNALS;

use super::data::Pair;
use super::random::Random;

/// Networks that are averaged.
const NETWORKS: usize = 4;
/// Units of each.
const OWN: usize = UNITS / NETWORKS;
/// Parameters of a network: weights and bias per unit, output weight per unit, output bias.
const PARAMETERS: usize = OWN * (SIGNALS + 2) + 1;
const BATCH: usize = 128;

/// How to fit.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub rounds: usize,
    pub decay: f32,
    pub rate: f32,
    pub join: f32,
    pub merge: f32,
    /// Signals that are left out.
    pub without: Vec<usize>,
    pub linear: bool,
    /// What each class weighs.
    pub weights: Vec<f32>,
    /// Where the random start begins: the spread over starts is what chance alone moves.
    pub start: u64,
}

impl Recipe {
    /// The recipe of the shipped model; environment variables (`FIT_DECAY=0.01`) change it for a trial.
    pub fn from_environment(weights: &[f32]) -> Self {
        let number =
            |name: &str, default: f32| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
        Self {
            rounds: number("FIT_ROUNDS", 40.0) as usize,
            decay: number("FIT_DECAY", 0.03),
            rate: number("FIT_RATE", 0.004),
            join: number("FIT_JOIN", 0.2),
            merge: number("FIT_MERGE", 0.7),
            without: Vec::new(),
            weights: weights.to_vec(),
            start: number("FIT_START", 0.0) as u64,
            linear: std::env::var_os("FIT_LINEAR").is_some(),
        }
    }
}

/// Fits a model.
pub fn fit(pairs: &[&Pair], recipe: &Recipe) -> Model {
    let weights = balance(pairs, recipe);
    let (mean, scale) = standardize(pairs, &weights, &recipe.without);
    let inputs: Vec<Example> = pairs
        .iter()
        .zip(&weights)
        .flat_map(|(pair, weight)| {
            let scaled = |signals: &[f32; SIGNALS]| std::array::from_fn(|s| (signals[s] - mean[s]) * scale[s]);
            let truth = if pair.same { 1.0 } else { 0.0 };
            pair.signals.each_ref().map(|signals| Example { input: scaled(signals), truth, weight: *weight })
        })
        .collect();
    let mut model = Model {
        join: recipe.join,
        merge: recipe.merge,
        mean,
        scale,
        hidden: [[0.0; UNITS]; SIGNALS],
        hidden_bias: [0.0; UNITS],
        out: [0.0; UNITS],
        out_bias: 0.0,
    };
    for network in 0..NETWORKS {
        let fitted = Network::fit(&inputs, recipe, network as u64 + recipe.start * 100);
        for unit in 0..OWN {
            let at = network * OWN + unit;
            for signal in 0..SIGNALS {
                model.hidden[signal][at] = fitted.weight(unit, signal);
            }
            model.hidden_bias[at] = fitted.bias(unit);
            model.out[at] = fitted.out(unit) / NETWORKS as f32;
        }
        model.out_bias += fitted.parameters[PARAMETERS - 1] / NETWORKS as f32;
    }
    as_written(&mut model);
    model
}

/// Rounds to what [`source`] writes, so that what is measured is what is shipped.
fn as_written(model: &mut Model) {
    let rows = [&mut model.mean[..], &mut model.scale, &mut model.hidden_bias, &mut model.out];
    let weights = rows.into_iter().flatten().chain(model.hidden.iter_mut().flatten());
    for weight in weights.chain([&mut model.out_bias]) {
        // Adding zero makes a minus zero a zero.
        *weight = ((f64::from(*weight) * 1e4).round() / 1e4) as f32 + 0.0;
    }
}

struct Example {
    input: [f32; SIGNALS],
    truth: f32,
    weight: f32,
}

/// Every class and truth counts as its class weighs, however many pairs it has.
fn balance(pairs: &[&Pair], recipe: &Recipe) -> Vec<f32> {
    let truth = |pair: &Pair| pair.class * 2 + usize::from(pair.same);
    let mut sums = vec![0.0f32; 2 * recipe.weights.len()];
    for pair in pairs {
        sums[truth(pair)] += pair.weight;
    }
    let share = |pair: &Pair| recipe.weights[pair.class] * pair.weight / sums[truth(pair)];
    pairs.iter().map(|pair| share(pair) * pairs.len() as f32).collect()
}

fn standardize(pairs: &[&Pair], weights: &[f32], without: &[usize]) -> ([f32; SIGNALS], [f32; SIGNALS]) {
    let (mut mean, mut scale) = ([0.0; SIGNALS], [0.0; SIGNALS]);
    let total: f64 = weights.iter().map(|w| f64::from(*w) * 2.0).sum();
    for signal in 0..SIGNALS {
        let moment = |of: &dyn Fn(f64) -> f64| {
            let both = |pair: &Pair| pair.signals.iter().map(|s| of(f64::from(s[signal]))).sum::<f64>();
            pairs.iter().zip(weights).map(|(pair, weight)| both(pair) * f64::from(*weight)).sum::<f64>() / total
        };
        let centre = moment(&|x| x);
        let spread = moment(&|x| (x - centre) * (x - centre)).sqrt();
        mean[signal] = centre as f32;
        scale[signal] = if without.contains(&signal) || spread < 1e-6 { 0.0 } else { (1.0 / spread) as f32 };
    }
    (mean, scale)
}

struct Network {
    parameters: [f32; PARAMETERS],
    linear: bool,
}

impl Network {
    fn weight(&self, unit: usize, signal: usize) -> f32 {
        self.parameters[unit * SIGNALS + signal]
    }

    fn bias(&self, unit: usize) -> f32 {
        self.parameters[OWN * SIGNALS + unit]
    }

    fn out(&self, unit: usize) -> f32 {
        self.parameters[OWN * (SIGNALS + 1) + unit]
    }

    fn fit(examples: &[Example], recipe: &Recipe, seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        let mut network = Self { parameters: [0.0; PARAMETERS], linear: recipe.linear };
        for parameter in &mut network.parameters[..OWN * SIGNALS] {
            *parameter = random.normal() * (1.0 / SIGNALS as f32).sqrt();
        }
        for unit in 0..OWN {
            network.parameters[OWN * (SIGNALS + 1) + unit] = if unit % 2 == 0 { 0.5 } else { -0.5 };
        }
        // Drawn by weight: rare classes come often, and every step sees both.
        let mut reach = Vec::with_capacity(examples.len());
        let mut sum = 0.0f64;
        for example in examples {
            sum += f64::from(example.weight);
            reach.push(sum);
        }
        let (mut first, mut second) = ([0.0f32; PARAMETERS], [0.0f32; PARAMETERS]);
        let steps = recipe.rounds * 400;
        for step in 1..=steps {
            let mut slope = [0.0f32; PARAMETERS];
            for _ in 0..BATCH {
                // One draw a search: a draw per probe would not follow the weights.
                let drawn = random.unit() * sum;
                let at = reach.partition_point(|r| *r < drawn).min(examples.len() - 1);
                network.descend(&examples[at], &mut slope);
            }
            let rate = recipe.rate * (1.0 - step as f32 / (steps + 1) as f32);
            let corrections = [1.0 - 0.9f32.powi(step as i32), 1.0 - 0.999f32.powi(step as i32)];
            for (at, slope) in slope.iter().enumerate() {
                let slope = slope / BATCH as f32;
                first[at] = 0.9 * first[at] + 0.1 * slope;
                second[at] = 0.999 * second[at] + 0.001 * slope * slope;
                let step = first[at] / corrections[0] / ((second[at] / corrections[1]).sqrt() + 1e-8);
                let is_weight = at < OWN * SIGNALS || (OWN * (SIGNALS + 1)..PARAMETERS - 1).contains(&at);
                let decay = if is_weight { recipe.decay * network.parameters[at] } else { 0.0 };
                network.parameters[at] -= rate * (step + decay);
            }
        }
        network
    }

    /// Adds the slope of the logistic loss of one example.
    fn descend(&self, example: &Example, slope: &mut [f32; PARAMETERS]) {
        let mut units = [0.0f32; OWN];
        let mut sum = self.parameters[PARAMETERS - 1];
        for (unit, value) in units.iter_mut().enumerate() {
            let weights = &self.parameters[unit * SIGNALS..(unit + 1) * SIGNALS];
            *value = self.bias(unit) + weights.iter().zip(&example.input).map(|(w, x)| w * x).sum::<f32>();
            sum += self.out(unit) * if self.linear { *value } else { value.max(0.0) };
        }
        let error = 1.0 / (1.0 + (-sum).exp()) - example.truth;
        slope[PARAMETERS - 1] += error;
        for (unit, value) in units.iter().enumerate() {
            if *value <= 0.0 && !self.linear {
                continue;
            }
            slope[OWN * (SIGNALS + 1) + unit] += error * value;
            let back = error * self.out(unit);
            slope[OWN * SIGNALS + unit] += back;
            for (signal, x) in example.input.iter().enumerate() {
                slope[unit * SIGNALS + signal] += back * x;
            }
        }
    }
}

/// The model as `src/pipeline/story/model.rs`.
pub fn source(model: &Model) -> String {
    let row = |values: &[f32]| format!("[{}]", values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(", "));
    let mut out = String::from(
        "//! Weights of the pair model: written by `cargo run --release --example fit -- write`, not by hand, and\n\
         //! the same from the same sets. Cross-validated scores and ablations: docs/development/stories.md.\n\nuse super::decision::Model;\n\n/// What decides in the daemon.\n\
         pub static SHIPPED: Model = Model {\n",
    );
    let hidden: Vec<String> = model.hidden.iter().map(|weights| row(weights)).collect();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "join: {:?},\nmerge: {:?},\nmean: {},\nscale: {},\nhidden: [{}],\nhidden_bias: {},\nout: {},\nout_bias: {:.4},\n}};\n",
        model.join,
        model.merge,
        row(&model.mean),
        row(&model.scale),
        hidden.join(", "),
        row(&model.hidden_bias),
        row(&model.out),
        model.out_bias
    );
    out
}
