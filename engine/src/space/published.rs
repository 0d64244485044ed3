use super::{Genotype, Op};

/// Names of the published convolutional cells that this framework can build.
pub const PUBLISHED: [&str; 4] = ["DARTS_V1", "DARTS_V2", "NASNet", "AmoebaNet"];

/// A published cell by name, whatever the case: DARTS first order (`DARTS_V1`) and second order (`DARTS_V2`) from the
/// paper's figures 4 and 5, NASNet-A (Zoph et al., 2018) and AmoebaNet-A (Real et al., 2018) as the authors' implementation
/// has them.
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
        _ => return None,
    };
    Some(Genotype {
        normal: normal.to_vec(),
        normal_concat: normal_concat.to_vec(),
        reduce: reduce.to_vec(),
        reduce_concat: reduce_concat.to_vec(),
    })
}

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
