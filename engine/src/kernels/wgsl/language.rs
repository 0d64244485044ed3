//! What a language model computes besides its cell: the vectors of words, products of matrices, and how unlikely the words are
//! that follow. Each is a Burn op with a hand-written gradient; none adds up in an order that the device picks, as Burn's own
//! gradients of selections do.

use crate::device::Tuning;
use crate::kernels::wgsl::{
    gpu::Launch,
    op::{Ad, buffer, primitive, wrap},
};
use burn::{
    backend::{
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::{Shape, Tensor},
};
use cubecl::{prelude::Client, server::Handle};

/// Rows and columns of a product that a workgroup computes.
const BLOCK: usize = 64;
/// Workgroups along x, of those that have a row each.
const ACROSS: usize = 1024;
/// Floats of the word scores that are computed at once: 64 MiB, half of what WebGPU binds by default.
pub(crate) const SCORES: usize = (64 << 20) / 4;
/// Floats of the word scores that are kept for the backward pass; more of them are computed again there.
const KEPT: usize = 4 * SCORES;

/// A matrix within a buffer: where it begins, and from one row and one column to the next.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    handle: &'a Handle,
    at: usize,
    steps: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows one after the other.
    fn new(handle: &'a Handle, columns: usize) -> Self {
        Self { handle, at: 0, steps: [columns, 1] }
    }

    fn transposed(self) -> Self {
        let [row, column] = self.steps;
        Self { steps: [column, row], ..self }
    }

    /// The matrix from a row on down.
    fn below(self, row: usize) -> Self {
        Self { at: self.at + row * self.steps[0], ..self }
    }
}

/// Computes the product of `a` and `b`, of rows, inner and columns of these numbers, into `result` from the float `at` on;
/// `added` to what is there.
fn product(
    client: &Client,
    tuning: Tuning,
    [a, b]: [Matrix; 2],
    [rows, inner, columns]: [usize; 3],
    (result, at): (&Handle, usize),
    added: bool,
) {
    let moved = rows * inner + inner * columns + (1 + usize::from(added)) * rows * columns;
    let buffers = [a.handle, b.handle, result];
    let launch = |file| {
        Launch::new(1, &[file])
            .all(&[("OUT_ROWS", rows), ("OUT_COLUMNS", columns), ("INNER", inner), ("RESULT", at)])
            .all(&[("A_AT", a.at), ("A_ROW", a.steps[0]), ("A_INNER", a.steps[1])])
            .all(&[("B_AT", b.at), ("B_INNER", b.steps[0]), ("B_COLUMN", b.steps[1]), ("ADDED", usize::from(added))])
    };
    if tuning == Tuning::Browser {
        let across = columns.div_ceil(4);
        let launch = launch("product_apart").all(&[("ACROSS", across)]);
        return launch.run(client, rows.div_ceil(4) * across, [1, 1], &buffers, moved);
    }
    launch("product").is("ALONG_A", a.steps[1] == 1).is("ALONG_B", b.steps[0] == 1).run(
        client,
        columns.div_ceil(BLOCK) * BLOCK,
        [rows.div_ceil(BLOCK), 1],
        &buffers,
        moved,
    );
}

/// The product [rows, columns] of `a` [rows, inner] and `b` [inner, columns].
///
/// # Panics
/// When a tensor is not on a wgpu device.
pub(crate) fn matrix_product(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([rows, inner], [_, columns]) = (a.dims(), b.dims());
    let tuning = Tuning::of(&a.device());
    let [a, b] = [a, b].map(primitive);
    let nodes = [a.node(), b.node()];
    let [a, b] = [a, b].map(|tensor| into_contiguous(tensor.into_primitive()));
    let client = a.client.clone();
    let result = client.empty(4 * rows * columns);
    let matrices = [Matrix::new(&a.handle, inner), Matrix::new(&b.handle, columns)];
    product(&client, tuning, matrices, [rows, inner, columns], (&result, 0), false);
    let result = wrap(&client, &a, result, Shape::from([rows, columns]));
    let result = match Product.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((tuning, [a, b], [rows, inner, columns]), result),
        OpsKind::UnTracked(prep) => prep.finish(result),
    };
    Tensor::from_primitive::<Ad>(result)
}

