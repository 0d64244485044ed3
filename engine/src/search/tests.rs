//! Searches in both spaces, step by step.

mod convolutional;
mod recurrent;
