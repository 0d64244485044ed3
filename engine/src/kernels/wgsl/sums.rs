//! Sums of partial results.

use crate::kernels::wgsl::launch::Launch;
use cubecl::{prelude::Client, server::Handle};

/// Where branches lie in a buffer: from branch 0 on at one offset, from branch `split` on at another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub offsets: [usize; 2],
    pub split: usize,
}

impl Placement {
    /// Adjacent branches from `offset` on.
    pub fn together(offset: usize, branches: usize) -> Self {
        Self { offsets: [offset, 0], split: branches }
    }
}

/// Sums `partial` [outer, parts, inner] over the parts; the outer entries go to `result` as placed.
pub(super) fn sum_parts(
    client: &Client,
    partial: &Handle,
    [outer, parts, inner]: [usize; 3],
    (result, placement): (&Handle, Placement),
) {
    let [base_a, base_b] = placement.offsets;
    Launch::new(1, &["common/sum_parts"])
        .set(&[
            ("OUTER", outer),
            ("PARTS", parts),
            ("INNER", inner),
            ("BASE_A", base_a),
            ("BASE_B", base_b),
            ("SPLIT", placement.split),
        ])
        .run(client, outer * inner, [1, 1], &[partial, result], outer * inner * (parts + 1));
}
