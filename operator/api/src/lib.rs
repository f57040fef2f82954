//! The kinds of group `eai.network`, version `v1alpha1`: types, validation (CEL) and printer columns, nothing else.
//!
//! Who writes which half of which kind is in CONTRACT.md.

pub mod aijob;
pub mod artifact;
pub mod assignment;
pub mod compute_node;
pub mod condition;
pub mod member_report;
pub mod names;
mod schema;

pub use aijob::{AIJob, AIJobSpec, AIJobStatus};
pub use assignment::{Assignment, AssignmentSpec, AssignmentStatus};
pub use compute_node::{ComputeNode, ComputeNodeSpec, ComputeNodeStatus};
pub use member_report::{MemberReport, MemberReportSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// Every definition of this group, in the order in which they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![AIJob::crd(), Assignment::crd(), ComputeNode::crd(), MemberReport::crd()]
}
