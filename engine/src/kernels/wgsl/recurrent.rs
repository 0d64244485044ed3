//! A recurrent cell over a whole window as one Burn op, relaxed or derived.
//!
//! A workgroup owns four columns of a state and has all of the minibatch, so that a node, its ops over the states that it reads
//! and its BatchNorm are one launch: nine launches a word forward for eight nodes. Backward each node gathers what later nodes
//! leave of its gradient, which makes eleven. Gates are computed again there rather than kept. A derived cell is one whose
//! nodes read one state each, by ops of which one counts, and which has no BatchNorm.

use crate::device::Tuning;
use crate::kernels::wgsl::{
    gpu::{Launch, tile},
    op::{Ad, buffer, primitive, wrap},
};
use crate::space::{Genotype, RECURRENT_CANDIDATES, RECURRENT_EDGES, RECURRENT_NODES};
use burn::{
    backend::{
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::{Shape, Tensor, TensorData},
};
use cubecl::{prelude::Client, server::Handle};

/// Nodes that a derived cell may have: the kernels are told in 64 bits what each reads.
const MOST_NODES: usize = 16;
/// Columns of a workgroup.
const TILE: usize = 4;
/// Threads of a workgroup.
const WORKGROUP: usize = 64;
/// Threads that take packed weights in turns.
const MOST_THREADS: usize = 65535 * WORKGROUP;

/// Which cell is computed.
#[derive(Clone, Debug)]
pub(crate) enum RecurrentKind {
    /// Every node mixes all ops over all earlier states by their weights [36, 5]; states are normalised by the minibatch.
    Relaxed(Box<Tensor<2>>),
    /// The same, normalised by means and variances [2 units] gathered before. It has no gradient.
    Running(Box<(Tensor<2>, Tensor<1>)>),
    /// Every node reads one state, nothing is normalised.
    Derived(Genotype),
}

impl RecurrentKind {
    /// Whether the kernels know a derived cell: those of up to 16 nodes do whose first state is no part of the output.
    pub fn knows(genotype: &Genotype) -> bool {
        genotype.cells()[0].ops.len() <= MOST_NODES && !genotype.cells()[0].concat.contains(&0)
    }
}

/// What a window of a recurrent cell of `n` nodes is computed from.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentInput {
    /// What words add to the gates of the first state [length, batch, 2 units].
    pub inputs: Tensor<3>,
    /// The matrices of the first state and of the nodes, one below the other [(n + 1) units, 2 units].
    pub matrices: Tensor<2>,
    /// The cell.
    pub kind: RecurrentKind,
    /// The state before [batch, units].
    pub hidden: Tensor<2>,
    /// What states are scaled by [batch, units].
    pub mask: Tensor<2>,
}

/// Outputs [length, batch, units] of a recurrent cell on the fused kernels, and where it is normalised by the minibatch the
/// means and biased variances [length, 9, 2, units] of its states. No gradient goes to the state before.
///
/// # Panics
/// When the kernels do not know the cell.
pub(crate) fn recurrent_cell(input: RecurrentInput) -> (Tensor<3>, Option<Tensor<4>>) {
    let device = input.inputs.device();
    let (mixing, running) = match &input.kind {
        RecurrentKind::Relaxed(mixing) => (mixing.as_ref().clone(), None),
        RecurrentKind::Running(both) => (both.0.clone(), Some(both.1.clone())),
        RecurrentKind::Derived(genotype) => {
            let ops = RECURRENT_CANDIDATES;
            let chosen =
                genotype.cells()[0].ops.iter().flat_map(|&(kept, _)| ops.map(|op| f32::from(u8::from(op == kept))));
            let chosen = TensorData::new(chosen.collect::<Vec<f32>>(), [genotype.cells()[0].ops.len(), ops.len()]);
            (Tensor::from_data(chosen, &device.clone().inner()), None)
        }
    };
    if crate::kernels::cpu::is_processor(&device) {
        return crate::kernels::cpu::recurrent_cell(input, mixing, running);
    }
    let [length, batch, gates] = input.inputs.dims();
    let plan = Plan { length, units: gates / 2, batch, cell: Cell::of(&input.kind), tuning: Tuning::of(&device) };
    // On a GPU neighbours are the elements of a minibatch.
    let [hidden, mask] = [input.hidden, input.mask].map(|tensor| buffer(tensor.transpose()));
    let inputs = primitive(input.inputs.swap_dims(1, 2));
    let matrices = primitive(input.matrices);
    let mixing = primitive(mixing);
    let nodes = [inputs.node(), matrices.node(), mixing.node()];
    let [inputs, matrices, mixing] = [inputs, matrices, mixing].map(|tensor| into_contiguous(tensor.into_primitive()));
    let client = inputs.client.clone();
    let moments = match running {
        Some(running) => buffer(running).handle,
        None => client.empty(4 * plan.moments()),
    };
    let handles = [&inputs, &matrices, &mixing, &hidden, &mask].map(|tensor| &tensor.handle);
    let (output, memory) = plan.forward(&client, handles, moments);
    let moments = (plan.cell == Cell::Relaxed { running: false }).then(|| {
        let shape = Shape::from([length, plan.cell.states(), 2, plan.units]);
        Tensor::from_primitive::<CubeBackend>(wrap(&client, &inputs, memory.moments.clone(), shape))
    });
    let output = wrap(&client, &inputs, output, Shape::from([length, plan.units, batch]));
    let state = State { plan, inputs, mixing, hidden, mask, output: output.clone(), memory };
    let result = match Window.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    (Tensor::<3>::from_primitive::<Ad>(result).swap_dims(1, 2), moments)
}

