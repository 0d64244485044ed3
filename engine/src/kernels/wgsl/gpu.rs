//! Launching the shaders: their text, the constants put in front of it, and what was launched.

use crate::kernels::wgsl::watch;
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

/// Added to a variance before its root is taken.
pub(super) const EPSILON: &str = "const EPSILON: f32 = 1e-5;\n";

/// How the entry point begins of every shader that knows a thread by its place among all alone.
pub(super) const ENTRY: &str = "@compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3<u32>)";

/// The most workgroups along one dimension that WebGPU grants everywhere.
const MOST_GROUPS: usize = 65535;
/// The argument of a launch of more workgroups along x than that: how many there are along y without those of x.
pub(super) const ROWS: &str = "FOLDED_ROWS";

/// Launches since the process began, and the floats that they moved, counted from shapes.
static DISPATCHES: AtomicU64 = AtomicU64::new(0);
static FLOATS_MOVED: AtomicU64 = AtomicU64::new(0);

/// Launches of this crate's own shaders since the process began, and the bytes they read and wrote, each distinct byte
/// of a launch once, counted from shapes.
pub fn launched() -> (u64, u64) {
    (DISPATCHES.load(Ordering::Relaxed), 4 * FLOATS_MOVED.load(Ordering::Relaxed))
}

macro_rules! shaders {
    ($($name:ident),* $(,)?) => {
        /// Every shader file by name.
        pub const SHADERS: &[(&str, &str)] = &[$((stringify!($name), include_str!(concat!("../../../../shaders/", stringify!($name), ".wgsl")))),*];
    };
}

shaders!(
    affine,
    alpha_back,
    beside1,
    beside4,
    blend,
    blend_normed,
    blend_plain,
    blend_relu,
    blend_values,
    ceiling_copy,
    ceiling_multiply_add,
    collapse,
    columns,
    combine,
    depthwise,
    depthwise_first,
    depthwise_first_back,
    depthwise_second,
    depthwise_second_back,
    depthwise_weights,
    depthwise_weights_first,
    depthwise_weights_second,
    dots,
    edges_back,
    expand,
    gram,
    halves,
    halves_back,
    learned_back,
    learned_norm,
    learned_sums,
    likelihood,
    likelihood_back,
    line1,
    line4,
    merge,
    mix,
    norm,
    norm_back,
    norm_of_sums,
    outer,
    outer_node,
    outer_normed,
    pack,
    phases,
    pointwise,
    pool,
    pool_back,
    pool_back_strided,
    pool_blend,
    pool_moments,
    pool_strided,
    pooled,
    recurrent,
    recurrent_first,
    recurrent_first_back,
    recurrent_gates,
    recurrent_graph,
    recurrent_node,
    recurrent_node_back,
    recurrent_norm,
    recurrent_output_back,
    recurrent_pack,
    recurrent_pull,
    recurrent_running,
    recurrent_unchanged,
    recurrent_weights,
    product,
    product_apart,
    quarter_back,
    reduce,
    reduce_weights,
    rows1,
    rows4,
    running_norm,
    sgd,
    slots,
    split,
    spread_nodes,
    squares,
    state_sums,
    states,
    sums_private,
    sums_shared,
    totals,
    totals_counted,
    totals_ignored,
    unfold,
    unmix,
    unmix_inputs,
    vector1,
    vector4,
    words,
    words_back,
    zero,
);

pub(super) fn shader(name: &str) -> &'static str {
    SHADERS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no shader {name}")).1
}

/// What sizes an array, bounds an unrolled loop or divides is a constant of the shader; everything else is passed with the
/// launch, so that few shaders are compiled.
const CONSTANTS: [&str; 19] = [
    "C", "PLANE", "H", "W", "COLUMNS", "K", "DILATION", "TILE", "TILE_A", "TILE_B", "STRIDE", "WIDE", "CA", "CB", "CO",
    "PHASES", "BLOCK", "STATES", "READERS",
];

/// Of these, what follows from the sizes of a cell.
const SIZES: [&str; 8] = ["C", "PLANE", "H", "W", "COLUMNS", "CA", "CB", "CO"];

/// Shaders that take long to compile and do their work in a long loop: sizes are passed with the launch, so that one
/// shader does for all cells. The others divide by sizes at every pixel, which constants make cheap.
const FOR_ALL_SIZES: [&str; 9] =
    ["blend", "combine", "depthwise", "depthwise_weights", "gram", "outer", "pointwise", "pool", "pool_back"];

