//! The agent of a push member: a Deployment on the hub with that member's rights and nobody else's. Pure.

use std::collections::BTreeMap;

use eai_api::names::{
    AGENT_ACCOUNT, AGENT_CONFIG_DIR, AGENT_CONFIG_KEY, AGENT_CONFIG_SECRET, AGENT_DEPLOYMENT, KUBECONFIG_SECRET,
    MEMBER_DIR,
};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{
            Capabilities, Container, ContainerPort, EmptyDirVolumeSource, HTTPGetAction, PodSecurityContext, PodSpec,
            PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Volume,
            VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::objects::{labels, metadata};

/// Annotation on the pod: the version of the kubeconfig it was started with, so that another one restarts it.
const KUBECONFIG_VERSION: &str = "eai.network/kubeconfig-version";
/// Readable by the pod's group alone.
const SECRET_MODE: i32 = 0o440;
/// The unprivileged user and group of EAI's images.
const USER: i64 = 65532;
/// Where an agent says that it is well, unless its configuration says otherwise.
const HEALTH_PORT: i32 = 8080;
/// What log tails on their way to the hub may take.
const SCRATCH: &str = "512Mi";

/// The Deployment of `member`'s agent from `image`, against the kubeconfig of that version.
pub fn agent(member: &str, image: &str, kubeconfig_version: &str) -> Deployment {
    let mut labels = labels(member);
    labels.insert("app.kubernetes.io/name".to_owned(), AGENT_DEPLOYMENT.to_owned());
    let annotations = [(KUBECONFIG_VERSION.to_owned(), kubeconfig_version.to_owned())];
    Deployment {
        metadata: metadata(member, AGENT_DEPLOYMENT),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            // Never two agents of one member at once.
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            selector: LabelSelector { match_labels: Some(labels.clone()), match_expressions: None },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations.into_iter().collect()),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(image)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod(image: &str) -> PodSpec {
    PodSpec {
        service_account_name: Some(AGENT_ACCOUNT.to_owned()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(30),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: "agent".to_owned(),
            image: Some(image.to_owned()),
            args: Some(vec!["--config".to_owned(), format!("{AGENT_CONFIG_DIR}/{AGENT_CONFIG_KEY}")]),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
                ..SecurityContext::default()
            }),
            resources: Some(resources()),
            ports: Some(vec![ContainerPort {
                name: Some("health".to_owned()),
                container_port: HEALTH_PORT,
                ..ContainerPort::default()
            }]),
            liveness_probe: Some(probe("/livez")),
            readiness_probe: Some(probe("/readyz")),
            volume_mounts: Some(vec![
                mount("config", AGENT_CONFIG_DIR, true),
                mount("member", MEMBER_DIR, true),
                mount("scratch", "/tmp", false),
            ]),
            ..Container::default()
        }],
        volumes: Some(vec![
            secret("config", AGENT_CONFIG_SECRET),
            secret("member", KUBECONFIG_SECRET),
            Volume {
                name: "scratch".to_owned(),
                empty_dir: Some(EmptyDirVolumeSource {
                    size_limit: Some(Quantity(SCRATCH.to_owned())),
                    ..EmptyDirVolumeSource::default()
                }),
                ..Volume::default()
            },
        ]),
        ..PodSpec::default()
    }
}

fn resources() -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)].map(|(name, most)| (name.to_owned(), Quantity(most.to_owned()))).into()
    };
    ResourceRequirements {
        requests: Some(amounts("20m", "48Mi")),
        limits: Some(amounts("1", "256Mi")),
        ..ResourceRequirements::default()
    }
}

fn probe(path: &str) -> Probe {
    let port = IntOrString::Int(HEALTH_PORT);
    Probe {
        http_get: Some(HTTPGetAction { path: Some(path.to_owned()), port, ..HTTPGetAction::default() }),
        period_seconds: Some(10),
        timeout_seconds: Some(5),
        failure_threshold: Some(6),
        ..Probe::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}

fn secret(name: &str, secret: &str) -> Volume {
    let source = SecretVolumeSource {
        secret_name: Some(secret.to_owned()),
        default_mode: Some(SECRET_MODE),
        ..SecretVolumeSource::default()
    };
    Volume { name: name.to_owned(), secret: Some(source), ..Volume::default() }
}
