//! What a language model computes besides its cell: the vectors of words, products of matrices, and how unlikely the words are
//! that follow. None adds up in an order that the device picks, as Burn's own gradients of selections do.

use crate::device::Tuning;
use crate::kernels::{
    LikelihoodPlan, WordPlaces,
    wgsl::{
        backend::{indices, wrap},
        gpu::Launch,
    },
};
use burn::{
    backend::wgpu::{CubeBackend, CubeTensor, into_contiguous},
    tensor::Tensor,
};
use cubecl::{prelude::Client, server::Handle};

/// Rows and columns of a product that a workgroup computes.
const BLOCK: usize = 64;
/// Workgroups along x, of those that have a row each.
const ACROSS: usize = 1024;
/// Floats of the word scores that are computed at once: 64 MiB, half of what WebGPU binds by default.
const SCORES: usize = (64 << 20) / 4;
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

/// Two matrices whose product is taken.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    tuning: Tuning,
    a: CubeTensor,
    b: CubeTensor,
    /// Rows of the product, inner length, columns.
    sizes: [usize; 3],
}

impl Factors {
    /// Of contiguous matrices.
    pub fn new(tuning: Tuning, [a, b]: [CubeTensor; 2]) -> Self {
        let sizes = [a.meta.shape()[0], a.meta.shape()[1], b.meta.shape()[1]];
        Self { tuning, a, b, sizes }
    }

    pub fn product(&self) -> CubeTensor {
        let [_, inner, columns] = self.sizes;
        let matrices = [Matrix::new(&self.a.handle, inner), Matrix::new(&self.b.handle, columns)];
        self.multiply(matrices, self.sizes)
    }

    /// The product of two matrices, of these rows, inner length and columns.
    fn multiply(&self, matrices: [Matrix; 2], [rows, inner, columns]: [usize; 3]) -> CubeTensor {
        let client = &self.a.client;
        let result = client.empty(4 * rows * columns);
        product(client, self.tuning, matrices, [rows, inner, columns], (&result, 0), false);
        wrap(&self.a, result, [rows, columns])
    }

    /// Gradients of both.
    pub fn backward(self, gradient: CubeTensor, [a_requested, b_requested]: [bool; 2]) -> [Option<CubeTensor>; 2] {
        let gradient = into_contiguous(gradient);
        let [rows, inner, columns] = self.sizes;
        let of_product = Matrix::new(&gradient.handle, columns);
        let of_a = a_requested.then(|| {
            let b = Matrix::new(&self.b.handle, columns).transposed();
            self.multiply([of_product, b], [rows, columns, inner])
        });
        let of_b = b_requested.then(|| {
            let a = Matrix::new(&self.a.handle, inner).transposed();
            self.multiply([a, of_product], [inner, rows, columns])
        });
        [of_a, of_b]
    }
}

/// The vectors [words, units] of words, out of those of all [vocabulary, units].
pub(super) fn embedding(vectors: CubeTensor, words: WordPlaces<CubeBackend>) -> (CubeTensor, Words) {
    let tokens = indices(words.tokens);
    let [vectors, places] = [vectors, words.places].map(into_contiguous);
    let (vocabulary, units) = (vectors.meta.shape()[0], vectors.meta.shape()[1]);
    let client = &vectors.client;
    let count = tokens.meta.shape().num_elements();
    let result = client.empty(4 * count * units);
    Launch::new(1, &["words"]).all(&[("UNITS", units), ("COUNT", count)]).run(
        client,
        count * units,
        [1, 1],
        &[&vectors.handle, &tokens.handle, &result],
        2 * count * units + count,
    );
    let result = wrap(&vectors, result, [count, units]);
    (result, Words { places, distinct: words.distinct, count, vocabulary, units })
}

/// Words whose vectors were taken.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    places: CubeTensor,
    distinct: usize,
    count: usize,
    vocabulary: usize,
    units: usize,
}

impl Words {
    /// The gradient of the vectors of all words [vocabulary, units].
    pub fn backward(self, gradient: CubeTensor) -> CubeTensor {
        let gradient = into_contiguous(gradient);
        let Words { places, distinct, count, vocabulary, units } = self;
        let client = &gradient.client;
        let all = vocabulary * units;
        let result = client.empty(4 * all);
        Launch::new(1, &["zero"]).all(&[("TOTAL", all)]).run(client, all, [1, 1], &[&result], all);
        Launch::new(1, &["words_back"]).all(&[("UNITS", units), ("COUNT", count), ("DISTINCT", distinct)]).run(
            client,
            distinct * units,
            [1, 1],
            &[&gradient.handle, &places.handle, &result],
            (count + distinct) * units + count + 3 * distinct,
        );
        wrap(&gradient, result, [vocabulary, units])
    }
}

