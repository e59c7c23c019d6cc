use mpic_common::testing::Fleet;

use super::*;
use crate::testing::Played;

fn hearing(bus: Arc<dyn Bus>) -> Hearing {
    let replies = Multiplexer::default();
    Hearing::new(bus, "c0".parse().unwrap(), replies, Exchanges::default())
}

#[tokio::test(start_paused = true)]
async fn a_perspective_that_cannot_be_heard_at_once_is_heard_in_the_end() {
    let (bus, _published) = Played::new();
    let bus = Arc::new(bus);
    let own = Arc::clone(&bus) as Arc<dyn Bus>;
    let mut hearing = hearing(own);
    bus.fail_subscriptions(FOLLOW_TRIES - 1);
    hearing.follow_persistently(&Fleet::new(6).directory()).await.unwrap();
    assert_eq!(hearing.heard.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_document_whose_perspectives_cannot_be_heard_is_given_up() {
    let (bus, _published) = Played::new();
    bus.fail_subscriptions(usize::MAX);
    let mut hearing = hearing(Arc::new(bus));
    let began = Instant::now();
    hearing.follow_persistently(&Fleet::new(6).directory()).await.unwrap_err();
    assert_eq!(began.elapsed(), FOLLOW_PAUSE * 4, "within bounds");
}
