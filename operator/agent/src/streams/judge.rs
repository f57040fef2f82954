//! What may be done with running work, by what its Assignment and the owner allow. Nothing here relies on the hub's word.

use std::sync::Arc;

use eai_api::{
    Assignment,
    assignment::{AssignmentPhase, Desired},
};
use kube::runtime::reflector::ObjectRef;

use crate::context::Context;

/// The Assignment that a session is about, if its work is here and isn't over.
pub fn assignment(context: &Context, name: &str) -> Result<Arc<Assignment>, String> {
    let key = ObjectRef::new(name).within(&context.hub_namespace);
    let known = context.stores.assignments.get(&key);
    let assignment = known.ok_or("the job's work isn't here; try again in a moment")?;
    let over = assignment.status.as_ref().is_some_and(|status| AssignmentPhase::is_final(status.phase));
    if over || assignment.spec.desired == Desired::Stop {
        return Err("the job's work is over; what is kept of its log: kubectl eai logs, without -f".to_owned());
    }
    Ok(assignment)
}
