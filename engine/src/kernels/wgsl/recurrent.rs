//! A recurrent cell over a whole window, relaxed or derived.
//!
//! A workgroup owns four columns of a state and has all of the minibatch, so that a node, its ops over the states that it reads
//! and its BatchNorm are one launch: nine launches a word forward for eight nodes. Backward each node gathers what later nodes
//! leave of its gradient, which makes eleven. Gates are computed again there rather than kept. A derived cell is one whose
//! nodes read one state each, by ops of which one counts, and which has no BatchNorm.

use crate::device::Tuning;
use crate::kernels::{
    RecurrentGraph, RecurrentPlan, RecurrentWindow,
    wgsl::{
        backend::wrap,
        gpu::{Launch, tile},
    },
};
use crate::space::{RECURRENT_EDGES, RecurrentGenotype, RecurrentOp};
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
/// Threads that take packed weights in turns.
const MOST_THREADS: usize = 65535 * WORKGROUP;

/// Outputs [length, batch, units] of a cell over a window, and where its states are normalised, which is by the minibatch
/// unless `running` means and variances are given, their means and biased variances [length, states, 2, units].
pub(super) fn forward(
    plan: RecurrentPlan,
    window: RecurrentWindow<CubeBackend>,
    running: Option<CubeTensor>,
) -> (CubeTensor, Option<CubeTensor>, Memory) {
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
    (result, moments, Memory { plan, inputs, op_weights, hidden, mask, output, kept })
}

/// Floats of the largest buffer that a window of a cell takes, relaxed unless it is given; none where the kernels do not
/// support it.
pub(crate) fn largest_buffer(length: usize, units: usize, batch: usize, derived: Option<&RecurrentGenotype>) -> usize {
    if derived.is_some_and(|genotype| !RecurrentGraph::supports(genotype)) {
        return 0;
    }
    let cell = derived.map_or(RecurrentGraph::Relaxed, RecurrentGraph::derived);
    let plan = RecurrentPlan { length, units, batch, cell, tuning: Tuning::Gpu };
    plan.states().max(plan.gates()).max(plan.partial())
}

/// What states are normalised by.
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

    /// The file that normalises.
    fn file(self) -> &'static str {
        match self {
            Self::Minibatch => "recurrent_norm",
            Self::Running => "recurrent_running",
            Self::Nothing => "recurrent_unchanged",
        }
    }
}

impl RecurrentGraph {
    /// The slot of the output's share among the gradients, behind those of the states; one of the state before follows.
    fn shared(&self) -> usize {
        self.states()
    }

    /// What each node reads, four bits each, of nodes 1 to 8 and of those after them.
    fn graph(&self) -> [usize; 2] {
        let Self::Derived { sources, .. } = self else { return [0, 0] };
        let word = |first: usize| sources.iter().skip(first).take(8).rev().fold(0, |word, source| word << 4 | source);
        [word(0), word(8)]
    }
}

/// Buffers that the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct Kept {
    packed: Handle,
    states: Handle,
    moments: Handle,
}

impl RecurrentPlan {
    fn tiles(&self) -> usize {
        self.units.div_ceil(TILE)
    }

    fn states(&self) -> usize {
        self.length * self.cell.states() * self.state()
    }

    /// Floats of the gradients of gates: of each word's first state, and of the edges of one word.
    fn gates(&self) -> usize {
        (self.length + self.cell.edges()) * 2 * self.state()
    }

    /// Floats of the states' statistics, or something where there are none.
    fn moments(&self) -> usize {
        if self.cell.is_relaxed() { self.length * self.cell.states() * 2 * self.units } else { 1 }
    }

    /// Floats of the gradients of the ops' weights by column tile and element of the minibatch, or something where there are
    /// none.
    fn partial(&self) -> usize {
        if self.cell.is_relaxed() { self.tiles() * self.cell.edges() * self.batch * TILE } else { TILE }
    }

    /// Vectors of the packed matrices, not transposed.
    fn half(&self) -> usize {
        self.cell.states() * self.tiles() * 2 * self.units
    }

