//! What the OpenAPI document says of the interactions, which are all served by `http::fhir`. utoipa reads it off
//! functions; these do nothing else. A test holds them against the addresses that there are.

/// Read the current version of a resource
#[utoipa::path(get, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "read",
    params(
        ("type" = String, Path, description = "Resource type"), ("id" = String, Path, description = "Logical id"),
        ("If-None-Match" = Option<String>, Header, description = "304 when the client has this version"),
        ("If-Modified-Since" = Option<String>, Header, description = "304 when nothing is newer"),
        ("_summary" = Option<String>, Query, description = "true, text, data or false"),
        ("_elements" = Option<String>, Query, description = "Names of elements, separated by commas"),
        ("_format" = Option<String>, Query, description = "json or xml"), ("_pretty" = Option<bool>, Query)),
    responses(
        (status = 200, description = "The resource", content_type = "application/fhir+json"),
        (status = 304, description = "The client has this version"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 404, description = "Not there, or hidden from the caller"),
        (status = 410, description = "Deleted")))]
pub fn read() {}

/// Read one version of a resource
#[utoipa::path(get, path = "/fhir/{type}/{id}/_history/{version}", tag = "resources", operation_id = "vread",
    params(("type" = String, Path), ("id" = String, Path), ("version" = String, Path, description = "Version id")),
    responses((status = 200, description = "The version", content_type = "application/fhir+json"),
        (status = 401, description = "No valid token"), (status = 403, description = "No scope for it"),
        (status = 404, description = "Not there, or hidden from the caller"), (status = 410, description = "A deletion")))]
pub fn vread() {}

/// Store a new resource
#[utoipa::path(post, path = "/fhir/{type}", tag = "resources", operation_id = "create",
    params(("type" = String, Path),
        ("If-None-Exist" = Option<String>, Header, description = "A search; the resource is stored only if nothing matches"),
        ("X-Provenance" = Option<String>, Header, description = "A Provenance in JSON without a target: where it is from"),
        ("Prefer" = Option<String>, Header, description = "return=minimal, representation or OperationOutcome")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 201, description = "Stored"), (status = 200, description = "There is one already"),
        (status = 400, description = "Not a resource"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 412, description = "Several match"),
        (status = 413, description = "Too large"), (status = 415, description = "Not a FHIR media type"),
        (status = 422, description = "Not valid, or against a rule of the type")))]
pub fn create() {}

/// Put a new version in place
#[utoipa::path(put, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "update",
    params(("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The version that the change was made for"),
        ("If-None-Match" = Option<String>, Header, description = "*: only if there is no current version"),
        ("X-Provenance" = Option<String>, Header, description = "A Provenance in JSON without a target: where it is from"),
        ("Prefer" = Option<String>, Header, description = "return=minimal, representation or OperationOutcome")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, description = "Stored, or the same as before"),
        (status = 201, description = "Stored under an id that a system chose"),
        (status = 400, description = "Not a resource"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted; what another wrote is commented on"),
        (status = 404, description = "Not there, or hidden from the caller"), (status = 405, description = "Never changed"),
        (status = 412, description = "Another version is current"), (status = 422, description = "Not valid")))]
pub fn update() {}

/// Update the only match, or create
#[utoipa::path(put, path = "/fhir/{type}", tag = "resources", operation_id = "conditionalUpdate",
    params(("type" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, description = "The match was updated"), (status = 201, description = "Nothing matched; stored"),
        (status = 400, description = "No condition, or not a resource"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 412, description = "Several match"),
        (status = 422, description = "Not valid")))]
pub fn conditional_update() {}

