//! A recurrent cell over a whole window, relaxed or derived.
//!
//! A workgroup owns four columns of a state and has all of the minibatch, so that a node, its ops over the states that
//! it reads and its BatchNorm are one launch: nine launches a word forward for eight nodes. Backward each node gathers
//! its gradient from later nodes, which makes eleven. Gates are computed again there rather than kept. A derived cell
//! is one whose nodes read one state each, by one op, and which has no BatchNorm.

use crate::device::Tuning;
use crate::kernels::{
    RecurrentGraph, RecurrentPlan, RecurrentWindow,
    wgsl::{
        backend::wrap,
        launch::{Launch, tile},
    },
};
use crate::space::{Genotype, RECURRENT_CANDIDATES, RECURRENT_EDGES};
use burn::{
    backend::{
        ops::FloatTensorOps,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::Tensor,
};
use cubecl::{prelude::Client, server::Handle};

/// Columns of a workgroup.
const TILE: usize = 4;
/// Threads of a workgroup.
const WORKGROUP: usize = 64;
/// The most threads that pack weights in turns.
const MAX_THREADS: usize = 65535 * WORKGROUP;

/// Outputs [length, batch, units] of a cell over a window, and where its states are normalised, which is by the minibatch
/// unless `running` means and variances are given, their means and biased variances [length, states, 2, units].
pub(super) fn forward(
    plan: RecurrentPlan,
    window: RecurrentWindow<CubeBackend>,
    running: Option<CubeTensor>,
) -> (CubeTensor, Option<CubeTensor>, Saved) {
    let RecurrentWindow { inputs, matrices, op_weights, hidden, mask } = window;
    // On a GPU neighbours are the elements of a minibatch.
    let [hidden, mask] = [hidden, mask].map(|tensor| into_contiguous(CubeBackend::float_transpose(tensor)));
    let inputs = CubeBackend::float_swap_dims(inputs, 1, 2);
    let [inputs, matrices, op_weights] = [inputs, matrices, op_weights].map(into_contiguous);
    let client = inputs.client.clone();
    let norm = Norm::of(&plan.cell, running.is_some());
    let moments = match running {
        Some(running) => into_contiguous(running).handle,
        None => client.empty(4 * plan.moments()),
    };
    let handles = [&inputs, &matrices, &op_weights, &hidden, &mask].map(|tensor| &tensor.handle);
    let (output, kept) = plan.forward(&client, handles, moments, norm);
    let moments = (norm == Norm::Minibatch)
        .then(|| wrap(&inputs, kept.moments.clone(), [plan.length, plan.cell.states(), 2, plan.units]));
    let output = wrap(&inputs, output, [plan.length, plan.units, plan.batch]);
    let result = CubeBackend::float_swap_dims(output.clone(), 1, 2);
    (result, moments, Saved { plan, inputs, op_weights, hidden, mask, output, kept })
}

/// Floats of the largest buffer that a window of a cell takes, relaxed unless a genotype is given; none where the
/// kernels do not support the cell.
pub(crate) fn largest_buffer(length: usize, units: usize, batch: usize, derived: Option<&Genotype>) -> usize {
    if derived.is_some_and(|genotype| !RecurrentGraph::supports(genotype)) {
        return 0;
    }
    let cell = derived.map_or(RecurrentGraph::Relaxed, RecurrentGraph::derived);
    let plan = RecurrentPlan { length, units, batch, cell, tuning: Tuning::Gpu };
    plan.states().max(plan.gates()).max(plan.partial())
}

/// Statistics that states are normalised by.
#[derive(Clone, Copy, PartialEq)]
enum Norm {
    Minibatch,
    Running,
    Nothing,
}

impl Norm {
    fn of(cell: &RecurrentGraph, running: bool) -> Self {
        match (cell.is_relaxed(), running) {
            (true, false) => Self::Minibatch,
            (true, true) => Self::Running,
            (false, _) => Self::Nothing,
        }
    }

    /// The shader file that normalises.
    fn file(self) -> &'static str {
        match self {
            Self::Minibatch => "recurrent/batch_norm",
            Self::Running => "recurrent/batch_norm_running",
            Self::Nothing => "recurrent/no_batch_norm",
        }
    }
}

impl RecurrentGraph {
    /// The slot of the output's share among the gradients, behind those of the states; one of the state before follows.
    fn shared(&self) -> usize {
        self.states()
    }

    /// The state that each node reads, four bits each, of nodes 1 to 8 and of those after them.
    fn graph(&self) -> [usize; 2] {
        let Self::Derived { sources, .. } = self else { return [0, 0] };
        let word = |first: usize| sources.iter().skip(first).take(8).rev().fold(0, |word, source| word << 4 | source);
        [word(0), word(8)]
    }
}

