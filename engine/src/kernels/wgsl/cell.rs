use crate::device::Tuning;
use crate::kernels::wgsl::{
    gpu::{Launch, tile},
    together::Together,
};
use crate::{
    network::{CellShape, Layout},
    space::{CellKind, NODES},
};
use cubecl::{prelude::Client, server::Handle};
use std::ops::Range;

/// Where the parameters of one op kind lie for a node's first edge, relative to the cell's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::kernels) struct NodePlan {
    /// First depthwise weights of sep 3x3, sep 5x5, dil 3x3, dil 5x5.
    pub(in crate::kernels) first: [usize; 4],
    /// First pointwise weights of sep 3x3 and sep 5x5.
    pub(in crate::kernels) middle: [usize; 2],
    /// Second depthwise weights of sep 3x3 and sep 5x5.
    pub(in crate::kernels) second: [usize; 2],
    /// Last pointwise weights of the four, then both halves of the factorised reduction.
    pub(in crate::kernels) last: [usize; 6],
}

impl Tuning {
    /// Whether launches that do not wait for each other are one launch, which takes a shader for every set of parts.
    fn joins(self) -> bool {
        self != Self::Browser
    }

    /// The most vectors of pixels a thread takes at once in products with weights.
    pub(in crate::kernels) fn wide(self) -> usize {
        match self {
            Self::Gpu => 1,
            Self::Software | Self::Browser => 4,
        }
    }

    /// The most outputs that a thread computes in products with weights.
    fn rows(self) -> usize {
        match self {
            Self::Gpu => 16,
            Self::Software | Self::Browser => 8,
        }
    }

    /// The most rows and columns that a thread sums in products over the pixels.
    fn tile(self) -> usize {
        match self {
            Self::Gpu => 8,
            Self::Software | Self::Browser => 4,
        }
    }

    /// Whether neighbouring threads go along runs of pixels instead of side by side.
    fn runs(self) -> bool {
        self != Self::Gpu
    }
}

/// Everything that the launches of a cell depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CellPlan {
    pub(in crate::kernels) shape: CellShape,
    pub(in crate::kernels) batch: usize,
    /// Height and width of the nodes.
    pub(in crate::kernels) size: [usize; 2],
    /// Elements of the cell's parameters.
    pub(in crate::kernels) parameters: usize,
    pub(in crate::kernels) tuning: Tuning,
    pub(in crate::kernels) nodes: Vec<NodePlan>,
    pub(in crate::kernels) preprocess: [usize; 2],
}

/// Kernel size and dilation of the depthwise convolutions, by kind.
pub(in crate::kernels) const DEPTHWISE: [(usize, usize); 4] = [(3, 1), (5, 1), (3, 2), (5, 2)];

/// The inputs of a reduction cell as its convolutions of stride 2 read them.
#[derive(Clone, Debug)]
struct Quarters {
    /// The ReLU of both inputs, four quarters each.
    values: Handle,
    /// First depthwise weights of sep 3x3, then of sep 5x5, as four 3 x 3 convolutions of every edge.
    weights: Handle,
}

