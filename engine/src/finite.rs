//! Numbers read from JSON, which must be finite in float32.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads a number within float32's range: one beyond it would become infinite, which JSON cannot represent.
pub(crate) fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let value = f32::deserialize(deserializer)?;
    if value.is_finite() { Ok(value) } else { Err(D::Error::custom("a number beyond float32")) }
}

/// Reads such a number, or none.
pub(crate) fn finite_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    finite(deserializer).map(Some)
}
