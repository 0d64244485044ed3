//! Language models around a recurrent cell (paper, sections 2.1, 3.1.2 and A.1.2), relaxed or derived, layer by layer as the
//! authors' implementation has them.

pub use crate::config::{Dropouts, Penalties};
use crate::{
    config::Kernels,
    model::{GradientTargets, Leaves, op_weights, plain::BATCH_NORM_EPSILON},
};
use crate::{
    data::Window,
    device::Tuning,
    kernels::{LikelihoodPlan, RecurrentGraph},
    network::{RecurrentCell, RecurrentNet},
    ops::{
        RecurrentInput, derived_op_weights, embedding, likelihood, matrix_product, recurrent_cell,
        recurrent_cell_evaluated,
    },
    space::{Genotype, Op, RECURRENT_NODES},
};
use burn::tensor::{
    Device, Int, Tensor, TensorData,
    activation::{log_softmax, relu, sigmoid, tanh},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Share of each state's statistics in the running ones, where a cell is normalised.
const STATISTICS_MOMENTUM: f64 = 0.1;

/// Floats of the word scores that plain ops compute at once: 64 MiB.
const MAX_SCORES: usize = (64 << 20) / 4;

/// Dropout masks of one pass: factors of its values, 0 where they are dropped. Absent where nothing is dropped.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    /// Each word [length * batch, 1].
    pub words: Option<Tensor<2>>,
    /// Components of the cell's input [batch, hidden].
    pub input: Option<Tensor<2>>,
    /// Components of the states [batch, hidden].
    pub hidden: Option<Tensor<2>>,
    /// Components of the output [batch, hidden].
    pub output: Option<Tensor<2>>,
}

impl Dropouts {
    /// Draws the masks of one pass over `window` (Gal and Ghahramani, 2016).
    pub fn draw(
        &self,
        window: &Window,
        vocabulary: usize,
        hidden: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Masks {
        let mut scales = |dropped: f64, count: usize| -> Vec<f32> {
            let keep = 1.0 - dropped;
            (0..count).map(|_| if rng.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 }).collect()
        };
        let batch = window.batch_size;
        let put = |values: Vec<f32>, shape: [usize; 2]| Tensor::from_data(TensorData::new(values, shape), device);
        let words = (self.embedding > 0.0).then(|| {
            let scales = scales(self.embedding, vocabulary);
            let words = window.tokens.iter().map(|&token| scales[token as usize]).collect();
            put(words, [window.tokens.len(), 1])
        });
        let mut locked = |rates: &[f64]| {
            let mut masks = rates.iter().filter(|&&rate| rate > 0.0).map(|&rate| scales(rate, batch * hidden));
            let first = masks.next()?;
            // Masks on the same component multiply.
            let all = masks.fold(first, |all, more| all.iter().zip(more).map(|(a, b)| a * b).collect());
            Some(put(all, [batch, hidden]))
        };
        let input = locked(&[self.input, self.cell_input]);
        let hidden = locked(&[self.hidden]);
        let output = locked(&[self.output]);
        Masks { words, input, hidden, output }
    }
}

/// Words and the word that follows each, on the device.
#[derive(Clone, Debug)]
pub struct TextBatch {
    /// Words [length * batch].
    tokens: Tensor<1, Int>,
    /// The word that follows each [length * batch].
    targets: Tensor<1, Int>,
    /// Places of all words, grouped by word, and then for each distinct word the word itself and where its places begin
    /// and end [length * batch + 3 distinct]: gradients of words are added up in that order.
    places: Tensor<1>,
    /// Number of distinct words.
    distinct: usize,
    /// Rows.
    pub length: usize,
    /// Columns.
    pub batch_size: usize,
}

impl TextBatch {
    /// Puts a window on the device.
    pub fn upload(window: &Window, device: &Device) -> Self {
        let put = |words: &[i32]| Tensor::from_data(TensorData::new(words.to_vec(), [words.len()]), device);
        let mut order: Vec<usize> = (0..window.tokens.len()).collect();
        order.sort_by_key(|&place| window.tokens[place]);
        let mut places: Vec<f32> = order.iter().map(|&place| place as f32).collect();
        let (mut begin, mut distinct) = (0, 0);
        for same in order.chunk_by(|&a, &b| window.tokens[a] == window.tokens[b]) {
            let end = begin + same.len();
            places.extend([window.tokens[same[0]] as f32, begin as f32, end as f32]);
            (begin, distinct) = (end, distinct + 1);
        }
        let count = places.len();
        Self {
            tokens: put(&window.tokens),
            targets: put(&window.targets),
            places: Tensor::from_data(TensorData::new(places, [count]), device),
            distinct,
            length: window.length,
            batch_size: window.batch_size,
        }
    }
}

