// The gradient of the scores [COUNT, VOCABULARY], in their place, a score a thread: their probabilities, less one for
// the word that follows.
// Constants: VOCABULARY, COUNT (rows), FIRST, SHARE (float: of a row in the loss).
@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> found: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss_gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= COUNT * VOCABULARY) {
        return;
    }
    let row = FIRST + id.x / VOCABULARY;
    let word = id.x % VOCABULARY;
    let hit = select(0.0, 1.0, u32(targets[row]) == word);
    scores[id.x] = SHARE * loss_gradient[0] * (exp(scores[id.x] + bias[word] - found[row]) - hit);
}