/// Buffers that the backward pass needs from the forward pass.
#[derive(Clone, Debug)]
struct Kept {
    /// Matrices by four columns, and then transposed by four rows.
    packed: Handle,
    /// [length, states, units, batch].
    states: Handle,
    /// Means and biased variances [length, states, 2, units], if states are normalised.
    moments: Handle,
}

impl RecurrentPlan {
    /// Tiles of four columns.
    fn tiles(&self) -> usize {
        self.units.div_ceil(TILE)
    }

    /// Floats of the states of all words.
    fn states(&self) -> usize {
        self.length * self.cell.states() * self.state()
    }

    /// Floats of the gradients of gates: of each word's first state, and of the edges of one word.
    fn gates(&self) -> usize {
        (self.length + self.cell.edges()) * 2 * self.state()
    }

    /// Floats of the states' statistics, or a placeholder where there are none.
    fn moments(&self) -> usize {
        if self.cell.is_relaxed() { self.length * self.cell.states() * 2 * self.units } else { 1 }
    }

    /// Floats of the gradients of the op weights by column tile and element of the minibatch, or a placeholder where
    /// there are none.
    fn partial(&self) -> usize {
        if self.cell.is_relaxed() { self.tiles() * self.cell.edges() * self.batch * TILE } else { TILE }
    }

    /// Vectors of the packed matrices, not transposed.
    fn half(&self) -> usize {
        self.cell.states() * self.tiles() * 2 * self.units
    }

    /// A launch over all columns at a word, with the numbers that most shaders read.
    fn launch(&self, files: &[&'static str], row: usize) -> Launch {
        Launch::new(1, files).set(&[
            ("UNITS", self.units),
            ("BATCH", self.batch),
            ("BASE", row * self.cell.states() * self.state()),
            ("TILES", self.tiles()),
        ])
    }

    /// A launch with the numbers of a node.
    fn node(&self, launch: Launch, node: usize, row: usize) -> Launch {
        let [first, edges, edge] = self.cell.reads(node);
        // All edges share a read of the weights, in blocks whose sums fit into registers.
        let block = match (self.tuning, edges) {
            (Tuning::Browser, edges) => tile(edges, 2),
            (_, 6) => 3,
            (_, 8) => 4,
            (_, all) => all,
        };
        launch.set(&[
            ("BLOCK", block),
            ("NODE", node),
            ("FIRST", first),
            ("EDGES", edges),
            ("EDGE", edge),
            ("MOMENTS", self.moments_of(row, node)),
        ])
    }

    /// Where a state's statistics lie.
    fn moments_of(&self, row: usize, state: usize) -> usize {
        if self.cell.is_relaxed() { (row * self.cell.states() + state) * 2 * self.units } else { 0 }
    }

    /// Where the state before a word lies: in `hidden`, or among the outputs.
    fn before<'a>(&self, row: usize, hidden: &'a Handle, output: &'a Handle) -> (&'a Handle, usize) {
        if row == 0 { (hidden, 0) } else { (output, (row - 1) * self.state()) }
    }

    /// Runs a launch over all columns.
    fn run(&self, launch: Launch, client: &Client, buffers: &[&Handle], moved: usize) {
        launch.run(client, self.tiles() * WORKGROUP, [1, 1], buffers, moved);
    }

    /// The output [length, units, batch], and what the backward pass needs.
    fn forward(
        &self,
        client: &Client,
        [inputs, matrices, op_weights, hidden, mask]: [&Handle; 5],
        moments: Handle,
        norm: Norm,
    ) -> (Handle, Kept) {
        let empty = |floats: usize| client.empty(4 * floats);
        let packed = empty(2 * self.half() * TILE);
        let threads = (2 * self.half()).min(MAX_THREADS);
        Launch::new(1, &["recurrent/pack_weights"])
            .set(&[("UNITS", self.units), ("TILES", self.tiles()), ("HALF", self.half()), ("THREADS", threads)])
            .run(client, threads, [1, 1], &[matrices, &packed], 4 * TILE * self.half());
        let states = empty(self.states());
        let output = empty(self.length * self.state());
        let matrix = 2 * self.units * self.units;
        for row in 0..self.length {
            let (before, at) = self.before(row, hidden, &output);
            let first = self
                .launch(&["recurrent/state", norm.file(), "recurrent/first_gates", "recurrent/first_state"], row)
                .set(&[("MOMENTS", self.moments_of(row, 0)), ("INPUT", row * 2 * self.state()), ("BEFORE", at)]);
            let moved = 5 * self.state() + matrix;
            self.run(first, client, &[&states, &packed, mask, &moments, inputs, before], moved);
            for node in 1..=self.cell.nodes() {
                let files = ["recurrent/state", "recurrent/gates", norm.file(), "recurrent/node"];
                let share = if self.cell.includes(node) { self.cell.share() } else { 0.0 };
                let launch = self.node(self.launch(&files, row), node, row);
                let launch = launch.set(&[("OUTPUT", row * self.state())]).set_float("SHARE", share);
                let moved = (self.cell.reads(node)[1] + 4) * self.state() + matrix;
                self.run(launch, client, &[&states, &packed, mask, &moments, op_weights, &output], moved);
            }
        }
        (output, Kept { packed, states, moments })
    }

