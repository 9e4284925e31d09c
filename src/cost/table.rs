//! Tables of words and numbers, as text, Markdown and CSV.

use rust_decimal::Decimal;

/// One column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Whether it holds numbers, which stand to the right.
    pub number: bool,
}

/// Rows under headings. Each row has one cell per column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The headings.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows; a heading that begins with `#` is one of numbers.
    pub fn new(columns: &[&str]) -> Self {
        let column = |name: &&str| match name.strip_prefix('#') {
            Some(name) => Column { name: name.into(), number: true },
            None => Column { name: (*name).into(), number: false },
        };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Aligned with spaces, two between columns; ends in a newline.
    pub fn text(&self) -> String {
        let width = |i: usize| {
            let cells = self.rows.iter().map(|row| row[i].chars().count());
            cells.chain([self.columns[i].name.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let mut line = String::new();
            for ((cell, column), width) in cells.into_iter().zip(&self.columns).zip(&widths) {
                let blank = " ".repeat(width - cell.chars().count());
                let (first, second) =
                    if column.number { (blank.as_str(), cell) } else { (cell, blank.as_str()) };
                line.extend([first, second, "  "]);
            }
            line.trim_end().to_owned() + "\n"
        };
        let head = line(self.columns.iter().map(|column| column.name.as_str()).collect());
        self.rows.iter().fold(head, |text, row| text + &line(row.iter().map(String::as_str).collect()))
    }

    /// As [`text`](Self::text), but where that is wider than `width`, as several tables one below the other: each has the first
    /// column and as many of the rest as fit, `group` of them always together. Rows that are empty in a part are left out of it.
    pub fn text_within(&self, width: usize, group: usize) -> String {
        let part = |columns: &[usize]| {
            let pick = |cells: &[String]| columns.iter().map(|i| cells[*i].clone()).collect::<Vec<_>>();
            let rows = self.rows.iter().map(|row| pick(row));
            Self {
                columns: columns.iter().map(|i| self.columns[*i].clone()).collect(),
                rows: rows.filter(|row| row.iter().skip(1).any(|cell| !cell.is_empty())).collect(),
            }
        };
        let is_wide = |text: &str| text.lines().any(|line| line.chars().count() > width);
        let whole = self.text();
        if !is_wide(&whole) {
            return whole;
        }
        let others: Vec<usize> = (1..self.columns.len()).collect();
        let (mut parts, mut columns) = (Vec::new(), vec![0]);
        for group in others.chunks(group.max(1)) {
            let more = [&columns[..], group].concat();
            if columns.len() > 1 && is_wide(&part(&more).text()) {
                parts.push(part(&columns).text());
                columns = [&[0], group].concat();
            } else {
                columns = more;
            }
        }
        parts.push(part(&columns).text());
        parts.join("\n")
    }

    /// A Markdown table; ends in a newline.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let escape = |cell: &String| cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ");
        let mut text = line(self.columns.iter().map(|column| escape(&column.name)).collect());
        let rule = |column: &Column| if column.number { "---:" } else { "---" }.to_owned();
        text += &line(self.columns.iter().map(rule).collect());
        self.rows.iter().fold(text, |text, row| text + &line(row.iter().map(escape).collect()))
    }

    /// CSV (RFC 4180) with the headings first and lines that end in a newline.
    pub fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let heads = self.columns.iter().map(|column| column.name.as_str());
        let mut written = writer.write_record(heads);
        for row in &self.rows {
            written = written.and_then(|()| writer.write_record(row));
        }
        written.expect("memory takes rows of one length");
        String::from_utf8(writer.into_inner().expect("memory flushes")).expect("made of text")
    }
}

/// `number` with commas between thousands: `1,990,000`.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `number` rounded half up to `places` decimals, with commas between thousands: `52,900`, `1,177.60`.
pub fn grouped_decimal(number: Decimal, places: u32) -> String {
    let mut rounded =
        number.round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(places);
    let text = rounded.abs().to_string();
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if rounded.is_sign_negative() && !rounded.is_zero() { "-" } else { "" };
    format!("{sign}{}{rest}", whole.parse().map_or_else(|_| whole.to_owned(), grouped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_thousands() {
        assert_eq!([0, 999, 1_000, 1_990_000].map(grouped), ["0", "999", "1,000", "1,990,000"]);
        assert_eq!(grouped_decimal(Decimal::new(-11_776_049, 4), 2), "-1,177.60");
        assert_eq!(grouped_decimal(Decimal::new(-1, 4), 2), "0.00");
        assert_eq!(grouped_decimal(Decimal::ZERO, 2), "0.00");
    }

    #[test]
    fn a_wide_table_is_folded_by_groups_of_columns() {
        let mut table = Table::new(&["line", "#a east", "#a west", "#b east", "#b west"]);
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        table.rows =
            vec![row(["keys", "", "", "1.00", "1.00"]), row(["sum", "2.00", "2.00", "3.00", "3.00"])];
        assert_eq!(table.text_within(120, 2), table.text());
        let folded = "line  a east  a west\nsum     2.00    2.00\n\nline  b east  b west\nkeys    1.00    1.00\nsum     3.00    3.00\n";
        // Two of the three parts that fit would part a mode from itself.
        assert_eq!(table.text_within(28, 2), folded);
        assert_eq!(table.text_within(1, 2), folded);
    }

    #[test]
    fn one_table_has_three_forms() {
        let mut table = Table::new(&["line", "#USD"]);
        table.rows = vec![vec!["a|b, \"c\"".into(), "1.00".into()], vec!["d".into(), "10.00".into()]];
        assert_eq!(table.text(), "line        USD\na|b, \"c\"   1.00\nd         10.00\n");
        assert_eq!(
            table.markdown(),
            "| line | USD |\n| --- | ---: |\n| a\\|b, \"c\" | 1.00 |\n| d | 10.00 |\n"
        );
        assert_eq!(table.csv(), "line,USD\n\"a|b, \"\"c\"\"\",1.00\nd,10.00\n");
    }
}
