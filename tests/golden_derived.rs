//! Networks of derived cells against tensors that the paper authors' implementation computed in float64.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    config::Kernels,
    model::Minibatch,
    network::Network,
    space::{CONVOLUTIONAL, Stem},
};
use darts_tests::*;
use std::collections::BTreeSet;

/// Tolerance of a network of three cells in float32, as for the supernet.
const TOLERANCE: f64 = 1e-3;

#[test]
fn loss_logits_and_every_gradient_in_plain_ops() {
    parity(Kernels::Reference, &device());
}

#[test]
fn loss_logits_and_every_gradient_on_the_fused_kernels() {
    parity(Kernels::Fused, &device());
    parity(Kernels::Fused, &cpu());
}

fn parity(kernels: Kernels, device: &Device) {
    let golden = Golden::open("conv_derived");
    let names: BTreeSet<&str> = golden.names().filter_map(|name| Some(name.split_once(".param.")?.0)).collect();
    assert!(!names.is_empty());
    for name in names {
        let part = |part: &str| format!("{name}.{part}");
        let parameter = |parameter: &str| part(&format!("param.{parameter}"));
        let channels = golden.shape(&parameter("stem.0.weight"))[0] / 3;
        let classes = golden.shape(&parameter("classifier.bias"))[0];
        let layers =
            (0..).take_while(|l| golden.has(&parameter(&format!("cells.{l}.preprocess1.op.1.weight")))).count();
        let net = Network::new(CONVOLUTIONAL.published(name).unwrap(), Stem::Cifar10, channels, layers, classes, false)
            .on(kernels);
        // Every name and shape matches the authors', and none is missing.
        for p in net.layout().parameters() {
            assert_eq!(p.shape, golden.shape(&parameter(&p.name)), "{name} {}", p.name);
        }
        let named = golden.names().filter(|n| n.starts_with(&parameter(""))).count();
        assert_eq!(named, net.layout().parameters().len(), "{name}: number of parameters");

        let weights = net.layout().pack(|p| Some(golden.values(&parameter(p)).to_vec())).unwrap();
        let weights = Tensor::from_data(TensorData::new(weights, [net.layout().len()]), device);
        let labels: Vec<i32> = golden.values(&part("labels")).iter().map(|&l| l as i32).collect();
        let count = labels.len();
        let batch = Minibatch {
            images: golden.tensor(&part("images"), device),
            labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), device),
        };
        let pass = net.train_pass(&weights, &batch, 0.0, None);
        assert_close(&part("loss"), &read(pass.loss), golden.values(&part("loss")), TOLERANCE);
        assert_close(&part("logits"), &read(pass.logits), golden.values(&part("logits")), TOLERANCE);
        let far = |gradient: Tensor<1>| -> Option<String> {
            let gradient = read(gradient);
            net.layout().parameters().iter().find_map(|p| {
                let expected = golden.values(&part(&format!("grad.{}", p.name)));
                let distance = relative_distance(&gradient[p.range()], expected);
                (distance > TOLERANCE).then(|| format!("{name} gradient of {}: {distance:.2e}", p.name))
            })
        };
        let Some(first) = far(pass.gradient) else { continue };
        // At a ReLU's kink or a tie in a max pool two gradients are correct and rounding picks one: then weights changed
        // within float32's rounding must give the golden one.
        let moved = |attempt| net.train_pass(&moved_by_rounding(&weights, attempt), &batch, 0.0, None).gradient;
        let attempt = (1..=40).find(|&attempt| far(moved(attempt)).is_none());
        let attempt = attempt.unwrap_or_else(|| panic!("{first}, and no better within rounding of the weights"));
        eprintln!("{first}: a kink within rounding; the golden side was found at attempt {attempt}");
    }
}

#[test]
fn networks_of_the_paper_have_their_numbers_of_parameters() {
    let facts = golden_json("conv_facts");
    let names: Vec<&String> = facts.as_object().unwrap().keys().filter(|&name| name != "search_supernet").collect();
    assert!(!names.is_empty());
    for name in names {
        for (key, stem, classes) in [("cifar10", Stem::Cifar10, 10), ("imagenet", Stem::ImageNet, 1000)] {
            let size = |fact: &str| facts[name][key][fact].as_u64().unwrap() as usize;
            let count = |auxiliary| {
                let genotype = CONVOLUTIONAL.published(name).unwrap();
                let net = Network::new(genotype, stem, size("init_channels"), size("layers"), classes, auxiliary);
                net.layout().len()
            };
            assert_eq!(count(false), size("params"), "{name} for {key}");
            assert_eq!(count(true) - count(false), size("aux_params"), "auxiliary head of {name} for {key}");
        }
    }
}
