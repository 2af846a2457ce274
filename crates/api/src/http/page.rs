//! What all pages share: the frame, and what a browser may do with them. They work without JavaScript, and none is run.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding};
use actix_web::web::Data;
use url::Url;

use super::Server;
use super::html::Html;

/// Where the stylesheet is.
pub(super) const STYLE: &str = "/style.css";

/// The stylesheet, with the logo above the pages of sign-in where there is one.
pub(super) async fn style(server: Data<Server>) -> HttpResponse {
    let mut style = include_str!("style.css").to_owned();
    if let Some(sign_in) = server.sign_in.as_ref().filter(|sign_in| sign_in.own_logo().is_some()) {
        style.push_str(&logo(sign_in.own_logo_text()));
    }
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "max-age=3600"))
        .body(style)
}

/// The rule that shows the logo, and says what it says to whoever does not see it.
fn logo(text: &str) -> String {
    let mut said = String::new();
    for letter in text.chars() {
        match letter.is_alphanumeric() || letter == ' ' {
            true => said.push(letter),
            false => said.push_str(&format!("\\{:x} ", u32::from(letter))),
        }
    }
    format!(
        "header.record::before {{ content: \"\"; content: \"\" / \"{said}\"; display: inline-block; vertical-align: middle; \
         width: 6rem; height: 2.5rem; margin-right: 1rem; background: url(/sign-in/logo) left center / contain no-repeat; }}\n"
    )
}

/// The pages that people meet. Each is looked at in a browser, by the suite whose table has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Apps,
    Arrival,
    Astray,
    Authorise,
    Capabilities,
    Error,
    Front,
    LeadsOn,
    Refused,
    SignIn,
    SomebodyElse,
    Unproven,
    Whose,
}

impl Name {
    /// As the page itself says it, and the table.
    fn text(self) -> &'static str {
        match self {
            Name::Apps => "apps",
            Name::Arrival => "arrival",
            Name::Astray => "astray",
            Name::Authorise => "authorise",
            Name::Capabilities => "capabilities",
            Name::Error => "error",
            Name::Front => "front",
            Name::LeadsOn => "leads-on",
            Name::Refused => "refused",
            Name::SignIn => "sign-in",
            Name::SomebodyElse => "somebody-else",
            Name::Unproven => "unproven",
            Name::Whose => "whose",
        }
    }
}

/// A page.
pub(super) struct Page {
    pub(super) name: Name,
    pub(super) status: StatusCode,
    pub(super) title: String,
    /// What stands above everything.
    pub(super) heading: &'static str,
    /// Whether it is one of sign-in, over which the logo of whoever runs the server stands.
    pub(super) is_of_record: bool,
    pub(super) body: Html,
    /// Whether something secret is on it, so that its length must not tell of it.
    pub(super) is_secret: bool,
    /// The addresses that forms of the page lead to in the end: browsers ask for them.
    pub(super) leads_to: Vec<String>,
    /// `Set-Cookie`.
    pub(super) cookies: Vec<String>,
}

impl Page {
    pub(super) fn new(name: Name, title: impl Into<String>, body: Html) -> Page {
        Page {
            name,
            status: StatusCode::OK,
            title: title.into(),
            heading: "Your health record",
            is_of_record: true,
            body,
            is_secret: true,
            leads_to: Vec::new(),
            cookies: Vec::new(),
        }
    }

    /// A page for whoever runs the server or makes an app.
    pub(super) fn of_server(name: Name, title: impl Into<String>, body: Html) -> Page {
        Page { heading: "Concord", is_of_record: false, is_secret: false, ..Page::new(name, title, body) }
    }

    /// The answer.
    pub(super) fn response(self) -> HttpResponse {
        let leads_to: String = self.leads_to.iter().filter_map(|address| source(address)).collect();
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{leads_to}; frame-ancestors 'none'; base-uri 'none'"
        );
        let html = Html::of("<!doctype html><html lang=\"en-GB\"><head><meta charset=\"utf-8\"><title>")
            .text(&self.title)
            .then(" - ")
            .text(self.heading)
            .then("</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
            .then("<link rel=\"stylesheet\" href=\"")
            .then(STYLE)
            .then("\"></head><body data-page=\"")
            .then(self.name.text())
            .then("\">")
            .then(if self.is_of_record { "<header class=\"record\">" } else { "<header>" })
            .text(self.heading)
            .then("</header><main>")
            .add(&self.body)
            .then("</main></body></html>");
        let mut builder = HttpResponse::build(self.status);
        builder.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
        for cookie in self.cookies {
            builder.append_header((header::SET_COOKIE, cookie));
        }
        builder
            .insert_header((header::CONTENT_SECURITY_POLICY, policy))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((header::REFERRER_POLICY, "same-origin"));
        if self.is_secret {
            // Packed, it would be as long as what is secret in it makes it.
            builder.insert_header(ContentEncoding::Identity);
        }
        builder.content_type("text/html; charset=utf-8").body(html.into_string())
    }
}

/// An address as a source of a content security policy, after a space; none for one that cannot be written so: what has a meaning
/// in a policy is no part of a source.
fn source(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!(" {}:", url.scheme()));
    }
    let origin = url.origin().ascii_serialization();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'[' | b']');
    let host = origin.strip_prefix(url.scheme())?.strip_prefix("://")?;
    host.bytes().all(is_plain).then(|| format!(" {origin}"))
}

#[cfg(test)]
mod tests {
    use super::{logo, source};

    #[test]
    fn every_page_is_looked_at_in_a_browser() {
        // The arms of `Name::text`, which has one for each name.
        let arms = include_str!("page.rs").lines().filter_map(|line| line.trim().strip_prefix("Name::"));
        let names: Vec<&str> = arms.filter_map(|arm| arm.split_once(" => \"")?.1.strip_suffix("\",")).collect();
        assert!(names.len() > 10, "{names:?}");
        let table = include_str!("../../../../scripts/suites/clients/pages.mjs");
        for name in names {
            assert!(table.contains(&format!("page: '{name}'")), "{name} is in no row of pages.mjs");
        }
    }

    #[test]
    fn what_a_logo_says_is_no_style() {
        let rule = logo("A \"; } * { x: url(//y) } \\ \u{e9}\n");
        assert!(rule.contains("\\22 \\3b  \\7d "), "{rule}");
        assert_eq!(
            (rule.matches('{').count(), rule.matches("url(").count(), rule.lines().count()),
            (1, 1, 1),
            "{rule}"
        );
    }

    #[test]
    fn an_address_adds_nothing_to_a_policy_but_a_source() {
        for (address, said) in [
            ("https://app.example/back?x;y", Some(" https://app.example")),
            ("http://127.0.0.1:3000/", Some(" http://127.0.0.1:3000")),
            ("http://[::1]:3000/", Some(" http://[::1]:3000")),
            ("uk.example.app://a;b/back", Some(" uk.example.app:")),
            ("https://a;sandbox/x", None),
            ("https://a,b/x", None),
            ("https://a'self'/x", None),
            ("https://*/x", None),
            ("/back", None),
        ] {
            assert_eq!(source(address).as_deref(), said, "{address}");
        }
    }
}