#[derive(Debug)]
struct Product;

impl Backward<CubeBackend, 2> for Product {
    type State = (Tuning, [CubeTensor; 2], [usize; 3]);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [a_node, b_node] = ops.parents;
        let gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let (tuning, [a, b], [rows, inner, columns]) = ops.state;
        let client = a.client.clone();
        let of_result = Matrix::new(&gradient.handle, columns);
        if let Some(node) = a_node {
            let result = client.empty(4 * rows * inner);
            let matrices = [of_result, Matrix::new(&b.handle, columns).transposed()];
            product(&client, tuning, matrices, [rows, columns, inner], (&result, 0), false);
            gradients.register::<CubeBackend>(node.id, wrap(&client, &a, result, Shape::from([rows, inner])));
        }
        if let Some(node) = b_node {
            let result = client.empty(4 * inner * columns);
            let matrices = [Matrix::new(&a.handle, inner).transposed(), of_result];
            product(&client, tuning, matrices, [inner, rows, columns], (&result, 0), false);
            gradients.register::<CubeBackend>(node.id, wrap(&client, &b, result, Shape::from([inner, columns])));
        }
    }
}

/// The vectors [words, units] of the words `tokens` [words], out of those of all [vocabulary, units].
///
/// `places` are the places of all words, those of one word after those of another, and then of each of the `distinct` words
/// itself, where its places begin and where they end.
///
/// # Panics
/// When a tensor is not on a wgpu device.
pub(crate) fn word_vectors(vectors: Tensor<2>, tokens: Tensor<1>, places: Tensor<1>, distinct: usize) -> Tensor<2> {
    let [vocabulary, units] = vectors.dims();
    let vectors = primitive(vectors);
    let node = vectors.node();
    let vectors = into_contiguous(vectors.into_primitive());
    let (tokens, places) = (buffer(tokens), buffer(places));
    let client = vectors.client.clone();
    let count = tokens.meta.shape().num_elements();
    let result = client.empty(4 * count * units);
    Launch::new(1, &["words"]).all(&[("UNITS", units), ("COUNT", count)]).run(
        &client,
        count * units,
        [1, 1],
        &[&vectors.handle, &tokens.handle, &result],
        2 * count * units + count,
    );
    let result = wrap(&client, &vectors, result, Shape::from([count, units]));
    let state = Words { places, distinct, count, vocabulary, units };
    let result = match WordVectors.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, result),
        OpsKind::UnTracked(prep) => prep.finish(result),
    };
    Tensor::from_primitive::<Ad>(result)
}

#[derive(Clone, Debug)]
struct Words {
    places: CubeTensor,
    distinct: usize,
    count: usize,
    vocabulary: usize,
    units: usize,
}

#[derive(Debug)]
struct WordVectors;

impl Backward<CubeBackend, 1> for WordVectors {
    type State = Words;

    fn backward(self, ops: Ops<Words, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let Words { places, distinct, count, vocabulary, units } = ops.state;
        let client = gradient.client.clone();
        let all = vocabulary * units;
        let result = client.empty(4 * all);
        Launch::new(1, &["zero"]).all(&[("TOTAL", all)]).run(&client, all, [1, 1], &[&result], all);
        Launch::new(1, &["words_back"]).all(&[("UNITS", units), ("COUNT", count), ("DISTINCT", distinct)]).run(
            &client,
            distinct * units,
            [1, 1],
            &[&gradient.handle, &places.handle, &result],
            (count + distinct) * units + count + 3 * distinct,
        );
        gradients.register::<CubeBackend>(node.id, wrap(&client, &gradient, result, Shape::from([vocabulary, units])));
    }
}