/// Change parts of a resource
#[utoipa::path(patch, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "patch",
    params(("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The version that the change was made for"),
        ("X-Provenance" = Option<String>, Header, description = "A Provenance in JSON without a target: where it is from"),
        ("Prefer" = Option<String>, Header, description = "return=minimal, representation or OperationOutcome")),
    request_body(content((String = "application/json-patch+json"), (String = "application/merge-patch+json"),
        (String = "application/xml-patch+xml"), (Object = "application/fhir+json"), (String = "application/fhir+xml"))),
    responses((status = 200, description = "Stored, or the same as before"), (status = 400, description = "Not a patch"),
        (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted; what another wrote is commented on"),
        (status = 404, description = "Not there, or hidden from the caller"), (status = 405, description = "Never changed"),
        (status = 409, description = "A test of the patch does not hold"),
        (status = 412, description = "Another version is current"), (status = 415, description = "Not a patch"),
        (status = 428, description = "Agrees to what others wrote, and does not say to which version"),
        (status = 422, description = "The patch does not fit, or what comes of it is not valid")))]
pub fn patch() {}

/// Change parts of the only match
#[utoipa::path(patch, path = "/fhir/{type}", tag = "resources", operation_id = "conditionalPatch",
    params(("type" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content((String = "application/json-patch+json"), (String = "application/merge-patch+json"),
        (String = "application/xml-patch+xml"), (Object = "application/fhir+json"), (String = "application/fhir+xml"))),
    responses((status = 200, description = "The match was changed"), (status = 400, description = "No condition, or not a patch"),
        (status = 401, description = "No valid token"), (status = 403, description = "Not permitted"),
        (status = 404, description = "Nothing matches"), (status = 409, description = "A test of the patch does not hold"),
        (status = 412, description = "Several match"), (status = 422, description = "Not valid"),
        (status = 428, description = "Agrees to what others wrote, and does not say to which version")))]
pub fn conditional_patch() {}

/// Delete a resource; its versions stay in the history
#[utoipa::path(delete, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "delete",
    params(("type" = String, Path), ("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Deleted, now or before"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 404, description = "Not there, or hidden from the caller"),
        (status = 405, description = "Never deleted"), (status = 412, description = "Another version is current")))]
pub fn delete() {}

/// Delete the only match
#[utoipa::path(delete, path = "/fhir/{type}", tag = "resources", operation_id = "conditionalDelete",
    params(("type" = String, Path)),
    responses((status = 204, description = "The match is deleted, or nothing matched"),
        (status = 400, description = "No condition"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 412, description = "Several match")))]
pub fn conditional_delete() {}

/// The versions of one resource, newest first
#[utoipa::path(get, path = "/fhir/{type}/{id}/_history", tag = "history", operation_id = "instanceHistory",
    params(("type" = String, Path), ("id" = String, Path), ("_count" = Option<u32>, Query),
        ("_since" = Option<String>, Query, description = "An instant"), ("_at" = Option<String>, Query, description = "A date or time"),
        ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A history Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 404, description = "Not there, or hidden from the caller")))]
pub fn instance_history() {}

