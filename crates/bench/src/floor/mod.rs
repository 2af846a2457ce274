//! The floor: a bare handler over the product's tables.

mod store;
mod template;

use std::net::SocketAddr;

use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use crate::workload::observation_id;
use store::{Asked, Found, Store, Worker};

/// What to serve.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FloorArgs {
    /// The address to listen at
    #[arg(long)]
    listen: SocketAddr,
    /// The database: sqlite:PATH or a PostgreSQL URL, loaded by the product, the last Observation by a create
    #[arg(long)]
    database: String,
    /// `full` or `process`, as the product's setting
    #[arg(long, default_value = "full")]
    durability: String,
    /// How many HTTP workers
    #[arg(long)]
    workers: usize,
    /// How many connections to PostgreSQL
    #[arg(long, default_value_t = 8)]
    connections: usize,
}

/// Serves until the process is stopped.
///
/// # Errors
/// One line, when the server cannot be started.
pub(crate) fn serve(args: &FloorArgs) -> Result<(), String> {
    let store = Store::open(&args.database, &args.durability, args.connections)?;
    let listen = args.listen;
    actix_web::rt::System::new().block_on(async {
        HttpServer::new(move || {
            App::new()
                .app_data(Data::new(store.worker()))
                .route("/readyz", web::get().to(async || HttpResponse::Ok().body("ready")))
                .route("/fhir/Observation/{id}", web::get().to(read))
                .route("/fhir/Observation/{id}/_history/{version}", web::get().to(vread))
                .route("/fhir/Observation", web::get().to(search))
                .route("/fhir/Observation", web::post().to(create))
                .route("/fhir/Patient", web::get().to(search))
        })
        .workers(args.workers)
        .bind(listen)
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?
        .run()
        .await
        .map_err(|error| format!("the floor failed: {error}"))
    })
}

async fn read(worker: Data<Worker>, id: Path<String>) -> HttpResponse {
    answer(worker.read(id.into_inner(), None).await)
}

async fn vread(worker: Data<Worker>, path: Path<(String, i64)>) -> HttpResponse {
    let (id, version) = path.into_inner();
    answer(worker.read(id, Some(version)).await)
}

fn answer(found: Result<Option<Found>, String>) -> HttpResponse {
    match found {
        Ok(Some(found)) => HttpResponse::Ok()
            .insert_header((header::ETAG, format!("W/\"{}\"", found.version)))
            .content_type("application/fhir+json; charset=utf-8")
            .body(found.body),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(text) => HttpResponse::InternalServerError().body(text),
    }
}

async fn search(request: HttpRequest, worker: Data<Worker>) -> HttpResponse {
    let query = request.query_string();
    match worker.page(Asked::read(request.path(), query)).await {
        Ok(found) => {
            let size: usize = found.iter().map(|one| one.body.len() + 200).sum();
            let mut out = String::with_capacity(size + 1_024);
            out.push_str(r#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":""#);
            let address = "http://127.0.0.1:8080/fhir/Observation?";
            let cursor = "0123456789abcdef".repeat(8);
            for part in [address, query, r#""},{"relation":"next","url":""#, address, query, "&_cursor=", &cursor] {
                out.push_str(part);
            }
            out.push_str(r#""}],"entry":["#);
            for (place, one) in found.iter().enumerate() {
                out.push_str(if place == 0 { "{" } else { ",{" });
                out.push_str(r#""fullUrl":"http://127.0.0.1:8080/fhir/Observation/"#);
                out.push_str(&one.id);
                out.push_str(r#"","resource":"#);
                out.push_str(&one.body);
                out.push_str(r#","search":{"mode":"match"}}"#);
            }
            out.push_str("]}");
            HttpResponse::Ok().content_type("application/fhir+json; charset=utf-8").body(out)
        }
        Err(text) => HttpResponse::InternalServerError().body(text),
    }
}

async fn create(worker: Data<Worker>, body: Bytes) -> HttpResponse {
    if body.is_empty() {
        return HttpResponse::BadRequest().finish();
    }
    match worker.create().await {
        Ok((id, body)) => HttpResponse::Created()
            .insert_header((header::ETAG, "W/\"1\""))
            .insert_header((header::LOCATION, format!("http://127.0.0.1:8080/fhir/Observation/{id}/_history/1")))
            .content_type("application/fhir+json; charset=utf-8")
            .body(body),
        Err(text) => HttpResponse::InternalServerError().body(text),
    }
}

/// An Observation that is always there.
fn example() -> String {
    observation_id(0, 0)
}
