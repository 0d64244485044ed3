use super::gpu::{Launch, tile};
use crate::{
    space::{CellKind, NODES},
    supernet::{CellShape, Layout},
};
use cubecl::{prelude::Client, server::Handle};

/// Where the parameters of one op kind lie for a node's first edge, relative to the cell's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct NodePlan {
    /// First depthwise weights of sep 3x3, sep 5x5, dil 3x3, dil 5x5.
    first: [usize; 4],
    /// First pointwise weights of sep 3x3 and sep 5x5.
    middle: [usize; 2],
    /// Second depthwise weights of sep 3x3 and sep 5x5.
    second: [usize; 2],
    /// Last pointwise weights of the four, then both halves of the factorised reduction.
    last: [usize; 6],
}

/// Everything that the launches of a cell depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CellPlan {
    shape: CellShape,
    batch: usize,
    /// Height and width of the nodes.
    size: [usize; 2],
    /// Elements of the cell's parameters.
    parameters: usize,
    nodes: Vec<NodePlan>,
    preprocess: [usize; 2],
}

/// Kernel size and dilation of the depthwise convolutions, by kind.
const DEPTHWISE: [(usize, usize); 4] = [(3, 1), (5, 1), (3, 2), (5, 2)];

/// What the backward pass of a cell needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct CellMemory {
    states: Handle,
    pools: Handle,
    pool_norm: Handle,
    input_norm: [Handle; 2],
    nodes: Vec<NodeMemory>,
}

#[derive(Clone, Debug)]
struct NodeMemory {
    /// Inputs of the last pointwise convolutions, a slot each.
    values: Handle,
    /// Outputs of the first pointwise convolutions of the separable ops, before BatchNorm.
    half: Handle,
    half_norm: Handle,
    /// Sums of the values of each slot's channels, and their second central moments.
    totals: Handle,
    moments: Handle,
    statistics: Handle,
}

/// What a backward pass is wanted for beside the ops' weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub inputs: [bool; 2],
    pub parameters: bool,
}

/// Gradients of a cell, those that were wanted.
pub(crate) struct CellGradients {
    pub inputs: [Option<Handle>; 2],
    pub parameters: Option<Handle>,
    /// Of the ops' weights [14, 8].
    pub mixing: Handle,
}

impl CellPlan {
    /// The cell at `layer`, whose parameters are `layout`'s from `start` to `end`, on `batch` images with nodes of `size`.
    pub fn new(
        layout: &Layout,
        layer: usize,
        shape: CellShape,
        start: usize,
        end: usize,
        batch: usize,
        size: [usize; 2],
    ) -> Self {
        let at =
            |name: String| layout.get(&format!("cells.{layer}.{name}")).map_or(0, |parameter| parameter.offset - start);
        let nodes = (0..NODES)
            .map(|node| {
                let edge = node * (node + 3) / 2;
                let op = |op: usize, part: &str| at(format!("_ops.{edge}._ops.{op}.{part}.weight"));
                NodePlan {
                    first: [4, 5, 6, 7].map(|i| op(i, "op.1")),
                    middle: [4, 5].map(|i| op(i, "op.2")),
                    second: [4, 5].map(|i| op(i, "op.5")),
                    last: [
                        op(4, "op.6"),
                        op(5, "op.6"),
                        op(6, "op.2"),
                        op(7, "op.2"),
                        op(3, "conv_1"),
                        op(3, "conv_2"),
                    ],
                }
            })
            .collect();
        let first = if shape.after_reduction { "preprocess0.conv_1.weight" } else { "preprocess0.op.1.weight" };
        Self {
            shape,
            batch,
            size,
            parameters: end - start,
            nodes,
            preprocess: [at(first.to_owned()), at("preprocess1.op.1.weight".to_owned())],
        }
    }

    /// Shape of the output.
    pub fn output(&self) -> [usize; 4] {
        [self.batch, NODES * self.shape.channels, self.size[0], self.size[1]]
    }

    fn reduction(&self) -> bool {
        self.shape.kind == CellKind::Reduce
    }

    fn stride(&self) -> usize {
        if self.reduction() { 2 } else { 1 }
    }

    /// Floats of a node.
    fn node(&self) -> usize {
        self.batch * self.shape.channels * self.plane()
    }

    /// Pixels of a node's channel.
    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Floats of a preprocessed input.
    fn input(&self) -> usize {
        self.node() * self.stride() * self.stride()
    }

    fn states(&self) -> usize {
        2 * self.input() + NODES * self.node()
    }

    /// Where a state lies, in floats.
    fn state_at(&self, state: usize) -> usize {
        if state < 2 { state * self.input() } else { 2 * self.input() + (state - 2) * self.node() }
    }

    /// Pixels that the row-wise kernels take at once at nodes' width.
    fn lanes(&self) -> usize {
        if self.size[1].is_multiple_of(4) { 4 } else { 1 }
    }

    fn slots(&self, edges: usize) -> usize {
        4 * edges + if self.reduction() { 4 } else { 0 }
    }

