use super::{Genotype, Op};

/// Names of the published convolutional cells that this framework can build.
pub const PUBLISHED: [&str; 6] = ["DARTS_V1", "DARTS_V2", "NASNet", "AmoebaNet", "PNASNet", "ENAS"];

/// A published cell by name, whatever the case.
///
/// - `DARTS_V1`, `DARTS_V2`: the paper's, of first and second order (figures 4 and 5).
/// - `NASNet`, `AmoebaNet`: NASNet-A (Zoph et al., 2018) and AmoebaNet-A (Real et al., 2018) as the authors' implementation
///   has them.
/// - `PNASNet`: PNASNet-5 (Liu et al., 2018, figure 1), as `genotypes.py` of `chenxi116/PNASNet.pytorch` has it. One cell
///   serves for both kinds; its output has all five nodes, also the one that another node reads. In its own network a skip
///   of stride 2 is one 1x1 convolution, and the stem on ImageNet is one convolution and two more reduction cells.
/// - `ENAS`: the micro cell of Pham et al. (2018), the `fixed_arc` of `scripts/cifar10_micro_final.sh` in
///   `melodyguan/enas`. The output has the nodes that no other reads. In its own network one more 1x1 convolution stands
///   before the newer input, and a skip of stride 2 has no ReLU.
pub fn published(name: &str) -> Option<Genotype> {
    use Op::{AvgPool3x3, Conv7x1_1x7, DilConv3x3, MaxPool3x3, SepConv3x3, SepConv5x5, SepConv7x7, SkipConnect};
    let name = PUBLISHED.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let (normal, normal_concat, reduce, reduce_concat): (&[_], &[_], &[_], &[_]) = match name {
        "DARTS_V1" => (
            &[
                (SepConv3x3, 1),
                (SepConv3x3, 0),
                (SkipConnect, 0),
                (SepConv3x3, 1),
                (SkipConnect, 0),
                (SepConv3x3, 1),
                (SepConv3x3, 0),
                (SkipConnect, 2),
            ],
            &[2, 3, 4, 5],
            &[
                (MaxPool3x3, 0),
                (MaxPool3x3, 1),
                (SkipConnect, 2),
                (MaxPool3x3, 0),
                (MaxPool3x3, 0),
                (SkipConnect, 2),
                (SkipConnect, 2),
                (AvgPool3x3, 0),
            ],
            &[2, 3, 4, 5],
        ),
        "DARTS_V2" => (
            &[
                (SepConv3x3, 0),
                (SepConv3x3, 1),
                (SepConv3x3, 0),
                (SepConv3x3, 1),
                (SepConv3x3, 1),
                (SkipConnect, 0),
                (SkipConnect, 0),
                (DilConv3x3, 2),
            ],
            &[2, 3, 4, 5],
            &[
                (MaxPool3x3, 0),
                (MaxPool3x3, 1),
                (SkipConnect, 2),
                (MaxPool3x3, 1),
                (MaxPool3x3, 0),
                (SkipConnect, 2),
                (SkipConnect, 2),
                (MaxPool3x3, 1),
            ],
            &[2, 3, 4, 5],
        ),
        "NASNet" => (
            &[
                (SepConv5x5, 1),
                (SepConv3x3, 0),
                (SepConv5x5, 0),
                (SepConv3x3, 0),
                (AvgPool3x3, 1),
                (SkipConnect, 0),
                (AvgPool3x3, 0),
                (AvgPool3x3, 0),
                (SepConv3x3, 1),
                (SkipConnect, 1),
            ],
            &[2, 3, 4, 5, 6],
            &[
                (SepConv5x5, 1),
                (SepConv7x7, 0),
                (MaxPool3x3, 1),
                (SepConv7x7, 0),
                (AvgPool3x3, 1),
                (SepConv5x5, 0),
                (SkipConnect, 3),
                (AvgPool3x3, 2),
                (SepConv3x3, 2),
                (MaxPool3x3, 1),
            ],
            &[4, 5, 6],
        ),
        "AmoebaNet" => (
            &[
                (AvgPool3x3, 0),
                (MaxPool3x3, 1),
                (SepConv3x3, 0),
                (SepConv5x5, 2),
                (SepConv3x3, 0),
                (AvgPool3x3, 3),
                (SepConv3x3, 1),
                (SkipConnect, 1),
                (SkipConnect, 0),
                (AvgPool3x3, 1),
            ],
            &[4, 5, 6],
            &[
                (AvgPool3x3, 0),
                (SepConv3x3, 1),
                (MaxPool3x3, 0),
                (SepConv7x7, 2),
                (SepConv7x7, 0),
                (AvgPool3x3, 1),
                (MaxPool3x3, 0),
                (MaxPool3x3, 1),
                (Conv7x1_1x7, 0),
                (SepConv3x3, 5),
            ],
            &[3, 4, 6],
        ),
        "PNASNet" => (&PNASNET, &[2, 3, 4, 5, 6], &PNASNET, &[2, 3, 4, 5, 6]),
        "ENAS" => (
            &[
                (AvgPool3x3, 0),
                (SepConv3x3, 0),
                (SkipConnect, 0),
                (SepConv5x5, 0),
                (SkipConnect, 0),
                (SepConv5x5, 1),
                (SepConv3x3, 1),
                (SepConv5x5, 0),
                (AvgPool3x3, 0),
                (SepConv5x5, 1),
            ],
            &[2, 3, 4, 5, 6],
            &[
                (SepConv3x3, 1),
                (SepConv3x3, 1),
                (MaxPool3x3, 0),
                (AvgPool3x3, 0),
                (SepConv5x5, 1),
                (SepConv5x5, 3),
                (SepConv3x3, 1),
                (SkipConnect, 0),
                (MaxPool3x3, 0),
                (SepConv5x5, 1),
            ],
            &[2, 4, 5, 6],
        ),
        _ => return None,
    };
    Some(Genotype {
        normal: normal.to_vec(),
        normal_concat: normal_concat.to_vec(),
        reduce: reduce.to_vec(),
        reduce_concat: reduce_concat.to_vec(),
    })
}

/// Both cells of PNASNet-5.
const PNASNET: [(Op, usize); 10] = [
    (Op::SepConv5x5, 0),
    (Op::MaxPool3x3, 0),
    (Op::SepConv7x7, 1),
    (Op::MaxPool3x3, 1),
    (Op::SepConv5x5, 1),
    (Op::SepConv3x3, 1),
    (Op::SepConv3x3, 4),
    (Op::MaxPool3x3, 1),
    (Op::SepConv3x3, 0),
    (Op::SkipConnect, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_cell_is_well_formed_and_survives_json() {
        for name in PUBLISHED {
            let genotype = published(&name.to_lowercase()).unwrap();
            genotype.check().unwrap();
            let json = serde_json::to_string(&genotype).unwrap();
            assert_eq!(serde_json::from_str::<Genotype>(&json).unwrap(), genotype);
        }
    }
}
