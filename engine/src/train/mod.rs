//! Architecture evaluation (paper, section 3.2): networks of derived cells trained from scratch. Loop and checkpoints are
//! written once, over a [`Trainee`].

#[cfg(feature = "compute")]
mod family;
#[cfg(feature = "compute")]
mod feed;
#[cfg(feature = "compute")]
mod images;
#[cfg(feature = "compute")]
mod test;
#[cfg(feature = "compute")]
mod text;
mod text_weights;
#[cfg(feature = "compute")]
mod training;
mod weights;

#[cfg(feature = "compute")]
pub use family::{Place, TrainOutcome, TrainSizes, Trainee};
#[cfg(feature = "compute")]
pub use images::{ImageProgress, ImageTrainee, ImageTraining};
#[cfg(feature = "compute")]
pub use test::test;
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub use test::test_pictures;
#[cfg(feature = "compute")]
pub use text::{TextProgress, TextTrainee, TextTraining, test_text};
pub use text_weights::TextWeights;
#[cfg(feature = "compute")]
pub use training::{TrainSums, Training};
pub use weights::{Weights, WeightsError};
