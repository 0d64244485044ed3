// BatchNorm of a state in place by the minibatch: `start` is where it lies, `at` where its mean and variance are put,
// `part` the thread's sum.
// Constants: UNITS, BATCH.
fn normalise(start: u32, at: u32, column: u32, lane: u32, part: vec4<f32>) {
    let mean = workgroup_sum(part, lane) / f32(BATCH);
    var squares = vec4<f32>(0.0);
    for (var b = lane; b < BATCH; b += 64u) {
        let centred = state4(start, column, b) - mean;
        squares += centred * centred;
    }
    let variance = workgroup_sum(squares, lane) / f32(BATCH);
    let factor = inverseSqrt(variance + EPSILON);
    for (var b = lane; b < BATCH; b += 64u) {
        put_state(start, column, b, (state4(start, column, b) - mean) * factor);
    }
    if (lane < 4u && column + lane < UNITS) {
        moments[at + column + lane] = mean[lane];
        moments[at + UNITS + column + lane] = variance[lane];
    }
}
