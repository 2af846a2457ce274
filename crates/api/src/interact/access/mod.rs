//! May they? The questions that interactions ask a decision, and what the decision is fed with. What is decided is
//! `concord_consent`'s; here it is only carried.
//!
//! | the question | file |
//! |---|---|
//! | which decision is it? | `decision` |
//! | which decisions are remembered? | `decision_cache` |
//! | what is known of the caller and of a patient? | `facts` |
//! | what is known of all records that the caller may know? | `reached` |
//! | what is known of others whom somebody asks about? | `subject_facts` |
//! | is this version one that the decision means? | `evaluation` |
//! | may they know that it is there? | `knowledge` |
//! | why? | `reasons` |
//! | what of it is shown? | `redaction` |
//! | what does it say of itself then? | `marks` |
//! | which names of what is denied are told to nobody? | `unnamed` |
//! | who wrote it, and may they change it? | `authorship` |
//! | may they know of what they refer to? | `references` |
//! | which of that has been named all along? | `named_before` |
//! | who is it whom a token names? | `person` |
//! | is the caller somebody whom the server has named? | `same_person` |
//! | is it an emergency? | `break_glass` |

pub(crate) mod authorship;
pub(crate) mod break_glass;
pub(crate) mod decision;
mod decision_cache;
pub(crate) mod evaluation;
pub(crate) mod facts;
pub(crate) mod knowledge;
mod marks;
pub(crate) mod named_before;
pub(crate) mod person;
mod reached;
pub(crate) mod reasons;
pub(crate) mod redaction;
pub(crate) mod references;
pub(crate) mod same_person;
pub(crate) mod subject_facts;
pub(crate) mod unnamed;

pub(crate) use authorship::{may_change, owns, permitted, stored, writer, wrote};
pub(crate) use decision::{
    as_if_elsewhere, decide_about, decide_everywhere, decide_in_emergency, decide_on, decide_reference, decide_search,
    facts_about, facts_about_at, findable, finding, for_type, given_by, guard, issues, only_record, require_scope,
    steps_of_decision, unbounded,
};
pub(crate) use decision_cache::DecisionCache;
pub(crate) use facts::own_record;
pub(crate) use knowledge::{
    Answer, disclose, disclose_found, in_all_records, patient_read, reads_patient, record_known, records_of,
};
