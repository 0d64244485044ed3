// The product of two matrices of any strides: a workgroup computes 64 rows by 64 columns of it, a thread eight by
// eight, from slices that the workgroup loads together. ALONG_A and ALONG_B say that the inner dimension is the
// contiguous one, so that neighbouring threads load neighbours.
// Constants: OUT_ROWS, OUT_COLUMNS, INNER, A_AT, A_ROW, A_INNER, B_AT, B_INNER, B_COLUMN (where the elements lie),
// RESULT (rows of OUT_COLUMNS), ADDED (1: to what the result holds).
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

// A row more than the tile has, so that neither writing nor reading a column meets one bank.
const STEP: u32 = 65u;
var<workgroup> a_tile: array<f32, 1040>;
var<workgroup> b_tile: array<f32, 1040>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let top = 64u * group.y;
    let left = 64u * group.x;
    let row = 8u * (lane / 8u);
    let column = lane % 8u;
    var sums: array<f32, 64>;
    // unroll
    for (var i = 0u; i < 64u; i++) {
        sums[i] = 0.0;
    }
    for (var deep = 0u; deep < INNER; deep += 16u) {
        for (var i = lane; i < 1024u; i += 64u) {
            let k = select(i / 64u, i % 16u, ALONG_A);
            let m = select(i % 64u, i / 16u, ALONG_A);
            var value = 0.0;
            if (deep + k < INNER && top + m < OUT_ROWS) {
                value = a[A_AT + (top + m) * A_ROW + (deep + k) * A_INNER];
            }
            a_tile[k * STEP + m] = value;
        }
        for (var i = lane; i < 1024u; i += 64u) {
            let k = select(i / 64u, i % 16u, ALONG_B);
            let n = select(i % 64u, i / 16u, ALONG_B);
            var value = 0.0;
            if (deep + k < INNER && left + n < OUT_COLUMNS) {
                value = b[B_AT + (deep + k) * B_INNER + (left + n) * B_COLUMN];
            }
            b_tile[k * STEP + n] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            var x: array<f32, 8>;
            var y: array<f32, 8>;
            // unroll
            for (var i = 0u; i < 8u; i++) {
                x[i] = a_tile[k * STEP + row + i];
                y[i] = b_tile[k * STEP + column + 8u * i];
            }
            // unroll
            for (var i = 0u; i < 8u; i++) {
                // unroll
                for (var j = 0u; j < 8u; j++) {
                    sums[8u * i + j] += x[i] * y[j];
                }
            }
        }
        workgroupBarrier();
    }
    // unroll
    for (var i = 0u; i < 8u; i++) {
        let m = top + row + i;
        // unroll
        for (var j = 0u; j < 8u; j++) {
            let n = left + column + 8u * j;
            if (m < OUT_ROWS && n < OUT_COLUMNS) {
                let at = RESULT + m * OUT_COLUMNS + n;
                result[at] = select(0.0, result[at], ADDED == 1u) + sums[8u * i + j];
            }
        }
    }
}
