//! How much is taken at a time: places for POSTs, and a rate of them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::Limits;

/// Places for the POSTs of all CAs, and of each.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    of_ca: Vec<OfCa>,
}

#[derive(Debug)]
struct OfCa {
    places: Arc<Semaphore>,
    rate: Option<Mutex<Bucket>>,
}

/// Fills by `per_s` a second, and holds as many.
#[derive(Debug)]
struct Bucket {
    per_s: NonZeroUsize,
    /// When it is full again.
    full_at: Instant,
}

/// A place that is held while a POST is answered.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held")] [OwnedSemaphorePermit; 2]);

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// The CA has as many as it may.
    OfCa,
    /// All are taken.
    Any,
}

impl Places {
    /// For `cas` CAs.
    pub fn new(limits: &Limits, cas: usize, now: Instant) -> Self {
        let rate = || limits.rate_per_s_per_ca.map(|per_s| Bucket { per_s, full_at: now });
        let of_ca = || OfCa {
            places: Arc::new(Semaphore::new(limits.in_flight_per_ca)),
            rate: rate().map(Mutex::new),
        };
        Self {
            all: Arc::new(Semaphore::new(limits.in_flight)),
            of_ca: (0..cas).map(|_| of_ca()).collect(),
        }
    }

    /// A place for a POST of the CA with this number.
    pub fn take(&self, ca: usize, now: Instant) -> Result<Place, NoPlace> {
        let own = self.of_ca.get(ca).ok_or(NoPlace::OfCa)?;
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned();
        let of_ca = take(&own.places).map_err(|_| NoPlace::OfCa)?;
        let any = take(&self.all).map_err(|_| NoPlace::Any)?;
        if own.rate.as_ref().is_some_and(|bucket| !lock(bucket).take(now)) {
            return Err(NoPlace::OfCa);
        }
        Ok(Place([of_ca, any]))
    }

    /// POSTs that are being answered.
    pub fn taken(&self, in_flight: usize) -> usize {
        in_flight.saturating_sub(self.all.available_permits())
    }
}

fn lock(bucket: &Mutex<Bucket>) -> std::sync::MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let second = Duration::from_secs(1);
        let one = second / u32::try_from(self.per_s.get()).unwrap_or(u32::MAX);
        let full_at = self.full_at.max(now) + one;
        let fits = full_at.duration_since(now) <= second;
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(limits: &Limits) -> Places {
        Places::new(limits, 2, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_ca_has_its_own_places_and_all_share_the_rest() {
        let places = places(&Limits { in_flight_per_ca: 2, in_flight: 3, ..Limits::default() });
        let take = |ca| places.take(ca, Instant::now());
        let (one, _two) = (take(0).unwrap(), take(0).unwrap());
        assert_eq!(take(0).unwrap_err(), NoPlace::OfCa);
        let _three = take(1).unwrap();
        assert_eq!(take(1).unwrap_err(), NoPlace::Any);
        assert_eq!(places.taken(3), 3);
        drop(one);
        assert!(take(1).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_by_the_second() {
        let rate_per_s_per_ca = NonZeroUsize::new(4);
        let places = places(&Limits { rate_per_s_per_ca, ..Limits::default() });
        let take = || places.take(0, Instant::now());
        for _ in 0..4 {
            assert!(take().is_ok());
        }
        assert_eq!(take().unwrap_err(), NoPlace::OfCa);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert!(take().is_ok());
        assert!(take().is_err());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..10).filter(|_| take().is_ok()).count(), 4);
    }
}
