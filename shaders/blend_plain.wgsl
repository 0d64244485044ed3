// The whole gradient passes.
fn gated(at: u32, v: V) -> V {
    return v;
}
