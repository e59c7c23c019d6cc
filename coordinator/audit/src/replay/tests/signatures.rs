//! Of every signature in an entry it is told whose it is, whether it holds, and why not.

use super::*;

/// The signatures of each entry of a log.
fn of_all(entries: &[Vec<u8>]) -> Vec<Vec<Signature>> {
    let log = tempfile::tempdir().expect("a directory");
    write(log.path(), ORIGIN, entries);
    let reader = LogReader::open(log.path(), key(ORIGIN).public()).expect("opened");
    let of = |index| {
        let found = signatures::<Box<dyn std::error::Error>>(&reader, &[], index);
        found.expect("readable")
    };
    (0..entries.len() as u64).map(of).collect()
}

/// The one signature that does not hold, and why.
fn refused(found: &[Signature]) -> (&str, &str) {
    let refused: Vec<_> = found.iter().filter(|found| !found.valid).collect();
    let [refused] = refused.as_slice() else { panic!("{found:#?}") };
    (&refused.of, refused.why.as_deref().expect("a reason"))
}

#[test]
fn all_signatures_of_every_kind_of_record_are_told_with_their_owners() {
    let fleet = fleet();
    let (one, two) = (job(0), job(1));
    let some = decision(&fleet, &two, |code| (code.as_str() != "r2").then_some(Seen::Expected));
    let some = sign_decision(&some, &two);
    let entries = log_of(vec![
        sign_decision(&unanimous(&fleet, &one), &one),
        some.clone(),
        late(&some, &two, &["r2"]),
        refusal("c0"),
        note("alice", NoteKind::Note, vec![]),
    ]);
    let all = of_all(&entries);
    assert!(all.iter().flatten().all(|found| found.valid && found.why.is_none()), "{all:#?}");
    let counts: Vec<_> = all.iter().map(Vec::len).collect();
    // Genesis has none; a decision its own, its assignment's, and those of its replies.
    assert_eq!(counts, [0, 1, 9, 8, 2, 1, 1]);
    let owners = |index: usize| -> Vec<_> {
        all[index].iter().map(|found| found.owner.as_deref().expect("an owner")).collect()
    };
    assert_eq!(owners(1), ["directory root"]);
    assert_eq!(owners(2)[..2], ["coordinator `c0`", "coordinator `c0`"]);
    assert_eq!(owners(4), ["coordinator `c0`", "perspective `r2`"]);
    assert_eq!(owners(6), ["operator `alice`"]);
    assert_eq!(all[4][1].of, "replies[r2]");
}

#[test]
fn a_signature_that_does_not_hold_is_named_and_the_others_stand() {
    let job = job(0);
    let mut forged = unanimous(&fleet(), &job);
    *forged.replies[1].reply.0.last_mut().expect("a signature") ^= 1;
    let code = forged.replies[1].perspective.clone();
    let forged = sign_decision(&forged, &job);
    let mut broken = sign_decision(&unanimous(&fleet(), &job), &job);
    *broken.last_mut().expect("a signature") ^= 1;
    let all = of_all(&log_of(vec![
        forged,
        broken,
        refusal("r1"),
        b"junk".to_vec(),
        sign(Kind::Refusal, &"no refusal", "c0", Hash::ZERO),
    ]));
    assert_eq!(refused(&all[2]), (format!("replies[{code}]").as_str(), "bad-signature"));
    assert_eq!(refused(&all[3]), ("decision", "the signature does not verify"));
    let (of, why) = refused(&all[4]);
    assert!(of == "refusal" && why.contains("not of"), "{why}");
    let (of, why) = refused(&all[5]);
    assert!(of == "entry" && why.starts_with("no record"), "{why}");
    assert_eq!(refused(&all[6]).0, "refusal");
}
