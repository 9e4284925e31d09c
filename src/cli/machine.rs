//! What the machine is, as its kernel tells: for reports, and for [`doctor`](super::doctor).

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows what it knows: `/`, or a tree of the same shape.
#[derive(Clone, Debug)]
pub(super) struct System(PathBuf);

impl System {
    /// The machine that this runs on.
    pub(super) fn here() -> Self {
        Self("/".into())
    }

    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self(root.into())
    }

    /// The text of a file; none where the kernel has no such file or gives nothing.
    fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.0.join(path)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The value of a line `name : value` of `/proc/cpuinfo`.
    fn processor(&self, name: &str) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }

    /// The processor's name, as far as it can be learnt.
    pub(super) fn model(&self) -> String {
        self.processor("model name").unwrap_or_else(|| std::env::consts::ARCH.into())
    }

    /// Whether the kernel runs on a hypervisor; none where it does not say (other processors than x86).
    pub(super) fn is_virtual(&self) -> Option<bool> {
        self.processor("flags").map(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
    }

    /// Operating system and the kernel's release.
    pub(super) fn kernel(&self) -> String {
        let release = self.text("proc/sys/kernel/osrelease").unwrap_or_default();
        format!("{} {release}", std::env::consts::OS).trim().to_owned()
    }

    /// How the frequency of the cores is chosen: each rule once. None where the kernel does not choose it, as in most virtual
    /// machines.
    pub(super) fn governors(&self) -> Option<Vec<String>> {
        let cores = fs::read_dir(self.0.join("sys/devices/system/cpu")).ok()?;
        let mut found: Vec<String> = cores
            .flatten()
            .filter_map(|core| fs::read_to_string(core.path().join("cpufreq/scaling_governor")).ok())
            .map(|governor| governor.trim().to_owned())
            .collect();
        found.sort();
        found.dedup();
        Some(found).filter(|found| !found.is_empty())
    }

    /// What the kernel's clock reads.
    pub(super) fn clock_source(&self) -> Option<String> {
        self.text("sys/devices/system/clocksource/clocksource0/current_clocksource")
    }

    /// Processors' worth of time that the control group of this process may use; none without a limit.
    pub(super) fn processor_limit(&self) -> Option<f64> {
        let groups = self.text("proc/self/cgroup")?;
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        // A container sees its own group as the root; elsewhere a limit may stand at any group above.
        let paths =
            Path::new(group).ancestors().map(|path| format!("sys/fs/cgroup/{}/cpu.max", path.display()));
        let limits = paths.filter_map(|path| {
            let text = self.text(&path)?;
            let (quota, period) = text.split_once(' ')?;
            Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
        });
        limits.reduce(f64::min)
    }

    /// Runnable tasks over the last minute.
    pub(super) fn load(&self) -> Option<f64> {
        self.text("proc/loadavg")?.split(' ').next()?.parse().ok()
    }

    /// Where the time of all cores went since the start of the machine.
    pub(super) fn processor_time(&self) -> Option<ProcessorTime> {
        let text = self.text("proc/stat")?;
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        // Source: proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user's.
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|tick| tick.parse().ok()).collect();
        Some(ProcessorTime { total: ticks.iter().sum(), stolen: *ticks.get(7)? })
    }

    /// A line of `/proc/meminfo`, in bytes.
    fn memory(&self, name: &str) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1_024)
    }

    /// Bytes that can be had without swapping.
    pub(super) fn available(&self) -> Option<u64> {
        self.memory("MemAvailable")
    }

    /// Bytes that are swapped out.
    pub(super) fn swapped(&self) -> Option<u64> {
        self.memory("SwapTotal")?.checked_sub(self.memory("SwapFree")?)
    }
}

/// Ticks of all cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessorTime {
    total: u64,
    stolen: u64,
}

impl ProcessorTime {
    /// The share of the time since `earlier` in which a core had work and the hypervisor gave it to somebody else.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub(super) fn stolen_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total);
        if total == 0 { 0.0 } else { self.stolen.saturating_sub(earlier.stolen) as f64 / total as f64 }
    }
}

