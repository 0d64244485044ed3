// The state that a node of a derived cell reads.
// Constants: LOW (of nodes 1 to 8, four bits each from the lowest on), HIGH (of nodes 9 to 16).
fn source_of(node: u32) -> u32 {
    return (select(LOW, HIGH, node > 8u) >> (4u * ((node - 1u) % 8u))) & 15u;
}
