//! What work asks of a member, added up.

use std::collections::BTreeMap;

use eai_api::{assignment::Workload, names::WORK_CONTAINER};
use k8s_openapi::api::batch::v1::Job;

use crate::report::pod::amounts;

/// Pods and their resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Pods.
    pub pods: u64,
    /// Millicores.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Accelerators by resource.
    pub accelerators: BTreeMap<String, u64>,
}

impl Demand {
    /// What `workload` asks for while all pods that may run at once do.
    pub fn of(workload: &Workload) -> Self {
        let pods = u64::from(workload.parallelism.min(workload.completions));
        let mut accelerators = BTreeMap::new();
        if let Some(accelerator) = &workload.accelerator {
            accelerators.insert(accelerator.resource.clone(), pods.saturating_mul(u64::from(accelerator.count)));
        }
        Self {
            pods,
            cpu_millis: pods.saturating_mul(workload.cpu_millis),
            memory_bytes: pods.saturating_mul(workload.memory_bytes),
            accelerators,
        }
    }

    /// What a Job made by this agent asks for, read from its own spec.
    pub fn of_job(job: &Job) -> Self {
        let Some(spec) = &job.spec else { return Self::default() };
        let pods = u64::try_from(spec.parallelism.unwrap_or(0)).unwrap_or(0);
        let containers = spec.template.spec.as_ref().map(|pod| pod.containers.as_slice()).unwrap_or_default();
        let work = containers.iter().find(|container| container.name == WORK_CONTAINER);
        let requests = work.and_then(|c| c.resources.as_ref()).and_then(|r| r.requests.as_ref());
        let mut demand = Self { pods, ..Self::default() };
        for (name, amount) in requests.map(amounts).unwrap_or_default() {
            let all = pods.saturating_mul(amount);
            match name.as_str() {
                "cpu" => demand.cpu_millis = all,
                "memory" => demand.memory_bytes = all,
                _ => drop(demand.accelerators.insert(name, all)),
            }
        }
        demand
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.pods = self.pods.saturating_add(other.pods);
        self.cpu_millis = self.cpu_millis.saturating_add(other.cpu_millis);
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
        for (resource, count) in &other.accelerators {
            let sum = self.accelerators.entry(resource.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// Accelerators of one resource.
    pub fn accelerators_of(&self, resource: &str) -> u64 {
        self.accelerators.get(resource).copied().unwrap_or(0)
    }
}
