// For each row of scores [COUNT, VOCABULARY] the log of the sum of their exponentials, and the negative log-likelihood
// of the word that follows, in nats. A workgroup has a row.
// Constants: VOCABULARY, COUNT (rows), ACROSS (workgroups along x), FIRST (of the rows).
@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> found: array<f32>;
@group(0) @binding(4) var<storage, read_write> unlikely: array<f32>;

var<workgroup> shared_values: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * ACROSS + group.x;
    if (row >= COUNT) {
        return;
    }
    let start = row * VOCABULARY;
    var most = scores[start] + bias[0];
    for (var word = lane; word < VOCABULARY; word += 64u) {
        most = max(most, scores[start + word] + bias[word]);
    }
    shared_values[lane] = most;
    workgroupBarrier();
    for (var reach = 32u; reach > 0u; reach /= 2u) {
        if (lane < reach) {
            shared_values[lane] = max(shared_values[lane], shared_values[lane + reach]);
        }
        workgroupBarrier();
    }
    most = shared_values[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var word = lane; word < VOCABULARY; word += 64u) {
        sum += exp(scores[start + word] + bias[word] - most);
    }
    shared_values[lane] = sum;
    workgroupBarrier();
    for (var reach = 32u; reach > 0u; reach /= 2u) {
        if (lane < reach) {
            shared_values[lane] += shared_values[lane + reach];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        let all = most + log(shared_values[0]);
        let word = u32(targets[FIRST + row]);
        found[FIRST + row] = all;
        unlikely[FIRST + row] = all - (scores[start + word] + bias[word]);
    }
}
