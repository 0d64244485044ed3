//! Architecture evaluation (paper, section 3.2): networks of derived cells trained from scratch, on images and on text.

mod config;
#[cfg(feature = "compute")]
mod feed;
#[cfg(feature = "compute")]
mod network;
#[cfg(feature = "compute")]
mod text;
mod text_config;
#[cfg(feature = "files")]
mod text_weights;
#[cfg(feature = "compute")]
mod training;
#[cfg(feature = "files")]
mod weights;

#[cfg(feature = "files")]
pub use crate::layout::Network;
pub use crate::space::Stem;
pub use config::TrainConfig;
#[cfg(feature = "compute")]
pub use network::TrainPass;
#[cfg(feature = "compute")]
pub use text::{TextTraining, test_text};
pub use text_config::TextTrainConfig;
#[cfg(feature = "files")]
pub use text_weights::TextWeights;
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub use training::test_pictures;
#[cfg(feature = "compute")]
pub use training::{TrainError, Training, test};
#[cfg(feature = "files")]
pub use weights::{Weights, WeightsError};
