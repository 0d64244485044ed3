// Where the quarters of the cell inputs lie, in vectors: STEP apart. NODE is the size of one.
fn state_base(quarter: u32) -> u32 {
    return quarter * STEP * NODE;
}
