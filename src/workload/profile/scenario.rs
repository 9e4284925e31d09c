//! A scenario from a profile: the load that the log says, in the surroundings that another scenario gives.

use super::summary::zipf;
use super::{Histogram, Profile};
use crate::request::Operation;
use crate::units::Span;
use crate::workload::error::ScenarioError;
use crate::workload::rule::{MAX_OBJECT_BYTES, MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES};
use crate::workload::scenario::{
    ArrivalProcess, Layout, Mix, Multipart, Objects, Popularity, Principals, Puts, Quantile, Scenario,
    SizeLaw, Stop,
};

/// The lowest rate that a scenario may have: what stands for a stretch without requests.
const QUIET: f64 = 1e-6;
/// Steepest popularity that a scenario may have.
const THETA_MAX: f64 = 10.0;
/// Points of the sizes, in thousandths.
const SIZE_POINTS: [u64; 11] = [10, 50, 100, 250, 500, 750, 900, 950, 990, 999, 1_000];
/// Most principals of a scenario that is made here: each has a name in memory.
const PRINCIPALS_MAX: u64 = 1_000_000;

impl Profile {
    /// The scenario that this profile says, in the surroundings of `base`: its KMS, cache, Bucket Key, retries, S3, fleet,
    /// history, modes and seed.
    ///
    /// Rates are those of the profile's series, stretch by stretch; where that is more than `requests_max` requests, of the
    /// busiest run of stretches that holds no more. Within a stretch arrivals are Poisson, sizes and popularity are drawn
    /// from the profile's distributions, and the order in which objects come is lost: what a scenario cannot say.
    ///
    /// # Errors
    /// [`ScenarioError`] for a profile without requests that move objects, and for what the surroundings contradict.
    pub fn scenario(&self, base: &Scenario, requests_max: u64) -> Result<Scenario, ScenarioError> {
        let count = |operation: Operation| {
            let name = match operation {
                Operation::GetObjectRange => "GetObject",
                other => other.as_str(),
            };
            let found = self.operations.get(name).copied().unwrap_or_default();
            let requests = match operation {
                Operation::GetObjectRange => found.ranged,
                Operation::GetObject => found.requests - found.ranged,
                _ => found.requests,
            };
            (requests, found)
        };
        let weight = |operation| count(operation).0 as f64;
        let (uploads, _) = count(Operation::CreateMultipartUpload);
        let (parts, of_parts) = count(Operation::UploadPart);
        let multipart = if uploads == 0 || parts == 0 {
            base.mix.multipart
        } else {
            Multipart {
                parts: u32::try_from((parts / uploads).clamp(1, MAX_PARTS.into())).unwrap_or(MAX_PARTS),
                part_bytes: (of_parts.bytes_in / parts).clamp(MIN_PART_BYTES, MAX_PART_BYTES),
                ..base.mix.multipart
            }
        };
        let mix = Mix {
            put_object: weight(Operation::PutObject),
            get_object: weight(Operation::GetObject),
            get_object_range: weight(Operation::GetObjectRange),
            head_object: weight(Operation::HeadObject),
            copy_object: weight(Operation::CopyObject),
            multipart_upload: uploads as f64,
            delete_object: 0.0,
            list_objects: weight(Operation::ListObjects) + weight(Operation::DeleteObject),
            range_bytes: base.mix.range_bytes,
            multipart,
        };
        let counted = mix.put_object
            + mix.get_object
            + mix.get_object_range
            + mix.head_object
            + mix.copy_object
            + mix.multipart_upload
            + mix.list_objects;
        // Parts and ends come with their uploads; requests that no scenario can send are left out of the rates.
        let share = counted / (self.requests() as f64).max(1.0);
        let (rates, every) = self.rates(requests_max, share);
        let duration = every.saturating_mul(rates.len() as u64);
        let steady = rates.iter().all(|rate| rate.total_cmp(&rates[0]).is_eq());
        let arrival = if steady {
            ArrivalProcess::Poisson { rate: rates.first().copied().unwrap_or(QUIET) }
        } else {
            ArrivalProcess::Step { rates, every }
        };
        let theta = zipf(&self.objects.counts()).map(|theta| theta.clamp(0.0, THETA_MAX));
        let principals = self.requesters.distinct().count.clamp(1, PRINCIPALS_MAX) as u32;
        let skew = zipf(&self.requesters.counts()).map_or(0.0, |theta| theta.clamp(0.0, THETA_MAX));
        let buckets = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX).max(1);
        let scenario = Scenario {
            warm_up: Span::ZERO,
            stop: Stop::Duration(duration),
            arrival,
            mix,
            objects: Objects {
                count: self.objects.distinct().count.max(1),
                puts: Puts::Overwrite,
                size: sizes(&self.sizes, &base.objects.size),
                popularity: theta.map_or(Popularity::Uniform, |theta| Popularity::Zipf { theta }),
                ..base.objects.clone()
            },
            layout: Layout { buckets, kms_keys: base.layout.kms_keys.min(buckets), ..base.layout },
            principals: Principals { roles: principals, sessions: 1, zipf: skew },
            history: crate::workload::scenario::History {
                writers: base.history.writers.min(principals),
                ..base.history
            },
            ..base.clone()
        };
        scenario.validate()?;
        Ok(scenario)
    }

    /// Requests per second of each stretch, quiet ones too, and how long a stretch is.
    fn rates(&self, requests_max: u64, share: f64) -> (Vec<f64>, Span) {
        let step = self.series.step();
        let points: Vec<(u64, u64)> = self.series.points().collect();
        let Some((first, _)) = points.first() else { return (vec![QUIET], Span::from_seconds(1)) };
        // The busiest window of neighbours that holds no more than may be sent.
        let (mut best, mut from, mut sum) = ((0, 0, 0), 0, 0_u64);
        for (until, (_, requests)) in points.iter().enumerate() {
            sum += requests;
            while sum > requests_max && from < until {
                sum -= points[from].1;
                from += 1;
            }
            if sum > best.0 {
                best = (sum, from, until);
            }
        }
        let (_, from, until) = best;
        let (start, end) = (points[from].0.max(*first), points[until].0);
        // A scenario has at most 10,000 rates; quiet stretches beyond that are left out.
        let stretches = ((end - start) / step + 1).min(10_000);
        let mut rates = vec![QUIET; usize::try_from(stretches).unwrap_or(1)];
        for (second, requests) in &points[from..=until] {
            let place = usize::try_from((second - start) / step).unwrap_or(usize::MAX);
            if let Some(rate) = rates.get_mut(place) {
                *rate = (*requests as f64 * share / step as f64).max(QUIET);
            }
        }
        (rates, Span::from_seconds(step))
    }
}

