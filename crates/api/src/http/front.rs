//! `/`: what this is, whether it is ready, and where to go from here.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use tokio::sync::Mutex;

use super::html::Html;
use super::page::{Name, Page};
use super::{Server, example, health};

/// How long it is told again whether the server can answer. To find out costs the database a commit, and everybody may ask.
const TOLD_FOR: Duration = Duration::from_secs(1);

/// Whether the server can answer, as it was found last: by one who asks, for all who ask then.
#[derive(Default)]
pub struct CanAnswer(Mutex<Option<(Instant, Option<&'static str>)>>);

impl CanAnswer {
    /// Why the server cannot answer, if it cannot.
    async fn missing(&self, server: &Server) -> Option<&'static str> {
        let mut last = self.0.lock().await;
        match *last {
            Some((at, missing)) if at.elapsed() < TOLD_FOR => missing,
            _ => {
                let missing = health::missing(server).await;
                *last = Some((Instant::now(), missing));
                missing
            }
        }
    }
}

/// A way to go on.
#[derive(Clone, Copy)]
struct Link {
    to: &'static str,
    name: &'static str,
    about: &'static str,
}

const FOR_APPS: &[Link] = &[
    Link { to: "/docs/", name: "The API", about: "to read, and to try with a token" },
    Link { to: "/fhir/metadata", name: "What this server can do", about: "its CapabilityStatement" },
    Link { to: "/openapi.json", name: "The same for tools", about: "OpenAPI 3.1" },
];

const SMART: Link = Link {
    to: "/fhir/.well-known/smart-configuration",
    name: "Where apps get their tokens",
    about: "SMART App Launch 2.2",
};

const SIGN_IN: Link =
    Link { to: "/apps", name: "Sign in", about: "to see which apps are connected, and to end what they may do" };

const EXAMPLE: Link = Link {
    to: example::PLACE,
    name: "The example app",
    about: "lets itself in as any app does, and draws the blood pressure of whoever signs in",
};

/// The page.
pub(super) async fn page(server: Data<Server>) -> HttpResponse {
    let missing = server.can_answer.missing(&server).await;
    let people = server.sign_in.as_ref().filter(|sign_in| sign_in.has_provider());
    let is_for_development = people.is_some_and(|sign_in| sign_in.is_for_development());
    let mut body = Html::of(
        "<h1>Concord</h1><p>A FHIR R4 server for personal health records. Patients are authors of their own \
        record and say who sees what of it; professionals read and add to it; everybody can see who has looked.</p>",
    )
    .add(&state(missing));
    if is_for_development {
        body = body
            .then("<p class=\"error\">This server is for development: everybody can be anybody.</p>")
            .add(&links("See it work", &[EXAMPLE]));
    }
    if people.is_some() {
        body = body.add(&links("For people", &[SIGN_IN]));
    }
    let for_apps: Vec<Link> = FOR_APPS.iter().copied().chain(server.smart.is_some().then_some(SMART)).collect();
    body = body.add(&links("For those who make apps", &for_apps));
    let body = body.then(
        "<h2>Learn it</h2><p>These pages come with its source, in the folder <code>docs</code>: the walk-through with \
         <code>curl</code> (<code>WALKTHROUGH.md</code>), the guide to the API (<code>API.md</code>), how an app is connected \
         (<code>APPS.md</code>), who sees what and why (<code>CONSENT.md</code>), and how it is run \
         (<code>OPERATIONS.md</code>).</p>",
    );
    Page { status: StatusCode::OK, ..Page::of_server(Name::Front, "What is at this server", body) }.response()
}

/// Whether it can answer.
fn state(missing: Option<&str>) -> Html {
    match missing {
        None => Html::of("<p class=\"panel\"><strong>Ready.</strong></p>"),
        Some(why) => Html::of("<p class=\"panel\"><strong>Not ready:</strong> ").text(why).then("</p>"),
    }
}

/// Some ways to go on, below a heading.
fn links(heading: &str, links: &[Link]) -> Html {
    Html::of("<h2>")
        .text(heading)
        .then("</h2><ul>")
        .each(links, |html, link| {
            let html = html.then("<li><a href=\"").text(link.to).then("\">").text(link.name);
            html.then("</a>: ").text(link.about).then("</li>")
        })
        .then("</ul>")
}
