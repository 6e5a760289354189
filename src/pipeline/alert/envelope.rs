//! What every payload has in common: the envelope of Standard Webhooks (`type`, `timestamp`, `data`), and the
//! head that says which alert it is, why, and how loud. What `data` holds beside it is each payload's own.

use serde::Serialize;

use crate::model::{AlertId, AlertKind, Severity, Timestamp};

/// The whole body.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Envelope<D> {
    #[cfg_attr(test, schemars(with = "String"))]
    pub r#type: AlertKind,
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date-time")))]
    pub timestamp: Timestamp,
    pub data: D,
}

/// Which alert.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Head {
    #[cfg_attr(test, schemars(with = "String"))]
    pub id: AlertId,
    /// Strictly rising per store.
    pub sequence: u64,
    /// Why it was raised.
    pub reason: &'static str,
    #[cfg_attr(test, schemars(with = "String"))]
    pub severity: Severity,
}

impl<D: Serialize> Envelope<D> {
    /// The bytes that are stored and sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a payload holds only strings and numbers")
    }
}

/// The JSON Schema of a payload with this `data`.
#[cfg(test)]
pub(super) fn schema_of<D: schemars::JsonSchema>(title: &str) -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Envelope<D>>();
    schema.insert("title".to_owned(), title.into());
    schema
}
