//! Whether this agent is ready. Not being so is often for the member's owner to mend, so `/readyz` says what is wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether this agent can do its work, and what keeps it from it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    heard: bool,
    trouble: Option<String>,
}

impl Health {
    /// Says whether the hub hears from this member.
    pub fn set_heard(&self, heard: bool) {
        self.lock().heard = heard;
    }

    /// Says what keeps this member from the hub; false if that was said last.
    pub fn say(&self, trouble: &str) -> bool {
        let mut inside = self.lock();
        let new = inside.trouble.as_deref() != Some(trouble);
        inside.trouble = Some(trouble.to_owned());
        new
    }

    /// Nothing keeps it any more.
    pub fn clear(&self) {
        self.lock().trouble = None;
    }

    /// Why the agent isn't ready; `None` if it is.
    pub fn trouble(&self) -> Option<String> {
        let inside = self.lock();
        let silent =
            || (!inside.heard).then(|| "the hub doesn't hear from this member; see the agent's log".to_owned());
        inside.trouble.clone().or_else(silent)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::{Body, to_bytes};
    use eai_runtime::health::router;
    use tower::ServiceExt as _;

    use super::*;
    use crate::metrics::Metrics;

    async fn ask(health: &Health, path: &str) -> (u16, String) {
        let registry = Metrics::new().unwrap().registry;
        let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
        let health = health.clone();
        let response = router(move || health.trouble(), registry).oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_agent_that_is_not_ready_says_why() {
        let health = Health::default();
        let (code, why) = ask(&health, "/readyz").await;
        assert!(code == 503 && why.contains("doesn't hear"), "{why}");
        health.set_heard(true);
        assert_eq!(ask(&health, "/readyz").await, (200, "ok".to_owned()));
        assert!(health.say("ask for an invite") && !health.say("ask for an invite"));
        assert_eq!(ask(&health, "/readyz").await, (503, "ask for an invite".to_owned()));
        health.clear();
        assert_eq!(ask(&health, "/readyz").await.0, 200);
        assert!(health.say("ask for an invite"));
    }

    #[tokio::test]
    async fn it_lives_and_tells_its_figures_whatever_is_wrong() {
        let health = Health::default();
        assert_eq!(ask(&health, "/livez").await, (200, "ok".to_owned()));
        let (code, text) = ask(&health, "/metrics").await;
        assert!(code == 200 && text.contains("eai_agent_hub_connected 0"), "{text}");
    }
}
