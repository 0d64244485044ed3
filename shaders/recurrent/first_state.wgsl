// The first state [UNITS, BATCH] of a word: the previous state, moved by a gate towards a candidate, then BatchNorm if
// any. A workgroup has four columns.
// Constants: BASE (the word's states), MOMENTS, and those of `first_gates`.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = 4u * group.x;
    var part = vec4<f32>(0.0);
    for (var b = lane; b < BATCH; b += 64u) {
        let first = first_gates(group.x, b);
        let state = first.hidden + logistic(first.gate) * (bend(first.candidate) - first.hidden);
        put_state(BASE, column, b, state);
        part += state;
    }
    normalise(BASE, MOMENTS, column, lane, part);
}
