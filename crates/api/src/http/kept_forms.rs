//! What is told alike to everybody, token or none, in the forms in which it is asked for: each is made once and kept, and what
//! is not kept is made one after the other, where nobody else waits. Whoever asks over and over costs what is sent.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentEncoding};
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::headers::FOR_ANY_PAGE;
use super::html::Html;
use super::negotiate::{Answer, Shape};
use crate::error::ApiError;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// What the server can do, for this version of the search parameters.
    Capabilities(i64),
    /// What it can do with codes.
    Terminology,
}

/// In which form.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    pub(super) told: Told,
    pub(super) answer: Answer,
    /// Whether it is packed with gzip.
    pub(super) is_packed: bool,
}

impl Form {
    /// Whether it is kept: callers choose elements, and must not fill the memory with them.
    fn is_kept(&self) -> bool {
        !matches!(self.answer.shape, Shape::Elements(_))
    }

    fn is_outdated_by(&self, other: Told) -> bool {
        matches!((self.told, other), (Told::Capabilities(own), Told::Capabilities(new)) if own != new)
    }
}

/// The forms that have been made.
#[derive(Debug, Default)]
pub struct KeptForms {
    made: Mutex<Vec<(Form, Bytes)>>,
    page: Mutex<Option<(i64, Html)>>,
    /// Whose turn it is to make one that is kept, and one that is not.
    turns: [Arc<Turn<()>>; 2],
}

impl KeptForms {
    /// The response with a text in a form.
    ///
    /// # Errors
    /// When the text cannot be read, which is the server's fault.
    pub(super) async fn response(&self, form: Form, text: Arc<str>) -> Result<HttpResponse, ApiError> {
        let bytes = self.bytes(&form, text).await?;
        let encoding = if form.is_packed { ContentEncoding::Gzip } else { ContentEncoding::Identity };
        Ok(HttpResponse::Ok()
            .content_type(form.answer.content_type())
            // As it is: to pack it takes longer than to send it.
            .insert_header(encoding)
            .insert_header((header::VARY, "accept, accept-encoding"))
            .insert_header(FOR_ANY_PAGE)
            .body(bytes))
    }

    async fn bytes(&self, form: &Form, text: Arc<str>) -> Result<Bytes, ApiError> {
        if let Some(made) = self.find(form) {
            return Ok(made);
        }
        let [kept, others] = &self.turns;
        let turn = Arc::clone(if form.is_kept() { kept } else { others }).lock_owned().await;
        if let Some(made) = self.find(form) {
            return Ok(made);
        }
        let own = form.clone();
        let make = move || -> Result<Bytes, ApiError> {
            let text = match own.answer.is_plain() {
                true => Bytes::from_owner(Arc::<[u8]>::from(text)),
                false => own.answer.resource(text.to_string())?.into(),
            };
            match own.is_packed {
                true => packed(&text),
                false => Ok(text),
            }
        };
        let (made, _turn) = aside(turn, make).await?;
        if form.is_kept() {
            let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|(other, _)| !other.is_outdated_by(form.told));
            all.push((form.clone(), made.clone()));
        }
        Ok(made)
    }

    fn find(&self, form: &Form) -> Option<Bytes> {
        let all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(other, _)| other == form).map(|(_, made)| made.clone())
    }

    /// The page about what the server can do, for this version of the search parameters.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) async fn page(
        &self,
        version: i64,
        make: impl FnOnce() -> Result<Html, ApiError> + Send + 'static,
    ) -> Result<Html, ApiError> {
        let known = || {
            let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
            page.as_ref().filter(|(of, _)| *of == version).map(|(_, page)| page.clone())
        };
        if let Some(page) = known() {
            return Ok(page);
        }
        let turn = Arc::clone(&self.turns[0]).lock_owned().await;
        if let Some(page) = known() {
            return Ok(page);
        }
        let (made, _turn) = aside(turn, make).await?;
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, made.clone()));
        Ok(made)
    }
}

fn packed(text: &[u8]) -> Result<Bytes, ApiError> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let done = gzip.write_all(text).and_then(|()| gzip.finish());
    done.map(Bytes::from).map_err(|error| ApiError::Internal(format!("a form cannot be packed: {error}")))
}

/// Makes something where no other request waits, in a turn that lasts until it is made, also where whoever asked for it goes away.
async fn aside<T: Send + 'static>(
    turn: OwnedMutexGuard<()>,
    make: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<(T, OwnedMutexGuard<()>), ApiError> {
    let stopped = |_| ApiError::Internal("a form could not be made to its end".to_owned());
    let (made, turn) = concord_store::apart((), move || (make(), turn)).await.map_err(stopped)?;
    Ok((made?, turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(version: i64, shape: Shape, is_packed: bool) -> Form {
        let answer = Answer { pretty: true, shape, ..Answer::default() };
        Form { told: Told::Capabilities(version), answer, is_packed }
    }

    fn kept(forms: &KeptForms) -> usize {
        forms.made.lock().unwrap().len()
    }

    #[tokio::test]
    async fn each_form_is_made_once_and_what_callers_choose_is_not_kept() {
        let (forms, text) = (KeptForms::default(), r#"{"resourceType":"Basic","id":"a","language":"en"}"#);
        for _ in 0..3 {
            for is_packed in [false, true] {
                forms.bytes(&form(1, Shape::Whole, is_packed), text.into()).await.unwrap();
            }
        }
        assert_eq!(kept(&forms), 2);
        let whole = forms.bytes(&form(1, Shape::Whole, false), "not read again".into()).await.unwrap();
        assert!(whole.starts_with(b"{\n"));
        for name in ["id", "language"] {
            let some = forms.bytes(&form(1, Shape::Elements(vec![name.to_owned()]), false), text.into()).await.unwrap();
            assert!(String::from_utf8_lossy(&some).contains(name));
        }
        assert_eq!(kept(&forms), 2);
        forms.bytes(&form(2, Shape::Whole, false), text.into()).await.unwrap();
        assert_eq!(kept(&forms), 1, "what is out of date goes");
    }
}