/// The sizes as points; those of `base` where the log tells none.
fn sizes(histogram: &Histogram, base: &SizeLaw) -> SizeLaw {
    if histogram.count() == 0 {
        return base.clone();
    }
    let least = histogram.steps().next().map_or(0, |(least, _)| least).min(MAX_OBJECT_BYTES);
    let mut quantiles = vec![Quantile { share: 0.0, bytes: least }];
    for point in SIZE_POINTS {
        let bytes = histogram.quantile(point).clamp(least, MAX_OBJECT_BYTES);
        quantiles.push(Quantile { share: point as f64 / 1_000.0, bytes });
    }
    SizeLaw::Empirical { quantiles }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::log::Account;
    use crate::workload::profile::{OperationCount, ProfileOptions, Profiler};

    #[test]
    fn the_mix_the_rates_and_the_sizes_are_those_of_the_profile() {
        let mut profile = Profiler::new(ProfileOptions::default()).finish(&Account::default());
        let of = |requests, ranged| OperationCount { requests, ranged, ..OperationCount::default() };
        profile.operations.insert("GetObject".into(), of(60, 20));
        profile.operations.insert("PutObject".into(), of(20, 0));
        profile.operations.insert("GetBucketAcl".into(), of(20, 0));
        profile.series.record(100, 75);
        profile.series.record(103, 25);
        profile.sizes.record(1_000, 90);
        profile.sizes.record(50_000, 10);
        let scenario = profile.scenario(&Scenario::default(), u64::MAX).unwrap();
        assert_eq!(
            (scenario.mix.get_object, scenario.mix.get_object_range, scenario.mix.put_object),
            (40.0, 20.0, 20.0)
        );
        // One in five is no request that a scenario sends.
        let ArrivalProcess::Step { rates, every } = &scenario.arrival else {
            panic!("{:?}", scenario.arrival)
        };
        assert_eq!(
            (rates.as_slice(), *every),
            ([60.0, QUIET, QUIET, 20.0].as_slice(), Span::from_seconds(1))
        );
        assert_eq!(scenario.stop, Stop::Duration(Span::from_seconds(4)));
        let busiest = profile.scenario(&Scenario::default(), 80).unwrap();
        assert_eq!(busiest.arrival, ArrivalProcess::Poisson { rate: 60.0 }, "the busiest stretch alone");
        assert!(
            Profiler::new(ProfileOptions::default())
                .finish(&Account::default())
                .scenario(&Scenario::default(), 1)
                .is_err()
        );
    }
}
