//! A member is removed while somebody who stole its agent's token lists, and has a watch open.

use std::time::{Duration, Instant};

use eai_api::Assignment;
use eai_e2e::ghost::Ghost;
use futures::StreamExt as _;
use kube::{
    Api,
    api::{ListParams, WatchEvent, WatchParams},
};

use crate::support::world;

/// After this long no request is accepted.
const REVOKED: Duration = Duration::from_secs(15);

#[test]
fn a_removed_members_token_is_refused_within_15_s_and_its_open_watch_hears_nothing_new() {
    let w = world();
    let hub = &w.stage.hub;
    w.block_on(async {
        let mut ghost = Ghost::enrol(&w.stage, "e2e-ghost").await.unwrap();
        ghost.heartbeat().await.unwrap();
        let stolen: Api<Assignment> =
            Api::namespaced(ghost.thief(&w.stage).unwrap().client().await.unwrap(), &ghost.namespace());
        stolen.list(&ListParams::default()).await.expect("the token is good, or this proves nothing");
        let mut events = stolen.watch(&WatchParams::default().timeout(120), "0").await.unwrap().boxed();
        hub.kubectl(&["delete", "computenode", &ghost.name, "--wait=false"]).unwrap();
        let since = Instant::now();
        while since.elapsed() < REVOKED {
            let _ = stolen.list(&ListParams::default()).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for _ in 0..15 {
            let refused = stolen.list(&ListParams::default()).await;
            assert!(matches!(&refused, Err(kube::Error::Api(s)) if s.code == 401 || s.code == 403), "{refused:?}");
            let next = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
            assert!(!matches!(next, Ok(Some(Ok(WatchEvent::Added(_) | WatchEvent::Modified(_))))), "{next:?}");
        }
        ghost.leave(&w.stage).unwrap();
    });
}
