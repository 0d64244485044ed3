// Packs a cell's matrices, each by four columns of gates and candidates together; then the same transposed, by four
// rows. A thread takes every THREADS-th vector.
// Constants: UNITS, TILES, HALF (vectors of either), THREADS.
@group(0) @binding(0) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var v = id.x; v < 2u * HALF; v += THREADS) {
        let transposed = v >= HALF;
        let within = v % HALF;
        let inner = within % (2u * UNITS);
        let tile = (within / (2u * UNITS)) % TILES;
        let matrix = within / (2u * UNITS) / TILES;
        var value = vec4<f32>(0.0);
        for (var i = 0u; i < 4u && 4u * tile + i < UNITS; i++) {
            let row = select(inner / 2u, 4u * tile + i, transposed);
            let column = select((inner % 2u) * UNITS + 4u * tile + i, inner, transposed);
            value[i] = parameters[(matrix * UNITS + row) * 2u * UNITS + column];
        }
        packed[v] = value;
    }
}