/// Inputs of a pass.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The words.
    pub text: TextBatch,
    /// The state left by the window before [batch, hidden], through which no gradient passes.
    pub hidden: Tensor<2>,
    /// Dropout masks.
    pub masks: Masks,
    /// Penalties, added to the loss before its gradients are taken.
    pub penalties: Penalties,
}

/// Mean and variance [1, hidden] that normalise the states of a relaxed cell in evaluation mode, shared by all nodes.
#[derive(Clone, Debug)]
pub struct RunningStatistics {
    /// Means.
    pub mean: Tensor<2>,
    /// Unbiased variances.
    pub variance: Tensor<2>,
}

impl RunningStatistics {
    /// Initial statistics: mean 0, variance 1.
    pub fn new(hidden: usize, device: &Device) -> Self {
        Self { mean: Tensor::zeros([1, hidden], device), variance: Tensor::ones([1, hidden], device) }
    }

    /// Updates with the means and biased variances [states, hidden] that a pass computed over `batch` columns, in the
    /// order in which it computed the states.
    pub fn follow(&self, (means, variances): (Tensor<2>, Tensor<2>), batch: usize) -> Self {
        let [states, _] = means.dims();
        let kept = 1.0 - STATISTICS_MOMENTUM;
        let shares: Vec<f32> =
            (0..states).map(|i| (STATISTICS_MOMENTUM * kept.powi((states - 1 - i) as i32)) as f32).collect();
        let shares = Tensor::<2>::from_data(TensorData::new(shares, [1, states]), &means.device());
        let left = kept.powi(states as i32);
        let unbiased = if batch > 1 { batch as f64 / (batch - 1) as f64 } else { 1.0 };
        Self {
            mean: self.mean.clone() * left + shares.clone().matmul(means),
            variance: self.variance.clone() * left + shares.matmul(variances) * unbiased,
        }
    }
}

/// The result of a forward and backward pass in training mode.
#[derive(Clone, Debug)]
pub struct RecurrentPass {
    /// Mean negative log-likelihood of the words that follow, in nats [1].
    pub nll: Tensor<1>,
    /// The same with the penalties added [1]: the loss whose gradients are taken.
    pub loss: Tensor<1>,
    /// The state that the next window starts from [batch, hidden].
    pub hidden: Tensor<2>,
    /// Gradient of the flat weight vector, where requested.
    pub weight_gradient: Option<Tensor<1>>,
    /// Gradient of the alphas [36, 5], where requested.
    pub alpha_gradient: Option<Tensor<2>>,
    /// Means and biased variances [length * states, hidden] of a relaxed cell's states, where the weight gradient is
    /// requested.
    pub statistics: Option<(Tensor<2>, Tensor<2>)>,
}

impl RecurrentNet {
    /// The state before the first word [batch, hidden].
    pub fn first_hidden(&self, batch_size: usize, device: &Device) -> Tensor<2> {
        Tensor::zeros([batch_size, self.hidden], device)
    }

