//! Reused memory for pictures: the system clears every page that it hands out, which took a fifth of a step.

use crate::kernels::cpu::blocks::{Vector, ZERO};
use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Vectors of pictures, whose first contents are arbitrary.
#[derive(Debug)]
pub(super) struct Buffer {
    /// At least as long as requested.
    vectors: Vec<Vector>,
    length: usize,
}

/// Free buffers, the last one returned at the end.
struct Store {
    free: Vec<Vec<Vector>>,
    /// Vectors in use, and the most ever in use, which is how many are kept in all.
    used: usize,
    most: usize,
}

static STORE: Mutex<Store> = Mutex::new(Store { free: Vec::new(), used: 0, most: 0 });

fn store() -> MutexGuard<'static, Store> {
    STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// The shortest free buffer that is long enough, unless most of it would be left over.
    fn take(&mut self, length: usize) -> Option<Vec<Vector>> {
        let fits = |vectors: &Vec<Vector>| (length..=2 * length).contains(&vectors.len());
        let (best, _) =
            self.free.iter().enumerate().rev().filter(|(_, vectors)| fits(vectors)).min_by_key(|(_, l)| l.len())?;
        Some(self.free.remove(best))
    }

    /// Counts vectors as used.
    fn count(&mut self, length: usize) {
        self.used += length;
        self.most = self.most.max(self.used);
        self.tidy();
    }

    /// Frees the buffers that were unused for longest, as long as there are too many.
    fn tidy(&mut self) {
        let mut kept: usize = self.free.iter().map(Vec::len).sum();
        while self.used + kept > self.most {
            kept -= self.free.remove(0).len();
        }
    }
}

impl Buffer {
    pub fn new(length: usize) -> Self {
        let mut store = store();
        let found = store.take(length);
        store.count(found.as_ref().map_or(length, Vec::len));
        drop(store);
        Self { vectors: found.unwrap_or_else(|| vec![ZERO; length]), length }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut store = store();
        store.used -= self.vectors.len();
        store.free.push(std::mem::take(&mut self.vectors));
        store.tidy();
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Buffer {
    type Target = [Vector];

    fn deref(&self) -> &[Vector] {
        &self.vectors[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [Vector] {
        &mut self.vectors[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_taken_again_and_not_all_is_kept() {
        let mut store = Store { free: vec![vec![ZERO; 30], vec![ZERO; 12], vec![ZERO; 10]], used: 5, most: 60 };
        assert_eq!(store.take(11).map(|vectors| vectors.len()), Some(12));
        assert!(store.take(11).is_none(), "a long one for something short");
        store.count(12);
        assert_eq!(store.free.len(), 2, "what is used and what is free is no more than ever was in use");
        store.count(10);
        assert_eq!((store.free.len(), store.most), (1, 60), "the one that was free for longest goes");
    }
}
