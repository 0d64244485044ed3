//! Code shared by searches and training runs on text.

use crate::{
    checkpoint::CheckpointError,
    config::{Dropouts, Kernels},
    data::{Columns, Text, Vocabulary, Window},
    device::{Compute, read},
    error::{Error, Sizes},
    event::Measure,
    kernels::largest_buffer,
    model::{RunningStatistics, TextBatch},
    network::RecurrentNet,
    space::RECURRENT_NODES,
};
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Columns that the validation text is cut into where it is only evaluated.
pub const EVALUATION_BATCH: usize = 10;
/// Most weights: a checkpoint holds three vectors of them. One and a half times the published cells' networks for
/// WikiText-2.
const MAX_WEIGHTS: usize = 48 << 20;

/// Fails unless an epoch's first states vary over the columns. Where they do not, BatchNorm multiplies rounding errors,
/// their gradients, and later any deviation from the running mean by 316 (one over the root of its epsilon) in each of
/// eight nodes in turn, which soon exceeds float32.
pub(super) fn check_apart(
    dropouts: &Dropouts,
    vocabulary: &Vocabulary,
    texts: [(&Text, &Columns); 2],
) -> Result<(), Error> {
    // Dropout of the input is drawn for each column.
    if dropouts.input > 0.0 || dropouts.cell_input > 0.0 {
        return Ok(());
    }
    for (text, columns) in texts {
        let Window { tokens, batch_size, .. } = columns.window(0, 1);
        if tokens.iter().all(|&token| token == tokens[0]) {
            let word = vocabulary.words()[tokens[0] as usize].clone();
            return Err(Error::Alike { file: text.file.clone(), columns: batch_size, word });
        }
    }
    Ok(())
}

/// Fails unless this step, epoch and row are possible in a run of so many epochs of so many rows.
pub(crate) fn check_place([step, epoch, row]: [usize; 3], epochs: usize, rows: usize) -> Result<(), CheckpointError> {
    let refused = |what, value: usize| Err(CheckpointError::Progress { what, value: value.to_string() });
    if epoch > epochs {
        return refused("the epoch", epoch);
    }
    if row >= if epoch == epochs { 1 } else { rows } {
        return refused("the row", row);
    }
    // A step takes one row or more.
    let max = epoch * rows + row;
    if step > max || step < epoch + usize::from(row > 0) { refused("the step", step) } else { Ok(()) }
}

/// Fails unless the sums of an epoch at `row` can be over so many steps.
pub(crate) fn check_sums(steps: usize, all: usize, row: usize) -> Result<(), CheckpointError> {
    match (steps > 0) == (row > 0) && steps <= all.min(row) {
        true => Ok(()),
        false => Err(CheckpointError::Progress { what: "the count of an epoch's steps", value: steps.to_string() }),
    }
}

/// Random numbers of a step: they depend on the seed and the step alone.
pub(crate) fn step_rng(seed: u64, step: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(3);
    // The starting points of two steps are further apart than the numbers that a step takes.
    rng.set_word_pos((step as u128) << 32);
    rng
}

/// Settings that decide how much memory a step on text needs.
pub(crate) fn text_sizes(batch_size: usize, hidden: usize) -> Sizes {
    Sizes(vec![("batch-size", batch_size), ("hidden", hidden)])
}

/// Checks that the device has buffers large enough for a network's windows of `bptt` rows of `batch_size` columns.
pub(crate) fn check_device(net: &RecurrentNet, [batch_size, bptt]: [usize; 2], compute: &Compute) -> Result<(), Error> {
    let weights = net.layout().len();
    if weights > MAX_WEIGHTS {
        return Err(Error::TooLarge { settings: "hidden and the vocabulary", weights, max: MAX_WEIGHTS });
    }
    let hidden = net.hidden();
    // The flat weights, and the gates of all edges into the last node, for all words on plain ops' inputs.
    let gates = 2 * hidden * batch_size * bptt.max(RECURRENT_NODES);
    let fused = match net.kernels() {
        Kernels::Fused => largest_buffer(bptt, hidden, batch_size, net.genotype()),
        Kernels::Reference => 0,
    };
    let needed = 4 * weights.max(gates).max(fused) as u64;
    match compute.largest_buffer {
        Some(limit) if needed > limit => Err(Error::BufferTooLarge {
            needed,
            limit,
            sizes: Sizes(vec![("hidden", hidden), ("batch-size", batch_size)]),
        }),
        _ => Ok(()),
    }
}

/// Loss of a whole text in evaluation mode, its windows one after the other.
pub(crate) async fn evaluate_text(
    net: &RecurrentNet,
    weights: &Tensor<1>,
    relaxed: Option<(&Tensor<2>, &RunningStatistics)>,
    text: &Columns,
    bptt: usize,
) -> Result<Measure, Error> {
    let device: Device = weights.device();
    let mut hidden = net.first_hidden(text.batch_size, &device);
    let (mut sum, mut row) = (0.0f64, 0);
    while row < text.rows - 1 {
        let window = text.window(row, bptt);
        let nll;
        (nll, hidden) = net.evaluate(weights, relaxed, &TextBatch::upload(&window, &device), &hidden);
        let read = read(vec![nll]).await;
        let nll = read.map_err(|error| Error::read(error, text_sizes(text.batch_size, net.hidden())))?;
        sum += f64::from(nll[0][0]) * window.length as f64;
        row += window.length;
    }
    Ok(Measure::words((sum / row as f64) as f32))
}