/// A launch in the making: the files of a shader, its constants, and the numbers passed with it.
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
        let mut all = vec![if lanes == 4 { "vector4" } else { "vector1" }];
        all.extend(files);
        Self { files: all, constants: Vec::new(), switches: Vec::new(), arguments: Vec::new(), buffers: 0 }
    }

    /// Whole numbers by name.
    pub fn all(mut self, numbers: &[(&'static str, usize)]) -> Self {
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

    /// A whole number that the shader reads as float.
    pub fn f(self, name: &'static str, value: usize) -> Self {
        self.float(name, value as f64)
    }

    /// A number that the shader reads as float.
    pub fn float(mut self, name: &'static str, value: f64) -> Self {
        self.arguments.push((name, (value as f32).to_bits(), true));
        self
    }

    /// A switch.
    pub fn is(mut self, name: &'static str, value: bool) -> Self {
        self.switches.push((name, value));
        self
    }

    /// A name for people: the files that make it what it is, and its sizes.
    fn title(&self) -> String {
        format!("{} ({})", self.names().join("+"), self.sizes(&["C", "K", "DILATION", "PLANE"]))
    }

    /// The files that make it what it is.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let files = self.files.iter().filter(|file| !file.starts_with("vector") && !file.starts_with("line"));
        files.copied().filter(|file| !["states", "phases", "slots"].contains(file)).collect()
    }

    /// The numbers of these names that it has.
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
        match self.arguments.iter().position(|&(name, ..)| name == ROWS) {
            Some(at) => unfolded(&text, &argument(at, false)),
            None => text,
        }
    }

    /// Runs it with `threads` threads along x, 64 a workgroup, and `y` by `z` workgroups; `moved` floats are read or
    /// written.
    pub fn run(mut self, client: &Client, threads: usize, [y, z]: [usize; 2], buffers: &[&Handle], moved: usize) {
        self.buffers = buffers.len();
        let folded = Folded::of(threads.div_ceil(64), y);
        if let Some(rows) = folded.rows {
            self = self.all(&[(ROWS, rows)]);
        }
        watch::keep_source(|| Launch::source(&self), &self.files);
        watch::name_next(|| self.title(), 4 * moved as u64);
        let words: Vec<u32> = self.arguments.iter().map(|&(_, bits, _)| bits).collect();
        let [x, y] = folded.groups;
        dispatch(client, self, &words, [x, y, z], buffers, moved);
    }
}

/// Workgroups along x and y, such that there are not too many along x.
pub(super) struct Folded {
    pub groups: [usize; 2],
    /// How many there were along y, where some along x had to go there.
    pub rows: Option<usize>,
}

impl Folded {
    pub fn of(x: usize, y: usize) -> Self {
        if x <= MOST_GROUPS {
            return Self { groups: [x, y], rows: None };
        }
        Self { groups: [MOST_GROUPS, y * x.div_ceil(MOST_GROUPS)], rows: Some(y) }
    }
}

/// A shader whose workgroups along x beyond the most that are granted go along y, `rows` of them to a turn.
pub(super) fn unfolded(text: &str, rows: &str) -> String {
    assert!(
        text.contains(ENTRY),
        "a launch of more than {MOST_GROUPS} workgroups of a shader that asks for their places"
    );
    let threads = 64 * MOST_GROUPS;
    let entry = ENTRY.replace(" id:", " folded:");
    let body = text.replace(ENTRY, "fn unfolded_main(id: vec3<u32>)");
    format!(
        "{body}\n{entry} {{\n    let x = folded.x + folded.y / {rows} * {threads}u;\n    \
         unfolded_main(vec3<u32>(x, folded.y % {rows}, folded.z));\n}}\n"
    )
}

/// Launches `kernel` on workgroups of 64 threads, with `words` as what its uniform holds.
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
    assert!(groups.iter().all(|&count| count <= MOST_GROUPS), "{groups:?} workgroups");
    let [x, y, z] = groups.map(|count| count as u32);
    client.launch(Box::new(SourceKernel::new(kernel, CubeDim::new_1d(64))), CubeCount::Static(x, y, z), arguments);
}

/// Vectors of four words that hold `arguments` words.
fn vectors(arguments: usize) -> usize {
    arguments.div_ceil(4)
}

