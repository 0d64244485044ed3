//! The convolutional search against tensors that the paper authors' implementation computed in float64.
//!
//! Tolerances are relative distances (norm of the difference over norm of the golden tensor). A float32 convolution of
//! these sizes sums some hundred products of 24-bit numbers, which leaves about 1e-6; BatchNorm over small minibatches
//! divides by small deviations and costs one to two digits: hence 1e-4 for a single op.

use burn::tensor::{DType, Device, Tensor, TensorData};
use darts_engine::{
    config::{Kernels, Order, SearchConfig},
    model::{GradientTargets, Minibatch, Supernet, candidate_layout, candidate_pass},
    search::Bilevel,
    space::{Alphas, CANDIDATES, CONVOLUTIONAL, Genotype},
};
use darts_tests::*;
use serde_json::Value;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Mutex};

/// Tolerance of one op, forward and backward in float32.
const OP_TOLERANCE: f64 = 1e-4;
/// Tolerance of a supernet of three cells, whose float32 error is some ten times that of one op.
const NETWORK_TOLERANCE: f64 = 1e-3;
/// Tolerance of the scalars of five steps: loss and gradient norm.
const SCALAR_TOLERANCE: f64 = 1e-3;
/// Tolerance of the alphas. The first steps of Adam divide a gradient by its own size, so near zero its float32 sign decides.
/// Five steps move the alphas by up to 1.5e-3, as much as their initial size.
const ALPHA_TOLERANCE: f64 = 5e-3;
/// In float64 all that is left is the rounding of the file's float32.
const FLOAT64_TOLERANCE: f64 = 1e-6;

/// Values at a kink within rounding that one search may have in float32: none but the known one has been met.
const MAX_KINKS: usize = 1;
/// Kinks of the draw beside these tests.
const KNOWN_KINKS: [(&str, &str); 1] = [("conv_search_order2", "step 4 alpha gradient")];

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
    search_parity("conv_search_order1", Kernels::Reference, &device());
}

#[test]
fn five_first_order_search_steps_on_the_kernels() {
    search_parity("conv_search_order1", Kernels::Fused, &device());
    search_parity("conv_search_order1", Kernels::Fused, &cpu());
}

#[test]
fn five_second_order_search_steps_on_plain_ops() {
    search_parity("conv_search_order2", Kernels::Reference, &device());
}

#[test]
fn search_steps_in_float64() {
    float64_states("conv_search_order1");
    float64_states("conv_search_order2");
}

#[test]
fn each_second_order_search_step_from_its_golden_state_on_plain_ops() {
    step_parity("conv_search_order2", Kernels::Reference, &cpu());
}

#[test]
fn each_second_order_search_step_from_its_golden_state_on_the_kernels() {
    step_parity("conv_search_order2", Kernels::Fused, &device());
    step_parity("conv_search_order2", Kernels::Fused, &cpu());
}

type Distance = fn(&[f32], &[f32]) -> f64;

/// How far a search step may be from the golden one, as relative distances but for the alpha gradient.
struct Tolerances {
    alpha_gradient: (Distance, f64),
    alphas: f64,
    network: f64,
    scalar: f64,
}

impl Tolerances {
    const FLOAT32: Self = Self {
        alpha_gradient: (relative_distance, NETWORK_TOLERANCE),
        alphas: ALPHA_TOLERANCE,
        network: NETWORK_TOLERANCE,
        scalar: SCALAR_TOLERANCE,
    };
    /// The second order divides a difference of two gradients by a small number.
    const FLOAT32_SECOND_ORDER: Self =
        Self { alpha_gradient: (relative_distance, 10.0 * NETWORK_TOLERANCE), ..Self::FLOAT32 };
    /// A single step of the second order: the largest difference too, beside the largest entry.
    const STEP: Self = Self {
        alpha_gradient: (
            |found, golden| relative_distance(found, golden).max(largest_distance(found, golden)),
            10.0 * NETWORK_TOLERANCE,
        ),
        ..Self::FLOAT32
    };
    const FLOAT64: Self = Self {
        alpha_gradient: (relative_distance, FLOAT64_TOLERANCE),
        alphas: FLOAT64_TOLERANCE,
        network: FLOAT64_TOLERANCE,
        scalar: FLOAT64_TOLERANCE,
    };
}

/// A golden search.
struct GoldenSearch {
    name: &'static str,
    golden: Golden,
    facts: Value,
    config: SearchConfig,
}

impl GoldenSearch {
    fn open(name: &'static str) -> Self {
        let facts = golden_json(name);
        let number = |key: &str| facts[key].as_f64().unwrap_or_else(|| panic!("{name}.json has no {key}"));
        let beta = |i: usize| facts["arch_betas"][i].as_f64().unwrap();
        let config = SearchConfig {
            order: if number("order") == 2.0 { Order::Second } else { Order::First },
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
            ..SearchConfig::default()
        };
        Self { name, golden: Golden::open(name), facts, config }
    }

    fn net(&self, kernels: Kernels) -> Supernet {
        let classes = self.golden.shape("init.classifier.bias")[0];
        Supernet::new(self.config.init_channels, self.config.layers, classes, kernels)
    }

