//! Shapes of launches by the device that they are for.

use crate::device::Tuning;

impl Tuning {
    /// Whether independent launches are joined into one, which takes a shader for every set of parts.
    pub(super) fn joins(self) -> bool {
        self != Self::Browser
    }

    /// The most vectors of pixels that a thread takes at once in products with weights.
    pub(super) fn vectors(self) -> usize {
        match self {
            Self::Gpu => 1,
            Self::Software | Self::Browser => 4,
        }
    }

    /// The most outputs that a thread computes in products with weights.
    pub(super) fn outputs(self) -> usize {
        match self {
            Self::Gpu => 16,
            Self::Software | Self::Browser => 8,
        }
    }

    /// The most rows and columns that a thread sums in products over the pixels.
    pub(super) fn tile(self) -> usize {
        match self {
            Self::Gpu => 8,
            Self::Software | Self::Browser => 4,
        }
    }

    /// Whether neighbouring threads walk runs of pixels instead of single pixels side by side.
    pub(super) fn runs(self) -> bool {
        self != Self::Gpu
    }
}