    /// Forward and backward pass in training mode: states of a relaxed cell are normalised by the minibatch's own
    /// statistics.
    ///
    /// `weights` is the flat vector and `alphas` [36, 5] belongs to a relaxed cell; neither needs to be on an autodiff
    /// device.
    pub fn pass(
        &self,
        weights: &Tensor<1>,
        alphas: Option<&Tensor<2>>,
        passage: &Passage,
        wrt: GradientTargets,
    ) -> RecurrentPass {
        let Passage { text, hidden, masks, penalties } = passage;
        let leaves = self.layout.leaves(weights, wrt.weights);
        let alpha_leaf = alphas.map(|alphas| {
            let leaf = alphas.clone().inner().autodiff();
            if wrt.alphas { leaf.require_grad() } else { leaf }
        });
        let forward = Forward::new(self, &leaves, alpha_leaf.as_ref(), masks, None);
        let Outputs { raw, hidden, statistics } = forward.run(text, hidden);
        let output = forward.output(raw.clone());
        let nll = forward.nll(output.clone(), text);
        let mut loss = nll.clone();
        if penalties.activation > 0.0 {
            loss = loss + mean_square(output) * penalties.activation;
        }
        if penalties.slowness > 0.0 && text.length > 1 {
            let change = raw.clone().narrow(0, 1, text.length - 1) - raw.narrow(0, 0, text.length - 1);
            loss = loss + mean_square(change) * penalties.slowness;
        }
        let mut pass = RecurrentPass {
            nll: nll.inner(),
            loss: loss.clone().inner(),
            hidden: hidden.inner(),
            weight_gradient: None,
            alpha_gradient: None,
            statistics: statistics.filter(|_| wrt.weights).map(|(mean, variance)| (mean.inner(), variance.inner())),
        };
        if wrt.weights || wrt.alphas {
            let mut gradients = loss.backward();
            pass.weight_gradient = wrt.weights.then(|| leaves.gradient(&mut gradients));
            pass.alpha_gradient = alpha_leaf.filter(|_| wrt.alphas).map(|leaf| {
                let gradient = leaf.grad_remove(&mut gradients);
                gradient.unwrap_or_else(|| leaf.inner().zeros_like())
            });
        }
        pass
    }

    /// Mean negative log-likelihood [1] of a window in evaluation mode, and the state [batch, hidden] that the next one
    /// starts from: nothing is dropped, and a relaxed cell is normalised by the running `statistics`.
    pub fn evaluate(
        &self,
        weights: &Tensor<1>,
        relaxed: Option<(&Tensor<2>, &RunningStatistics)>,
        text: &TextBatch,
        hidden: &Tensor<2>,
    ) -> (Tensor<1>, Tensor<2>) {
        let leaves = self.layout.leaves(weights, false);
        let alphas = relaxed.map(|(alphas, _)| alphas.clone().inner().autodiff());
        let masks = Masks::default();
        let forward = Forward::new(self, &leaves, alphas.as_ref(), &masks, relaxed.map(|(_, statistics)| statistics));
        let Outputs { raw, hidden, .. } = forward.run(text, hidden);
        (forward.nll(forward.output(raw), text).inner(), hidden.inner())
    }

    /// Log-probabilities of every word of the vocabulary [length * batch, vocabulary] after each word of a window, in
    /// training mode without dropout for a relaxed cell, and the state after it.
    pub fn log_probabilities(
        &self,
        weights: &Tensor<1>,
        alphas: Option<&Tensor<2>>,
        text: &TextBatch,
        hidden: &Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let leaves = self.layout.leaves(weights, false);
        let alphas = alphas.map(|alphas| alphas.clone().inner().autodiff());
        let masks = Masks::default();
        let forward = Forward::new(self, &leaves, alphas.as_ref(), &masks, None);
        let Outputs { raw, hidden, .. } = forward.run(text, hidden);
        let rows = raw.reshape([text.length * text.batch_size, self.hidden]);
        (log_softmax(forward.scores(rows), 1).inner(), hidden.inner())
    }
}

fn mean_square(x: Tensor<3>) -> Tensor<1> {
    let count = x.shape().num_elements();
    let flat = x.reshape([count]);
    // Over a dimension: the mean of all elements adds up in whatever order the device finishes them.
    (flat.clone() * flat).mean_dim(0)
}

/// Outputs of the cell over a window.
struct Outputs {
    /// Outputs [length, batch, hidden].
    raw: Tensor<3>,
    /// The last output.
    hidden: Tensor<2>,
    /// Means and biased variances of all states, where they are normalised by the minibatch.
    statistics: Option<(Tensor<2>, Tensor<2>)>,
}

/// A forward pass.
struct Forward<'a> {
    net: &'a RecurrentNet,
    leaves: &'a Leaves<'a>,
    masks: &'a Masks,
    /// The op weights of a relaxed cell [36, 5].
    op_weights: Option<Tensor<2>>,
    running: Option<&'a RunningStatistics>,
    tuning: Tuning,
}

