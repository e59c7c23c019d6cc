//! What of a referral may outlive a job: the servers of a name, and the addresses that belong to it.

use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::PushError;
use domain::base::{Message, MessageBuilder, ParsedName, ToName};
use domain::rdata::{A, Aaaa, Ns};

use super::super::message::WireName;
use crate::egress::AddressPolicy;

/// A referral to the servers of one name, and for how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Referral {
    pub(super) octets: Vec<u8>,
    pub(super) ttl: Duration,
}

impl Referral {
    /// The referral to `name` in a reply of its parent's server. Glue is that of its own servers
    /// inside the parent, at addresses that may be asked. None if the reply is something else.
    pub(super) fn of(reply: &[u8], name: &WireName, addresses: &AddressPolicy) -> Option<Self> {
        let message = Message::from_octets(reply).ok()?;
        let header = message.header();
        let is_referral = !header.aa()
            && header.rcode() == Rcode::NOERROR
            && message.header_counts().ancount() == 0;
        if !is_referral {
            return None;
        }
        let mut ttl = u32::MAX;
        let mut servers = Vec::new();
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_qr(true);
        let mut builder = builder.question();
        builder.push((name, Rtype::NS)).ok()?;
        let mut builder = builder.authority();
        for record in message.authority().ok()?.limit_to_in::<Ns<ParsedName<_>>>() {
            let record = record.ok()?;
            if record.owner() == name {
                ttl = ttl.min(record.ttl().as_secs());
                servers.push(record.data().nsdname().to_vec());
                builder.push(record).ok()?;
            }
        }
        let parent = name.parent()?;
        let is_own = |owner: &WireName| {
            owner.ends_with(&parent) && servers.iter().any(|server| server == owner)
        };
        let mut builder = builder.additional();
        for record in message.additional().ok()? {
            let record = record.ok()?;
            if record.class() != Class::IN || !is_own(&record.owner().to_vec()) {
                continue;
            }
            let glue = record.ttl().as_secs();
            if let Some(record) = record.to_record::<A>().ok()? {
                if addresses.permits(record.data().addr().into()) {
                    push(builder.push(record), &mut ttl, glue)?;
                }
            } else if let Some(record) = record.to_record::<Aaaa>().ok()?
                && addresses.permits(record.data().addr().into())
            {
                push(builder.push(record), &mut ttl, glue)?;
            }
        }
        let ttl = Duration::from_secs(ttl.into());
        (!servers.is_empty()).then(|| Self { octets: builder.finish(), ttl })
    }
}

fn push(pushed: Result<(), PushError>, ttl: &mut u32, glue: u32) -> Option<()> {
    *ttl = (*ttl).min(glue);
    pushed.ok()
}

#[cfg(test)]
mod tests {
    use domain::base::Name;
    use domain::zonefile::inplace::{Entry, ScannedRecord, Zonefile};

    use super::*;

    fn name(text: &str) -> WireName {
        Name::vec_from_str(text).unwrap()
    }

    fn records(text: &str) -> Vec<ScannedRecord> {
        let mut file = Zonefile::from(format!("$TTL 900\n{text}\n").as_bytes());
        file.set_origin(Name::root_bytes());
        file.set_default_class(Class::IN);
        let entries = std::iter::from_fn(|| file.next_entry().unwrap());
        let record = |entry| match entry {
            Entry::Record(record) => Some(record),
            Entry::Include { .. } => None,
        };
        entries.filter_map(record).collect()
    }

    fn reply(aa: bool, answer: &str, authority: &str, additional: &str) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_aa(aa);
        let mut builder = builder.answer();
        for record in records(answer) {
            builder.push(record).unwrap();
        }
        let mut builder = builder.authority();
        for record in records(authority) {
            builder.push(record).unwrap();
        }
        let mut builder = builder.additional();
        for record in records(additional) {
            builder.push(record).unwrap();
        }
        builder.finish()
    }

    fn owners(referral: &Referral) -> Vec<String> {
        let message = Message::from_octets(&referral.octets).unwrap();
        let all = message.iter().map(|record| record.unwrap().0);
        all.map(|record| format!("{} {}", record.owner(), record.rtype())).collect()
    }

    #[test]
    fn only_the_names_own_servers_and_permitted_addresses_are_kept() {
        let authority = "co.uk. NS a.nic.uk.\nco.uk. NS b.elsewhere.net.\nuk. NS x.uk.\n\
            co.uk. DS 1 13 2 00";
        let additional = "a.nic.uk. A 8.8.8.8\na.nic.uk. AAAA fd00::1\na.nic.uk. A 10.0.0.1\n\
            a.nic.uk. 30 AAAA 2600::1\nb.elsewhere.net. A 8.8.4.4\nx.uk. A 9.9.9.9";
        let octets = reply(false, "", authority, additional);
        let referral = Referral::of(&octets, &name("co.uk"), &AddressPolicy::default()).unwrap();
        assert_eq!(owners(&referral), ["co.uk NS", "co.uk NS", "a.nic.uk A", "a.nic.uk AAAA"]);
        assert_eq!(referral.ttl, Duration::from_secs(30));
    }

    #[test]
    fn what_is_no_referral_is_not_kept() {
        let ns = "uk. NS a.nic.uk.";
        for octets in [
            reply(true, ns, "", ""),
            reply(true, "", ns, ""),
            reply(false, ns, "", ""),
            reply(false, "", "com. NS a.nic.uk.", ""),
            reply(false, "", "", "a.nic.uk. A 8.8.8.8"),
            reply(false, "", ns, "")[..20].to_vec(),
        ] {
            assert_eq!(Referral::of(&octets, &name("uk"), &AddressPolicy::default()), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_octets_never_panic(octets: Vec<u8>) {
            let policy = AddressPolicy::default();
            let _ = Referral::of(&octets, &name("uk"), &policy);
            let mut referral = reply(false, "", "uk. NS a.nic.uk.", "");
            referral[11] = 3;
            referral.extend(octets);
            let _ = Referral::of(&referral, &name("uk"), &policy);
        }
    }
}
