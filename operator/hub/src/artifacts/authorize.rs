//! May they? The API server decides, by a SubjectAccessReview; its answers are remembered for a few seconds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use eai_api::names::{ARTIFACTS_GROUP, GROUP, VERSION};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use super::identity::Identity;

/// How long an answer is remembered. Revoked rights end within 15 s; this is a part of that.
pub const REMEMBERED: Duration = Duration::from_secs(5);
/// How many answers are remembered.
const MOST: usize = 4096;

/// What is asked: may this identity do this?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Who.
    pub identity: Identity,
    /// In which namespace.
    pub namespace: String,
    /// What.
    pub action: Action,
}

/// What somebody would do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read this AIJob.
    GetJob(String),
    /// Make AIJobs.
    CreateJob,
    /// Do something with this AIJob as it runs: its name, and `exec` or `portforward`. A right to look isn't enough, so
    /// what is asked for is the right to create.
    Use(String, &'static str),
    /// Write the status of Assignments.
    UpdateAssignmentStatus,
}

/// Asks and remembers.
pub struct Authorizer {
    client: Client,
    remembered: Duration,
    answers: Mutex<HashMap<Question, (Instant, bool)>>,
}

impl Authorizer {
    /// Asks through `client` and remembers answers for as long.
    pub fn new(client: Client, remembered: Duration) -> Self {
        Self { client, remembered, answers: Mutex::default() }
    }

    /// Whether the API server allows it.
    pub async fn allows(&self, question: Question) -> Result<bool, kube::Error> {
        let now = Instant::now();
        if let Some(answer) = self.remembered(&question, now) {
            return Ok(answer);
        }
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review(&question)).await?;
        let allowed = answer.status.is_some_and(|status| status.allowed && status.denied != Some(true));
        self.remember(question, now, allowed);
        Ok(allowed)
    }

    fn remembered(&self, question: &Question, now: Instant) -> Option<bool> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = answers.get(question)?;
        (now.duration_since(*at) < self.remembered).then_some(*answer)
    }

    fn remember(&self, question: Question, now: Instant, answer: bool) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (at, _)| now.duration_since(*at) < self.remembered);
        }
        if answers.len() < MOST {
            answers.insert(question, (now, answer));
        }
    }
}

fn review(question: &Question) -> SubjectAccessReview {
    let (group, verb, resource, subresource, name) = match &question.action {
        Action::GetJob(name) => (GROUP, "get", "aijobs", None, Some(name.clone())),
        Action::CreateJob => (GROUP, "create", "aijobs", None, None),
        Action::Use(name, what) => (ARTIFACTS_GROUP, "create", "aijobs", Some((*what).to_owned()), Some(name.clone())),
        Action::UpdateAssignmentStatus => (GROUP, "update", "assignments", Some("status".to_owned()), None),
    };
    let identity = question.identity.clone();
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        version: Some(VERSION.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(verb.to_owned()),
        namespace: Some(question.namespace.clone()),
        name,
        ..ResourceAttributes::default()
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(identity.user),
            uid: (!identity.uid.is_empty()).then_some(identity.uid),
            groups: Some(identity.groups),
            extra: Some(identity.extra),
            resource_attributes: Some(attributes),
            non_resource_attributes: None,
        },
        ..SubjectAccessReview::default()
    }
}
