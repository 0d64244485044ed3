// Walks the pixels of every channel over the minibatch for partial sums [pictures, C, CHUNKS]: a thread visits every
// CHUNKS-th vector of a channel, of the picture given by its workgroup's y. `begin`, `visit` and `finish` define what
// is summed.
// Constants: N, C, PLANE (vectors a plane), CHUNKS (threads a channel).
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunk = id.x % CHUNKS;
    let c = id.x / CHUNKS;
    if (c >= C) {
        return;
    }
    begin(c);
    for (var q = chunk; q < N * PLANE; q += CHUNKS) {
        visit(id.y, ((q / PLANE) * C + c) * PLANE + q % PLANE);
    }
    finish(id.y, c, chunk);
}
