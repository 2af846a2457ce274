/// How large a body may be before it is read any further. The same limits hold for JSON and XML.
///
/// The default is what the largest Bundle among the official R4 examples needs (35 MB); a server that faces
/// strangers sets less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The length of the body in bytes.
    pub bytes: usize,
    /// How deep arrays and objects (in XML: elements) may be nested; the outermost one counts as 1.
    pub depth: usize,
    /// How many values (in XML: elements and attributes) the body may hold.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 64 * 1024 * 1024, depth: 64, nodes: 4_000_000 }
    }
}
