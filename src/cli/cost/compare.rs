//! `s3seal cost compare`: choices side by side, with what each adds or saves.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use rust_decimal::Decimal;
use s3seal::cost::{Bill, Method, Months, Table, break_even, grouped, grouped_decimal, months_to_break_even};
use s3seal::report::BillPage;
use s3seal::request::SseMode;
use s3seal::units::Usd;
use serde_json::json;

use super::flag::Share;
use super::page::money;
use super::workload::Workload;
use super::{Asked, Failure, Format, Question, refuse};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to compare [default: everything that the workload has]
    #[arg(value_enum)]
    what: Vec<What>,
    #[command(flatten)]
    question: Question,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// No Bucket Key, and Bucket Keys by the share of calls they save
    BucketKey,
    /// A Bucket Key by the share of reads on objects that it does not help
    OldReads,
    /// aws/s3 against a customer managed key
    Key,
    /// One key against hundreds
    Keys,
    /// One PUT against multipart uploads, by parts
    Multipart,
    /// Re-encrypting the objects that exist, and the months until that has paid for itself
    Transition,
}

/// One choice. Amounts are `None` where a price is not known.
struct Row {
    comparison: &'static str,
    choice: String,
    kms_calls: u64,
    once: Option<Usd>,
    month: Option<Usd>,
    /// What it saves by the month against the first choice, or against staying.
    saves: Option<Usd>,
    /// What the move of a transition costs once pays for itself; `None` where there is no move, or a price is not known.
    break_even: Option<BreakEven>,
}

struct BreakEven {
    whole: Months,
    /// To one decimal; none: never.
    months: Option<Decimal>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let question = &arguments.question;
    let asked = Asked::new(question, None)?;
    let super::Load::Workload(workload) = &asked.load else {
        refuse("compare needs a workload: give --put, --get, or --objects with --size")
    };
    if asked.regions.len() > 1 {
        refuse("compare is about one Region: name one --region; `s3seal cost` bills several side by side");
    }
    let wanted = if arguments.what.is_empty() { What::value_variants() } else { &arguments.what };
    let compare = Compare { asked: &asked, workload };
    let mut rows = Vec::new();
    for what in wanted {
        rows.extend(match what {
            What::BucketKey => compare.bucket_key()?,
            What::OldReads => compare.old_reads()?,
            What::Key => compare.key()?,
            What::Keys => compare.keys()?,
            What::Multipart => compare.multipart()?,
            What::Transition => compare.transition()?,
        });
    }
    if rows.is_empty() {
        refuse(
            "nothing to compare: multipart needs --put or --multipart and a --size beyond 5 MiB, a transition --objects",
        );
    }
    let table = table(&rows);
    question.write_page(|| compare.page(&rows))?;
    question.answer.write(&match question.answer.format {
        Format::Text => text(&rows, &compare),
        Format::Markdown => table.markdown(),
        Format::Csv => table.csv(),
        Format::Json => json(&rows),
        Format::Focus => {
            refuse("--format focus is for bills; comparisons come as text, json, csv or markdown")
        }
    })
}

struct Compare<'a> {
    asked: &'a Asked,
    workload: &'a Workload,
}

/// The total, unless it lacks a price.
fn known(bill: &Bill) -> Option<Usd> {
    bill.missing().next().is_none().then(|| bill.total())
}

