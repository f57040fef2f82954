//! May they? The API server decides, by a SubjectAccessReview; its answers are remembered for a few seconds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use eai_api::names::{GROUP, VERSION};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use super::identity::Identity;

/// How long an answer is remembered. Revoked rights end within 15 s; this is a part of that.
const REMEMBERED: Duration = Duration::from_secs(5);
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
    /// Write the status of Assignments.
    UpdateAssignmentStatus,
}

/// Asks and remembers.
pub struct Authorizer {
    client: Client,
    answers: Mutex<HashMap<Question, (Instant, bool)>>,
}

impl Authorizer {
    /// Asks through `client`.
    pub fn new(client: Client) -> Self {
        Self { client, answers: Mutex::default() }
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
        (now.duration_since(*at) < REMEMBERED).then_some(*answer)
    }

    fn remember(&self, question: Question, now: Instant, answer: bool) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (at, _)| now.duration_since(*at) < REMEMBERED);
        }
        if answers.len() < MOST {
            answers.insert(question, (now, answer));
        }
    }
}

fn review(question: &Question) -> SubjectAccessReview {
    let (verb, resource, subresource, name) = match &question.action {
        Action::GetJob(name) => ("get", "aijobs", None, Some(name.clone())),
        Action::CreateJob => ("create", "aijobs", None, None),
        Action::UpdateAssignmentStatus => ("update", "assignments", Some("status".to_owned()), None),
    };
    let identity = question.identity.clone();
    let attributes = ResourceAttributes {
        group: Some(GROUP.to_owned()),
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
