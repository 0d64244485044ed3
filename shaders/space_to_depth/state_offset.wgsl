// Where the phases of the cell inputs lie, in vectors: STEP apart. NODE is the size of one.
fn state_offset(phase: u32) -> u32 {
    return phase * STEP * NODE;
}
