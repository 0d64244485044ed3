use super::{
    gpu::{Launch, tile},
    together::Together,
};
use crate::{
    device::Compute,
    space::{CellKind, NODES},
    supernet::{CellShape, Layout},
};
use burn::tensor::Device;
use cubecl::{prelude::Client, server::Handle};
use std::ops::Range;

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

/// What the kernels are shaped for.
///
/// A GPU wants many threads that each hold little, neighbours reading neighbouring vectors. A processor that plays the
/// GPU (lavapipe, SwiftShader) pays for every load by lane and has the caches: it wants few loads that fetch much, and
/// threads that go along memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tuning {
    /// For GPUs.
    Gpu,
    /// For processors that play a GPU.
    Processor,
    /// For those in a browser, where every visit compiles all shaders before its first step: the same, with few and short ones.
    Browser,
}

impl Tuning {
    /// What suits a device.
    pub(crate) fn of(device: &Device) -> Self {
        match Compute::is_software(&device.clone().inner()) {
            true if cfg!(target_arch = "wasm32") => Self::Browser,
            true => Self::Processor,
            false => Self::Gpu,
        }
    }

    /// Whether launches that do not wait for each other are one launch, which takes a shader for every set of parts.
    fn joins(self) -> bool {
        self != Self::Browser
    }

    /// The most vectors of pixels a thread takes at once in products with weights.
    pub(super) fn wide(self) -> usize {
        match self {
            Self::Gpu => 1,
            Self::Processor | Self::Browser => 4,
        }
    }

    /// The most outputs that a thread computes in products with weights.
    fn rows(self) -> usize {
        match self {
            Self::Gpu => 16,
            Self::Processor | Self::Browser => 8,
        }
    }

