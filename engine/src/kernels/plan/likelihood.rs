use crate::device::Tuning;

/// How a likelihood is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LikelihoodPlan {
    /// The kernels' tuning.
    pub tuning: Tuning,
    /// Rows whose scores are computed at once; `None` for as many as the backend has room for.
    pub rows_at_once: Option<usize>,
    /// Whether scores stay for a backward pass, as far as there is room for them, rather than being computed again there.
    pub keep_scores: bool,
}

impl LikelihoodPlan {
    /// Chunks as the backend sees fit, scores kept.
    pub fn new(tuning: Tuning) -> Self {
        Self { tuning, rows_at_once: None, keep_scores: true }
    }

    /// The first row of each chunk and its number of rows, where `max_scores` scores of `vocabulary` words are computed at
    /// once unless the plan says otherwise.
    pub fn chunks(&self, rows: usize, vocabulary: usize, max_scores: usize) -> Vec<(usize, usize)> {
        let at_once = self.rows_at_once.unwrap_or(max_scores / vocabulary).clamp(1, rows);
        (0..rows).step_by(at_once).map(|first| (first, at_once.min(rows - first))).collect()
    }
}