    fn weights(&self, net: &Supernet, prefix: &str) -> Vec<f32> {
        net.layout().pack(|p| Some(self.golden.values(&format!("{prefix}.{p}")).to_vec())).unwrap()
    }

    fn alphas(&self, prefix: &str) -> Vec<f32> {
        ["normal", "reduce"].map(|kind| self.golden.values(&format!("{prefix}.alphas_{kind}"))).concat()
    }

    fn start(&self, kernels: Kernels, place: (&Device, DType)) -> Bilevel<Supernet> {
        let net = self.net(kernels);
        let weights = Tensor::<1>::from_data(self.weights(&net, "init").as_slice(), place);
        let alphas = Tensor::from_data(TensorData::new(self.alphas("init"), net.alpha_shape()), place);
        Bilevel::from_parts(net, weights, alphas)
    }

    fn steps(&self) -> usize {
        self.facts["steps"].as_array().unwrap().len()
    }

    /// The minibatches of a step that train the weights and the alphas, in the search's precision.
    fn minibatches(&self, step: usize, search: &Bilevel<Supernet>) -> [Minibatch; 2] {
        let device = search.weights.device();
        ["train", "valid"].map(|split| Minibatch {
            images: self.golden.tensor(&format!("step{step}.{split}.images"), (&device, search.weights.dtype())),
            labels: self.golden.integers(&format!("step{step}.{split}.labels"), &device),
        })
    }

    /// The architecture gradient of a step.
    fn alpha_gradient(&self, search: &Bilevel<Supernet>, step: usize) -> Vec<f32> {
        let [train, valid] = self.minibatches(step, search);
        let pass = search.architecture_pass(&self.config, self.config.learning_rate, &train, &valid);
        read(pass.alpha_gradient.expect("an architecture pass has an alpha gradient"))
    }

    /// One search step, compared with the file. Where the architecture gradient lies at a kink, the alphas follow the golden
    /// one. `oracle` is the same state for an independent path.
    fn step(
        &self,
        search: &mut Bilevel<Supernet>,
        step: usize,
        tolerances: &Tolerances,
        kinks: &mut Kinks,
        oracle: Option<&Bilevel<Supernet>>,
    ) {
        let [train, _] = self.minibatches(step, search);
        let found = self.alpha_gradient(search, step);
        let golden = self.alphas(&format!("step{step}.grad"));
        let moved = |state: &Bilevel<Supernet>, attempt: u64| {
            let mut moved = state.clone();
            moved.weights = moved_by_rounding(&moved.weights, attempt);
            moved
        };
        let right = kinks.compare(&Comparison {
            what: &format!("step {step} alpha gradient"),
            found: &found,
            golden: &golden,
            distance: &tolerances.alpha_gradient.0,
            tolerance: tolerances.alpha_gradient.1,
            moved: &|attempt| self.alpha_gradient(&moved(search, attempt), step),
            oracle: oracle
                .map(|oracle| |attempt| self.alpha_gradient(&moved(oracle, attempt), step))
                .as_ref()
                .map(|run| run as &dyn Fn(u64) -> Vec<f32>),
        });
        let gradient = TensorData::new(if right { found } else { golden }, search.alphas.dims());
        let place = (&search.alphas.device(), search.alphas.dtype());
        search.update_alphas(&self.config, Tensor::from_data(gradient, place));
        let what = |part: &str| format!("{} step {step} {part}", self.name);
        let alphas = self.alphas(&format!("step{step}.after"));
        assert_close(&what("alphas"), &read(search.alphas.clone()), &alphas, tolerances.alphas);
        if step == 0 {
            let pass = search.network().pass(&search.weights, &search.alphas, &train, GradientTargets::WEIGHTS);
            let golden = self.weights(search.network(), "step0.grad");
            assert_close(&what("weight gradient"), &read(pass.weight_gradient.unwrap()), &golden, tolerances.network);
        }
        let before = search.clone();
        let weight_step =
            |search: &mut Bilevel<Supernet>| search.weight_step(&self.config, self.config.learning_rate, &train);
        let (pass, norm) = weight_step(search);
        let logits = self.golden.values(&format!("step{step}.train.logits"));
        assert_close(&what("logits"), &read(pass.logits), logits, tolerances.network);
        let scalar = |key: &str| [self.facts["steps"][step][key].as_f64().unwrap() as f32];
        assert_close(&what("loss"), &read(pass.loss), &scalar("train_loss"), tolerances.scalar);
        kinks.compare(&Comparison {
            what: &format!("step {step} gradient norm"),
            found: &read(norm),
            golden: &scalar("grad_norm"),
            distance: &relative_distance,
            tolerance: tolerances.scalar,
            moved: &|attempt| read(weight_step(&mut moved(&before, attempt)).1),
            oracle: None,
        });
    }

