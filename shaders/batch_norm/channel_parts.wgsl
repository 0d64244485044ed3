// Sums the partial sums [channels, PARTS] of a channel.
// Constants: PARTS.
@group(0) @binding(0) var<storage, read_write> partial: array<vec2<f32>>;

fn sum_parts(channel: u32) -> vec2<f32> {
    var sum = vec2<f32>(0.0);
    for (var t = 0u; t < PARTS; t++) {
        sum += partial[channel * PARTS + t];
    }
    return sum;
}
