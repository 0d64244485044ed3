//! The fused kernels of the recurrent cell against plain Burn ops, forward and backward.

use burn::tensor::{Device, Tensor, TensorData};
use darts_engine::{
    data::Window,
    device::Compute,
    search::Penalties,
    supernet::{Dropouts, Kernels, Passage, RecurrentNet, RecurrentPass, TextBatch, Wrt},
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Both paths compute in float32, in different orders: see the golden tests for where the digits go.
const TOLERANCE: f64 = 1e-3;
const VOCABULARY: usize = 30;

/// A window with what is dropped in it, weights, alphas and a state before, drawn alike on every device.
struct Case {
    units: usize,
    length: usize,
    batch: usize,
    dropouts: Dropouts,
}

impl Case {
    fn values(&self, seed: u64, count: usize, range: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random_range(-range..range)).collect()
    }

    fn pass(&self, kernels: Kernels, attempt: u64, device: &Device, wrt: Wrt) -> RecurrentPass {
        let &Case { units, length, batch, dropouts } = self;
        let net = RecurrentNet::relaxed(VOCABULARY, units, kernels);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut words = || (0..length * batch).map(|_| rng.random_range(0..VOCABULARY as i32)).collect::<Vec<i32>>();
        let window = Window { tokens: words(), targets: words(), length, batch_size: batch };
        let put = |values: Vec<f32>, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), device);
        let weights =
            put(self.values(4, net.layout().len(), 0.5), [1, net.layout().len()]).reshape([net.layout().len()]);
        let weights = if attempt == 0 { weights } else { moved_by_rounding(&weights, attempt) };
        let shape = net.alpha_shape();
        let alphas = put(self.values(5, shape[0] * shape[1], 1.0), shape);
        let passage = Passage {
            text: TextBatch::upload(&window, device),
            hidden: put(self.values(6, batch * units, 1.0), [batch, units]),
            masks: dropouts.draw(&window, VOCABULARY, units, &mut ChaCha8Rng::seed_from_u64(7), device),
        };
        net.pass(&weights, Some(&alphas), &passage, Penalties { activation: 0.1, slowness: 0.2 }, wrt)
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}

fn compare(units: usize, length: usize, batch: usize, dropouts: Dropouts) {
    let case = Case { units, length, batch, dropouts };
    let what = |part: &str| format!("{units} units, {length} words, minibatch of {batch}: {part}");
    let expected = case.pass(Kernels::Reference, 0, &Compute::cpu().device, Wrt::BOTH);
    let [expected_weights, expected_nll, expected_loss] =
        [expected.weight_gradient.unwrap(), expected.nll, expected.loss].map(read);
    let expected_alphas = read(expected.alpha_gradient.unwrap());
    let (means, variances) = expected.statistics.unwrap();
    let layout = RecurrentNet::relaxed(VOCABULARY, units, Kernels::Fused).layout().clone();
    // Where a candidate lies closer to the kink of the ReLU than float32 resolves, its gradient has two right values; see
    // the kernels of convolutional cells.
    let mut wrong = Vec::new();
    for attempt in 0..20 {
        let found = case.pass(Kernels::Fused, attempt, &device(), Wrt::BOTH);
        assert_close(&what("likelihood"), &read(found.nll), &expected_nll, TOLERANCE);
        assert_close(&what("loss"), &read(found.loss), &expected_loss, TOLERANCE);
        assert_close(&what("state"), &read(found.hidden), &read(expected.hidden.clone()), TOLERANCE);
        let (found_means, found_variances) = found.statistics.unwrap();
        assert_close(&what("means"), &read(found_means), &read(means.clone()), TOLERANCE);
        assert_close(&what("variances"), &read(found_variances), &read(variances.clone()), TOLERANCE);
        let weights = read(found.weight_gradient.unwrap());
        wrong.clear();
        for parameter in layout.parameters() {
            let range = parameter.range();
            let (found, expected) = (&weights[range.clone()], &expected_weights[range]);
            if distance(found, expected) > TOLERANCE * norm(expected) {
                wrong.push(format!("{} by {:.1e}", parameter.name, distance(found, expected) / norm(expected)));
            }
        }
        let alphas = read(found.alpha_gradient.unwrap());
        if distance(&alphas, &expected_alphas) > TOLERANCE * norm(&expected_alphas) {
            wrong.push(format!("the alphas by {:.1e}", distance(&alphas, &expected_alphas) / norm(&expected_alphas)));
        }
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{}", what(&format!("gradients differ, those of {}", wrong.join(", "))));
}

const SOME: Dropouts = Dropouts { embedding: 0.2, input: 0.2, cell_input: 0.3, hidden: 0.25, output: 0.3 };

#[test]
fn units_that_are_no_multiple_of_four() {
    compare(7, 3, 5, SOME);
}

#[test]
fn a_single_word_of_a_minibatch_larger_than_a_workgroup() {
    compare(6, 1, 70, Dropouts::default());
}

#[test]
fn the_same_pass_gives_the_same_bits() {
    let pass = |length: usize| {
        let case = Case { units: 7, length, batch: 5, dropouts: SOME };
        let pass = case.pass(Kernels::Fused, 0, &device(), Wrt::BOTH);
        let mut values = read(pass.weight_gradient.unwrap());
        values.extend(read(pass.alpha_gradient.unwrap()));
        values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    assert!(pass(3) == pass(3));
}