/// Mean negative log-likelihood [1] of the words `targets`, indices as floats, where the score of a word is its bias and the
/// product of its vector with a row of outputs. All tensors are contiguous.
pub(super) fn likelihood(
    plan: LikelihoodPlan,
    [outputs, vectors, bias]: [CubeTensor; 3],
    targets: CubeTensor,
) -> (CubeTensor, Decoder) {
    let (rows, units, vocabulary) = (outputs.meta.shape()[0], outputs.meta.shape()[1], vectors.meta.shape()[0]);
    let client = outputs.client.clone();
    let (found, unlikely) = (client.empty(4 * rows), client.empty(4 * rows));
    let mut decoder = Decoder {
        tuning: plan.tuning,
        chunks: plan.chunks(rows, vocabulary, SCORES),
        rows,
        units,
        vocabulary,
        outputs,
        vectors,
        bias,
        targets,
        found: found.clone(),
        kept: Vec::new(),
    };
    for &(first, count) in &decoder.chunks {
        let scores = decoder.scores(&client, first, count);
        Launch::new(1, &["likelihood"])
            .all(&[("VOCABULARY", vocabulary), ("COUNT", count), ("ACROSS", ACROSS.min(count)), ("FIRST", first)])
            .run(
                &client,
                64 * ACROSS.min(count),
                [count.div_ceil(ACROSS), 1],
                &[&scores, &decoder.bias.handle, &decoder.targets.handle, &found, &unlikely],
                count * vocabulary + vocabulary + 3 * count,
            );
        if plan.keep_scores && rows * vocabulary <= KEPT {
            decoder.kept.push(scores);
        }
    }
    let unlikely = Tensor::<1>::from_primitive::<CubeBackend>(wrap(&decoder.outputs, unlikely, [rows]));
    let mean = unlikely.mean_dim(0).try_into_primitive::<CubeBackend>().expect("a tensor on the same backend");
    (into_contiguous(mean), decoder)
}

/// What words are decoded from, and what is known of their scores.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    tuning: Tuning,
    rows: usize,
    units: usize,
    vocabulary: usize,
    /// The first row of each chunk whose scores are computed at once, and how many it has.
    chunks: Vec<(usize, usize)>,
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
    /// Scores of all words [count, vocabulary] without bias.
    fn scores(&self, client: &Client, first: usize, count: usize) -> Handle {
        let scores = client.empty(4 * count * self.vocabulary);
        let outputs = Matrix::new(&self.outputs.handle, self.units).below(first);
        let vectors = Matrix::new(&self.vectors.handle, self.units).transposed();
        product(client, self.tuning, [outputs, vectors], [count, self.units, self.vocabulary], (&scores, 0), false);
        scores
    }

    /// The scores [rows, vocabulary] of all rows without bias.
    ///
    /// # Panics
    /// They were not kept, or computed in several chunks.
    pub fn all_scores(&self) -> CubeTensor {
        let [scores] = &self.kept[..] else { panic!("scores of {} rows at once", self.rows) };
        wrap(&self.outputs, scores.clone(), [self.rows, self.vocabulary])
    }

    /// Gradients of the outputs, the vectors and the bias.
    pub fn backward(mut self, gradient: CubeTensor, requested: [bool; 3]) -> [Option<CubeTensor>; 3] {
        let gradient = into_contiguous(gradient);
        let Self { rows, units, vocabulary, .. } = self;
        let client = &gradient.client;
        let floats = [rows * units, vocabulary * units, vocabulary];
        let [of_outputs, of_vectors, of_bias] = [0, 1, 2].map(|i| requested[i].then(|| client.empty(4 * floats[i])));
        let mut kept = std::mem::take(&mut self.kept).into_iter();
        for &(first, count) in &self.chunks {
            let scores = kept.next().unwrap_or_else(|| self.scores(client, first, count));
            Launch::new(1, &["likelihood_back"])
                .all(&[("VOCABULARY", vocabulary), ("COUNT", count), ("FIRST", first)])
                .float("SHARE", 1.0 / rows as f64)
                .run(
                    client,
                    count * vocabulary,
                    [1, 1],
                    &[&scores, &self.bias.handle, &self.targets.handle, &self.found, &gradient.handle],
                    2 * count * vocabulary + vocabulary + 2 * count,
                );
            let (added, of_scores) = (first > 0, Matrix::new(&scores, vocabulary));
            if let Some(result) = &of_outputs {
                let vectors = Matrix::new(&self.vectors.handle, units);
                let result = (result, first * units);
                product(client, self.tuning, [of_scores, vectors], [count, vocabulary, units], result, false);
            }
            if let Some(result) = &of_vectors {
                let outputs = Matrix::new(&self.outputs.handle, units).below(first);
                let matrices = [of_scores.transposed(), outputs];
                product(client, self.tuning, matrices, [vocabulary, count, units], (result, 0), added);
            }
            if let Some(result) = &of_bias {
                Launch::new(1, &["columns"])
                    .all(&[("ROWS", count), ("WORDS", vocabulary), ("ADDED", usize::from(added))])
                    .run(client, vocabulary, [1, 1], &[&scores, result], count * vocabulary + vocabulary);
            }
        }
        [
            of_outputs.map(|found| wrap(&gradient, found, [rows, units])),
            of_vectors.map(|found| wrap(&gradient, found, [vocabulary, units])),
            of_bias.map(|found| wrap(&gradient, found, [vocabulary])),
        ]
    }
}
