use async_nats::Subject;
use async_nats::message::OutboundMessage;
use mpic_common::directory::Directory;
use mpic_common::testing::{Fleet, Seen, dns_01_job};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{self, NOW, Played, Said, StoppedClock};

/// One remote being asked, by a test that plays the bus and its agents.
struct World {
    asking: JoinSet<Answered>,
    sent: mpsc::Receiver<OutboundMessage>,
    say: mpsc::Sender<Message>,
    hurry: Arc<SetOnce<Instant>>,
    rejections: Rejections,
    began: Instant,
    honest: Vec<u8>,
    bus: Arc<Played>,
    _reader: JoinSet<()>,
}

const RESEND_AFTER: Duration = Duration::from_secs(8);

impl World {
    fn new() -> Self {
        let (fleet, job) = (Fleet::new(6), Arc::new(dns_01_job("a.example")));
        let ((bus, sent), (said, say)) = (Played::new(), Said::new());
        let (replies, hurry, rejections) =
            (Multiplexer::default(), Arc::default(), Rejections::default());
        let perspective: PerspectiveId = "r0".parse().unwrap();
        let token = |subject: &str| subject::parse_reply(subject).map(|(_, _, token)| token);
        let mut reader = JoinSet::new();
        let reading = replies.clone().run(Box::new(said), token, |_| {}, CancellationToken::new());
        reader.spawn(reading);
        let digest = Hash::of(b"the assignment");
        let (honest, _) = fleet.reply_to(digest, &perspective, &job, Seen::Expected);
        let question = Question {
            perspective,
            role: PerspectiveRole::Remote,
            assignment: Bytes::from_static(b"the assignment, signed"),
            assignment_digest: digest,
            job_digest: Hash::of(&job.to_body()),
            job,
            reply_octets_max: 8_192,
            directory: Arc::<Directory>::new(fleet.directory()),
            asked_ms: NOW,
            resend_at: Instant::now() + RESEND_AFTER,
            hurry: Arc::clone(&hurry),
            rejections: rejections.clone(),
        };
        let bus = Arc::new(bus);
        let perspectives = NatsPerspectives {
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            coordinator: "c0".parse().unwrap(),
            replies,
            exchanges: Exchanges::default(),
            clock: StoppedClock,
        };
        let asking = JoinSet::from_iter([perspectives.ask(question)]);
        let began = Instant::now();
        Self { asking, sent, say, hurry, rejections, began, honest, bus, _reader: reader }
    }

    /// The next send, and how long after the beginning it comes.
    async fn sent(&mut self) -> (Subject, Duration) {
        let message = self.sent.recv().await.unwrap();
        (message.reply.unwrap(), self.began.elapsed())
    }

    async fn say(&self, subject: &Subject, payload: &[u8], status: Option<StatusCode>) {
        let message = testing::message(subject, payload, status);
        self.say.send(message).await.unwrap();
    }

    async fn answered(&mut self) -> Answered {
        self.asking.join_next().await.unwrap().unwrap()
    }