impl Compare<'_> {
    fn total(&self, workload: &Workload, mode: SseMode) -> Result<(u64, Option<Usd>), Failure> {
        let scenario = self.asked.scenario(workload, mode)?;
        Ok((scenario.kms_requests, known(&scenario.bill)))
    }

    /// The choices in order; savings against the first.
    fn rows(
        &self,
        comparison: &'static str,
        choices: Vec<(String, Workload, SseMode)>,
    ) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::new();
        for (choice, workload, mode) in choices {
            let (kms_calls, month) = self.total(&workload, mode)?;
            let first = rows.first().map_or(month, |row| row.month);
            let saves = first.zip(month).map(|(first, month)| first - month);
            let (once, break_even) = (None, None);
            rows.push(Row { comparison, choice, kms_calls, once, month, saves, break_even });
        }
        Ok(rows)
    }

    fn title(&self) -> String {
        format!("Choices in {}, {}, USD", self.workload.region, self.asked.month)
    }

    fn assumptions(&self) -> Vec<String> {
        self.workload.assumptions(&[SseMode::SseKms, SseMode::SseKmsBucketKey])
    }

    fn page(&self, rows: &[Row]) -> String {
        let mut explained: Vec<&str> = rows.iter().map(|row| row.comparison).collect();
        explained.dedup();
        let explained = explained.iter().map(|name| format!("{name}: {}", explanation(name))).collect();
        let page = BillPage {
            title: self.title(),
            findings: Vec::new(),
            bills: Vec::new(),
            table: table(rows),
            notes: vec![("What is compared".into(), explained), ("Assumed".into(), self.assumptions())],
        };
        page.to_html()
    }

    fn with(&self, change: impl FnOnce(&mut Workload)) -> Workload {
        let mut workload = self.workload.clone();
        change(&mut workload);
        workload
    }

    fn bucket_key(&self) -> Result<Vec<Row>, Failure> {
        let mut choices = vec![("no Bucket Key".to_owned(), self.workload.clone(), SseMode::SseKms)];
        let mut shares =
            vec![Share::percent(50), Share::percent(90), Share::percent(99), self.workload.bucket_key_hit];
        shares.sort_by_key(|share| std::cmp::Reverse(share.rest(1_000_000)));
        shares.dedup();
        for share in shares {
            let workload = self.with(|workload| workload.bucket_key_hit = share);
            choices.push((
                format!("Bucket Key that saves {share} of calls"),
                workload,
                SseMode::SseKmsBucketKey,
            ));
        }
        self.rows("bucket-key", choices)
    }

    fn old_reads(&self) -> Result<Vec<Row>, Failure> {
        if self.workload.get == 0 {
            return Ok(Vec::new());
        }
        let choice = |percent| {
            let share = Share::percent(percent);
            let workload = self.with(|workload| workload.old_reads = share);
            (
                format!("{share} of reads on objects that the Bucket Key does not help"),
                workload,
                SseMode::SseKmsBucketKey,
            )
        };
        self.rows("old-reads", [0, 10, 50, 90, 100].map(choice).into())
    }

    fn key(&self) -> Result<Vec<Row>, Failure> {
        let aws = |managed| self.with(|workload| workload.aws_managed_key = managed);
        let (keys, rotations) = (self.workload.keys, self.workload.rotations);
        let title =
            format!("{} customer managed key(s), rotated {rotations} time(s)", grouped(u128::from(keys)));
        let choices = vec![
            (title, aws(false), SseMode::SseKms),
            (
                "aws/s3: no monthly price, requests billed all the same, no use across accounts".into(),
                aws(true),
                SseMode::SseKms,
            ),
        ];
        self.rows("key", choices)
    }

    fn keys(&self) -> Result<Vec<Row>, Failure> {
        let choice = |keys: u64| {
            let workload = self.with(|workload| {
                workload.keys = keys;
                workload.aws_managed_key = false;
            });
            let plural = if keys == 1 { "" } else { "s" };
            (format!("{keys} customer managed key{plural}"), workload, SseMode::SseKmsBucketKey)
        };
        self.rows("keys", [1, 10, 100, 500].map(choice).into())
    }

    /// All PUTs and multipart uploads of the workload as uploads of so many parts.
    fn multipart(&self) -> Result<Vec<Row>, Failure> {
        let uploads = match self.workload.put.saturating_add(self.workload.multipart) {
            0 => return Ok(Vec::new()),
            uploads => uploads,
        };
        let choice = |parts: u64| {
            let workload = self.with(|workload| {
                (workload.put, workload.multipart) = if parts == 0 { (uploads, 0) } else { (0, uploads) };
                workload.parts = parts.max(1);
            });
            let title = if parts == 0 {
                "one PUT an object".into()
            } else {
                format!("multipart, {parts} parts an object")
            };
            (title, workload, SseMode::SseKms)
        };
        // All parts but the last have at least 5 MiB.
        let size = if self.workload.size == 0 { u64::MAX } else { self.workload.size };
        let possible = |parts: &u64| (parts.saturating_sub(1)).saturating_mul(5 << 20) < size;
        let mut parts: BTreeSet<u64> = [0, 10, 100, 1_000].into_iter().filter(possible).collect();
        if self.workload.multipart > 0 {
            parts.insert(self.workload.parts);
        }
        if parts.len() < 2 {
            return Ok(Vec::new());
        }
        self.rows("multipart", parts.into_iter().map(choice).collect())
    }

    /// Objects that exist go to another mode: what that costs once, and what the month costs then. Until then reads of
    /// a bucket that turned its Bucket Key on are all on old objects.
    fn transition(&self) -> Result<Vec<Row>, Failure> {
        let objects = self.workload.objects;
        if objects == 0 {
            return Ok(Vec::new());
        }
        let all_old = self.with(|workload| workload.old_reads = Share::percent(100));
        let moves = [
            ("sse-s3 to sse-kms", SseMode::SseS3, &all_old, SseMode::SseKms, 1_u64),
            ("sse-s3 to sse-kms-bucket-key", SseMode::SseS3, &all_old, SseMode::SseKmsBucketKey, 1),
            (
                "old sse-kms objects to sse-kms-bucket-key",
                SseMode::SseKmsBucketKey,
                &all_old,
                SseMode::SseKmsBucketKey,
                2,
            ),
        ];
        let mut rows = Vec::new();
        for (title, from, before, to, copy_calls) in moves {
            let (_, stays) = self.total(before, from)?;
            let (_, month) = self.total(self.workload, to)?;
            let saves = stays.zip(month).map(|(stays, month)| stays - month);
            for method in Method::ALL {
                // A copy unwraps the source's key where there is one and fetches another; an update makes one call,
                // by assumption. With a Bucket Key the fetch is shared.
                let fetches = if to == SseMode::SseKmsBucketKey {
                    self.workload.bucket_key_hit.rest(objects)
                } else {
                    objects
                };
                let unwraps = if method.copies() { objects.saturating_mul(copy_calls - 1) } else { 0 };
                let calls = if method.copies() { fetches + unwraps } else { objects };
                let usage = method
                    .usage(objects, calls, self.workload.class, self.workload.region, self.asked.month)
                    .map_err(Failure::new)?;
                // What the move adds to a month that goes on before: its work has used up the free tier, or part of it.
                let mut month_of_move = before.usage(from).map_err(Failure::new)?;
                month_of_move
                    .merge(&self.asked.lines)
                    .and_then(|()| month_of_move.merge(&usage))
                    .map_err(Failure::new)?;
                let moved = known(&self.asked.pricing.bill(&month_of_move)?);
                let once = moved.zip(stays).map(|(moved, stays)| moved - stays);
                let break_even = once.zip(saves).map(|(once, saves)| BreakEven {
                    whole: break_even(once, saves),
                    months: months_to_break_even(once, saves),
                });
                rows.push(Row {
                    comparison: "transition",
                    choice: format!("{title} by {method}"),
                    kms_calls: calls,
                    once,
                    month,
                    saves,
                    break_even,
                });
            }
        }
        Ok(rows)
    }
}

