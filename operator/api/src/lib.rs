//! The kinds of group `eai.network`, version `v1alpha1`: types, validation (CEL) and printer columns, nothing else.
//!
//! Who writes which half of which kind is in CONTRACT.md.

pub mod agent_release;
pub mod aijob;
pub mod artifact;
pub mod assignment;
pub mod compute_node;
pub mod condition;
pub mod member_report;
pub mod names;
pub mod quote;
mod schema;
pub mod session;

pub use agent_release::{AgentRelease, AgentReleaseSpec, AgentReleaseStatus};
pub use aijob::{AIJob, AIJobSpec, AIJobStatus};
pub use assignment::{Assignment, AssignmentSpec, AssignmentStatus};
pub use compute_node::{ComputeNode, ComputeNodeSpec, ComputeNodeStatus};
pub use member_report::{MemberReport, MemberReportSpec, MemberReportStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

/// Every definition of this group, in the order in which they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![AIJob::crd(), Assignment::crd(), ComputeNode::crd(), MemberReport::crd(), AgentRelease::crd()];
    let versions = crds.iter_mut().flat_map(|crd| &mut crd.spec.versions);
    for schema in versions.filter_map(|v| v.schema.as_mut()?.open_api_v3_schema.as_mut()) {
        drop_unsigned_formats(schema);
    }
    crds
}

/// Kubernetes knows no `uint32` or `uint64` and warns of them at every install; the bounds say it all.
fn drop_unsigned_formats(schema: &mut JSONSchemaProps) {
    schema.format.take_if(|format| format.starts_with("uint"));
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(drop_unsigned_formats);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        drop_unsigned_formats(items);
    }
}
