//! Figures and states in words.

use crate::{
    cells::{AnyOp, Cells, Kind},
    messages::Wanted,
    names::{op_name, row_text},
    run::{Moment, Plan, Run},
    saved_search::SavedSearch,
};
use darts_engine::{
    intervention::{OpName, SteeredCell, Steering},
    space::{CellKind, Cost, NetworkSize, recurrent_parameters},
};

/// An error message as a sentence: capital first, full stop last.
pub fn sentence(message: &str) -> String {
    let mut chars = message.trim().chars();
    let mut text: String = chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
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

/// The settings of a run, once it has begun.
pub fn run_settings(run: &Run) -> Option<String> {
    Some(match &run.started.as_ref()?.plan {
        Plan::Images { config, weight_images, alpha_images, steps_per_epoch } => format!(
            "{} cells of {} channels, batch {}, {} epochs of {} steps, {} images, seed {}",
            config.layers,
            config.init_channels,
            config.batch_size,
            grouped(config.epochs),
            grouped(*steps_per_epoch),
            grouped(weight_images + alpha_images),
            config.seed
        ),
        Plan::Text { config, vocabulary, train_words, valid_words } => format!(
            "recurrent cell of {} units, {} columns, {} words back, {} epochs, {} distinct of {} words, seed {}",
            config.hidden,
            config.batch_size,
            config.bptt,
            grouped(config.epochs),
            grouped(*vocabulary),
            grouped(train_words + valid_words),
            config.seed
        ),
    })
}

/// Cells of the supernet and channels of its first one, of a run on images.
pub fn supernet_size(run: &Run) -> Option<(usize, usize)> {
    match &run.started.as_ref()?.plan {
        Plan::Images { config, .. } => Some((config.layers, config.init_channels)),
        Plan::Text { .. } => None,
    }
}

/// Weights of the supernet and images to learn from, of a run on images.
pub fn supernet_counts(run: &Run) -> Option<(usize, usize)> {
    let started = run.started.as_ref()?;
    let Plan::Images { weight_images, alpha_images, .. } = started.plan else { return None };
    Some((started.parameters, weight_images + alpha_images))
}

/// Units and words that gradients go back through, of a run on text.
pub fn recurrent_size(run: &Run) -> Option<(usize, usize)> {
    match &run.started.as_ref()?.plan {
        Plan::Text { config, .. } => Some((config.hidden, config.bptt)),
        Plan::Images { .. } => None,
    }
}

/// Weights and words of a run on text.
pub fn recurrent_counts(run: &Run) -> Option<String> {
    let started = run.started.as_ref()?;
    let Plan::Text { vocabulary, train_words, valid_words, .. } = started.plan else { return None };
    let (weights, words) = (grouped(started.parameters), grouped(train_words + valid_words));
    Some(format!("{weights} weights, {} distinct of {words} words", grouped(vocabulary)))
}

/// A saved search, in a sentence.
pub fn saved_search(saved: &SavedSearch) -> String {
    let what = match &saved.request {
        Wanted::Images { config, .. } => {
            format!("{} cells of {} channels, seed {}", config.layers, config.init_channels, config.seed)
        }
        Wanted::Text { config, own, .. } => {
            let text = own.as_ref().map(|own| format!(", on {}", own.name)).unwrap_or_default();
            format!("a recurrent cell of {} units, seed {}{text}", config.hidden, config.seed)
        }
    };
    let steps = grouped(saved.run.steps);
    let all = saved.run.total_steps().map(|all| format!(" of {}", grouped(all))).unwrap_or_default();
    format!("A search of {what}, was at step {steps}{all} when it was last kept.")
}

/// An intervention in a few words.
pub fn intervention(intervention: &Steering) -> String {
    let edge = |cell: SteeredCell, row: usize| format!("{} {}", cell.name(), row_text(cell.into(), row));
    let name = |cell: SteeredCell, op: OpName| {
        let known = Kind::from(cell).task().ops().into_iter().find(|known| known.steered() == op);
        known.map_or_else(|| op.to_string(), op_name)
    };
    match *intervention {
        Steering::Pin { cell, edge: row, op } => format!("{} only {}", edge(cell, row), name(cell, op)),
        Steering::Prune { cell, edge: row, op } => format!("{} without {}", edge(cell, row), name(cell, op)),
        Steering::Release { cell, edge: row } => format!("{} released", edge(cell, row)),
        Steering::Nudge { cell, edge: row, op, by } => format!("{} {} {by:+}", edge(cell, row), name(cell, op)),
        Steering::Freeze { frozen: true } => "alphas held".into(),
        Steering::Freeze { frozen: false } => "alphas let go".into(),
        Steering::Rates { weights, alphas } => format!("rates {weights} and {alphas}"),
        Steering::Order { order } => format!("{order:?} order").to_lowercase(),
    }
}

/// The strongest op of an edge and its weight.
pub fn strongest_op(moment: Option<&Moment>, kind: Kind, edge: usize) -> String {
    let row = moment.and_then(|moment| moment.weights.of(kind).get(edge));
    let best = row.and_then(|row| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])));
    let (Some(row), Some(best)) = (row, best) else { return "no weights yet".into() };
    format!("strongest is {} with {:.3}", kind.task().ops()[best].name(), row[best])
}

