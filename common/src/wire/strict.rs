//! A structural pass over MessagePack, since serde's decoding is not strict: it takes trailing
//! octets, a struct sent as an array, repeats of unknown keys.

use std::collections::BTreeSet;

use rmp::Marker;

use super::Malformed;

/// Nesting deeper than this is no message of ours.
const DEPTH_MAX: usize = 8;

/// So many fields are held against each other one by one; more would take too long.
const FEW: usize = 48;

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

/// Errs where [`parse`] does, without making a value of what is there: the first field, where that
/// is text.
pub fn check(input: &[u8]) -> Result<Option<(&str, &str)>, Malformed> {
    let mut reader = Reader { input, rest: input };
    let Token::Map(length) = reader.token()? else {
        // Its error is the more exact one.
        return parse(input).map(|_| None);
    };
    reader.pass_map(length, DEPTH_MAX, &mut Vec::new())?;
    if !reader.rest.is_empty() {
        return Err(reader.fault("octets after the end"));
    }
    let mut reader = Reader { input, rest: input };
    reader.token()?;
    Ok(match (length, reader.value(0), reader.token()) {
        (1.., Ok(Value::Str(name)), Ok(Token::Value(Value::Str(text)))) => Some((name, text)),
        _ => None,
    })
}

/// A value, or what a list or map begins with: how many items or fields it has.
enum Token<'a> {
    Value(Value<'a>),
    Array(usize),
    Map(usize),
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
            let key = self.key()?;
            if !seen.insert(key) {
                return Err(self.fault("a key that stands twice"));
            }
            fields.push((key, self.value(depth)?));
        }
        Ok(Value::Map(fields))
    }

    fn key(&mut self) -> Result<&'a str, Malformed> {
        match self.token()? {
            Token::Value(Value::Str(key)) => Ok(key),
            _ => Err(self.fault("a key that is not text")),
        }
    }

    /// Goes past a value; `keys` holds those of the maps around it.
    fn pass(&mut self, depth: usize, keys: &mut Vec<&'a str>) -> Result<(), Malformed> {
        match self.token()? {
            Token::Value(_) => Ok(()),
            Token::Map(length) => self.pass_map(length, depth, keys),
            Token::Array(length) => {
                let depth = depth.checked_sub(1).ok_or_else(|| self.fault("nested too deeply"))?;
                (0..length).try_for_each(|_| self.pass(depth, keys))
            }
        }
    }

    fn pass_map(
        &mut self,
        length: usize,
        depth: usize,
        keys: &mut Vec<&'a str>,
    ) -> Result<(), Malformed> {
        if length > FEW {
            return self.map(length, depth).map(drop);
        }
        let depth = depth.checked_sub(1).ok_or_else(|| self.fault("nested too deeply"))?;
        let first = keys.len();
        for _ in 0..length {
            let key = self.key()?;
            if keys.iter().skip(first).any(|seen| *seen == key) {
                return Err(self.fault("a key that stands twice"));
            }
            keys.push(key);
            self.pass(depth, keys)?;
        }
        keys.truncate(first);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        match self.token()? {
            Token::Value(value) => Ok(value),
            Token::Array(length) => self.array(length, depth),
            Token::Map(length) => self.map(length, depth),
        }
    }

    fn token(&mut self) -> Result<Token<'a>, Malformed> {
        let marker = self.take(1)?.first().copied().map(Marker::from_u8);
        let value = match marker.unwrap_or(Marker::Reserved) {
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
            Marker::FixArray(length) => return Ok(Token::Array(length.into())),
            Marker::Array16 => return self.length(2).map(Token::Array),
            Marker::Array32 => return self.length(4).map(Token::Array),
            Marker::FixMap(length) => return Ok(Token::Map(length.into())),
            Marker::Map16 => return self.length(2).map(Token::Map),
            Marker::Map32 => return self.length(4).map(Token::Map),
            _ => Err(self.fault("a type that no message of ours has")),
        };
        value.map(Token::Value)
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

    const PIECES: &[&[u8]] = &[
        b"\x80",
        b"\x81",
        b"\x82",
        b"\x83",
        b"\xde\x00\x31",
        b"\x90",
        b"\x92",
        b"\xa1a",
        b"\xa1a",
        b"\xa1b",
        b"\xa2cd",
        b"\xa1\xff",
        b"\x01",
        b"\xc0",
        b"\xc4\x01x",
        b"\xcd\x01\x02",
        b"\xff",
        b"\xc1",
    ];

    #[test]
    fn a_check_gives_the_first_field_where_it_is_text() {
        assert_eq!(check(b"\x82\xa1a\xa1b\xa1c\x01"), Ok(Some(("a", "b"))));
        assert_eq!(check(b"\x82\xa1a\x01\xa1c\xa1b"), Ok(None));
        assert_eq!(check(b"\x80"), Ok(None));
        let many: Vec<u8> = (0..60_u8).flat_map(|key| [0xa1, b'A' + key, 0x01]).collect();
        let twice = [&[0xde, 0x00, 61][..], &many, b"\xa1A\x02"].concat();
        let fault = "a key that stands twice";
        assert!(matches!(check(&twice), Err(Malformed::Structure { what, .. }) if what == fault));
        assert!(check(&[&[0xde, 0x00, 60][..], &many].concat()).is_ok());
    }

    proptest! {
        #[test]
        fn foreign_octets_never_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&input);
            let _ = parse(&[&[0x8F][..], &input].concat());
        }

        /// Values and what is no value, made of what maps are made of.
        #[test]
        fn a_check_says_what_a_parse_does(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40),
        ) {
            let input = pieces.concat();
            for input in [input.clone(), [&[0x81, 0xa1, b'z'][..], &input].concat()] {
                prop_assert_eq!(check(&input).map(drop), parse(&input).map(drop));
            }
        }
    }
}
