//! SMART scopes on resource level, v1 (`patient/Observation.read`) and v2 (`patient/Observation.rs`)
//! (SMART App Launch 2.2, "Scopes for requesting FHIR Resources").

/// The scopes of a token that say something about resources. Others (`openid`, `launch/patient`) are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(pub Vec<Scope>);

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose data.
    pub context: Context,
    /// The resource type; none means `*`.
    pub resource_type: Option<concord_fhir::registry::ResourceType>,
    /// `c`
    pub create: bool,
    /// `r`
    pub read: bool,
    /// `u`
    pub update: bool,
    /// `d`
    pub delete: bool,
    /// `s`
    pub search: bool,
    /// The search parameters after `?`, decoded, in their order.
    pub query: Vec<(String, String)>,
}

/// Whose data a scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// The patient in context.
    Patient,
    /// Whatever the user may reach.
    User,
    /// Whatever the registered system may reach.
    System,
}