/// Floats of the largest buffer that a window of a cell takes, relaxed unless it is given; none where the kernels do not know
/// it.
pub(crate) fn largest_buffer(length: usize, units: usize, batch: usize, derived: Option<&Genotype>) -> usize {
    if derived.is_some_and(|genotype| !RecurrentKind::knows(genotype)) {
        return 0;
    }
    let cell = derived.map_or(Cell::Relaxed { running: false }, Cell::derived);
    let plan = Plan { length, units, batch, cell, tuning: Tuning::Gpu };
    plan.states().max(plan.gates()).max(plan.partial())
}

/// What a cell's nodes read, and what of it is normalised.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::kernels) enum Cell {
    Relaxed { running: bool },
    Derived { sources: Vec<usize>, included: Vec<bool> },
}

impl Cell {
    pub fn of(kind: &RecurrentKind) -> Self {
        match kind {
            RecurrentKind::Relaxed(_) => Self::Relaxed { running: false },
            RecurrentKind::Running(_) => Self::Relaxed { running: true },
            RecurrentKind::Derived(genotype) => Self::derived(genotype),
        }
    }

    fn derived(genotype: &Genotype) -> Self {
        assert!(RecurrentKind::knows(genotype), "a cell that the kernels do not know");
        Self::Derived {
            sources: genotype.cells()[0].ops.iter().map(|&(_, state)| state).collect(),
            included: (1..=genotype.cells()[0].ops.len())
                .map(|node| genotype.cells()[0].concat.contains(&node))
                .collect(),
        }
    }

    pub fn nodes(&self) -> usize {
        match self {
            Self::Relaxed { .. } => RECURRENT_NODES,
            Self::Derived { sources, .. } => sources.len(),
        }
    }

    /// States, and matrices: the first and a node's each.
    pub fn states(&self) -> usize {
        self.nodes() + 1
    }

    /// The slot of the output's share among the gradients, behind those of the states; one of the state before follows.
    fn shared(&self) -> usize {
        self.states()
    }

    pub fn edges(&self) -> usize {
        match self {
            Self::Relaxed { .. } => RECURRENT_EDGES,
            Self::Derived { sources, .. } => sources.len(),
        }
    }

    /// The first state that a node reads, how many, and the first of its edges.
    pub fn reads(&self, node: usize) -> [usize; 3] {
        match self {
            Self::Relaxed { .. } => [0, node, node * (node - 1) / 2],
            Self::Derived { sources, .. } => [sources[node - 1], 1, node - 1],
        }
    }

    /// Whether a node is part of the output.
    pub fn includes(&self, node: usize) -> bool {
        match self {
            Self::Relaxed { .. } => true,
            Self::Derived { included, .. } => included[node - 1],
        }
    }

    /// The share of a node in the output, if it is part of it.
    pub fn share(&self) -> f64 {
        1.0 / (1..=self.nodes()).filter(|&node| self.includes(node)).count() as f64
    }

    /// Whether a later node reads a state.
    pub fn read_by(&self, state: usize, later: usize) -> bool {
        let [first, edges, _] = self.reads(later);
        (first..first + edges).contains(&state)
    }

    pub fn is_relaxed(&self) -> bool {
        matches!(self, Self::Relaxed { .. })
    }

    /// The file that normalises.
    fn norm(&self) -> &'static str {
        match self {
            Self::Relaxed { running: false } => "recurrent_norm",
            Self::Relaxed { running: true } => "recurrent_running",
            Self::Derived { .. } => "recurrent_unchanged",
        }
    }

    /// What each node reads, four bits each, of nodes 1 to 8 and of those after them.
    fn graph(&self) -> [usize; 2] {
        let Self::Derived { sources, .. } = self else { return [0, 0] };
        let word = |first: usize| sources.iter().skip(first).take(8).rev().fold(0, |word, source| word << 4 | source);
        [word(0), word(8)]
    }
}

