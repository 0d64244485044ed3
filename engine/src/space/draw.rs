//! Genotypes as text for people and as Graphviz documents.

use super::{CellSpec, DerivedCell, Genotype, Output};
use std::fmt::{self, Write};

impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (spec, cell) in self.space().spec().cells.iter().zip(self.cells()) {
            writeln!(f, "{}", spec.title)?;
            let nodes = spec.node_states(cell.ops.len() / spec.kept_edges);
            let width = spec.ops().map(|op| op.name().len()).max().unwrap_or_default() + 1;
            for (state, ops) in nodes.zip(cell.ops.chunks(spec.kept_edges)) {
                for (i, (op, source)) in ops.iter().enumerate() {
                    let (name, sign) = if i == 0 { (spec.state_name(state), '=') } else { (String::new(), '+') };
                    writeln!(f, "  {name:<7} {sign} {op:<width$} of {}", spec.state_name(*source))?;
                }
            }
            let parts: Vec<_> = cell.concat.iter().map(|&state| spec.state_name(state)).collect();
            let mean = if spec.output == Output::Mean { "mean of " } else { "" };
            writeln!(f, "  output  = {mean}{}", parts.join(", "))?;
        }
        Ok(())
    }
}

impl Genotype {
    /// Cells as a Graphviz document: states as boxes, ops as labels of the edges; several kinds as clusters of one graph.
    pub fn dot(&self) -> String {
        let mut text = "digraph genotype {\n  rankdir=LR\n  node [shape=box, style=rounded]\n".to_owned();
        let cells = self.space().spec().cells;
        for (spec, cell) in cells.iter().zip(self.cells()) {
            if cells.len() == 1 {
                cell_dot(&mut text, spec, cell, "  ", "");
                continue;
            }
            let _ = writeln!(text, "  subgraph cluster_{} {{\n    label=\"{}\"", spec.name, spec.title);
            cell_dot(&mut text, spec, cell, "    ", &format!("{}_", spec.name));
            text.push_str("  }\n");
        }
        text.push_str("}\n");
        text
    }
}

/// Writes the states and edges of a cell, whose identifiers begin with `prefix`.
fn cell_dot(text: &mut String, spec: &CellSpec, cell: &DerivedCell, indent: &str, prefix: &str) {
    for (name, label) in spec.sources {
        let _ = writeln!(text, "{indent}{prefix}{name} [label=\"{label}\"]");
    }
    let states = spec.node_states(cell.ops.len() / spec.kept_edges).end;
    for state in 0..states {
        let _ = writeln!(text, "{indent}{prefix}state_{state} [label=\"{}\"]", spec.state_name(state));
    }
    let _ = writeln!(text, "{indent}{prefix}output [label=\"{}\"]", spec.output_label);
    for (name, _) in spec.sources {
        let _ = writeln!(text, "{indent}{prefix}{name} -> {prefix}state_0");
    }
    for (i, (op, state)) in cell.ops.iter().enumerate() {
        let node = spec.inputs.len() + i / spec.kept_edges;
        let _ = writeln!(text, "{indent}{prefix}state_{state} -> {prefix}state_{node} [label=\"{op}\"]");
    }
    for state in &cell.concat {
        let _ = writeln!(text, "{indent}{prefix}state_{state} -> {prefix}output");
    }
}

#[cfg(test)]
mod tests {
    use crate::space::{CONVOLUTIONAL, RECURRENT};

    #[test]
    fn dot_has_every_state_and_edge_once() {
        let dot = CONVOLUTIONAL.published("AmoebaNet").unwrap().dot();
        assert_eq!(dot.matches(" -> ").count(), 20 + 3 + 3);
        assert_eq!(dot.matches("[label=").count(), 2 * (7 + 1) + 20);
        assert!(dot.contains("reduce_state_0 -> reduce_state_6 [label=\"conv_7x1_1x7\"]"), "{dot}");
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
        for name in RECURRENT.published_names() {
            let genotype = RECURRENT.published(name).unwrap();
            let cell = &genotype.cells()[0];
            assert_eq!(genotype.dot().matches(" -> ").count(), 2 + cell.ops.len() + cell.concat.len());
        }
    }

    #[test]
    fn text_names_nodes_ops_and_states() {
        let text = CONVOLUTIONAL.published("DARTS_V2").unwrap().to_string();
        assert!(text.starts_with("normal cell\n  node 0  = sep_conv_3x3  of c_{k-2}\n"), "{text}");
        assert!(text.contains("          + dil_conv_3x3  of node 0\n  output  = node 0, node 1, node 2, node 3\n"));
        let text = RECURRENT.published("DARTS_V2").unwrap().to_string();
        assert!(text.starts_with("recurrent cell\n  node 1  = sigmoid   of first state\n"), "{text}");
        assert!(text.contains("  output  = mean of node 1, node 2"), "{text}");
    }
}
