//! Members that are being emptied.

use eai_api::{ComputeNode, MemberReportSpec};
use k8s_openapi::jiff::Timestamp;

/// Until when work that runs on a member is waited for, if that is being emptied: as its admin says in the ComputeNode or
/// its owner in the report, whichever is earlier.
pub fn by(node: &ComputeNode, report: Option<&MemberReportSpec>) -> Option<Timestamp> {
    let admins = node.spec.drain.as_ref().map(|drain| drain.by.0);
    let owners = report.and_then(|report| report.drain_by.as_ref()).map(|by| by.0);
    admins.into_iter().chain(owners).min()
}
