//! Launches of shaders.

use crate::kernels::wgsl::{
    profile,
    shaders::shader,
    source::{
        EPSILON, FOLDED_ROWS, MAX_WORKGROUPS, argument, declare_arguments, replace_word, unfolded, unroll, vectors,
    },
};
use burn::backend::wgpu::{CubeDim, KernelSource, SourceKernel, SourceTemplate};
use cubecl::{
    CubeCount,
    prelude::{Client, ExecutionMode, KernelId},
    server::{Handle, KernelArguments, MetadataBindingInfo},
};
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// Launches since the process began, and the floats that they moved, counted from shapes.
static DISPATCHES: AtomicU64 = AtomicU64::new(0);
static FLOATS_MOVED: AtomicU64 = AtomicU64::new(0);

/// Launches of this crate's own shaders since the process began, and the bytes they read and wrote, each distinct byte
/// of a launch once, counted from shapes.
pub fn launched() -> (u64, u64) {
    (DISPATCHES.load(Ordering::Relaxed), 4 * FLOATS_MOVED.load(Ordering::Relaxed))
}

/// Numbers that are constants of the shader: those that size an array, bound an unrolled loop or divide. All others are
/// passed with the launch, so that few shaders are compiled.
const CONSTANTS: [&str; 19] = [
    "C", "PLANE", "H", "W", "COLUMNS", "K", "DILATION", "TILE", "TILE_A", "TILE_B", "STRIDE", "VECTORS", "CA", "CB",
    "CO", "PHASES", "BLOCK", "STATES", "READERS",
];

/// Those among them that follow from the sizes of a cell.
const SIZES: [&str; 8] = ["C", "PLANE", "H", "W", "COLUMNS", "CA", "CB", "CO"];

/// Shaders that take long to compile and do their work in a long loop: sizes are passed with the launch, so that one
/// shader does for all cells. The others divide by sizes at every pixel, which constants make cheap.
const FOR_ALL_SIZES: [&str; 9] = [
    "pointwise/input_gradient",
    "cell/add_convolutions",
    "depthwise/convolution",
    "depthwise/weight_gradient",
    "cell/second_moments",
    "pointwise/weight_gradient",
    "pointwise/convolution",
    "pooling/forward",
    "pooling/backward",
];

/// Files that only locate data or walk over it.
const HELPERS: [&str; 6] = [
    "batch_norm/channel_parts",
    "cell/branches",
    "cell/state_offset",
    "common/channel_walk",
    "common/pixel_walk",
    "space_to_depth/state_offset",
];

