//! Several launches as one.

use crate::kernels::wgsl::{
    launch::{Folded, Launch, dispatch},
    profile,
    shaders::shader,
    source::{ENTRY, EPSILON, FOLDED_ROWS, argument, declare_arguments, replace_word, unfolded, unroll},
};
use burn::backend::wgpu::{KernelSource, SourceTemplate};
use cubecl::{
    prelude::{Client, ExecutionMode, KernelId},
    server::Handle,
};
use std::{collections::BTreeMap, fmt::Write};

/// Numbers that mean the same in every part.
const SHARED: [&str; 8] = ["N", "C", "H", "W", "PLANE", "COLUMNS", "INPUT", "NODE"];

/// Launches that do not wait for each other, made one: groups that lie one after the other along y, each of parts that a
/// thread runs one after the other.
///
/// A part's shader uses `global_invocation_id` and no other built-in value, and no workgroup memory.
pub(super) struct Joined<'a> {
    /// Whether they are launched as one.
    joined: bool,
    buffers: Vec<&'a Handle>,
    groups: Vec<Group>,
}

struct Group {
    threads: usize,
    /// Workgroups along y.
    length: usize,
    moved: usize,
    parts: Vec<Part>,
}

struct Part {
    launch: Launch,
    /// Of every so many workgroups along y,
    every: usize,
    /// the part runs in so many from this one on.
    turn: [usize; 2],
    /// Which of all buffers it binds.
    buffers: Vec<usize>,
}

impl<'a> Joined<'a> {
    /// No launches yet; those to come stay apart unless they are to be `joined`.
    pub fn new(joined: bool) -> Self {
        Self { joined, buffers: Vec::new(), groups: Vec::new() }
    }

    /// Starts a group of `threads` threads along x and `length` workgroups along y; `moved` floats are read or written.
    pub fn group(&mut self, threads: usize, length: usize, moved: usize) {
        self.groups.push(Group { threads, length, moved, parts: Vec::new() });
    }

    /// Counts `floats` more as read or written by the last group.
    pub fn moves(&mut self, floats: usize) {
        self.groups.last_mut().expect("a group to be part of").moved += floats;
    }

