//! The recurrent search and derived recurrent networks against tensors that the paper authors' implementation computed in
//! float64. Tolerances are those of the convolutional search, for the same reasons; see `golden_conv.rs`.

use burn::tensor::{Device, Tensor, TensorData};
use darts_engine::{
    config::{Kernels, Order, Penalties, RecurrentConfig},
    data::Window,
    model::{GradientTargets, Masks, Passage, TextBatch},
    network::RecurrentNet,
    search::Bilevel,
    space::{Alphas, Genotype, RECURRENT, RECURRENT_CANDIDATES, recurrent_parameters},
};
use darts_tests::*;

/// Tolerance of a network over a window.
const NETWORK_TOLERANCE: f64 = 1e-3;
/// Tolerance of the alphas. The first steps of Adam divide a gradient by its own size, so near zero its float32 sign decides.
const ALPHA_TOLERANCE: f64 = 5e-3;
/// Values at a kink within rounding that one search may have: none has been met.
const MAX_KINKS: usize = 1;

#[test]
fn networks_of_the_paper_have_their_numbers_of_parameters() {
    let facts = golden_json("rnn_facts");
    for (cell, facts) in facts.as_object().unwrap() {
        let genotype = RECURRENT.published(cell).unwrap();
        for (corpus, facts) in facts.as_object().unwrap() {
            let number = |key: &str| facts[key].as_u64().unwrap() as usize;
            let (vocabulary, hidden, expected) = (number("vocab"), number("hidden"), number("params"));
            let counted = recurrent_parameters(genotype.nodes(0), vocabulary, hidden);
            assert_eq!(counted, expected as u64, "{cell} on {corpus}");
            let net = RecurrentNet::derived(genotype.clone(), vocabulary, hidden);
            assert_eq!(net.layout().len(), expected, "{cell} on {corpus}");
        }
    }
}

#[test]
fn derived_networks_in_evaluation_mode_on_plain_ops() {
    derived_networks_in_evaluation_mode(Kernels::Reference, &cpu());
}

#[test]
fn derived_networks_in_evaluation_mode_on_the_kernels() {
    derived_networks_in_evaluation_mode(Kernels::Fused, &device());
}

fn derived_networks_in_evaluation_mode(kernels: Kernels, device: &Device) {
    let golden = Golden::open("rnn_derived");
    let cells: Vec<&str> = RECURRENT.published_names().filter(|cell| golden.has(&format!("{cell}.log_prob"))).collect();
    assert!(!cells.is_empty(), "no known cell");
    for cell in cells {
        let name = |part: &str| format!("{cell}.{part}");
        let [vocabulary, hidden] = *golden.shape(&name("param.encoder.weight")) else { panic!("a matrix") };
        let net = RecurrentNet::derived(RECURRENT.published(cell).unwrap(), vocabulary, hidden).on(kernels);
        let named = golden.names().filter(|n| n.starts_with(&name("param."))).count();
        assert_eq!(named, net.layout().parameters().len(), "{cell}: number of parameters");
        let weights = net.layout().pack(|part| Some(golden.values(&name(&format!("param.{part}"))).to_vec())).unwrap();
        let weights = vector(weights, device);
        let tokens = name("tokens");
        let text = text(&golden, &tokens, &tokens, device);
        let first = net.first_hidden(text.batch_size, device);
        let (found, hidden) = net.log_probabilities(&weights, None, &text, &first);
        assert_close(&name("log_prob"), &read(found.clone()), golden.values(&name("log_prob")), NETWORK_TOLERANCE);
        assert_close(&name("hidden"), &read(hidden), golden.values(&name("hidden")), NETWORK_TOLERANCE);
        // The loss is the mean over the next words; here each word is its own next word.
        let (loss, _) = net.evaluate(&weights, None, &text, &first);
        let found = read(found);
        let words = golden.values(&tokens);
        let sum: f32 = words.iter().zip(found.chunks(vocabulary)).map(|(&word, row)| row[word as usize]).sum();
        assert_close(&name("loss"), &read(loss), &[-sum / words.len() as f32], 1e-5);
    }
}

