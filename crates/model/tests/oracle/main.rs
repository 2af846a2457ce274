//! fhirbolt as an independent judge: of our check and our XML, and of what the server itself composes.

mod composed;
mod examples;
mod typed;
