//! The relaxed recurrent cell over a whole window as one Burn op.
//!
//! A workgroup owns four columns of a state and has all of the minibatch, so that a node, its ops over all earlier states and
//! its BatchNorm are one launch: nine launches a word forward. Backward each node gathers what later nodes leave of its
//! gradient, which makes eleven. Gates are computed again there rather than kept.

use super::{gpu::Launch, op::wrap};
use crate::space::{RECURRENT_EDGES, RECURRENT_NODES, RecurrentOp};
use burn::{
    backend::{
        Autodiff,
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

type Ad = Autodiff<CubeBackend, NoCheckpointing>;

/// States of a cell, and matrices: the first and a node's each.
const STATES: usize = RECURRENT_NODES + 1;
/// Slots of gradients: the states', the output's share and that of the state before.
const SLOTS: usize = STATES + 2;
/// Columns of a workgroup.
const TILE: usize = 4;
/// Threads of a workgroup.
const WORKGROUP: usize = 64;
/// Threads that take packed weights in turns.
const MOST_THREADS: usize = 65535 * WORKGROUP;

/// What a window of a relaxed recurrent cell is computed from.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentInput {
    /// What words add to the gates of the first state [length, 2 units, batch].
    pub inputs: Tensor<3>,
    /// The matrices of the first state and of the nodes, one below the other [9 units, 2 units].
    pub matrices: Tensor<2>,
    /// The ops' weights [36, 5].
    pub mixing: Tensor<2>,
    /// The state before [units, batch].
    pub hidden: Tensor<2>,
    /// What states are scaled by [units, batch].
    pub mask: Tensor<2>,
}

/// Outputs [length, units, batch] of a relaxed recurrent cell on the fused kernels, and means and biased variances
/// [length, 9, 2, units] of its states. No gradient goes to the state before.
///
/// # Panics
/// When a tensor is not on a wgpu device.
pub(crate) fn recurrent_cell(input: RecurrentInput) -> (Tensor<3>, Tensor<4>) {
    let [length, gates, batch] = input.inputs.dims();
    let plan = Plan { length, units: gates / 2, batch };
    let inputs = input.inputs.autodiff().try_into_primitive::<Ad>().expect("a tensor on a wgpu device");
    let matrices = input.matrices.autodiff().try_into_primitive::<Ad>().expect("a tensor on a wgpu device");
    let mixing = input.mixing.autodiff().try_into_primitive::<Ad>().expect("a tensor on a wgpu device");
    let nodes = [inputs.node(), matrices.node(), mixing.node()];
    let [inputs, matrices, mixing] = [inputs, matrices, mixing].map(|tensor| into_contiguous(tensor.into_primitive()));
    let [hidden, mask] = [input.hidden, input.mask].map(|tensor| {
        into_contiguous(tensor.inner().try_into_primitive::<CubeBackend>().expect("a tensor on a wgpu device"))
    });
    let client = inputs.client.clone();
    let (output, memory) = plan.forward(&client, [&inputs, &matrices, &mixing, &hidden, &mask].map(|t| &t.handle));
    let moments = wrap(&client, &inputs, memory.moments.clone(), Shape::from([length, STATES, 2, plan.units]));
    let output = wrap(&client, &inputs, output, Shape::from([length, plan.units, batch]));
    let state = State { plan, inputs, mixing, hidden, mask, output: output.clone(), memory };
    let result = match RecurrentCell.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    (Tensor::from_primitive::<Ad>(result), Tensor::from_primitive::<CubeBackend>(moments))
}

/// Floats of the largest buffer that a window takes.
pub(crate) fn largest_buffer(length: usize, units: usize, batch: usize) -> usize {
    let plan = Plan { length, units, batch };
    plan.states().max(plan.gates()).max(plan.tiles() * RECURRENT_EDGES * batch * TILE)
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    length: usize,
    units: usize,
    batch: usize,
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct Memory {
    packed: Handle,
    states: Handle,
    moments: Handle,
}

impl Plan {
    fn tiles(self) -> usize {
        self.units.div_ceil(TILE)
    }

    /// Floats of a state.
    fn state(self) -> usize {
        self.units * self.batch
    }

    fn states(self) -> usize {
        self.length * STATES * self.state()
    }

    /// Floats of the gradients of gates: of each word's first state, and of the edges of one word.
    fn gates(self) -> usize {
        (self.length + RECURRENT_EDGES) * 2 * self.state()
    }

    /// Vectors of the packed matrices, not transposed.
    fn half(self) -> usize {
        STATES * self.tiles() * 2 * self.units
    }

    /// A launch on all columns at a word: files and the numbers that most have.
    fn launch(self, files: &[&'static str], row: usize) -> Launch {
        Launch::new(1, files).all(&[
            ("UNITS", self.units),
            ("BATCH", self.batch),
            ("BASE", row * STATES * self.state()),
            ("TILES", self.tiles()),
        ])
    }

    /// The numbers of a node.
    fn node(self, launch: Launch, node: usize, row: usize) -> Launch {
        // All edges share a read of the weights, in blocks whose sums fit into registers.
        let block = match node {
            6 => 3,
            8 => 4,
            all => all,
        };
        launch.all(&[
            ("BLOCK", block),
            ("NODE", node),
            ("EDGE", node * (node - 1) / 2),
            ("MOMENTS", (row * STATES + node) * 2 * self.units),
        ])
    }

    /// Where the state before a word lies: in `hidden`, or among the outputs.
    fn before<'a>(self, row: usize, hidden: &'a Handle, output: &'a Handle) -> (&'a Handle, usize) {
        if row == 0 { (hidden, 0) } else { (output, (row - 1) * self.state()) }
    }

    fn run(self, launch: Launch, client: &Client, buffers: &[&Handle], moved: usize) {
        launch.run(client, self.tiles() * WORKGROUP, [1, 1], buffers, moved);
    }

    fn forward(self, client: &Client, [inputs, matrices, mixing, hidden, mask]: [&Handle; 5]) -> (Handle, Memory) {
        let empty = |floats: usize| client.empty(4 * floats);
        let packed = empty(2 * self.half() * TILE);
        let threads = (2 * self.half()).min(MOST_THREADS);
        Launch::new(1, &["recurrent_pack"])
            .all(&[("UNITS", self.units), ("TILES", self.tiles()), ("HALF", self.half()), ("THREADS", threads)])
            .run(client, threads, [1, 1], &[matrices, &packed], 4 * TILE * self.half());
        let states = empty(self.states());
        let moments = empty(self.length * STATES * 2 * self.units);
        let output = empty(self.length * self.state());
        let matrix = 2 * self.units * self.units;
        for row in 0..self.length {
            let (before, at) = self.before(row, hidden, &output);
            let first = self.launch(&["recurrent", "recurrent_norm", "recurrent_first"], row).all(&[
                ("MOMENTS", row * STATES * 2 * self.units),
                ("INPUT", row * 2 * self.state()),
                ("BEFORE", at),
            ]);
            let moved = 5 * self.state() + matrix;
            self.run(first, client, &[&states, &packed, mask, &moments, inputs, before], moved);
            for node in 1..=RECURRENT_NODES {
                let files = ["recurrent", "recurrent_gates", "recurrent_norm", "recurrent_node"];
                let launch = self.node(self.launch(&files, row), node, row).all(&[("OUTPUT", row * self.state())]);
                let moved = (node + 4) * self.state() + matrix;
                self.run(launch, client, &[&states, &packed, mask, &moments, mixing, &output], moved);
            }
        }
        (output, Memory { packed, states, moments })
    }

    /// Gradients: of the inputs (the first slots of a longer buffer), of the matrices where wanted, and of the ops' weights by
    /// column tile and element of the minibatch [tiles, 36, batch, 4].
    fn backward(
        self,
        client: &Client,
        state: &State,
        output_gradient: &Handle,
        matrices_wanted: bool,
    ) -> (Handle, Option<Handle>, Handle) {
        let empty = |floats: usize| client.empty(4 * floats);
        let Memory { packed, states, moments } = &state.memory;
        let [inputs, mixing, hidden, mask, output] =
            [&state.inputs, &state.mixing, &state.hidden, &state.mask, &state.output].map(|tensor| &tensor.handle);
        let gradients = empty(SLOTS * self.state());
        let gates = empty(self.gates());
        let partial = empty(self.tiles() * RECURRENT_EDGES * self.batch * TILE);
        let matrix = 2 * self.units * self.units;
        let result = matrices_wanted.then(|| empty(STATES * matrix));
        let with = |launch: Launch, row: usize| {
            let fresh = usize::from(row + 1 == self.length);
            launch.all(&[("HALF", self.half()), ("GATES", self.length), ("ROW", row), ("FRESH", fresh)])
        };
        for row in (0..self.length).rev() {
            let launch = with(self.launch(&["recurrent_output_back"], row), row);
            let moved = 6 * self.state() + matrix;
            self.run(launch, client, &[&gradients, &gates, packed, mask, output_gradient], moved);
            for node in (1..=RECURRENT_NODES).rev() {
                let files = ["recurrent", "recurrent_gates", "recurrent_pull", "recurrent_node_back"];
                let launch = with(self.node(self.launch(&files, row), node, row), row);
                let later = RECURRENT_NODES - node;
                let moved = (6 * node + 2 * later + 4) * self.state() + (1 + later) * matrix;
                let buffers = [states, packed, mask, moments, mixing, &gradients, &gates, &partial];
                self.run(launch, client, &buffers, moved);
            }
            let (before, at) = self.before(row, hidden, output);
            let files = ["recurrent", "recurrent_pull", "recurrent_first_back"];
            let launch = with(self.launch(&files, row), row).all(&[
                ("MOMENTS", row * STATES * 2 * self.units),
                ("INPUT", row * 2 * self.state()),
                ("BEFORE", at),
            ]);
            let moved = (2 * RECURRENT_NODES + 10) * self.state() + STATES * matrix;
            let buffers = [states, packed, mask, moments, inputs, before, &gradients, &gates];
            self.run(launch, client, &buffers, moved);
            if let Some(result) = &result {
                let columns = (2 * self.units).div_ceil(TILE);
                let launch = with(self.launch(&["recurrent_weights"], row), row)
                    .all(&[("BEFORE", at), ("COLUMN_TILES", columns)]);
                let buffers = [states, before, mask, &gates, result];
                let moved = (STATES + 2 + 2 * (RECURRENT_EDGES + 1)) * self.state() + 2 * STATES * matrix;
                launch.run(client, self.tiles() * columns, [STATES, 1], &buffers, moved);
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
struct RecurrentCell;

impl Backward<CubeBackend, 3> for RecurrentCell {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [inputs_node, matrices_node, mixing_node] = ops.parents;
        let output_gradient = into_contiguous(gradients.consume::<CubeBackend>(&ops.node));
        let state = ops.state;
        let Plan { length, units, batch } = state.plan;
        let client = state.inputs.client.clone();
        let (gates, matrices, partial) =
            state.plan.backward(&client, &state, &output_gradient.handle, matrices_node.is_some());
        let tensor = |handle, shape: &[usize]| wrap(&client, &state.inputs, handle, Shape::from(shape.to_vec()));
        let primitive = |tensor: CubeTensor| into_contiguous(tensor);
        if let Some(node) = inputs_node {
            let all = tensor(gates, &[length + RECURRENT_EDGES, 2 * units, batch]);
            let words = Tensor::<3>::from_primitive::<CubeBackend>(all).narrow(0, 0, length);
            let words = words.try_into_primitive::<CubeBackend>().expect("a tensor on a wgpu device");
            gradients.register::<CubeBackend>(node.id, primitive(words));
        }
        if let (Some(node), Some(matrices)) = (matrices_node, matrices) {
            gradients.register::<CubeBackend>(node.id, tensor(matrices, &[STATES * units, 2 * units]));
        }
        if let Some(node) = mixing_node {
            let ops = RecurrentOp::CANDIDATES.len() - 1;
            let partial = tensor(partial, &[state.plan.tiles(), RECURRENT_EDGES, batch, ops]);
            let sums = Tensor::<4>::from_primitive::<CubeBackend>(partial).sum_dim(2).sum_dim(0);
            let sums = sums.reshape([RECURRENT_EDGES, ops]);
            let zero = sums.clone().narrow(1, 0, 1).zeros_like();
            let all = Tensor::cat(vec![zero, sums], 1);
            let all = all.try_into_primitive::<CubeBackend>().expect("a tensor on a wgpu device");
            gradients.register::<CubeBackend>(node.id, primitive(all));
        }
    }
}