/// What the processor has for AES-GCM, the widest first; empty when it is all done in software.
pub(super) fn aes() -> &'static str {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    {
        use std::arch::is_x86_feature_detected as has;
        if !(has!("aes") && has!("pclmulqdq")) {
            return "";
        }
        match (has!("vaes") && has!("vpclmulqdq"), has!("avx512f") && has!("avx512bw")) {
            (true, true) => "VAES with AVX-512",
            (true, false) => "VAES with AVX2",
            (false, _) => "AES-NI",
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected as has;
        if has!("aes") && has!("pmull") { "AES and PMULL" } else { "" }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    ""
}

/// How many threads run at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor, cores, AES and kernel, as far as they can be learnt.
pub(super) fn description() -> String {
    let system = System::here();
    let cores = cores();
    let plural = if cores == 1 { "" } else { "s" };
    let aes = match aes() {
        "" => "AES in software",
        aes => aes,
    };
    format!("{}, {cores} core{plural}, {aes}, {}", system.model(), system.kernel())
}

/// What a population may take: three quarters of what the system calls available; everything where it does not say.
pub(super) fn available_memory() -> u64 {
    System::here().available().map_or(u64::MAX, |bytes| bytes / 4 * 3)
}

/// A machine whose kernel shows `files`.
#[cfg(test)]
pub(super) fn planted(files: &[(&str, &str)]) -> (tempfile::TempDir, System) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let system = System::at(root.path());
    (root, system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_shows_nothing_leaves_everything_unknown() {
        let (_root, system) = planted(&[]);
        assert_eq!(system.model(), std::env::consts::ARCH);
        assert_eq!((system.governors(), system.clock_source(), system.is_virtual()), (None, None, None));
        assert_eq!((system.processor_limit(), system.load(), system.processor_time()), (None, None, None));
        assert_eq!((system.available(), system.swapped()), (None, None));
    }

    #[test]
    fn what_the_kernel_shows_is_read() {
        let (_root, system) = planted(&[
            ("proc/cpuinfo", "model name\t: Some CPU @ 2 GHz\nflags\t\t: fpu hypervisor aes\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n"),
            ("proc/loadavg", "1.25 0.50 0.10 2/300 4242\n"),
            ("proc/meminfo", "MemAvailable:    2048 kB\nSwapTotal:  100 kB\nSwapFree:   60 kB\n"),
        ]);
        assert_eq!((system.model().as_str(), system.is_virtual()), ("Some CPU @ 2 GHz", Some(true)));
        assert_eq!(system.governors(), Some(vec!["powersave".to_owned()]));
        assert_eq!(system.load(), Some(1.25));
        assert_eq!((system.available(), system.swapped()), (Some(2_048 * 1_024), Some(40 * 1_024)));
    }

    #[test]
    fn the_tightest_limit_above_a_process_counts() {
        let (_root, system) = planted(&[
            ("proc/self/cgroup", "0::/pods/one\n"),
            ("sys/fs/cgroup/pods/one/cpu.max", "400000 100000\n"),
            ("sys/fs/cgroup/pods/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        ]);
        assert_eq!(system.processor_limit(), Some(1.5));
    }

    #[test]
    fn steal_is_a_share_of_the_time_between_two_looks() {
        let at = |line| planted(&[("proc/stat", line)]).1.processor_time();
        let (root, system) = planted(&[("proc/stat", "cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1 1\n")]);
        let earlier = system.processor_time().unwrap();
        fs::write(root.path().join("proc/stat"), "cpu  150 0 100 730 0 0 0 120 70 0\n").unwrap();
        let later = system.processor_time().unwrap();
        assert!((later.stolen_since(earlier) - 0.2).abs() < 1e-12, "20 of 100 ticks");
        assert!(later.stolen_since(later).abs() < 1e-12);
        assert_eq!(at("cpu  1 2 3\n"), None, "a kernel without steal");
    }
}
