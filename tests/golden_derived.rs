//! Networks of derived cells against tensors that the paper authors' implementation computed in float64.

use burn::tensor::{DType, Device, Tensor};
use darts_engine::{
    config::Kernels,
    model::{Minibatch, TrainPass},
    network::Network,
    space::{CONVOLUTIONAL, Stem},
};
use darts_tests::*;
use std::collections::BTreeSet;

/// Tolerance of a network of three cells in float32, as for the supernet.
const TOLERANCE: f64 = 1e-3;
/// In float64 all that is left is the rounding of the file's float32.
const FLOAT64_TOLERANCE: f64 = 1e-6;
/// A bias whose channel no ReLU cuts is taken out by the BatchNorm that follows: its gradient is zero in theory and rounding
/// in practice, at which a relative distance says nothing. So a gradient counts as no smaller than this share of the
/// network's largest. In the draw beside these tests all gradients are larger: there the floor changes nothing.
const FLOOR: f64 = 1e-4;
/// Networks' gradients at a kink within rounding: none has been met.
const MAX_KINKS: usize = 1;

/// Network of the golden file.
struct GoldenNetwork<'a> {
    golden: &'a Golden,
    name: &'a str,
    net: Network,
}

impl<'a> GoldenNetwork<'a> {
    fn all(golden: &'a Golden) -> Vec<Self> {
        let names: BTreeSet<&str> = golden.names().filter_map(|name| Some(name.split_once(".param.")?.0)).collect();
        assert!(!names.is_empty());
        names.into_iter().map(|name| Self::open(golden, name)).collect()
    }

    fn open(golden: &'a Golden, name: &'a str) -> Self {
        let parameter = |parameter: &str| format!("{name}.param.{parameter}");
        let channels = golden.shape(&parameter("stem.0.weight"))[0] / 3;
        let classes = golden.shape(&parameter("classifier.bias"))[0];
        let layers =
            (0..).take_while(|l| golden.has(&parameter(&format!("cells.{l}.preprocess1.op.1.weight")))).count();
        let net = Network::new(CONVOLUTIONAL.published(name).unwrap(), Stem::Cifar10, channels, layers, classes, false);
        // Every name and shape matches the authors', and none is missing.
        for p in net.layout().parameters() {
            assert_eq!(p.shape, golden.shape(&parameter(&p.name)), "{name} {}", p.name);
        }
        let named = golden.names().filter(|n| n.starts_with(&parameter(""))).count();
        assert_eq!(named, net.layout().parameters().len(), "{name}: number of parameters");
        Self { golden, name, net }
    }

    /// The flat vector of weights, or of their gradient: `part` is `param` or `grad`.
    fn flat(&self, part: &str) -> Vec<f32> {
        let values = |p: &str| Some(self.golden.values(&format!("{}.{part}.{p}", self.name)).to_vec());
        self.net.layout().pack(values).unwrap()
    }

    fn pass(&self, kernels: Kernels, weights: &Tensor<1>) -> TrainPass {
        let device = weights.device();
        let batch = Minibatch {
            images: self.golden.tensor(&format!("{}.images", self.name), (&device, weights.dtype())),
            labels: self.golden.integers(&format!("{}.labels", self.name), &device),
        };
        self.net.clone().on(kernels).train_pass(weights, &batch, 0.0, None)
    }

    /// The largest distance of a parameter's gradient from the golden one: the norm of the difference over the norm of the
    /// golden gradient, or over [`FLOOR`] times the largest such norm of the network, where that is more.
    fn distance(&self, found: &[f32], golden: &[f32]) -> f64 {
        let ranges = || self.net.layout().parameters().iter().map(|parameter| parameter.range());
        let floor = FLOOR * ranges().map(|range| norm(&golden[range])).fold(0.0, f64::max);
        ranges()
            .map(|range| distance(&found[range.clone()], &golden[range.clone()]) / norm(&golden[range]).max(floor))
            .fold(0.0, f64::max)
    }

    /// The gradient by a path, compared with the golden one.
    fn compare_gradient(&self, kernels: Kernels, weights: &Tensor<1>, golden: &[f32], tolerance: f64, most: usize) {
        let path = path_name(kernels, &weights.device());
        let mut kinks = Kinks::new(format!("{}, {path}, {:?}", self.name, weights.dtype()), most);
        let gradient = |weights: &Tensor<1>| read(self.pass(kernels, weights).gradient);
        kinks.compare(&Comparison {
            what: "gradients",
            found: &gradient(weights),
            golden,
            distance: &|found, golden| self.distance(found, golden),
            tolerance,
            moved: &|attempt| gradient(&moved_by_rounding(weights, attempt)),
            oracle: None,
        });
        kinks.finish();
    }
}

#[test]
fn loss_logits_and_every_gradient_in_plain_ops() {
    parity(Kernels::Reference, (&device(), DType::F32), TOLERANCE, MAX_KINKS);
}

#[test]
fn loss_logits_and_every_gradient_on_the_fused_kernels() {
    parity(Kernels::Fused, (&device(), DType::F32), TOLERANCE, MAX_KINKS);
    parity(Kernels::Fused, (&cpu(), DType::F32), TOLERANCE, MAX_KINKS);
}

#[test]
fn loss_logits_and_every_gradient_in_float64() {
    parity(Kernels::Reference, (&cpu(), DType::F64), FLOAT64_TOLERANCE, 0);
}

fn parity(kernels: Kernels, place: (&Device, DType), tolerance: f64, most: usize) {
    let golden = Golden::open("conv_derived");
    for network in GoldenNetwork::all(&golden) {
        let weights = Tensor::<1>::from_data(network.flat("param").as_slice(), place);
        let pass = network.pass(kernels, &weights);
        let part = |part: &str| format!("{}.{part}", network.name);
        assert_close(&part("loss"), &read(pass.loss), golden.values(&part("loss")), tolerance);
        assert_close(&part("logits"), &read(pass.logits), golden.values(&part("logits")), tolerance);
        network.compare_gradient(kernels, &weights, &network.flat("grad"), tolerance, most);
    }
}

/// With so large a bias in the stem no ReLU cuts any of its channels, and the BatchNorm behind each convolution takes the bias
/// out: its gradient is zero, and float32 leaves a rounding error of which only the floor says that it is small.
#[test]
fn a_gradient_that_is_zero_in_theory_may_be_rounding() {
    let golden = Golden::open("conv_derived");
    for network in GoldenNetwork::all(&golden) {
        let bias = network.net.layout().get("stem.1.bias").expect("the stem has a bias").range();
        let mut weights = network.flat("param");
        weights[bias.clone()].fill(10.0);
        let exact = Tensor::<1>::from_data(weights.as_slice(), (&cpu(), DType::F64));
        let exact = read(network.pass(Kernels::Reference, &exact).gradient);
        assert!(norm(&exact[bias]) < 1e-12 * norm(&exact), "{}: the bias is not taken out", network.name);
        for (kernels, device) in [(Kernels::Reference, cpu()), (Kernels::Fused, cpu()), (Kernels::Fused, device())] {
            let weights = Tensor::<1>::from_data(weights.as_slice(), &device);
            network.compare_gradient(kernels, &weights, &exact, TOLERANCE, MAX_KINKS);
        }
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
