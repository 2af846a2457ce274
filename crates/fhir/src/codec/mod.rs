//! Resources as bytes, in JSON and in XML.

pub(crate) mod markup;