    /// The most rows and columns that a thread sums in products over the pixels.
    fn tile(self) -> usize {
        match self {
            Self::Gpu => 8,
            Self::Processor | Self::Browser => 4,
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
    shape: CellShape,
    batch: usize,
    /// Height and width of the nodes.
    size: [usize; 2],
    /// Elements of the cell's parameters.
    parameters: usize,
    tuning: Tuning,
    nodes: Vec<NodePlan>,
    preprocess: [usize; 2],
}

/// Kernel size and dilation of the depthwise convolutions, by kind.
const DEPTHWISE: [(usize, usize); 4] = [(3, 1), (5, 1), (3, 2), (5, 2)];

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
    pub(super) fn plane(&self) -> usize {
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
    pub(super) fn lanes(&self) -> usize {
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

    pub(super) fn pixels(&self, lanes: usize) -> usize {
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
                &pools,
                &pool_norm,
            ));
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
    pub(super) fn input_lanes(&self) -> usize {
        let [h, w] = self.input_size();
        if (h * w).is_multiple_of(4) { 4 } else { 1 }
    }

    /// A pointwise convolution of `slots` slots at a resolution of `plane` vectors, with BatchNorm's scale and shift of
    /// its outputs.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn pointwise(
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
            Tuning::Gpu => (threads.div_ceil(64), "sums_shared"),
            Tuning::Processor | Tuning::Browser => (threads, "sums_private"),
        };
        let floats = self.batch * plane * lanes;
        let result = client.empty(4 * slots * co * floats);
        let partial = client.empty(4 * 2 * slots * co * parts);
        Launch::new(lanes, &["pointwise", sums, weights_of(rows, &[weights_a, weights_b, co])])
            .all(&[
                ("N", self.batch),
                ("CI", ci),
                ("CO", co),
                ("TILE", rows),
                ("PLANE", plane),
                ("WIDE", wide),
                ("HALVES", halves),
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
    pub(super) fn pack(
        &self,
        client: &Client,
        [ci, co, slots]: [usize; 3],
        ([weights_a, weights_b], split): ([usize; 2], usize),
        parameters: &Handle,
    ) -> Handle {
        let floats = slots * ci * co;
        let packed = client.empty(4 * floats);
        Launch::new(1, &["pack"])
            .all(&[
                ("CI", ci),
                ("CO", co),
                ("SLOTS", slots),
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
        Launch::new(lanes, &["affine"])
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
        Launch::new(1, &["norm"])
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
        Launch::new(1, &["norm_back"])
            .all(&[("CHANNELS", channels), ("PARTS", parts)])
            .f("COUNT", count)
            .is("NORMALISED", normalised)
            .run(client, channels, [1, 1], &[partial, norm, &affine], 2 * channels * (parts + 3));
        affine
    }

    /// Takes the gradient of `slots` slots through BatchNorm, in place; both handles come with where slot 0 lies, in vectors.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn norm_gradient(
        &self,
        client: &Client,
        lanes: usize,
        plane: usize,
        slots: usize,
        (gradient, gradient_at): (&Handle, usize),
        (value, value_at): (&Handle, usize),
        affine: &Handle,
    ) {
        let c = self.shape.channels;
        let vectors = slots * self.batch * c * plane;
        Launch::new(lanes, &["norm_gradient"])
            .all(&[
                ("TOTAL", vectors),
                ("N", self.batch),
                ("C", c),
                ("PLANE", plane),
                ("GRADIENT", gradient_at),
                ("VALUE", value_at),
            ])
            .run(client, vectors, [1, 1], &[gradient, value, affine], 3 * vectors * lanes);
    }

    /// Pools `count` states from `state` on, with their statistics.
    fn pool(&self, client: &Client, state: usize, count: usize, states: &Handle, pools: &Handle, pool_norm: &Handle) {
        let stride = if state < 2 { self.stride() } else { 1 };
        let c = self.shape.channels;
        let lanes = self.lanes();
        let floats = self.node() * (stride * stride + 3);
        if stride == 2 {
            self.rows(self.launch(1, &["pool_strided"]), 1)
                .all(&[("STRIDE", 2), ("STATE", state), ("SOURCE", self.state_at(state))])
                .run(client, self.node(), [count, 1], &[states, pools], count * floats);
        } else {
            self.rows(self.launch(lanes, &["pool", line(lanes)]), lanes)
                .all(&[("STATE", state), ("SOURCE", self.state_at(state) / lanes)])
                .run(client, self.batch * c * self.size[1] / lanes, [count, 1], &[states, pools], count * floats);
        }
        let chunks = self.chunks(c, lanes);
        let partial = client.empty(4 * 2 * 2 * count * c * chunks);
        self.launch(lanes, &["pool_moments"]).all(&[("STATE", state), ("CHUNKS", chunks)]).run(
            client,
            c * chunks,
            [2 * count, 1],
            &[pools, &partial],
            2 * count * (self.node() + 2 * c * chunks),
        );
        // The statistics of all states lie together.
        let pixels = self.batch * self.plane();
        self.norm_into(client, &partial, [2 * count * c, chunks, pixels], (pool_norm, state * 2 * c));
    }

    /// Sums `[outer, parts, inner]` over the parts into `result`, outer entries before `split` from the first base on, the
    /// others from the second.
    pub(super) fn reduce(
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

    /// The inputs of a reduction cell in quarters, and the weights that read all four.
    fn split(&self, client: &Client, parameters: &Handle, states: &Handle) -> Quarters {
        let lanes = self.lanes();
        let values = client.empty(4 * 2 * self.input());
        self.rows(self.launch(lanes, &["split"]), lanes).run(
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
            Launch::new(1, &["expand"])
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

    /// First depthwise convolutions of the kinds whose results are given, each with its first slot.
    fn depthwise_first(
        &self,
        client: &Client,
        node: usize,
        parameters: &Handle,
        states: &Handle,
        quarters: Option<&Quarters>,
        results: &[(&Handle, usize)],
    ) {
        let edges = node + 2;
        let from = if quarters.is_some() { 2 } else { 0 };
        let c = self.shape.channels;
        let threads = self.columns_of_node();
        let mut together = Together::new(self.tuning.joins());
        for (kind, &(result, slot)) in results.iter().enumerate() {
            // The states are read once for all kinds.
            let read = usize::from(kind == 0);
            if let Some(quarters) = quarters {
                let strided = self.strided(node, kind, parameters, quarters);
                let launch = self
                    .depthwise(&["phases", "depthwise", "depthwise_first"], (strided.k, 1), strided.quarters, false)
                    .all(&[("STEP", strided.step), ("WEIGHTS", strided.weights), ("EDGE", 0), ("RESULT", slot)]);
                together.group(threads, 2, 2 * (4 * read + 1) * self.node());
                together.part(launch, 1, &[strided.buffer, &quarters.values, result]);
            }
            if edges > from {
                let (k, dilation) = DEPTHWISE[kind];
                let launch =
                    self.depthwise(&["states", "depthwise", "depthwise_first"], (k, dilation), 1, false).all(&[
                        ("WEIGHTS", self.nodes[node].first[kind] + from * c * k * k),
                        ("EDGE", from),
                        ("RESULT", slot + from),
                    ]);
                together.group(threads, edges - from, (edges - from) * (read + 1) * self.node());
                together.part(launch, 1, &[parameters, states, result]);
            }
        }
        together.run(client);
    }

    /// Threads of a depthwise kernel, one for each column of vectors of each plane of a node.
    pub(super) fn columns_of_node(&self) -> usize {
        self.batch * self.shape.channels * self.size[1] / self.lanes()
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
        let results = [(&depth, 0), (&depth, edges), (&values, 2 * edges), (&values, 3 * edges)];
        self.depthwise_first(client, node, parameters, states, quarters, &results);
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
            let launch = self.depthwise(&["depthwise", "depthwise_second"], dilated, 1, false).all(&[
                ("WEIGHTS", plan.second[kind]),
                ("SOURCE", kind * edges),
                ("RESULT", kind * edges),
            ]);
            together.group(self.columns_of_node(), edges, 2 * edges * self.node());
            together.part(launch, 1, &[parameters, &half, &half_norm, &values]);
        }
        together.run(client);
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
        let tile_gram = tile(c, self.tuning.tile());
        let tiles = (c / tile_gram) * (c / tile_gram + 1) / 2;
        let chunks = self.chunks(tiles, lanes);
        let partial = empty(slots * chunks * c * c);
        self.launch(lanes, &["gram"])
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
        let wide = self.wide(self.plane() / lanes);
        let rows = tile(c, self.tuning.rows());
        self.launch(lanes, &["combine", weights_of(rows, &[c])])
            .all(&[("TILE", rows), ("WIDE", wide), ("INPUTS", slots * c), ("RESULT", result / wide)])
            .run(
                client,
                pixels / wide,
                [c / rows, 1],
                &[&blended, &values, states],
                (slots + 2) * self.node() + slots * c * c,
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
        let slopes = empty(4 * self.slots_before(NODES) * c);
        self.launch(lanes, &["spread_nodes"]).run(
            client,
            self.states() / lanes,
            [1, 1],
            &[output_gradient, &gradients],
            self.states() + NODES * self.node(),
        );
        let CellMemory { quarters, states, pools, pool_norm, input_norm, mut nodes } = memory;
        // Gradients of the quarters gather over all nodes.
        let quarters = quarters.map(|quarters| {
            let gradients = empty(2 * self.input());
            let vectors = 2 * self.input() / lanes;
            Launch::new(lanes, &["zero"]).all(&[("TOTAL", vectors)]).run(
                client,
                vectors,
                [1, 1],
                &[&gradients],
                2 * self.input(),
            );
            (quarters, gradients)
        });
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
                [&states, &gradients, &pools, &pool_norm, &edge_sums, &slopes],
                quarters.as_ref(),
                &parameter_gradients,
            );
        }
        Launch::new(1, &["alpha_back"])
            .all(&[("C", c), ("ROWS", crate::space::EDGES)])
            .is("REDUCTION", self.reduction())
            .run(
                client,
                crate::space::EDGES * 8,
                [1, 1],
                &[&edge_sums, &slopes, &mixing_gradients],
                4 * c * (self.slots_before(NODES) + crate::space::EDGES),
            );
        if let Some((_, quarter_gradients)) = quarters {
            self.rows(self.launch(lanes, &["merge"]), lanes).run(
                client,
                self.node() / lanes,
                [2, 1],
                &[&quarter_gradients, &gradients],
                6 * self.input(),
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
        let moved = self.node() * (3 + 2 * stride * stride);
        let buffers = [&blended, pools, gradients];
        if stride == 2 {
            self.rows(self.launch(1, &["pool_back_strided"]), 1)
                .all(&[("STRIDE", 2), ("STATE", state), ("RESULT", self.state_at(state))])
                .run(client, 4 * self.node(), [1, 1], &buffers, moved);
        } else {
            self.rows(self.launch(lanes, &["pool_back", line(lanes)]), lanes)
                .all(&[("STATE", state), ("RESULT", self.state_at(state) / lanes)])
                .run(client, self.batch * self.shape.channels * self.size[1] / lanes, [1, 1], &buffers, moved);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn node_backward(
        &self,
        client: &Client,
        node: usize,
        with_parameters: bool,
        parameters: &Handle,
        memory: NodeMemory,
        [states, gradients, pools, pool_norm, edge_sums, slopes]: [&Handle; 6],
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
        let slopes_at = self.slots_before(node) * c;
        self.slot_launch(node, &["slots", "unmix"]).all(&[("SLOPES", slopes_at)]).f("COUNT", count).run(
            client,
            slots * c,
            [1, 1],
            &[parameters, &statistics, &moments, &products, edge_sums, parameter_gradients, slopes],
            slots * (4 * c * c + 10 * c),
        );
        let matrices = empty(slots * c * (2 * c + 1));
        self.slot_launch(node, &["slots", "unmix_inputs"]).all(&[("SLOPES", slopes_at)]).run(
            client,
            slots * c,
            [1, 1],
            &[parameters, slopes, &matrices],
            slots * (3 * c * c + 5 * c),
        );
        let value_gradients = empty(slots * self.node());
        let rows = tile(c, self.tuning.rows());
        let wide = self.wide(self.plane() / lanes);
        let matrix = c * (2 * c + 1);
        self.launch(lanes, &["blend", "blend_values", weights_of(rows, &[c])])
            .all(&[
                ("ROWS", c),
                ("INPUTS", c),
                ("TILE", rows),
                ("WIDE", wide),
                ("WEIGHTS_A", 0),
                ("WEIGHTS_B", 0),
                ("SPLIT", slots),
                ("MATRIX", matrix),
                ("GRADIENT", gradient_at / wide),
                ("SLOT_CHANNELS", 0),
                ("IMAGE_CHANNELS", c),
            ])
            .run(
                client,
                pixels / wide,
                [c / rows, slots],
                &[&matrices, gradients, &value_gradients, &values],
                (1 + 2 * slots) * self.node() + slots * matrix,
            );
        drop(values);

        // Second halves of the separable ops. The sums for all depthwise weights lie together.
        let mut sums = with_parameters.then(|| WeightSums::new(client, self, edges));
        let partial_sums = sums.as_ref().map(|sums| sums.partial.clone());
        let half_gradients = empty(2 * edges * self.node());
        let columns = self.size[1] / lanes;
        let parts = self.batch * columns;
        let half_sums = empty(2 * 2 * edges * c * parts);
        let mut together = Together::new(self.tuning.joins());
        for (kind, &dilated) in DEPTHWISE.iter().take(2).enumerate() {
            let launch = self.depthwise(&["depthwise", "depthwise_second_back"], dilated, 1, true).all(&[
                ("WEIGHTS", plan.second[kind]),
                ("SOURCE", kind * edges),
                ("RESULT", kind * edges),
            ]);
            together.group(self.columns_of_node(), edges, 3 * edges * self.node());
            let buffers = [parameters, &value_gradients, &half, &half_norm, &half_gradients, &half_sums];
            together.part(launch, 1, &buffers);
            if let (Some(sums), Some(partial)) = (&mut sums, &partial_sums) {
                let at = sums.take([edges, dilated.0, plan.second[kind]]);
                let launch = self
                    .depthwise_weights(&["depthwise_weights", "depthwise_weights_second"], dilated, at)
                    .all(&[("SOURCE", kind * edges), ("HALF", kind * edges), ("SHARE", 1)]);
                together.group(sums.threads(), edges, sums.floats(edges, dilated.0));
                together.part(launch, 1, &[&value_gradients, partial, &half, &half_norm]);
            }
        }
        together.run(client);
        let affine = self.norm_back(client, &half_sums, &half_norm, [2 * edges * c, parts, count], false);
        drop(half_sums);
        self.norm_gradient(client, lanes, self.plane() / lanes, 2 * edges, (&half_gradients, 0), (&half, 0), &affine);
        drop(half);
        let depth = empty(2 * edges * self.node());
        if with_parameters {
            let quarters = quarters.map(|(quarters, _)| quarters);
            self.depthwise_first(client, node, parameters, states, quarters, &[(&depth, 0), (&depth, edges)]);
            self.outer(
                client,
                &["outer", "outer_gradient"],
                2 * edges,
                &depth,
                [c, c, 1],
                false,
                |launch| (launch.all(&[("GRADIENT", 0)]), vec![&half_gradients]),
                (parameter_gradients, plan.middle, edges),
            );
        }
        // The recomputed first convolutions are done with: their room takes their gradients.
        self.launch(lanes, &["blend", "blend_plain", weights_of(rows, &[plan.middle[0], plan.middle[1], c])])
            .all(&[
                ("ROWS", c),
                ("INPUTS", c),
                ("TILE", rows),
                ("WIDE", wide),
                ("WEIGHTS_A", plan.middle[0]),
                ("WEIGHTS_B", plan.middle[1]),
                ("SPLIT", edges),
                ("MATRIX", c * c),
                ("GRADIENT", 0),
                ("SLOT_CHANNELS", self.batch * c),
                ("IMAGE_CHANNELS", c),
            ])
            .run(
                client,
                pixels / wide,
                [c / rows, 2 * edges],
                &[parameters, &half_gradients, &depth],
                2 * edges * (2 * self.node() + c * c),
            );
        drop(half_gradients);

        let slot_gradients =
            [(&depth, 0), (&depth, edges), (&value_gradients, 2 * edges), (&value_gradients, 3 * edges)];
        self.depthwise_first_back(client, node, parameters, states, quarters, slot_gradients, gradients);
        if let Some(mut sums) = sums {
            self.first_weights(client, node, states, quarters, slot_gradients, parameter_gradients, &mut sums);
            sums.reduce(client, parameter_gradients);
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

    /// Gradients of the states through the first convolutions of all kinds, from those of their outputs, each with its first
    /// slot. A thread adds up all kinds of an edge.
    #[allow(clippy::too_many_arguments)]
    fn depthwise_first_back(
        &self,
        client: &Client,
        node: usize,
        parameters: &Handle,
        states: &Handle,
        quarters: Option<&(Quarters, Handle)>,
        gradients: [(&Handle, usize); 4],
        state_gradients: &Handle,
    ) {
        let edges = node + 2;
        let c = self.shape.channels;
        let threads = self.columns_of_node();
        let files = |place| [place, "depthwise", "depthwise_first_back"];
        let mut together = Together::new(self.tuning.joins());
        let mut from = 0;
        if let Some((quarters, quarter_gradients)) = quarters {
            from = 2;
            together.group(threads, 8, (2 * 4 + 3 * 8) * self.node());
            for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
                let strided = self.strided(node, kind, parameters, quarters);
                let launch = self.depthwise(&files("phases"), (strided.k, 1), 1, true).all(&[
                    ("WEIGHTS", strided.weights),
                    ("SOURCE", slot),
                    ("STEP", strided.step),
                    ("EDGE", 0),
                    ("SHARE", strided.quarters),
                ]);
                let buffers = [strided.buffer, gradient, &quarters.values, quarter_gradients];
                together.part(launch, strided.step, &buffers);
            }
        }
        if edges > from {
            together.group(threads, edges - from, (4 + 3) * (edges - from) * self.node());
            for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
                let (k, dilation) = DEPTHWISE[kind];
                let launch = self.depthwise(&files("states"), (k, dilation), 1, true).all(&[
                    ("WEIGHTS", self.nodes[node].first[kind] + from * c * k * k),
                    ("EDGE", from),
                    ("SOURCE", slot + from),
                    ("SHARE", 1),
                ]);
                together.part(launch, 1, &[parameters, gradient, states, state_gradients]);
            }
        }
        together.run(client);
    }

    /// Gradients of the weights of the first convolutions: those of a reduction cell's inputs that are spread over quarters
    /// go to `result`, all others into `sums`.
    #[allow(clippy::too_many_arguments)]
    fn first_weights(
        &self,
        client: &Client,
        node: usize,
        states: &Handle,
        quarters: Option<&(Quarters, Handle)>,
        gradients: [(&Handle, usize); 4],
        result: &Handle,
        sums: &mut WeightSums,
    ) {
        let edges = node + 2;
        let c = self.shape.channels;
        let files = |place| [place, "depthwise_weights", "depthwise_weights_first"];
        let partial = sums.partial.clone();
        // Four quarters of 3 x 3 weights for both kinds and both inputs.
        let spread_floats = 8 * c * sums.parts * 9;
        let spread = quarters.map(|_| client.empty(4 * 2 * spread_floats));
        let mut together = Together::new(self.tuning.joins());
        for (kind, &(gradient, slot)) in gradients.iter().enumerate() {
            let (k, dilation) = DEPTHWISE[kind];
            let weights = self.nodes[node].first[kind];
            let mut from = 0;
            if let (Some((quarters, _)), Some(spread)) = (quarters, &spread) {
                from = 2;
                let strided = self.strided(node, kind, result, quarters);
                let count = 2 * strided.quarters;
                let (to, at) = match strided.quarters {
                    1 => (&partial, sums.take([2, k, weights])),
                    _ => (spread, kind * spread_floats),
                };
                let launch = self.depthwise_weights(&files("phases"), (strided.k, 1), at).all(&[
                    ("SOURCE", slot),
                    ("STEP", strided.step),
                    ("EDGE", 0),
                    ("SHARE", strided.quarters),
                ]);
                let read = if kind == 0 { 10 } else { 2 };
                together.group(sums.threads(), count, read * self.node() + sums.floats(count, strided.k));
                together.part(launch, 1, &[gradient, to, &quarters.values]);
            }
            if edges > from {
                let count = edges - from;
                let at = sums.take([count, k, weights + from * c * k * k]);
                let launch = self.depthwise_weights(&files("states"), (k, dilation), at).all(&[
                    ("SOURCE", slot + from),
                    ("EDGE", from),
                    ("SHARE", 1),
                ]);
                let read = if kind == 0 { 2 } else { 1 };
                together.group(sums.threads(), count, read * count * self.node() + sums.floats(count, k));
                together.part(launch, 1, &[gradient, &partial, states]);
            }
        }
        together.run(client);
        if let Some(spread) = spread {
            for (kind, (k, _)) in DEPTHWISE.into_iter().take(2).enumerate() {
                let total = 2 * c * k * k;
                Launch::new(1, &["collapse"])
                    .all(&[
                        ("TOTAL", total),
                        ("C", c),
                        ("K", k),
                        ("PARTS", sums.parts),
                        ("SOURCE", kind * spread_floats),
                        ("WEIGHTS", self.nodes[node].first[kind]),
                    ])
                    .run(client, total, [1, 1], &[&spread, result], total * (sums.parts + 1));
            }
        }
    }

    /// Vectors of a row, and the groups of images, over which the gradients of depthwise weights are summed apart.
    pub(super) fn weight_parts(&self) -> [usize; 2] {
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

    /// Sums of products of `a` (as the shader's second file has it) with `b` for each slot, written to `result`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn outer<'a>(
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
        // All slots share a node's gradient.
        let gradients = if files.contains(&"outer_node") { 1 } else { slots };
        let full = slots == 1;
        let lanes = if full { self.input_lanes() } else { self.lanes() };
        let plane = if full { self.input_size().iter().product() } else { self.plane() };
        let most = self.tuning.tile();
        let (tile_a, tile_b) = (tile(ca / halves, most), tile(cb, most));
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
            .is("RELU", relu)
            .is("RUNS", self.tuning.runs());
        let (launch, buffers) = with(launch);
        launch.run(
            client,
            tiles * chunks,
            [slots, 1],
            &[&[b, &partial], buffers.as_slice()].concat(),
            self.batch * plane * (gradients * ca + slots * halves * cb) + slots * chunks * ca * cb,
        );
        self.reduce(client, &partial, result, [slots, chunks, ca * cb], bases, split);
    }

    /// The gradient that a pointwise convolution passes on to what it reads, `halves` pictures at the resolution of the cell's
    /// inputs: all of it, or with a `gate` where that was positive. The convolution's weights and the gradient of its
    /// outputs come with where they lie, in floats and in vectors.
    pub(super) fn pointwise_back(
        &self,
        client: &Client,
        [ci, co, halves]: [usize; 3],
        (parameters, weights): (&Handle, usize),
        (gradients, at): (&Handle, usize),
        gate: Option<&Handle>,
    ) -> Handle {
        let lanes = self.input_lanes();
        let pixels = self.batch * self.input_size().iter().product::<usize>();
        let plane = pixels / self.batch / lanes;
        let floats = ci * pixels;
        let result = client.empty(4 * halves * floats);
        let rows = tile(ci, self.tuning.rows());
        let wide = self.wide(plane);
        let matrix = co / halves * ci;
        let gated = if gate.is_some() { "blend_relu" } else { "blend_plain" };
        let mut buffers = vec![parameters, gradients, &result];
        buffers.extend(gate);
        let moved = co * pixels + (halves + buffers.len() - 3) * floats + halves * matrix;
        // Each half of a factorised reduction reads its own half of the channels.
        Launch::new(lanes, &["blend", gated, weights_of(rows, &[weights, ci, matrix])])
            .all(&[
                ("N", self.batch),
                ("PLANE", plane),
                ("ROWS", ci),
                ("INPUTS", co / halves),
                ("TILE", rows),
                ("WIDE", wide),
                ("WEIGHTS_A", weights),
                ("WEIGHTS_B", 0),
                ("SPLIT", halves),
                ("MATRIX", matrix),
                ("GRADIENT", at / wide),
                ("SLOT_CHANNELS", co / halves),
                ("IMAGE_CHANNELS", co),
            ])
            .run(client, self.batch * plane / wide, [ci / rows, halves], &buffers, moved);
        result
    }

    /// Both pictures of `ci` channels that a factorised reduction to the resolution of the cell's inputs convolves.
    pub(super) fn both_halves(&self, client: &Client, ci: usize, raw: &Handle) -> Handle {
        let [h, w] = self.input_size();
        let floats = self.batch * ci * h * w;
        let result = client.empty(4 * 2 * floats);
        let launch = Launch::new(1, &["halves"]);
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
    pub(super) fn both_halves_back(&self, client: &Client, ci: usize, gradient: &Handle, raw: &Handle) -> Handle {
        let [h, w] = self.input_size();
        let floats = self.batch * ci * h * w;
        let result = client.empty(4 * 4 * floats);
        self.halves(Launch::new(1, &["halves_back"]), ci, [h, w], 0, [0, floats], ci * h * w).is("FRESH", true).run(
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
        Launch::new(lanes, &["state_sums"])
            .all(&[("N", self.batch), ("C", c), ("PLANE", plane), ("CHUNKS", chunks), ("STATE_AT", at)])
            .run(client, c * chunks, [1, 1], &[states, gradients, &sums], 2 * self.input());
        let affine = self.norm_back(client, &sums, norm, [c, chunks, self.batch * h * w], true);
        self.norm_gradient(client, lanes, plane, 1, (gradients, at), (states, at), &affine);
        if wanted.parameters {
            let source = self.preprocess_source(client, which, raw);
            self.outer(
                client,
                &["outer", "outer_gradient"],
                1,
                &source,
                [c, ci, halves],
                halves == 1,
                |launch| (launch.all(&[("GRADIENT", at)]), vec![gradients]),
                (parameter_gradients, [self.preprocess[which], 0], 1),
            );
        }
        if !wanted.inputs[which] {
            return None;
        }
        let weights = (parameters, self.preprocess[which]);
        let gate = (halves == 1).then_some(raw);
        let result = self.pointwise_back(client, [ci, c, halves], weights, (gradients, at), gate);
        Some(if halves == 1 { result } else { self.both_halves_back(client, ci, &result, raw) })
    }
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
        let mut launch = Launch::new(1, &["reduce_weights"]).all(&[("TOTAL", total), ("PARTS", self.parts)]);
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

pub(super) fn line(lanes: usize) -> &'static str {
    if lanes == 4 { "line4" } else { "line1" }
}

/// The file that reads the weights of a tile of outputs from matrices that lie at, and whose rows are, multiples of all
/// of `steps`.
fn weights_of(tile: usize, steps: &[usize]) -> &'static str {
    let vectors = tile.is_multiple_of(4) && steps.iter().all(|step| step.is_multiple_of(tile));
    if vectors { "rows4" } else { "rows1" }
}
