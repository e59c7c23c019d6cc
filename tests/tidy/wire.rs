//! The examples of `docs/WIRE.md`: each is parsed by what the processes use.

use std::collections::BTreeMap;
use std::fs;

use data_encoding::BASE64_MIME;
use mpic_common::assignment::Assignment;
use mpic_common::directory::DirectoryDocument;
use mpic_common::job::Job;
use mpic_common::proof::{ProofAnswer, ProofRequest};
use mpic_common::record::{
    Answer, DecisionRecord, LateRecord, NoteRecord, RefusalRecord, SupersededRecord,
};
use mpic_common::reply::Reply;
use mpic_common::testing::examples;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::root;

/// The base64 of each fenced block whose head is `base64` and a type.
fn documented() -> BTreeMap<String, Vec<u8>> {
    let text = fs::read_to_string(root().join("docs/WIRE.md")).unwrap();
    text.split("```base64 ")
        .skip(1)
        .map(|block| {
            let block = block.split("```").next().unwrap();
            let (kind, base64) = block.split_once('\n').unwrap();
            let joined: String = base64.split_whitespace().collect();
            (kind.to_owned(), BASE64_MIME.decode(joined.as_bytes()).unwrap())
        })
        .collect()
}

#[test]
fn the_examples_are_those_that_the_code_makes() {
    let documented = documented();
    for (kind, octets) in examples() {
        let found = documented.get(kind.as_str());
        let expected = BASE64_MIME.encode(&octets);
        assert!(found == Some(&octets), "docs/WIRE.md, {kind}:\n{expected}");
    }
    assert_eq!(documented.len(), examples().len());
}

/// What is decoded and encoded again is the same to the octet, so nothing is lost on the way.
fn survives<T: Serialize + DeserializeOwned>(kind: Kind, body: &[u8]) -> bool {
    let decoded: T = decode_body(kind, body).unwrap();
    encode_body(kind, &decoded) == body
}

#[test]
fn each_example_is_what_its_type_says() {
    for (name, octets) in documented() {
        let envelope = Envelope::parse(&octets, 65_535).unwrap();
        let (kind, body) = (envelope.kind, envelope.body);
        assert_eq!(kind.as_str(), name);
        let whole = match kind {
            Kind::Job => Job::parse(body).unwrap().to_body() == body,
            Kind::Assignment => survives::<Assignment>(kind, body),
            Kind::Reply => survives::<Reply>(kind, body),
            Kind::Decision => survives::<DecisionRecord>(kind, body),
            Kind::Refusal => survives::<RefusalRecord>(kind, body),
            Kind::Late => survives::<LateRecord>(kind, body),
            Kind::Superseded => survives::<SupersededRecord>(kind, body),
            Kind::Directory => survives::<DirectoryDocument>(kind, body),
            Kind::Note => survives::<NoteRecord>(kind, body),
            Kind::Answer => survives::<Answer>(kind, body),
            Kind::ProofRequest => ProofRequest::parse(body).unwrap().to_body() == body,
            Kind::Proof => survives::<ProofAnswer>(kind, body),
        };
        assert!(whole, "{name} is not what it was after decoding and encoding");
    }
}