    /// A backward pass before its first word.
    fn backward<'a>(
        &'a self,
        client: &'a Client,
        saved: &'a Saved,
        output_gradient: &'a Handle,
        matrices_requested: bool,
    ) -> Backward<'a> {
        let empty = |floats: usize| client.empty(4 * floats);
        let matrices = self.cell.states() * 2 * self.units * self.units;
        Backward {
            plan: self,
            client,
            saved,
            output_gradient,
            gradients: empty((self.cell.shared() + 2) * self.state()),
            gates: empty(self.gates()),
            matrices: matrices_requested.then(|| empty(matrices)),
            partial: empty(self.partial()),
        }
    }
}

/// A backward pass under way, from the last word to the first.
struct Backward<'a> {
    plan: &'a RecurrentPlan,
    client: &'a Client,
    saved: &'a Saved,
    output_gradient: &'a Handle,
    /// Gradients of a word's states, then the output's share and that of the state before [states + 2, units, batch].
    gradients: Handle,
    /// Gradients of the gates of each word's first state, which are those of the inputs, and of a word's edges
    /// [length + edges, 2 units, batch].
    gates: Handle,
    /// Gradients of the matrices, where requested.
    matrices: Option<Handle>,
    /// Gradients of the op weights by column tile and element of the minibatch [tiles, 36, batch, 4].
    partial: Handle,
}

impl Backward<'_> {
    /// Goes back through a word.
    fn word(&self, row: usize) {
        self.output(row);
        for node in (1..=self.plan.cell.nodes()).rev() {
            self.node(row, node);
        }
        self.first_state(row);
        if let Some(matrices) = &self.matrices {
            self.weights(row, matrices);
        }
    }

    /// The numbers that all launches at a word share.
    fn at(&self, launch: Launch, row: usize) -> Launch {
        let fresh = usize::from(row + 1 == self.plan.length);
        launch.set_switch("RELAXED", self.plan.cell.is_relaxed()).set(&[
            ("HALF", self.plan.half()),
            ("GATES", self.plan.length),
            ("ROW", row),
            ("FRESH", fresh),
        ])
    }

    /// The numbers of launches that gather the gradients of a state from later nodes.
    fn gathering(&self, launch: Launch, row: usize) -> Launch {
        let cell = &self.plan.cell;
        let [low, high] = cell.graph();
        self.at(launch, row).set(&[("SHARED", cell.shared()), ("NODES", cell.nodes()), ("LOW", low), ("HIGH", high)])
    }

    /// Floats of a state, and of a matrix.
    fn sizes(&self) -> (usize, usize) {
        (self.plan.state(), 2 * self.plan.units * self.plan.units)
    }

    /// Computes the share that every node gets of the output's gradient.
    fn output(&self, row: usize) {
        let (state, matrix) = self.sizes();
        let cell = &self.plan.cell;
        let launch = self
            .at(self.plan.launch(&["recurrent/output_gradient"], row), row)
            .set(&[("SHARED", cell.shared()), ("NODES", cell.nodes())])
            .set_float("SHARE", cell.share());
        let Saved { mask, kept, .. } = self.saved;
        let buffers = [&self.gradients, &self.gates, &kept.packed, &mask.handle, self.output_gradient];
        self.plan.run(launch, self.client, &buffers, 6 * state + matrix);
    }

    /// Goes back through a node.
    fn node(&self, row: usize, node: usize) {
        let (state, matrix) = self.sizes();
        let cell = &self.plan.cell;
        let files = [
            "recurrent/state",
            "recurrent/gates",
            "recurrent/graph",
            "recurrent/later_gradients",
            "recurrent/node_gradient",
        ];
        // The last node of a relaxed cell reads all states, and is the first to write their gradients.
        let held = usize::from(!cell.is_relaxed() || node < cell.nodes());
        let included = f64::from(u8::from(cell.includes(node)));
        let launch = self
            .gathering(self.plan.node(self.plan.launch(&files, row), node, row), row)
            .set(&[("HELD", held)])
            .set_float("INCLUDED", included);
        let [_, edges, _] = cell.reads(node);
        let later = (node + 1..=cell.nodes()).filter(|&later| cell.read_by(node, later)).count();
        let moved = (6 * edges + 2 * later + 4) * state + (1 + later) * matrix;
        let Saved { mask, op_weights, kept, .. } = self.saved;
        let Kept { packed, states, moments } = kept;
        let tensors = [states, packed, &mask.handle, moments, &op_weights.handle];
        let buffers = [&tensors[..], &[&self.gradients, &self.gates, &self.partial]].concat();
        self.plan.run(launch, self.client, &buffers, moved);
    }

    /// Goes back through the first state.
    fn first_state(&self, row: usize) {
        let (state, matrix) = self.sizes();
        let cell = &self.plan.cell;
        let (before, at) = self.before(row);
        let files = [
            "recurrent/state",
            "recurrent/graph",
            "recurrent/later_gradients",
            "recurrent/first_gates",
            "recurrent/first_state_gradient",
        ];
        let launch = self.gathering(self.plan.launch(&files, row), row).set(&[
            ("MOMENTS", self.plan.moments_of(row, 0)),
            ("INPUT", row * 2 * state),
            ("BEFORE", at),
        ]);
        let moved = (2 * cell.nodes() + 10) * state + cell.states() * matrix;
        let Saved { mask, inputs, kept, .. } = self.saved;
        let Kept { packed, states, moments } = kept;
        let tensors = [states, packed, &mask.handle, moments, &inputs.handle, before];
        let buffers = [&tensors[..], &[&self.gradients, &self.gates]].concat();
        self.plan.run(launch, self.client, &buffers, moved);
    }

    /// Adds a word's gradients of all matrices.
    fn weights(&self, row: usize, result: &Handle) {
        let (state, matrix) = self.sizes();
        let cell = &self.plan.cell;
        let (before, at) = self.before(row);
        let columns = (2 * self.plan.units).div_ceil(TILE);
        let [low, high] = cell.graph();
        let launch = self.plan.launch(&["recurrent/graph", "recurrent/weight_gradient"], row);
        let launch =
            self.at(launch, row).set(&[("BEFORE", at), ("COLUMN_TILES", columns), ("LOW", low), ("HIGH", high)]);
        let buffers = [&self.saved.kept.states, before, &self.saved.mask.handle, &self.gates, result];
        let moved = (cell.states() + 2 + 2 * (cell.edges() + 1)) * state + 2 * cell.states() * matrix;
        launch.run(self.client, self.plan.tiles() * columns, [cell.states(), 1], &buffers, moved);
    }

    /// The state before a word, and where it lies.
    fn before(&self, row: usize) -> (&Handle, usize) {
        self.plan.before(row, &self.saved.hidden.handle, &self.saved.output.handle)
    }
}

