//! The page's parts that need no browser: messages between page and worker, the run as a fold over the engine's events,
//! settings and share links, names and figures in words, graph drawing and chart scales.

pub mod cells;
pub mod chart;
pub mod describe;
pub mod drawing;
pub mod fingerprint;
pub mod heat;
pub mod import;
pub mod messages;
pub mod names;
pub mod race;
pub mod recording;
pub mod run;
pub mod saved_search;
pub mod settings;
pub mod share_link;

/// Runs the initialisers of the crates in this module, once; call it first in `main`. In a module without this call, the
/// linker runs them again on every call from JavaScript, which costs milliseconds each.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the linker defines this function, and nothing else calls it")]
pub fn construct() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: it takes and returns nothing, and runs once, before anything that relies on it.
    unsafe { __wasm_call_ctors() }
}

/// Does nothing: elsewhere the system runs the initialisers.
#[cfg(not(target_arch = "wasm32"))]
pub fn construct() {}
