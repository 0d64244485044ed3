//! The fused kernels against plain Burn ops, forward and backward.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    config::Kernels,
    device::Tuning,
    model::{GradientTargets, Minibatch, Supernet},
    space::CellKind::{self, Normal, Reduce},
};
use darts_tests::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Relative tolerance: both paths compute in float32, in different orders; the golden tests explain the loss of digits.
const TOLERANCE: f64 = 1e-3;

#[test]
fn cells_of_the_paper_s_kind() {
    compare(4, &[Normal, Reduce, Reduce], 3, [16, 16]);
}

#[test]
fn the_shape_for_gpus() {
    compare_on(Some(Tuning::Gpu), 4, &[Normal, Reduce], 3, [16, 16]);
    compare_on(Some(Tuning::Gpu), 6, &[Normal, Reduce], 2, [6, 10]);
}

#[test]
fn the_shape_for_browsers_without_a_gpu() {
    compare_on(Some(Tuning::Browser), 4, &[Normal, Reduce], 3, [16, 16]);
}

#[test]
fn channels_that_are_not_a_multiple_of_four_and_one_image() {
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
    compare(16, &[Normal, Reduce], 2, [8, 8]);
}

#[test]
fn on_the_cpu() {
    let compare = |channels, kinds: &[CellKind], batch, size| compare_by(&cpu(), None, channels, kinds, batch, size);
    compare(4, &[Normal, Reduce, Reduce], 3, [16, 16]);
    compare(16, &[Normal, Reduce, Normal], 2, [8, 8]);
    // Blocks that are not full, and rows that are not a multiple of the pixels computed at once.
    compare(6, &[Normal, Reduce, Normal], 1, [12, 12]);
    compare(12, &[Reduce, Reduce], 2, [12, 20]);
    compare(3, &[Normal], 2, [33, 13]);
    // More images than groups of them.
    compare(2, &[Normal, Reduce], 67, [4, 4]);
}

fn compare(channels: usize, kinds: &[CellKind], batch: usize, size: [usize; 2]) {
    compare_on(None, channels, kinds, batch, size);
}

fn compare_on(tuning: Option<Tuning>, channels: usize, kinds: &[CellKind], batch: usize, size: [usize; 2]) {
    compare_by(&device(), tuning, channels, kinds, batch, size);
}

/// One pass for weights and alphas on both paths: loss, logits and every gradient, parameter by parameter.
fn compare_by(
    device: &Device,
    tuning: Option<Tuning>,
    channels: usize,
    kinds: &[CellKind],
    batch: usize,
    [height, width]: [usize; 2],
) {
    let net = |kernels| Supernet::with_cells(channels, kinds.iter().copied(), 10, kernels);
    let (fused, reference) = (net(Kernels::Fused), net(Kernels::Reference));
    let fused = match tuning {
        Some(tuning) => fused.tuned(tuning),
        None => fused,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect() };
    let shape = [batch, 3, height, width];
    let images = Tensor::from_data(TensorData::new(random(batch * 3 * height * width), shape), device);
    let labels: Vec<i32> = (0..batch as i32).map(|i| i % 10).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), device);
    let alphas = Tensor::from_data(TensorData::new(random(28 * 8), [28, 8]), device);
    let weights = fused.layout().init(3, device);
    let batch = Minibatch { images, labels };
    let expected = reference.pass(&weights, &alphas, &batch, GradientTargets::BOTH);
    let expected_loss = read(expected.loss);
    let expected_logits = read(expected.logits);
    let expected_weights = read(expected.weight_gradient.unwrap());
    let expected_alphas = read(expected.alpha_gradient.unwrap());
    let size = norm(&expected_weights);
    let what = |part: &str| format!("{channels} channels, {kinds:?}, {height}x{width}: {part}");
    // Where an activation is closer to a ReLU's kink, or two pixels are closer to a tie in a max pool, than float32
    // resolves, two gradients are correct and each path's rounding picks one. Moving the weights within their rounding
    // leaves all other digits unchanged and finds the side that the plain ops were on.
    let mut wrong = Vec::new();
    for attempt in 0..40 {
        let moved = if attempt == 0 { weights.clone() } else { moved_by_rounding(&weights, attempt) };
        let found = fused.pass(&moved, &alphas, &batch, GradientTargets::BOTH);
        assert_close(&what("loss"), &read(found.loss), &expected_loss, TOLERANCE);
        assert_close(&what("logits"), &read(found.logits), &expected_logits, TOLERANCE);
        let found_weights = read(found.weight_gradient.unwrap());
        let found_alphas = read(found.alpha_gradient.unwrap());
        wrong.clear();
        for parameter in fused.layout().parameters() {
            let range = parameter.range();
            let (found, expected) = (&found_weights[range.clone()], &expected_weights[range]);
            // A parameter before BatchNorm has almost no gradient along itself, so it is also measured against the whole.
            if distance(found, expected) > TOLERANCE * norm(expected).max(1e-3 * size) {
                wrong.push(parameter.name.clone());
            }
        }
        // With one image every normalised plane has mean zero and the classifier sees nothing of the ops: the gradient of
        // the alphas is zero but for rounding, so it is measured against the weights' too.
        if distance(&found_alphas, &expected_alphas) > TOLERANCE * norm(&expected_alphas).max(1e-2 * size) {
            wrong.push("the alphas".to_owned());
        }
        if wrong.is_empty() {
            return;
        }
    }
    wrong.truncate(5);
    panic!("{}", what(&format!("gradients differ, among them those of {}", wrong.join(", "))));
}

