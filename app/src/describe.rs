//! Figures and states in words.

use crate::{
    cells::{AnyOp, Cells, Kind, Task},
    messages::{DataRequest, SearchRequest},
    names::{op_name, row_text},
    run::{Moment, Run},
    saved_search::SavedSearch,
};
use darts_engine::{
    config::{AnySearchConfig, RecurrentConfig, SearchBasics, SearchConfig},
    intervention::Intervention,
    space::{CellKind, CellName, Cost, NetworkSize, Op, recurrent_parameters},
};

/// An error message as a sentence: capital first, full stop last.
pub fn sentence(message: &str) -> String {
    let mut text = capitalised(message.trim());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// A text with its first letter as a capital.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A count with commas between thousands.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the units that suit it.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// The supernet of a search, in a few words.
pub fn network(config: &AnySearchConfig) -> String {
    if let Ok(SearchConfig { layers, init_channels, .. }) = config.clone().try_into() {
        return format!("{layers} cells of {init_channels} channels");
    }
    match config.clone().try_into() {
        Ok(RecurrentConfig { hidden, .. }) => format!("recurrent cell of {hidden} units"),
        Err(space) => format!("{space} cells"),
    }
}

/// The settings of a run, once it has begun.
pub fn run_settings(run: &Run) -> Option<String> {
    let started = run.started.as_ref()?;
    let SearchBasics { batch_size, epochs, seed, .. } = started.config.basics();
    let batch = match started.config_of() {
        Some(RecurrentConfig { bptt, .. }) => format!("{batch_size} columns, {bptt} words back"),
        None => format!("batch {batch_size}"),
    };
    let steps = started.steps_per_epoch.map(|steps| format!(" of {} steps", grouped(steps))).unwrap_or_default();
    let data = match (started.vocabulary, grouped(started.examples())) {
        (Some(vocabulary), words) => format!("{} distinct of {words} words", grouped(vocabulary)),
        (None, images) => format!("{images} images"),
    };
    Some(format!("{}, {batch}, {} epochs{steps}, {data}, seed {seed}", network(&started.config), grouped(epochs)))
}

/// Cells of the supernet and channels of its first one, of a run on images.
pub fn supernet_size(run: &Run) -> Option<(usize, usize)> {
    let SearchConfig { layers, init_channels, .. } = run.started.as_ref()?.config_of()?;
    Some((layers, init_channels))
}

/// Weights of the supernet and images to learn from, of a run on images.
pub fn supernet_counts(run: &Run) -> Option<(usize, usize)> {
    let started = run.started.as_ref().filter(|started| started.vocabulary.is_none())?;
    Some((started.parameters, started.examples()))
}

/// Units, and words that gradients flow back through, of a run on text.
pub fn recurrent_size(run: &Run) -> Option<(usize, usize)> {
    let RecurrentConfig { hidden, bptt, .. } = run.started.as_ref()?.config_of()?;
    Some((hidden, bptt))
}

/// Weights and words of a run on text.
pub fn recurrent_counts(run: &Run) -> Option<String> {
    let started = run.started.as_ref()?;
    let (weights, words) = (grouped(started.parameters), grouped(started.examples()));
    Some(format!("{weights} weights, {} distinct of {words} words", grouped(started.vocabulary?)))
}

/// A saved search, in a sentence.
pub fn saved_search(saved: &SavedSearch) -> String {
    let SearchRequest { config, data } = &saved.request;
    let (article, text) = match data {
        DataRequest::Images { .. } => ("", String::new()),
        DataRequest::Text { own, .. } => {
            ("a ", own.as_ref().map(|own| format!(", on {}", own.name)).unwrap_or_default())
        }
    };
    let what = format!("{article}{}, seed {}{text}", network(config), config.basics().seed);
    let steps = grouped(saved.run.steps);
    let all = saved.run.total_steps().map(|all| format!(" of {}", grouped(all))).unwrap_or_default();
    format!("Saved search: {what}, at step {steps}{all}.")
}

/// An intervention in a few words.
pub fn intervention(intervention: &Intervention) -> String {
    let edge = |cell: CellName, row: usize| format!("{cell} {}", row_text(cell.into(), row));
    let name = |cell: CellName, op: Op| op_name(AnyOp { op, kind: cell.into() });
    match *intervention {
        Intervention::Pin { cell, edge: row, op } => format!("{} only {}", edge(cell, row), name(cell, op)),
        Intervention::Prune { cell, edge: row, op } => format!("{} without {}", edge(cell, row), name(cell, op)),
        Intervention::Release { cell, edge: row } => format!("{} released", edge(cell, row)),
        Intervention::Nudge { cell, edge: row, op, by } => format!("{} {} {by:+}", edge(cell, row), name(cell, op)),
        Intervention::Freeze { frozen: true } => "alphas frozen".into(),
        Intervention::Freeze { frozen: false } => "alphas unfrozen".into(),
        Intervention::Rates { weights, alphas } => format!("rates {weights} and {alphas}"),
        Intervention::Order { order } => format!("{order:?} order").to_lowercase(),
    }
}

/// A small number in words.
pub fn in_words(count: usize) -> String {
    let words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    words.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// The strongest op of an edge and its weight.
pub fn strongest_op(moment: Option<&Moment>, kind: Kind, edge: usize) -> String {
    let row = moment.and_then(|moment| moment.weights.of(kind).get(edge));
    let best = row.and_then(|row| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])));
    let (Some(row), Some(best)) = (row, best) else { return "no weights yet".into() };
    format!("strongest is {} with {:.3}", kind.ops()[best].name(), row[best])
}

