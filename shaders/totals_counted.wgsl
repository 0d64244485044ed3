// Sums of what a thread of a depthwise kernel writes to its channel of a slot. Constants: N, C, COLUMNS.
@group(0) @binding(3) var<storage, read_write> totals_out: array<f32>;

var<private> written: f32;

fn begin_total() {
    written = 0.0;
}

fn add_total(value: V) {
    written += total(value);
}

fn end_total(slot: u32, plane: u32, column: u32) {
    totals_out[((slot * C + plane % C) * N + plane / C) * COLUMNS + column] = written;
}
