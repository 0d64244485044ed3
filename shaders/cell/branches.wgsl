// The branches of a node: one for each edge and each op that ends in a pointwise convolution and BatchNorm. Kinds 0 to
// 3 are sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5 of all EDGES edges; kinds 4 and 5, in reduction cells
// only, the two convolutions of the factorized reduce of both cell inputs.
fn branch_kind(branch: u32) -> u32 {
    return select(branch / EDGES, 4u + (branch - 4u * EDGES) / 2u, branch >= 4u * EDGES);
}

fn branch_edge(branch: u32) -> u32 {
    return select(branch % EDGES, (branch - 4u * EDGES) % 2u, branch >= 4u * EDGES);
}

// Column of the op in a row of alphas.
fn branch_op(branch: u32) -> u32 {
    return select(4u + branch_kind(branch), 3u, branch >= 4u * EDGES);
}

// Where the branch's weight for output c and input k lies. Each of the two of a factorized reduce has
// rows for its own outputs only.
fn branch_has_row(branch: u32, c: u32) -> bool {
    let kind = branch_kind(branch);
    return kind < 4u || (kind == 4u) == (c < C / 2u);
}

fn branch_row(branch: u32, c: u32) -> u32 {
    let e = branch_edge(branch);
    switch branch_kind(branch) {
        case 0u: { return LAST_0 + (e * C + c) * C; }
        case 1u: { return LAST_1 + (e * C + c) * C; }
        case 2u: { return LAST_2 + (e * C + c) * C; }
        case 3u: { return LAST_3 + (e * C + c) * C; }
        case 4u: { return LAST_4 + (e * (C / 2u) + c) * C; }
        default: { return LAST_5 + (e * (C - C / 2u) + c - C / 2u) * C; }
    }
}