#[test]
fn first_order_search_steps_on_plain_ops() {
    search_parity("rnn_search_order1", Order::First, Kernels::Reference, &cpu());
}

#[test]
fn second_order_search_steps_on_plain_ops() {
    search_parity("rnn_search_order2", Order::Second, Kernels::Reference, &cpu());
}

#[test]
fn first_order_search_steps_on_the_kernels() {
    search_parity("rnn_search_order1", Order::First, Kernels::Fused, &device());
}

#[test]
fn search_steps_on_the_kernels_for_the_cpu() {
    search_parity("rnn_search_order1", Order::First, Kernels::Fused, &cpu());
    search_parity("rnn_search_order2", Order::Second, Kernels::Fused, &cpu());
}

#[test]
fn derived_networks_in_evaluation_mode_on_the_kernels_for_the_cpu() {
    derived_networks_in_evaluation_mode(Kernels::Fused, &cpu());
}

#[test]
fn second_order_search_steps_on_the_kernels() {
    search_parity("rnn_search_order2", Order::Second, Kernels::Fused, &device());
}

fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn text(golden: &Golden, tokens: &str, targets: &str, device: &Device) -> TextBatch {
    let [length, batch_size] = *golden.shape(tokens) else { panic!("{tokens}: rows of words") };
    let words = |name: &str| golden.values(name).iter().map(|&word| word as i32).collect();
    TextBatch::upload(&Window { tokens: words(tokens), targets: words(targets), length, batch_size }, device)
}

