use serde::Serialize;

/// A row of the paper's table 1: a network on CIFAR-10.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cifar10Report {
    /// Name among the published cells of [`super::CONVOLUTIONAL`], if it is there.
    pub cell: Option<&'static str>,
    /// The paper's name for the network.
    pub network: &'static str,
    /// Test error in percent.
    pub test_error: f64,
    /// Its deviation, where the paper has one.
    pub deviation: Option<f64>,
    /// Parameters in millions.
    pub params: f64,
    /// Search time in GPU days.
    pub gpu_days: f64,
}

/// A row of the paper's table 3: a network on ImageNet in the mobile setting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ImageNetReport {
    /// The cell's name in [`super::PUBLISHED`].
    pub cell: &'static str,
    /// The paper's name for the network.
    pub network: &'static str,
    /// Top-1 test error in percent.
    pub top1_error: f64,
    /// Top-5 test error in percent.
    pub top5_error: f64,
    /// Parameters in millions.
    pub params: f64,
    /// Multiply-accumulates in millions.
    pub macs: f64,
    /// Search time in GPU days.
    pub gpu_days: f64,
}

/// A row of the paper's table 2 or 5: a language model on the Penn Treebank or WikiText-2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TextReport {
    /// The cell's name in [`super::PUBLISHED_RECURRENT`], if it is there.
    pub cell: Option<&'static str>,
    /// The paper's name for the model.
    pub network: &'static str,
    /// Perplexity of the validation text, where the paper has it.
    pub valid_perplexity: Option<f64>,
    /// Perplexity of the test text.
    pub test_perplexity: f64,
    /// Parameters in millions.
    pub params: f64,
    /// Search time in GPU days, where there was a search that the paper counts so.
    pub gpu_days: Option<f64>,
}

/// The paper's table 2, on the Penn Treebank. *Searched again* is the cell that ENAS's public code found, *retrained* ENAS's
/// own cell in the paper's setting, *random search* the best of 8 random cells.
pub const REPORTED_PTB: [TextReport; 10] = [
    text(None, "variational RHN", Some(67.9), 65.4, 23.0, None),
    text(None, "LSTM", Some(60.7), 58.8, 24.0, None),
    text(None, "LSTM + skip connections", Some(60.9), 58.3, 24.0, None),
    text(None, "LSTM + 15 softmax experts", Some(58.1), 56.0, 22.0, None),
    text(None, "NAS", None, 64.0, 25.0, None),
    text(None, "ENAS, searched again", Some(68.3), 63.1, 24.0, Some(0.5)),
    text(Some("ENAS"), "ENAS, retrained", Some(60.8), 58.6, 24.0, Some(0.5)),
    text(None, "random search", Some(61.8), 59.4, 23.0, Some(2.0)),
    text(Some("DARTS_V1"), "DARTS (first order)", Some(60.2), 57.6, 23.0, Some(0.5)),
    text(Some("DARTS_V2"), "DARTS (second order)", Some(58.1), 55.7, 23.0, Some(1.0)),
];

/// Rows of the paper's table 5, on WikiText-2: cells were searched on the Penn Treebank.
pub const REPORTED_WT2: [TextReport; 5] = [
    text(None, "LSTM", Some(69.1), 66.0, 33.0, None),
    text(None, "LSTM + skip connections", Some(69.1), 65.9, 24.0, None),
    text(None, "LSTM + 15 softmax experts", Some(66.0), 63.3, 33.0, None),
    text(Some("ENAS"), "ENAS, retrained", Some(72.4), 70.4, 33.0, Some(0.5)),
    text(Some("DARTS_V2"), "DARTS (second order)", Some(71.2), 69.6, 33.0, Some(1.0)),
];

