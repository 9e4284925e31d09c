//! One report of several: the shards of a workload, or machines that each sent a load of their own at the same time.

use super::record::MergeError;
use super::{Report, Summary};

impl Report {
    /// The report that `parts`, each with the name that errors call it by, make together: runs are merged place by place,
    /// exactly ([`Summary::merge`]). The order of the parts makes no difference to any figure.
    ///
    /// Shards must be of one scenario and seed, each once, and all there. Reports that are no shards are taken as machines
    /// that ran at the same time, so their loads and quotas add up; they must not share a seed, for then they are repeats of
    /// one load, which [`compare`](super::compare) takes.
    ///
    /// # Errors
    ///
    /// What is missing, twice, or does not fit together.
    pub fn merge(parts: &[(String, Self)]) -> Result<Self, MergeError> {
        let Some((first_name, first)) = parts.first() else { return Err(MergeError::Nothing) };
        let mut parts: Vec<&(String, Self)> = parts.iter().collect();
        parts.sort_by_key(|(_, report)| report.shard);
        belong_together(&parts)?;
        let mut merged = Self { shard: None, runs: Vec::new(), notes: Vec::new(), ..first.clone() };
        for place in 0..first.runs.len() {
            let names: Vec<String> =
                parts.iter().map(|(name, report)| format!("{} in {name}", report.runs[place].mode)).collect();
            let runs: Vec<(&str, &Summary)> = names
                .iter()
                .zip(&parts)
                .map(|(name, (_, report))| (name.as_str(), &report.runs[place]))
                .collect();
            merged.runs.push(Summary::merge(&runs)?);
        }
        let mut machines: Vec<&str> = Vec::new();
        let mut reasons = Vec::new();
        for (name, report) in &parts {
            let notes =
                report.notes.iter().filter(|note| !merged.notes.contains(note)).cloned().collect::<Vec<_>>();
            merged.notes.extend(notes);
            if !report.machine.is_empty() && !machines.contains(&report.machine.as_str()) {
                machines.push(&report.machine);
            }
            if !report.valid {
                reasons.push(format!(
                    "{name}: {}",
                    report.invalid_reason.as_deref().unwrap_or("no reason was given")
                ));
            }
            if report.s3seal != first.s3seal {
                merged.notes.push(format!(
                    "{name} is of s3seal {}, {first_name} of {}.",
                    report.s3seal, first.s3seal
                ));
            }
        }
        merged.machine = machines.join("; ");
        if parts.len() > 1 {
            merged.notes.push(if first.shard.is_some() {
                format!(
                    "Merged from {} shards of one workload, without loss. Each had its part of the quota and caches of its own.",
                    parts.len()
                )
            } else {
                format!(
                    "Merged from {} machines that each sent a load of its own at the same time: loads and quotas add up.",
                    parts.len()
                )
            });
        }
        (merged.valid, merged.invalid_reason) = (true, None);
        if !reasons.is_empty() {
            merged.invalidate(reasons.join("; "));
        }
        Ok(merged)
    }
}

fn belong_together(parts: &[&(String, Report)]) -> Result<(), MergeError> {
    let apart = |text: String| Err(MergeError::Apart(text));
    let (first_name, first) = parts[0];
    for (name, report) in &parts[1..] {
        let kinds = |report: &Report| report.runs.iter().map(|run| (run.mode, run.kind)).collect::<Vec<_>>();
        if kinds(report) != kinds(first) {
            return apart(format!("{first_name} and {name} hold different runs"));
        }
        if report.shard.is_some() != first.shard.is_some() {
            return apart(format!("of {first_name} and {name} one is a shard and the other is not"));
        }
        let same_seed = report.seed == first.seed;
        if first.shard.is_some() && (!same_seed || report.scenario != first.scenario) {
            return apart(format!("{first_name} and {name} are shards of different workloads"));
        }
    }
    match first.shard {
        Some(shard) => {
            for index in 0..shard.of {
                let having = |(_, report): &&&(String, Report)| {
                    report.shard.is_some_and(|held| held.index == index && held.of == shard.of)
                };
                match parts.iter().filter(having).count() {
                    1 => {}
                    0 => {
                        return apart(format!(
                            "shard {index}/{} is missing: the workload is whole only with all of them",
                            shard.of
                        ));
                    }
                    n => return apart(format!("shard {index}/{} is there {n} times", shard.of)),
                }
            }
            if parts.len() != shard.of as usize {
                return apart(format!("{} reports for {} shards", parts.len(), shard.of));
            }
        }
        None => {
            for (place, (name, report)) in parts.iter().enumerate() {
                if let Some((other, _)) = parts[..place].iter().find(|(_, other)| other.seed == report.seed) {
                    return apart(format!(
                        "{other} and {name} have the same seed and are no shards: repeats of one load, to be compared, not merged"
                    ));
                }
            }
        }
    }
    Ok(())
}
