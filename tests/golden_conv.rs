//! The convolutional search against tensors that the paper authors' implementation computed in float64.
//!
//! Tolerances are relative distances (norm of the difference over norm of the golden tensor). A float32 convolution of
//! these sizes sums some hundred products of 24-bit numbers, which leaves about 1e-6; BatchNorm over small minibatches
//! divides by small deviations and costs one to two digits: hence 1e-4 for a single op.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    config::{Kernels, Order, SearchConfig},
    model::{Minibatch, Supernet, candidate_layout, candidate_pass},
    search::Bilevel,
    space::{Alphas, CANDIDATES, CONVOLUTIONAL, Genotype},
};
use darts_tests::*;

/// Tolerance of one op, forward and backward in float32.
const OP_TOLERANCE: f64 = 1e-4;
/// Tolerance of a supernet of three cells, whose float32 error is some ten times that of one op.
const NETWORK_TOLERANCE: f64 = 1e-3;
/// Tolerance of the scalars of five steps: loss and gradient norm.
const SCALAR_TOLERANCE: f64 = 1e-3;
/// Tolerance of the alphas. The first steps of Adam divide a gradient by its own size, so near zero its float32 sign decides.
/// Five steps move the alphas by up to 1.5e-3, as much as their initial size.
const ALPHA_TOLERANCE: f64 = 5e-3;

#[test]
fn every_candidate_op_forward_and_backward_at_both_strides() {
    let device = device();
    let golden = Golden::open("conv_ops");
    for op in CANDIDATES {
        for stride in [1, 2] {
            let name = |part: &str| format!("{op}.stride{stride}.{part}");
            let input = golden.tensor::<4>(&name("input"), &device);
            let layout = candidate_layout(op, input.dims()[1], stride);
            let named = golden.names().filter(|n| n.starts_with(&name("param."))).count();
            assert_eq!(named, layout.parameters().len(), "{op} at stride {stride}: number of parameters");
            let weights = layout.pack(|part| Some(golden.values(&name(&format!("param.{part}"))).to_vec())).unwrap();
            let count = weights.len();
            let weights = Tensor::from_data(TensorData::new(weights, [count]), &device);
            let grad_output = golden.tensor::<4>(&name("grad_output"), &device);
            let (output, grad_input, grad_weights) = candidate_pass(op, stride, input, &weights, grad_output);
            let close = |part: &str, found: &[f32]| {
                assert_close(&name(part), found, golden.values(&name(part)), OP_TOLERANCE);
            };
            close("output", &read(output));
            close("grad_input", &read(grad_input));
            let grad_weights = read(grad_weights);
            for parameter in layout.parameters() {
                close(&format!("grad_param.{}", parameter.name), &grad_weights[parameter.range()]);
            }
        }
    }
}

#[test]
fn supernet_of_the_paper_has_its_number_of_parameters() {
    let facts = &golden_json("conv_facts")["search_supernet"];
    let size = |key: &str| facts[key].as_u64().unwrap() as usize;
    let net = Supernet::new(size("init_channels"), size("layers"), 10, Kernels::Reference);
    assert_eq!(net.layout().len(), size("params"));
}

#[test]
fn five_first_order_search_steps_on_plain_ops() {
    search_parity("conv_search_order1", Order::First, Kernels::Reference, &device());
}

#[test]
fn five_first_order_search_steps_on_the_kernels() {
    search_parity("conv_search_order1", Order::First, Kernels::Fused, &device());
    search_parity("conv_search_order1", Order::First, Kernels::Fused, &cpu());
}

#[test]
fn five_second_order_search_steps_on_plain_ops() {
    search_parity("conv_search_order2", Order::Second, Kernels::Reference, &device());
}

