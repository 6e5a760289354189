//! Statements whose outcome nobody waits for: they go to the server together, with what is asked next, instead of one
//! round trip each. The server knows each by a name, so that it is planned once; the order stays.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::values::Sent;

/// What waits is sent when it is this long.
pub(super) const WAITING_BYTES_MAX: usize = 1 << 20;
/// Names that are kept; there are as many as statements in the code.
const NAMES_MAX: usize = 512;

/// What waits, and what the server knows by a name.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    text: String,
    names: HashMap<String, u64>,
    last_name: u64,
}

impl Deferred {
    pub(super) fn add(&mut self, sql: String, values: &[Sent<'_>]) {
        let name = match self.names.get(&sql) {
            Some(name) => *name,
            None => self.introduce(sql),
        };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "EXECUTE wirewatch_{name}");
        for (place, value) in values.iter().enumerate() {
            self.text.push_str(if place == 0 { "(" } else { "," });
            value.write_literal(&mut self.text);
        }
        self.text.push_str(if values.is_empty() { ";" } else { ");" });
    }

    /// Types are what the columns say: a literal fits any of them.
    fn introduce(&mut self, sql: String) -> u64 {
        if self.names.len() >= NAMES_MAX {
            for name in self.names.drain().map(|(_, name)| name) {
                let _ = write!(self.text, "DEALLOCATE wirewatch_{name};");
            }
        }
        self.last_name += 1;
        let _ = write!(self.text, "PREPARE wirewatch_{} AS {sql};", self.last_name);
        self.names.insert(sql, self.last_name);
        self.last_name
    }

    pub(super) fn is_long(&self) -> bool {
        self.text.len() >= WAITING_BYTES_MAX
    }

    /// What is to be sent now; nothing waits after it.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// What was sent failed, or never is: which names the server has heard of, nobody knows.
    pub(super) fn forget(&mut self) {
        self.text.clear();
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_is_introduced_once_and_its_values_are_quoted() {
        let mut deferred = Deferred::default();
        let sql = "INSERT INTO t VALUES ($1, $2, $3, $4, $5)";
        let values =
            [Sent::Integer(-5), Sent::Text(r"it's \n; $1"), Sent::Null, Sent::Bytes(&[0, 255]), Sent::Real(-0.5)];
        for _ in 0..2 {
            deferred.add(sql.to_owned(), &values);
        }
        let once = r"EXECUTE wirewatch_1('-5','it''s \n; $1',NULL,'\x00ff','-0.5');";
        assert_eq!(deferred.take(), format!("PREPARE wirewatch_1 AS {sql};{once}{once}"));
        deferred.add(sql.to_owned(), &values);
        assert_eq!(deferred.take(), once, "the server knows it by its name");
        deferred.forget();
        deferred.add("DELETE FROM t".to_owned(), &[]);
        assert_eq!(deferred.take(), "PREPARE wirewatch_2 AS DELETE FROM t;EXECUTE wirewatch_2;");
    }
}
