//! Text tables: columns as wide as their widest cell, two blanks between them.

use std::fmt;

/// A heading and rows of as many cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

/// Each line after an indentation of two; nothing where there are no rows.
impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.len() < 2 {
            return Ok(());
        }
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line = format!("{line}  {cell:width$}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["code", "n"]);
        assert_eq!(table.to_string(), "");
        table.push(["eu".to_owned(), "1".to_owned()]);
        table.push(["eu-west".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "  code     n\n  eu       1\n  eu-west\n");
    }
}