/// The paper's table 1, without the networks that are not made of two kinds of cells. *Retrained* are cells that its authors
/// trained in their own setting, *searched again* the best of eight runs of ENAS's public code, *random search* the best of
/// 24 random cells.
pub const REPORTED_CIFAR10: [Cifar10Report; 11] = [
    cifar10(Some("NASNet"), "NASNet-A + cutout", 2.65, None, 3.3, 2000.0),
    cifar10(Some("NASNet"), "NASNet-A + cutout, retrained", 2.83, None, 3.1, 2000.0),
    cifar10(Some("AmoebaNet"), "AmoebaNet-A", 3.34, Some(0.06), 3.2, 3150.0),
    cifar10(Some("AmoebaNet"), "AmoebaNet-A + cutout, retrained", 3.12, None, 3.1, 3150.0),
    cifar10(None, "AmoebaNet-B + cutout", 2.55, Some(0.05), 2.8, 3150.0),
    cifar10(Some("PNASNet"), "PNAS", 3.41, Some(0.09), 3.2, 225.0),
    cifar10(Some("ENAS"), "ENAS + cutout", 2.89, None, 4.6, 0.5),
    cifar10(None, "ENAS + cutout, searched again", 2.91, None, 4.2, 4.0),
    cifar10(None, "random search + cutout", 3.29, Some(0.15), 3.2, 4.0),
    cifar10(Some("DARTS_V1"), "DARTS (first order) + cutout", 3.00, Some(0.14), 3.3, 1.5),
    cifar10(Some("DARTS_V2"), "DARTS (second order) + cutout", 2.76, Some(0.09), 3.3, 4.0),
];

/// The rows of the paper's table 3 whose cells are published here.
pub const REPORTED_IMAGENET: [ImageNetReport; 4] = [
    imagenet("NASNet", "NASNet-A", [26.0, 8.4], 5.3, 564.0, 2000.0),
    imagenet("AmoebaNet", "AmoebaNet-A", [25.5, 8.0], 5.1, 555.0, 3150.0),
    imagenet("PNASNet", "PNAS", [25.8, 8.1], 5.1, 588.0, 225.0),
    imagenet("DARTS_V2", "DARTS (searched on CIFAR-10)", [26.7, 8.7], 4.7, 574.0, 4.0),
];

const fn text(
    cell: Option<&'static str>,
    network: &'static str,
    valid_perplexity: Option<f64>,
    test_perplexity: f64,
    params: f64,
    gpu_days: Option<f64>,
) -> TextReport {
    TextReport { cell, network, valid_perplexity, test_perplexity, params, gpu_days }
}

const fn cifar10(
    cell: Option<&'static str>,
    network: &'static str,
    test_error: f64,
    deviation: Option<f64>,
    params: f64,
    gpu_days: f64,
) -> Cifar10Report {
    Cifar10Report { cell, network, test_error, deviation, params, gpu_days }
}

const fn imagenet(
    cell: &'static str,
    network: &'static str,
    [top1_error, top5_error]: [f64; 2],
    params: f64,
    macs: f64,
    gpu_days: f64,
) -> ImageNetReport {
    ImageNetReport { cell, network, top1_error, top5_error, params, macs, gpu_days }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CONVOLUTIONAL, RECURRENT};

    #[test]
    fn reports_name_published_cells_and_each_has_one() {
        let published: Vec<&str> = CONVOLUTIONAL.published_names().collect();
        let named: Vec<&str> = REPORTED_CIFAR10.iter().filter_map(|row| row.cell).collect();
        assert!(named.iter().chain(REPORTED_IMAGENET.iter().map(|row| &row.cell)).all(|cell| published.contains(cell)));
        assert!(published.iter().all(|cell| named.contains(cell)));
        let named: Vec<&str> = REPORTED_PTB.iter().filter_map(|row| row.cell).collect();
        assert!(RECURRENT.published_names().all(|cell| named.contains(&cell)));
        assert!(REPORTED_WT2.iter().filter_map(|row| row.cell).all(|cell| named.contains(&cell)));
    }
}