fn search_parity(name: &str, order: Order, kernels: Kernels, device: &Device) {
    let golden = Golden::open(name);
    let facts = golden_json(name);
    let number = |key: &str| facts[key].as_f64().unwrap_or_else(|| panic!("{name}.json has no {key}"));
    let beta = |i: usize| facts["arch_betas"][i].as_f64().unwrap();
    let config = SearchConfig {
        order,
        batch_size: number("batch") as usize,
        init_channels: number("init_channels") as usize,
        layers: number("layers") as usize,
        learning_rate: number("eta"),
        momentum: number("momentum"),
        weight_decay: number("weight_decay"),
        grad_clip: number("grad_clip"),
        arch_learning_rate: number("arch_lr"),
        arch_betas: (beta(0), beta(1)),
        arch_weight_decay: number("arch_weight_decay"),
        kernels,
        ..SearchConfig::default()
    };
    let classes = golden.shape("init.classifier.bias")[0];
    let net = Supernet::new(config.init_channels, config.layers, classes, kernels);
    let weights = net.layout().pack(|p| Some(golden.values(&format!("init.{p}")).to_vec())).unwrap();
    let weights = Tensor::from_data(TensorData::new(weights, [net.layout().len()]), device);
    let alphas = |prefix: &str| {
        let part = |kind: &str| golden.values(&format!("{prefix}.alphas_{kind}")).to_vec();
        [part("normal"), part("reduce")].concat()
    };
    let shape = net.alpha_shape();
    let initial = Tensor::from_data(TensorData::new(alphas("init"), shape), device);
    let mut search = Bilevel::from_parts(net, weights, initial);
    let batch = |step: usize, split: &str| {
        let labels: Vec<i32> = golden.values(&format!("step{step}.{split}.labels")).iter().map(|&l| l as i32).collect();
        let count = labels.len();
        Minibatch {
            images: golden.tensor(&format!("step{step}.{split}.images"), device),
            labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), device),
        }
    };
    let steps = facts["steps"].as_array().unwrap();
    for (step, fact) in steps.iter().enumerate() {
        let (train, valid) = (batch(step, "train"), batch(step, "valid"));
        if step == 0 {
            // Before the first weight step, with the alphas after the first architecture step.
            let mut probe = search.clone();
            probe.architecture_step(&config, config.learning_rate, &train, &valid);
            let pass = probe.network().pass(
                &probe.weights,
                &probe.alphas,
                &train,
                darts_engine::model::GradientTargets::WEIGHTS,
            );
            let gradient = read(pass.weight_gradient.unwrap());
            let layout = probe.network().layout();
            let expected = layout.pack(|p| Some(golden.values(&format!("step0.grad.{p}")).to_vec())).unwrap();
            assert_close("step 0 weight gradient", &gradient, &expected, NETWORK_TOLERANCE);
        }
        let what = |part: &str| format!("{name} step {step} {part}");
        // The second order divides a difference of two gradients by a small number.
        let tolerance = NETWORK_TOLERANCE * if order == Order::Second { 10.0 } else { 1.0 };
        let gradient = |search: &Bilevel<Supernet>| {
            let pass = search.architecture_pass(&config, config.learning_rate, &train, &valid);
            pass.alpha_gradient.expect("an architecture pass has an alpha gradient")
        };
        let found = gradient(&search);
        let expected = alphas(&format!("step{step}.grad"));
        if relative_distance(&read(found.clone()), &expected) <= tolerance {
            search.update_alphas(&config, found);
        } else {
            assert_same_but_for_a_kink(&what("alpha gradient"), &search, &gradient, &expected, tolerance);
            search.update_alphas(&config, Tensor::from_data(TensorData::new(expected, shape), device));
        }
        let before = search.clone();
        let (pass, norm) = search.weight_step(&config, config.learning_rate, &train);
        assert_close(
            &what("alphas"),
            &read(search.alphas.clone()),
            &alphas(&format!("step{step}.after")),
            ALPHA_TOLERANCE,
        );
        assert_close(
            &what("logits"),
            &read(pass.logits),
            golden.values(&format!("step{step}.train.logits")),
            NETWORK_TOLERANCE,
        );
        let scalar = |part: &str, found: f32, key: &str| {
            assert_close(&what(part), &[found], &[fact[key].as_f64().unwrap() as f32], SCALAR_TOLERANCE);
        };
        scalar("loss", read(pass.loss)[0], "train_loss");
        let norm_of = |search: &Bilevel<Supernet>| search.clone().weight_step(&config, config.learning_rate, &train).1;
        let expected = [fact["grad_norm"].as_f64().unwrap() as f32];
        if relative_distance(&read(norm), &expected) > SCALAR_TOLERANCE {
            let norm = |search: &Bilevel<Supernet>| norm_of(search).reshape([1, 1]);
            assert_same_but_for_a_kink(&what("gradient norm"), &before, &norm, &expected, SCALAR_TOLERANCE);
        }
    }
    let layout = search.network().layout().clone();
    let expected = layout.pack(|p| Some(golden.values(&format!("final.{p}")).to_vec())).unwrap();
    assert_close("final weights", &read(search.weights.clone()), &expected, NETWORK_TOLERANCE);
    let found = Alphas::from_flat(CONVOLUTIONAL, &read(search.alphas));
    let genotype: Genotype = serde_json::from_value(facts["genotype"].clone()).unwrap();
    assert_eq!(found.genotype(), genotype, "derived genotype");
}
