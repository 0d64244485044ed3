//! The structure that ARCHITECTURE.md promises, and the links of the documents.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Modules of the engine from the lowest floor to the highest. A module imports only from floors before its own.
const FLOORS: [&str; 19] = [
    "finite",
    "space",
    "config",
    "intervention",
    "event",
    "profile",
    "data",
    "device",
    "network",
    "kernels",
    "ops",
    "model",
    "checkpoint",
    "error",
    "search",
    "train",
    "run",
    "bench",
    "lib",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

/// Files below a folder with that ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// First segments of all `crate::` paths of a source text.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let mut add = |rest: &str| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.insert(rest[..end].to_owned());
        };
        let rest = &text[at + "crate::".len()..];
        let Some(tree) = rest.strip_prefix('{') else {
            add(rest);
            continue;
        };
        // Every name at the first level of the braces.
        let (mut depth, mut start) = (0, true);
        for (i, c) in tree.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && c.is_alphabetic() => {
                    add(&tree[i..]);
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_module_of_the_engine_imports_from_a_floor_above() {
    let source = root().join("engine/src");
    let floor = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    let mut upwards = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files(&source, "rs") {
        let path = file.strip_prefix(&source).unwrap();
        let module = path.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let own = floor(module).unwrap_or_else(|| panic!("{module} has no floor"));
        seen.insert(own);
        if path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code: String = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect();
        for import in imports(&code) {
            if floor(&import).is_some_and(|other| other > own) {
                upwards.push(format!("{} uses {import}", path.display()));
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
    assert_eq!(seen.len(), FLOORS.len(), "every floor is a module");
}

/// Words that could be a heading's anchor.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn documents_name_files_that_are_there() {
    let root = root();
    let mut documents: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|file| root.join(file)).to_vec();
    documents.extend(files(&root.join("docs"), "md"));
    let mut checked = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap_or_else(|e| panic!("{}: {e}", document.display()));
        let folder = document.parent().unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { document.clone() } else { folder.join(path) };
            assert!(file.exists(), "{}: {target} is not there", document.display());
            if !fragment.is_empty() {
                let headings = fs::read_to_string(&file).unwrap();
                let known = headings.lines().any(|line| line.starts_with('#') && anchor(line) == fragment);
                assert!(known, "{}: {target} has no such heading", document.display());
            }
            checked += 1;
        }
        // Paths in code font, as ARCHITECTURE.md is full of them.
        let prose: String = text.split("```").step_by(2).collect();
        for path in prose.split('`').skip(1).step_by(2) {
            let first = path.split('/').next().unwrap();
            let named = ["engine", "app", "shaders", "tests", "public", "docs", ".ci"].contains(&first);
            let plain = path.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
            if named && plain && path.contains('/') {
                assert!(root.join(path).exists(), "{}: {path} is not there", document.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} links and paths were found");
}