    /// Adds to the last group a part that runs in all its workgroups.
    pub fn part(&mut self, launch: Launch, buffers: &[&'a Handle]) {
        self.part_in_turn(launch, 1, [0, 1], buffers);
    }

    /// Adds to the last group a part that runs, of every `every` workgroups along y, only in some: their first, and how
    /// many.
    pub fn part_in_turn(&mut self, launch: Launch, every: usize, turn: [usize; 2], buffers: &[&'a Handle]) {
        let buffers = buffers
            .iter()
            .map(|&buffer| {
                self.buffers.iter().position(|&known| std::ptr::eq(known, buffer)).unwrap_or_else(|| {
                    self.buffers.push(buffer);
                    self.buffers.len() - 1
                })
            })
            .collect();
        self.groups.last_mut().expect("a group to be part of").parts.push(Part { launch, every, turn, buffers });
    }

    /// Launches all that was added, if anything was.
    pub fn run(self, client: &Client) {
        if !self.joined {
            return self.run_apart(client);
        }
        let Self { buffers, groups, .. } = self;
        let length: usize = groups.iter().map(|group| group.length).sum();
        if length == 0 {
            return;
        }
        let threads = groups.iter().map(|group| group.threads).max().unwrap_or_default();
        let moved = groups.iter().map(|group| group.moved).sum::<usize>();
        let (mut arguments, mut words) = arguments(&groups);
        let folded = Folded::of(threads.div_ceil(64), length);
        if let Some(rows) = folded.rows {
            arguments.push((None, FOLDED_ROWS, false));
            words.push(rows as u32);
        }
        let program = Program { groups, buffers: buffers.len(), arguments };
        profile::keep_source(|| program.source(), &program.files());
        profile::name_next(|| program.title(), 4 * moved as u64);
        let [x, y] = folded.groups;
        dispatch(client, program, &words, [x, y, 1], &buffers, moved);
    }

    /// Launches the parts one after the other.
    fn run_apart(self, client: &Client) {
        for Group { threads, length, moved, parts } in self.groups {
            let mut moved = Some(moved);
            for Part { launch, every, turn: [_, count], buffers } in parts {
                let buffers: Vec<&Handle> = buffers.into_iter().map(|at| self.buffers[at]).collect();
                // The floats that a group moves are counted with its first part.
                let moved = moved.take().unwrap_or_default();
                launch.run(client, threads, [length / every * count, 1], &buffers, moved);
            }
        }
    }
}

/// The part that an argument belongs to unless all share it, its name, and whether it is a float.
type Argument = (Option<usize>, &'static str, bool);

struct Program {
    groups: Vec<Group>,
    buffers: usize,
    arguments: Vec<Argument>,
}

/// All arguments, and the words passed: the lengths of the groups, then what the arguments are.
fn arguments(groups: &[Group]) -> (Vec<Argument>, Vec<u32>) {
    let mut names = Vec::new();
    let mut words: Vec<u32> = groups.iter().map(|group| group.length as u32).collect();
    for (i, part) in groups.iter().flat_map(|group| &group.parts).enumerate() {
        for &(name, bits, float) in &part.launch.arguments {
            let owner = (!SHARED.contains(&name)).then_some(i);
            match names.iter().position(|known| *known == (owner, name, float)) {
                Some(at) => assert_eq!(words[groups.len() + at], bits, "{name} differs between parts"),
                None => {
                    names.push((owner, name, float));
                    words.push(bits);
                }
            }
        }
    }
    (names, words)
}

impl Program {
    /// The parts of all groups.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.groups.iter().flat_map(|group| &group.parts)
    }

    /// The files of all parts.
    fn files(&self) -> Vec<&'static str> {
        self.parts().flat_map(|part| part.launch.files.iter().copied()).collect()
    }

    /// Name in a profile.
    fn title(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for part in self.parts() {
            let new = part.launch.names().into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>();
            names.extend(new);
        }
        let sizes = self.parts().next().map_or_else(String::new, |part| part.launch.sizes(&["C", "PLANE"]));
        format!("{} of {} kinds ({sizes})", names.join("+"), self.parts().count())
    }

    /// The text that is compiled: a function for each part, and an entry point.
    fn source(&self) -> String {
        let vector = self.parts().next().map_or("", |part| part.launch.files[0]);
        let mut bindings = BTreeMap::new();
        let mut functions = String::new();
        for (i, part) in self.parts().enumerate() {
            let Launch { files, constants, switches, .. } = &part.launch;
            assert_eq!(files[0], vector, "parts take vectors of one width");
            let text: String = files[1..].iter().map(|file| shader(file)).collect();
            let unrolled = unroll(&text.replace(ENTRY, "fn main(id: vec3<u32>)"), constants);
            let mut own = vec!["main".to_owned()];
            for (name, value) in constants {
                writeln!(functions, "const {name}_{i}: u32 = {value}u;").expect("a string takes all");
                own.push((*name).to_owned());
            }
            for (name, value) in switches {
                writeln!(functions, "const {name}_{i}: bool = {value};").expect("a string takes all");
                own.push((*name).to_owned());
            }
            let mut body = String::new();
            let mut renamed = Vec::new();
            for line in unrolled.lines() {
                if let Some((binding, name, of)) = binding(line) {
                    let at = part.buffers[binding];
                    renamed.push((name.to_owned(), format!("buffer_{at}")));
                    let of = constants
                        .iter()
                        .fold(of.to_owned(), |of, (name, value)| replace_word(&of, name, &format!("{value}u")));
                    let known = bindings.entry(at).or_insert_with(|| of.clone());
                    assert_eq!(*known, of, "a buffer is bound as two types");
                    continue;
                }
                if let Some(name) = declared(line).filter(|name| *name != "main") {
                    own.push(name.to_owned());
                }
                body.push_str(line);
                body.push('\n');
            }
            for (at, &(owner, name, float)) in self.arguments.iter().enumerate() {
                if owner.is_none_or(|owner| owner == i) {
                    body = replace_word(&body, name, &argument(self.groups.len() + at, float));
                }
            }
            for (name, with) in
                renamed.into_iter().chain(own.into_iter().map(|name| (name.clone(), format!("{name}_{i}"))))
            {
                body = replace_word(&body, &name, &with);
            }
            functions.push_str(&body);
        }
        let mut text = String::from(EPSILON);
        for (at, of) in bindings {
            writeln!(text, "@group(0) @binding({at}) var<storage, read_write> buffer_{at}: {of};")
                .expect("a string takes all");
        }
        text.push_str(&declare_arguments(self.buffers, self.groups.len() + self.arguments.len()));
        text.push_str(shader(vector));
        text.push_str(&functions);
        text.push_str(&self.entry());
        match self.arguments.iter().position(|&(_, name, _)| name == FOLDED_ROWS) {
            Some(at) => unfolded(&text, &argument(self.groups.len() + at, false)),
            None => text,
        }
    }

    /// The entry point, which finds the group of a workgroup.
    fn entry(&self) -> String {
        let mut text = format!("{ENTRY} {{\n    var y = id.y;\n");
        let mut i = 0;
        for (at, group) in self.groups.iter().enumerate() {
            let length = argument(at, false);
            writeln!(text, "    if (y < {length}) {{").expect("a string takes all");
            for part in &group.parts {
                let Part { every, turn: [first, count], .. } = part;
                let end = first + count;
                writeln!(text, "        if (y % {every}u >= {first}u && y % {every}u < {end}u) {{")
                    .expect("a string takes all");
                writeln!(text, "            main_{i}(vec3<u32>(id.x, y / {every}u * {count}u + y % {every}u - {first}u, 0u));\n        }}")
                    .expect("a string takes all");
                i += 1;
            }
            writeln!(text, "        return;\n    }}\n    y -= {length};").expect("a string takes all");
        }
        text.push_str("}\n");
        text
    }
}

impl KernelSource for Program {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(Program::source(self))
    }

    fn id(&self) -> KernelId {
        let parts: Vec<_> = self
            .groups
            .iter()
            .enumerate()
            .flat_map(|(at, group)| group.parts.iter().map(move |part| (at, part)))
            .map(|(at, Part { launch, every, turn, buffers })| {
                let Launch { files, constants, switches, .. } = launch;
                (at, files.clone(), constants.clone(), switches.clone(), (*every, *turn), buffers.clone())
            })
            .collect();
        KernelId::new::<Self>().info((parts, self.arguments.clone())).mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Binding, name and type of a buffer that a line declares.
fn binding(line: &str) -> Option<(usize, &str, &str)> {
    let (binding, declaration) = line.strip_prefix("@group(0) @binding(")?.split_once(") var<storage, read_write> ")?;
    let (name, of) = declaration.strip_suffix(';')?.split_once(": ")?;
    Some((binding.parse().ok()?, name, of))
}

/// The function, struct or private variable that a line declares.
fn declared(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("fn ") {
        return rest.split_once('(').map(|(name, _)| name);
    }
    if let Some(rest) = line.strip_prefix("struct ") {
        return rest.split_once(' ').map(|(name, _)| name);
    }
    line.strip_prefix("var<private> ")?.split_once(':').map(|(name, _)| name)
}
