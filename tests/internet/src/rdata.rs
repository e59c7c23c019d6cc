//! Record data: from the presentation form of the configuration to octets.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use domain::base::{Name, Rtype, scan::Symbols};

use crate::config::{Data, Record};

/// The octets of a record's data, or why there are none.
pub(crate) fn encode(record: &Record) -> Result<Bytes, String> {
    let octets = match (&record.data, &record.rdata_hex) {
        (Some(Data::One(text)), None) => encode_text(record.rtype.0, text)?,
        (Some(Data::Several(texts)), None) if record.rtype.0 == Rtype::TXT => encode_txt(texts)?,
        (Some(Data::Several(_)), None) => return Err("only TXT takes a list".to_owned()),
        (None, Some(hex)) => {
            HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|error| error.to_string())?
        }
        _ => return Err("one of data and rdata_hex must be given".to_owned()),
    };
    if octets.len() > usize::from(u16::MAX) {
        return Err("longer than 65535 octets".to_owned());
    }
    Ok(octets.into())
}

fn encode_text(rtype: Rtype, text: &str) -> Result<Vec<u8>, String> {
    match rtype {
        Rtype::A => parse::<Ipv4Addr>(text).map(|address| address.octets().into()),
        Rtype::AAAA => parse::<Ipv6Addr>(text).map(|address| address.octets().into()),
        Rtype::CNAME | Rtype::NS | Rtype::PTR => {
            parse::<Name<Vec<u8>>>(text).map(Name::into_octets)
        }
        Rtype::CAA => encode_caa(text),
        Rtype::MX => encode_mx(text),
        Rtype::TXT => encode_txt(&[text]),
        _ => Err(format!("give rdata_hex for type {rtype}")),
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("\"{text}\": {error}"))
}

fn encode_mx(text: &str) -> Result<Vec<u8>, String> {
    let (preference, exchange) =
        text.split_once(' ').ok_or("MX is a preference and a name, such as \"10 mail.test\"")?;
    let mut octets = parse::<u16>(preference)?.to_be_bytes().to_vec();
    octets.extend(parse::<Name<Vec<u8>>>(exchange)?.as_slice());
    Ok(octets)
}

/// RFC 8659, 4.1: flags, length of the tag, tag, value.
fn encode_caa(text: &str) -> Result<Vec<u8>, String> {
    let (flags, rest) = text.split_once(' ').ok_or("CAA is flags, tag and value")?;
    let (tag, value) = rest.split_once(' ').ok_or("CAA is flags, tag and value")?;
    let mut octets = vec![parse::<u8>(flags)?];
    push_string(&mut octets, tag.as_bytes())?;
    octets.extend(unquote(value)?);
    Ok(octets)
}

/// A presentation-form string, with or without quotes, its escapes resolved.
fn unquote(text: &str) -> Result<Vec<u8>, String> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let mut symbols = Symbols::new(inner.chars());
    let octets = symbols
        .by_ref()
        .map(|symbol| symbol.into_octet().map_err(|error| format!("{text}: {error}")))
        .collect();
    symbols.ok().map_err(|error| format!("{text}: {error}"))?;
    octets
}

fn encode_txt<S: AsRef<str>>(texts: &[S]) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    for text in texts {
        push_string(&mut octets, text.as_ref().as_bytes())?;
    }
    Ok(octets)
}

/// RFC 1035, 3.3: a character-string is an octet of length and that many octets.
fn push_string(octets: &mut Vec<u8>, string: &[u8]) -> Result<(), String> {
    let length =
        u8::try_from(string.len()).map_err(|_| "a string is longer than 255 octets".to_owned())?;
    octets.push(length);
    octets.extend(string);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(rtype: Rtype, text: &str) -> Result<Bytes, String> {
        encode(&Record::new("x.test", rtype, text))
    }

    #[test]
    fn caa_is_flags_tag_and_value_with_its_escapes_resolved() {
        assert_eq!(
            &octets(Rtype::CAA, r#"128 issue "ca.test""#).unwrap()[..],
            b"\x80\x05issueca.test"
        );
        assert_eq!(
            &octets(Rtype::CAA, r#"0 iodef "a\"\000b""#).unwrap()[..],
            b"\x00\x05iodefa\"\0b"
        );
        assert_eq!(&octets(Rtype::CAA, r#"0 issue """#).unwrap()[..], b"\x00\x05issue");
        assert!(octets(Rtype::CAA, "0 issue").is_err());
        assert!(octets(Rtype::CAA, r#"256 issue "ca.test""#).is_err());
    }

    #[test]
    fn txt_is_taken_as_it_is_one_length_octet_a_string() {
        let strings = Data::Several(vec![r"a\b".to_owned(), String::new()]);
        let record = Record { data: Some(strings), ..Record::txt("x.test", "") };
        assert_eq!(&encode(&record).unwrap()[..], b"\x03a\\b\x00");
        assert!(octets(Rtype::TXT, &"a".repeat(256)).is_err());
    }

    #[test]
    fn names_and_addresses_become_wire_octets() {
        assert_eq!(&octets(Rtype::CNAME, "a.test.").unwrap()[..], b"\x01a\x04test\x00");
        assert_eq!(&octets(Rtype::MX, "10 a.test").unwrap()[..], b"\x00\x0a\x01a\x04test\x00");
        assert_eq!(octets(Rtype::AAAA, "::1").unwrap().len(), 16);
        assert!(octets(Rtype::A, "::1").is_err());
    }

    #[test]
    fn raw_octets_serve_any_type_but_not_beside_data() {
        let raw =
            Record { data: None, rdata_hex: Some("00FF".into()), ..Record::caa("x.test", "") };
        assert_eq!(&encode(&raw).unwrap()[..], b"\x00\xff");
        let both = Record { data: Some(Data::One(String::new())), ..raw };
        assert!(encode(&both).is_err());
    }
}
