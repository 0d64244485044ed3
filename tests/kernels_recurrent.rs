//! The fused kernels of the recurrent cell against plain Burn ops, forward and backward.

use burn::tensor::{Device, Tensor, TensorData};
use darts_engine::{
    config::{Dropouts, Kernels, Penalties},
    data::Window,
    device::Compute,
    model::{GradientTargets, Passage, RecurrentPass, RunningStatistics, TextBatch},
    network::RecurrentNet,
    space::{Genotype, Op, RECURRENT},
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Relative tolerance: both paths compute in float32, in different orders; the golden tests explain the loss of digits.
const TOLERANCE: f64 = 1e-3;
const VOCABULARY: usize = 30;

/// Window, dropout masks, weights, alphas and an initial state, the same on every device.
struct Case {
    units: usize,
    length: usize,
    batch: usize,
    dropouts: Dropouts,
    /// Genotype of a derived cell; none for the relaxed cell.
    genotype: Option<Genotype>,
}

impl Case {
    fn values(&self, seed: u64, count: usize, range: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random_range(-range..range)).collect()
    }

    fn net(&self, kernels: Kernels) -> RecurrentNet {
        match &self.genotype {
            None => RecurrentNet::relaxed(VOCABULARY, self.units, kernels),
            Some(genotype) => RecurrentNet::derived(genotype.clone(), VOCABULARY, self.units).on(kernels),
        }
    }

    fn put(&self, seed: u64, shape: [usize; 2], range: f32, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values(seed, shape[0] * shape[1], range), shape), device)
    }

    fn weights(&self, net: &RecurrentNet, device: &Device) -> Tensor<1> {
        self.put(4, [1, net.layout().len()], 0.5, device).reshape([net.layout().len()])
    }

    fn window(&self) -> Window {
        let &Case { length, batch, .. } = self;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut words = || (0..length * batch).map(|_| rng.random_range(0..VOCABULARY as i32)).collect::<Vec<i32>>();
        Window { tokens: words(), targets: words(), length, batch_size: batch }
    }

    fn pass(&self, kernels: Kernels, attempt: u64, device: &Device, wrt: GradientTargets) -> RecurrentPass {
        let &Case { units, batch, dropouts, .. } = self;
        let net = self.net(kernels);
        let weights = self.weights(&net, device);
        let weights = if attempt == 0 { weights } else { moved_by_rounding(&weights, attempt) };
        let alphas = self.genotype.is_none().then(|| self.put(5, net.alpha_shape(), 1.0, device));
        let window = self.window();
        let passage = Passage {
            text: TextBatch::upload(&window, device),
            hidden: self.put(6, [batch, units], 1.0, device),
            masks: dropouts.draw(&window, VOCABULARY, units, &mut ChaCha8Rng::seed_from_u64(7), device),
            penalties: Penalties { activation: 0.1, slowness: 0.2 },
        };
        net.pass(&weights, alphas.as_ref(), &passage, wrt)
    }

    /// Loss, and state after the window, in evaluation mode.
    fn evaluate(&self, kernels: Kernels, device: &Device) -> [Vec<f32>; 2] {
        let &Case { units, batch, .. } = self;
        let net = self.net(kernels);
        let alphas = self.put(5, net.alpha_shape(), 1.0, device);
        let statistics = RunningStatistics {
            mean: self.put(8, [1, units], 0.5, device),
            variance: self.put(9, [1, units], 0.4, device) + 0.5,
        };
        let relaxed = self.genotype.is_none().then_some((&alphas, &statistics));
        let text = TextBatch::upload(&self.window(), device);
        let hidden = self.put(6, [batch, units], 1.0, device);
        let (loss, hidden) = net.evaluate(&self.weights(&net, device), relaxed, &text, &hidden);
        [read(loss), read(hidden)]
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}

