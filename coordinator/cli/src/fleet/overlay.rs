//! Settings on top of generated ones.

use serde::Serialize;
use toml::{Table, Value};

/// What `config` says, with `beyond` on top of it.
pub(super) fn merged(config: &impl Serialize, beyond: Table) -> Result<Table, toml::ser::Error> {
    let mut table = Table::try_from(config)?;
    merge(&mut table, beyond);
    Ok(table)
}

/// Puts `beyond` on top of `table`, table by table.
pub(super) fn merge(table: &mut Table, beyond: Table) {
    for (key, value) in beyond {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_top_replaces_value_by_value() {
        let mut table: Table = toml::from_str("a = 1\n[t]\nb = 2\nc = 3").unwrap();
        merge(&mut table, toml::from_str("a = 4\n[t]\nc = 5\n[u]\nd = 6").unwrap());
        assert_eq!(table, toml::from_str("a = 4\n[t]\nb = 2\nc = 5\n[u]\nd = 6").unwrap());
    }
}