/// Mean negative log-likelihood [1] of the words `targets` [rows], in nats, where the score of a word is its bias and the
/// product of its vector with a row of `outputs` [rows, units].
///
/// Scores are never all there at once unless they are few, and where a backward pass is to follow (`kept`) more of them.
///
/// # Panics
/// When a tensor is not on a wgpu device.
pub(crate) fn likelihood(
    outputs: Tensor<2>,
    vectors: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1>,
    kept: bool,
) -> Tensor<1> {
    let [vocabulary, _] = vectors.dims();
    let tuning = Tuning::of(&outputs.device());
    likelihood_of_chunks(tuning, outputs, vectors, bias, targets, SCORES / vocabulary, kept).0
}

/// Mean cross-entropy [1] of the classes `targets` [rows] by the scores [rows, classes] that a linear layer of `weight`
/// [classes, units] and `bias` makes of `rows` [rows, units]; and those scores. A class is what a word is to a likelihood.
///
/// # Panics
/// When a tensor is not on a wgpu device, or the scores are too many to be there at once.
pub(crate) fn classified(
    tuning: Tuning,
    rows: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1>,
) -> (Tensor<1>, Tensor<2>) {
    let ([count, _], [classes, _]) = (rows.dims(), weight.dims());
    let (loss, scores) = likelihood_of_chunks(tuning, rows, weight, bias.clone(), targets.clone(), count, true);
    let [scores] = scores.try_into().unwrap_or_else(|_| panic!("{count} scores of {classes} classes at once"));
    let like = buffer(targets);
    let scores = wrap(&like.client, &like, scores, Shape::from([count, classes]));
    let scores = Tensor::<2>::from_primitive::<CubeBackend>(scores);
    (loss, scores + bias.inner().reshape([1, classes]))
}

/// The same with the scores of so many rows at once; and the scores without bias of each chunk, where they are kept.
fn likelihood_of_chunks(
    tuning: Tuning,
    outputs: Tensor<2>,
    vectors: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1>,
    at_once: usize,
    kept: bool,
) -> (Tensor<1>, Vec<Handle>) {
    let ([rows, units], [vocabulary, _]) = (outputs.dims(), vectors.dims());
    let [outputs, vectors] = [outputs, vectors].map(primitive);
    let bias = primitive(bias);
    let nodes = [outputs.node(), vectors.node(), bias.node()];
    let [outputs, vectors, bias] = [outputs, vectors, bias].map(|tensor| into_contiguous(tensor.into_primitive()));
    let client = outputs.client.clone();
    let (found, unlikely) = (client.empty(4 * rows), client.empty(4 * rows));
    let mut state = Decoder {
        tuning,
        at_once: at_once.clamp(1, rows),
        rows,
        units,
        vocabulary,
        outputs,
        vectors,
        bias,
        targets: buffer(targets),
        found: found.clone(),
        kept: Vec::new(),
    };
    for (first, count) in state.chunks() {
        let scores = state.scores(&client, first, count);
        Launch::new(1, &["likelihood"])
            .all(&[("VOCABULARY", vocabulary), ("COUNT", count), ("ACROSS", ACROSS.min(count)), ("FIRST", first)])
            .run(
                &client,
                64 * ACROSS.min(count),
                [count.div_ceil(ACROSS), 1],
                &[&scores, &state.bias.handle, &state.targets.handle, &found, &unlikely],
                count * vocabulary + vocabulary + 3 * count,
            );
        if kept && rows * vocabulary <= KEPT {
            state.kept.push(scores);
        }
    }
    let unlikely = wrap(&client, &state.outputs, unlikely, Shape::from([rows]));
    let mean = Tensor::<1>::from_primitive::<CubeBackend>(unlikely).mean_dim(0);
    let mean = buffer(mean);
    let kept = state.kept.clone();
    let result = match Likelihood.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, mean),
        OpsKind::UnTracked(prep) => prep.finish(mean),
    };
    (Tensor::from_primitive::<Ad>(result), kept)
}

#[derive(Clone, Debug)]
struct Decoder {
    tuning: Tuning,
    rows: usize,
    units: usize,
    vocabulary: usize,
    /// Rows whose scores are computed at once.
    at_once: usize,
    outputs: CubeTensor,
    vectors: CubeTensor,
    bias: CubeTensor,
    targets: CubeTensor,
    /// The logarithm of each row's sum of exponentials.
    found: Handle,
    /// The scores of each chunk, where there is room for them.
    kept: Vec<Handle>,
}

