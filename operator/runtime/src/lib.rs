//! What every EAI program shares: its clock, telemetry, health and metrics, leader lease, shutdown, strict kubeconfigs, and streams.

pub mod clock;
pub mod health;
pub mod kubeconfig;
pub mod leader;
pub mod shutdown;
pub mod stream;
pub mod telemetry;
pub mod tls;
