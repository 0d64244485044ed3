//! The example that reads like the paper, `engine/examples/search.rs`, against searches of the paper authors' implementation.

use burn::tensor::{DType, Device, Tensor};
use darts_tests::*;
use search::{Batch, Hyper, OPS, Search, Weights, supernet};
use serde_json::{Value, json};

#[allow(dead_code, reason = "its main function")]
#[path = "../engine/examples/search.rs"]
mod search;

/// Relative tolerance. The example computes in the precision of its input, here float64 as for the golden figures, so no ReLU
/// or max pool is decided by rounding, and only the file's rounding to float32 is left.
const TOLERANCE: f64 = 1e-5;

#[test]
fn first_order_search() {
    follow("conv_search_order1");
}

#[test]
fn second_order_search() {
    follow("conv_search_order2");
}

fn hyper(golden: &Golden, facts: &Value) -> Hyper {
    let number = |key: &str| facts[key].as_f64().unwrap_or_else(|| panic!("no {key}"));
    Hyper {
        channels: number("init_channels") as usize,
        layers: number("layers") as usize,
        classes: golden.shape("init.classifier.bias")[0],
        xi: if facts["order"] == 2 { number("eta") } else { 0.0 },
        eta: number("eta"),
        momentum: number("momentum"),
        weight_decay: number("weight_decay"),
        grad_clip: number("grad_clip"),
        arch_lr: number("arch_lr"),
        arch_betas: [0, 1].map(|i| facts["arch_betas"][i].as_f64().unwrap()),
        arch_weight_decay: number("arch_weight_decay"),
    }
}

/// Weights of the file by name, without the alphas.
fn weights(golden: &Golden, prefix: &str, place: (&Device, DType)) -> Weights {
    let names = golden.names().filter_map(|name| name.strip_prefix(prefix)).filter(|name| !name.starts_with("alphas"));
    let flat = |name: &str| {
        let values = golden.values(&format!("{prefix}{name}")).to_vec();
        Tensor::from_data(values.as_slice(), place)
    };
    names.map(|name| (name.to_owned(), flat(name))).collect()
}

fn alphas(golden: &Golden, prefix: &str) -> Vec<f32> {
    ["normal", "reduce"].map(|kind| golden.values(&format!("{prefix}.alphas_{kind}"))).concat()
}

fn follow(name: &str) {
    let (golden, facts) = (Golden::open(name), golden_json(name));
    let device = cpu();
    let place = (&device, DType::F64);
    let batch = |step: usize, split: &str| -> Batch {
        let part = |part: &str| format!("step{step}.{split}.{part}");
        (golden.tensor(&part("images"), place), golden.integers(&part("labels"), &device))
    };
    let alpha = Tensor::<1>::from_data(alphas(&golden, "init").as_slice(), place);
    let alpha = alpha.reshape([2, golden.shape("init.alphas_normal")[0], OPS.len()]);
    let (hyper, w) = (hyper(&golden, &facts), weights(&golden, "init.", place));

    // A forward pass draws missing weights, in float32: those of a new network must have the file's names and sizes.
    let single = (&device, DType::F32);
    let mut drawn = weights(&golden, "init.", single);
    drawn.retain(|name, _| name.starts_with("stem.1."));
    supernet(&hyper, &mut drawn, alpha.clone().cast(DType::F32), golden.tensor("step0.train.images", single));
    let sizes = |w: &Weights| w.iter().map(|(name, weight)| (name.clone(), weight.dims())).collect::<Vec<_>>();
    assert_eq!(sizes(&drawn), sizes(&w), "weights of the example and of {name}");

    let mut search = Search::new(hyper, w, alpha);
    for (step, fact) in facts["steps"].as_array().unwrap().iter().enumerate() {
        let (train, valid) = (batch(step, "train"), batch(step, "valid"));
        let before = search.clone();
        let (l_train, _, grad_alpha) = search.step(&train, &valid);
        let close = |part: &str, found: &[f32], expected: &[f32]| {
            println!("{name} step {step} {part}: {:.1e}", largest_distance(found, expected));
            assert_close(&format!("{name} step {step} {part}"), found, expected, TOLERANCE);
        };
        close("alpha gradient", &read(grad_alpha), &alphas(&golden, &format!("step{step}.grad")));
        close("alphas", &read(search.alpha.clone()), &alphas(&golden, &format!("step{step}.after")));
        close("loss", &[l_train as f32], &[fact["train_loss"].as_f64().unwrap() as f32]);
        // The weight gradient, at the new alphas and the old weights.
        let (_, grad_w, _) = search.loss(&before.w, &train);
        close("gradient norm", &[norm(&read(grad_w.clone())) as f32], &[fact["grad_norm"].as_f64().unwrap() as f32]);
        if step == 0 {
            let expected = weights(&golden, "step0.grad.", place).into_values().collect();
            close("weight gradient", &read(grad_w), &read(Tensor::cat(expected, 0)));
        }
    }
    let expected = weights(&golden, "final.", place).into_values().collect();
    assert_close("final weights", &read(search.w.clone()), &read(Tensor::cat(expected, 0)), TOLERANCE);
    let [normal, reduce] = search.genotype();
    let found = json!({ "normal": normal, "reduce": reduce });
    for kind in ["normal", "reduce"] {
        assert_eq!(found[kind], facts["genotype"][kind], "{name}: derived {kind} cell");
    }
}