/// Cost of an op where the first of its kind stands in the paper's network for CIFAR-10; ops of recurrent cells have no cost
/// of their own.
pub fn op_cost(op: AnyOp, kind: Kind, state: usize) -> Option<String> {
    let NetworkSize { init_channels, image, .. } = NetworkSize::CIFAR10;
    let AnyOp::Convolutional(op) = op else { return None };
    Some(cost(match kind.convolutional()? {
        CellKind::Normal => op.cost(init_channels, image, 1),
        CellKind::Reduce => op.cost(2 * init_channels, image / 2, if state < 2 { 2 } else { 1 }),
    }))
}

/// Cost of the paper's network of these cells.
pub fn network_cost(cells: &Cells) -> String {
    match cells {
        Cells::Convolutional(genotype) => {
            let NetworkSize { layers, init_channels, .. } = NetworkSize::CIFAR10;
            let cost = cost(genotype.cost(&NetworkSize::CIFAR10).network);
            format!("{layers} such cells of {init_channels} channels, the paper\u{2019}s network: {cost}.")
        }
        Cells::Recurrent(genotype) => {
            let parameters = recurrent_parameters(genotype.recurrent.len(), 10_000, 850);
            let millions = parameters as f64 / 1e6;
            format!("The paper\u{2019}s model of 850 units and 10,000 words around it: {millions:.1}M parameters.")
        }
    }
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
    use crate::cells::Task;
    use darts_engine::space::Op;

    #[test]
    fn figures_are_written_as_they_are_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([4.25, 61.0, 3725.0].map(duration), ["4.2 s", "1 min 1 s", "1 h 2 min"]);
        assert_eq!(["it broke", " Done!", ""].map(sentence), ["It broke.", "Done!", "."]);
    }

    #[test]
    fn interventions_name_their_edge_and_op() {
        let pin = Steering::Pin { cell: SteeredCell::Normal, edge: 0, op: Op::SepConv3x3.into() };
        assert_eq!(intervention(&pin), "normal ck\u{2212}2 \u{2192} 0 only sep 3\u{d7}3");
        let release = Steering::Release { cell: SteeredCell::Recurrent, edge: 2 };
        assert_eq!(intervention(&release), "recurrent 1 \u{2192} 2 released");
        assert_eq!(intervention(&Steering::Order { order: darts_engine::config::Order::Second }), "second order");
    }

    #[test]
    fn costs_are_those_of_the_papers_network() {
        let sep = AnyOp::Convolutional(Op::SepConv3x3);
        let normal = op_cost(sep, Kind::Normal, 0).unwrap();
        assert!(normal.contains("parameters") && normal != op_cost(sep, Kind::Reduce, 0).unwrap(), "{normal}");
        let pool = op_cost(AnyOp::Convolutional(Op::SkipConnect), Kind::Normal, 0).unwrap();
        assert_eq!(pool, "no parameters, no multiply-accumulates");
        let [v1, cell] = [Task::Convolutional, Task::Recurrent].map(|task| task.published_cells("DARTS_V1").unwrap());
        assert!(network_cost(&v1).starts_with("20 such cells of 36 channels, the paper\u{2019}s network: "));
        assert!(network_cost(&cell).starts_with("The paper\u{2019}s model of 850 units"));
    }
}
