// Walks a share of the pixels of the minibatch in a sum that CHUNKS threads share: every CHUNKS-th vector, so that
// neighbouring threads have neighbouring pixels; with RUNS a run of pixels, and neighbouring threads have neighbouring
// tiles of the sum.
// Constants: N, PLANE (vectors a plane), CHUNKS, RUNS.
struct PixelWalk {
    // Image, and vector of its plane.
    n: u32,
    p: u32,
    // Vector of all images, and where the walk ends.
    q: u32,
    end: u32,
    // A step in vectors, and the images and the vectors of a plane that it is.
    step: u32,
    step_n: u32,
    step_p: u32,
}

// The share of pixels and the tile of a thread where there are so many tiles.
fn chunk_of(thread: u32, tiles: u32) -> u32 {
    return select(thread % CHUNKS, thread / tiles, RUNS);
}

fn tile_of(thread: u32, tiles: u32) -> u32 {
    return select(thread / CHUNKS, thread % tiles, RUNS);
}

fn first_pixel(chunk: u32) -> PixelWalk {
    let pixels = N * PLANE;
    let run = (pixels + CHUNKS - 1u) / CHUNKS;
    let start = select(chunk, chunk * run, RUNS);
    let end = select(pixels, min(pixels, (chunk + 1u) * run), RUNS);
    let step = select(CHUNKS, 1u, RUNS);
    return PixelWalk(start / PLANE, start % PLANE, start, end, step, step / PLANE, step % PLANE);
}

fn next_pixel(at: PixelWalk) -> PixelWalk {
    let p = at.p + at.step_p;
    let over = p >= PLANE;
    let n = at.n + at.step_n + select(0u, 1u, over);
    return PixelWalk(n, p - select(0u, PLANE, over), at.q + at.step, at.end, at.step, at.step_n, at.step_p);
}