/// What the backward pass of a cell needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct CellMemory {
    quarters: Option<Quarters>,
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
    /// The cell at `layer`, whose parameters are `layout`'s `range`, on `batch` images with nodes of `size`.
    pub fn new(
        layout: &Layout,
        layer: usize,
        shape: CellShape,
        range: Range<usize>,
        batch: usize,
        size: [usize; 2],
        tuning: Tuning,
    ) -> Self {
        let at = |name: String| {
            layout.get(&format!("cells.{layer}.{name}")).map_or(0, |parameter| parameter.offset - range.start)
        };
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
            parameters: range.len(),
            tuning,
            nodes,
            preprocess: [at(first.to_owned()), at("preprocess1.op.1.weight".to_owned())],
        }
    }

    /// What products over the pixels of `batch` images of `size` depend on, without a cell.
    pub fn of_pixels(channels: usize, batch: usize, size: [usize; 2], tuning: Tuning) -> Self {
        let shape = CellShape {
            kind: CellKind::Normal,
            after_reduction: false,
            channels_before_last: 0,
            channels_last: 0,
            channels,
        };
        Self { shape, batch, size, parameters: 0, tuning, nodes: Vec::new(), preprocess: [0, 0] }
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
    pub(in crate::kernels) fn plane(&self) -> usize {
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
    pub(in crate::kernels) fn lanes(&self) -> usize {
        if self.size[1].is_multiple_of(4) { 4 } else { 1 }
    }

    fn slots(&self, edges: usize) -> usize {
        4 * edges + if self.reduction() { 4 } else { 0 }
    }

    /// Slots of all nodes before `node`.
    fn slots_before(&self, node: usize) -> usize {
        (0..node).map(|node| self.slots(node + 2)).sum()
    }

    /// Threads that share the pixels in a sum for `tiles` tiles.
    fn chunks(&self, tiles: usize, lanes: usize) -> usize {
        (512 / tiles).clamp(8, 128).min(self.batch * self.plane() / lanes)
    }

    /// A launch at the nodes' resolution with the constants that most kernels read.
    pub(super) fn launch(&self, lanes: usize, files: &[&'static str]) -> Launch {
        Launch::new(lanes, files).all(&[
            ("N", self.batch),
            ("C", self.shape.channels),
            ("PLANE", self.plane() / lanes),
            ("INPUT", self.input() / lanes),
            ("NODE", self.node() / lanes),
        ])
    }

    pub(super) fn rows(&self, launch: Launch, lanes: usize) -> Launch {
        launch.all(&[("H", self.size[0]), ("W", self.size[1]), ("COLUMNS", self.size[1] / lanes)])
    }

    /// Vectors that a thread takes at once where a plane has `plane` of them.
    fn wide(&self, plane: usize) -> usize {
        tile(plane, self.tuning.wide())
    }

    pub(in crate::kernels) fn pixels(&self, lanes: usize) -> usize {
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
        let quarters = self.reduction().then(|| self.split(client, parameters, &states));
        let all = crate::space::EDGES;
        let packed = self.pack(client, [c, c, 2 * all], (self.nodes[0].middle, all), parameters);
        let pools = empty((NODES + 1) * 3 * self.node());
        let pool_norm = empty((NODES + 1) * 2 * c * 2);
        self.pool(client, 0, 2, &states, &pools, &pool_norm);
        let output = empty(NODES * self.node());
        let mut nodes = Vec::with_capacity(NODES);
        for node in 0..NODES {
            nodes.push(self.node_forward(
                client,
                node,
                parameters,
                mixing,
                &states,
                &packed,
                quarters.as_ref(),
                [&pools, &pool_norm],
                &output,
            ));
            if node + 1 < NODES {
                self.pool(client, node + 2, 1, &states, &pools, &pool_norm);
            }
        }
        (output, CellMemory { quarters, states, pools, pool_norm, input_norm, nodes })
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
        self.both_halves(client, ci, raw)
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
    pub(in crate::kernels) fn input_lanes(&self) -> usize {
        let [h, w] = self.input_size();
        if (h * w).is_multiple_of(4) { 4 } else { 1 }
    }

    /// A pointwise convolution of `slots` slots at a resolution of `plane` vectors, with BatchNorm's scale and shift of
    /// its outputs.
    #[allow(clippy::too_many_arguments)]
    pub(in crate::kernels) fn pointwise(
        &self,
        client: &Client,
        lanes: usize,
        plane: usize,
        [ci, co, halves, slots]: [usize; 4],
        relu: bool,
        (weights, [weights_a, weights_b], split): (&Handle, [usize; 2], usize),
        source: &Handle,
    ) -> (Handle, Handle) {
        let wide = self.wide(plane);
        let threads = self.batch * plane / wide;
        let rows = tile(co / halves, self.tuning.rows());
        let (parts, sums) = match self.tuning {
            Tuning::Gpu => (threads.div_ceil(64), "pointwise/moments_by_workgroup"),
            Tuning::Software | Tuning::Browser => (threads, "pointwise/moments_by_thread"),
        };
        let floats = self.batch * plane * lanes;
        let result = client.empty(4 * slots * co * floats);
        let partial = client.empty(4 * 2 * slots * co * parts);
        Launch::new(lanes, &["pointwise/convolution", sums, weights_of(rows, &[weights_a, weights_b, co])])
            .all(&[
                ("N", self.batch),
                ("CI", ci),
                ("CO", co),
                ("TILE", rows),
                ("PLANE", plane),
                ("VECTORS", wide),
                ("GROUPS", halves),
                ("PARTS", parts),
                ("WEIGHTS_A", weights_a),
                ("WEIGHTS_B", weights_b),
                ("SPLIT", split),
            ])
            .is("RELU", relu)
            .run(
                client,
                threads,
                [co / rows, slots],
                &[weights, source, &result, &partial],
                slots * (floats * (halves * ci + co) + ci * co + 2 * co * parts),
            );
        let norm = self.norm(client, &partial, slots * co, parts, floats);
        (result, norm)
    }

    /// The weights of `slots` pointwise convolutions laid out input by input.
    pub(in crate::kernels) fn pack(
        &self,
        client: &Client,
        [ci, co, slots]: [usize; 3],
        ([weights_a, weights_b], split): ([usize; 2], usize),
        parameters: &Handle,
    ) -> Handle {
        let floats = slots * ci * co;
        let packed = client.empty(4 * floats);
        Launch::new(1, &["pointwise/transpose_weights"])
            .all(&[
                ("CI", ci),
                ("CO", co),
                ("BRANCHES", slots),
                ("WEIGHTS_A", weights_a),
                ("WEIGHTS_B", weights_b),
                ("SPLIT", split),
            ])
            .run(client, floats, [1, 1], &[parameters, &packed], 2 * floats);
        packed
    }

    fn preprocess(&self, client: &Client, which: usize, raw: &Handle, parameters: &Handle, states: &Handle) -> Handle {
        let c = self.shape.channels;
        let (ci, halves) = self.preprocess_inputs(which);
        let lanes = self.input_lanes();
        let plane = self.input_size().iter().product::<usize>() / lanes;
        let source = self.preprocess_source(client, which, raw);
        let packed = self.pack(client, [ci, c, 1], ([self.preprocess[which], 0], 1), parameters);
        let (values, norm) =
            self.pointwise(client, lanes, plane, [ci, c, halves, 1], halves == 1, (&packed, [0, 0], 1), &source);
        Launch::new(lanes, &["batch_norm/apply"])
            .all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("RESULT", which * self.input() / lanes)])
            .run(client, self.input() / lanes, [1, 1], &[&values, &norm, states], 2 * self.input());
        norm
    }

    /// Scale and shift of `channels` channels from partial sums.
    fn norm(&self, client: &Client, partial: &Handle, channels: usize, parts: usize, count: usize) -> Handle {
        let norm = client.empty(4 * 2 * channels);
        self.norm_into(client, partial, [channels, parts, count], (&norm, 0));
        norm
    }

    /// The same written to `result` from channel `first` on.
    fn norm_into(
        &self,
        client: &Client,
        partial: &Handle,
        [channels, parts, count]: [usize; 3],
        (result, first): (&Handle, usize),
    ) {
        Launch::new(1, &["batch_norm/channel_parts", "batch_norm/scale_shift"])
            .all(&[("CHANNELS", channels), ("PARTS", parts), ("RESULT", first)])
            .f("COUNT", count)
            .run(client, channels, [1, 1], &[partial, result], 2 * channels * (parts + 1));
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
        Launch::new(1, &["batch_norm/channel_parts", "batch_norm/gradient"])
            .all(&[("CHANNELS", channels), ("PARTS", parts)])
            .f("COUNT", count)
            .is("NORMALISED", normalised)
            .run(client, channels, [1, 1], &[partial, norm, &affine], 2 * channels * (parts + 3));
        affine
    }

    /// Pools `count` states from `state` on, with their statistics.
    fn pool(&self, client: &Client, state: usize, count: usize, states: &Handle, pools: &Handle, pool_norm: &Handle) {
        let stride = if state < 2 { self.stride() } else { 1 };
        let c = self.shape.channels;
        let lanes = self.lanes();
        let floats = count * self.node() * (stride * stride + 3);
        let parts = if stride == 2 { self.chunks(c, lanes) } else { self.columns() };
        let sums = 2 * 2 * count * c * parts;
        let partial = client.empty(4 * sums);
        if stride == 2 {
            self.rows(self.launch(1, &["pooling/forward_strided"]), 1)
                .all(&[("STRIDE", 2), ("STATE", state), ("SOURCE", self.state_at(state))])
                .run(client, self.node(), [count, 1], &[states, pools], floats);
            self.launch(lanes, &["common/channel_walk", "pooling/moments_strided"])
                .all(&[("STATE", state), ("CHUNKS", parts)])
                .run(client, c * parts, [2 * count, 1], &[pools, &partial], 2 * count * self.node() + sums);
        } else {
            self.rows(self.launch(lanes, &["pooling/forward", line(lanes)]), lanes)
                .all(&[("STATE", state), ("SOURCE", self.state_at(state) / lanes)])
                .run(client, c * parts, [count, 1], &[states, pools, &partial], floats + sums);
        }
        // The statistics of all states lie together.
        let pixels = self.batch * self.plane();
        self.norm_into(client, &partial, [2 * count * c, parts, pixels], (pool_norm, state * 2 * c));
    }

    /// Sums `[outer, parts, inner]` over the parts into `result`, outer entries before `split` from the first base on, the
    /// others from the second.
    pub(in crate::kernels) fn reduce(
        &self,
        client: &Client,
        partial: &Handle,
        result: &Handle,
        [outer, parts, inner]: [usize; 3],
        [base_a, base_b]: [usize; 2],
        split: usize,
    ) {
        Launch::new(1, &["common/sum_parts"])
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

    /// The inputs of a reduction cell in quarters, and the weights that read all four.
    fn split(&self, client: &Client, parameters: &Handle, states: &Handle) -> Quarters {
        let lanes = self.lanes();
        let values = client.empty(4 * 2 * self.input());
        self.rows(self.launch(lanes, &["space_to_depth/space_to_depth"]), lanes).run(
            client,
            self.node() / lanes,
            [2, 1],
            &[states, &values],
            4 * self.input(),
        );
        let c = self.shape.channels;
        let floats = crate::space::EDGES * 4 * c * 9;
        let weights = client.empty(4 * 2 * floats);
        for (kind, (k, _)) in DEPTHWISE.into_iter().take(2).enumerate() {
            Launch::new(1, &["space_to_depth/weights"])
                .all(&[
                    ("TOTAL", floats),
                    ("C", c),
                    ("K", k),
                    ("WEIGHTS", self.nodes[0].first[kind]),
                    ("RESULT", kind * floats),
                ])
                .run(client, floats, [1, 1], &[parameters, &weights], floats + floats / 36 * k * k);
        }
        Quarters { values, weights }
    }

    /// The first convolutions of a kind on the edges that start at the inputs of a reduction cell.
    fn strided<'a>(&self, node: usize, kind: usize, parameters: &'a Handle, quarters: &'a Quarters) -> Strided<'a> {
        let (k, dilation) = DEPTHWISE[kind];
        if dilation == 2 {
            // Every second pixel of every second row is in the first quarter.
            return Strided { k, quarters: 1, step: 4, weights: self.nodes[node].first[kind], buffer: parameters };
        }
        let weights = (kind * crate::space::EDGES + row(node)) * 4 * self.shape.channels * 9;
        Strided { k: 3, quarters: 4, step: 1, weights, buffer: &quarters.weights }
    }

    /// First depthwise convolutions of the kinds whose results are given, each with its first slot, and with where the sums of
    /// every channel go, if anywhere.
    fn depthwise_first(
        &self,
        client: &Client,
        node: usize,
        parameters: &Handle,
        states: &Handle,
        quarters: Option<&Quarters>,
        results: &[(&Handle, usize, Option<&Handle>)],
    ) {
        let edges = node + 2;
        let from = if quarters.is_some() { 2 } else { 0 };
        let c = self.shape.channels;
        let threads = self.columns_of_node();
        let mut together = Together::new(self.tuning.joins());
        for (kind, &(result, slot, totals)) in results.iter().enumerate() {
            // The states are read once for all kinds.
            let read = usize::from(kind == 0);
            let counted = if totals.is_some() { "depthwise/output_sums" } else { "depthwise/no_output_sums" };
            let sums = if totals.is_some() { c * self.columns() } else { 0 };
            let buffers =
                |weights, source| [weights, source, result].into_iter().chain(totals).collect::<Vec<&Handle>>();
            if let Some(quarters) = quarters {
                let strided = self.strided(node, kind, parameters, quarters);
                let launch = self
                    .depthwise(
                        &["space_to_depth/state_offset", "depthwise/convolution", "depthwise/first", counted],
                        (strided.k, 1),
                        strided.quarters,
                        false,
                    )
                    .all(&[("STEP", strided.step), ("WEIGHTS", strided.weights), ("EDGE", 0), ("RESULT", slot)]);
                together.group(threads, 2, 2 * ((4 * read + 1) * self.node() + sums));
                together.part(launch, &buffers(strided.buffer, &quarters.values));
            }
            if edges > from {
                let launch = self
                    .depthwise(
                        &["cell/state_offset", "depthwise/convolution", "depthwise/first", counted],
                        DEPTHWISE[kind],
                        1,
                        false,
                    )
                    .all(&[("WEIGHTS", self.first_weights(node, kind, from)), ("EDGE", from), ("RESULT", slot + from)]);
                together.group(threads, edges - from, (edges - from) * ((read + 1) * self.node() + sums));
                together.part(launch, &buffers(parameters, states));
            }
        }
        together.run(client);
    }

    /// Threads of a depthwise kernel, one for each column of vectors of each plane of a node.
    pub(in crate::kernels) fn columns_of_node(&self) -> usize {
        self.shape.channels * self.columns()
    }

    /// Columns of vectors of a channel, over the minibatch.
    fn columns(&self) -> usize {
        self.batch * self.size[1] / self.lanes()
    }

    /// A launch of a depthwise kernel made of `files`, to be part of others.
    pub(super) fn depthwise(
        &self,
        files: &[&'static str],
        (k, dilation): (usize, usize),
        phases: usize,
        flip: bool,
    ) -> Launch {
        let lanes = self.lanes();
        self.rows(self.launch(lanes, &[files, &[line(lanes)]].concat()), lanes)
            .all(&[("K", k), ("DILATION", dilation), ("STRIPES", dilation), ("PHASES", phases)])
            .is("FLIP", flip)
    }

    #[allow(clippy::too_many_arguments)]
    fn node_forward(
        &self,
        client: &Client,
        node: usize,
        parameters: &Handle,
        mixing: &Handle,
        states: &Handle,
        packed: &Handle,
        quarters: Option<&Quarters>,
        [pools, pool_norm]: [&Handle; 2],
        output: &Handle,
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
        // Every thread that writes values leaves their sum.
        let parts = self.columns();
        let partial = empty(slots * c * parts);
        let results = [
            (&depth, 0, None),
            (&depth, edges, None),
            (&values, 2 * edges, Some(&partial)),
            (&values, 3 * edges, Some(&partial)),
        ];
        self.depthwise_first(client, node, parameters, states, quarters, &results);
        if self.reduction() {
            for state in 0..2 {
                let at = |half: usize| (4 * edges + 2 * half + state) * self.node();
                self.halves(
                    Launch::new(1, &["factorized_reduce/inputs"]),
                    c,
                    self.size,
                    self.state_at(state),
                    [at(0), at(1)],
                    c * self.plane(),
                )
                .run(client, self.node(), [1, 1], &[states, &values], 4 * self.node());
            }
            let at = [("CHUNKS", parts), ("SOURCE", 4 * edges * self.node() / lanes), ("RESULT", 4 * edges)];
            self.launch(lanes, &["common/channel_walk", "common/channel_sums"]).all(&at).run(
                client,
                c * parts,
                [4, 1],
                &[&values, &partial],
                4 * (self.node() + c * parts),
            );
        }
        let first = row(node) * c * c;
        let split = first + crate::space::EDGES * c * c;
        let (half, half_norm) = self.pointwise(
            client,
            lanes,
            self.plane() / lanes,
            [c, c, 1, 2 * edges],
            false,
            (packed, [first, split], edges),
            &depth,
        );
        drop(depth);
        let count = self.batch * self.plane();
        let mut together = Together::new(self.tuning.joins());
        for (kind, &dilated) in DEPTHWISE.iter().take(2).enumerate() {
            let launch = self
                .depthwise(&["depthwise/convolution", "depthwise/second", "depthwise/output_sums"], dilated, 1, false)
                .all(&[("WEIGHTS", plan.second[kind]), ("SOURCE", kind * edges), ("RESULT", kind * edges)]);
            together.group(self.columns_of_node(), edges, edges * (2 * self.node() + c * parts));
            together.part(launch, &[parameters, &half, &values, &partial, &half_norm]);
        }
        together.run(client);
        let totals = empty(slots * c);
        self.reduce(client, &partial, &totals, [slots * c, parts, 1], [0, 0], slots * c);
        let tile_gram = tile(c, self.tuning.tile());
        let tiles = (c / tile_gram) * (c / tile_gram + 1) / 2;
        let chunks = self.chunks(tiles, lanes);
        let partial = empty(slots * chunks * c * c);
        self.launch(lanes, &["common/pixel_walk", "cell/second_moments"])
            .all(&[("TILE", tile_gram), ("CHUNKS", chunks)])
            .is("RUNS", self.tuning.runs())
            .f("COUNT", count)
            .run(
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
        self.slot_launch(node, &["cell/branches", "cell/fold_op_weights"]).f("COUNT", count).run(
            client,
            slots * c,
            [1, 1],
            &[parameters, mixing, &moments, &blended, &statistics, &totals],
            slots * (3 * c * c + 5 * c),
        );
        let result = self.state_at(node + 2) / lanes;
        // The states that are new to the nodes go to all that read them.
        let (state, count) = if node == 0 { (0, 2) } else { (node + 1, 1) };
        let skip = self.skips(state);
        let readers = NODES - node;
        let held = if node == 0 { 0 } else { readers };
        self.launch(lanes, &["cell/state_offset", "cell/add_pools_and_skips"])
            .all(&[("BRANCHES", slots), ("FIRST_NODE", node), ("STATE", state), ("STATES", count)])
            .is("SKIP", skip)
            .run(
                client,
                self.node() / lanes,
                [1, 1],
                &[&statistics, pools, pool_norm, mixing, states],
                (count * (2 + usize::from(skip)) + held + readers) * self.node(),
            );
        let wide = self.wide(self.plane() / lanes);
        let rows = tile(c, self.tuning.rows());
        self.launch(lanes, &["cell/add_convolutions", weights_of(rows, &[c])])
            .all(&[
                ("TILE", rows),
                ("VECTORS", wide),
                ("INPUTS", slots * c),
                ("RESULT", result / wide),
                ("INDEX", node),
            ])
            .run(
                client,
                pixels / wide,
                [c / rows, 1],
                &[&blended, &values, states, output],
                (slots + 3) * self.node() + slots * c * c,
            );
        NodeMemory { values, half, half_norm, totals, moments, statistics }
    }

    /// A launch over a node's slots.
    fn slot_launch(&self, node: usize, files: &[&'static str]) -> Launch {
        let edges = node + 2;
        let last = self.nodes[node].last;
        Launch::new(1, files).all(&[
            ("C", self.shape.channels),
            ("EDGES", edges),
            ("BRANCHES", self.slots(edges)),
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
        let node_sums = empty(NODES * c);
        let slopes = empty(4 * self.slots_before(NODES) * c);
        self.launch(lanes, &["cell/node_gradients"]).run(
            client,
            NODES * self.node() / lanes,
            [1, 1],
            &[output_gradient, &gradients],
            2 * NODES * self.node(),
        );
        let CellMemory { quarters, states, pools, pool_norm, input_norm, mut nodes } = memory;
        // Gradients of the quarters gather over all nodes.
        let quarters = quarters.map(|quarters| (quarters, empty(2 * self.input())));
        for node in (0..NODES).rev() {
            let state = node + 2;
            if node + 1 < NODES {
                self.pool_back(
                    client,
                    state,
                    [&states, &gradients, &pools, &pool_norm, &node_sums, &edge_sums],
                    mixing,
                );
            }
            let node_memory = nodes.pop().expect("a memory a node");
            self.node_backward(
                client,
                node,
                wanted.parameters,
                parameters,
                node_memory,
                [&states, &gradients, &node_sums, &slopes],
                quarters.as_ref(),
                &parameter_gradients,
            );
        }
        if let Some((_, quarter_gradients)) = quarters {
            self.rows(self.launch(lanes, &["space_to_depth/depth_to_space"]), lanes).run(
                client,
                self.node() / lanes,
                [2, 1],
                &[&quarter_gradients, &gradients],
                4 * self.input(),
            );
        }
        for state in 0..2 {
            self.pool_back(client, state, [&states, &gradients, &pools, &pool_norm, &node_sums, &edge_sums], mixing);
        }
        Launch::new(1, &["cell/op_weight_gradient"])
            .all(&[("C", c), ("ROWS", crate::space::EDGES)])
            .is("REDUCTION", self.reduction())
            .run(
                client,
                crate::space::EDGES * 8,
                [1, 1],
                &[&edge_sums, &slopes, &mixing_gradients],
                4 * c * (self.slots_before(NODES) + crate::space::EDGES),
            );
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

    /// Whether the skip connections of a state are identities.
    fn skips(&self, state: usize) -> bool {
        state >= 2 || !self.reduction()
    }

    /// What a state's pools and skip connections take of the gradients of the nodes that read it: sums for their alphas, and
    /// the gradient that they pass on to the state.
    fn pool_back(
        &self,
        client: &Client,
        state: usize,
        [states, gradients, pools, pool_norm, node_sums, edge_sums]: [&Handle; 6],
        mixing: &Handle,
    ) {
        let lanes = self.lanes();
        let c = self.shape.channels;
        let first = state.saturating_sub(1);
        let readers = NODES - first;
        let skip = self.skips(state);
        let stride = if state < 2 { self.stride() } else { 1 };
        let chunks = self.chunks_of_sums(lanes);
        let partial = client.empty(4 * 4 * readers * c * chunks);
        let sizes = [("STATE", state), ("FIRST_NODE", first), ("READERS", readers), ("CHUNKS", chunks)];
        self.launch(lanes, &["cell/state_offset", "common/channel_walk", "cell/edge_products"])
            .all(&sizes)
            .is("SKIP", skip)
            .run(
                client,
                c * chunks,
                [1, 1],
                &[gradients, pools, states, &partial],
                (readers + 2 + usize::from(skip)) * self.node() + 4 * readers * c * chunks,
            );
        Launch::new(1, &["cell/edge_sums"]).all(&[("C", c)]).all(&sizes).run(
            client,
            readers * c,
            [1, 1],
            &[&partial, pool_norm, node_sums, edge_sums],
            4 * readers * c * (chunks + 2),
        );
        let buffers = [gradients, pools, pool_norm, edge_sums, node_sums, mixing];
        let count = self.batch * self.plane();
        if stride == 1 {
            return self
                .rows(self.launch(lanes, &["pooling/backward"]), lanes)
                .all(&sizes[..3])
                .all(&[("RESULT", self.state_at(state) / lanes)])
                .f("COUNT", count)
                .run(client, self.columns_of_node(), [1, 1], &buffers, (readers + 5) * self.node());
        }
        let blended = client.empty(4 * 2 * self.node());
        self.launch(lanes, &["pooling/batch_norm_gradient_strided"]).all(&[("STATE", state)]).f("COUNT", count).run(
            client,
            self.node() / lanes,
            [1, 1],
            &[&buffers[..], &[&blended]].concat(),
            (readers + 4) * self.node(),
        );
        self.rows(self.launch(1, &["pooling/backward_strided"]), 1)
            .all(&[("STRIDE", 2), ("STATE", state), ("RESULT", self.state_at(state))])
            .run(client, 4 * self.node(), [1, 1], &[&blended, pools, gradients], 11 * self.node());
    }

    #[allow(clippy::too_many_arguments)]
    fn node_backward(
        &self,
        client: &Client,
        node: usize,
        with_parameters: bool,
        parameters: &Handle,
        memory: NodeMemory,
        [states, gradients, node_sums, slopes]: [&Handle; 4],
        quarters: Option<&(Quarters, Handle)>,
        parameter_gradients: &Handle,
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

        // Sums of the node's gradient, and of its products with each slot's values.
        let chunks = self.chunks_of_sums(lanes);
        let partial = empty(c * chunks);
        let outer = self.outer(
            client,
            &["common/pixel_walk", "pointwise/weight_gradient", "cell/branch_products"],
            [lanes, self.plane() / lanes],
            slots,
            [c, c, 1],
            false,
        );
        let launch = outer.launch.all(&[("GRADIENT", gradient_at)]).f("COUNT", count);
        let mut together = Together::new(self.tuning.joins());
        together.group(outer.threads, slots, outer.moved + self.node());
        together.part(launch, &[&values, &outer.partial, gradients, &totals]);
        together.group(c * chunks, 1, c * chunks);
        let at = [("CHUNKS", chunks), ("SOURCE", gradient_at), ("RESULT", 0)];
        let launch = self.launch(lanes, &["common/channel_walk", "common/channel_sums"]).all(&at);
        together.part(launch, &[gradients, &partial]);
        together.run(client);
        self.reduce(client, &partial, node_sums, [c, chunks, 1], [node * c, 0], c);
        let products = empty(slots * c * c);
        self.reduce(client, &outer.partial, &products, outer.sums, [0, 0], slots);
        let slopes_at = self.slots_before(node) * c;
        self.slot_launch(node, &["cell/branches", "cell/branch_weight_gradient"])
            .all(&[("COEFFICIENTS", slopes_at), ("SUMS", node * c)])
            .f("COUNT", count)
            .run(
                client,
                slots * c,
                [1, 1],
                &[parameters, &statistics, &moments, &products, node_sums, parameter_gradients, slopes],
                slots * (4 * c * c + 8 * c) + c,
            );
        let matrices = empty(slots * c * (2 * c + 1));
        self.slot_launch(node, &["cell/branches", "cell/branch_input_matrices"])
            .all(&[("COEFFICIENTS", slopes_at)])
            .run(client, slots * c, [1, 1], &[parameters, slopes, &matrices], slots * (3 * c * c + 5 * c));
        let value_gradients = empty(slots * self.node());
        let rows = tile(c, self.tuning.rows());
        let wide = self.wide(self.plane() / lanes);
        let matrix = c * (2 * c + 1);
        self.launch(lanes, &["pointwise/input_gradient", "cell/branch_input_gradient", weights_of(rows, &[c])])
            .all(&[
                ("CI", c),
                ("CO", c),
                ("TILE", rows),
                ("VECTORS", wide),
                ("WEIGHTS_A", 0),
                ("WEIGHTS_B", 0),
                ("SPLIT", slots),
                ("MATRIX", matrix),
                ("GRADIENT", gradient_at / wide),
                ("BRANCH_CHANNELS", 0),
                ("IMAGE_CHANNELS", c),
            ])
            .run(
                client,
                pixels / wide,
                [slots * c / rows, 1],
                &[&matrices, gradients, &value_gradients, &values],
                (1 + 2 * slots) * self.node() + slots * matrix,
            );
        drop(values);

        // Second halves of the separable ops. The sums for all depthwise weights lie together.
        let mut sums = with_parameters.then(|| WeightSums::new(client, self, edges));
        let partial_sums = sums.as_ref().map(|sums| sums.partial.clone());
        let half_gradients = empty(2 * edges * self.node());
        let parts = self.columns();
        let half_sums = empty(2 * 2 * edges * c * parts);
        let mut together = Together::new(self.tuning.joins());
        for (kind, &dilated) in DEPTHWISE.iter().take(2).enumerate() {
            let launch = self
                .depthwise(&["depthwise/convolution", "depthwise/second_input_gradient"], dilated, 1, true)
                .all(&[("WEIGHTS", plan.second[kind]), ("SOURCE", kind * edges), ("RESULT", kind * edges)]);
            together.group(self.columns_of_node(), edges, edges * (3 * self.node() + 2 * c * parts));
            let buffers = [parameters, &value_gradients, &half, &half_norm, &half_gradients, &half_sums];
            together.part(launch, &buffers);
            if let (Some(sums), Some(partial)) = (&mut sums, &partial_sums) {
                let at = sums.take([edges, dilated.0, plan.second[kind]]);
                let launch = self
                    .depthwise_weights(&["depthwise/weight_gradient", "depthwise/weight_gradient_second"], dilated, at)
                    .all(&[("SOURCE", kind * edges), ("INNER", kind * edges), ("SHARE", 1)]);
                together.group(sums.threads(), edges, sums.floats(edges, dilated.0));
                together.part(launch, &[&value_gradients, partial, &half, &half_norm]);
            }
        }
        together.run(client);
        let affine = self.norm_back(client, &half_sums, &half_norm, [2 * edges * c, parts, count], false);
        drop(half_sums);
        // What the first convolutions computed is computed once more rather than kept.
        let depth = with_parameters.then(|| {
            let depth = empty(2 * edges * self.node());
            let quarters = quarters.map(|(quarters, _)| quarters);
            let results = [(&depth, 0, None), (&depth, edges, None)];
            self.depthwise_first(client, node, parameters, states, quarters, &results);
            depth
        });
        let middle = Pointwise {
            vectors: [lanes, self.plane() / lanes],
            slots: 2 * edges,
            channels: [c, c, 1],
            gradient: (&half_gradients, 0),
            value: (&half, 0),
            affine: &affine,
            source: depth.as_ref(),
            relu: false,
            weights: plan.middle,
            split: edges,
        };
        let weight_gradients = with_parameters.then_some(parameter_gradients);
        let depth_gradients =
            self.pointwise_back(client, middle, parameters, weight_gradients, true).expect("asked for");
        drop((depth, half_gradients, half));

        let slot_gradients = [
            (&depth_gradients, 0),
            (&depth_gradients, edges),
            (&value_gradients, 2 * edges),
            (&value_gradients, 3 * edges),
        ];
        let weights = sums.as_mut().map(|sums| (sums, parameter_gradients));
        let states_of = [states, gradients];
        self.depthwise_first_back(client, node, parameters, states_of, quarters, slot_gradients, weights);
        if let Some(sums) = sums {
            sums.reduce(client, parameter_gradients);
        }
    }

    /// Takes the gradients of the outputs of the first convolutions of all kinds, each with its first slot, to the states, a
    /// thread adding up all kinds of an edge, and to the weights where there are sums for them: those of a reduction cell's
    /// inputs that are spread over quarters go to `result`, all others into the sums.
    #[allow(clippy::too_many_arguments)]
    fn depthwise_first_back(
        &self,
        client: &Client,
        node: usize,
        parameters: &Handle,
        [states, state_gradients]: [&Handle; 2],
        quarters: Option<&(Quarters, Handle)>,
        gradients: [(&Handle, usize); 4],
        mut weights: Option<(&mut WeightSums, &Handle)>,
    ) {
        let edges = node + 2;
        let c = self.shape.channels;
        let threads = self.columns_of_node();
        let files = |place| [place, "depthwise/convolution", "depthwise/first_input_gradient"];
        let weight_files = |place| [place, "depthwise/weight_gradient", "depthwise/weight_gradient_first"];
        let partial = weights.as_ref().map(|(sums, _)| sums.partial.clone());
        let mut from = 0;
        if let Some((quarters, quarter_gradients)) = quarters {
            from = 2;
            let mut together = Together::new(self.tuning.joins());
            // The last node is the first to add to the quarters.
            let fresh = node + 1 == NODES;
            let held = if fresh { 0 } else { 8 };
            together.group(threads, 8, (2 * 4 + 2 * 8 + held + 4) * self.node());
            for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
                let strided = self.strided(node, kind, parameters, quarters);
                let launch = self.depthwise(&files("space_to_depth/state_offset"), (strided.k, 1), 1, true).all(&[
                    ("WEIGHTS", strided.weights),
                    ("SOURCE", slot),
                    ("STEP", strided.step),
                    ("EDGE", 0),
                    ("SHARE", strided.quarters),
                    ("FRESH", if fresh && kind == 0 { 8 } else { 0 }),
                ]);
                let buffers = [strided.buffer, gradient, &quarters.values, quarter_gradients];
                together.part_in_turn(launch, strided.step, [0, 1], &buffers);
            }
            // The halves of the factorised reductions are the first and the last quarter of each input.
            for (half, quarter) in [0, 3].into_iter().enumerate() {
                let launch = self
                    .rows(self.launch(self.lanes(), &["factorized_reduce/phase_gradient"]), self.lanes())
                    .all(&[("SOURCE", 4 * edges + 2 * half), ("PHASE", quarter)]);
                let buffers = [gradients[2].0, &quarters.values, quarter_gradients];
                together.part_in_turn(launch, 4, [quarter, 1], &buffers);
            }
            // Four quarters of 3 x 3 weights for both kinds and both inputs.
            let spread_floats = weights.as_ref().map_or(0, |(sums, _)| sums.floats(8, 3));
            let spread = weights.as_ref().map(|_| client.empty(4 * 2 * spread_floats));
            if let (Some((sums, result)), Some(partial), Some(spread)) = (&mut weights, &partial, &spread) {
                for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
                    let strided = self.strided(node, kind, result, quarters);
                    let (to, at) = match strided.quarters {
                        1 => (partial, sums.take([2, DEPTHWISE[kind].0, self.nodes[node].first[kind]])),
                        _ => (spread, kind * spread_floats),
                    };
                    let launch = self
                        .depthwise_weights(&weight_files("space_to_depth/state_offset"), (strided.k, 1), at)
                        .all(&[("SOURCE", slot), ("STEP", strided.step), ("EDGE", 0), ("SHARE", strided.quarters)]);
                    let count = 2 * strided.quarters;
                    together.group(sums.threads(), count, sums.floats(count, strided.k));
                    together.part(launch, &[gradient, to, &quarters.values]);
                }
            }
            together.run(client);
            if let (Some((sums, result)), Some(spread)) = (&weights, &spread) {
                for (kind, (k, _)) in DEPTHWISE.into_iter().take(2).enumerate() {
                    let total = 2 * c * k * k;
                    Launch::new(1, &["space_to_depth/weight_gradient"])
                        .all(&[
                            ("TOTAL", total),
                            ("C", c),
                            ("K", k),
                            ("PARTS", sums.parts),
                            ("SOURCE", kind * spread_floats),
                            ("WEIGHTS", self.nodes[node].first[kind]),
                        ])
                        .run(client, total, [1, 1], &[spread, *result], total * (sums.parts + 1));
                }
            }
        }
        let count = edges - from;
        if count == 0 {
            return;
        }
        // What an edge's gradients are read for is done at about the same time.
        let turns = if weights.is_some() { 1 + DEPTHWISE.len() } else { 1 };
        // The last node is the first to add to the cell's inputs.
        let fresh = if node + 1 == NODES { 2 - from } else { 0 };
        let mut together = Together::new(self.tuning.joins());
        together.group(threads, turns * count, ((4 + 3) * count - fresh) * self.node());
        for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
            let launch = self.depthwise(&files("cell/state_offset"), DEPTHWISE[kind], 1, true).all(&[
                ("WEIGHTS", self.first_weights(node, kind, from)),
                ("EDGE", from),
                ("SOURCE", slot + from),
                ("SHARE", 1),
                ("FRESH", if kind == 0 { fresh } else { 0 }),
            ]);
            together.part_in_turn(launch, turns, [0, 1], &[parameters, gradient, states, state_gradients]);
        }
        if let (Some((sums, _)), Some(partial)) = (&mut weights, &partial) {
            for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
                let k = DEPTHWISE[kind].0;
                let at = sums.take([count, k, self.first_weights(node, kind, from)]);
                let launch = self.depthwise_weights(&weight_files("cell/state_offset"), DEPTHWISE[kind], at).all(&[
                    ("SOURCE", slot + from),
                    ("EDGE", from),
                    ("SHARE", 1),
                ]);
                together.moves(sums.floats(count, k));
                together.part_in_turn(launch, turns, [1 + kind, 1], &[gradient, partial, states]);
            }
        }
        together.run(client);
    }

    /// Where the first depthwise weights of a kind lie for a node's edge.
    fn first_weights(&self, node: usize, kind: usize, edge: usize) -> usize {
        let (k, _) = DEPTHWISE[kind];
        self.nodes[node].first[kind] + edge * self.shape.channels * k * k
    }

    /// Vectors of a row, and the groups of images, over which the gradients of depthwise weights are summed apart.
    pub(in crate::kernels) fn weight_parts(&self) -> [usize; 2] {
        let columns = self.size[1] / self.lanes();
        [columns, (64 / columns).clamp(1, self.batch)]
    }

    /// A launch, to be part of others, that writes partial sums [edges, channels, parts, k, k] of the gradients of depthwise
    /// weights from float `at` on.
    pub(super) fn depthwise_weights(&self, files: &[&'static str], (k, dilation): (usize, usize), at: usize) -> Launch {
        let lanes = self.lanes();
        self.rows(self.launch(lanes, &[files, &[line(lanes)]].concat()), lanes).all(&[
            ("K", k),
            ("DILATION", dilation),
            ("STRIPES", dilation),
            ("PARTS", self.weight_parts()[1]),
            ("RESULT", at),
        ])
    }

    /// Threads that share the pixels where each channel has a sum of its own.
    fn chunks_of_sums(&self, lanes: usize) -> usize {
        self.chunks(self.shape.channels.div_ceil(4), lanes)
    }

    /// Sums of products of `ca` channels a (as the shader's second file has them) with `cb` channels b for each slot.
    fn outer(
        &self,
        client: &Client,
        files: &[&'static str],
        [lanes, plane]: [usize; 2],
        slots: usize,
        [ca, cb, halves]: [usize; 3],
        relu: bool,
    ) -> Outer {
        let most = self.tuning.tile();
        // Where a takes two loads, b has twice the columns.
        let most_b = if files.contains(&"pointwise/weight_gradient_batch_norm") { most.max(8) } else { most };
        let (tile_a, tile_b) = (tile(ca / halves, most), tile(cb, most_b));
        let tiles = (ca / tile_a) * (cb / tile_b);
        let chunks = (512 / tiles).clamp(8, 128).min(self.batch * plane);
        let launch = Launch::new(lanes, files)
            .all(&[
                ("N", self.batch),
                ("CA", ca),
                ("CB", cb),
                ("PLANE", plane),
                ("TILE_A", tile_a),
                ("TILE_B", tile_b),
                ("VECTORS", self.wide(plane)),
                ("CHUNKS", chunks),
                ("GROUPS", halves),
            ])
            .is("RELU", relu)
            .is("RUNS", self.tuning.runs());
        let sums = slots * chunks * ca * cb;
        Outer {
            launch,
            threads: tiles * chunks,
            partial: client.empty(4 * sums),
            sums: [slots, chunks, ca * cb],
            moved: slots * self.batch * plane * lanes * halves * cb + sums,
        }
    }

    /// Takes the gradient of pointwise convolutions from behind BatchNorm to their weights, written where those lie among the
    /// parameters, and to what they read: all of that gradient, or with a ReLU where its input was positive.
    pub(in crate::kernels) fn pointwise_back(
        &self,
        client: &Client,
        of: Pointwise,
        parameters: &Handle,
        weight_gradients: Option<&Handle>,
        wants_input: bool,
    ) -> Option<Handle> {
        let [lanes, plane] = of.vectors;
        let [ci, co, halves] = of.channels;
        let slots = of.slots;
        let pixels = slots * self.batch * plane * lanes;
        let outer = weight_gradients.map(|_| {
            self.outer(
                client,
                &["common/pixel_walk", "pointwise/weight_gradient", "pointwise/weight_gradient_batch_norm"],
                of.vectors,
                slots,
                [co, ci, halves],
                of.relu,
            )
        });
        let result = wants_input.then(|| client.empty(4 * halves * ci * pixels));
        let rows = tile(ci, self.tuning.rows());
        let wide = self.wide(plane);
        let matrix = co / halves * ci;
        // Each half of a factorised reduction reads its own half of the channels.
        let blends = if wants_input { halves * ci / rows } else { 0 };
        let outers = usize::from(outer.is_some());
        // What both read of a slot is read at about the same time.
        let mut together = Together::new(self.tuning.joins());
        let mut threads = 0;
        let mut moved = 2 * co * pixels;
        let mut parts = Vec::new();
        if let (Some(outer), Some(source)) = (&outer, of.source) {
            threads = outer.threads;
            moved += outer.moved;
            let launch = outer.launch.clone().all(&[("GRADIENT", of.gradient.1), ("VALUE", of.value.1)]);
            parts.push((launch, [0, 1], vec![source, &outer.partial, of.gradient.0, of.value.0, of.affine]));
        }
        if let Some(result) = &result {
            let gate = of.source.filter(|_| of.relu);
            let gated = if of.relu { "pointwise/input_gradient_relu" } else { "pointwise/input_gradient_all" };
            threads = threads.max(self.batch * plane / wide);
            moved += halves * ci * pixels + slots * halves * matrix;
            if of.relu && outers == 0 {
                moved += ci * pixels;
            }
            let rows_of = weights_of(rows, &[of.weights[0], of.weights[1], ci, matrix]);
            let launch = Launch::new(
                lanes,
                &["pointwise/input_gradient", "pointwise/input_gradient_batch_norm", gated, rows_of],
            )
            .all(&[
                ("N", self.batch),
                ("PLANE", plane),
                ("CI", ci),
                ("CO", co / halves),
                ("TILE", rows),
                ("VECTORS", wide),
                ("WEIGHTS_A", of.weights[0]),
                ("WEIGHTS_B", of.weights[1]),
                ("SPLIT", halves * of.split),
                ("MATRIX", matrix),
                ("GRADIENT", of.gradient.1 / wide),
                ("VALUE", of.value.1 / wide),
                ("BRANCH_CHANNELS", if halves == 1 { self.batch * co } else { co / halves }),
                ("IMAGE_CHANNELS", co),
            ]);
            let buffers = [parameters, of.gradient.0, result, of.value.0, of.affine].into_iter().chain(gate).collect();
            parts.push((launch, [outers, blends], buffers));
        }
        together.group(threads, slots * (outers + blends), moved);
        for (launch, turn, buffers) in parts {
            together.part_in_turn(launch, outers + blends, turn, &buffers);
        }
        together.run(client);
        if let (Some(outer), Some(to)) = (outer, weight_gradients) {
            self.reduce(client, &outer.partial, to, outer.sums, of.weights, of.split);
        }
        result
    }

    /// Both pictures of `ci` channels that a factorised reduction to the resolution of the cell's inputs convolves.
    pub(in crate::kernels) fn both_halves(&self, client: &Client, ci: usize, raw: &Handle) -> Handle {
        let [h, w] = self.input_size();
        let floats = self.batch * ci * h * w;
        let result = client.empty(4 * 2 * floats);
        let launch = Launch::new(1, &["factorized_reduce/inputs"]);
        // Image by image, one half after the other.
        self.halves(launch, ci, [h, w], 0, [0, ci * h * w], 2 * ci * h * w).run(
            client,
            floats,
            [1, 1],
            &[raw, &result],
            4 * floats,
        );
        result
    }

    /// The gradient of what `both_halves` read, from those of the halves, one after the other.
    pub(in crate::kernels) fn both_halves_back(
        &self,
        client: &Client,
        ci: usize,
        gradient: &Handle,
        raw: &Handle,
    ) -> Handle {
        let [h, w] = self.input_size();
        let floats = self.batch * ci * h * w;
        let result = client.empty(4 * 4 * floats);
        self.halves(Launch::new(1, &["factorized_reduce/input_gradient"]), ci, [h, w], 0, [0, floats], ci * h * w).run(
            client,
            floats,
            [1, 1],
            &[gradient, raw, &result],
            8 * floats,
        );
        result
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
        Launch::new(lanes, &["common/channel_walk", "batch_norm/gradient_sums"])
            .all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("CHUNKS", chunks), ("STATE_AT", at)])
            .run(client, c * chunks, [1, 1], &[states, gradients, &sums], 2 * self.input());
        let affine = self.norm_back(client, &sums, norm, [c, chunks, self.batch * h * w], true);
        let source = (halves == 1 || wanted.parameters).then(|| self.preprocess_source(client, which, raw));
        let convolution = Pointwise {
            vectors: [lanes, plane],
            slots: 1,
            channels: [ci, c, halves],
            gradient: (gradients, at),
            value: (states, at),
            affine: &affine,
            source: source.as_ref(),
            relu: halves == 1,
            weights: [self.preprocess[which], 0],
            split: 1,
        };
        let weight_gradients = wanted.parameters.then_some(parameter_gradients);
        let result = self.pointwise_back(client, convolution, parameters, weight_gradients, wanted.inputs[which])?;
        Some(if halves == 1 { result } else { self.both_halves_back(client, ci, &result, raw) })
    }
}

/// A launch, to be part of others, that sums products over the pixels.
struct Outer {
    launch: Launch,
    threads: usize,
    /// Sums [slots, chunks, products of a slot].
    partial: Handle,
    sums: [usize; 3],
    /// Floats of b, read, and of the sums, written.
    moved: usize,
}

/// Pointwise convolutions of the same sizes side by side, each followed by BatchNorm, as their gradients need them.
pub(in crate::kernels) struct Pointwise<'a> {
    /// Pixels to a vector, and vectors of a plane.
    pub vectors: [usize; 2],
    pub slots: usize,
    /// Inputs of a row of weights, outputs, and how many convolutions a slot is made of.
    pub channels: [usize; 3],
    /// BatchNorm's gradient is a map of a gradient and a value; both with where slot 0 lies, in vectors.
    pub gradient: (&'a Handle, usize),
    pub value: (&'a Handle, usize),
    pub affine: &'a Handle,
    /// What the convolutions read, needed for gradients of weights and where a ReLU comes first.
    pub source: Option<&'a Handle>,
    pub relu: bool,
    /// Where the weights of slot 0 and of slot `split` lie among the parameters.
    pub weights: [usize; 2],
    pub split: usize,
}

/// The partial sums of a node's depthwise weight gradients, which one launch adds up.
struct WeightSums {
    partial: Handle,
    /// Sums of a weight.
    parts: usize,
    channels: usize,
    /// Partial sums taken so far.
    taken: usize,
    /// Weights of each block, taps of one, and where its gradients go.
    blocks: Vec<[usize; 3]>,
}

impl WeightSums {
    /// The most blocks that the shader knows.
    const BLOCKS: usize = 8;
    const STARTS: [&'static str; Self::BLOCKS] =
        ["START_0", "START_1", "START_2", "START_3", "START_4", "START_5", "START_6", "START_7"];
    const RESULTS: [&'static str; Self::BLOCKS] =
        ["RESULT_0", "RESULT_1", "RESULT_2", "RESULT_3", "RESULT_4", "RESULT_5", "RESULT_6", "RESULT_7"];

    /// Room for the sums of a node with `edges` edges.
    fn new(client: &Client, plan: &CellPlan, edges: usize) -> Self {
        let channels = plan.shape.channels;
        let parts = plan.weight_parts().iter().product();
        let taps: usize = DEPTHWISE.iter().chain(&DEPTHWISE[..2]).map(|(k, _)| k * k).sum();
        let partial = client.empty(4 * edges * channels * parts * taps);
        Self { partial, parts, channels, taken: 0, blocks: Vec::new() }
    }

    /// Where there is room for the sums of `edges` edges of k x k weights, whose gradients go to `result`.
    fn take(&mut self, [edges, k, result]: [usize; 3]) -> usize {
        let at = self.taken;
        let weights = edges * self.channels * k * k;
        self.taken += weights * self.parts;
        self.blocks.push([weights, k * k, result]);
        at
    }

    /// Threads that sum for one edge.
    fn threads(&self) -> usize {
        self.channels * self.parts
    }

    /// Floats that they write for `edges` edges of k x k weights.
    fn floats(&self, edges: usize, k: usize) -> usize {
        edges * self.threads() * k * k
    }

    /// Adds everything up.
    fn reduce(self, client: &Client, result: &Handle) {
        let total: usize = self.blocks.iter().map(|block| block[0]).sum();
        let mut launch =
            Launch::new(1, &["depthwise/sum_weight_gradients"]).all(&[("TOTAL", total), ("PARTS", self.parts)]);
        let mut start = 0;
        for i in 0..Self::BLOCKS {
            // Blocks that are not there start behind the last weight.
            let [weights, taps, at] = self.blocks.get(i).copied().unwrap_or([0, 9, 0]);
            // Whether the taps are nine or twenty-five fits in the lowest bit.
            launch = launch.all(&[(Self::STARTS[i], 2 * start + usize::from(taps == 25)), (Self::RESULTS[i], at)]);
            start += weights;
        }
        launch.run(client, total, [1, 1], &[&self.partial, result], total * (self.parts + 1));
    }
}

/// How the first convolutions of a kind read the quarters of a reduction cell's inputs.
struct Strided<'a> {
    k: usize,
    /// Quarters that an edge reads, each with weights of its own.
    quarters: usize,
    /// Quarters from one edge's first to the next's.
    step: usize,
    /// Where the first edge's weights lie.
    weights: usize,
    buffer: &'a Handle,
}

/// The row of alphas of a node's first edge.
fn row(node: usize) -> usize {
    node * (node + 3) / 2
}

pub(in crate::kernels) fn line(lanes: usize) -> &'static str {
    if lanes == 4 { "common/halo_4" } else { "common/halo_1" }
}

/// The file that reads the weights of a tile of outputs from matrices that lie at, and whose rows are, multiples of all
/// of `steps`.
fn weights_of(tile: usize, steps: &[usize]) -> &'static str {
    let vectors = tile.is_multiple_of(4) && steps.iter().all(|step| step.is_multiple_of(tile));
    if vectors { "pointwise/load_weights_4" } else { "pointwise/load_weights_1" }
}