/// Devices with kernels: one that runs compute shaders, and the CPU.
fn devices() -> [(&'static str, Device); 2] {
    [("shaders", device()), ("CPU", Compute::cpu().device)]
}

fn compare(case: Case) {
    for (name, device) in devices() {
        compare_on(name, &device, &case);
    }
}

fn compare_on(name: &str, device: &Device, case: &Case) {
    let &Case { units, length, batch, .. } = case;
    let what = |part: &str| format!("{name}, {units} units, {length} words, minibatch of {batch}: {part}");
    let expected = case.pass(Kernels::Reference, 0, &Compute::cpu().device, GradientTargets::BOTH);
    let [expected_weights, expected_nll, expected_loss] =
        [expected.weight_gradient.unwrap(), expected.nll, expected.loss].map(read);
    let expected_alphas = expected.alpha_gradient.map(read);
    let layout = case.net(Kernels::Fused).layout().clone();
    // Where a candidate is closer to the ReLU's kink than float32 resolves, two gradients are correct; see the kernels of
    // convolutional cells.
    let mut wrong = Vec::new();
    for attempt in 0..20 {
        let found = case.pass(Kernels::Fused, attempt, device, GradientTargets::BOTH);
        assert_close(&what("likelihood"), &read(found.nll), &expected_nll, TOLERANCE);
        assert_close(&what("loss"), &read(found.loss), &expected_loss, TOLERANCE);
        assert_close(&what("state"), &read(found.hidden), &read(expected.hidden.clone()), TOLERANCE);
        assert_eq!(found.statistics.is_some(), case.genotype.is_none());
        if let (Some(found), Some(expected)) = (found.statistics, expected.statistics.clone()) {
            assert_close(&what("means"), &read(found.0), &read(expected.0), TOLERANCE);
            assert_close(&what("variances"), &read(found.1), &read(expected.1), TOLERANCE);
        }
        let weights = read(found.weight_gradient.unwrap());
        wrong.clear();
        for parameter in layout.parameters() {
            let range = parameter.range();
            let (found, expected) = (&weights[range.clone()], &expected_weights[range]);
            if distance(found, expected) > TOLERANCE * norm(expected) {
                wrong.push(format!("{} by {:.1e}", parameter.name, distance(found, expected) / norm(expected)));
            }
        }
        if let Some(expected) = &expected_alphas {
            let alphas = read(found.alpha_gradient.unwrap());
            if distance(&alphas, expected) > TOLERANCE * norm(expected) {
                wrong.push(format!("the alphas by {:.1e}", distance(&alphas, expected) / norm(expected)));
            }
        }
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{}", what(&format!("gradients differ, those of {}", wrong.join(", "))));
}

const SOME: Dropouts = Dropouts { embedding: 0.2, input: 0.2, cell_input: 0.3, hidden: 0.25, output: 0.3 };

fn case(units: usize, length: usize, batch: usize, dropouts: Dropouts) -> Case {
    Case { units, length, batch, dropouts, genotype: None }
}

fn derived(genotype: Genotype) -> Case {
    Case { genotype: Some(genotype), ..case(7, 3, 5, SOME) }
}

/// Cell of more nodes than one word of kernel parameters describes; one node is neither read nor part of the output.
fn many_nodes() -> Genotype {
    let ops = [Op::IDENTITY, Op::TANH, Op::RELU, Op::SIGMOID];
    let recurrent: Vec<_> = (0..11).map(|node| (ops[node % 4], [node, node / 2, 0][node % 3])).collect();
    Genotype::new(RECURRENT, [(recurrent, vec![2, 3, 5, 8, 9, 11])])
}

#[test]
fn units_that_are_not_a_multiple_of_four() {
    compare(case(7, 3, 5, SOME));
}

#[test]
fn a_single_word_of_a_minibatch_larger_than_a_workgroup() {
    compare(case(6, 1, 70, Dropouts::default()));
}

#[test]
fn more_units_than_are_computed_side_by_side_and_words_than_at_once() {
    // 20 is more than 16 and not a multiple of it; 6 words of 30 columns are more than 128 rows.
    compare(case(20, 6, 30, SOME));
}

#[test]
fn a_derived_cell() {
    compare(derived(RECURRENT.published("DARTS_V2").unwrap()));
}

#[test]
fn a_derived_cell_of_many_nodes_of_which_some_are_the_output() {
    compare(derived(many_nodes()));
}

#[test]
fn cells_that_the_kernels_do_not_support_run_on_plain_ops() {
    // The first state is part of the output.
    compare(derived(Genotype::new(RECURRENT, [(vec![(Op::TANH, 0)], vec![0, 1])])));
}

#[test]
fn evaluation_mode() {
    for case in [case(7, 3, 5, SOME), derived(many_nodes())] {
        let expected = case.evaluate(Kernels::Reference, &Compute::cpu().device);
        for (name, device) in devices() {
            let found = case.evaluate(Kernels::Fused, &device);
            assert_close(&format!("{name}: loss"), &found[0], &expected[0], TOLERANCE);
            assert_close(&format!("{name}: state"), &found[1], &expected[1], TOLERANCE);
        }
    }
}

#[test]
fn the_same_pass_gives_the_same_bits() {
    for (name, device) in devices() {
        for genotype in [None, Some(many_nodes())] {
            let case = Case { genotype, ..case(7, 3, 5, SOME) };
            let pass = || {
                let pass = case.pass(Kernels::Fused, 0, &device, GradientTargets::BOTH);
                let mut values = read(pass.weight_gradient.unwrap());
                values.extend(pass.alpha_gradient.map(read).unwrap_or_default());
                values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            assert!(pass() == pass(), "{name}");
        }
    }
}
