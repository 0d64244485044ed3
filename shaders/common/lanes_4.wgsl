// Vectors of four neighbouring pixels of a row, for widths that are a multiple of four. V is a vector.
alias V = vec4<f32>;

// The sum of a vector.
fn total(v: V) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

// The pixels of a row from four left of a vector to four right of it.
struct Halo {
    left: V,
    middle: V,
    right: V,
}

// The vector `offset` pixels further along the row, at most four.
fn shifted(halo: Halo, offset: i32) -> V {
    switch offset {
        case -4: { return halo.left; }
        case -3: { return V(halo.left.yzw, halo.middle.x); }
        case -2: { return V(halo.left.zw, halo.middle.xy); }
        case -1: { return V(halo.left.w, halo.middle.xyz); }
        case 1: { return V(halo.middle.yzw, halo.right.x); }
        case 2: { return V(halo.middle.zw, halo.right.xy); }
        case 3: { return V(halo.middle.w, halo.right.xyz); }
        case 4: { return halo.right; }
        default: { return halo.middle; }
    }
}

// A vector with its neighbours, from values in hand.
fn halo_of(left: V, middle: V, right: V) -> Halo {
    return Halo(left, middle, right);
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
