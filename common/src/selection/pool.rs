//! The remotes to choose from, and which of them do not count as two.

use crate::perspective::Perspective;

/// Candidates in the order of preference; sets of them are bits of a `u64`.
pub(super) struct Pool<'a, 'p> {
    candidates: &'a [&'p Perspective],
    /// Of each candidate, those that are less than 500 km away.
    close: Vec<u64>,
}

/// More perspectives than this are left out: a set of them is one `u64`.
const CANDIDATES_MAX: usize = 64;

impl<'a, 'p> Pool<'a, 'p> {
    pub(super) fn new(candidates: &'a [&'p Perspective]) -> Self {
        let candidates = candidates.get(..CANDIDATES_MAX).unwrap_or(candidates);
        let close = |one: &&Perspective| {
            let bits = candidates.iter().enumerate().map(|(index, other)| {
                let is_close = one.code != other.code && !one.is_distinct_from(other);
                u64::from(is_close) << index
            });
            bits.fold(0, |set, bit| set | bit)
        };
        Self { candidates, close: candidates.iter().map(close).collect() }
    }

    /// The size of the largest cohort.
    pub(super) fn largest(&self) -> usize {
        self.largest_of(self.all())
    }

    /// A cohort of `size`, at most the largest: each next one from the region, then from the
    /// provider, and then from the autonomous system that has the fewest so far; among equals the
    /// preferred.
    pub(super) fn spread(&self, size: usize) -> Vec<&'p Perspective> {
        let (mut left, mut taken): (u64, Vec<&Perspective>) = (self.all(), Vec::new());
        while taken.len() < size {
            let next = self
                .members(left)
                .filter(|(index, _)| {
                    taken.len() + 1 + self.largest_of(self.without(left, *index)) >= size
                })
                .min_by_key(|(index, candidate)| {
                    let same = |is_same: fn(&Perspective, &Perspective) -> bool| {
                        taken.iter().filter(|other| is_same(other, candidate)).count()
                    };
                    let region = same(|one, other| one.egress.registry == other.egress.registry);
                    let provider = same(is_of_the_same_provider);
                    (region, provider, same(|one, other| one.asn == other.asn), *index)
                });
            let Some((index, candidate)) = next else { break };
            taken.push(candidate);
            left = self.without(left, index);
        }
        taken
    }

    fn all(&self) -> u64 {
        (0..self.candidates.len()).fold(0, |set, index| set | 1 << index)
    }

    fn members(&self, set: u64) -> impl Iterator<Item = (usize, &'p Perspective)> {
        let candidates = self.candidates.iter().enumerate();
        candidates.filter(move |(index, _)| set >> index & 1 == 1).map(|(index, one)| (index, *one))
    }

    /// What is left of `set` once this one is taken.
    fn without(&self, set: u64, index: usize) -> u64 {
        set & !(1 << index) & !self.close.get(index).copied().unwrap_or(0)
    }

    /// Whether all of `set` that are close to this one are close to each other: then at most one of
    /// them is taken, and this one may as well be it.
    fn is_of_one_place(&self, set: u64, index: usize) -> bool {
        let close = |index: usize| self.close.get(index).copied().unwrap_or(0) & set;
        let around = close(index);
        self.members(around).all(|(other, _)| around & !close(other) & !(1 << other) == 0)
    }

    /// The largest number of members of `set` of which no two are close: either the first that
    /// has somebody close is taken, or it is not.
    fn largest_of(&self, set: u64) -> usize {
        let crowded = self
            .members(set)
            .map(|(index, _)| index)
            .find(|index| self.close.get(*index).is_some_and(|close| close & set != 0));
        match crowded {
            None => set.count_ones() as usize,
            Some(index) => {
                let with = 1 + self.largest_of(self.without(set, index));
                if self.is_of_one_place(set, index) {
                    return with;
                }
                with.max(self.largest_of(set & !(1 << index)))
            }
        }
    }
}

/// A provider that nobody names is nobody else's.
fn is_of_the_same_provider(one: &Perspective, other: &Perspective) -> bool {
    one.provider.is_some() && one.provider == other.provider
}
