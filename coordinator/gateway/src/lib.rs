//! The Open MPIC HTTP API in front of the bus: a client of the coordinators like any CA. It
//! translates; selecting, asking, deciding and recording are theirs.

pub mod auth;
pub mod config;
pub mod directory;
pub mod error_type;
pub mod evidence;
pub mod figures;
pub mod handler;
pub mod headers;
pub mod issue;
pub mod json;
pub mod limits;
pub mod openapi;
pub mod orchestration;
pub mod paced;
pub mod refusal;
pub mod request;
pub mod response;
pub mod server;
pub mod service;
pub mod tls;
pub mod translate;
