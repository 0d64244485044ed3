// BatchNorm of a state in place by running statistics: `moments` holds the means and then the variances.
// Constants: UNITS, BATCH.
fn normalise(start: u32, at: u32, column: u32, lane: u32, part: vec4<f32>) {
    let place = min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(UNITS - 1u));
    let mean = vec4<f32>(moments[place.x], moments[place.y], moments[place.z], moments[place.w]);
    let spread = UNITS + place;
    let variance = vec4<f32>(moments[spread.x], moments[spread.y], moments[spread.z], moments[spread.w]);
    let factor = inverseSqrt(variance + EPSILON);
    for (var b = lane; b < BATCH; b += 64u) {
        put_state(start, column, b, (state4(start, column, b) - mean) * factor);
    }
}