    /// The end of a search, compared with the file.
    fn end(&self, search: &Bilevel<Supernet>, tolerances: &Tolerances) {
        let golden = self.weights(search.network(), "final");
        assert_close("final weights", &read(search.weights.clone()), &golden, tolerances.network);
        let found = Alphas::from_flat(CONVOLUTIONAL, &read(search.alphas.clone()));
        let genotype: Genotype = serde_json::from_value(self.facts["genotype"].clone()).unwrap();
        assert_eq!(found.genotype(), genotype, "derived genotype");
    }
}

/// A whole search in float32: each step starts where the one before ended.
fn search_parity(name: &'static str, kernels: Kernels, device: &Device) {
    let golden = GoldenSearch::open(name);
    let tolerances = match golden.config.order {
        Order::First => Tolerances::FLOAT32,
        Order::Second => Tolerances::FLOAT32_SECOND_ORDER,
    };
    let mut kinks = Kinks::new(format!("{name}, {}", path_name(kernels, device)), MAX_KINKS);
    let mut search = golden.start(kernels, (device, DType::F32));
    for step in 0..golden.steps() {
        golden.step(&mut search, step, &tolerances, &mut kinks, None);
    }
    golden.end(&search, &tolerances);
    expect_known_kinks(name, kinks);
}

/// The states before the steps of a golden search. The file has the alphas after each step, but weights of the start and the
/// end only: those between are computed here, by plain ops in float64, where no kink is within rounding and every number of
/// the file is met, the final weights among them.
fn float64_states(name: &'static str) -> &'static [Bilevel<Supernet>] {
    static STATES: Mutex<BTreeMap<&str, &[Bilevel<Supernet>]>> = Mutex::new(BTreeMap::new());
    STATES.lock().unwrap().entry(name).or_insert_with(|| {
        let golden = GoldenSearch::open(name);
        let mut kinks = Kinks::new(format!("{name}, float64"), 0);
        let mut search = golden.start(Kernels::Reference, (&cpu(), DType::F64));
        let states = (0..golden.steps()).map(|step| {
            let before = search.clone();
            golden.step(&mut search, step, &Tolerances::FLOAT64, &mut kinks, None);
            before
        });
        let states: Vec<Bilevel<Supernet>> = states.collect();
        golden.end(&search, &Tolerances::FLOAT64);
        kinks.finish();
        states.leak()
    })
}

/// Each step of a search by itself in float32, from the golden state before it: no step carries an error to the next.
fn step_parity(name: &'static str, kernels: Kernels, device: &Device) {
    let golden = GoldenSearch::open(name);
    let mut kinks = Kinks::new(format!("{name} step by step, {}", path_name(kernels, device)), MAX_KINKS);
    for (step, state) in float64_states(name).iter().enumerate() {
        let mut search =
            Bilevel::from_parts(golden.net(kernels), rounded(&state.weights, device), rounded(&state.alphas, device));
        search.momentum = state.momentum.as_ref().map(|momentum| rounded(momentum, device));
        search.moments = (rounded(&state.moments.0, device), rounded(&state.moments.1, device));
        search.architecture_steps = state.architecture_steps;
        golden.step(&mut search, step, &Tolerances::STEP, &mut kinks, Some(state));
    }
    expect_known_kinks(name, kinks);
}

/// A tensor in float32 on another device.
fn rounded<const D: usize>(tensor: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(tensor.clone().into_data(), (device, DType::F32))
}

#[test]
fn a_kink_passes_only_with_both_sides_shown() {
    let (golden, other) = ([1.0, 2.0], [1.0, 3.0]);
    let golden_from = |first: u64| move |attempt: u64| if attempt < first { other.to_vec() } else { golden.to_vec() };
    let compare = |most: usize, moved: &dyn Fn(u64) -> Vec<f32>, oracle: Option<&dyn Fn(u64) -> Vec<f32>>| {
        let value = |found| Comparison {
            what: "a value",
            found,
            golden: &golden,
            distance: &relative_distance,
            tolerance: 1e-6,
            moved,
            oracle,
        };
        std::panic::catch_unwind(AssertUnwindSafe(|| {
            let mut kinks = Kinks::new("a test", most);
            assert!(kinks.compare(&value(&golden)));
            assert!(!kinks.compare(&value(&other)));
            kinks.finish()
        }))
    };
    assert_eq!(compare(1, &golden_from(3), None).unwrap(), ["a value"]);
    assert_eq!(compare(1, &golden_from(MAX_PERTURBATIONS), Some(&golden_from(2))).unwrap(), ["a value"]);
    assert!(compare(0, &golden_from(3), None).is_err(), "one kink too many");
    assert!(compare(1, &golden_from(MAX_PERTURBATIONS + 1), None).is_err(), "the golden side does not appear");
    assert!(compare(1, &golden_from(1), None).is_err(), "the other side does not appear");
    assert!(compare(1, &golden_from(3), Some(&golden_from(1))).is_err(), "the other side is not the oracle's");
}

/// In the draw beside these tests nothing but the known kinks lies at one.
fn expect_known_kinks(name: &str, kinks: Kinks) {
    let found = kinks.finish();
    if is_own_draw(&format!("{name}.json")) {
        let known = |kink: &String| KNOWN_KINKS.contains(&(name, kink));
        assert!(found.iter().all(known), "{name}: not known to lie at kinks: {found:?}");
    }
}