impl<'a> Forward<'a> {
    fn new(
        net: &'a RecurrentNet,
        leaves: &'a Leaves<'a>,
        alphas: Option<&Tensor<2>>,
        masks: &'a Masks,
        running: Option<&'a RunningStatistics>,
    ) -> Self {
        let op_weights = alphas.map(|alphas| op_weights(alphas.clone()));
        let tuning = Tuning::of(&leaves.get::<1>("decoder.bias").device());
        Self { net, leaves, masks, op_weights, running, tuning }
    }

    /// Runs the cell over a window.
    fn run(&self, text: &TextBatch, hidden: &Tensor<2>) -> Outputs {
        let &TextBatch { length, batch_size: batch, .. } = text;
        let units = self.net.hidden;
        let vectors = self.leaves.get::<2>("encoder.weight");
        let mut words = match self.net.kernels {
            Kernels::Fused => embedding(vectors, text.tokens.clone(), text.places.clone(), text.distinct),
            Kernels::Reference => vectors.select(0, text.tokens.clone().inner().autodiff()),
        };
        if let Some(mask) = &self.masks.words {
            words = words * mask.clone().autodiff();
        }
        let mut words = words.reshape([length, batch, units]);
        if let Some(mask) = &self.masks.input {
            words = words * mask.clone().autodiff().unsqueeze_dim(0);
        }
        // Words' share of the gates of the first state, for all words at once.
        let first = self.leaves.get::<2>("rnns.0._W0");
        let (words, of_words) = (words.reshape([length * batch, units]), first.clone().narrow(0, 0, units));
        let inputs = match self.net.kernels {
            Kernels::Fused => matrix_product(self.tuning, words, of_words),
            Kernels::Reference => words.matmul(of_words),
        };
        let inputs = inputs.reshape([length, batch, 2 * units]);
        if self.net.kernels == Kernels::Fused && self.net.genotype().is_none_or(RecurrentGraph::supports) {
            return self.run_fused(inputs, first, hidden);
        }
        let cell = Step {
            first: first.narrow(0, units, units),
            nodes: (0..self.nodes()).map(|node| self.leaves.get::<2>(&format!("rnns.0._Ws.{node}"))).collect(),
            mask: self.masks.hidden.clone().map(Tensor::autodiff),
            op_weights: self.op_weights.as_ref().map(by_node).unwrap_or_default(),
            running: self.running,
        };
        let mut hidden = hidden.clone().inner().autodiff();
        let mut outputs = Vec::with_capacity(length);
        let mut observed = Vec::new();
        for row in 0..length {
            let input = inputs.clone().narrow(0, row, 1).reshape([batch, 2 * units]);
            hidden = match &self.net.cell {
                RecurrentCell::Relaxed => cell.relaxed(input, hidden, &mut observed),
                RecurrentCell::Derived(genotype) => cell.derived(genotype, input, hidden),
            };
            outputs.push(hidden.clone());
        }
        let (means, variances): (Vec<_>, Vec<_>) = observed.into_iter().unzip();
        let statistics = (!means.is_empty()).then(|| (Tensor::cat(means, 0), Tensor::cat(variances, 0)));
        Outputs { raw: Tensor::stack(outputs, 0), hidden, statistics }
    }