const UNKNOWN: &str = "no price";

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "comparison",
        "choice",
        "#KMS calls",
        "#USD once",
        "#USD a month",
        "#saves a month",
        "#months to break even",
    ]);
    for row in rows {
        let amount = |usd: Option<Usd>| usd.map_or_else(|| UNKNOWN.into(), money);
        let once = if row.comparison == "transition" { amount(row.once) } else { String::new() };
        table.rows.push(vec![
            row.comparison.into(),
            row.choice.clone(),
            grouped(u128::from(row.kms_calls)),
            once,
            amount(row.month),
            amount(row.saves),
            match &row.break_even {
                None if row.comparison == "transition" => "?".into(),
                None => String::new(),
                Some(BreakEven { months: None, .. }) => "never".into(),
                Some(BreakEven { months: Some(months), .. }) => grouped_decimal(*months, 1),
            },
        ]);
    }
    table
}

fn text(rows: &[Row], compare: &Compare<'_>) -> String {
    let mut parts = vec![compare.title() + "\n"];
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|row| row.comparison == first.comparison).count();
        let mut part = table(&rest[..length]);
        // The comparison stands above its table, and empty columns say nothing.
        let kept: Vec<usize> =
            (1..part.columns.len()).filter(|&i| part.rows.iter().any(|row| !row[i].is_empty())).collect();
        part.columns = kept.iter().map(|&i| part.columns[i].clone()).collect();
        part.rows = part.rows.iter().map(|row| kept.iter().map(|&i| row[i].clone()).collect()).collect();
        parts.push(format!("{}: {}\n{}", first.comparison, explanation(first.comparison), part.text()));
        rest = &rest[length..];
    }
    let assumed = compare.assumptions();
    parts.push("Assumed".into());
    parts.extend(assumed.iter().map(|line| format!("  {line}")));
    parts.join("\n") + "\n"
}

fn explanation(comparison: &str) -> &'static str {
    match comparison {
        "bucket-key" => "SSE-KMS without and with a Bucket Key",
        "old-reads" => {
            "objects written before the Bucket Key, or under many old ones, each need their own Decrypt"
        }
        "key" => "who owns the key, under SSE-KMS",
        "keys" => {
            "under SSE-KMS with a Bucket Key; each key has Bucket Keys of its own, so many keys also save less"
        }
        "multipart" => "every part asks KMS under SSE-KMS; the month's PUTs and uploads, each way",
        _ => {
            "re-encrypting what exists; KMS calls are those of the move, an update making one an object (assumed). Before it \
             every GET is assumed to read an old object, and PUTs use the Bucket Key already where the bucket has one: so \
             the saving is that of the reads alone. CopyObject takes objects up to 5 GB, larger ones a multipart copy"
        }
    }
}

fn even(row: &Row) -> Option<Decimal> {
    row.break_even.as_ref()?.months
}

fn json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let amount = |usd: Option<Usd>| usd.map(|usd| usd.to_string());
        json!({
            "comparison": row.comparison,
            "choice": row.choice,
            "kms_calls": row.kms_calls.to_string(),
            "usd_once": amount(row.once),
            "usd_month": amount(row.month),
            "saves_usd_month": amount(row.saves),
            "months_to_break_even": row.break_even.as_ref().and_then(|even| match even.whole {
                Months::After(months) => Some(months),
                Months::Never => None,
            }),
            "months_to_break_even_exact": even(row).map(|months| months.to_string()),
        })
    };
    format!("{:#}\n", json!(rows.iter().map(row).collect::<Vec<_>>()))
}