    /// A launch on all columns at a word: files and the numbers that most have.
    fn launch(&self, files: &[&'static str], row: usize) -> Launch {
        Launch::new(1, files).all(&[
            ("UNITS", self.units),
            ("BATCH", self.batch),
            ("BASE", row * self.cell.states() * self.state()),
            ("TILES", self.tiles()),
        ])
    }

    /// The numbers of a node.
    fn node(&self, launch: Launch, node: usize, row: usize) -> Launch {
        let [first, edges, edge] = self.cell.reads(node);
        // All edges share a read of the weights, in blocks whose sums fit into registers.
        let block = match (self.tuning, edges) {
            (Tuning::Browser, edges) => tile(edges, 2),
            (_, 6) => 3,
            (_, 8) => 4,
            (_, all) => all,
        };
        launch.all(&[
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

    fn run(&self, launch: Launch, client: &Client, buffers: &[&Handle], moved: usize) {
        launch.run(client, self.tiles() * WORKGROUP, [1, 1], buffers, moved);
    }

    fn forward(
        &self,
        client: &Client,
        [inputs, matrices, op_weights, hidden, mask]: [&Handle; 5],
        moments: Handle,
        norm: Norm,
    ) -> (Handle, Kept) {
        let empty = |floats: usize| client.empty(4 * floats);
        let packed = empty(2 * self.half() * TILE);
        let threads = (2 * self.half()).min(MOST_THREADS);
        Launch::new(1, &["recurrent_pack"])
            .all(&[("UNITS", self.units), ("TILES", self.tiles()), ("HALF", self.half()), ("THREADS", threads)])
            .run(client, threads, [1, 1], &[matrices, &packed], 4 * TILE * self.half());
        let states = empty(self.states());
        let output = empty(self.length * self.state());
        let matrix = 2 * self.units * self.units;
        for row in 0..self.length {
            let (before, at) = self.before(row, hidden, &output);
            let first = self.launch(&["recurrent", norm.file(), "recurrent_first"], row).all(&[
                ("MOMENTS", self.moments_of(row, 0)),
                ("INPUT", row * 2 * self.state()),
                ("BEFORE", at),
            ]);
            let moved = 5 * self.state() + matrix;
            self.run(first, client, &[&states, &packed, mask, &moments, inputs, before], moved);
            for node in 1..=self.cell.nodes() {
                let files = ["recurrent", "recurrent_gates", norm.file(), "recurrent_node"];
                let share = if self.cell.includes(node) { self.cell.share() } else { 0.0 };
                let launch = self.node(self.launch(&files, row), node, row);
                let launch = launch.all(&[("OUTPUT", row * self.state())]).float("SHARE", share);
                let moved = (self.cell.reads(node)[1] + 4) * self.state() + matrix;
                self.run(launch, client, &[&states, &packed, mask, &moments, op_weights, &output], moved);
            }
        }
        (output, Kept { packed, states, moments })
    }

    /// Gradients: of the inputs (the first slots of a longer buffer), of the matrices where wanted, and of the ops' weights by
    /// column tile and element of the minibatch [tiles, 36, batch, 4].
    fn backward(
        &self,
        client: &Client,
        memory: &Memory,
        output_gradient: &Handle,
        matrices_requested: bool,
    ) -> (Handle, Option<Handle>, Handle) {
        let empty = |floats: usize| client.empty(4 * floats);
        let Kept { packed, states, moments } = &memory.kept;
        let [inputs, op_weights, hidden, mask, output] =
            [&memory.inputs, &memory.op_weights, &memory.hidden, &memory.mask, &memory.output]
                .map(|tensor| &tensor.handle);
        let gradients = empty((self.cell.shared() + 2) * self.state());
        let gates = empty(self.gates());
        let partial = empty(self.partial());
        let matrix = 2 * self.units * self.units;
        let (nodes, states_of_cell) = (self.cell.nodes(), self.cell.states());
        let result = matrices_requested.then(|| empty(states_of_cell * matrix));
        let [low, high] = self.cell.graph();
        let with = |launch: Launch, row: usize| {
            let fresh = usize::from(row + 1 == self.length);
            let launch = launch.is("RELAXED", self.cell.is_relaxed());
            launch.all(&[("HALF", self.half()), ("GATES", self.length), ("ROW", row), ("FRESH", fresh)])
        };
        let pulling = |launch: Launch, row: usize| {
            with(launch, row).all(&[("SHARED", self.cell.shared()), ("NODES", nodes), ("LOW", low), ("HIGH", high)])
        };
        for row in (0..self.length).rev() {
            let launch = with(self.launch(&["recurrent_output_back"], row), row)
                .all(&[("SHARED", self.cell.shared()), ("NODES", nodes)])
                .float("SHARE", self.cell.share());
            let moved = 6 * self.state() + matrix;
            self.run(launch, client, &[&gradients, &gates, packed, mask, output_gradient], moved);
            for node in (1..=nodes).rev() {
                let files =
                    ["recurrent", "recurrent_gates", "recurrent_graph", "recurrent_pull", "recurrent_node_back"];
                // The last node of a relaxed cell reads all states, and is the first to leave something of their gradients.
                let held = usize::from(!self.cell.is_relaxed() || node < nodes);
                let included = f64::from(u8::from(self.cell.includes(node)));
                let launch = pulling(self.node(self.launch(&files, row), node, row), row)
                    .all(&[("HELD", held)])
                    .float("INCLUDED", included);
                let [_, edges, _] = self.cell.reads(node);
                let later = (node + 1..=nodes).filter(|&later| self.cell.read_by(node, later)).count();
                let moved = (6 * edges + 2 * later + 4) * self.state() + (1 + later) * matrix;
                let buffers = [states, packed, mask, moments, op_weights, &gradients, &gates, &partial];
                self.run(launch, client, &buffers, moved);
            }
            let (before, at) = self.before(row, hidden, output);
            let files = ["recurrent", "recurrent_graph", "recurrent_pull", "recurrent_first_back"];
            let launch = pulling(self.launch(&files, row), row).all(&[
                ("MOMENTS", self.moments_of(row, 0)),
                ("INPUT", row * 2 * self.state()),
                ("BEFORE", at),
            ]);
            let moved = (2 * nodes + 10) * self.state() + states_of_cell * matrix;
            let buffers = [states, packed, mask, moments, inputs, before, &gradients, &gates];
            self.run(launch, client, &buffers, moved);
            if let Some(result) = &result {
                let columns = (2 * self.units).div_ceil(TILE);
                let launch = with(self.launch(&["recurrent_graph", "recurrent_weights"], row), row).all(&[
                    ("BEFORE", at),
                    ("COLUMN_TILES", columns),
                    ("LOW", low),
                    ("HIGH", high),
                ]);
                let buffers = [states, before, mask, &gates, result];
                let moved =
                    (states_of_cell + 2 + 2 * (self.cell.edges() + 1)) * self.state() + 2 * states_of_cell * matrix;
                launch.run(client, self.tiles() * columns, [states_of_cell, 1], &buffers, moved);
            }
        }
        (gates, result, partial)
    }
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    plan: RecurrentPlan,
    inputs: CubeTensor,
    op_weights: CubeTensor,
    hidden: CubeTensor,
    mask: CubeTensor,
    output: CubeTensor,
    kept: Kept,
}

impl Memory {
    /// Gradients of the inputs, the matrices and the op weights.
    pub fn backward(self, gradient: CubeTensor, requested: [bool; 3]) -> [Option<CubeTensor>; 3] {
        let gradient = into_contiguous(CubeBackend::float_swap_dims(gradient, 1, 2));
        let RecurrentPlan { length, units, batch, ref cell, .. } = self.plan;
        let [inputs_requested, matrices_requested, op_weights_requested] = requested;
        let (gates, matrices, partial) =
            self.plan.backward(&gradient.client, &self, &gradient.handle, matrices_requested);
        let inputs = inputs_requested.then(|| {
            let all = wrap(&gradient, gates, [length + cell.edges(), 2 * units, batch]);
            let words = Tensor::<3>::from_primitive::<CubeBackend>(all).narrow(0, 0, length);
            CubeBackend::float_swap_dims(primitive(words), 1, 2)
        });
        let matrices = matrices.map(|matrices| wrap(&gradient, matrices, [cell.states() * units, 2 * units]));
        let op_weights = op_weights_requested.then(|| {
            let ops = RecurrentOp::CANDIDATES.len() - 1;
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