fn search_parity(name: &str, order: Order, kernels: Kernels, device: &Device) {
    let golden = Golden::open(name);
    let facts = golden_json(name);
    let number = |key: &str| facts[key].as_f64().unwrap_or_else(|| panic!("{name}.json has no {key}"));
    let beta = |i: usize| facts["arch_betas"][i].as_f64().unwrap();
    let config = RecurrentConfig {
        order,
        batch_size: number("batch") as usize,
        hidden: number("hidden") as usize,
        bptt: number("bptt") as usize,
        learning_rate: number("lr"),
        weight_decay: number("weight_decay"),
        grad_clip: number("clip"),
        dropouts: Default::default(),
        penalties: Penalties { activation: 0.0, slowness: number("temporal_beta") },
        arch_learning_rate: number("arch_lr"),
        arch_betas: (beta(0), beta(1)),
        arch_weight_decay: number("arch_weight_decay"),
        kernels,
        ..RecurrentConfig::default()
    };
    let net = RecurrentNet::relaxed(number("vocab") as usize, config.hidden, kernels);
    let flat = |prefix: &str| {
        let values = net.layout().pack(|part| Some(golden.values(&format!("{prefix}.{part}")).to_vec()));
        vector(values.unwrap(), device)
    };
    let shape = net.alpha_shape();
    assert_eq!(shape, golden.shape("init.alphas"));
    assert_eq!(shape[1], RECURRENT_CANDIDATES.len());
    let mut search = Bilevel::from_parts(net.clone(), flat("init"), golden.tensor("init.alphas", device));
    let mut kinks = Kinks::new(format!("{name}, {}", path_name(kernels, device)), MAX_KINKS);
    for (step, fact) in facts["steps"].as_array().unwrap().iter().enumerate() {
        let passage = |split: &str| {
            let part = |part: &str| format!("step{step}.{split}_{part}");
            let text = text(&golden, &part("tokens"), &part("targets"), device);
            let hidden = golden.tensor::<3>(&format!("step{step}.hidden_{split}"), device);
            let hidden = hidden.reshape([text.batch_size, config.hidden]);
            Passage { text, hidden, masks: Masks::default(), penalties: Penalties::default() }
        };
        let (train, valid) = (passage("train"), passage("valid"));
        let penalised = Passage { penalties: config.penalties, ..train.clone() };
        let what = |part: &str| format!("{name} step {step} {part}");
        // The second order divides a difference of two gradients by a small number.
        let tolerance = NETWORK_TOLERANCE * if order == Order::Second { 10.0 } else { 1.0 };
        let gradient = |search: &Bilevel<RecurrentNet>| {
            let pass = search.architecture_pass(&config, config.learning_rate, &train, &valid);
            pass.alpha_gradient.expect("an architecture pass has an alpha gradient")
        };
        let expected = golden.values(&format!("step{step}.grad.alphas"));
        let moved = |attempt: u64| {
            let mut moved = search.clone();
            moved.weights = moved_by_rounding(&moved.weights, attempt);
            moved
        };
        let found = gradient(&search);
        let right = kinks.compare(&Comparison {
            what: &format!("step {step} alpha gradient"),
            found: &read(found.clone()),
            golden: expected,
            distance: &relative_distance,
            tolerance,
            moved: &|attempt| read(gradient(&moved(attempt))),
            oracle: None,
        });
        let golden_gradient = Tensor::from_data(TensorData::new(expected.to_vec(), shape), device);
        search.update_alphas(&config, if right { found } else { golden_gradient });
        let alphas = golden.values(&format!("step{step}.after.alphas"));
        assert_close(&what("alphas"), &read(search.alphas.clone()), alphas, ALPHA_TOLERANCE);
        let (log_probabilities, _) =
            net.log_probabilities(&search.weights, Some(&search.alphas), &train.text, &train.hidden);
        let expected = golden.values(&format!("step{step}.log_prob"));
        assert_close(&what("log-probabilities"), &read(log_probabilities), expected, NETWORK_TOLERANCE);
        if step == 0 {
            let pass = net.pass(&search.weights, Some(&search.alphas), &penalised, GradientTargets::WEIGHTS);
            let expected = read(flat("step0.grad"));
            let gradient = read(pass.weight_gradient.unwrap());
            assert_close(&what("weight gradient"), &gradient, &expected, NETWORK_TOLERANCE);
            for parameter in net.layout().parameters() {
                let range = parameter.range();
                assert_close(&what(&parameter.name), &gradient[range.clone()], &expected[range], NETWORK_TOLERANCE);
            }
        }
        let before = search.clone();
        let (pass, norm) = search.weight_step(&config, config.learning_rate, &penalised);
        let scalar = |key: &str| [fact[key].as_f64().unwrap() as f32];
        assert_close(&what("likelihood"), &read(pass.nll), &scalar("train_nll"), NETWORK_TOLERANCE);
        assert_close(&what("loss"), &read(pass.loss), &scalar("loss"), NETWORK_TOLERANCE);
        let norm_of =
            |search: &Bilevel<RecurrentNet>| search.clone().weight_step(&config, config.learning_rate, &penalised).1;
        kinks.compare(&Comparison {
            what: &format!("step {step} gradient norm"),
            found: &read(norm),
            golden: &scalar("grad_norm"),
            distance: &relative_distance,
            tolerance: NETWORK_TOLERANCE,
            moved: &|attempt| {
                let mut moved = before.clone();
                moved.weights = moved_by_rounding(&moved.weights, attempt);
                read(norm_of(&moved))
            },
            oracle: None,
        });
    }
    assert_close("final weights", &read(search.weights.clone()), &read(flat("final")), NETWORK_TOLERANCE);
    assert_close("final alphas", &read(search.alphas.clone()), golden.values("final.alphas"), ALPHA_TOLERANCE);
    let found = Alphas::from_flat(RECURRENT, &read(search.alphas));
    let genotype: Genotype = serde_json::from_value(facts["genotype"].clone()).unwrap();
    assert_eq!(found.genotype(), genotype, "derived genotype");
    kinks.finish();
}
