//! PostgreSQL below the store's operations: a session, its prepared statements, and what only it has. Nothing here knows
//! what is stored.

mod deferred;
mod place;
mod schema;
mod session;
mod tls;
mod translate;
mod values;

pub use place::{PostgresPlace, PostgresPlaceProblem};
pub(in crate::store) use schema::SCHEMA_VERSION;
pub(super) use session::{CURSOR_PAGE_ROWS, Session, SessionUse, place_of, read};
pub(super) use translate::Translated;
