// Sums of the columns of a matrix [ROWS, WORDS], a column a thread: a bias's gradient.
// Constants: ROWS, WORDS, ADDED (1: to what the result holds).
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= WORDS) {
        return;
    }
    var sum = 0.0;
    for (var row = 0u; row < ROWS; row++) {
        sum += values[row * WORDS + id.x];
    }
    result[id.x] = select(0.0, result[id.x], ADDED == 1u) + sum;
}
