//! Architecture evaluation (paper, section 3.2): networks of derived cells trained from scratch, on images and on text.

#[cfg(feature = "compute")]
mod feed;
#[cfg(feature = "compute")]
mod text;
mod text_weights;
#[cfg(feature = "compute")]
mod training;
mod weights;

#[cfg(feature = "compute")]
pub use text::{TextTraining, test_text};
pub use text_weights::TextWeights;
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub use training::test_pictures;
#[cfg(feature = "compute")]
pub use training::{TrainError, Training, test};
pub use weights::{Weights, WeightsError};
