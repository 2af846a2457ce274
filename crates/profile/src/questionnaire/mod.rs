//! Answers against their Questionnaire.
