//! AWS Regions by name.

use std::fmt;
use std::str::FromStr;

use super::UnknownName;

/// Code and the name that bills show, by code.
///
/// Source: Amazon S3 user guide, usage type prefixes. The seven that it does not have (ap-east-2, ap-southeast-5 to -7,
/// ca-west-1, il-central-1, mx-central-1) stand in no source that was read: unconfirmed, and without S3 prices.
const REGIONS: [(&str, &str); 38] = [
    ("af-south-1", "Africa (Cape Town)"),
    ("ap-east-1", "Asia Pacific (Hong Kong)"),
    ("ap-east-2", "Asia Pacific (Taipei)"),
    ("ap-northeast-1", "Asia Pacific (Tokyo)"),
    ("ap-northeast-2", "Asia Pacific (Seoul)"),
    ("ap-northeast-3", "Asia Pacific (Osaka)"),
    ("ap-south-1", "Asia Pacific (Mumbai)"),
    ("ap-south-2", "Asia Pacific (Hyderabad)"),
    ("ap-southeast-1", "Asia Pacific (Singapore)"),
    ("ap-southeast-2", "Asia Pacific (Sydney)"),
    ("ap-southeast-3", "Asia Pacific (Jakarta)"),
    ("ap-southeast-4", "Asia Pacific (Melbourne)"),
    ("ap-southeast-5", "Asia Pacific (Malaysia)"),
    ("ap-southeast-6", "Asia Pacific (New Zealand)"),
    ("ap-southeast-7", "Asia Pacific (Thailand)"),
    ("ca-central-1", "Canada (Central)"),
    ("ca-west-1", "Canada West (Calgary)"),
    ("cn-north-1", "China (Beijing)"),
    ("cn-northwest-1", "China (Ningxia)"),
    ("eu-central-1", "Europe (Frankfurt)"),
    ("eu-central-2", "Europe (Zurich)"),
    ("eu-north-1", "Europe (Stockholm)"),
    ("eu-south-1", "Europe (Milan)"),
    ("eu-south-2", "Europe (Spain)"),
    ("eu-west-1", "Europe (Ireland)"),
    ("eu-west-2", "Europe (London)"),
    ("eu-west-3", "Europe (Paris)"),
    ("il-central-1", "Israel (Tel Aviv)"),
    ("me-central-1", "Middle East (UAE)"),
    ("me-south-1", "Middle East (Bahrain)"),
    ("mx-central-1", "Mexico (Central)"),
    ("sa-east-1", "South America (São Paulo)"),
    ("us-east-1", "US East (N. Virginia)"),
    ("us-east-2", "US East (Ohio)"),
    ("us-gov-east-1", "AWS GovCloud (US-East)"),
    ("us-gov-west-1", "AWS GovCloud (US-West)"),
    ("us-west-1", "US West (N. California)"),
    ("us-west-2", "US West (Oregon)"),
];

/// What a name that is none is said to be none of.
pub(super) const KIND: &str = "Region";

/// An AWS Region, ordered by code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u8);

impl Region {
    /// Every Region, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        (0_u8..).take(REGIONS.len()).map(Self)
    }

    /// The code: `us-east-1`.
    pub fn as_str(self) -> &'static str {
        REGIONS[usize::from(self.0)].0
    }

    /// The name that bills show: `US East (N. Virginia)`.
    pub fn title(self) -> &'static str {
        REGIONS[usize::from(self.0)].1
    }

    /// Whether it is neither in China nor in `GovCloud`.
    pub fn is_commercial(self) -> bool {
        !self.as_str().starts_with("cn-") && !self.as_str().starts_with("us-gov-")
    }
}

impl Region {
    /// Whether AWS bills it in US dollars. In China it is billed in yuan. Source: infracost golden file of S3 in China
    /// (docs/SOURCES.md, cost).
    pub fn is_billed_in_usd(self) -> bool {
        !self.as_str().starts_with("cn-")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Region {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::all().find(|region| region.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = REGIONS.iter().map(|(code, _)| *code).collect();
            UnknownName::new(KIND, text, &known)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_stand_in_the_order_of_their_codes() {
        assert!(REGIONS.is_sorted_by_key(|(code, _)| *code));
        for region in Region::all() {
            assert_eq!(region.as_str().parse(), Ok(region));
        }
    }

    #[test]
    fn a_region_that_does_not_exist_is_refused_with_the_nearest() {
        let refused = "us-esat-1".parse::<Region>().unwrap_err();
        assert_eq!(refused.to_string(), "`us-esat-1` is no Region; did you mean `us-east-1`?");
        assert!("US-EAST-1".parse::<Region>().is_err());
        let far = "frankfurt".parse::<Region>().unwrap_err().to_string();
        assert!(far.starts_with("`frankfurt` is no Region; expected its code, such as us-east-1"), "{far}");
    }
}
