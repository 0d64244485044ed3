// The slots of a node: one for each edge and each op that ends in a pointwise convolution and BatchNorm. Kinds 0 to 3 are
// sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5 of all EDGES edges; kinds 4 and 5, in reduction cells only,
// the two halves of the factorised reduction of both cell inputs.
fn slot_kind(slot: u32) -> u32 {
    return select(slot / EDGES, 4u + (slot - 4u * EDGES) / 2u, slot >= 4u * EDGES);
}

fn slot_edge(slot: u32) -> u32 {
    return select(slot % EDGES, (slot - 4u * EDGES) % 2u, slot >= 4u * EDGES);
}

// Column of the op in a row of alphas.
fn slot_op(slot: u32) -> u32 {
    return select(4u + slot_kind(slot), 3u, slot >= 4u * EDGES);
}

// Where the slot's weight for output c and input k lies. Rows of a factorised half that are none of its own have none.
fn slot_has_row(slot: u32, c: u32) -> bool {
    let kind = slot_kind(slot);
    return kind < 4u || (kind == 4u) == (c < C / 2u);
}

fn slot_row(slot: u32, c: u32) -> u32 {
    let e = slot_edge(slot);
    switch slot_kind(slot) {
        case 0u: { return LAST_0 + (e * C + c) * C; }
        case 1u: { return LAST_1 + (e * C + c) * C; }
        case 2u: { return LAST_2 + (e * C + c) * C; }
        case 3u: { return LAST_3 + (e * C + c) * C; }
        case 4u: { return LAST_4 + (e * (C / 2u) + c) * C; }
        default: { return LAST_5 + (e * (C - C / 2u) + c - C / 2u) * C; }
    }
}