    /// What does not count, once all that was said is read.
    async fn rejected(&self) -> Vec<Rejected> {
        while self.say.capacity() < self.say.max_capacity() {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        self.rejections.take(NOW).into_iter().map(|rejected| rejected.reason).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_perspective_is_asked_once_more_at_its_time() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    let (second, after) = world.sent().await;
    assert_ne!(first, second, "under a new token");
    assert_eq!(after, RESEND_AFTER);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_there_is_no_connection_and_what_was_not_is_sent_at_its_time() {
    let mut world = World::new();
    world.bus.set_connected(false);
    tokio::time::sleep(RESEND_AFTER / 2).await;
    assert!(world.sent.try_recv().is_err(), "it would be sent whenever the bus is back");
    world.bus.set_connected(true);
    let (_, after) = world.sent().await;
    assert_eq!(after, RESEND_AFTER);
}

#[tokio::test(start_paused = true)]
async fn once_the_rest_is_settled_a_silent_perspective_is_asked_sooner() {
    let mut world = World::new();
    let _ = world.sent().await;
    let soon = Duration::from_millis(10);
    world.hurry.set(Instant::now() + soon).unwrap();
    let (_, after) = world.sent().await;
    assert_eq!(after, soon);
    tokio::time::sleep(2 * RESEND_AFTER).await;
    assert!(world.sent.try_recv().is_err(), "it is sent again once");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_twice_is_noticed_as_a_duplicate() {
    let mut world = World::new();
    let (subject, _) = world.sent().await;
    let honest = world.honest.clone();
    world.say(&subject, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
    world.say(&subject, &honest, None).await;
    world.say(&subject, &honest, None).await;
    world.say(&subject, b"something else", None).await;
    assert_eq!(world.rejected().await, [Rejected::Duplicate, Rejected::Duplicate]);
    assert_eq!(world.rejected().await, [], "each is told once");
}

#[tokio::test(start_paused = true)]
async fn the_same_octets_in_answer_to_a_further_send_are_no_duplicate() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    let (second, _) = world.sent().await;
    let honest = world.honest.clone();
    world.say(&second, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
    world.say(&first, &honest, None).await;
    assert_eq!(world.rejected().await, []);
    world.say(&first, &honest, None).await;
    assert_eq!(world.rejected().await, [Rejected::Duplicate]);
}

#[tokio::test(start_paused = true)]
async fn nobody_serving_the_second_send_takes_nothing_from_the_reply_to_the_first() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    let (second, _) = world.sent().await;
    let honest = world.honest.clone();
    world.say(&first, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
    world.say(&second, b"", Some(StatusCode::NO_RESPONDERS)).await;
    assert_eq!(world.rejected().await, []);
}

#[tokio::test(start_paused = true)]
async fn octets_that_are_no_reply_leave_the_question_open() {
    let mut world = World::new();
    let (subject, _) = world.sent().await;
    world.say(&subject, b"noise", None).await;
    let honest = world.honest.clone();
    world.say(&subject, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
    assert_eq!(world.rejected().await, [Rejected::Malformed]);
}

#[tokio::test(start_paused = true)]
async fn while_an_agent_may_be_at_work_further_sends_that_nobody_serves_end_nothing() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    let (second, _) = world.sent().await;
    world.say(&second, b"", Some(StatusCode::NO_RESPONDERS)).await;
    let (third, _) = world.sent().await;
    world.say(&third, b"", Some(StatusCode::NO_RESPONDERS)).await;
    let honest = world.honest.clone();
    world.say(&first, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_a_refusal_leaves_the_further_send_to_its_time() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    world.say(&first, b"", Some(StatusCode::NO_RESPONDERS)).await;
    let (_, repeated) = world.sent().await;
    assert_eq!(repeated, REPEAT_AFTER_503);
    let (_, after) = world.sent().await;
    assert_eq!(after, RESEND_AFTER);
}

#[tokio::test(start_paused = true)]
async fn nobody_serving_twice_is_known_at_once() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    world.say(&first, b"", Some(StatusCode::NO_RESPONDERS)).await;
    world.say(&first, b"", Some(StatusCode::NO_RESPONDERS)).await;
    let (second, _) = world.sent().await;
    world.say(&second, b"", Some(StatusCode::NO_RESPONDERS)).await;
    let answered = world.answered().await;
    assert!(matches!(answered, Answered::Missing(Missing::NoResponders)), "{answered:?}");
    assert_eq!(world.began.elapsed(), REPEAT_AFTER_503);
}

#[tokio::test(start_paused = true)]
async fn octets_that_are_too_many_are_rejected_unread() {
    let mut world = World::new();
    let (subject, _) = world.sent().await;
    world.say(&subject, &[0xC0; 8_193], None).await;
    let honest = world.honest.clone();
    world.say(&subject, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
    assert_eq!(world.rejected().await, [Rejected::Malformed]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_and_a_further_send_that_fall_on_one_moment_are_one_send() {
    let mut world = World::new();
    let (first, _) = world.sent().await;
    world.hurry.set(Instant::now() + REPEAT_AFTER_503).unwrap();
    tokio::task::yield_now().await;
    world.say(&first, b"", Some(StatusCode::NO_RESPONDERS)).await;
    let (_, after) = world.sent().await;
    assert_eq!(after, REPEAT_AFTER_503);
    tokio::time::sleep(2 * RESEND_AFTER).await;
    assert!(world.sent.try_recv().is_err(), "nothing more is sent");
}

#[tokio::test(start_paused = true)]
async fn a_reply_on_the_subject_of_another_perspective_answers_nothing() {
    let mut world = World::new();
    let (subject, _) = world.sent().await;
    let elsewhere = Subject::from(subject.replace(".r0.", ".r1."));
    let honest = world.honest.clone();
    world.say(&elsewhere, &honest, None).await;
    assert_eq!(world.rejected().await, []);
    assert!(world.asking.try_join_next().is_none(), "the question is open");
    world.say(&subject, &honest, None).await;
    assert!(matches!(world.answered().await, Answered::Heard(_)));
}
