//! The backward pass of a cell.

use crate::kernels::{
    plan::{DEPTHWISE, Requested, SEPARABLE},
    wgsl::{
        batch_norm::ChannelSums,
        cell::{
            Cell, CellGradients, Pools, SavedCell, SavedNode,
            first_convolutions::{FirstBackward, FirstOutput},
            pooling::PoolBackward,
        },
        depthwise::DepthwiseWeightGradients,
        joined::Joined,
        launch::{Launch, tile},
        pointwise::{NormedGradient, Pointwise, PointwiseBackward, load_weights},
        space_to_depth::Phases,
        sums::{Placement, sum_parts},
    },
};
use crate::space::{EDGES, NODES};
use cubecl::server::Handle;

/// A backward pass under way.
struct Backward<'a> {
    cell: Cell<'a>,
    with_parameters: bool,
    states: Handle,
    pools: Pools,
    phases: Option<Phases>,
    /// Gradients of the states, and of the phases, which gather over all nodes.
    state_gradients: Handle,
    phase_gradients: Option<Handle>,
    parameter_gradients: Handle,
    /// Sums of the nodes' gradients [4, channels].
    node_sums: Handle,
    /// Sums of the nodes' gradients times the outputs of their edges' pools and skip connections [14, channels, 4].
    edge_sums: Handle,
    /// How the gradients of the branches' outputs follow from those of their nodes, and of the op weights
    /// [branches of all nodes, channels, 4].
    coefficients: Handle,
}

impl Cell<'_> {
    /// Requested gradients, from that of the output [batch, 4 channels, height, width].
    pub fn backward(
        self,
        requested: Requested,
        inputs: [&Handle; 2],
        saved: SavedCell,
        output_gradient: &Handle,
    ) -> CellGradients {
        let SavedCell { phases, states, pools, input_norms, mut nodes } = saved;
        let c = self.channels();
        let state_gradients = self.empty(self.states());
        let parameter_gradients = self.empty(self.plan.parameters);
        let op_weight_gradients = self.empty(EDGES * 8);
        let pass = Backward {
            cell: self,
            with_parameters: requested.parameters,
            states,
            pools,
            state_gradients,
            parameter_gradients,
            edge_sums: self.empty(EDGES * c * 4),
            node_sums: self.empty(NODES * c),
            coefficients: self.empty(4 * self.branches_before(NODES) * c),
            phase_gradients: phases.as_ref().map(|_| self.empty(2 * self.input())),
            phases,
        };
        pass.take_apart(output_gradient);
        for node in (0..NODES).rev() {
            if node + 1 < NODES {
                self.pool_gradient(node + 2, pass.pool_backward());
            }
            pass.node(node, nodes.pop().expect("what each node saved"));
        }
        if let Some(phase_gradients) = &pass.phase_gradients {
            self.pictures.depth_to_space(self.client, phase_gradients, &pass.state_gradients, 2);
        }
        for state in 0..2 {
            self.pool_gradient(state, pass.pool_backward());
        }
        pass.op_weights(&op_weight_gradients);
        let inputs = [0, 1].map(|which| {
            let buffers = [&pass.states, &pass.state_gradients, &input_norms[which], &pass.parameter_gradients];
            self.preprocess_gradient(which, requested, inputs[which], buffers)
        });
        let parameters = requested.parameters.then_some(pass.parameter_gradients);
        CellGradients { inputs, parameters, op_weights: op_weight_gradients }
    }
}

