//! The forward pass of a cell.

use crate::kernels::{
    plan::{DEPTHWISE, SEPARABLE, first_edge},
    wgsl::{
        cell::{Cell, Pools, SavedCell, SavedNode, first_convolutions::FirstOutput},
        factorized_reduce::ReducedPictures,
        joined::Joined,
        launch::tile,
        pointwise::{Pointwise, load_weights},
        space_to_depth::Phases,
        sums::{Placement, sum_parts},
    },
};
use crate::space::{EDGES, NODES};
use cubecl::server::Handle;

/// A forward pass under way.
struct Forward<'a> {
    cell: Cell<'a>,
    states: Handle,
    phases: Option<Phases>,
    pools: Pools,
    /// Transposed weights of the inner pointwise convolutions [2, 14, channels, channels].
    inner_weights: Handle,
    output: Handle,
}

/// The values of a node's branches, and partial sums [branches, channels, parts] of their channels.
struct BranchValues {
    values: Handle,
    partial: Handle,
    parts: usize,
}

impl Cell<'_> {
    /// Output [batch, 4 channels, height, width] and what the backward pass needs.
    pub fn forward(self, inputs: [&Handle; 2]) -> (Handle, SavedCell) {
        let c = self.channels();
        let states = self.empty(self.states());
        let input_norms = [0, 1].map(|which| self.preprocess(which, inputs[which], &states));
        let phases = self.plan.is_reduction().then(|| self.input_phases(&states));
        let weights = Placement { offsets: self.plan.nodes[0].inner_pointwise, split: EDGES };
        let inner = Pointwise::square(&self.pictures, SEPARABLE * EDGES);
        let inner_weights = inner.transpose_weights(self.client, self.parameters, weights);
        let pools =
            Pools { values: self.empty((NODES + 1) * 3 * self.node()), norms: self.empty((NODES + 1) * 2 * c * 2) };
        self.pool(0, 2, &states, &pools);
        let output = self.empty(NODES * self.node());
        let pass = Forward { cell: self, states, phases, pools, inner_weights, output };
        let mut nodes = Vec::with_capacity(NODES);
        for node in 0..NODES {
            nodes.push(pass.node(node));
            if node + 1 < NODES {
                self.pool(node + 2, 1, &pass.states, &pass.pools);
            }
        }
        let Forward { states, phases, pools, output, .. } = pass;
        (output, SavedCell { phases, states, pools, input_norms, nodes })
    }

    /// The inputs of a reduction cell in phases, and the weights that read all four.
    fn input_phases(&self, states: &Handle) -> Phases {
        let values = self.pictures.space_to_depth(self.client, states, 2);
        let of_kind = self.strided_weights(0, 0, EDGES).spread_floats();
        let weights = self.empty(SEPARABLE * of_kind);
        for kind in 0..SEPARABLE {
            let of_edges = self.strided_weights(0, kind, EDGES);
            of_edges.spread(self.client, self.parameters, (&weights, kind * of_kind));
        }
        Phases { values, weights: Some(weights) }
    }
}

