// Access to the states of a recurrent cell, for all its kernels. States are stored by column, so that threads, one for
// each element of the minibatch, read side by side; a workgroup has four columns, and all of the minibatch, whose
// statistics it therefore knows.
// Constants: UNITS, BATCH.
@group(0) @binding(0) var<storage, read_write> states: array<f32>;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;

var<workgroup> sums: array<vec4<f32>, 64>;

fn workgroup_sum(value: vec4<f32>, lane: u32) -> vec4<f32> {
    sums[lane] = value;
    workgroupBarrier();
    for (var reach = 32u; reach > 0u; reach /= 2u) {
        if (lane < reach) {
            sums[lane] += sums[lane + reach];
        }
        workgroupBarrier();
    }
    let sum = sums[0];
    workgroupBarrier();
    return sum;
}

// Beyond these bounds the results do not change, and no exponential overflows.
fn logistic(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-clamp(x, vec4<f32>(-80.0), vec4<f32>(80.0))));
}

fn bend(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0)));
}

// Where four columns lie; those beyond the last one are the last one.
fn places(column: u32, b: u32) -> vec4<u32> {
    return min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(UNITS - 1u)) * BATCH + b;
}

fn is_column(column: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), column + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(UNITS));
}

fn state4(start: u32, column: u32, b: u32) -> vec4<f32> {
    let at = start + places(column, b);
    return vec4<f32>(states[at.x], states[at.y], states[at.z], states[at.w]);
}

fn mask4(column: u32, b: u32) -> vec4<f32> {
    let at = places(column, b);
    return vec4<f32>(mask[at.x], mask[at.y], mask[at.z], mask[at.w]);
}

fn put_state(start: u32, column: u32, b: u32, value: vec4<f32>) {
    for (var i = 0u; i < 4u && column + i < UNITS; i++) {
        states[start + (column + i) * BATCH + b] = value[i];
    }
}
