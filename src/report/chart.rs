//! KMS calls per second as a row of blocks, against the quota.

use std::collections::BTreeMap;

use super::Summary;

/// Eighths of a cell.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands between warm-up and measured part.
const BORDER: char = '│';

/// Two rows of the same cells: what fits into the quota, and above it what goes beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chart {
    /// Blank when no second went beyond the quota; full at twice the quota.
    pub(super) beyond: String,
    /// Full at the quota; without a quota, at the busiest second.
    pub(super) within: String,
}

/// The chart of `run` in at most `cells` cells: each shows the busiest of its seconds. None without KMS calls.
pub(super) fn chart(run: &Summary, cells: usize) -> Option<Chart> {
    let mut calls: BTreeMap<i64, u64> = BTreeMap::new();
    for second in &run.series {
        let sum = calls.entry(second.second).or_default();
        *sum = sum.saturating_add(second.kms_calls);
    }
    let busiest = calls.values().copied().max().filter(|busiest| *busiest > 0)?;
    let (first, last) = (*calls.first_key_value()?.0, *calls.last_key_value()?.0);
    // One cell is for the border.
    let room = cells.saturating_sub(1).max(1);
    let seconds = u128::from(last.abs_diff(first)) + 1;
    let width = usize::try_from(seconds).map_or(room, |seconds| seconds.min(room));
    let cell = |second: i64| {
        let place = u128::from(second.abs_diff(first)) * width as u128 / seconds;
        usize::try_from(place).expect("below the width")
    };
    let mut heights = vec![0; width];
    for (second, calls) in &calls {
        let height = &mut heights[cell(*second)];
        *height = (*calls).max(*height);
    }
    let full = run.quota_per_s.unwrap_or(busiest);
    let border = (first < 0 && last >= 0).then(|| cell(0)).filter(|cell| *cell > 0);
    let row = |height: &dyn Fn(u64) -> u64| {
        let mut shown = String::new();
        for (place, calls) in heights.iter().enumerate() {
            if border == Some(place) {
                shown.push(BORDER);
            }
            shown.push(BLOCKS[eighths(height(*calls), full)]);
        }
        shown
    };
    let goes_beyond = run.quota_per_s.is_some_and(|quota| busiest > quota);
    Some(Chart {
        beyond: if goes_beyond { row(&|calls| calls.saturating_sub(full)) } else { String::new() },
        within: row(&|calls| calls.min(full)),
    })
}

/// ⌈8 × part ÷ full⌉, at most 8: what is not nothing shows.
fn eighths(part: u64, full: u64) -> usize {
    let eighths = (u128::from(part) * 8).div_ceil(u128::from(full.max(1)));
    usize::try_from(eighths.min(8)).expect("at most 8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_shows_and_more_than_full_is_full() {
        assert_eq!([0, 1, 125, 126, 1_000, 2_000].map(|calls| eighths(calls, 1_000)), [0, 1, 1, 2, 8, 8]);
        assert_eq!((eighths(0, 0), eighths(u64::MAX, 0), eighths(u64::MAX, u64::MAX)), (0, 8, 8));
    }
}