impl Forward<'_> {
    /// Computes a node: its state, and its part of the output.
    fn node(&self, node: usize) -> SavedNode {
        let Cell { client, .. } = self.cell;
        let edges = node + 2;
        let branches = self.cell.branches(edges);
        let c = self.cell.channels();
        // Every thread that writes values leaves their sum.
        let parts = self.cell.pictures.columns();
        let of_branches = BranchValues {
            values: self.cell.empty(branches * self.cell.node()),
            partial: self.cell.empty(branches * c * parts),
            parts,
        };
        let (inner, inner_norm) = self.first_convolutions(node, &of_branches);
        self.second_convolutions(node, [&inner, &inner_norm], &of_branches);
        let BranchValues { values, partial, parts } = of_branches;
        let sums = self.cell.empty(branches * c);
        sum_parts(client, &partial, [branches * c, parts, 1], (&sums, Placement::together(0, branches * c)));
        let moments = self.second_moments(branches, [&values, &sums]);
        let (folded, statistics) = self.fold_op_weights(node, [&moments, &sums]);
        self.add_pools_and_skips(node, &statistics);
        self.add_convolutions(node, [&folded, &values]);
        SavedNode { values, inner, inner_norm, sums, moments, statistics }
    }

    /// Computes everything of a node's branches that reads states: the values of dilated convolutions and factorized reduces. The
    /// inner values of separable convolutions [2 edges, batch, channels, height, width], and their scale and shift.
    fn first_convolutions(&self, node: usize, of_branches: &BranchValues) -> (Handle, Handle) {
        let cell = &self.cell;
        let edges = node + 2;
        let BranchValues { values, partial, .. } = of_branches;
        let depthwise = cell.empty(SEPARABLE * edges * cell.node());
        let output = |values, branch, sums| FirstOutput { values, branch, sums };
        let outputs = [
            output(&depthwise, 0, None),
            output(&depthwise, edges, None),
            output(values, 2 * edges, Some(partial)),
            output(values, 3 * edges, Some(partial)),
        ];
        cell.first_convolutions(node, &self.states, self.phases.as_ref(), &outputs);
        if cell.plan.is_reduction() {
            self.factorized_reduces(edges, of_branches);
        }
        let c = cell.channels();
        let offset = first_edge(node) * c * c;
        let weights = Placement { offsets: [offset, offset + EDGES * c * c], split: edges };
        let inner = Pointwise::square(&cell.pictures, SEPARABLE * edges);
        inner.forward(cell.client, (&self.inner_weights, weights), &depthwise)
    }

    /// Writes the values of the factorized reduces of both inputs, and their sums.
    fn factorized_reduces(&self, edges: usize, BranchValues { values, partial, parts }: &BranchValues) {
        let Cell { client, pictures, .. } = self.cell;
        let (c, node, lanes) = (pictures.channels, pictures.floats(), pictures.lanes());
        for state in 0..2 {
            let picture = |which: usize| (4 * edges + 2 * which + state) * node;
            let at = ReducedPictures {
                source: self.cell.state_at(state),
                pictures: [picture(0), picture(1)],
                image: c * pictures.plane(),
            };
            pictures.reduce_into(client, c, [&self.states, values], at);
        }
        pictures
            .launch(lanes, &["common/channel_walk", "common/channel_sums"])
            .set(&[("CHUNKS", *parts), ("SOURCE", 4 * edges * node / lanes), ("RESULT", 4 * edges)])
            .run(client, c * parts, [4, 1], &[values, partial], 4 * (node + c * parts));
    }

    /// Computes the values of separable convolutions from their inner ones.
    fn second_convolutions(&self, node: usize, [inner, inner_norm]: [&Handle; 2], of_branches: &BranchValues) {
        let Cell { client, pictures, .. } = self.cell;
        let edges = node + 2;
        let BranchValues { values, partial, parts } = of_branches;
        let files = ["depthwise/convolution", "depthwise/second", "depthwise/output_sums"];
        let mut joined = Joined::new(pictures.tuning.joins());
        for (kind, &kernel) in DEPTHWISE.iter().take(SEPARABLE).enumerate() {
            let launch = pictures.depthwise(&files, kernel, 1, false).set(&[
                ("WEIGHTS", self.cell.plan.nodes[node].second_depthwise[kind]),
                ("SOURCE", kind * edges),
                ("RESULT", kind * edges),
            ]);
            let moved = edges * (2 * pictures.floats() + pictures.channels * parts);
            joined.group(pictures.all_columns(), edges, moved);
            joined.part(launch, &[self.cell.parameters, inner, values, partial, inner_norm]);
        }
        joined.run(client);
    }

    /// Second central moments [branches, channels, channels] of the values of each branch, from the sums of its channels.
    fn second_moments(&self, branches: usize, [values, sums]: [&Handle; 2]) -> Handle {
        let Cell { client, pictures, .. } = self.cell;
        let (c, lanes) = (pictures.channels, pictures.lanes());
        let rows = tile(c, pictures.tuning.tile());
        let tiles = (c / rows) * (c / rows + 1) / 2;
        let chunks = pictures.chunks(tiles, lanes);
        let partial = self.cell.empty(branches * chunks * c * c);
        pictures
            .launch(lanes, &["common/pixel_walk", "cell/second_moments"])
            .set(&[("TILE", rows), ("CHUNKS", chunks)])
            .set_switch("RUNS", pictures.tuning.runs())
            .set_float("COUNT", pictures.pixels(1) as f64)
            .run(
                client,
                tiles * chunks,
                [branches, 1],
                &[values, &partial, sums],
                branches * (pictures.floats() + chunks * c * c),
            );
        let moments = self.cell.empty(branches * c * c);
        sum_parts(client, &partial, [branches, chunks, c * c], (&moments, Placement::together(0, branches)));
        moments
    }

    /// Folds BatchNorm and op weights into the last pointwise convolutions: matrices [branches * channels, channels], and the
    /// statistics [branches, channels, 4].
    fn fold_op_weights(&self, node: usize, [moments, sums]: [&Handle; 2]) -> (Handle, Handle) {
        let c = self.cell.channels();
        let branches = self.cell.branches(node + 2);
        let folded = self.cell.empty(branches * c * c);
        let statistics = self.cell.empty(4 * branches * c);
        self.cell
            .branch_launch(node, "cell/fold_op_weights")
            .set_float("COUNT", self.cell.pictures.pixels(1) as f64)
            .run(
                self.cell.client,
                branches * c,
                [1, 1],
                &[self.cell.parameters, self.cell.op_weights, moments, &folded, &statistics, sums],
                branches * (3 * c * c + 5 * c),
            );
        (folded, statistics)
    }

    /// Adds the pools and skip connections of the states that are new to `node` to all nodes that read them, and the offsets of
    /// its branches to the node.
    fn add_pools_and_skips(&self, node: usize, statistics: &Handle) {
        let Cell { client, pictures, op_weights, .. } = self.cell;
        let lanes = pictures.lanes();
        let (state, count) = if node == 0 { (0, 2) } else { (node + 1, 1) };
        let skip = self.cell.skips_are_identities(state);
        let readers = NODES - node;
        let held = if node == 0 { 0 } else { readers };
        pictures
            .launch(lanes, &["cell/state_offset", "cell/add_pools_and_skips"])
            .set(&[
                ("BRANCHES", self.cell.branches(node + 2)),
                ("FIRST_NODE", node),
                ("STATE", state),
                ("STATES", count),
            ])
            .set_switch("SKIP", skip)
            .run(
                client,
                pictures.floats() / lanes,
                [1, 1],
                &[statistics, &self.pools.values, &self.pools.norms, op_weights, &self.states],
                (count * (2 + usize::from(skip)) + held + readers) * pictures.floats(),
            );
    }

    /// Adds the branches to a node, which is complete then, and copies it to the output.
    fn add_convolutions(&self, node: usize, [folded, values]: [&Handle; 2]) {
        let Cell { client, pictures, .. } = self.cell;
        let (c, lanes) = (pictures.channels, pictures.lanes());
        let branches = self.cell.branches(node + 2);
        let vectors = pictures.vectors_at_once(pictures.plane() / lanes);
        let rows = tile(c, pictures.tuning.outputs());
        pictures
            .launch(lanes, &["cell/add_convolutions", load_weights(rows, &[c])])
            .set(&[
                ("TILE", rows),
                ("VECTORS", vectors),
                ("INPUTS", branches * c),
                ("RESULT", self.cell.state_at(node + 2) / lanes / vectors),
                ("INDEX", node),
            ])
            .run(
                client,
                pictures.pixels(lanes) / vectors,
                [c / rows, 1],
                &[folded, values, &self.states, &self.output],
                (branches + 3) * pictures.floats() + branches * c * c,
            );
    }
}
