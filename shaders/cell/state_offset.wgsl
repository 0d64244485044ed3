// Where the states of a cell lie, in vectors: the two inputs, then the nodes. INPUT and NODE are their sizes.
fn state_offset(state: u32) -> u32 {
    return select(2u * INPUT + (state - 2u) * NODE, state * INPUT, state < 2u);
}
