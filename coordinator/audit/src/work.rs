//! How a long check is carried out: on how many cores, and who is told how far it is.

use std::fmt;
use std::num::NonZeroUsize;

/// Is told how far a check is.
pub trait Watch {
    /// `done` of the `size` entries of the log `origin` were checked.
    fn advanced(&self, origin: &str, done: u64, size: u64);
}

/// Nobody.
impl Watch for () {
    fn advanced(&self, _: &str, _: u64, _: u64) {}
}

/// How a check is carried out.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Threads at work at one time. What is found does not depend on it.
    pub threads: NonZeroUsize,
    /// Who is told how far it is.
    pub watch: &'a dyn Watch,
}

impl Work<'_> {
    /// On one thread, for what must leave the cores to others.
    pub fn alone() -> Self {
        Work { threads: NonZeroUsize::MIN, watch: &() }
    }
}

/// On all cores, and nobody is told.
impl Default for Work<'_> {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, watch: &() }
    }
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// Applies `each` to chunks of so many items, side by side; the results stand in order.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    chunk: NonZeroUsize,
    threads: NonZeroUsize,
    each: impl Fn(&[T]) -> Vec<R> + Sync,
) -> Vec<R> {
    let chunks: Vec<_> = items.chunks(chunk.get()).collect();
    let share = chunks.len().div_ceil(threads.get()).max(1);
    if chunks.len() <= share {
        return chunks.into_iter().flat_map(&each).collect();
    }
    let apply = |share: &[&[T]]| -> Vec<R> { share.iter().flat_map(|chunk| each(chunk)).collect() };
    std::thread::scope(|scope| {
        let apply = &apply;
        let spawn = |share| scope.spawn(move || apply(share));
        let threads: Vec<_> = chunks.chunks(share).map(spawn).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<R>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_order_whatever_the_number_of_threads() {
        let items: Vec<u32> = (0..1_000).collect();
        for threads in [1, 2, 3, 7, 64] {
            for chunk in [1, 128, 2_000] {
                let number = |count| NonZeroUsize::new(count).expect("not zero");
                let double = |chunk: &[u32]| chunk.iter().map(|item| item * 2).collect();
                let doubled = side_by_side(&items, number(chunk), number(threads), double);
                assert!(doubled.into_iter().eq((0..1_000).map(|item| item * 2)));
            }
        }
        let none = side_by_side(&[0; 0], NonZeroUsize::MIN, NonZeroUsize::MIN, <[i32]>::to_vec);
        assert!(none.is_empty());
    }
}
