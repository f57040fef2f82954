//! What a command prints: a table for people, JSON or YAML for programs.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use clap::ValueEnum;
use serde::Serialize;

use crate::error::{Error, Result};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Prints `value`, or for people what `text` makes of it.
pub fn print<T: Serialize>(format: Format, value: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
    let text = match format {
        Format::Table => text(value),
        Format::Json => serde_json::to_string_pretty(value).map_err(|error| Error::Failed(error.to_string()))?,
        Format::Yaml => serde_norway::to_string(value).map_err(|error| Error::Failed(error.to_string()))?,
    };
    say(text.trim_end())
}

/// Prints a line. A reader that has seen enough, such as `head`, is no error.
pub fn say(line: impl Display) -> Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Columns under upper-case headers, three spaces apart, as kubectl prints them.
pub fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headers.map(|header| header.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    let mut lines = vec![line(headers)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

/// `name: value` lines with the values in one column.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    let line = |(name, value): &(&str, String)| format!("{:<width$}  {value}", format!("{name}:"));
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "long cell".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "X"], &rows), "NAME     X\na        long cell\nlonger");
    }

    #[test]
    fn fields_line_up() {
        assert_eq!(fields(&[("Phase", "Running".into()), ("Cost", "1".into())]), "Phase:  Running\nCost:   1");
    }
}