/// A launch in the making: the files of a shader, its constants, and the arguments passed with it.
#[derive(Clone)]
pub(super) struct Launch {
    pub(super) files: Vec<&'static str>,
    pub(super) constants: Vec<(&'static str, usize)>,
    pub(super) switches: Vec<(&'static str, bool)>,
    /// Name, bits, and whether they are a float.
    pub(super) arguments: Vec<(&'static str, u32, bool)>,
    buffers: usize,
}

impl Launch {
    /// A shader made of these files, vectors of `lanes` pixels.
    pub fn new(lanes: usize, files: &[&'static str]) -> Self {
        let mut all = vec![if lanes == 4 { "common/lanes_4" } else { "common/lanes_1" }];
        all.extend(files);
        Self { files: all, constants: Vec::new(), switches: Vec::new(), arguments: Vec::new(), buffers: 0 }
    }

    /// Sets whole numbers by name.
    pub fn set(mut self, numbers: &[(&'static str, usize)]) -> Self {
        for &(name, value) in numbers {
            let passed = SIZES.contains(&name) && self.files.iter().any(|file| FOR_ALL_SIZES.contains(file));
            if CONSTANTS.contains(&name) && !passed {
                self.constants.push((name, value));
            } else {
                self.arguments.push((name, value as u32, false));
            }
        }
        self
    }

    /// Sets a number that the shader reads as float.
    pub fn set_float(mut self, name: &'static str, value: f64) -> Self {
        self.arguments.push((name, (value as f32).to_bits(), true));
        self
    }

    /// Sets a switch.
    pub fn set_switch(mut self, name: &'static str, value: bool) -> Self {
        self.switches.push((name, value));
        self
    }

    /// Name in a profile: the files that distinguish it, and its sizes.
    fn title(&self) -> String {
        format!("{} ({})", self.names().join("+"), self.sizes(&["C", "K", "DILATION", "PLANE"]))
    }

    /// The files that distinguish it.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let shared = |file: &str| file.starts_with("common/lanes") || file.starts_with("common/halo");
        self.files.iter().copied().filter(|file| !shared(file) && !HELPERS.contains(file)).collect()
    }

    /// Those of its numbers that have these names.
    pub(super) fn sizes(&self, names: &[&str]) -> String {
        let passed = self.arguments.iter().map(|&(name, value, _)| (name, value as usize));
        let all = self.constants.iter().copied().chain(passed).filter(|(name, _)| names.contains(name));
        all.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }

    /// The text that is compiled.
    pub fn source(&self) -> String {
        let mut text = String::from(EPSILON);
        for (name, value) in &self.constants {
            writeln!(text, "const {name}: u32 = {value}u;").expect("a string takes all");
        }
        for (name, value) in &self.switches {
            writeln!(text, "const {name}: bool = {value};").expect("a string takes all");
        }
        text.push_str(&declare_arguments(self.buffers, self.arguments.len()));
        let mut body = String::new();
        for file in &self.files {
            body.push_str(shader(file));
        }
        for (i, &(name, _, float)) in self.arguments.iter().enumerate() {
            body = replace_word(&body, name, &argument(i, float));
        }
        text.push_str(&unroll(&body, &self.constants));
        match self.arguments.iter().position(|&(name, ..)| name == FOLDED_ROWS) {
            Some(at) => unfolded(&text, &argument(at, false)),
            None => text,
        }
    }

    /// Launches `threads` threads along x, 64 a workgroup, and `y` by `z` workgroups; `moved` floats are read or written.
    pub fn run(mut self, client: &Client, threads: usize, [y, z]: [usize; 2], buffers: &[&Handle], moved: usize) {
        self.buffers = buffers.len();
        let folded = Folded::of(threads.div_ceil(64), y);
        if let Some(rows) = folded.rows {
            self = self.set(&[(FOLDED_ROWS, rows)]);
        }
        profile::keep_source(|| Launch::source(&self), &self.files);
        profile::name_next(|| self.title(), 4 * moved as u64);
        let words: Vec<u32> = self.arguments.iter().map(|&(_, bits, _)| bits).collect();
        let [x, y] = folded.groups;
        dispatch(client, self, &words, [x, y, z], buffers, moved);
    }
}

/// Workgroups along x and y, such that there are not too many along x.
pub(super) struct Folded {
    pub groups: [usize; 2],
    /// The number along y, where some along x were moved there.
    pub rows: Option<usize>,
}

impl Folded {
    /// Workgroups for `x` by `y` of them.
    pub fn of(x: usize, y: usize) -> Self {
        if x <= MAX_WORKGROUPS {
            return Self { groups: [x, y], rows: None };
        }
        Self { groups: [MAX_WORKGROUPS, y * x.div_ceil(MAX_WORKGROUPS)], rows: Some(y) }
    }
}

/// Launches `kernel` on workgroups of 64 threads, with a uniform of `words`.
pub(super) fn dispatch(
    client: &Client,
    kernel: impl KernelSource,
    words: &[u32],
    groups: [usize; 3],
    buffers: &[&Handle],
    moved: usize,
) {
    assert!(!words.is_empty(), "a shader that reads no argument has no uniform");
    DISPATCHES.fetch_add(1, Ordering::Relaxed);
    FLOATS_MOVED.fetch_add(moved as u64, Ordering::Relaxed);
    let mut words = words.to_vec();
    words.resize(4 * vectors(words.len()), 0);
    let pairs = words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect();
    let mut arguments =
        buffers.iter().fold(KernelArguments::new(), |all, &handle| all.with_buffer(handle.clone().binding()));
    arguments.info = MetadataBindingInfo::custom(pairs);
    assert!(groups.iter().all(|&count| count <= MAX_WORKGROUPS), "{groups:?} workgroups");
    let [x, y, z] = groups.map(|count| count as u32);
    client.launch(Box::new(SourceKernel::new(kernel, CubeDim::new_1d(64))), CubeCount::Static(x, y, z), arguments);
}

impl KernelSource for Launch {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(Launch::source(self))
    }

    fn id(&self) -> KernelId {
        let names: Vec<&str> = self.arguments.iter().map(|&(name, ..)| name).collect();
        // The shaders bound their own loops and indices: a second check gains nothing.
        KernelId::new::<Self>()
            .info((self.files.clone(), self.constants.clone(), self.switches.clone(), names))
            .mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// The largest divisor of `n` that is at most `most`.
pub(super) fn tile(n: usize, most: usize) -> usize {
    (1..=most.min(n)).rev().find(|t| n.is_multiple_of(*t)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Compute, DeviceChoice, block_on};
    use crate::kernels::wgsl::backend::wrap;
    use burn::{
        backend::wgpu::{CubeBackend, into_contiguous},
        tensor::{Int, Tensor},
    };

    /// One thread a number: more workgroups along x than WebGPU grants, and two of each along y.
    #[test]
    fn any_number_of_threads_can_be_launched() {
        let device = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap().device;
        let count = 64 * MAX_WORKGROUPS + 4000;
        let source = Tensor::<1, Int>::arange(0..count as i64, &device).float();
        let source = into_contiguous(source.try_into_primitive::<CubeBackend>().unwrap());
        let client = source.client.clone();
        let result = client.empty(4 * count);
        let norm = Tensor::<1>::from_data([1.0, 0.0], &device);
        let norm = into_contiguous(norm.try_into_primitive::<CubeBackend>().unwrap());
        Launch::new(1, &["batch_norm/apply"]).set(&[("N", 1), ("C", 1), ("PLANE", count), ("RESULT", 0)]).run(
            &client,
            count,
            [2, 1],
            &[&source.handle, &norm.handle, &result],
            2 * count,
        );
        let read = wrap(&source, result, [count]);
        let read = Tensor::<1>::from_primitive::<CubeBackend>(read).into_data().try_to_vec::<f32>().unwrap();
        let wrong = read.iter().enumerate().find(|&(i, &value)| value != i as f32);
        assert_eq!(wrong, None);
    }
}
