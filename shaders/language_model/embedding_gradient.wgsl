// The gradient of the embedding of the distinct words, a float a thread: the sum over all places of a word, in the
// order of the text, whatever the device does first. `places` holds the places of all words, grouped by word, and then
// of each distinct word itself, its first place in that list and the one after its last.
// Constants: UNITS, COUNT (words), DISTINCT.
@group(0) @binding(0) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> places: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= DISTINCT * UNITS) {
        return;
    }
    let word = COUNT + 3u * (id.x / UNITS);
    let unit = id.x % UNITS;
    var sum = 0.0;
    for (var i = u32(places[word + 1u]); i < u32(places[word + 2u]); i++) {
        sum += gradient[u32(places[i]) * UNITS + unit];
    }
    result[u32(places[word]) * UNITS + unit] = sum;
}
