// Lays the weights of pointwise convolutions out input by input, so that those of neighbouring outputs are neighbours.
// Constants: CI, CO, SLOTS, WEIGHTS_A (weights of slot 0), WEIGHTS_B (of slot SPLIT), SPLIT.
@group(0) @binding(0) var<storage, read_write> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= SLOTS * CI * CO) {
        return;
    }
    let slot = id.x / (CI * CO);
    let i = (id.x / CO) % CI;
    let o = id.x % CO;
    let rows = select(WEIGHTS_A + slot * CI * CO, WEIGHTS_B + (slot - SPLIT) * CI * CO, slot >= SPLIT);
    packed[id.x] = weights[rows + o * CI + i];
}