/// The uniform with the numbers that come with a launch, behind `buffers` buffers.
pub(super) fn declare_arguments(buffers: usize, arguments: usize) -> String {
    let words = vectors(arguments);
    format!("@group(0) @binding({buffers}) var<uniform> arguments: array<vec4<u32>, {words}>;\n")
}

/// The expression for the argument at `at`.
pub(super) fn argument(at: usize, float: bool) -> String {
    let word = format!("arguments[{}u].{}", at / 4, ["x", "y", "z", "w"][at % 4]);
    if float { format!("bitcast<f32>({word})") } else { word }
}

impl KernelSource for Launch {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(Launch::source(self))
    }

    fn id(&self) -> KernelId {
        let names: Vec<&str> = self.arguments.iter().map(|&(name, ..)| name).collect();
        // The shaders bound their own loops and indices: nothing is gained by bounding them again.
        KernelId::new::<Self>()
            .info((self.files.clone(), self.constants.clone(), self.switches.clone(), names))
            .mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// `text` with every occurrence of the identifier `word` replaced.
pub(super) fn replace_word(text: &str, word: &str, with: &str) -> String {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(word) {
        let end = at + word.len();
        let start = rest[..at].chars().next_back().or(before);
        let whole = !inside(start) && !inside(rest[end..].chars().next());
        result.push_str(&rest[..at]);
        result.push_str(if whole { with } else { word });
        before = word.chars().next_back();
        rest = &rest[end..];
    }
    result.push_str(rest);
    result
}

/// Writes out the loops that stand below a comment `// unroll`, so that arrays indexed by their counters become registers
/// whatever the driver's compiler does. Such a loop is `for (var i = 0u; i < BOUND; i++) {`, its bound made of constants.
pub(super) fn unroll(text: &str, constants: &[(&'static str, usize)]) -> String {
    const MARK: &str = "// unroll\n";
    let Some(mark) = text.find(MARK) else { return text.to_owned() };
    let (before, rest) = (&text[..mark], &text[mark + MARK.len()..]);
    let head_end = rest.find('{').expect("a loop below an unroll mark");
    let head = rest[..head_end].trim();
    let inside = head.strip_prefix("for (var ").and_then(|h| h.strip_suffix(')')).expect("a for loop");
    let (counter, inside) = inside.split_once(" = 0u; ").expect("a counter from zero");
    let (condition, _) = inside.split_once("; ").expect("a condition");
    let bound = condition.strip_prefix(&format!("{counter} < ")).expect("a bound");
    let mut depth = 0;
    let close = rest[head_end..]
        .char_indices()
        .find_map(|(i, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(head_end + i)
        })
        .expect("a closed loop");
    let body = &rest[head_end + 1..close];
    let mut result = before.to_owned();
    for i in 0..evaluate(bound, constants) {
        result.push('{');
        result.push_str(&replace_word(body, counter, &format!("{i}u")));
        result.push_str("}\n");
    }
    result.push_str(&rest[close + 1..]);
    unroll(&result, constants)
}

/// A product, quotient or difference of constants and numbers, from left to right.
fn evaluate(expression: &str, constants: &[(&'static str, usize)]) -> usize {
    let value = |word: &str| {
        word.strip_suffix('u')
            .and_then(|number| number.parse().ok())
            .or_else(|| constants.iter().find(|(name, _)| *name == word).map(|&(_, value)| value))
            .unwrap_or_else(|| panic!("no constant {word}"))
    };
    let words: Vec<&str> = expression.split_whitespace().collect();
    words[1..].chunks(2).fold(value(words[0]), |left, pair| match pair[0] {
        "*" => left * value(pair[1]),
        "/" => left / value(pair[1]),
        _ => left - value(pair[1]),
    })
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
        let count = 64 * MOST_GROUPS + 4000;
        let source = Tensor::<1, Int>::arange(0..count as i64, &device).float();
        let source = into_contiguous(source.try_into_primitive::<CubeBackend>().unwrap());
        let client = source.client.clone();
        let result = client.empty(4 * count);
        let norm = Tensor::<1>::from_data([1.0, 0.0], &device);
        let norm = into_contiguous(norm.try_into_primitive::<CubeBackend>().unwrap());
        Launch::new(1, &["affine"]).all(&[("N", 1), ("C", 1), ("PLANE", count), ("RESULT", 0)]).run(
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
