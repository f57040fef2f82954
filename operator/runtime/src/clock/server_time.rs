//! The time of day in a cluster: its API server says it with each answer.
//!
//! What is compared with a cluster's records, when a Job began or since when it has no pod, must be of the same clock. Hub and
//! agent may run on a machine whose clock is wrong, and an agent elsewhere than its member.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
};

use eai_core::fencing::BootMs;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use tower::{Layer, Service};

use super::{boot, machine, shifted};

/// An answer that took longer says nothing of the time: it may have lain around, as when this process stood still.
const PROMPT_MS: u64 = 2_000;
/// Answers tell whole seconds, and take some time: by less than this clocks are equal.
const EQUAL_MS: i64 = 1_500;

/// How far a cluster is ahead of this process. Copies share what is known.
#[derive(Clone, Debug, Default)]
pub struct ServerTime(Arc<AtomicI64>);

impl ServerTime {
    /// The time of day in that cluster; the machine's own until its API server has answered.
    pub fn now(&self) -> Timestamp {
        shifted(machine(), SignedDuration::from_millis(self.0.load(Ordering::Relaxed)))
    }

    /// It was asked at `sent`, and has answered by now that it is `date`.
    fn heard(&self, date: &str, sent: BootMs, now: BootMs) {
        let Ok(date) = rfc2822::DateTimeParser::new().parse_timestamp(date) else { return };
        if now.since(sent) > PROMPT_MS {
            return;
        }
        let ahead = ahead_ms(self.0.load(Ordering::Relaxed), date, machine());
        self.0.store(ahead, Ordering::Relaxed);
    }
}

/// By how much it is ahead, when it says `date` where this process says `now` and `before` was thought.
fn ahead_ms(before: i64, date: Timestamp, now: Timestamp) -> i64 {
    // Half a second more than it says, on average.
    let ahead = date.as_millisecond().saturating_add(500).saturating_sub(now.as_millisecond());
    match ahead.abs_diff(before) {
        0..=EQUAL => before,
        _ if ahead.unsigned_abs() <= EQUAL => 0,
        _ => ahead,
    }
}

/// [`EQUAL_MS`], as a distance.
const EQUAL: u64 = EQUAL_MS.unsigned_abs();

/// Has a client hear the time with each answer.
impl<S> Layer<S> for ServerTime {
    type Service = Hearing<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Hearing { inner, time: self.clone() }
    }
}

/// A client that does.
#[derive(Clone, Debug)]
pub struct Hearing<S> {
    inner: S,
    time: ServerTime,
}

impl<S, Q, A> Service<Request<Q>> for Hearing<S>
where
    S: Service<Request<Q>, Response = Response<A>>,
    S::Future: Send + 'static,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (time, sent) = (self.time.clone(), boot());
        let answer = self.inner.call(request);
        answer
            .inspect(move |answer| {
                let date = answer.as_ref().ok().and_then(|answer| answer.headers().get(DATE)?.to_str().ok());
                if let Some(date) = date {
                    time.heard(date, sent, boot());
                }
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn a_difference_of_a_second_is_none() {
        for now in [0, 400, 999, 1_900] {
            assert_eq!(ahead_ms(0, at(0), at(now)), 0, "{now}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_found_and_one_that_was_set_right_too() {
        let off = ahead_ms(0, at(600_000), at(300));
        assert_eq!(off, 600_200);
        assert_eq!(ahead_ms(off, at(601_000), at(1_700)), off, "it doesn't tremble");
        assert_eq!(ahead_ms(off, at(5_000), at(5_400)), 0, "somebody has set it");
        assert_eq!(ahead_ms(0, at(-600_000), at(0)), -599_500);
    }

    async fn answered(date: &'static str) -> ServerTime {
        let time = ServerTime::default();
        let api = tower::service_fn(move |_: Request<()>| async move {
            Ok::<_, Infallible>(Response::builder().header(DATE, date).body(()).unwrap())
        });
        time.layer(api).call(Request::new(())).await.unwrap();
        time
    }

    #[tokio::test]
    async fn an_answer_tells_the_time() {
        let time = answered("Tue, 14 Nov 2023 22:13:20 GMT").await;
        let off = time.now().as_second() - 1_700_000_000;
        assert!((0..=2).contains(&off), "{off}");
        let unread = answered("yesterday").await;
        assert!((unread.now().as_second() - machine().as_second()).abs() <= 1);
    }

    #[test]
    fn an_answer_that_lay_around_tells_nothing() {
        let time = ServerTime::default();
        time.heard("Tue, 14 Nov 2023 22:13:20 GMT", BootMs(1_000), BootMs(3_001));
        assert!((time.now().as_second() - machine().as_second()).abs() <= 1);
        time.heard("Tue, 14 Nov 2023 22:13:20 GMT", BootMs(1_000), BootMs(3_000));
        assert!(time.now().as_second() < 1_700_000_010);
    }
}
