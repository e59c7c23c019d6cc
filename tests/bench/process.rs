//! Processes of a system: their settings, and the memory that they hold.

use mpic_tests::cluster::Cluster;

/// Ends a process, changes its configuration and starts it again.
pub(crate) async fn restart_with(
    cluster: &mut Cluster,
    name: &str,
    change: impl FnOnce(&mut toml::Table),
) {
    let file = cluster.layout().config(name);
    let mut config: toml::Table = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&file, config.to_string()).unwrap();
    cluster.terminate(name).await;
    cluster.start_process(name).await;
}

/// Resident memory of a process, from `/proc/PID/status`.
pub(crate) fn memory_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib / 1024.0
}