/// Cost of the first op of its kind in the paper's network for CIFAR-10; ops of other spaces have no cost of their own.
pub fn op_cost(op: AnyOp, kind: Kind, state: usize) -> Option<String> {
    let NetworkSize { init_channels, image, .. } = NetworkSize::CIFAR10;
    let reduces = kind.place() == CellKind::Reduce.place();
    (kind.task() == Task::CONVOLUTIONAL).then(|| {
        cost(match reduces {
            false => op.op.cost(init_channels, image, 1),
            true => op.op.cost(2 * init_channels, image / 2, if state < kind.inputs() { 2 } else { 1 }),
        })
    })
}

/// Cost of the paper's network with these cells; empty if the paper has none.
pub fn network_cost(cells: &Cells) -> String {
    if cells.task() == Task::CONVOLUTIONAL {
        let NetworkSize { layers, init_channels, .. } = NetworkSize::CIFAR10;
        let cost = cost(cells.0.cost(&NetworkSize::CIFAR10).network);
        return format!("In the paper\u{2019}s network, {layers} cells of {init_channels} channels: {cost}.");
    }
    if cells.task() == Task::RECURRENT {
        let millions = recurrent_parameters(cells.0.nodes(0), 10_000, 850) as f64 / 1e6;
        return format!("In the paper\u{2019}s model of 850 units and 10,000 words: {millions:.1}M parameters.");
    }
    String::new()
}

/// Parameters and multiply-accumulates in few characters.
fn cost(cost: Cost) -> String {
    let short = |count: u64| match count as f64 {
        0.0 => "no".to_owned(),
        few if few < 1e3 => count.to_string(),
        some if some < 1e6 => format!("{:.1}k", some / 1e3),
        more if more < 1e8 => format!("{:.2}M", more / 1e6),
        most => format!("{:.0}M", most / 1e6),
    };
    match cost {
        Cost { params: 0, macs: 0 } => "no parameters, no multiply-accumulates".into(),
        Cost { params, macs } => format!("{} parameters, {} multiply-accumulates", short(params), short(macs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Kind {
        Kind::named(name).unwrap()
    }

    #[test]
    fn figures_are_written_as_they_are_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([4.25, 61.0, 3725.0].map(duration), ["4.2 s", "1 min 1 s", "1 h 2 min"]);
        assert_eq!(["it broke", " Done!", ""].map(sentence), ["It broke.", "Done!", "."]);
        assert_eq!([2, 8, 12].map(in_words), ["two", "eight", "12"]);
    }

    #[test]
    fn networks_are_described_by_their_sizes() {
        assert_eq!(network(&SearchConfig::default().into()), "8 cells of 16 channels");
        assert_eq!(network(&RecurrentConfig::default().into()), "recurrent cell of 300 units");
    }

    #[test]
    fn interventions_name_their_edge_and_op() {
        let pin = Intervention::Pin { cell: kind("normal").cell_name(), edge: 0, op: Op::SEP_CONV_3X3 };
        assert_eq!(intervention(&pin), "normal ck\u{2212}2 \u{2192} 0 only sep 3\u{d7}3");
        let release = Intervention::Release { cell: kind("recurrent").cell_name(), edge: 2 };
        assert_eq!(intervention(&release), "recurrent 1 \u{2192} 2 released");
        assert_eq!(intervention(&Intervention::Order { order: darts_engine::config::Order::Second }), "second order");
    }

    #[test]
    fn costs_are_those_of_the_papers_network() {
        let [normal, reduce] = [kind("normal"), kind("reduce")];
        let cost = |op, kind| op_cost(AnyOp { op, kind }, kind, 0).unwrap();
        let sep = cost(Op::SEP_CONV_3X3, normal);
        assert!(sep.contains("parameters") && sep != cost(Op::SEP_CONV_3X3, reduce), "{sep}");
        assert_eq!(cost(Op::SKIP_CONNECT, normal), "no parameters, no multiply-accumulates");
        let recurrent = kind("recurrent");
        assert_eq!(op_cost(AnyOp { op: Op::TANH, kind: recurrent }, recurrent, 0), None);
        let [v1, cell] = [Task::CONVOLUTIONAL, Task::RECURRENT].map(|task| task.published_cells("DARTS_V1").unwrap());
        assert!(network_cost(&v1).starts_with("In the paper\u{2019}s network, 20 cells of 36 channels: "));
        assert!(network_cost(&cell).starts_with("In the paper\u{2019}s model of 850 units"));
    }
}
