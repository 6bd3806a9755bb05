//! Stateless execution of ethrex batches as its guest program does it: the crates execute, this
//! one puts the checks into their order and names what does not hold.

pub mod blob;
pub mod cli;
pub mod execute;
pub mod input;
pub mod messages;
pub mod output;
mod place;
pub mod refusal;
mod validate;
mod witness;
