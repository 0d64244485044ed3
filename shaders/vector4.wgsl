// Four neighbouring pixels of a row at a time: what wide loads like. Used where the width is a multiple of four.
alias V = vec4<f32>;
const LANES: u32 = 4u;

fn total(v: V) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

// The pixels of a row from four left of a vector to four right of it.
struct Line {
    left: V,
    middle: V,
    right: V,
}

// The vector `offset` pixels further along the row, at most four.
fn shifted(line: Line, offset: i32) -> V {
    switch offset {
        case -4: { return line.left; }
        case -3: { return V(line.left.yzw, line.middle.x); }
        case -2: { return V(line.left.zw, line.middle.xy); }
        case -1: { return V(line.left.w, line.middle.xyz); }
        case 1: { return V(line.middle.yzw, line.right.x); }
        case 2: { return V(line.middle.zw, line.right.xy); }
        case 3: { return V(line.middle.w, line.right.xyz); }
        case 4: { return line.right; }
        default: { return line.middle; }
    }
}

// The even and the odd ones of eight neighbouring pixels, and those eight again from both.
fn evens(a: V, b: V) -> V {
    return V(a.xz, b.xz);
}

fn odds(a: V, b: V) -> V {
    return V(a.yw, b.yw);
}

fn first_half(even: V, odd: V) -> V {
    return V(even.x, odd.x, even.y, odd.y);
}

fn second_half(even: V, odd: V) -> V {
    return V(even.z, odd.z, even.w, odd.w);
}

// The columns of the pixels of a vector.
fn positions(column: u32) -> V {
    return V(f32(4u * column)) + V(0.0, 1.0, 2.0, 3.0);
}
