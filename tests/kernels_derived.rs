//! Networks of derived cells on the fused kernels against plain Burn ops, forward and backward.

use burn::tensor::{Device, Int, Tensor, TensorData};
use darts_engine::{
    config::Kernels,
    device::Tuning,
    model::Minibatch,
    network::Network,
    space::{CONVOLUTIONAL, Genotype, Op, Stem},
};
use darts_tests::*;

/// Relative tolerance: both paths compute in float32, in different orders.
const TOLERANCE: f64 = 1e-3;

#[test]
fn every_op_at_both_strides() {
    compare(&device(), &every_op(), Stem::Cifar10, None, (4, 3), 3, [16, 16]);
}

#[test]
fn the_shape_for_gpus() {
    compare(&device(), &every_op(), Stem::Cifar10, Some(Tuning::Gpu), (4, 2), 3, [16, 8]);
}

#[test]
fn channels_that_are_not_a_multiple_of_four_and_odd_sizes() {
    compare(&device(), &every_op(), Stem::Cifar10, None, (6, 2), 2, [12, 20]);
}

#[test]
fn on_the_cpu() {
    compare(&cpu(), &every_op(), Stem::Cifar10, None, (4, 3), 3, [16, 16]);
    compare(&cpu(), &every_op(), Stem::Cifar10, None, (6, 2), 2, [12, 20]);
    compare(&cpu(), &every_op(), Stem::Cifar10, None, (10, 2), 35, [8, 4]);
    compare(&cpu(), &rare_ops(), Stem::ImageNet, None, (4, 3), 2, [64, 64]);
}

#[test]
fn large_kernels_and_the_stems_for_large_images() {
    compare(&device(), &rare_ops(), Stem::ImageNet, None, (4, 3), 2, [64, 64]);
}

/// Ops of published cells that are not candidates of the search.
fn rare_ops() -> Genotype {
    let rare = [
        (Op::SEP_CONV_7X7, 0),
        (Op::SEP_CONV_3X3, 1),
        (Op::CONV_7X1_1X7, 0),
        (Op::SKIP_CONNECT, 1),
        (Op::SEP_CONV_5X5, 1),
        (Op::AVG_POOL_3X3, 2),
        (Op::DIL_CONV_3X3, 0),
        (Op::SKIP_CONNECT, 3),
    ];
    Genotype::new(CONVOLUTIONAL, [0, 1].map(|_| (rare.to_vec(), vec![2, 4, 5])))
}

/// One training pass and one evaluation on both paths: loss, scores, statistics and every gradient, parameter by parameter.
fn compare(
    device: &Device,
    genotype: &Genotype,
    stem: Stem,
    tuning: Option<Tuning>,
    (channels, layers): (usize, usize),
    batch: usize,
    [height, width]: [usize; 2],
) {
    let net = |kernels| Network::new(genotype.clone(), stem, channels, layers, 10, false).on(kernels);
    let (fused, reference) = (net(Kernels::Fused), net(Kernels::Reference));
    let fused = match tuning {
        Some(tuning) => fused.tuned(tuning),
        None => fused,
    };
    // Gamma and beta of BatchNorm that differ from their initial values.
    let weights = fused.layout().init(3, device);
    let noise = random_tensor::<1>(9, &[fused.layout().len()], device);
    let weights = weights + noise * 0.1;
    let labels: Vec<i32> = (0..batch as i32).map(|i| i % 10).collect();
    let images = Minibatch {
        images: random_tensor(7, &[batch, 3, height, width], device),
        labels: Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), device),
    };
    let kept = random_tensor::<2>(8, &[fused.paths(), batch], device);
    let what = |part: &str| format!("{channels} channels, {height}x{width}: {part}");
    let expected = reference.train_pass(&weights, &images, 0.0, Some(kept.clone()));
    let statistics = expected.statistics.clone();
    let (expected_loss, expected_logits) = (read(expected.loss), read(expected.logits));
    let (expected_gradient, expected_statistics) = (read(expected.gradient), read(expected.statistics));
    let size = norm(&expected_gradient);
    // Where an activation is closer to a ReLU's kink than float32 resolves, two gradients are correct: weights moved
    // within their rounding find the side that the plain ops were on.
    let mut wrong = Vec::new();
    for attempt in 0..40 {
        let moved = if attempt == 0 { weights.clone() } else { moved_by_rounding(&weights, attempt) };
        let found = fused.train_pass(&moved, &images, 0.0, Some(kept.clone()));
        assert_close(&what("loss"), &read(found.loss), &expected_loss, TOLERANCE);
        assert_close(&what("logits"), &read(found.logits), &expected_logits, TOLERANCE);
        assert_close(&what("statistics"), &read(found.statistics), &expected_statistics, TOLERANCE);
        let found = read(found.gradient);
        wrong = (fused.layout().parameters().iter())
            .filter(|parameter| {
                let (found, expected) = (&found[parameter.range()], &expected_gradient[parameter.range()]);
                // A parameter before BatchNorm has almost no gradient along itself, so it is also measured against the whole.
                distance(found, expected) > TOLERANCE * norm(expected).max(1e-3 * size)
            })
            .map(|parameter| parameter.name.clone())
            .collect();
        if wrong.is_empty() {
            break;
        }
    }
    let count = wrong.len();
    wrong.truncate(8);
    assert!(
        wrong.is_empty(),
        "{}",
        what(&format!("{count} gradients differ, among them those of {}", wrong.join(", ")))
    );
    let expected = read(reference.logits(&weights, &statistics, images.images.clone()));
    let found = read(fused.logits(&weights, &statistics, images.images));
    assert_close(&what("scores in evaluation"), &found, &expected, TOLERANCE);
}

#[test]
fn the_same_pass_gives_the_same_bits() {
    same_bits(&device());
    same_bits(&cpu());
}

fn same_bits(device: &Device) {
    let net =
        Network::new(CONVOLUTIONAL.published("DARTS_V2").unwrap(), Stem::Cifar10, 4, 3, 10, true).on(Kernels::Fused);
    let weights = net.layout().init(3, device);
    let images = random_tensor(1, &[4, 3, 32, 32], device);
    let labels = Tensor::<1, Int>::from_data(TensorData::new(vec![1, 2, 3, 4], [4]), device);
    let batch = Minibatch { images, labels };
    let bits = || {
        let pass = net.train_pass(&weights, &batch, 0.4, None);
        let values = [read(pass.logits), read(pass.gradient), read(pass.statistics)].concat();
        values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let first = bits();
    for _ in 0..4 {
        let differing = first.iter().zip(bits()).filter(|(a, b)| **a != *b).count();
        assert_eq!(differing, 0, "of {} values", first.len());
    }
}