/// The versions of all resources of a type, newest first
#[utoipa::path(get, path = "/fhir/{type}/_history", tag = "history", operation_id = "typeHistory",
    params(("type" = String, Path), ("_count" = Option<u32>, Query), ("_since" = Option<String>, Query),
        ("_at" = Option<String>, Query), ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A history Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub fn type_history() {}

/// The versions of all resources, newest first
#[utoipa::path(get, path = "/fhir/_history", tag = "history", operation_id = "systemHistory",
    params(("_count" = Option<u32>, Query), ("_since" = Option<String>, Query), ("_at" = Option<String>, Query),
        ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A history Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub fn system_history() {}

/// Search one type
#[utoipa::path(get, path = "/fhir/{type}", tag = "search", operation_id = "search",
    params(("type" = String, Path),
        ("patient" = Option<String>, Query, description = "Whose record; likewise every other search parameter of the type, see /fhir/metadata"),
        ("_count" = Option<u32>, Query), ("_sort" = Option<String>, Query),
        ("_total" = Option<String>, Query, description = "none, estimate or accurate"),
        ("_cursor" = Option<String>, Query, description = "From a next link"),
        ("_summary" = Option<String>, Query), ("_elements" = Option<String>, Query),
        ("_explain" = Option<bool>, Query, description = "How the search is run; for systems, and where the operator lets others"),
        ("Prefer" = Option<String>, Header, description = "handling=strict refuses unknown parameters")),
    responses((status = 200, description = "A searchset Bundle of what the caller may see", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub fn search() {}

/// Search one type, with the parameters in a form
#[utoipa::path(post, path = "/fhir/{type}/_search", tag = "search", operation_id = "searchByPost",
    params(("type" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A searchset Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 415, description = "Not a form")))]
pub fn search_by_post() {}

/// Search several types
#[utoipa::path(get, path = "/fhir", tag = "search", operation_id = "searchSystem",
    params(("_type" = String, Query, description = "The types, separated by commas"), ("_count" = Option<u32>, Query),
        ("_sort" = Option<String>, Query), ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A searchset Bundle of what the caller may see", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub fn search_system() {}

/// Search several types, with the parameters in a form
#[utoipa::path(post, path = "/fhir/_search", tag = "search", operation_id = "searchSystemByPost",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A searchset Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 415, description = "Not a form")))]
pub fn search_system_by_post() {}

/// Search in a patient's compartment
#[utoipa::path(get, path = "/fhir/Patient/{id}/{type}", tag = "search", operation_id = "searchCompartment",
    params(("id" = String, Path), ("type" = String, Path, description = "Resource type, or * for all"),
        ("_type" = Option<String>, Query, description = "With *, the types"), ("_count" = Option<u32>, Query),
        ("_sort" = Option<String>, Query), ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A searchset Bundle of what the caller may see", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub fn search_compartment() {}

/// Search in a patient's compartment, with the parameters in a form
#[utoipa::path(post, path = "/fhir/Patient/{id}/{type}/_search", tag = "search", operation_id = "searchCompartmentByPost",
    params(("id" = String, Path), ("type" = String, Path, description = "Resource type, or * for all")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A searchset Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 415, description = "Not a form")))]
pub fn search_compartment_by_post() {}

/// Carry out a batch, entry by entry, or a transaction, all or nothing
#[utoipa::path(post, path = "/fhir", tag = "resources", operation_id = "batch",
    params(("Prefer" = Option<String>, Header, description = "return=minimal or representation")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, description = "A Bundle with an answer to each entry", content_type = "application/fhir+json"),
        (status = 400, description = "Not a batch or transaction, or an entry of a transaction is malformed"),
        (status = 401, description = "No valid token"), (status = 403, description = "An entry of a transaction is not permitted"),
        (status = 404, description = "An entry of a transaction is for what is not there, or hidden"),
        (status = 412, description = "A condition in a transaction does not hold"),
        (status = 413, description = "Too large"), (status = 422, description = "Not valid")))]
pub fn batch() {}

#[cfg(test)]
mod tests {
    use crate::describe::openapi::document;
    use crate::interact::command::{Route, every_shape};

    #[test]
    fn what_is_described_is_what_is_served() {
        let document: serde_json::Value = serde_json::from_str(&document().unwrap()).unwrap();
        let mut described = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            let Some(below) = path.strip_prefix("/fhir") else { continue };
            if ["/metadata", "/.well-known/smart-configuration"].contains(&below) {
                continue;
            }
            let below = below.replace("{type}", "Goal").replace("{id}", "g").replace("{version}", "1");
            for name in item.as_object().unwrap().keys() {
                assert!(Route::of(&name.to_uppercase(), &below).is_ok(), "{name} {path} is not served");
                described += 1;
            }
        }
        for (pattern, allow) in every_shape() {
            if pattern.contains("{operation}") {
                continue;
            }
            for method in allow.split(", ").filter(|method| *method != "HEAD") {
                let item = &document["paths"][pattern];
                assert!(item[method.to_lowercase()].is_object(), "{method} {pattern} is not described");
            }
        }
        assert!(described > 40);
    }
}
