//! A query back to text, with no more parentheses than reading needs. Parsing the result gives the
//! same query (a property test holds it to that), so tools can show, compare and rewrite rules.

use std::fmt;

use super::{Bounds, Clause, Form, Order, Query, SourcePattern, Word};

/// How tightly a clause holds together; operands that hold less get parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grip {
    Or,
    And,
    Not,
    Near,
    Single,
}

impl Query {
    fn grip(&self) -> Grip {
        match self.clause {
            Clause::Or(_) => Grip::Or,
            Clause::And(_) => Grip::And,
            Clause::Not(_) => Grip::Not,
            Clause::Near { .. } | Clause::Apart { .. } => Grip::Near,
            _ => Grip::Single,
        }
    }

    fn fmt_at(&self, f: &mut fmt::Formatter<'_>, least: Grip) -> fmt::Result {
        if self.grip() < least { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.clause {
            Clause::Word(word) if word.needs_quotes() => write!(f, "\"{word}\""),
            Clause::Word(word) => write!(f, "{word}"),
            Clause::Phrase(words) => {
                let words: Vec<String> = words.iter().map(ToString::to_string).collect();
                write!(f, "\"{}\"", words.join(" "))
            }
            Clause::Number(bounds) => write!(f, "{bounds}"),
            Clause::Alias(name) => write!(f, "@{name}"),
            Clause::Regex { pattern, .. } => write!(f, "/{pattern}/"),
            Clause::Source(SourcePattern::Name(name)) => write!(f, "source:{name}"),
            Clause::Source(SourcePattern::Start(start)) => write!(f, "source:{start}*"),
            Clause::Lang(code) => write!(f, "lang:{code}"),
            Clause::In(scope, inner) => {
                write!(f, "{}:", scope.as_str())?;
                inner.fmt_at(f, Grip::Single)
            }
            Clause::Near { words, order, left, right } => {
                left.fmt_at(f, Grip::Near)?;
                write!(f, " {}/{words} ", if *order == Order::Any { "NEAR" } else { "BEFORE" })?;
                right.fmt_at(f, Grip::Single)
            }
            Clause::Apart { words, left, right } => {
                left.fmt_at(f, Grip::Near)?;
                write!(f, " NOT NEAR/{words} ")?;
                right.fmt_at(f, Grip::Single)
            }
            Clause::And(parts) => join(f, parts, " AND ", Grip::Not),
            Clause::Or(parts) => join(f, parts, " OR ", Grip::And),
            Clause::Not(inner) => {
                f.write_str("NOT ")?;
                inner.fmt_at(f, Grip::Not)
            }
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Query], with: &str, least: Grip) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(with)?;
        }
        part.fmt_at(f, least)?;
    }
    Ok(())
}

impl Word {
    /// Words that would be read as something else stand in quotes.
    fn needs_quotes(&self) -> bool {
        super::lex::is_reserved(&self.text)
            || !self.text.starts_with(char::is_alphanumeric)
            || self.text.contains([':', '/', '_', '|', '&'])
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Written => f.write_str("=")?,
            Form::Inside | Form::Ending => f.write_str("*")?,
            _ => {}
        }
        f.write_str(&self.text)?;
        match self.form {
            Form::Exact | Form::Written | Form::Ending => Ok(()),
            Form::Prefix | Form::Inside => f.write_str("*"),
            Form::Stem => f.write_str("~"),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("#")?;
        if let Some(from) = self.from {
            write!(f, "{from}")?;
        }
        if self.from.is_some() || self.to.is_some() {
            f.write_str("..")?;
        }
        if let Some(to) = self.to {
            write!(f, "{to}")?;
        }
        Ok(())
    }
}