#[derive(Clone, Debug)]
struct Plan {
    length: usize,
    units: usize,
    batch: usize,
    cell: Cell,
    tuning: Tuning,
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct Memory {
    packed: Handle,
    states: Handle,
    moments: Handle,
}

impl Plan {
    fn tiles(&self) -> usize {
        self.units.div_ceil(TILE)
    }

    /// Floats of a state.
    fn state(&self) -> usize {
        self.units * self.batch
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
        [inputs, matrices, mixing, hidden, mask]: [&Handle; 5],
        moments: Handle,
    ) -> (Handle, Memory) {
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
            let first = self.launch(&["recurrent", self.cell.norm(), "recurrent_first"], row).all(&[
                ("MOMENTS", self.moments_of(row, 0)),
                ("INPUT", row * 2 * self.state()),
                ("BEFORE", at),
            ]);
            let moved = 5 * self.state() + matrix;
            self.run(first, client, &[&states, &packed, mask, &moments, inputs, before], moved);
            for node in 1..=self.cell.nodes() {
                let files = ["recurrent", "recurrent_gates", self.cell.norm(), "recurrent_node"];
                let share = if self.cell.includes(node) { self.cell.share() } else { 0.0 };
                let launch = self.node(self.launch(&files, row), node, row);
                let launch = launch.all(&[("OUTPUT", row * self.state())]).float("SHARE", share);
                let moved = (self.cell.reads(node)[1] + 4) * self.state() + matrix;
                self.run(launch, client, &[&states, &packed, mask, &moments, mixing, &output], moved);
            }
        }
        (output, Memory { packed, states, moments })
    }

    /// Gradients: of the inputs (the first slots of a longer buffer), of the matrices where wanted, and of the ops' weights by
    /// column tile and element of the minibatch [tiles, 36, batch, 4].
    fn backward(
        &self,
        client: &Client,
        state: &State,
        output_gradient: &Handle,
        matrices_wanted: bool,
    ) -> (Handle, Option<Handle>, Handle) {
        let empty = |floats: usize| client.empty(4 * floats);
        let Memory { packed, states, moments } = &state.memory;
        let [inputs, mixing, hidden, mask, output] =
            [&state.inputs, &state.mixing, &state.hidden, &state.mask, &state.output].map(|tensor| &tensor.handle);
        let gradients = empty((self.cell.shared() + 2) * self.state());
        let gates = empty(self.gates());
        let partial = empty(self.partial());
        let matrix = 2 * self.units * self.units;
        let (nodes, states_of_cell) = (self.cell.nodes(), self.cell.states());
        let result = matrices_wanted.then(|| empty(states_of_cell * matrix));
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
                let buffers = [states, packed, mask, moments, mixing, &gradients, &gates, &partial];
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

#[derive(Clone, Debug)]
struct State {
    plan: Plan,
    inputs: CubeTensor,
    mixing: CubeTensor,
    hidden: CubeTensor,
    mask: CubeTensor,
    output: CubeTensor,
    memory: Memory,
}

#[derive(Debug)]
struct Window;

impl Backward<CubeBackend, 3> for Window {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [inputs_node, matrices_node, mixing_node] = ops.parents;
        let output_gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let state = ops.state;
        let Plan { length, units, batch, ref cell, .. } = state.plan;
        let client = state.inputs.client.clone();
        let (gates, matrices, partial) =
            state.plan.backward(&client, &state, &output_gradient.handle, matrices_node.is_some());
        let tensor = |handle, shape: &[usize]| wrap(&client, &state.inputs, handle, Shape::from(shape.to_vec()));
        if let Some(node) = inputs_node {
            let all = tensor(gates, &[length + cell.edges(), 2 * units, batch]);
            let words = Tensor::<3>::from_primitive::<CubeBackend>(all).narrow(0, 0, length);
            gradients.register::<CubeBackend>(node.id, buffer(words));
        }
        if let (Some(node), Some(matrices)) = (matrices_node, matrices) {
            gradients.register::<CubeBackend>(node.id, tensor(matrices, &[cell.states() * units, 2 * units]));
        }
        if let Some(node) = mixing_node {
            let ops = RECURRENT_CANDIDATES.len() - 1;
            let partial = tensor(partial, &[state.plan.tiles(), RECURRENT_EDGES, batch, ops]);
            let sums = Tensor::<4>::from_primitive::<CubeBackend>(partial).sum_dim(2).sum_dim(0);
            let sums = sums.reshape([RECURRENT_EDGES, ops]);
            let zero = sums.clone().narrow(1, 0, 1).zeros_like();
            let all = Tensor::cat(vec![zero, sums], 1);
            gradients.register::<CubeBackend>(node.id, buffer(all));
        }
    }
}
