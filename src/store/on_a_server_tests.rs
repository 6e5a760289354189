//! Where tests of a store on a server begin: on the one that `WIREWATCH_TEST_STORE` names (`proof/postgres`), or not at all.

use super::engine::PostgresPlace;
use super::{Access, Store};

/// A schema of the test's own.
pub(super) fn test_place(schema: &str) -> Option<PostgresPlace> {
    let url = std::env::var("WIREWATCH_TEST_STORE").ok()?;
    Some(PostgresPlace::read(&url).expect("a URL of a store").with_schema(schema))
}

/// A store there as the process that decides has it, and as another one does, with their directories.
pub(super) fn owner_and_sharer(schema: &str) -> Option<([tempfile::TempDir; 2], Store, Store)> {
    let place = test_place(schema)?;
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let owner = Store::open_remote(dirs[0].path(), &place, Access::Own).expect("opens");
    let sharer = Store::open_remote(dirs[1].path(), &place, Access::Share).expect("opens");
    Some((dirs, owner, sharer))
}
