// Sums of the outputs of a thread of a depthwise convolution, by channel of a branch: [branches, C, N, COLUMNS].
// Constants: N, C, COLUMNS.
@group(0) @binding(3) var<storage, read_write> channel_sums: array<f32>;

var<private> sum: f32;

fn begin_sum() {
    sum = 0.0;
}

fn add_to_sum(value: V) {
    sum += total(value);
}

fn end_sum(branch: u32, plane: u32, column: u32) {
    channel_sums[((branch * C + plane % C) * N + plane / C) * COLUMNS + column] = sum;
}
