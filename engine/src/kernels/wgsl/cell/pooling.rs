//! Pools of a cell's states, and the gradients through pools and skip connections.

use crate::kernels::wgsl::{
    batch_norm::ChannelSums,
    cell::{Cell, Pools},
    launch::Launch,
};
use crate::space::NODES;
use cubecl::server::Handle;

/// Tensors that the gradients of pools and skip connections are computed from and go to.
#[derive(Clone, Copy)]
pub(super) struct PoolBackward<'a> {
    pub states: &'a Handle,
    pub state_gradients: &'a Handle,
    pub pools: &'a Pools,
    /// Sums of the nodes' gradients [4, channels].
    pub node_sums: &'a Handle,
    /// Sums of the gradients of the nodes times both normalised pools and the state [14, channels, 4].
    pub edge_sums: &'a Handle,
}

impl Cell<'_> {
    /// Pools `count` states from `state` on, with scale and shift of their BatchNorms.
    pub(super) fn pool(&self, state: usize, count: usize, states: &Handle, pools: &Pools) {
        let stride = self.plan.stride(state);
        let (c, node, lanes) = (self.channels(), self.node(), self.pictures.lanes());
        let floats = count * node * (stride * stride + 3);
        let parts = if stride == 2 { self.pictures.chunks(c, lanes) } else { self.pictures.columns() };
        let sums = 2 * 2 * count * c * parts;
        let partial = self.empty(sums);
        if stride == 2 {
            self.pictures
                .row_launch(1, &["pooling/forward_strided"])
                .set(&[("STRIDE", 2), ("STATE", state), ("SOURCE", self.state_at(state))])
                .run(self.client, node, [count, 1], &[states, &pools.values], floats);
            self.pictures
                .launch(lanes, &["common/channel_walk", "pooling/moments_strided"])
                .set(&[("STATE", state), ("CHUNKS", parts)])
                .run(self.client, c * parts, [2 * count, 1], &[&pools.values, &partial], 2 * count * node + sums);
        } else {
            self.pictures
                .halo_launch(&["pooling/forward"])
                .set(&[("STATE", state), ("SOURCE", self.state_at(state) / lanes)])
                .run(self.client, c * parts, [count, 1], &[states, &pools.values, &partial], floats + sums);
        }
        // The statistics of all states lie together.
        let pixels = self.pictures.pixels(1);
        let sums = ChannelSums { partial: &partial, channels: 2 * count * c, parts, count: pixels };
        sums.scale_shift_into(self.client, &pools.norms, state * 2 * c);
    }

    /// Goes back through a state's pools and skip connections, from the gradients of the nodes that read it: sums for the op
    /// weights of its edges, and the state's own gradient, which they are added to.
    pub(super) fn pool_gradient(&self, state: usize, of: PoolBackward) {
        let PoolBackward { states, state_gradients, pools, node_sums, edge_sums } = of;
        let (c, node, lanes) = (self.channels(), self.node(), self.pictures.lanes());
        let first = state.saturating_sub(1);
        let readers = NODES - first;
        let skip = self.skips_are_identities(state);
        let chunks = self.pictures.chunks_of_channels(lanes);
        let partial = self.empty(4 * readers * c * chunks);
        let sizes = [("STATE", state), ("FIRST_NODE", first), ("READERS", readers), ("CHUNKS", chunks)];
        let files = ["cell/state_offset", "common/channel_walk", "cell/edge_products"];
        self.pictures.launch(lanes, &files).set(&sizes).set_switch("SKIP", skip).run(
            self.client,
            c * chunks,
            [1, 1],
            &[state_gradients, &pools.values, states, &partial],
            (readers + 2 + usize::from(skip)) * node + 4 * readers * c * chunks,
        );
        Launch::new(1, &["cell/edge_sums"]).set(&[("C", c)]).set(&sizes).run(
            self.client,
            readers * c,
            [1, 1],
            &[&partial, &pools.norms, node_sums, edge_sums],
            4 * readers * c * (chunks + 2),
        );
        let buffers = [state_gradients, &pools.values, &pools.norms, edge_sums, node_sums, self.op_weights];
        let count = self.pictures.pixels(1);
        if self.plan.stride(state) == 1 {
            return self
                .pictures
                .row_launch(lanes, &["pooling/backward"])
                .set(&sizes[..3])
                .set(&[("RESULT", self.state_at(state) / lanes)])
                .set_float("COUNT", count as f64)
                .run(self.client, self.pictures.all_columns(), [1, 1], &buffers, (readers + 5) * node);
        }
        let pool_gradients = self.empty(2 * node);
        self.pictures
            .launch(lanes, &["pooling/batch_norm_gradient_strided"])
            .set(&[("STATE", state)])
            .set_float("COUNT", count as f64)
            .run(self.client, node / lanes, [1, 1], &[&buffers[..], &[&pool_gradients]].concat(), (readers + 4) * node);
        self.pictures
            .row_launch(1, &["pooling/backward_strided"])
            .set(&[("STRIDE", 2), ("STATE", state), ("RESULT", self.state_at(state))])
            .run(self.client, 4 * node, [1, 1], &[&pool_gradients, &pools.values, state_gradients], 11 * node);
    }
}
