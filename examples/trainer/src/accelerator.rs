//! Which accelerator the container was given, as far as its environment tells.

/// Names that device plugins and container runtimes use end like this (`NVIDIA_VISIBLE_DEVICES` and so on).
const SUFFIX: &str = "_VISIBLE_DEVICES";

/// The variables that name a device, as `NAME=value`, in the names' order. `void` and `none` mean that none was given.
pub fn given(environment: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut given: Vec<String> = environment
        .into_iter()
        .filter(|(name, value)| name.ends_with(SUFFIX) && !matches!(value.as_str(), "" | "void" | "none"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    given.sort_unstable();
    given
}

/// One line for the log that says what was given and that it isn't computed with.
pub fn sentence(given: &[String]) -> String {
    if given.is_empty() {
        return "accelerator: the environment names none; computing on the CPU".to_owned();
    }
    format!(
        "accelerator: {}; this program computes on the CPU all the same, so it shows that the device was scheduled, \
         metered and paid, and says nothing about its speed",
        given.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_devices_are_named() {
        let environment = [
            ("PATH", "/bin"),
            ("NVIDIA_VISIBLE_DEVICES", "GPU-0"),
            ("CUDA_VISIBLE_DEVICES", "void"),
            ("AMD_VISIBLE_DEVICES", ""),
            ("FPGA_VISIBLE_DEVICES", "fpga-1"),
            ("SIGNING_KEY", "secret"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = given(environment);
        assert_eq!(given, ["FPGA_VISIBLE_DEVICES=fpga-1", "NVIDIA_VISIBLE_DEVICES=GPU-0"]);
        assert!(sentence(&given).contains("computes on the CPU"));
        assert!(sentence(&[]).contains("names none"));
    }
}
