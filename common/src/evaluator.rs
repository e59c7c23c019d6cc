//! From the octets that a perspective saw to what they mean.
//!
//! Agents evaluate with these, and `mpic audit replay --deep` evaluates again. Nothing here takes
//! site octets for text.

pub mod body;
pub mod caa;
pub mod certificate;
pub mod contact;
pub mod dns_change;
pub mod mx;
pub mod name;
pub mod persist;
pub mod txt;
mod value;
