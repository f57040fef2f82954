//! Assignment: the hub's half of an attempt on a member.

pub mod build;
