//! MessagePack as a hostile sender writes it: any fields, any order, any version.

use mpic_common::wire::strict::{self, Value};
use rmp::encode;

/// A message, to be changed at will.
#[derive(Debug)]
pub struct Message<'a>(Vec<(&'a str, Value<'a>)>);

impl<'a> Message<'a> {
    /// The fields of a well-formed map.
    pub fn read(octets: &'a [u8]) -> Self {
        match strict::parse(octets).unwrap() {
            Value::Map(fields) => Self(fields),
            other => panic!("{other:?} is no map"),
        }
    }

    /// The same with this field, changed where it is there and added where it is not.
    #[must_use]
    pub fn with(mut self, field: &'a str, value: Value<'a>) -> Self {
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, old)) => *old = value,
            None => self.0.push((field, value)),
        }
        self
    }

    /// The same without this field.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self
    }

    /// The value of this field.
    pub fn field(&self, field: &str) -> &Value<'a> {
        &self.0.iter().find(|(name, _)| *name == field).expect("the field is there").1
    }

    /// Its octets.
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        write(&mut octets, &Value::Map(self.0.clone()));
        octets
    }
}

/// Appends a value in its shortest form.
pub fn write(octets: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Nil => encode::write_nil(octets).unwrap(),
        Value::Bool(value) => encode::write_bool(octets, *value).unwrap(),
        Value::Uint(value) => drop(encode::write_uint(octets, *value).unwrap()),
        Value::Negative(value) => drop(encode::write_sint(octets, *value).unwrap()),
        Value::Float(value) => encode::write_f64(octets, *value).unwrap(),
        Value::Str(text) => encode::write_str(octets, text).unwrap(),
        Value::Bin(bin) => encode::write_bin(octets, bin).unwrap(),
        Value::Array(items) => {
            encode::write_array_len(octets, length(items)).unwrap();
            for item in items {
                write(octets, item);
            }
        }
        Value::Map(fields) => {
            encode::write_map_len(octets, length(fields)).unwrap();
            for (field, value) in fields {
                encode::write_str(octets, field).unwrap();
                write(octets, value);
            }
        }
    }
}

fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap()
}
