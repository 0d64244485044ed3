// The product of `matrix_product` for a software adapter in a browser, which takes seconds to compile barriers: a
// thread computes four rows by four columns by itself. Rows and columns beyond the last repeat it and are not written.
// Constants: as of the other, and ACROSS (threads of a row).
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let top = 4u * (id.x / ACROSS);
    let left = 4u * (id.x % ACROSS);
    if (top >= OUT_ROWS) {
        return;
    }
    let rows = A_AT + A_ROW * min(vec4<u32>(top) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(OUT_ROWS - 1u));
    let columns = B_AT + B_COLUMN * min(vec4<u32>(left) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(OUT_COLUMNS - 1u));
    var sums: mat4x4<f32>;
    for (var k = 0u; k < INNER; k++) {
        let x = rows + k * A_INNER;
        let y = columns + k * B_INNER;
        let of_b = vec4<f32>(b[y.x], b[y.y], b[y.z], b[y.w]);
        sums[0] += a[x.x] * of_b;
        sums[1] += a[x.y] * of_b;
        sums[2] += a[x.z] * of_b;
        sums[3] += a[x.w] * of_b;
    }
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            if (top + i < OUT_ROWS && left + j < OUT_COLUMNS) {
                let at = RESULT + (top + i) * OUT_COLUMNS + left + j;
                result[at] = select(0.0, result[at], ADDED == 1u) + sums[i][j];
            }
        }
    }
}