/// Tensors and results that the backward pass needs.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    plan: RecurrentPlan,
    inputs: CubeTensor,
    op_weights: CubeTensor,
    hidden: CubeTensor,
    mask: CubeTensor,
    output: CubeTensor,
    kept: Kept,
}

impl Saved {
    /// Gradients of the inputs, the matrices and the op weights.
    pub fn backward(self, gradient: CubeTensor, requested: [bool; 3]) -> [Option<CubeTensor>; 3] {
        let gradient = into_contiguous(CubeBackend::float_swap_dims(gradient, 1, 2));
        let RecurrentPlan { length, units, batch, ref cell, .. } = self.plan;
        let [inputs_requested, matrices_requested, op_weights_requested] = requested;
        let pass = self.plan.backward(&gradient.client, &self, &gradient.handle, matrices_requested);
        (0..length).rev().for_each(|row| pass.word(row));
        let Backward { gates, matrices, partial, .. } = pass;
        let inputs = inputs_requested.then(|| {
            let all = wrap(&gradient, gates, [length + cell.edges(), 2 * units, batch]);
            let words = Tensor::<3>::from_primitive::<CubeBackend>(all).narrow(0, 0, length);
            CubeBackend::float_swap_dims(primitive(words), 1, 2)
        });
        let matrices = matrices.map(|matrices| wrap(&gradient, matrices, [cell.states() * units, 2 * units]));
        let op_weights = op_weights_requested.then(|| {
            let ops = RECURRENT_CANDIDATES.len() - 1;
            let partial = wrap(&gradient, partial, [self.plan.tiles(), RECURRENT_EDGES, batch, ops]);
            let sums = Tensor::<4>::from_primitive::<CubeBackend>(partial).sum_dim(2).sum_dim(0);
            let sums = sums.reshape([RECURRENT_EDGES, ops]);
            let zero = sums.clone().narrow(1, 0, 1).zeros_like();
            primitive(Tensor::cat(vec![zero, sums], 1))
        });
        [inputs, matrices, op_weights]
    }
}

/// A tensor's numbers, one after the other.
fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    into_contiguous(tensor.try_into_primitive::<CubeBackend>().expect("a tensor on the same backend"))
}
