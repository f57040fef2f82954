//! What should be, given a snapshot, and why. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eai_api::{ComputeNodeSpec, compute_node::Connection, names::member_namespace};
use eai_chain::Domain;
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Namespace, ResourceQuota, Secret, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::ResourceExt as _;

use super::{
    deployment, objects,
    offers::{self, Offers},
    snapshot::{Invite, Kubeconfig, Place, Snapshot},
    standing::{Leaving, Standing},
    token,
};

/// What the hub was told about itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The chain and Escrow that offers must be signed for.
    pub domain: Domain,
    /// The image of agents for push members; empty if this hub runs none.
    pub agent_image: String,
}

/// What should be, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do.
    pub plan: Plan,
    /// Where the member stands.
    pub standing: Standing,
    /// Its checked offers, once it has reported.
    pub offers: Option<Offers>,
    /// Its accelerators in words, once it has reported.
    pub summary: Option<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing.
    Wait,
    /// Take the agent's rights and tokens away and leave the namespace as it is.
    Revoke,
    /// Take everything away.
    Leave,
    /// Make what an accepted member has.
    Keep(Box<Keep>),
}

/// What an accepted member has.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    /// Its objects.
    pub objects: Objects,
    /// Whether its first token must be minted.
    pub mint: bool,
    /// The UID of the invite to remove, once it has served.
    pub spent_invite: Option<String>,
}

/// The objects of an accepted member, in the order in which they are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// Its namespace.
    pub namespace: Namespace,
    /// Bounds on the namespace.
    pub quota: ResourceQuota,
    /// Its agent's identity.
    pub account: ServiceAccount,
    /// What tokens are bound to.
    pub secret: Secret,
    /// Its heartbeat.
    pub lease: Lease,
    /// Its agent's rights.
    pub role: Role,
    /// What gives the agent its rights.
    pub binding: RoleBinding,
    /// A push member's agent. `None` removes it.
    pub agent: Option<Deployment>,
}

/// Decides on `snapshot`.
pub fn decide(snapshot: &Snapshot, settings: &Settings) -> Decision {
    let spec = &snapshot.node.spec;
    let name = snapshot.node.name_any();
    let now = u64::try_from(snapshot.now.as_second()).unwrap_or(0);
    let report = snapshot.report.as_deref();
    let offers = report.map(|report| offers::assess(report, &name, spec, settings.domain, now));
    let summary = report.map(offers::summary);
    let (plan, standing) =
        barred(snapshot).unwrap_or_else(|| (keep(snapshot, settings), working(snapshot, offers.as_ref(), settings)));
    Decision { plan, standing, offers, summary }
}

/// What keeps a member from having anything made for it, if something does.
fn barred(snapshot: &Snapshot) -> Option<(Plan, Standing)> {
    let node = &snapshot.node;
    if node.metadata.deletion_timestamp.is_some() {
        return Some((Plan::Leave, Standing::Leaving(Leaving::Revoking)));
    }
    let ours = matches!(snapshot.place, Place::Ours { .. });
    if !node.spec.accepted {
        return Some((if ours { Plan::Revoke } else { Plan::Wait }, Standing::AwaitingApproval));
    }
    let namespace = member_namespace(&node.name_any());
    match &snapshot.place {
        Place::Foreign { whose } => Some((Plan::Wait, Standing::NamespaceTaken { namespace, whose: whose.clone() })),
        Place::Terminating { .. } => Some((Plan::Wait, Standing::NamespaceTerminating(namespace))),
        Place::Absent | Place::Ours { .. } => {
            let problem = sealing_problem(&node.spec)?;
            Some((if ours { Plan::Revoke } else { Plan::Wait }, Standing::NoSealingKey(problem)))
        }
    }
}

/// What is wrong with the key that tokens and secrets are sealed to. A push member's agent gets no token, so it may have
/// none.
fn sealing_problem(spec: &ComputeNodeSpec) -> Option<String> {
    if spec.sealing_key.is_empty() {
        return (spec.connection == Connection::Pull).then(|| "is empty".to_owned());
    }
    match STANDARD.decode(&spec.sealing_key) {
        Ok(bytes) if bytes.len() == 32 => None,
        _ => Some("is not base64 of a 32-byte X25519 public key".to_owned()),
    }
}

/// What an accepted member has.
fn keep(snapshot: &Snapshot, settings: &Settings) -> Plan {
    let node = &snapshot.node;
    let name = node.name_any();
    let agent = match &snapshot.kubeconfig {
        Kubeconfig::Fine { version } if !settings.agent_image.is_empty() => {
            Some(deployment::agent(&name, &settings.agent_image, version))
        }
        _ => None,
    };
    let objects = Objects {
        namespace: objects::namespace(&name, &node.uid().unwrap_or_default()),
        quota: objects::quota(&name),
        account: objects::account(&name),
        secret: objects::token_secret(&name),
        lease: objects::lease(&name),
        role: objects::role(&name),
        binding: objects::binding(&name),
        agent,
    };
    let pull = node.spec.connection == Connection::Pull;
    let invite = snapshot.invite.as_ref().filter(|_| pull);
    let current = node.status.as_ref().and_then(|status| status.token.as_ref());
    let mint = pull && token::wanted(current, snapshot.pulse.alive, invite.map(|i| i.created), snapshot.now);
    // Served only when the agent is seen after the invite was made: one made for an agent that lost its token stays.
    let served = |i: &&Invite| snapshot.pulse.alive && snapshot.pulse.last_seen.is_some_and(|seen| seen >= i.created);
    let spent_invite = invite.filter(served).map(|i| i.uid.clone());
    Plan::Keep(Box::new(Keep { objects, mint, spent_invite }))
}

/// Where an accepted member stands, first obstacle first.
fn working(snapshot: &Snapshot, offers: Option<&Offers>, settings: &Settings) -> Standing {
    let spec = &snapshot.node.spec;
    if spec.connection == Connection::Push {
        match &snapshot.kubeconfig {
            Kubeconfig::Refused(why) => return Standing::KubeconfigRefused(why.clone()),
            Kubeconfig::Absent => return Standing::KubeconfigAwaited(member_namespace(&snapshot.node.name_any())),
            Kubeconfig::Fine { .. } if settings.agent_image.is_empty() => return Standing::NoAgentImage,
            Kubeconfig::Fine { .. } => {}
        }
    }
    if !snapshot.pulse.alive {
        return snapshot.pulse.last_seen.map_or(Standing::Joining, |seen| Standing::Silent(seen.to_string()));
    }
    match offers {
        None => Standing::NotReported,
        Some(offers) if offers.prices.is_empty() => Standing::NoOffer(offers.refused.clone()),
        Some(_) if snapshot.drain_by().is_some() => Standing::Draining,
        Some(_) if spec.cordon => Standing::Cordoned,
        Some(_) => Standing::Ready,
    }
}
