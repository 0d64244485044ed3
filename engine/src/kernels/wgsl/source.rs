//! Text of the shaders that are compiled: files with constants in front of them, and with arguments and loops written out.

/// Added to a variance before its root is taken.
pub(super) const EPSILON: &str = "const EPSILON: f32 = 1e-5;\n";

/// Beginning of the entry point of every shader whose only built-in value is the thread's global id.
pub(super) const ENTRY: &str = "@compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3<u32>)";

/// The most workgroups along one dimension that WebGPU guarantees.
pub(super) const MAX_WORKGROUPS: usize = 65535;
/// Argument of a launch with more workgroups along x than that: the number along y before some of x were moved there.
pub(super) const FOLDED_ROWS: &str = "FOLDED_ROWS";

/// Vectors of four words that hold `arguments` words.
pub(super) fn vectors(arguments: usize) -> usize {
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

/// A shader whose workgroups along x beyond the limit go along y, `rows` of them to a turn.
pub(super) fn unfolded(text: &str, rows: &str) -> String {
    assert!(
        text.contains(ENTRY),
        "a launch of more than {MAX_WORKGROUPS} workgroups of a shader that asks for their places"
    );
    let threads = 64 * MAX_WORKGROUPS;
    let entry = ENTRY.replace(" id:", " folded:");
    let body = text.replace(ENTRY, "fn unfolded_main(id: vec3<u32>)");
    format!(
        "{body}\n{entry} {{\n    let x = folded.x + folded.y / {rows} * {threads}u;\n    \
         unfolded_main(vec3<u32>(x, folded.y % {rows}, folded.z));\n}}\n"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_replaced_as_a_whole() {
        assert_eq!(replace_word("N + NODE + N2 + fN(N)", "N", "4u"), "4u + NODE + N2 + fN(4u)");
    }

    #[test]
    fn marked_loops_are_written_out() {
        let text = "// unroll\nfor (var i = 0u; i < K / 2u; i++) {\n    a[i] = i;\n}\n";
        let expected = "{\n    a[0u] = 0u;\n}\n{\n    a[1u] = 1u;\n}\n\n";
        assert_eq!(unroll(text, &[("K", 5)]), expected);
    }
}
