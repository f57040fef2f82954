//! Where a job stands, and ending it.

use eai_api::{AIJob, aijob::Attempt, condition};
use eai_core::epoch::Epoch;
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    error::Result,
    hub::Hub,
    output::{self, Format},
};

/// Where a job stands.
pub async fn status(hub: &Hub, job: &str, format: Format) -> Result<()> {
    let job = hub.in_namespace::<AIJob>().get(job).await?;
    output::print(format, &job, text)
}

/// Ends a job.
pub async fn cancel(hub: &Hub, job: &str) -> Result<()> {
    let jobs = hub.in_namespace::<AIJob>();
    let phase = jobs.get(job).await?.status.unwrap_or_default().phase;
    if phase.is_final() {
        output::say(format!("{job} has ended already: {phase}"))?;
        return Ok(());
    }
    jobs.patch(job, &PatchParams::default(), &Patch::Merge(json!({"spec": {"cancel": true}}))).await?;
    output::say(format!(
        "{job} is being cancelled: what ran is paid, the rest comes back; watch it: kubectl get aijob {job} -w"
    ))?;
    Ok(())
}

fn text(job: &AIJob) -> String {
    let status = job.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|c| c.type_ == condition::READY);
    let mut fields = vec![
        ("Name", format!("{}/{}", job.namespace().unwrap_or_default(), job.name_any())),
        ("Phase", status.phase.to_string()),
        ("Says", ready.map_or_else(|| "the hub hasn't looked at it yet".to_owned(), |c| c.message.clone())),
    ];
    fields.extend(status.member.map(|member| ("Member", member)));
    fields.extend(status.units.map(|units| ("Uses", units)));
    fields.extend(status.cost.map(|cost| ("Cost", format!("{cost} EAI"))));
    fields.extend(status.attempt.as_ref().map(attempt).into_iter().flatten());
    fields.extend(status.exit_code.map(|code| ("Exit code", code.to_string())));
    for output in &status.outputs {
        fields.push(("Output", format!("{} ({} bytes, {})", output.name, output.size_bytes, output.digest)));
    }
    output::fields(&fields)
}

fn attempt(attempt: &Attempt) -> Vec<(&'static str, String)> {
    let Epoch { attempt: number, .. } = attempt.epoch;
    let lease = &attempt.lease;
    let mut fields = vec![
        ("Attempt", number.to_string()),
        ("Price", format!("{} EAI per unit-hour of {}", attempt.rate, attempt.class)),
        ("Used", format!("{} unit-ms", attempt.usage_ms)),
        ("Lease", format!("{} {:?}", lease.id, lease.state)),
        ("Held", format!("{} EAI, {} paid, {} refunded", lease.hold, lease.paid, lease.refunded)),
    ];
    fields.extend(lease.close_tx.clone().map(|tx| ("Settled in", tx)));
    fields
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_what_a_vendor_asks_first() {
        let job: AIJob = serde_json::from_value(json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AIJob", "metadata": {"name": "digits", "namespace": "vision"},
            "spec": {"image": "x", "maxPrice": "1", "payment": {"account": format!("0x{}", "00".repeat(20))}},
            "status": {
                "phase": "Succeeded", "member": "home", "units": "1 nvidia.com/gpu", "cost": "0.002", "exitCode": 0,
                "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "all is paid",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            },
        }))
        .unwrap();
        let text = text(&job);
        for line in
            ["Name:       vision/digits", "Phase:      Succeeded", "Says:       all is paid", "Cost:       0.002 EAI"]
        {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_job_nobody_looked_at_says_so() {
        let job: AIJob = serde_json::from_value(json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AIJob", "metadata": {"name": "digits"},
            "spec": {"image": "x", "maxPrice": "1", "payment": {"account": format!("0x{}", "00".repeat(20))}},
        }))
        .unwrap();
        assert!(text(&job).contains("the hub hasn't looked at it yet"));
    }
}
