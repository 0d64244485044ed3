// One pixel at a time: for widths that are no multiple of four.
alias V = f32;
const LANES: u32 = 1u;

fn total(v: V) -> f32 {
    return v;
}

// The pixels of a row from four left of one to four right of it.
struct Line {
    pixels: array<f32, 9>,
}

// The pixel `offset` further along the row, at most four.
fn shifted(line: Line, offset: i32) -> V {
    return line.pixels[offset + 4];
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