    /// Threads that share the pixels in a sum for `tiles` tiles.
    fn chunks(&self, tiles: usize, lanes: usize) -> usize {
        (512 / tiles).clamp(8, 128).min(self.batch * self.plane() / lanes)
    }

    /// A launch at the nodes' resolution with the constants that most kernels read.
    fn launch(&self, lanes: usize, files: &[&'static str]) -> Launch {
        Launch::new(lanes, files).all(&[
            ("N", self.batch),
            ("C", self.shape.channels),
            ("PLANE", self.plane() / lanes),
            ("INPUT", self.input() / lanes),
            ("NODE", self.node() / lanes),
        ])
    }

    fn rows(&self, launch: Launch, lanes: usize) -> Launch {
        launch.all(&[("H", self.size[0]), ("W", self.size[1]), ("COLUMNS", self.size[1] / lanes)])
    }

    fn pixels(&self, lanes: usize) -> usize {
        self.batch * self.plane() / lanes
    }

    /// The forward pass: output [batch, 4 channels, height, width] and what the backward pass needs.
    pub fn forward(
        &self,
        client: &Client,
        inputs: [&Handle; 2],
        parameters: &Handle,
        mixing: &Handle,
    ) -> (Handle, CellMemory) {
        let empty = |floats: usize| client.empty(4 * floats);
        let c = self.shape.channels;
        let states = empty(self.states());
        let input_norm = [0, 1].map(|i| self.preprocess(client, i, inputs[i], parameters, &states));
        let pools = empty((NODES + 1) * 3 * self.node());
        let pool_norm = empty((NODES + 1) * 2 * c * 2);
        self.pool(client, 0, 2, &states, &pools, &pool_norm);
        let mut nodes = Vec::with_capacity(NODES);
        for node in 0..NODES {
            nodes.push(self.node_forward(client, node, parameters, mixing, &states, &pools, &pool_norm));
            if node + 1 < NODES {
                self.pool(client, node + 2, 1, &states, &pools, &pool_norm);
            }
        }
        let output = empty(NODES * self.node());
        let lanes = self.lanes();
        self.launch(lanes, &["gather_nodes"]).run(
            client,
            NODES * self.node() / lanes,
            [1, 1],
            &[&states, &output],
            2 * NODES * self.node(),
        );
        (output, CellMemory { states, pools, pool_norm, input_norm, nodes })
    }

    /// Resolution of preprocessed inputs.
    fn input_size(&self) -> [usize; 2] {
        self.size.map(|s| s * self.stride())
    }

    /// Inputs of a preprocessing convolution's row, and how many convolutions it is made of.
    fn preprocess_inputs(&self, which: usize) -> (usize, usize) {
        match which {
            0 => (self.shape.channels_before_last, if self.shape.after_reduction { 2 } else { 1 }),
            _ => (self.shape.channels_last, 1),
        }
    }

    /// The pictures that a preprocessing convolution reads: the raw input, or both halves of a factorised reduction.
    fn preprocess_source(&self, client: &Client, which: usize, raw: &Handle) -> Handle {
        let (ci, halves) = self.preprocess_inputs(which);
        if halves == 1 {
            return raw.clone();
        }
        let [h, w] = self.input_size();
        let floats = self.batch * ci * h * w;
        let result = client.empty(4 * 2 * floats);
        self.halves(Launch::new(1, &["halves"]), ci, [h, w], 0, [0, ci * h * w], 2 * ci * h * w).run(
            client,
            floats,
            [1, 1],
            &[raw, &result],
            4 * floats,
        );
        result
    }

    fn halves(
        &self,
        launch: Launch,
        ci: usize,
        [h, w]: [usize; 2],
        source: usize,
        [first, second]: [usize; 2],
        image: usize,
    ) -> Launch {
        launch.all(&[
            ("N", self.batch),
            ("CI", ci),
            ("H", h),
            ("W", w),
            ("SOURCE", source),
            ("FIRST", first),
            ("SECOND", second),
            ("IMAGE", image),
        ])
    }

    /// Vectors of a preprocessed input's plane take this many pixels.
    fn input_lanes(&self) -> usize {
        let [h, w] = self.input_size();
        if (h * w).is_multiple_of(4) { 4 } else { 1 }
    }

    fn preprocess(&self, client: &Client, which: usize, raw: &Handle, parameters: &Handle, states: &Handle) -> Handle {
        let c = self.shape.channels;
        let (ci, halves) = self.preprocess_inputs(which);
        let lanes = self.input_lanes();
        let [h, w] = self.input_size();
        let plane = h * w / lanes;
        let source = self.preprocess_source(client, which, raw);
        let values = client.empty(4 * self.input());
        let groups = (self.batch * plane).div_ceil(64);
        let partial = client.empty(4 * 2 * c * groups);
        let tile = tile(c / halves, 16);
        Launch::new(lanes, &["pointwise"])
            .all(&[
                ("N", self.batch),
                ("CI", ci),
                ("CO", c),
                ("TILE", tile),
                ("PLANE", plane),
                ("HALVES", halves),
                ("GROUPS", groups),
                ("WEIGHTS_A", self.preprocess[which]),
                ("WEIGHTS_B", 0),
                ("SPLIT", 1),
            ])
            .is("RELU", halves == 1)
            .run(
                client,
                self.batch * plane,
                [c / tile, 1],
                &[parameters, &source, &values, &partial],
                self.batch * plane * lanes * (halves * ci + c),
            );
        let norm = self.norm(client, &partial, c, groups, self.batch * h * w);
        Launch::new(lanes, &["affine"])
            .all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("RESULT", which * self.input() / lanes)])
            .run(client, self.input() / lanes, [1, 1], &[&values, &norm, states], 2 * self.input());
        norm
    }

    /// Scale and shift of `channels` channels from partial sums.
    fn norm(&self, client: &Client, partial: &Handle, channels: usize, parts: usize, count: usize) -> Handle {
        let norm = client.empty(4 * 2 * channels);
        Launch::new(1, &["norm"]).all(&[("CHANNELS", channels), ("PARTS", parts)]).f("COUNT", count).run(
            client,
            channels,
            [1, 1],
            &[partial, &norm],
            2 * channels * (parts + 1),
        );
        norm
    }

    fn norm_back(
        &self,
        client: &Client,
        partial: &Handle,
        norm: &Handle,
        [channels, parts, count]: [usize; 3],
        normalised: bool,
    ) -> Handle {
        let affine = client.empty(4 * 4 * channels);
        Launch::new(1, &["norm_back"])
            .all(&[("CHANNELS", channels), ("PARTS", parts)])
            .f("COUNT", count)
            .is("NORMALISED", normalised)
            .run(client, channels, [1, 1], &[partial, norm, &affine], 2 * channels * (parts + 3));
        affine
    }

    /// Pools `count` states from `state` on, with their statistics.
    fn pool(&self, client: &Client, state: usize, count: usize, states: &Handle, pools: &Handle, pool_norm: &Handle) {
        let stride = if state < 2 { self.stride() } else { 1 };
        self.rows(self.launch(1, &["pool"]), 1)
            .all(&[("STRIDE", stride), ("STATE", state), ("SOURCE", self.state_at(state))])
            .run(client, self.node(), [count, 1], &[states, pools], count * self.node() * (stride * stride + 3));
        let c = self.shape.channels;
        let lanes = self.lanes();
        let chunks = self.chunks(c, lanes);
        let partial = client.empty(4 * 2 * 2 * count * c * chunks);
        self.launch(lanes, &["pool_moments"]).all(&[("STATE", state), ("CHUNKS", chunks)]).run(
            client,
            c * chunks,
            [2 * count, 1],
            &[pools, &partial],
            2 * count * (self.node() + 2 * c * chunks),
        );
        let norm = self.norm(client, &partial, 2 * count * c, chunks, self.batch * self.plane());
        // The statistics of all states lie together.
        self.reduce(client, &norm, pool_norm, [1, 1, 2 * count * c * 2], [state * 2 * c * 2, 0], 1);
    }

    /// Sums `[outer, parts, inner]` over the parts into `result`, outer entries before `split` from the first base on, the
    /// others from the second.
    fn reduce(
        &self,
        client: &Client,
        partial: &Handle,
        result: &Handle,
        [outer, parts, inner]: [usize; 3],
        [base_a, base_b]: [usize; 2],
        split: usize,
    ) {
        Launch::new(1, &["reduce"])
            .all(&[
                ("OUTER", outer),
                ("PARTS", parts),
                ("INNER", inner),
                ("BASE_A", base_a),
                ("BASE_B", base_b),
                ("SPLIT", split),
            ])
            .run(client, outer * inner, [1, 1], &[partial, result], outer * inner * (parts + 1));
    }

    /// First depthwise convolutions of a kind from the states to `result`, from slot `slot` on.
    fn depthwise_first(
        &self,
        client: &Client,
        node: usize,
        kind: usize,
        parameters: &Handle,
        states: &Handle,
        (result, slot): (&Handle, usize),
    ) {
        let (k, dilation) = DEPTHWISE[kind];
        let edges = node + 2;
        let weights = self.nodes[node].first[kind];
        let c = self.shape.channels;
        let strided = if self.reduction() { 2 } else { 0 };
        if strided > 0 {
            self.rows(self.launch(1, &["depthwise_strided"]), 1)
                .all(&[("K", k), ("DILATION", dilation), ("WEIGHTS", weights), ("RESULT", slot)])
                .run(client, self.node(), [2, 1], &[parameters, states, result], 2 * self.node() * 5);
        }
        if edges > strided {
            let lanes = self.lanes();
            let count = edges - strided;
            self.rows(self.launch(lanes, &["states", "depthwise", "depthwise_first", line(lanes)]), lanes)
                .all(&[
                    ("K", k),
                    ("DILATION", dilation),
                    ("WEIGHTS", weights + strided * c * k * k),
                    ("EDGE", strided),
                    ("RESULT", slot + strided),
                ])
                .is("FLIP", false)
                .run(
                    client,
                    self.batch * c * self.size[1] / lanes,
                    [count, 1],
                    &[parameters, states, result],
                    2 * count * self.node(),
                );
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn node_forward(
        &self,
        client: &Client,
        node: usize,
        parameters: &Handle,
        mixing: &Handle,
        states: &Handle,
        pools: &Handle,
        pool_norm: &Handle,
    ) -> NodeMemory {
        let empty = |floats: usize| client.empty(4 * floats);
        let c = self.shape.channels;
        let edges = node + 2;
        let slots = self.slots(edges);
        let lanes = self.lanes();
        let pixels = self.pixels(lanes);
        let plan = &self.nodes[node];
        let values = empty(slots * self.node());
        let depth = empty(2 * edges * self.node());
        for kind in 0..2 {
            self.depthwise_first(client, node, kind, parameters, states, (&depth, kind * edges));
        }
        for kind in 2..4 {
            self.depthwise_first(client, node, kind, parameters, states, (&values, kind * edges));
        }
        if self.reduction() {
            for state in 0..2 {
                let at = |half: usize| (4 * edges + 2 * half + state) * self.node();
                self.halves(
                    Launch::new(1, &["halves"]),
                    c,
                    self.size,
                    self.state_at(state),
                    [at(0), at(1)],
                    c * self.plane(),
                )
                .run(client, self.node(), [1, 1], &[states, &values], 4 * self.node());
            }
        }
        let half = empty(2 * edges * self.node());
        let groups = pixels.div_ceil(64);
        let partial = empty(2 * 2 * edges * c * groups);
        let tile_out = tile(c, 16);
        self.launch(lanes, &["pointwise"])
            .all(&[
                ("CI", c),
                ("CO", c),
                ("TILE", tile_out),
                ("HALVES", 1),
                ("GROUPS", groups),
                ("WEIGHTS_A", plan.middle[0]),
                ("WEIGHTS_B", plan.middle[1]),
                ("SPLIT", edges),
            ])
            .is("RELU", false)
            .run(
                client,
                pixels,
                [c / tile_out, 2 * edges],
                &[parameters, &depth, &half, &partial],
                4 * edges * self.node(),
            );
        let count = self.batch * self.plane();
        let half_norm = self.norm(client, &partial, 2 * edges * c, groups, count);
        for (kind, &(k, dilation)) in DEPTHWISE.iter().take(2).enumerate() {
            self.rows(self.launch(lanes, &["depthwise", "depthwise_second", line(lanes)]), lanes)
                .all(&[
                    ("K", k),
                    ("DILATION", dilation),
                    ("WEIGHTS", plan.second[kind]),
                    ("SOURCE", kind * edges),
                    ("RESULT", kind * edges),
                ])
                .is("FLIP", false)
                .run(
                    client,
                    self.batch * c * self.size[1] / lanes,
                    [edges, 1],
                    &[parameters, &half, &half_norm, &values],
                    2 * edges * self.node(),
                );
        }
        let chunks = self.chunks(c, lanes);
        let partial = empty(slots * c * chunks);
        self.launch(lanes, &["totals"]).all(&[("CHUNKS", chunks)]).run(
            client,
            c * chunks,
            [slots, 1],
            &[&values, &partial],
            slots * (self.node() + c * chunks),
        );
        let totals = empty(slots * c);
        self.reduce(client, &partial, &totals, [slots * c, chunks, 1], [0, 0], slots * c);
        let tile_gram = tile(c, 8);
        let tiles = (c / tile_gram) * (c / tile_gram);
        let chunks = self.chunks(tiles, lanes);
        let partial = empty(slots * chunks * c * c);
        self.launch(lanes, &["gram"]).all(&[("TILE", tile_gram), ("CHUNKS", chunks)]).f("COUNT", count).run(
            client,
            tiles * chunks,
            [slots, 1],
            &[&values, &partial, &totals],
            slots * (self.node() + chunks * c * c),
        );
        let moments = empty(slots * c * c);
        self.reduce(client, &partial, &moments, [slots, chunks, c * c], [0, 0], slots);
        let blended = empty(slots * c * c);
        let statistics = empty(4 * slots * c);
        self.slot_launch(node, &["slots", "mix"]).f("COUNT", count).run(
            client,
            slots * c,
            [1, 1],
            &[parameters, mixing, &moments, &blended, &statistics, &totals],
            slots * (3 * c * c + 5 * c),
        );
        let result = self.state_at(node + 2) / lanes;
        self.launch(lanes, &["states", "pooled"])
            .all(&[
                ("EDGES", edges),
                ("SLOTS", slots),
                ("ROW", row(node)),
                ("RESULT", result),
                ("SKIPPED", if self.reduction() { 2 } else { 0 }),
            ])
            .run(
                client,
                self.node() / lanes,
                [1, 1],
                &[&statistics, pools, pool_norm, mixing, states],
                (3 * edges + 1) * self.node(),
            );
        self.launch(lanes, &["combine", weights_of(tile_out)])
            .all(&[("TILE", tile_out), ("SLOTS", slots), ("RESULT", result)])
            .run(client, pixels, [c / tile_out, 1], &[&blended, &values, states], (slots + 2) * self.node());
        NodeMemory { values, half, half_norm, totals, moments, statistics }
    }

    /// A launch over a node's slots.
    fn slot_launch(&self, node: usize, files: &[&'static str]) -> Launch {
        let edges = node + 2;
        let last = self.nodes[node].last;
        Launch::new(1, files).all(&[
            ("C", self.shape.channels),
            ("EDGES", edges),
            ("SLOTS", self.slots(edges)),
            ("ROW", row(node)),
            ("LAST_0", last[0]),
            ("LAST_1", last[1]),
            ("LAST_2", last[2]),
            ("LAST_3", last[3]),
            ("LAST_4", last[4]),
            ("LAST_5", last[5]),
        ])
    }

    /// The backward pass: gradients of both inputs, the parameters and the ops' weights.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        client: &Client,
        wanted: Wanted,
        inputs: [&Handle; 2],
        parameters: &Handle,
        mixing: &Handle,
        memory: CellMemory,
        output_gradient: &Handle,
    ) -> CellGradients {
        let empty = |floats: usize| client.empty(4 * floats);
        let c = self.shape.channels;
        let lanes = self.lanes();
        let gradients = empty(self.states());
        let parameter_gradients = empty(self.parameters);
        let mixing_gradients = empty(crate::space::EDGES * 8);
        let edge_sums = empty(crate::space::EDGES * c * 4);
        self.launch(lanes, &["spread_nodes"]).run(
            client,
            self.states() / lanes,
            [1, 1],
            &[output_gradient, &gradients],
            self.states() + NODES * self.node(),
        );
        let CellMemory { states, pools, pool_norm, input_norm, mut nodes } = memory;
        for node in (0..NODES).rev() {
            let state = node + 2;
            if node + 1 < NODES {
                self.pool_back(client, state, &gradients, &pools, &pool_norm, &edge_sums, mixing);
            }
            let node_memory = nodes.pop().expect("a memory a node");
            self.node_backward(
                client,
                node,
                wanted.parameters,
                parameters,
                node_memory,
                [&states, &gradients, &pools, &pool_norm, &edge_sums],
                [&parameter_gradients, &mixing_gradients],
            );
        }
        for state in 0..2 {
            self.pool_back(client, state, &gradients, &pools, &pool_norm, &edge_sums, mixing);
        }
        let inputs = [0, 1].map(|which| {
            self.preprocess_back(
                client,
                which,
                wanted,
                inputs[which],
                parameters,
                [&states, &gradients, &input_norm[which], &parameter_gradients],
            )
        });
        let parameters = wanted.parameters.then_some(parameter_gradients);
        CellGradients { inputs, parameters, mixing: mixing_gradients }
    }

    #[allow(clippy::too_many_arguments)]
    fn pool_back(
        &self,
        client: &Client,
        state: usize,
        gradients: &Handle,
        pools: &Handle,
        pool_norm: &Handle,
        edge_sums: &Handle,
        mixing: &Handle,
    ) {
        let lanes = self.lanes();
        let first = state.saturating_sub(1);
        let blended = client.empty(4 * 2 * self.node());
        let stride = if state < 2 { self.stride() } else { 1 };
        self.launch(lanes, &["states", "pool_blend"])
            .all(&[("STATE", state), ("FIRST_NODE", first)])
            .f("COUNT", self.batch * self.plane())
            .is("SKIP", stride == 1)
            .run(
                client,
                self.node() / lanes,
                [1, 1],
                &[gradients, pools, pool_norm, edge_sums, mixing, &blended],
                (NODES - first + 4) * self.node(),
            );
        self.rows(self.launch(1, &["pool_back"]), 1)
            .all(&[("STRIDE", stride), ("STATE", state), ("RESULT", self.state_at(state))])
            .run(
                client,
                self.node() * stride * stride,
                [1, 1],
                &[&blended, pools, gradients],
                self.node() * (3 + 2 * stride * stride),
            );
    }

    #[allow(clippy::too_many_arguments)]
    fn node_backward(
        &self,
        client: &Client,
        node: usize,
        with_parameters: bool,
        parameters: &Handle,
        memory: NodeMemory,
        [states, gradients, pools, pool_norm, edge_sums]: [&Handle; 5],
        [parameter_gradients, mixing_gradients]: [&Handle; 2],
    ) {
        let empty = |floats: usize| client.empty(4 * floats);
        let c = self.shape.channels;
        let edges = node + 2;
        let slots = self.slots(edges);
        let lanes = self.lanes();
        let pixels = self.pixels(lanes);
        let count = self.batch * self.plane();
        let plan = &self.nodes[node];
        let NodeMemory { values, half, half_norm, totals, moments, statistics } = memory;
        let gradient_at = self.state_at(node + 2) / lanes;

        // What the node's gradient says of its edges: sums for alphas and pools, products with each slot's values.
        let chunks = self.chunks(c, lanes);
        let partial = empty(4 * edges * c * chunks);
        let skipped = if self.reduction() { 2 } else { 0 };
        self.launch(lanes, &["states", "dots"])
            .all(&[("CHUNKS", chunks), ("GRADIENT", gradient_at), ("SKIPPED", skipped)])
            .run(client, c * chunks, [edges, 1], &[gradients, pools, states, &partial], (1 + 3 * edges) * self.node());
        Launch::new(1, &["edges_back"]).all(&[("C", c), ("EDGES", edges), ("CHUNKS", chunks), ("ROW", row(node))]).run(
            client,
            edges * c,
            [1, 1],
            &[&partial, pool_norm, edge_sums],
            4 * edges * c * (chunks + 2),
        );
        let products = empty(slots * c * c);
        self.outer(
            client,
            &["outer", "outer_node"],
            slots,
            &values,
            [c, c, 1],
            false,
            |launch| (launch.all(&[("GRADIENT", gradient_at)]).f("COUNT", count), vec![gradients, &totals]),
            (&products, [0, 0], slots),
        );
        let slopes = empty(4 * slots * c);
        self.slot_launch(node, &["slots", "unmix"]).f("COUNT", count).run(
            client,
            slots * c,
            [1, 1],
            &[parameters, &statistics, &moments, &products, edge_sums, parameter_gradients, &slopes],
            slots * (4 * c * c + 10 * c),
        );
        Launch::new(1, &["alpha_back"])
            .all(&[("C", c), ("EDGES", edges), ("SLOTS", slots), ("ROW", row(node))])
            .is("REDUCTION", self.reduction())
            .run(client, edges * 8, [1, 1], &[edge_sums, &slopes, mixing_gradients], 4 * c * (slots + edges));
        let matrices = empty(slots * c * (2 * c + 1));
        self.slot_launch(node, &["slots", "unmix_inputs"]).run(
            client,
            slots * c,
            [1, 1],
            &[parameters, &slopes, &matrices],
            slots * (3 * c * c + 5 * c),
        );
        let value_gradients = empty(slots * self.node());
        let tile_rows = tile(c, 16);
        self.launch(lanes, &["blend", "blend_plain", weights_of(tile_rows)])
            .all(&[("ROWS", c), ("CG", c), ("TILE", tile_rows), ("GRADIENT", gradient_at), ("VALUE", 0)])
            .is("SHARED", true)
            .run(
                client,
                pixels,
                [c / tile_rows, slots],
                &[&matrices, gradients, &values, &value_gradients],
                (1 + 2 * slots) * self.node(),
            );
        drop(values);

        // Second halves of the separable ops.
        let half_gradients = empty(2 * edges * self.node());
        let columns = self.size[1] / lanes;
        let parts = self.batch * columns;
        let half_sums = empty(2 * 2 * edges * c * parts);
        for (kind, &(k, dilation)) in DEPTHWISE.iter().take(2).enumerate() {
            self.rows(self.launch(lanes, &["depthwise", "depthwise_second_back", line(lanes)]), lanes)
                .all(&[
                    ("K", k),
                    ("DILATION", dilation),
                    ("WEIGHTS", plan.second[kind]),
                    ("SOURCE", kind * edges),
                    ("RESULT", kind * edges),
                ])
                .is("FLIP", true)
                .run(
                    client,
                    self.batch * c * columns,
                    [edges, 1],
                    &[parameters, &value_gradients, &half, &half_norm, &half_gradients, &half_sums],
                    3 * edges * self.node(),
                );
            if with_parameters {
                self.depthwise_weights(
                    client,
                    kind,
                    edges,
                    &["depthwise_weights", "depthwise_weights_second"],
                    (&value_gradients, kind * edges),
                    &[("HALF", kind * edges)],
                    &[&half, &half_norm],
                    (parameter_gradients, plan.second[kind]),
                );
            }
        }
        let affine = self.norm_back(client, &half_sums, &half_norm, [2 * edges * c, parts, count], false);
        drop(half_sums);
        let depth = empty(2 * edges * self.node());
        if with_parameters {
            for kind in 0..2 {
                self.depthwise_first(client, node, kind, parameters, states, (&depth, kind * edges));
            }
            self.outer(
                client,
                &["outer", "outer_norm"],
                2 * edges,
                &depth,
                [c, c, 1],
                false,
                |launch| (launch.all(&[("GRADIENT", 0), ("VALUE", 0)]), vec![&half_gradients, &half, &affine]),
                (parameter_gradients, plan.middle, edges),
            );
        }
        let matrices = empty(2 * edges * c * (2 * c + 1));
        Launch::new(1, &["norm_inputs"])
            .all(&[
                ("CI", c),
                ("CO", c),
                ("SLOTS", 2 * edges),
                ("HALVES", 1),
                ("WEIGHTS_A", plan.middle[0]),
                ("WEIGHTS_B", plan.middle[1]),
                ("SPLIT", edges),
            ])
            .run(client, 2 * edges * c, [1, 1], &[parameters, &affine, &matrices], 2 * edges * (3 * c * c + 5 * c));
        // The recomputed first convolutions are done with: their room takes their gradients.
        self.launch(lanes, &["blend", "blend_plain", weights_of(tile_rows)])
            .all(&[("ROWS", c), ("CG", c), ("TILE", tile_rows), ("GRADIENT", 0), ("VALUE", 0)])
            .is("SHARED", false)
            .run(
                client,
                pixels,
                [c / tile_rows, 2 * edges],
                &[&matrices, &half_gradients, &half, &depth],
                6 * edges * self.node(),
            );
        drop(half_gradients);

        // First convolutions of all ops.
        for kind in 0..4 {
            let gradient = if kind < 2 { (&depth, kind * edges) } else { (&value_gradients, kind * edges) };
            let wanted = with_parameters.then_some(parameter_gradients);
            self.depthwise_first_back(client, node, kind, parameters, states, gradient, gradients, wanted);
        }
        if self.reduction() {
            for state in 0..2 {
                let at = |half: usize| (4 * edges + 2 * half + state) * self.node();
                self.halves(
                    Launch::new(1, &["halves_back"]),
                    c,
                    self.size,
                    self.state_at(state),
                    [at(0), at(1)],
                    c * self.plane(),
                )
                .is("FRESH", false)
                .run(
                    client,
                    self.node(),
                    [1, 1],
                    &[&value_gradients, states, gradients],
                    8 * self.node(),
                );
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn depthwise_first_back(
        &self,
        client: &Client,
        node: usize,
        kind: usize,
        parameters: &Handle,
        states: &Handle,
        (gradient, slot): (&Handle, usize),
        state_gradients: &Handle,
        parameter_gradients: Option<&Handle>,
    ) {
        let (k, dilation) = DEPTHWISE[kind];
        let edges = node + 2;
        let c = self.shape.channels;
        let weights = self.nodes[node].first[kind];
        let strided = if self.reduction() { 2 } else { 0 };
        if strided > 0 {
            let constants = [("K", k), ("DILATION", dilation), ("WEIGHTS", weights), ("SOURCE", slot)];
            self.rows(self.launch(1, &["depthwise_strided_back"]), 1).all(&constants).run(
                client,
                4 * self.node(),
                [2, 1],
                &[parameters, gradient, states, state_gradients],
                2 * self.node() * 13,
            );
            if let Some(result) = parameter_gradients {
                let parts = (256 / self.size[1]).clamp(1, self.batch);
                let partial = client.empty(4 * 2 * c * self.size[1] * parts * k * k);
                self.rows(self.launch(1, &["depthwise_strided_weights"]), 1)
                    .all(&constants)
                    .all(&[("PARTS", parts)])
                    .run(client, c * self.size[1] * parts, [2, 1], &[gradient, &partial, states], 2 * self.node() * 5);
                self.reduce(client, &partial, result, [2 * c, self.size[1] * parts, k * k], [weights, 0], 2 * c);
            }
        }
        if edges > strided {
            let lanes = self.lanes();
            let count = edges - strided;
            let weights = weights + strided * c * k * k;
            self.rows(self.launch(lanes, &["states", "depthwise", "depthwise_first_back", line(lanes)]), lanes)
                .all(&[
                    ("K", k),
                    ("DILATION", dilation),
                    ("WEIGHTS", weights),
                    ("EDGE", strided),
                    ("SOURCE", slot + strided),
                ])
                .is("FLIP", true)
                .run(
                    client,
                    self.batch * c * self.size[1] / lanes,
                    [count, 1],
                    &[parameters, gradient, states, state_gradients],
                    4 * count * self.node(),
                );
            if let Some(result) = parameter_gradients {
                self.depthwise_weights(
                    client,
                    kind,
                    count,
                    &["states", "depthwise_weights", "depthwise_weights_first"],
                    (gradient, slot + strided),
                    &[("EDGE", strided)],
                    &[states],
                    (result, weights),
                );
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn depthwise_weights(
        &self,
        client: &Client,
        kind: usize,
        edges: usize,
        files: &[&'static str],
        (gradient, slot): (&Handle, usize),
        constants: &[(&'static str, usize)],
        buffers: &[&Handle],
        (result, base): (&Handle, usize),
    ) {
        let (k, dilation) = DEPTHWISE[kind];
        let c = self.shape.channels;
        let lanes = self.lanes();
        let columns = self.size[1] / lanes;
        let parts = (64 / columns).clamp(1, self.batch);
        let partial = client.empty(4 * edges * c * columns * parts * k * k);
        let files = [files, &[line(lanes)]].concat();
        self.rows(self.launch(lanes, &files), lanes)
            .all(&[("K", k), ("DILATION", dilation), ("PARTS", parts), ("SOURCE", slot)])
            .all(constants)
            .run(
                client,
                c * columns * parts,
                [edges, 1],
                &[&[gradient, &partial], buffers].concat(),
                2 * edges * self.node(),
            );
        self.reduce(client, &partial, result, [edges * c, columns * parts, k * k], [base, 0], edges * c);
    }

    /// Sums of products of `a` (as the shader's second file has it) with `b` for each slot, written to `result`.
    #[allow(clippy::too_many_arguments)]
    fn outer<'a>(
        &self,
        client: &Client,
        files: &[&'static str],
        slots: usize,
        b: &Handle,
        [ca, cb, halves]: [usize; 3],
        relu: bool,
        with: impl FnOnce(Launch) -> (Launch, Vec<&'a Handle>),
        (result, bases, split): (&Handle, [usize; 2], usize),
    ) {
        let full = slots == 1;
        let lanes = if full { self.input_lanes() } else { self.lanes() };
        let plane = if full { self.input_size().iter().product() } else { self.plane() };
        let (tile_a, tile_b) = (tile(ca / halves, 8), tile(cb, 8));
        let tiles = (ca / tile_a) * (cb / tile_b);
        let chunks = self.chunks(tiles, lanes);
        let partial = client.empty(4 * slots * chunks * ca * cb);
        let launch = Launch::new(lanes, files)
            .all(&[
                ("N", self.batch),
                ("CA", ca),
                ("CB", cb),
                ("PLANE", plane / lanes),
                ("TILE_A", tile_a),
                ("TILE_B", tile_b),
                ("CHUNKS", chunks),
                ("HALVES", halves),
            ])
            .is("RELU", relu);
        let (launch, buffers) = with(launch);
        launch.run(
            client,
            tiles * chunks,
            [slots, 1],
            &[&[b, &partial], buffers.as_slice()].concat(),
            self.batch * plane * slots * (2 * ca + halves * cb),
        );
        self.reduce(client, &partial, result, [slots, chunks, ca * cb], bases, split);
    }

    fn preprocess_back(
        &self,
        client: &Client,
        which: usize,
        wanted: Wanted,
        raw: &Handle,
        parameters: &Handle,
        [states, gradients, norm, parameter_gradients]: [&Handle; 4],
    ) -> Option<Handle> {
        if !wanted.parameters && !wanted.inputs[which] {
            return None;
        }
        let empty = |floats: usize| client.empty(4 * floats);
        let c = self.shape.channels;
        let (ci, halves) = self.preprocess_inputs(which);
        let lanes = self.input_lanes();
        let [h, w] = self.input_size();
        let plane = h * w / lanes;
        let at = which * self.input() / lanes;
        let chunks = 64.min(self.batch * plane);
        let sums = empty(2 * c * chunks);
        Launch::new(lanes, &["state_sums"])
            .all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("CHUNKS", chunks), ("STATE_AT", at)])
            .run(client, c * chunks, [1, 1], &[states, gradients, &sums], 2 * self.input());
        let affine = self.norm_back(client, &sums, norm, [c, chunks, self.batch * h * w], true);
        if wanted.parameters {
            let source = self.preprocess_source(client, which, raw);
            self.outer(
                client,
                &["outer", "outer_norm"],
                1,
                &source,
                [c, ci, halves],
                halves == 1,
                |launch| (launch.all(&[("GRADIENT", at), ("VALUE", at)]), vec![gradients, states, &affine]),
                (parameter_gradients, [self.preprocess[which], 0], 1),
            );
        }
        if !wanted.inputs[which] {
            return None;
        }
        let matrices = empty(halves * ci * (2 * c + 1));
        Launch::new(1, &["norm_inputs"])
            .all(&[
                ("CI", ci),
                ("CO", c),
                ("SLOTS", 1),
                ("HALVES", halves),
                ("WEIGHTS_A", self.preprocess[which]),
                ("WEIGHTS_B", 0),
                ("SPLIT", 1),
            ])
            .run(client, halves * ci, [1, 1], &[parameters, &affine, &matrices], halves * ci * 3 * c);
        let rows = halves * ci;
        let tile_rows = tile(rows, 16);
        let blend = |gate: &'static str| {
            Launch::new(lanes, &["blend", gate, weights_of(tile_rows)])
                .all(&[
                    ("N", self.batch),
                    ("ROWS", rows),
                    ("CG", c),
                    ("TILE", tile_rows),
                    ("PLANE", plane),
                    ("GRADIENT", at),
                    ("VALUE", at),
                ])
                .is("SHARED", false)
        };
        let floats = self.batch * rows * h * w;
        let result = empty(floats);
        let grid = [rows / tile_rows, 1];
        let pixels = self.batch * plane;
        if halves == 1 {
            let buffers = [&matrices, gradients, states, &result, raw];
            blend("blend_relu").run(client, pixels, grid, &buffers, 2 * self.input() + 2 * floats);
            return Some(result);
        }
        let buffers = [&matrices, gradients, states, &result];
        blend("blend_plain").run(client, pixels, grid, &buffers, 2 * self.input() + floats);
        let raw_gradient = empty(2 * floats);
        self.halves(Launch::new(1, &["halves_back"]), ci, [h, w], 0, [0, ci * h * w], 2 * ci * h * w)
            .is("FRESH", true)
            .run(client, floats / 2, [1, 1], &[&result, raw, &raw_gradient], 4 * floats);
        Some(raw_gradient)
    }
}

/// The row of alphas of a node's first edge.
fn row(node: usize) -> usize {
    node * (node + 3) / 2
}

fn line(lanes: usize) -> &'static str {
    if lanes == 4 { "line4" } else { "line1" }
}

/// The file that reads the weights of a tile of outputs.
fn weights_of(tile: usize) -> &'static str {
    if tile.is_multiple_of(4) { "rows4" } else { "rows1" }
}
