use super::text;

#[test]
fn a_message_has_at_most_512_octets() {
    assert_eq!(text::cut(&"a".repeat(600), super::MESSAGE_OCTETS_MAX).len(), 512);
}