/// Gradients of the fused kernels against finite differences of the loss along them, a check without another
/// implementation.
#[test]
fn gradients_agree_with_finite_differences() {
    finite_differences(&device());
    finite_differences(&cpu());
}

fn finite_differences(device: &Device) {
    let net = Supernet::with_cells(4, [Normal, Reduce], 10, Kernels::Fused);
    let batch = random_batch(5, 6, [8, 8], device);
    let weights = net.layout().init(3, device);
    let alphas = random_tensor(9, &[28, 8], device);
    let found = net.pass(&weights, &alphas, &batch, GradientTargets::BOTH);
    let loss = |weights: &Tensor<1>, alphas: &Tensor<2>| {
        let wrt = GradientTargets { weights: false, alphas: false };
        f64::from(read(net.pass(weights, alphas, &batch, wrt).loss)[0])
    };
    // Along the gradient itself the loss changes by its squared norm; along any other direction by their product. Kinks of
    // ReLU make single directions uneven, so several are taken and their agreement measured as a whole.
    let weight_gradient = found.weight_gradient.unwrap();
    let alpha_gradient = found.alpha_gradient.unwrap();
    let mut expected = Vec::new();
    let mut measured = Vec::new();
    for seed in 0..6 {
        let random = random_tensor::<1>(100 + seed, &weights.dims(), device);
        let along = random * 0.1 * norm(&read(weight_gradient.clone())) / (weights.dims()[0] as f64).sqrt()
            + weight_gradient.clone();
        let slope = read((along.clone() * weight_gradient.clone()).sum_dim(0))[0];
        let step = 2e-3 / norm(&read(along.clone()));
        let side = |sign: f64| loss(&(weights.clone() + along.clone() * (sign * step)), &alphas);
        measured.push(((side(1.0) - side(-1.0)) / (2.0 * step)) as f32);
        expected.push(slope);
        let along = random_tensor::<2>(200 + seed, &[28, 8], device);
        let slope = read((along.clone() * alpha_gradient.clone()).reshape([28 * 8]).sum_dim(0))[0];
        let step = 1e-2;
        let side = |sign: f64| loss(&weights, &(alphas.clone() + along.clone() * (sign * step)));
        measured.push(((side(1.0) - side(-1.0)) / (2.0 * step)) as f32);
        expected.push(slope);
    }
    println!("along the gradient {expected:?}, measured {measured:?}");
    let every_second = |values: &[f32], from: usize| values.iter().skip(from).step_by(2).copied().collect::<Vec<_>>();
    for (what, from) in [("slopes along weights", 0), ("slopes along alphas", 1)] {
        assert_close(what, &every_second(&measured, from), &every_second(&expected, from), 2e-2);
    }
}

fn random_batch(seed: u64, batch: usize, [height, width]: [usize; 2], device: &Device) -> Minibatch {
    let labels: Vec<i32> = (0..batch as i32).map(|i| i % 10).collect();
    Minibatch {
        images: random_tensor(seed, &[batch, 3, height, width], device),
        labels: Tensor::from_data(TensorData::new(labels, [batch]), device),
    }
}

#[test]
fn the_same_pass_gives_the_same_bits() {
    same_bits(&device());
    same_bits(&cpu());
}

fn same_bits(device: &Device) {
    let net = Supernet::new(4, 3, 10, Kernels::Fused);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect() };
    let images = Tensor::from_data(TensorData::new(random(4 * 3 * 16 * 16), [4, 3, 16, 16]), device);
    let labels = Tensor::<1, Int>::from_data(TensorData::new(vec![1, 2, 3, 4], [4]), device);
    let alphas = Tensor::from_data(TensorData::new(random(28 * 8), [28, 8]), device);
    let weights = net.layout().init(3, device);
    let batch = Minibatch { images, labels };
    let bits = |wrt| {
        let pass = net.pass(&weights, &alphas, &batch, wrt);
        let mut values = read(pass.logits);
        values.extend(pass.weight_gradient.map(read).unwrap_or_default());
        values.extend(pass.alpha_gradient.map(read).unwrap_or_default());
        values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    for wrt in [GradientTargets::BOTH, GradientTargets::ALPHAS, GradientTargets::WEIGHTS] {
        let first = bits(wrt);
        for _ in 0..4 {
            let again = bits(wrt);
            let differing = first.iter().zip(&again).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{wrt:?}: {differing} of {} values differ", first.len());
        }
    }
}
