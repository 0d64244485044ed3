//! Curves of a run as tables.

use super::{Run, perplexity};
use darts_engine::event::Measure;
use std::fmt::Write;

impl Run {
    /// Curves as a table, one line per point: step, then loss and accuracy or perplexity of both splits, then the share of each
    /// op.
    pub fn csv(&self) -> String {
        let task = self.task().unwrap_or_default();
        let of_text = task.of_text();
        let second = if of_text { "perplexity" } else { "accuracy" };
        let mut text = format!("step,train_loss,train_{second},validation_loss,validation_{second}");
        for kind in task.kinds() {
            for op in kind.ops() {
                let _ = write!(text, ",{}_{}", kind.name(), op.name());
            }
        }
        text.push('\n');
        let second_of = |measure: &Measure| if of_text { Some(perplexity(measure.loss)) } else { measure.accuracy };
        for point in self.series.points() {
            let _ = write!(text, "{}", point.step);
            for measure in [&point.train, &point.valid] {
                let second = second_of(measure).map(|value| value.to_string()).unwrap_or_default();
                let _ = write!(text, ",{},{second}", measure.loss);
            }
            for kind in task.kinds() {
                for op in 0..kind.op_count() {
                    let _ = write!(text, ",{}", point.share(kind, op));
                }
            }
            text.push('\n');
        }
        text
    }

    /// Entropy of each edge over time as a table: steps done, then one column per edge, in bits.
    pub fn entropy_csv(&self) -> String {
        let mut text = "step".to_owned();
        for kind in self.task().unwrap_or_default().kinds() {
            for edge in 0..kind.edge_count() {
                let _ = write!(text, ",{}_{edge}", kind.name());
            }
        }
        text.push('\n');
        for frame in self.frames.all() {
            let _ = write!(text, "{}", frame.steps);
            for bits in &frame.entropy {
                let _ = write!(text, ",{bits}");
            }
            text.push('\n');
        }
        text
    }
}
