// Gradients of all matrices at a word, added up: four inputs by four outputs a thread, a matrix a workgroup along y.
// Constants: UNITS, BATCH, BASE, BEFORE, GATES, ROW, COLUMN_TILES, FRESH (1: the last word), RELAXED (a node reads all
// earlier states, otherwise what `source_of` says).
@group(0) @binding(0) var<storage, read_write> states: array<f32>;
@group(0) @binding(1) var<storage, read_write> before: array<f32>;
@group(0) @binding(2) var<storage, read_write> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> gates: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let k = 4u * (id.x / COLUMN_TILES);
    let q = 4u * (id.x % COLUMN_TILES);
    let matrix = id.y;
    if (k >= UNITS) {
        return;
    }
    let rows = min(k + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(UNITS - 1u)) * BATCH;
    let columns = min(q + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(2u * UNITS - 1u)) * BATCH;
    var sum = mat4x4<f32>();
    let edges = select(1u, max(matrix, 1u), RELAXED);
    for (var edge = 0u; edge < edges; edge++) {
        var slot = GATES + matrix * (matrix - 1u) / 2u + edge;
        var state = edge;
        if (!RELAXED && matrix > 0u) {
            slot = GATES + matrix - 1u;
            state = source_of(matrix);
        }
        let gate_at = select(slot, ROW, matrix == 0u) * 2u * UNITS * BATCH + columns;
        let state_at = BASE + state * UNITS * BATCH + rows;
        let before_at = BEFORE + rows;
        for (var b = 0u; b < BATCH; b++) {
            var x = vec4<f32>(mask[rows.x + b], mask[rows.y + b], mask[rows.z + b], mask[rows.w + b]);
            if (matrix == 0u) {
                x *= vec4<f32>(
                    before[before_at.x + b], before[before_at.y + b], before[before_at.z + b], before[before_at.w + b]);
            } else {
                x *= vec4<f32>(
                    states[state_at.x + b], states[state_at.y + b], states[state_at.z + b], states[state_at.w + b]);
            }
            let g = vec4<f32>(gates[gate_at.x + b], gates[gate_at.y + b], gates[gate_at.z + b], gates[gate_at.w + b]);
            sum[0] += x.x * g;
            sum[1] += x.y * g;
            sum[2] += x.z * g;
            sum[3] += x.w * g;
        }
    }
    for (var i = 0u; i < 4u && k + i < UNITS; i++) {
        for (var j = 0u; j < 4u && q + j < 2u * UNITS; j++) {
            let at = (matrix * UNITS + k + i) * 2u * UNITS + q + j;
            result[at] = select(result[at], 0.0, FRESH == 1u) + sum[i][j];
        }
    }
}
