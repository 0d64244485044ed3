//! The fused kernels against plain Burn ops, forward and backward, and every shader against naga.

use burn::tensor::{Int, Tensor, TensorData};
use darts_engine::{
    space::CellKind::{self, Normal, Reduce},
    supernet::{Kernels, Minibatch, Supernet, Wrt},
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Both paths compute in float32, in different orders: see the golden tests for where the digits go.
const TOLERANCE: f64 = 1e-3;

#[test]
fn cells_of_the_paper_s_kind() {
    compare(4, &[Normal, Reduce, Reduce], 3, [16, 16]);
}

#[test]
fn channels_that_are_no_multiple_of_four_and_one_image() {
    compare(6, &[Normal, Reduce, Normal], 1, [12, 12]);
    compare(5, &[Normal, Normal], 2, [8, 8]);
}

#[test]
fn odd_heights_and_widths() {
    compare(4, &[Normal, Normal], 2, [7, 7]);
    compare(3, &[Normal], 1, [33, 12]);
    compare(2, &[Normal], 2, [5, 33]);
}

#[test]
fn wide_cells() {
    compare(16, &[Normal, Reduce, Normal], 2, [16, 16]);
}

/// One pass for weights and alphas on both paths: loss, logits and every gradient, parameter by parameter.
fn compare(channels: usize, kinds: &[CellKind], batch: usize, [height, width]: [usize; 2]) {
    let device = device();
    let net = |kernels| Supernet::with_cells(channels, kinds.iter().copied(), 10, kernels);
    let (fused, reference) = (net(Kernels::Fused), net(Kernels::Reference));
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect() };
    let shape = [batch, 3, height, width];
    let images = Tensor::from_data(TensorData::new(random(batch * 3 * height * width), shape), &device);
    let labels: Vec<i32> = (0..batch as i32).map(|i| i % 10).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), &device);
    let alphas = Tensor::from_data(TensorData::new(random(28 * 8), [28, 8]), &device);
    let weights = fused.layout().init(3, &device);
    let batch = Minibatch { images, labels };
    let [a, b] = [&fused, &reference].map(|net| net.pass(&weights, &alphas, &batch, Wrt::BOTH));
    let what = |part: &str| format!("{channels} channels, {kinds:?}, {height}x{width}: {part}");
    assert_close(&what("loss"), &read(a.loss), &read(b.loss), TOLERANCE);
    assert_close(&what("logits"), &read(a.logits), &read(b.logits), TOLERANCE);
    let (fused_gradient, expected) = (read(a.weight_gradient.unwrap()), read(b.weight_gradient.unwrap()));
    let size = expected.iter().map(|&v| (v as f64).powi(2)).sum::<f64>().sqrt();
    let mut wrong = Vec::new();
    for parameter in fused.layout().parameters() {
        let range = parameter.range();
        let distance: f64 =
            range.clone().map(|i| (fused_gradient[i] as f64 - expected[i] as f64).powi(2)).sum::<f64>().sqrt();
        let own: f64 = range.map(|i| (expected[i] as f64).powi(2)).sum::<f64>().sqrt();
        // A parameter before BatchNorm has almost no gradient along itself: measure against the whole as well.
        if !(distance <= TOLERANCE * own.max(1e-3 * size)) {
            wrong.push(format!("{} ({distance:.1e} of {own:.1e})", parameter.name));
        }
    }
    assert!(wrong.is_empty(), "{}", what(&format!("gradients differ: {}", wrong.join(", "))));
    // With one image every normalised plane has mean zero and the classifier sees nothing of the ops: the gradient of the
    // alphas is zero but for rounding, so it is measured against the weights' too.
    let (found, expected) = (read(a.alpha_gradient.unwrap()), read(b.alpha_gradient.unwrap()));
    let distance = found.iter().zip(&expected).map(|(&a, &b)| (a as f64 - b as f64).powi(2)).sum::<f64>().sqrt();
    let own = expected.iter().map(|&v| (v as f64).powi(2)).sum::<f64>().sqrt();
    assert!(
        distance <= TOLERANCE * own.max(1e-2 * size),
        "{}",
        what(&format!("alpha gradients differ by {distance:.1e} of {own:.1e}"))
    );
}
