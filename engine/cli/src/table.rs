//! `darts table`: cost of networks of cells, beside the figures of the paper.

use crate::{
    genotype::{cell_help, find},
    output::{Outcome, Output},
};
use clap::Args;
use darts_engine::space::{
    CONVOLUTIONAL, Cifar10Report, DerivedCost, Genotype, ImageNetReport, NetworkSize, REPORTED_CIFAR10,
    REPORTED_IMAGENET,
};
use serde::Serialize;
use std::fmt::{self, Display};

#[derive(Args)]
pub struct Table {
    #[arg(value_name = "CELL", help = cell_help(CONVOLUTIONAL),
        long_help = cell_help(CONVOLUTIONAL) + " [default: all published cells]")]
    cells: Vec<String>,
}

pub fn run(table: Table, output: &Output) -> Outcome {
    let rows = if table.cells.is_empty() {
        // In the order of the paper's table, with the networks whose cells are not known.
        let mut rows: Vec<Row> = Vec::new();
        for report in REPORTED_CIFAR10 {
            match report.cell {
                Some(cell) if rows.iter().any(|row| row.cell.as_deref() == Some(cell)) => {}
                Some(cell) => {
                    let published = CONVOLUTIONAL.published(cell).expect("reported cells are published");
                    rows.push(Row::new(cell, published)?);
                }
                None => rows.push(Row { cifar10: Side { computed: None, reported: vec![report] }, ..Row::default() }),
            }
        }
        rows
    } else {
        let row = |cell: &String| Row::new(cell, find(CONVOLUTIONAL, cell)?);
        table.cells.iter().map(row).collect::<Outcome<_>>()?
    };
    let comparison = Comparison { cifar10_size: NetworkSize::CIFAR10, imagenet_size: NetworkSize::IMAGENET, rows };
    output.print(&comparison, &comparison)
}

/// The whole table.
#[derive(Serialize)]
struct Comparison {
    cifar10_size: NetworkSize,
    imagenet_size: NetworkSize,
    rows: Vec<Row>,
}

/// A cell, or a network of the paper whose cell is not known here.
#[derive(Default, Serialize)]
struct Row {
    /// Cell as given in the argument; none if it is unknown.
    cell: Option<String>,
    /// Its share code.
    code: Option<String>,
    cifar10: Side<Cifar10Report>,
    imagenet: Side<ImageNetReport>,
}

/// Computed and quoted figures at one size.
#[derive(Serialize)]
struct Side<R> {
    computed: Option<DerivedCost>,
    reported: Vec<R>,
}

impl<R> Default for Side<R> {
    fn default() -> Self {
        Self { computed: None, reported: Vec::new() }
    }
}

impl Row {
    fn new(cell: &str, genotype: Genotype) -> Outcome<Self> {
        let mut names = CONVOLUTIONAL.published_names();
        let name = names.find(|name| CONVOLUTIONAL.published(name).as_ref() == Some(&genotype));
        let computed = |size| Some(genotype.cost(&size));
        Ok(Self {
            cell: Some(cell.to_owned()),
            code: Some(genotype.code()?),
            cifar10: Side {
                computed: computed(NetworkSize::CIFAR10),
                reported: REPORTED_CIFAR10.into_iter().filter(|row| name.is_some() && row.cell == name).collect(),
            },
            imagenet: Side {
                computed: computed(NetworkSize::IMAGENET),
                reported: REPORTED_IMAGENET.into_iter().filter(|row| Some(row.cell) == name).collect(),
            },
        })
    }
}

/// Width of the column of names; longer names are cut off.
const NAME: usize = 16;

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = |of: &str, size: &NetworkSize, table: usize| {
            let NetworkSize { init_channels, layers, image, .. } = size;
            format!(
                "{of}: {init_channels} channels, {layers} cells, {image}x{image} pixels; beside it, the paper's table {table}"
            )
        };
        writeln!(f, "{}\n", title("CIFAR-10", &self.cifar10_size, 1))?;
        let head = format!("{:<31} {:<11} {:>6} {:>9}", "network", "test error %", "params", "GPU days");
        head_line(f, &head)?;
        for row in &self.rows {
            let reports = row.cifar10.reported.iter().map(|report| {
                let deviation =
                    report.deviation.map_or_else(String::new, |deviation| format!(" \u{b1} {deviation:.2}"));
                let error = format!("{:.2}{deviation}", report.test_error);
                format!("{:<31} {error:<12} {:>5.1}M {:>9}", report.network, report.params, report.gpu_days)
            });
            lines(f, row, row.cifar10.computed, reports)?;
        }
        writeln!(f, "\n{}\n", title("ImageNet", &self.imagenet_size, 3))?;
        let head =
            format!("{:<28} {:>5} {:>5} {:>6} {:>5} {:>9}", "network", "top-1", "top-5", "params", "macs", "GPU days");
        head_line(f, &head)?;
        for row in &self.rows {
            let reports = row.imagenet.reported.iter().map(|report| {
                let ImageNetReport { network, top1_error, top5_error, params, macs, gpu_days, .. } = report;
                format!("{network:<28} {top1_error:>5.1} {top5_error:>5.1} {params:>5.1}M {macs:>4.0}M {gpu_days:>9}")
            });
            lines(f, row, row.imagenet.computed, reports)?;
        }
        f.write_str(NOTE)
    }
}

const NOTE: &str = "
Left of \"network\" is computed, right of it quoted. Computed are trainable parameters, and
multiply-accumulates (macs) of convolutions and linear layers for one image, without the auxiliary
head, of the network that the authors' implementation builds of the cell at this size. For cells of
other papers that is not the network that those papers measured. Errors are in percent.";

fn head_line(f: &mut fmt::Formatter<'_>, reported: &str) -> fmt::Result {
    writeln!(f, "{:<NAME$} {:>7} {:>6}   {reported}", "cell", "params", "macs")
}

/// The line of a cell, and one more for each further report of it.
fn lines(
    f: &mut fmt::Formatter<'_>,
    row: &Row,
    computed: Option<DerivedCost>,
    mut reports: impl Iterator<Item = String>,
) -> fmt::Result {
    let first = reports.next();
    if computed.is_none() && first.is_none() {
        return Ok(());
    }
    let mut name = row.cell.clone().unwrap_or_default();
    if name.chars().count() > NAME {
        name = name.chars().take(NAME - 1).chain(['\u{2026}']).collect();
    }
    let millions = |count: u64| count as f64 / 1e6;
    let cost = computed.map_or_else(String::new, |cost| {
        format!("{:>6.2}M {:>5.0}M", millions(cost.network.params), millions(cost.network.macs))
    });
    writeln!(f, "{}", format!("{name:<NAME$} {cost:>14}   {}", first.unwrap_or_default()).trim_end())?;
    reports.try_for_each(|report| writeln!(f, "{:<NAME$} {:>14}   {report}", "", ""))
}
