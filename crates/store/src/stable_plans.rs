//! That a statement of the embedded database is planned once, whatever values it is given: SQLite looks at values where an index
//! is of some rows only, and plans anew each time that they change. To plan takes several times as long as to run.
//!
//! PostgreSQL plans a statement anew for its values wherever it takes that for cheaper, and it takes every array for ten values when it
//! does not look: so it planned each look-up of what point reads ask for, which takes longer than to do it, and each search by
//! `_has` or an identifier, which takes several times as long. Those are planned once as well ([`ONCE`]). Other searches are not:
//! there the values tell which way is short.
//!
//! diesel has no name for SQLite's setting, so this file is, with `deadline`, `memory` and `undone`, a place with unsafe code: a call of
//! SQLite's interface that is given no memory of ours.

#![expect(unsafe_code, reason = "SQLite's guarantee of stable plans can be had in no other way")]

use std::ffi::{c_char, c_int};
use std::ptr::null_mut;
use std::sync::Once;

use libsqlite3_sys as ffi;

/// PostgreSQL's setting under which a statement is planned once, whatever values it is given (its manual, "Query Planning").
pub(crate) const ONCE: &str = "plan_cache_mode = force_generic_plan";

/// Has every connection to the embedded database that is opened from now on plan without values.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the entry point has the signature that SQLite documents and lives as long as the process.
        let code = unsafe { ffi::sqlite3_auto_extension(Some(opened)) };
        if code != ffi::SQLITE_OK {
            tracing::warn!(code, "the embedded database plans statements anew for each value");
        }
    });
}

/// SQLite calls this with each connection that it opens.
unsafe extern "C" fn opened(
    connection: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: the connection is SQLite's own and open; the setting takes a number, and a place for an answer that is not wanted.
    unsafe { ffi::sqlite3_db_config(connection, ffi::SQLITE_DBCONFIG_ENABLE_QPSG, 1 as c_int, null_mut::<c_int>()) }
}

#[cfg(test)]
mod tests {
    use crate::statement::Sql;
    use crate::testing::Scratch;
    use crate::transaction::Transaction;

    /// One index has rows of one parameter only: without the guarantee a statement is planned anew for each parameter.
    #[tokio::test]
    async fn a_statement_is_planned_without_its_values() {
        let [scratch, _] = Scratch::both();
        let store = scratch.store();
        let mut plans = Vec::new();
        for parameter in [539_442_875, 1] {
            let plan = move |transaction: &mut Transaction<'_>| {
                let sql =
                    Sql::new("SELECT e.resource FROM entry e WHERE e.position > 0 AND e.parameter = ").bind(parameter);
                (transaction.plan(sql.sql(" AND e.key = ").bind("x".to_owned())), Vec::new())
            };
            plans.push(store.read(plan).await.unwrap());
        }
        assert_eq!(plans[0], plans[1]);
    }
}