    /// Runs the cell over a window on the fused kernels; `inputs` [length, batch, 2 hidden] is the words' share of the
    /// gates of the first state, `first` that state's whole matrix.
    fn run_fused(&self, inputs: Tensor<3>, first: Tensor<2>, hidden: &Tensor<2>) -> Outputs {
        let units = self.net.hidden;
        let [length, batch, _] = inputs.dims();
        let nodes = (0..self.nodes()).map(|node| self.leaves.get::<2>(&format!("rnns.0._Ws.{node}")));
        let matrices = Tensor::cat([first.narrow(0, units, units)].into_iter().chain(nodes).collect(), 0);
        let hidden = hidden.clone().inner();
        let mask = self.masks.hidden.clone().unwrap_or_else(|| hidden.ones_like());
        let (cell, op_weights) = match &self.net.cell {
            RecurrentCell::Derived(genotype) => {
                (RecurrentGraph::derived(genotype), derived_op_weights(genotype, &inputs.device()))
            }
            RecurrentCell::Relaxed => {
                (RecurrentGraph::Relaxed, self.op_weights.clone().expect("a relaxed cell has alphas"))
            }
        };
        let input = RecurrentInput { inputs, matrices, cell, op_weights, hidden, mask };
        let (raw, moments) = match self.running {
            Some(RunningStatistics { mean, variance }) => {
                let running = Tensor::cat(vec![mean.clone(), variance.clone()], 1).reshape([2 * units]);
                (recurrent_cell_evaluated(self.tuning, input, running).autodiff(), None)
            }
            None => recurrent_cell(self.tuning, input),
        };
        let hidden = raw.clone().narrow(0, length - 1, 1).reshape([batch, units]);
        let statistics = moments.map(|moments| {
            let states = length * (RECURRENT_NODES + 1);
            let of = |moment: usize| moments.clone().narrow(2, moment, 1).reshape([states, units]).autodiff();
            (of(0), of(1))
        });
        Outputs { raw, hidden, statistics }
    }

    fn nodes(&self) -> usize {
        self.net.genotype().map_or(RECURRENT_NODES, |genotype| genotype.cells()[0].ops.len())
    }

    /// Outputs of the cell as the decoder reads them: dropout applied.
    fn output(&self, raw: Tensor<3>) -> Tensor<3> {
        match &self.masks.output {
            Some(mask) => raw * mask.clone().autodiff().unsqueeze_dim(0),
            None => raw,
        }
    }

    /// Scores of all words [rows, vocabulary] from outputs [rows, hidden].
    fn scores(&self, rows: Tensor<2>) -> Tensor<2> {
        let bias = self.leaves.get::<1>("decoder.bias").unsqueeze_dim(0);
        rows.matmul(self.leaves.get::<2>("encoder.weight").transpose()) + bias
    }

    /// Mean negative log-likelihood of the words that follow [1].
    fn nll(&self, output: Tensor<3>, text: &TextBatch) -> Tensor<1> {
        let rows = text.length * text.batch_size;
        let output = output.reshape([rows, self.net.hidden]);
        if self.net.kernels == Kernels::Fused {
            let (vectors, bias) = (self.leaves.get("encoder.weight"), self.leaves.get("decoder.bias"));
            return likelihood(LikelihoodPlan::new(self.tuning), output, vectors, bias, text.targets.clone());
        }
        let targets = text.targets.clone().inner().autodiff();
        let at_once = (MAX_SCORES / self.net.vocabulary).max(1);
        let parts = (0..rows).step_by(at_once).map(|from| {
            let count = at_once.min(rows - from);
            let scores = self.scores(output.clone().narrow(0, from, count));
            let targets = targets.clone().narrow(0, from, count).reshape([count, 1]);
            log_softmax(scores, 1).gather(1, targets).sum_dim(0).reshape([1])
        });
        let sum = parts.reduce(|sum, part| sum + part).expect("a window has words");
        sum / -(rows as f64)
    }
}

/// The cell's weights at every word.
struct Step<'a> {
    /// Matrix from the previous state to the gates of the first state [hidden, 2 hidden].
    first: Tensor<2>,
    /// One matrix per node [hidden, 2 hidden].
    nodes: Vec<Tensor<2>>,
    mask: Option<Tensor<2>>,
    /// For each node the weights of its edges, of each op other than zero and of all of them [edges, 1, 1].
    op_weights: Vec<([Tensor<3>; 4], Tensor<3>)>,
    running: Option<&'a RunningStatistics>,
}

/// The op weights [36, 5] by node.
fn by_node(op_weights: &Tensor<2>) -> Vec<([Tensor<3>; 4], Tensor<3>)> {
    (0..RECURRENT_NODES)
        .map(|node| {
            let rows = op_weights.clone().narrow(0, node * (node + 1) / 2, node + 1);
            let of = |op: usize, count: usize| rows.clone().narrow(1, op, count).sum_dim(1).reshape([node + 1, 1, 1]);
            ([1, 2, 3, 4].map(|op| of(op, 1)), of(1, 4))
        })
        .collect()
}

/// Means and biased variances of states in the order in which they are computed, each [1, hidden].
type Observed = Vec<(Tensor<2>, Tensor<2>)>;

