// Vectors of one pixel, for widths that are no multiple of four. V is a vector.
alias V = f32;

// The sum of a vector.
fn total(v: V) -> f32 {
    return v;
}

// The pixels of a row from four left of one to four right of it.
struct Halo {
    pixels: array<f32, 9>,
}

// The pixel `offset` further along the row, at most four.
fn shifted(halo: Halo, offset: i32) -> V {
    return halo.pixels[offset + 4];
}

// A pixel with its direct neighbours only, from values in hand.
fn halo_of(left: V, middle: V, right: V) -> Halo {
    var halo: Halo;
    halo.pixels[3] = left;
    halo.pixels[4] = middle;
    halo.pixels[5] = right;
    return halo;
}

// The even and the odd one of two neighbouring pixels, and those two again from both.
fn evens(a: V, b: V) -> V {
    return a;
}

fn odds(a: V, b: V) -> V {
    return b;
}

fn first_half(even: V, odd: V) -> V {
    return even;
}

fn second_half(even: V, odd: V) -> V {
    return odd;
}

// The column of a pixel.
fn positions(column: u32) -> V {
    return V(f32(column));
}
