//! The five kinds of values there are, on their way to PostgreSQL and back.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use super::super::{EngineError, Result};

/// A value for a placeholder.
#[derive(Debug)]
pub(super) enum Sent<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    OwnText(String),
    Bytes(&'a [u8]),
    OwnBytes(Vec<u8>),
}

impl<'a> Sent<'a> {
    pub(super) fn of(value: &'a dyn rusqlite::types::ToSql) -> Result<Self> {
        Ok(match value.to_sql()? {
            ToSqlOutput::Borrowed(ValueRef::Null) | ToSqlOutput::Owned(Value::Null) => Self::Null,
            ToSqlOutput::Borrowed(ValueRef::Integer(number)) | ToSqlOutput::Owned(Value::Integer(number)) => {
                Self::Integer(number)
            }
            ToSqlOutput::Borrowed(ValueRef::Real(number)) | ToSqlOutput::Owned(Value::Real(number)) => {
                Self::Real(number)
            }
            ToSqlOutput::Borrowed(ValueRef::Text(text)) => {
                match std::str::from_utf8(text).map_err(EngineError::unreadable)? {
                    text if text.contains('\0') => Self::OwnText(without_nul(text)),
                    text => Self::Text(text),
                }
            }
            ToSqlOutput::Owned(Value::Text(text)) if text.contains('\0') => Self::OwnText(without_nul(&text)),
            ToSqlOutput::Owned(Value::Text(text)) => Self::OwnText(text),
            ToSqlOutput::Borrowed(ValueRef::Blob(bytes)) => Self::Bytes(bytes),
            ToSqlOutput::Owned(Value::Blob(bytes)) => Self::OwnBytes(bytes),
            _ => return Err(EngineError::unreadable("a value of a kind that no column has")),
        })
    }

    /// As it is written in a statement, of whatever type is wanted there.
    pub(super) fn write_literal(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("NULL"),
            Self::Integer(number) => write_quoted(&number.to_string(), out),
            Self::Real(number) => write_quoted(&number.to_string(), out),
            Self::Text(text) => write_quoted(text, out),
            Self::OwnText(text) => write_quoted(text, out),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::OwnBytes(bytes) => write_bytes(bytes, out),
        }
    }

    /// What it is declared as; a null may be anything.
    pub(super) fn declared(&self) -> Type {
        match self {
            Self::Null => Type::UNKNOWN,
            Self::Integer(_) => Type::INT8,
            Self::Real(_) => Type::FLOAT8,
            Self::Text(_) | Self::OwnText(_) => Type::TEXT,
            Self::Bytes(_) | Self::OwnBytes(_) => Type::BYTEA,
        }
    }
}

/// Backslashes are what they are: sessions say so (`standard_conforming_strings`).
fn write_quoted(text: &str, out: &mut String) {
    out.push('\'');
    for (place, part) in text.split('\'').enumerate() {
        out.push_str(if place == 0 { "" } else { "''" });
        out.push_str(part);
    }
    out.push('\'');
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push_str("'\\x");
    out.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])));
    out.push('\'');
}

/// PostgreSQL has no NUL in texts: what stands for characters that cannot be shown stands for it.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl ToSql for Sent<'_> {
    fn to_sql(&self, as_type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, as_type) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Integer(number), &Type::INT4) => out.put_i32(i32::try_from(*number)?),
            (Self::Integer(number), &Type::INT2) => out.put_i16(i16::try_from(*number)?),
            (Self::Integer(number), &Type::BOOL) => out.put_u8(u8::from(*number != 0)),
            (Self::Integer(number), &Type::INT8) => out.put_i64(*number),
            (Self::Real(number), &Type::FLOAT8) => out.put_f64(*number),
            (Self::Text(text), _) => out.put_slice(text.as_bytes()),
            (Self::OwnText(text), _) => out.put_slice(text.as_bytes()),
            (Self::Bytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (Self::OwnBytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (value, column) => return Err(format!("{value:?} does not go into a column of type {column}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column's value as it came.
pub(super) struct Came<'a>(pub(super) ValueRef<'a>);

impl<'a> FromSql<'a> for Came<'a> {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let value = match *of {
            Type::INT8 => ValueRef::Integer(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => ValueRef::Integer(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => ValueRef::Integer(i16::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => ValueRef::Integer(i64::from(raw.first().is_some_and(|byte| *byte != 0))),
            Type::FLOAT8 => ValueRef::Real(f64::from_be_bytes(raw.try_into()?)),
            Type::BYTEA => ValueRef::Blob(raw),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN => ValueRef::Text(raw),
            ref other => return Err(format!("columns of type {other} are not read").into()),
        };
        Ok(Self(value))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