impl Step<'_> {
    /// The gate and the candidate [batch, hidden] from a matrix's product [batch, 2 hidden].
    fn gates(gates: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let units = gates.dims()[1] / 2;
        (sigmoid(gates.clone().narrow(1, 0, units)), gates.narrow(1, units, units))
    }

    fn masked(&self, state: Tensor<2>) -> Tensor<2> {
        match &self.mask {
            Some(mask) => state * mask.clone(),
            None => state,
        }
    }

    /// The first state [batch, hidden]: the previous state, moved by a gate towards a candidate, both computed from it
    /// and the word.
    fn first_state(&self, input: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
        let (gate, candidate) = Self::gates(input + self.masked(hidden.clone()).matmul(self.first.clone()));
        hidden.clone() + gate * (tanh(candidate) - hidden)
    }

    /// The next hidden state [batch, hidden] of a relaxed cell.
    fn relaxed(&self, input: Tensor<2>, hidden: Tensor<2>, observed: &mut Observed) -> Tensor<2> {
        let [batch, units] = hidden.dims();
        let first = self.normalised(self.first_state(input, hidden), observed);
        let mut states: Tensor<3> = first.unsqueeze_dim(0);
        for (node, (matrix, (ops, all))) in self.nodes.iter().zip(&self.op_weights).enumerate() {
            let edges = node + 1;
            let masked = match &self.mask {
                Some(mask) => states.clone() * mask.clone().unsqueeze_dim(0),
                None => states.clone(),
            };
            let gates =
                masked.reshape([edges * batch, units]).matmul(matrix.clone()).reshape([edges, batch, 2 * units]);
            let gate = sigmoid(gates.clone().narrow(2, 0, units));
            let candidate = gates.narrow(2, units, units);
            let [by_tanh, by_relu, by_sigmoid, by_identity] = ops.clone();
            let mixed = tanh(candidate.clone()) * by_tanh
                + relu(candidate.clone()) * by_relu
                + sigmoid(candidate.clone()) * by_sigmoid
                + candidate * by_identity;
            // Over all ops other than zero, weighted: state + gate * (op(candidate) - state).
            let kept = states.clone() * all.clone();
            let sum = (kept.clone() + gate * (mixed - kept)).sum_dim(0).reshape([batch, units]);
            let state = self.normalised(sum, observed);
            states = Tensor::cat(vec![states, state.unsqueeze_dim(0)], 0);
        }
        states.narrow(0, 1, RECURRENT_NODES).mean_dim(0).reshape([batch, units])
    }

    /// BatchNorm without gamma and beta, as on every state of a search.
    fn normalised(&self, state: Tensor<2>, observed: &mut Observed) -> Tensor<2> {
        if let Some(RunningStatistics { mean, variance }) = self.running {
            let [mean, variance] = [mean, variance].map(|tensor| tensor.clone().autodiff());
            return (state - mean) / (variance + BATCH_NORM_EPSILON).sqrt();
        }
        let mean = state.clone().mean_dim(0);
        let centred = state - mean.clone();
        let variance = (centred.clone() * centred.clone()).mean_dim(0);
        observed.push((mean, variance.clone()));
        centred / (variance + BATCH_NORM_EPSILON).sqrt()
    }

    /// The next hidden state [batch, hidden] of a derived cell.
    fn derived(&self, genotype: &Genotype, input: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
        let mut states = vec![self.first_state(input, hidden)];
        for (matrix, &(op, state)) in self.nodes.iter().zip(&genotype.cells()[0].ops) {
            let state = states[state].clone();
            let (gate, candidate) = Self::gates(self.masked(state.clone()).matmul(matrix.clone()));
            let candidate = match op {
                Op::TANH => tanh(candidate),
                Op::RELU => relu(candidate),
                Op::SIGMOID => sigmoid(candidate),
                Op::IDENTITY => candidate,
                other => unreachable!("{other} in a well-formed genotype"),
            };
            states.push(state.clone() + gate * (candidate - state));
        }
        let sum =
            genotype.cells()[0].concat.iter().map(|&state| states[state].clone()).reduce(|sum, state| sum + state);
        sum.expect("a well-formed genotype") / genotype.cells()[0].concat.len() as f64
    }
}
