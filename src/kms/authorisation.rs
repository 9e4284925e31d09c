//! Who may do what with a key: the one seam at which a policy language will stand.

use super::error::KmsError;
use super::key::{Grantee, Key, KeyKind};
use crate::request::Principal;

/// What an account may do with a key of another account that allows it; nothing else.
/// Source: KMS developer guide, cross-account use.
const CROSS_ACCOUNT: [&str; 8] = [
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "Encrypt",
    "Decrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "DescribeKey",
    "GetKeyRotationStatus",
];

/// Whether `principal` may do `action` (without its prefix `kms:`) with `key`.
///
/// Today each customer's key has a set of principals that it allows. An AWS managed key serves every principal of
/// its account, an AWS owned key everybody, and neither lets anybody change it.
///
/// # Errors
/// [`KmsError::AccessDenied`].
#[inline]
pub fn authorise(principal: &Principal, action: &str, key: &Key) -> Result<(), KmsError> {
    let usable_abroad = || CROSS_ACCOUNT.contains(&action);
    let allowed = match key.kind() {
        KeyKind::AwsOwned => usable_abroad(),
        KeyKind::AwsManaged => principal.account() == key.account() && usable_abroad(),
        KeyKind::Customer | KeyKind::Imported | KeyKind::CustomStore(_) => {
            let covers = |grantee: &Grantee| grantee.covers(principal);
            key.allowed().iter().any(covers) && (principal.account() == key.account() || usable_abroad())
        }
    };
    if allowed { Ok(()) } else { Err(key.deny(principal, action)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    const OWNER: &str = "111122223333";
    const FOREIGN: &str = "444455556666";

    fn key(kind: KeyKind, allowed: Vec<Grantee>) -> Key {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        Key::new(arn.parse().unwrap(), kind, allowed, Timestamp::ZERO, jiff::civil::date(2026, 1, 1))
    }

    fn may(account: &str, role: &str, action: &str, key: &Key) -> bool {
        authorise(&Principal::new(account, role, "s"), action, key).is_ok()
    }

    #[test]
    fn a_customers_key_serves_those_it_allows_and_strangers_only_in_use() {
        let role = Grantee::Role { account: FOREIGN.into(), role: "reader".into() };
        let key = key(KeyKind::Customer, vec![Grantee::Account(OWNER.into()), role]);
        assert!(may(OWNER, "any", "Decrypt", &key) && may(OWNER, "any", "DisableKey", &key));
        assert!(may(FOREIGN, "reader", "Decrypt", &key));
        assert!(!may(FOREIGN, "reader", "DisableKey", &key));
        assert!(!may(FOREIGN, "writer", "Decrypt", &key) && !may("777788889999", "reader", "Decrypt", &key));
    }

    #[test]
    fn aws_keys_are_used_and_not_changed() {
        let managed = key(KeyKind::AwsManaged, vec![]);
        assert!(may(OWNER, "any", "Decrypt", &managed) && !may(FOREIGN, "any", "Decrypt", &managed));
        assert!(!may(OWNER, "any", "DisableKey", &managed));
        let owned = key(KeyKind::AwsOwned, vec![]);
        assert!(may(FOREIGN, "any", "Decrypt", &owned) && !may(OWNER, "any", "DisableKey", &owned));
    }

    #[test]
    fn a_denial_names_principal_action_and_key() {
        let key = key(KeyKind::Customer, vec![]);
        let denied = authorise(&Principal::new(OWNER, "r", ""), "Decrypt", &key).unwrap_err();
        assert!(denied.to_string().starts_with("111122223333:r may not kms:Decrypt with key arn:aws:kms:"));
    }
}
