//! `concord openapi`: the OpenAPI document, as it is committed in `openapi/openapi.json`.

use std::io::Write;

use crate::describe::openapi;

/// Writes the document to `out`.
///
/// # Errors
/// One line, when it cannot be written.
pub fn run(out: &mut impl Write) -> Result<(), String> {
    let text = openapi::document()?;
    out.write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}
