//! Tests of trained weights on images.

use super::{Weights, feed::Tests};
#[cfg(not(target_arch = "wasm32"))]
use crate::data::Pictures;
use crate::{
    data::{Drawn, Images, Normalisation, Unreadable},
    device::read,
    error::{Error, Sizes},
    event::Tested,
    model::{Minibatch, plain::cross_entropy},
    network::{Layout, Network},
    search::right,
};
use burn::tensor::{Device, Tensor, TensorData};

/// Tests trained weights on images, in minibatches of `batch_size`.
///
/// # Errors
/// There are no images, or the device failed.
pub async fn test(
    weights: &Weights,
    images: &Images,
    normalisation: Normalisation,
    batch_size: usize,
    device: &Device,
) -> Result<Tested, Error> {
    let tests = Tests::of_images(images.clone(), normalisation);
    Ok(test_on(weights, &tests, batch_size, device).await?.0)
}

/// Tests trained weights on the test pictures of a folder at `side` by `side` pixels, in minibatches of `batch_size`, which
/// `threads` threads read. Also returns the pictures that could not be read.
///
/// # Errors
/// There are no pictures, none can be read, or the device failed.
#[cfg(not(target_arch = "wasm32"))]
pub async fn test_pictures(
    weights: &Weights,
    pictures: &Pictures,
    (side, batch_size): (usize, usize),
    threads: usize,
    device: &Device,
) -> Result<(Tested, Vec<Unreadable>), Error> {
    test_on(weights, &Tests::of_pictures(pictures, side, threads), batch_size, device).await
}

async fn test_on(
    weights: &Weights,
    tests: &Tests,
    batch_size: usize,
    device: &Device,
) -> Result<(Tested, Vec<Unreadable>), Error> {
    let put =
        |layout: &Layout, values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [layout.len()]), device);
    let network = &weights.network;
    let vector = put(network.layout(), &weights.weights);
    let statistics = put(network.statistics(), &weights.statistics);
    test_on_device((network, &vector, &statistics), tests.batches(batch_size), batch_size, tests.of_five()).await
}

/// Tests a network with its weights and statistics on minibatches of at most `batch_size`; also returns the
/// pictures that could not be read.
pub(super) async fn test_on_device(
    (network, weights, statistics): (&Network, &Tensor<1>, &Tensor<1>),
    batches: impl Iterator<Item = Drawn>,
    batch_size: usize,
    of_five: bool,
) -> Result<(Tested, Vec<Unreadable>), Error> {
    let device = weights.device();
    let (mut loss, mut tested, mut unreadable) = (0.0f64, Tested::default(), Vec::new());
    for drawn in batches {
        unreadable.extend(drawn.unreadable);
        let host = drawn.batch;
        if host.batch_size == 0 {
            continue;
        }
        let batch = Minibatch::upload(&host, &device);
        let logits = network.logits(weights, statistics, batch.images);
        let mean = cross_entropy(logits.clone(), batch.labels);
        let read = read(vec![mean, logits.flatten(0, 1)]).await;
        let read = read.map_err(|error| Error::read(error, Sizes(vec![("batch-size", batch_size)])))?;
        let (mean, logits) = (&read[0], &read[1]);
        loss += f64::from(mean[0]) * host.batch_size as f64;
        tested.wrong += host.batch_size - right(logits, &host.labels);
        if of_five {
            *tested.wrong_of_five.get_or_insert(0) += host.batch_size - among_five(logits, &host.labels);
        }
        tested.images += host.batch_size;
    }
    if tested.images == 0 {
        return Err(Error::NoTestImages);
    }
    tested.loss = (loss / tested.images as f64) as f32;
    tested.unreadable = unreadable.len();
    Ok((tested, unreadable))
}

/// Number of rows of `logits` [batch, classes] in which fewer than five scores exceed the label's.
fn among_five(logits: &[f32], labels: &[i32]) -> usize {
    let rows = logits.chunks(logits.len() / labels.len());
    rows.zip(labels)
        .filter(|(row, label)| row.iter().filter(|&&score| score > row[**label as usize]).count() < 5)
        .count()
}
