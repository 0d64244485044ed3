//! Measurements that kernels and loaders report.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Peak rates of the device, measured in the same run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Multiply-adds on numbers in registers, two operations each.
    pub multiply_add_gflops: f64,
    /// Bytes read and written by a copy.
    pub copy_gb_per_s: f64,
}

/// Clock that timed single launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedBy {
    /// Device's own clock, before and after each launch.
    DeviceTimestamps,
    /// Host's clock, waiting for each launch: the overhead of launching and waiting counts too.
    WallClock,
}

impl fmt::Display for TimedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeviceTimestamps => "device timestamps",
            Self::WallClock => "wall clock",
        })
    }
}

/// Time of one kernel in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelFigures {
    /// Shader and sizes.
    pub name: String,
    /// Launches.
    pub launches: u64,
    /// Milliseconds of all launches.
    pub ms: f64,
    /// Bytes read and written by all launches, known for this project's own shaders.
    pub bytes: Option<u64>,
}

/// Mean milliseconds of the stages of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecodeStages {
    /// Reading the file and decoding it.
    pub decode_ms: f64,
    /// Cropping, resizing and mirroring.
    pub resize_ms: f64,
    /// Varying the colours.
    pub colour_ms: f64,
}
