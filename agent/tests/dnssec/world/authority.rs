//! What an honest server says about its zone (RFC 1034 4.3.2, RFC 4035 3.1).

use bytes::Bytes;
use domain::base::iana::{Class, OptRcode, Rtype};
use domain::base::name::ToName;
use domain::base::{Name, NameBuilder, Ttl};
use domain::rdata::{Cname, ZoneRecordData};

use super::server::Say;
use super::zone::{Owner, Record, Zone, covers, renamed};

/// The answer out of `zone` to (`qname`, `qtype`).
pub(crate) fn answer(zone: &Zone, qname: &Owner, qtype: Rtype) -> Say {
    if !qname.ends_with(&zone.origin) {
        return Say { rcode: OptRcode::REFUSED, aa: false, ..Say::empty() };
    }
    if let Some(cut) = cut(zone, qname, qtype) {
        return referral(zone, &cut);
    }
    if let Some(say) = through_dname(zone, qname) {
        return say;
    }
    if zone.exists(qname) {
        return at(zone, qname, qname, qtype);
    }
    let encloser = above(qname).find(|name| zone.exists(name)).unwrap();
    let wildcard = star(&encloser);
    if zone.exists(&wildcard) {
        let mut say = at(zone, &wildcard, qname, qtype);
        say.authority.extend(zone.denial(qname));
        return say;
    }
    let mut say = Say { rcode: OptRcode::NXDOMAIN, ..denial(zone, qname) };
    say.authority.extend(zone.denial(&wildcard));
    say
}

/// The records at `source`, under the name `qname`.
fn at(zone: &Zone, source: &Owner, qname: &Owner, qtype: Rtype) -> Say {
    let found = [qtype, Rtype::CNAME].into_iter().find(|rtype| zone.has(source, *rtype));
    let Some(rtype) = found else { return denial(zone, source) };
    let answer = zone.set(source, rtype).iter().map(|record| renamed(record, qname)).collect();
    Say { answer, ..Say::empty() }
}

fn denial(zone: &Zone, target: &Owner) -> Say {
    let mut say = Say::empty();
    say.authority.extend(zone.set(&zone.origin, Rtype::SOA));
    say.authority.extend(zone.denial(target));
    say
}

/// The highest delegation on the way to `qname`. DS records are the parent's.
fn cut(zone: &Zone, qname: &Owner, qtype: Rtype) -> Option<Owner> {
    let way: Vec<_> = std::iter::once(qname.clone())
        .chain(above(qname))
        .take_while(|name| *name != zone.origin)
        .collect();
    let mut cuts = way.into_iter().rev().filter(|name| zone.has(name, Rtype::NS));
    cuts.find(|name| qtype != Rtype::DS || name != qname)
}

fn referral(zone: &Zone, cut: &Owner) -> Say {
    let mut say = Say { aa: false, ..Say::empty() };
    say.authority.extend(zone.set(cut, Rtype::NS));
    let ds = zone.set(cut, Rtype::DS);
    say.authority.extend(if ds.is_empty() { zone.denial(cut) } else { ds });
    let glue = zone.records.iter().filter(|record| {
        record.owner().ends_with(cut) && matches!(record.rtype(), Rtype::A | Rtype::AAAA)
    });
    say.additional.extend(glue.cloned());
    say
}

fn through_dname(zone: &Zone, qname: &Owner) -> Option<Say> {
    let owner = above(qname).find(|name| zone.has(name, Rtype::DNAME))?;
    let answer = zone.set(&owner, Rtype::DNAME);
    let target = answer.iter().find_map(|record| match record.data() {
        ZoneRecordData::Dname(dname) => Some(dname.dname().clone()),
        _ => None,
    })?;
    let mut say = Say { answer, ..Say::empty() };
    match qname.clone().strip_suffix(&owner).unwrap().chain(target) {
        Ok(substituted) => {
            let cname = ZoneRecordData::Cname(Cname::new(substituted.to_bytes()));
            let ttl = Ttl::from_secs(300);
            say.answer.push(Record::new(qname.clone(), Class::IN, ttl, cname));
        }
        Err(_) => say.rcode = OptRcode::YXDOMAIN,
    }
    Some(say)
}

fn above(name: &Owner) -> impl Iterator<Item = Owner> {
    std::iter::successors(name.parent(), Name::parent)
}

fn star(encloser: &Owner) -> Owner {
    let mut star = NameBuilder::<bytes::BytesMut>::new_bytes();
    star.append_label(b"*").unwrap();
    star.append_origin(encloser).map(|name: Name<Bytes>| name).unwrap()
}

/// Whether a record is a signature, or proof of absence.
pub(crate) fn is_proof(record: &Record) -> bool {
    record.rtype() == Rtype::RRSIG || matches!(covers(record), Rtype::NSEC | Rtype::NSEC3)
}
