//! The page's parts that need no browser: what crosses between page and worker, the run as a fold over the engine's
//! events, the set-up with its URL code, graph layout and chart scales.

pub mod chart;
pub mod layout;
pub mod messages;
pub mod run;
pub mod setup;