impl Decoder {
    /// The first row of each chunk, and how many it has.
    fn chunks(&self) -> Vec<(usize, usize)> {
        let (rows, at_once) = (self.rows, self.at_once);
        (0..rows).step_by(at_once).map(|first| (first, at_once.min(rows - first))).collect()
    }

    /// Scores of all words [count, vocabulary] without bias.
    fn scores(&self, client: &Client, first: usize, count: usize) -> Handle {
        let scores = client.empty(4 * count * self.vocabulary);
        let outputs = Matrix::new(&self.outputs.handle, self.units).below(first);
        let vectors = Matrix::new(&self.vectors.handle, self.units).transposed();
        product(client, self.tuning, [outputs, vectors], [count, self.units, self.vocabulary], (&scores, 0), false);
        scores
    }
}

#[derive(Debug)]
struct Likelihood;

impl Backward<CubeBackend, 3> for Likelihood {
    type State = Decoder;

    fn backward(self, ops: Ops<Decoder, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [outputs_node, vectors_node, bias_node] = ops.parents;
        let gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let mut state = ops.state;
        let &mut Decoder { rows, units, vocabulary, .. } = &mut state;
        let client = state.outputs.client.clone();
        let wanted = |wanted: bool, floats: usize| wanted.then(|| client.empty(4 * floats));
        let of_outputs = wanted(outputs_node.is_some(), rows * units);
        let of_vectors = wanted(vectors_node.is_some(), vocabulary * units);
        let of_bias = wanted(bias_node.is_some(), vocabulary);
        let mut kept = std::mem::take(&mut state.kept).into_iter();
        for (first, count) in state.chunks() {
            let scores = kept.next().unwrap_or_else(|| state.scores(&client, first, count));
            Launch::new(1, &["likelihood_back"])
                .all(&[("VOCABULARY", vocabulary), ("COUNT", count), ("FIRST", first)])
                .float("SHARE", 1.0 / rows as f64)
                .run(
                    &client,
                    count * vocabulary,
                    [1, 1],
                    &[&scores, &state.bias.handle, &state.targets.handle, &state.found, &gradient.handle],
                    2 * count * vocabulary + vocabulary + 2 * count,
                );
            let (added, of_scores) = (first > 0, Matrix::new(&scores, vocabulary));
            if let Some(result) = &of_outputs {
                let vectors = Matrix::new(&state.vectors.handle, units);
                let result = (result, first * units);
                product(&client, state.tuning, [of_scores, vectors], [count, vocabulary, units], result, false);
            }
            if let Some(result) = &of_vectors {
                let outputs = Matrix::new(&state.outputs.handle, units).below(first);
                let matrices = [of_scores.transposed(), outputs];
                product(&client, state.tuning, matrices, [vocabulary, count, units], (result, 0), added);
            }
            if let Some(result) = &of_bias {
                Launch::new(1, &["columns"])
                    .all(&[("ROWS", count), ("WORDS", vocabulary), ("ADDED", usize::from(added))])
                    .run(&client, vocabulary, [1, 1], &[&scores, result], count * vocabulary + vocabulary);
            }
        }
        let found = [
            (outputs_node, of_outputs, vec![rows, units]),
            (vectors_node, of_vectors, vec![vocabulary, units]),
            (bias_node, of_bias, vec![vocabulary]),
        ];
        for (node, handle, shape) in found {
            if let (Some(node), Some(handle)) = (node, handle) {
                gradients.register::<CubeBackend>(node.id, wrap(&client, &gradient, handle, Shape::from(shape)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Compute, DeviceChoice, block_on};
    use crate::kernels::cpu;
    use burn::tensor::{Device, Int, TensorData, activation::log_softmax};

    const ROWS: usize = 70;
    const UNITS: usize = 19;
    const VOCABULARY: usize = 130;

    fn drawn(seed: usize, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn words() -> Vec<i32> {
        (0..ROWS as i32).map(|row| row * row * 31 % VOCABULARY as i32).collect()
    }

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// The loss and its gradients by the outputs, vectors and biases, three times as large.
    fn gradients(device: &Device, loss: impl Fn([Tensor<2>; 3]) -> Tensor<1>) -> [Vec<f32>; 4] {
        let shapes = [[ROWS, UNITS], [VOCABULARY, UNITS], [1, VOCABULARY]];
        let leaves = [0, 1, 2].map(|i| (drawn(i, shapes[i], device) * 6.0).autodiff().require_grad());
        let loss = loss(leaves.clone());
        let mut gradients = (loss.clone() * 3.0).backward();
        let [outputs, vectors, bias] = leaves.map(|leaf| read(leaf.grad_remove(&mut gradients).unwrap()));
        [read(loss.inner()), outputs, vectors, bias]
    }

    fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() <= 2e-5 * largest, "{what} {i}: {found} for {expected}");
        }
    }

    #[test]
    fn the_likelihood_and_its_gradients_are_those_of_plain_ops_in_chunks_of_any_size() {
        let flat = Compute::cpu().device;
        let expected = gradients(&flat, |[outputs, vectors, bias]| {
            let targets = Tensor::<1, Int>::from_data(TensorData::new(words(), [ROWS]), &flat).autodiff();
            let scores = log_softmax(outputs.matmul(vectors.transpose()) + bias, 1);
            scores.gather(1, targets.reshape([ROWS, 1])).mean_dim(0).reshape([1]).neg()
        });
        let same = |what: &str, found: [Vec<f32>; 4]| {
            for (part, (found, expected)) in
                ["loss", "outputs", "vectors", "bias"].iter().zip(found.iter().zip(&expected))
            {
                assert_close(&format!("{what}: {part}"), found, expected);
            }
        };
        for at_once in [usize::MAX, 32 * VOCABULARY, 1] {
            let found = gradients(&flat, |[outputs, vectors, bias]| {
                let targets = Tensor::from_data(TensorData::new(words(), [ROWS]), &flat);
                let bias = bias.reshape([VOCABULARY]);
                cpu::likelihood_of_chunks(outputs, vectors, bias, &targets, at_once, true)
            });
            same(&format!("{at_once} scores at once on the processor"), found);
        }
        let device = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap().device;
        for (tuning, at_once, kept) in [
            (Tuning::Gpu, usize::MAX, true),
            (Tuning::Gpu, 32, true),
            (Tuning::Gpu, 32, false),
            (Tuning::Gpu, 1, false),
            (Tuning::Browser, 32, true),
        ] {
            let found = gradients(&device, |[outputs, vectors, bias]| {
                let targets: Vec<f32> = words().iter().map(|&word| word as f32).collect();
                let targets = Tensor::from_data(TensorData::new(targets, [ROWS]), &device);
                likelihood_of_chunks(tuning, outputs, vectors, bias.reshape([VOCABULARY]), targets, at_once, kept).0
            });
            same(&format!("{tuning:?}, {at_once} rows at once"), found);
        }
    }

    #[test]
    fn products_and_their_gradients_are_those_of_plain_ops() {
        let of = |device: &Device, product: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
            let a = drawn(1, [ROWS, UNITS], device).autodiff().require_grad();
            let b = drawn(2, [UNITS, VOCABULARY], device).autodiff().require_grad();
            let result = product(a.clone(), b.clone());
            let weighted = result.clone() * drawn(3, [ROWS, VOCABULARY], device).autodiff();
            let mut gradients = weighted.sum_dim(0).sum_dim(1).backward();
            let [a, b] = [a, b].map(|leaf| read(leaf.grad_remove(&mut gradients).unwrap()));
            [read(result.inner()), a, b]
        };
        let device = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap().device;
        let (found, expected) = (of(&device, matrix_product), of(&Compute::cpu().device, Tensor::matmul));
        for (part, (found, expected)) in ["result", "a", "b"].iter().zip(found.iter().zip(&expected)) {
            assert_close(part, found, expected);
        }
    }
}
