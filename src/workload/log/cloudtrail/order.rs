//! Which member came behind which: records of one kind name theirs in nearly one order, so that a name is compared with the
//! one foreseen, without a search for its end and for what it is good for.
//!
//! It is a guess and nothing else: what is not there byte for byte, from quote to colon, is read the ordinary way and
//! learnt; and what begins with the same bytes, escapes and blanks among them, would be read the same way. So nothing that
//! is read depends on what was learnt (tests below).

use super::field::{Place, Use};
use super::json::Cursor;

/// Longest name that is foreseen, with its quotes and its colon: two vectors of the smallest processor.
const LONGEST: usize = 32;
/// Members that are kept at most; when there are more, the learning begins anew.
const MEMBERS_MAX: usize = 512;
/// An odd multiplier that spreads a word over its upper bits: 2⁶⁴ ÷ the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A member that came, or, first of each place, the beginning of an object.
#[derive(Clone, Copy, Debug)]
struct Member {
    place: Place,
    good_for: Use,
    /// `"name":`, cut out of the bytes ahead by `mask`.
    written: [u64; LONGEST / 8],
    mask: [u64; LONGEST / 8],
    length: usize,
    /// What came behind it the last two times that something else did than was foreseen.
    next: [At; 2],
}

/// A member of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(u16);

/// The order of members, as far as it was learnt.
#[derive(Debug)]
pub(super) struct Order {
    members: Vec<Member>,
    /// By a digest of place and name the last member that had it.
    by_digest: Vec<At>,
}

impl Member {
    /// Whether `ahead` begins with its name.
    #[inline]
    fn is_at(&self, ahead: &[u64; LONGEST / 8]) -> bool {
        let other = |i: usize| (ahead[i] & self.mask[i]) ^ self.written[i];
        other(0) | other(1) | other(2) | other(3) == 0
    }

    /// A number below [`MEMBERS_MAX`], of place and name.
    fn digest(&self) -> usize {
        let mixed = self
            .written
            .iter()
            .fold(self.place as u64, |sum, word| (sum ^ word).wrapping_mul(SPREAD) ^ sum >> 32);
        (mixed >> 32) as usize % MEMBERS_MAX
    }
}

impl At {
    /// The beginning of an object in `place`.
    pub(super) const fn beginning(place: Place) -> Self {
        Self(place as u16)
    }
}

impl Order {
    /// Nothing learnt.
    pub(super) fn new() -> Self {
        // A byte that the mask takes away cannot be there: no text is like a beginning.
        let beginning = |place| Member {
            place,
            good_for: Use::Nothing,
            written: [1; LONGEST / 8],
            mask: [0; LONGEST / 8],
            length: 0,
            next: [At(0); 2],
        };
        Self { members: Place::ALL.map(beginning).to_vec(), by_digest: vec![At(0); MEMBERS_MAX] }
    }

    /// The member of `place` at `cursor` and what it is good for, if such a one came behind `before` already: over its
    /// colon.
    #[inline]
    pub(super) fn foreseen(&self, place: Place, before: At, cursor: &mut Cursor<'_>) -> Option<(At, Use)> {
        let ahead = words(cursor.ahead()?);
        let [first, second] = self.members.get(usize::from(before.0))?.next;
        let found = |at: At| {
            let member = self.members.get(usize::from(at.0))?;
            // `before` may be of a table that was given up since, and lead to another place.
            (member.place == place && member.is_at(&ahead)).then_some((at, member))
        };
        let (at, member) = found(first).or_else(|| found(second))?;
        cursor.advance(member.length);
        Some((at, member.good_for))
    }

    /// Takes down that `written`, a name with its colon, came behind `before` in `place`; where the next one is to be
    /// looked for.
    #[cold]
    #[inline(never)]
    pub(super) fn learn(&mut self, place: Place, before: At, written: &[u8], good_for: Use) -> At {
        if written.len() > LONGEST {
            return before;
        }
        let (mut padded, mut mask) = ([0; LONGEST], [0; LONGEST]);
        padded[..written.len()].copy_from_slice(written);
        mask[..written.len()].fill(u8::MAX);
        let member = Member {
            place,
            good_for,
            written: words(&padded),
            mask: words(&mask),
            length: written.len(),
            next: [At::beginning(place); 2],
        };
        let slot = member.digest();
        let there = &self.members[usize::from(self.by_digest[slot].0)];
        // Of two with one digest one is kept twice, which costs room alone.
        if there.place != place || there.written != member.written {
            if self.members.len() == MEMBERS_MAX {
                *self = Self::new();
            }
            self.by_digest[slot] = At(u16::try_from(self.members.len()).expect("at most MEMBERS_MAX"));
            self.members.push(member);
        }
        let at = self.by_digest[slot];
        if let Some(member) = self.members.get_mut(usize::from(before.0))
            && !member.next.contains(&at)
        {
            member.next = [at, member.next[0]];
        }
        at
    }
}

#[inline]
fn words(bytes: &[u8; LONGEST]) -> [u64; LONGEST / 8] {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|i| u64::from_le_bytes(words[i]))
}

#[cfg(test)]
mod tests {
    use super::super::field::Fields;
    use super::super::json::Fault;
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::{Index, subsequence};

    /// Names of all places, alike in their beginnings, short and long, wanted and not.
    const NAMES: [&str; 20] = [
        "eventTime",
        "eventName",
        "eventNames",
        "event",
        "eventID",
        "eventSource",
        "userIdentity",
        "arn",
        "requestParameters",
        "bucketName",
        "key",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "encryptionContext",
        "aws:s3:arn",
        "additionalEventData",
        "bytesTransferredOut",
        "resources",
        "ARN",
        "naïve",
    ];

