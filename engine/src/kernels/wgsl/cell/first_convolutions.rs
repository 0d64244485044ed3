//! The first depthwise convolutions on a node's edges, which read states, and their gradients. Those from the inputs of a
//! reduction cell have stride 2 and read phases.

use crate::kernels::{
    plan::{DEPTHWISE, SEPARABLE},
    wgsl::{cell::Cell, depthwise::DepthwiseWeightGradients, joined::Joined, space_to_depth::Phases},
};
use crate::space::NODES;
use cubecl::server::Handle;

/// Shader files that locate states, and phases.
const STATES: &str = "cell/state_offset";
const PHASES: &str = "space_to_depth/state_offset";

/// Where the outputs of a kind go.
#[derive(Clone, Copy)]
pub(super) struct FirstOutput<'a> {
    pub values: &'a Handle,
    /// Branch of the node's first edge among them.
    pub branch: usize,
    /// Where each channel's sums go, if they are computed.
    pub sums: Option<&'a Handle>,
}

/// Tensors that the gradients of a node's first convolutions are computed from and go to.
#[derive(Clone, Copy)]
pub(super) struct FirstBackward<'a> {
    pub node: usize,
    pub states: &'a Handle,
    pub state_gradients: &'a Handle,
    /// The phases of a reduction cell's inputs, and their gradients.
    pub phases: Option<(&'a Phases, &'a Handle)>,
    /// The gradients of the outputs of each kind, and the branch of the node's first edge among them.
    pub gradients: [(&'a Handle, usize); DEPTHWISE.len()],
    pub parameter_gradients: &'a Handle,
}

impl Cell<'_> {
    /// Computes the convolutions of the kinds whose outputs are given.
    pub(super) fn first_convolutions(
        &self,
        node: usize,
        states: &Handle,
        phases: Option<&Phases>,
        outputs: &[FirstOutput],
    ) {
        let edges = node + 2;
        let from = if phases.is_some() { 2 } else { 0 };
        let threads = self.pictures.all_columns();
        let mut joined = Joined::new(self.pictures.tuning.joins());
        for (kind, &FirstOutput { values, branch, sums }) in outputs.iter().enumerate() {
            // The states are read once for all kinds.
            let read = usize::from(kind == 0);
            let summed = if sums.is_some() { "depthwise/output_sums" } else { "depthwise/no_output_sums" };
            let written = self.node() + if sums.is_some() { threads } else { 0 };
            let files = |place| [place, "depthwise/convolution", "depthwise/first", summed];
            let buffers = |weights, source| [weights, source, values].into_iter().chain(sums).collect::<Vec<&Handle>>();
            if let Some(phases) = phases {
                let convolution = self.phase_convolution(node, kind, phases, self.parameters);
                let launch = self
                    .pictures
                    .depthwise(&files(PHASES), (convolution.k, 1), convolution.phases, false)
                    .set(&[("STEP", convolution.step()), ("WEIGHTS", convolution.at), ("EDGE", 0), ("RESULT", branch)]);
                joined.group(threads, 2, 2 * (4 * read * self.node() + written));
                joined.part(launch, &buffers(convolution.weights, &phases.values));
            }
            if edges > from {
                let launch = self.pictures.depthwise(&files(STATES), DEPTHWISE[kind], 1, false).set(&[
                    ("WEIGHTS", self.depthwise_at(node, kind, from)),
                    ("EDGE", from),
                    ("RESULT", branch + from),
                ]);
                joined.group(threads, edges - from, (edges - from) * (read * self.node() + written));
                joined.part(launch, &buffers(self.parameters, states));
            }
        }
        joined.run(self.client);
    }

    /// Adds the gradients of the outputs to those of the states, a thread adding up all kinds of an edge, and computes
    /// those of the weights where there is room for their sums.
    pub(super) fn first_convolution_gradients(
        &self,
        of: FirstBackward,
        mut weights: Option<&mut DepthwiseWeightGradients>,
    ) {
        let from = if of.phases.is_some() { 2 } else { 0 };
        if let Some((phases, phase_gradients)) = of.phases {
            self.strided_gradients(&of, phases, phase_gradients, weights.as_deref_mut());
        }
        let edges = of.node + 2 - from;
        if edges == 0 {
            return;
        }
        // The readers of an edge's gradients run at about the same time.
        let turns = if weights.is_some() { 1 + DEPTHWISE.len() } else { 1 };
        // The last node is the first to add to the cell's inputs.
        let fresh = if of.node + 1 == NODES { 2 - from } else { 0 };
        let mut joined = Joined::new(self.pictures.tuning.joins());
        joined.group(self.pictures.all_columns(), turns * edges, ((4 + 3) * edges - fresh) * self.node());
        let files = [STATES, "depthwise/convolution", "depthwise/first_input_gradient"];
        for (kind, &(gradient, branch)) in of.gradients.iter().enumerate() {
            let launch = self.pictures.depthwise(&files, DEPTHWISE[kind], 1, true).set(&[
                ("WEIGHTS", self.depthwise_at(of.node, kind, from)),
                ("EDGE", from),
                ("SOURCE", branch + from),
                ("SHARE", 1),
                ("FRESH", if kind == 0 { fresh } else { 0 }),
            ]);
            let buffers = [self.parameters, gradient, of.states, of.state_gradients];
            joined.part_in_turn(launch, turns, [0, 1], &buffers);
        }
        let partial = weights.as_ref().map(|sums| sums.partial.clone());
        let files = [STATES, "depthwise/weight_gradient", "depthwise/weight_gradient_first"];
        if let (Some(sums), Some(partial)) = (weights, &partial) {
            for (kind, &(gradient, branch)) in of.gradients.iter().enumerate() {
                let k = DEPTHWISE[kind].0;
                let at = sums.reserve([edges, k, self.depthwise_at(of.node, kind, from)]);
                let launch = self.pictures.depthwise_weight_gradient(&files, DEPTHWISE[kind], at).set(&[
                    ("SOURCE", branch + from),
                    ("EDGE", from),
                    ("SHARE", 1),
                ]);
                joined.moves(sums.floats(edges, k));
                joined.part_in_turn(launch, turns, [1 + kind, 1], &[gradient, partial, of.states]);
            }
        }
        joined.run(self.client);
    }

    /// The same for the edges from a reduction cell's inputs, whose gradients go to the phases. The gradients of
    /// weights that are spread over the phases go straight to the parameters'.
    fn strided_gradients(
        &self,
        of: &FirstBackward,
        phases: &Phases,
        phase_gradients: &Handle,
        mut weights: Option<&mut DepthwiseWeightGradients>,
    ) {
        let node = of.node;
        let mut joined = Joined::new(self.pictures.tuning.joins());
        // The last node is the first to add to the phases.
        let fresh = node + 1 == NODES;
        let held = if fresh { 0 } else { 8 };
        joined.group(self.pictures.all_columns(), 8, (2 * 4 + 2 * 8 + held + 4) * self.node());
        let files = [PHASES, "depthwise/convolution", "depthwise/first_input_gradient"];
        for (kind, &(gradient, branch)) in of.gradients.iter().enumerate() {
            let convolution = self.phase_convolution(node, kind, phases, self.parameters);
            let launch = self.pictures.depthwise(&files, (convolution.k, 1), 1, true).set(&[
                ("WEIGHTS", convolution.at),
                ("SOURCE", branch),
                ("STEP", convolution.step()),
                ("EDGE", 0),
                ("SHARE", convolution.phases),
                ("FRESH", if fresh && kind == 0 { 8 } else { 0 }),
            ]);
            let buffers = [convolution.weights, gradient, &phases.values, phase_gradients];
            joined.part_in_turn(launch, convolution.step(), [0, 1], &buffers);
        }
        // The two pictures of the factorized reduces are the first and the last phase of each input.
        let lanes = self.pictures.lanes();
        for (picture, phase) in [0, 3].into_iter().enumerate() {
            let launch = self
                .pictures
                .row_launch(lanes, &["factorized_reduce/phase_gradient"])
                .set(&[("SOURCE", 4 * (node + 2) + 2 * picture), ("PHASE", phase)]);
            let buffers = [of.gradients[SEPARABLE].0, &phases.values, phase_gradients];
            joined.part_in_turn(launch, 4, [phase, 1], &buffers);
        }
        // Four phases of 3 x 3 weights for both separable kinds and both inputs.
        let partial = weights.as_ref().map(|sums| sums.partial.clone());
        let spread_floats = weights.as_ref().map_or(0, |sums| sums.floats(8, 3));
        let spread = weights.as_ref().map(|_| self.empty(SEPARABLE * spread_floats));
        let files = [PHASES, "depthwise/weight_gradient", "depthwise/weight_gradient_first"];
        if let (Some(sums), Some(partial), Some(spread)) = (&mut weights, &partial, &spread) {
            for (kind, &(gradient, branch)) in of.gradients.iter().enumerate() {
                let convolution = self.phase_convolution(node, kind, phases, self.parameters);
                let (to, at) = match convolution.phases {
                    1 => (partial, sums.reserve([2, convolution.k, self.depthwise_at(node, kind, 0)])),
                    _ => (spread, kind * spread_floats),
                };
                let launch = self.pictures.depthwise_weight_gradient(&files, (convolution.k, 1), at).set(&[
                    ("SOURCE", branch),
                    ("STEP", convolution.step()),
                    ("EDGE", 0),
                    ("SHARE", convolution.phases),
                ]);
                let count = 2 * convolution.phases;
                joined.group(sums.threads(), count, sums.floats(count, convolution.k));
                joined.part(launch, &[gradient, to, &phases.values]);
            }
        }
        joined.run(self.client);
        if let (Some(sums), Some(spread)) = (weights, &spread) {
            for kind in 0..SEPARABLE {
                let at = kind * spread_floats;
                let weights = self.strided_weights(node, kind, 2);
                weights.gather_gradients(self.client, (spread, at), sums.parts, of.parameter_gradients);
            }
        }
    }
}