impl Backward<'_> {
    /// Tensors for the gradients of pools and skip connections.
    fn pool_backward(&self) -> PoolBackward<'_> {
        PoolBackward {
            states: &self.states,
            state_gradients: &self.state_gradients,
            pools: &self.pools,
            node_sums: &self.node_sums,
            edge_sums: &self.edge_sums,
        }
    }

    /// Writes the gradients of the nodes to those of the states, as far as they come from the output.
    fn take_apart(&self, output_gradient: &Handle) {
        let Cell { client, pictures, .. } = self.cell;
        let lanes = pictures.lanes();
        let floats = NODES * pictures.floats();
        pictures.launch(lanes, &["cell/node_gradients"]).run(
            client,
            floats / lanes,
            [1, 1],
            &[output_gradient, &self.state_gradients],
            2 * floats,
        );
    }

    /// Writes the gradients of the op weights [14, 8].
    fn op_weights(&self, result: &Handle) {
        let c = self.cell.channels();
        Launch::new(1, &["cell/op_weight_gradient"])
            .set(&[("C", c), ("ROWS", EDGES)])
            .set_switch("REDUCTION", self.cell.plan.is_reduction())
            .run(
                self.cell.client,
                EDGES * 8,
                [1, 1],
                &[&self.edge_sums, &self.coefficients, result],
                4 * c * (self.cell.branches_before(NODES) + EDGES),
            );
    }

    /// Takes the gradient of a node, which is complete, through its branches to the states and the parameters.
    fn node(&self, node: usize, saved: SavedNode) {
        let cell = &self.cell;
        let edges = node + 2;
        let SavedNode { values, inner, inner_norm, sums, moments, statistics } = saved;
        let products = self.branch_products(node, [&values, &sums]);
        let matrices = self.branch_matrices(node, [&statistics, &moments, &products]);
        let value_gradients = self.value_gradients(node, [&matrices, &values]);
        drop(values);

        // The sums for all depthwise weights of the node lie together.
        let mut weights =
            self.with_parameters.then(|| DepthwiseWeightGradients::new(cell.client, &cell.pictures, edges));
        let inner_of = [&value_gradients, &inner, &inner_norm];
        let (inner_gradients, coefficients) = self.second_convolutions(node, inner_of, weights.as_mut());
        let gradient =
            NormedGradient { gradient: (&inner_gradients, 0), value: (&inner, 0), coefficients: &coefficients };
        let depthwise_gradients = self.inner_convolutions(node, gradient);
        drop((inner_gradients, inner));

        let backward = FirstBackward {
            node,
            states: &self.states,
            state_gradients: &self.state_gradients,
            phases: self.phases.as_ref().zip(self.phase_gradients.as_ref()),
            gradients: [
                (&depthwise_gradients, 0),
                (&depthwise_gradients, edges),
                (&value_gradients, 2 * edges),
                (&value_gradients, 3 * edges),
            ],
            parameter_gradients: &self.parameter_gradients,
        };
        cell.first_convolution_gradients(backward, weights.as_mut());
        if let Some(weights) = weights {
            weights.sum(cell.client, &self.parameter_gradients);
        }
    }

    /// Products [branches, channels, channels] of a node's gradient with the values of its branches less their means, summed over
    /// the pixels; the sums of the gradient itself go to the node's.
    fn branch_products(&self, node: usize, [values, sums]: [&Handle; 2]) -> Handle {
        let Cell { client, pictures, .. } = self.cell;
        let (c, lanes) = (pictures.channels, pictures.lanes());
        let branches = self.cell.branches(node + 2);
        let gradient_at = self.cell.state_at(node + 2) / lanes;
        let chunks = pictures.chunks_of_channels(lanes);
        let partial = self.cell.empty(c * chunks);
        let products = Pointwise::square(&pictures, branches).weight_products(client, "cell/branch_products");
        let launch =
            products.launch.clone().set(&[("GRADIENT", gradient_at)]).set_float("COUNT", pictures.pixels(1) as f64);
        let mut joined = Joined::new(pictures.tuning.joins());
        joined.group(products.threads, branches, products.moved + pictures.floats());
        joined.part(launch, &[values, &products.partial, &self.state_gradients, sums]);
        joined.group(c * chunks, 1, c * chunks);
        let launch = pictures.launch(lanes, &["common/channel_walk", "common/channel_sums"]).set(&[
            ("CHUNKS", chunks),
            ("SOURCE", gradient_at),
            ("RESULT", 0),
        ]);
        joined.part(launch, &[&self.state_gradients, &partial]);
        joined.run(client);
        sum_parts(client, &partial, [c, chunks, 1], (&self.node_sums, Placement::together(node * c, c)));
        let result = self.cell.empty(branches * c * c);
        products.sum(client, &result, Placement::together(0, branches));
        result
    }

    /// Writes the gradients of the last pointwise weights, and the coefficients of the branches. The gradients of their values as
    /// matrices [branches, 2 channels + 1, channels]: on the node's gradient, on the values, and an offset.
    fn branch_matrices(&self, node: usize, [statistics, moments, products]: [&Handle; 3]) -> Handle {
        let Cell { client, parameters, .. } = self.cell;
        let c = self.cell.channels();
        let branches = self.cell.branches(node + 2);
        let coefficients_at = self.cell.branches_before(node) * c;
        self.cell
            .branch_launch(node, "cell/branch_weight_gradient")
            .set(&[("COEFFICIENTS", coefficients_at), ("SUMS", node * c)])
            .set_float("COUNT", self.cell.pictures.pixels(1) as f64)
            .run(
                client,
                branches * c,
                [1, 1],
                &[
                    parameters,
                    statistics,
                    moments,
                    products,
                    &self.node_sums,
                    &self.parameter_gradients,
                    &self.coefficients,
                ],
                branches * (4 * c * c + 8 * c) + c,
            );
        let matrices = self.cell.empty(branches * c * (2 * c + 1));
        self.cell.branch_launch(node, "cell/branch_input_matrices").set(&[("COEFFICIENTS", coefficients_at)]).run(
            client,
            branches * c,
            [1, 1],
            &[parameters, &self.coefficients, &matrices],
            branches * (3 * c * c + 5 * c),
        );
        matrices
    }

    /// Gradients of the branches' values [branches, batch, channels, height, width].
    fn value_gradients(&self, node: usize, [matrices, values]: [&Handle; 2]) -> Handle {
        let Cell { client, pictures, .. } = self.cell;
        let (c, lanes) = (pictures.channels, pictures.lanes());
        let branches = self.cell.branches(node + 2);
        let result = self.cell.empty(branches * pictures.floats());
        let rows = tile(c, pictures.tuning.outputs());
        let vectors = pictures.vectors_at_once(pictures.plane() / lanes);
        let matrix = c * (2 * c + 1);
        pictures
            .launch(lanes, &["pointwise/input_gradient", "cell/branch_input_gradient", load_weights(rows, &[c])])
            .set(&[
                ("CI", c),
                ("CO", c),
                ("TILE", rows),
                ("VECTORS", vectors),
                ("WEIGHTS_A", 0),
                ("WEIGHTS_B", 0),
                ("SPLIT", branches),
                ("MATRIX", matrix),
                ("GRADIENT", self.cell.state_at(node + 2) / lanes / vectors),
                ("BRANCH_CHANNELS", 0),
                ("IMAGE_CHANNELS", c),
            ])
            .run(
                client,
                pictures.pixels(lanes) / vectors,
                [branches * c / rows, 1],
                &[matrices, &self.state_gradients, &result, values],
                (1 + 2 * branches) * pictures.floats() + branches * matrix,
            );
        result
    }

    /// Second convolutions of the separable ops: gradients of the normalised inner values [2 edges, batch, channels, height,
    /// width], and BatchNorm's coefficients of them; and sums for the gradients of their weights.
    fn second_convolutions(
        &self,
        node: usize,
        [value_gradients, inner, inner_norm]: [&Handle; 3],
        mut weights: Option<&mut DepthwiseWeightGradients>,
    ) -> (Handle, Handle) {
        let Cell { client, pictures, .. } = self.cell;
        let (c, edges) = (pictures.channels, node + 2);
        let partial_weights = weights.as_ref().map(|weights| weights.partial.clone());
        let gradients = self.cell.empty(SEPARABLE * edges * pictures.floats());
        let parts = pictures.columns();
        let partial = self.cell.empty(2 * SEPARABLE * edges * c * parts);
        let mut joined = Joined::new(pictures.tuning.joins());
        for (kind, &kernel) in DEPTHWISE.iter().take(SEPARABLE).enumerate() {
            let weights_at = self.cell.plan.nodes[node].second_depthwise[kind];
            let files = ["depthwise/convolution", "depthwise/second_input_gradient"];
            let launch = pictures.depthwise(&files, kernel, 1, true).set(&[
                ("WEIGHTS", weights_at),
                ("SOURCE", kind * edges),
                ("RESULT", kind * edges),
            ]);
            joined.group(pictures.all_columns(), edges, edges * (3 * pictures.floats() + 2 * c * parts));
            let buffers = [self.cell.parameters, value_gradients, inner, inner_norm, &gradients, &partial];
            joined.part(launch, &buffers);
            if let (Some(weights), Some(partial_weights)) = (&mut weights, &partial_weights) {
                let at = weights.reserve([edges, kernel.0, weights_at]);
                let files = ["depthwise/weight_gradient", "depthwise/weight_gradient_second"];
                let launch = pictures.depthwise_weight_gradient(&files, kernel, at).set(&[
                    ("SOURCE", kind * edges),
                    ("INNER", kind * edges),
                    ("SHARE", 1),
                ]);
                joined.group(weights.threads(), edges, weights.floats(edges, kernel.0));
                joined.part(launch, &[value_gradients, partial_weights, inner, inner_norm]);
            }
        }
        joined.run(client);
        let channels = SEPARABLE * edges * c;
        let sums = ChannelSums { partial: &partial, channels, parts, count: pictures.pixels(1) };
        let coefficients = sums.gradient(client, inner_norm, false);
        (gradients, coefficients)
    }

    /// Inner pointwise convolutions of the separable ops: gradients of their weights and of their inputs
    /// [2 edges, batch, channels, height, width].
    fn inner_convolutions(&self, node: usize, gradient: NormedGradient) -> Handle {
        let cell = &self.cell;
        let edges = node + 2;
        // The outputs of the first convolutions are recomputed rather than kept.
        let source = self.with_parameters.then(|| {
            let source = cell.empty(SEPARABLE * edges * cell.node());
            let outputs = [0, edges].map(|branch| FirstOutput { values: &source, branch, sums: None });
            cell.first_convolutions(node, &self.states, self.phases.as_ref(), &outputs);
            source
        });
        let backward = PointwiseBackward {
            gradient,
            source: source.as_ref(),
            parameters: cell.parameters,
            weights: Placement { offsets: cell.plan.nodes[node].inner_pointwise, split: edges },
            parameter_gradients: self.with_parameters.then_some(&self.parameter_gradients),
            input_requested: true,
        };
        let inner = Pointwise::square(&cell.pictures, SEPARABLE * edges);
        inner.backward(cell.client, backward).expect("the gradient of the input was requested")
    }
}
