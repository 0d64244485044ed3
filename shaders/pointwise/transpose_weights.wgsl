// Transposes the weights of pointwise convolutions from [CO, CI] to [CI, CO], a weight a thread, so that those of
// neighbouring outputs are neighbours.
// Constants: CI, CO, BRANCHES, WEIGHTS_A (weights of branch 0), WEIGHTS_B (of branch SPLIT), SPLIT.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= BRANCHES * CI * CO) {
        return;
    }
    let branch = id.x / (CI * CO);
    let i = (id.x / CO) % CI;
    let o = id.x % CO;
    let rows = select(WEIGHTS_A + branch * CI * CO, WEIGHTS_B + (branch - SPLIT) * CI * CO, branch >= SPLIT);
    packed[id.x] = weights[rows + o * CI + i];
}
