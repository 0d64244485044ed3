use super::SPACES;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

/// Operation on an edge of a cell, by the name that the authors' implementations use, for example `sep_conv_3x3`.
///
/// Each search space declares its ops beside its [`SpaceSpec`](super::SpaceSpec); ops of the same name in two spaces are
/// equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Op(&'static str);

impl Op {
    /// No connection: the output is zero. Every space has it.
    pub const NONE: Self = Self("none");

    /// Op of that name, which a space declares.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Name in genotypes and logs.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Op of that name among `known` ones.
    ///
    /// # Errors
    /// None of them has that name.
    pub fn find(name: &str, known: impl Iterator<Item = Self> + Clone) -> Result<Self, UnknownOp> {
        known
            .clone()
            .find(|op| op.0 == name)
            .ok_or_else(|| UnknownOp { name: name.to_owned(), known: known.map(Self::name).collect() })
    }
}

/// Name that is no op.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown op \"{name}\" (known: {})", known.join(", "))]
pub struct UnknownOp {
    /// The name.
    pub name: String,
    /// Names of the ops there are.
    pub known: Vec<&'static str>,
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl FromStr for Op {
    type Err = UnknownOp;

    /// Finds an op of any space.
    fn from_str(name: &str) -> Result<Self, UnknownOp> {
        Self::find(name, SPACES.iter().flat_map(|space| space.ops()))
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
