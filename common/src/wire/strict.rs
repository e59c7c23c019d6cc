//! A structural pass over MessagePack, since serde's decoding is not strict: it takes trailing
//! octets, a struct sent as an array, repeats of unknown keys.

use std::collections::BTreeSet;

use rmp::Marker;

use super::Malformed;

/// Nesting deeper than this is no message of ours.
const DEPTH_MAX: usize = 8;

/// A decoded value that borrows from its input.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that is not negative.
    Uint(u64),
    /// A negative integer.
    Negative(i64),
    /// A floating-point number.
    Float(f64),
    /// UTF-8 text.
    Str(&'a str),
    /// Octets.
    Bin(&'a [u8]),
    /// A list.
    Array(Vec<Value<'a>>),
    /// Fields in their order, each key once.
    Map(Vec<(&'a str, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The fields, if it is a map.
    pub fn as_map(&self) -> Option<&[(&'a str, Self)]> {
        match self {
            Self::Map(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Parses one map that ends where `input` ends: depth at most 8, keys `str` and unique, no `ext`,
/// every length within the input.
pub fn parse(input: &[u8]) -> Result<Value<'_>, Malformed> {
    let mut reader = Reader { input, rest: input };
    let value = reader.value(DEPTH_MAX)?;
    if !reader.rest.is_empty() {
        return Err(reader.fault("octets after the end"));
    }
    match value {
        Value::Map(_) => Ok(value),
        _ => Err(Malformed::Structure { at: 0, what: "not a map" }),
    }
}

struct Reader<'a> {
    input: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn fault(&self, what: &'static str) -> Malformed {
        Malformed::Structure { at: self.input.len() - self.rest.len(), what }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.fault("a length that goes beyond the end"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian integer of `count` octets, at most 8.
    fn uint(&mut self, count: usize) -> Result<u64, Malformed> {
        let octets = self.take(count)?;
        Ok(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
    }

    fn length(&mut self, count: usize) -> Result<usize, Malformed> {
        let length = self.uint(count)?;
        usize::try_from(length).map_err(|_| self.fault("a length that goes beyond the end"))
    }

    fn negative_or_uint(&mut self, count: usize) -> Result<Value<'a>, Malformed> {
        let shift = 64 - 8 * count;
        let value = (self.uint(count)? << shift).cast_signed() >> shift;
        Ok(u64::try_from(value).map_or(Value::Negative(value), Value::Uint))
    }

    fn text(&mut self, length: usize) -> Result<&'a str, Malformed> {
        let octets = self.take(length)?;
        std::str::from_utf8(octets).map_err(|_| self.fault("text that is not UTF-8"))
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Value<'a>, Malformed> {
        let depth = depth.checked_sub(1).ok_or_else(|| self.fault("nested too deeply"))?;
        // Not allocated ahead: the length is the sender's claim.
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value<'a>, Malformed> {
        let depth = depth.checked_sub(1).ok_or_else(|| self.fault("nested too deeply"))?;
        let mut seen = BTreeSet::new();
        let mut fields = Vec::new();
        for _ in 0..length {
            let Value::Str(key) = self.value(0)? else {
                return Err(self.fault("a key that is not text"));
            };
            if !seen.insert(key) {
                return Err(self.fault("a key that stands twice"));
            }
            fields.push((key, self.value(depth)?));
        }
        Ok(Value::Map(fields))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        let marker = self.take(1)?.first().copied().map(Marker::from_u8);
        match marker.unwrap_or(Marker::Reserved) {
            Marker::Null => Ok(Value::Nil),
            Marker::True => Ok(Value::Bool(true)),
            Marker::False => Ok(Value::Bool(false)),
            Marker::FixPos(value) => Ok(Value::Uint(value.into())),
            Marker::FixNeg(value) => Ok(Value::Negative(value.into())),
            Marker::U8 => self.uint(1).map(Value::Uint),
            Marker::U16 => self.uint(2).map(Value::Uint),
            Marker::U32 => self.uint(4).map(Value::Uint),
            Marker::U64 => self.uint(8).map(Value::Uint),
            Marker::I8 => self.negative_or_uint(1),
            Marker::I16 => self.negative_or_uint(2),
            Marker::I32 => self.negative_or_uint(4),
            Marker::I64 => self.negative_or_uint(8),
            Marker::F32 => {
                let bits = u32::try_from(self.uint(4)?).unwrap_or_default();
                Ok(Value::Float(f32::from_bits(bits).into()))
            }
            Marker::F64 => self.uint(8).map(|bits| Value::Float(f64::from_bits(bits))),
            Marker::FixStr(length) => self.text(length.into()).map(Value::Str),
            Marker::Str8 => self.long(1, Self::text).map(Value::Str),
            Marker::Str16 => self.long(2, Self::text).map(Value::Str),
            Marker::Str32 => self.long(4, Self::text).map(Value::Str),
            Marker::Bin8 => self.long(1, Self::take).map(Value::Bin),
            Marker::Bin16 => self.long(2, Self::take).map(Value::Bin),
            Marker::Bin32 => self.long(4, Self::take).map(Value::Bin),
            Marker::FixArray(length) => self.array(length.into(), depth),
            Marker::Array16 => self.long(2, |reader, length| reader.array(length, depth)),
            Marker::Array32 => self.long(4, |reader, length| reader.array(length, depth)),
            Marker::FixMap(length) => self.map(length.into(), depth),
            Marker::Map16 => self.long(2, |reader, length| reader.map(length, depth)),
            Marker::Map32 => self.long(4, |reader, length| reader.map(length, depth)),
            _ => Err(self.fault("a type that no message of ours has")),
        }
    }

    /// What has its length before it, in `count` octets.
    fn long<T>(
        &mut self,
        count: usize,
        read: impl FnOnce(&mut Self, usize) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let length = self.length(count)?;
        read(self, length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(input: &[u8]) -> &'static str {
        match parse(input) {
            Err(Malformed::Structure { what, .. }) => what,
            other => panic!("{input:x?} gave {other:?}"),
        }
    }

    #[test]
    fn each_form_that_is_not_strict_is_named() {
        assert_eq!(fault(b"\x80\xc0"), "octets after the end");
        assert_eq!(fault(b"\x91\x01"), "not a map");
        assert_eq!(fault(b"\x82\xa1a\x01\xa1a\x02"), "a key that stands twice");
        assert_eq!(fault(b"\x81\x01\x02"), "a key that is not text");
        assert_eq!(fault(b"\x81\xa1a\xd4\x01\x02"), "a type that no message of ours has");
        assert_eq!(fault(b"\x81\xa1a\xc1"), "a type that no message of ours has");
        assert_eq!(fault(b"\x81\xa1a\xc4\x05ab"), "a length that goes beyond the end");
        assert_eq!(fault(b"\x81\xa1a\xa1\xff"), "text that is not UTF-8");
        assert_eq!(fault(b"\xdf\xff\xff\xff\xff"), "a length that goes beyond the end");
        assert_eq!(fault(b""), "a length that goes beyond the end");
        let nested = [&b"\x81\xa1a".repeat(8)[..], b"\x80"].concat();
        assert_eq!(fault(&nested), "nested too deeply");
        assert!(parse(&nested[3..]).is_ok(), "eight deep is allowed");
    }

    #[test]
    fn integers_of_every_width_are_read() {
        let input = b"\x84\xa1a\xd1\xff\x00\xa1b\xd3\0\0\0\0\0\0\0\x05\xa1c\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1d\xff";
        let Value::Map(fields) = parse(input).unwrap() else { panic!("no map") };
        let values: Vec<_> = fields.into_iter().map(|(_, value)| value).collect();
        let expected =
            [Value::Negative(-256), Value::Uint(5), Value::Uint(u64::MAX), Value::Negative(-1)];
        assert_eq!(values, expected);
    }

    proptest! {
        #[test]
        fn foreign_octets_never_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&input);
            let _ = parse(&[&[0x8F][..], &input].concat());
        }
    }
}