    /// `name` in quotes and its colon: mostly as AWS writes it, else with an escape, or blanks.
    fn name() -> impl Strategy<Value = fn(&str) -> String> {
        fn escaped(name: &str) -> String {
            format!("\"\\u{:04x}{}\":", u32::from(name.as_bytes()[0]), &name[1..])
        }
        prop_oneof![
            8 => Just((|name| format!("\"{name}\":")) as fn(&str) -> String),
            1 => Just(escaped as fn(&str) -> String),
            1 => Just((|name| format!("\"{name}\" :")) as fn(&str) -> String),
            1 => Just((|name| format!("\n  \"{name}\": ")) as fn(&str) -> String),
            1 => Just((|name| format!("\"{name} \":")) as fn(&str) -> String),
        ]
    }

    /// A JSON value: objects name their members mostly in one order.
    fn value() -> BoxedStrategy<String> {
        let leaf = prop_oneof![
            r#""[a-z/:]{0,12}""#,
            Just(r#""a\"b\u00e9""#.to_owned()),
            Just("7".to_owned()),
            Just("1.5".to_owned()),
            Just("null".to_owned()),
            Just(r#""{\"arn\":\"x\"}""#.to_owned()),
            Just(r#""arn:aws:s3:::b/k""#.to_owned()),
        ];
        leaf.prop_recursive(3, 40, 8, |inner| {
            prop_oneof![4 => object(inner.clone()), 1 => prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(",")))]
        })
        .boxed()
    }

    fn object(value: BoxedStrategy<String>) -> BoxedStrategy<String> {
        let ordered = || subsequence(NAMES.to_vec(), 0..8);
        let names = prop_oneof![
            6 => ordered(),
            1 => ordered().prop_shuffle(),
            1 => (ordered(), ordered()).prop_map(|(some, more)| [some, more].concat()),
        ];
        names
            .prop_flat_map(move |names| {
                let count = names.len();
                let parts =
                    (prop::collection::vec(name(), count), prop::collection::vec(value.clone(), count));
                (Just(names), parts).prop_map(|(names, (written, values))| {
                    let all = names.iter().zip(written).zip(values);
                    let members: Vec<String> =
                        all.map(|((name, write), value)| write(name) + &value).collect();
                    format!("{{{}}}", members.join(","))
                })
            })
            .boxed()
    }

    /// All that a reading says: what came out, where it stands, what was wrong.
    fn read<'a>(text: &'a str, order: &mut Order) -> (Fields<'a>, Result<(), Fault>, usize, &'static str) {
        let (mut fields, mut cursor) = (Fields::new(), Cursor::new(text));
        let result = fields.read(&mut cursor, order);
        let (at, expected) = (cursor.at(), cursor.expected());
        (fields, result, at, expected)
    }

    proptest! {
        #[test]
        fn what_is_read_does_not_depend_on_what_was_learnt(
            records in prop::collection::vec((object(value()), any::<Index>(), prop::option::weighted(0.3, r#"[{}",:\\a \x00]"#)), 1..12)
        ) {
            let mut order = Order::new();
            for (record, place, stray) in records {
                // As it stands in a file: what comes behind a record lies ahead, or not.
                for behind in ["", ",{\"eventTime\":\"2026-11-24T12:00:00Z\"}"] {
                    let mut text = record.clone() + behind;
                    if let Some(stray) = &stray {
                        text.insert_str(text.floor_char_boundary(place.index(text.len())), stray);
                    }
                    prop_assert_eq!(read(&text, &mut order), read(&text, &mut Order::new()), "{}", text);
                }
            }
        }
    }

    #[test]
    fn names_that_came_are_foreseen_and_others_are_not() {
        let mut order = Order::new();
        let foreseen = |order: &Order, text: &str| {
            let padded = format!("{text}{}", "x".repeat(LONGEST));
            let mut cursor = Cursor::new(&padded);
            order.foreseen(Place::Record, At::beginning(Place::Record), &mut cursor).map(|_| cursor.at())
        };
        read(r#"{"eventName":"GetObject","event":1}"#, &mut order).1.unwrap();
        assert_eq!(foreseen(&order, r#""eventName":"#), Some(12));
        for other in ["\"eventName\" :", "\"eventNames\":", "\"eventNam\":", "\"event\":", "\0\0\0\0"] {
            assert_eq!(foreseen(&order, other), None, "{other:?}");
        }
        read(r#"{"eventID":"1"}"#, &mut order).1.unwrap();
        assert_eq!(foreseen(&order, r#""eventID":"#), Some(10));
        assert_eq!(foreseen(&order, r#""eventName":"#), Some(12), "two are kept");
    }

    #[test]
    fn more_names_than_are_kept_start_the_learning_anew_and_within_a_record_too() {
        let same = |text: &str, order: &mut Order| {
            assert_eq!(read(text, order), read(text, &mut Order::new()), "{text}");
            assert!(order.members.len() <= MEMBERS_MAX);
        };
        let mut order = Order::new();
        same(r#"{"eventName":"n","userIdentity":{}}"#, &mut order);
        for i in 0.. {
            same(&format!(r#"{{"member{i}":{i}}}"#), &mut order);
            if order.members.len() == MEMBERS_MAX {
                break;
            }
        }
        // Where `userIdentity` stood stands `arn` now, behind which `accountId` is good for something.
        let text = r#"{"eventName":"n","userIdentity":{"new":1,"arn":"a","accountId":"b"},"accountId":"c","eventTime":"d"}"#;
        same(text, &mut order);
        assert!(order.members.len() < MEMBERS_MAX);
        for i in 0..4 * MEMBERS_MAX {
            same(
                &format!(r#"{{"eventName":"n","userIdentity":{{"a{i}":1,"arn":"x"}},"eventID":"{i}"}}"#),
                &mut order,
            );
        }
    }
}
