//! What every EAI controller shares: telemetry, health and metrics, leader lease, shutdown, strict kubeconfigs.

pub mod health;
pub mod kubeconfig;
pub mod leader;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
