//! Writes an S3 server access log of 26 fields a line to standard output: `access_log LINES [SEED]`.
//!
//! 5,000,000 objects in 20 buckets, 200 requesters (150 role sessions of 30 roles, 50 users), 30 days. Popularity is
//! Zipf's with exponent 0.9, sizes are lognormal with a median of 64 KiB and fixed for each object, the rate follows the
//! hour of the day (1 to 3), and lines come up to 30 s out of order, as AWS delivers them.

use std::io::{self, BufWriter, Write};

const OBJECTS: u64 = 5_000_000;
const BUCKETS: u64 = 20;
const REQUESTERS: u64 = 200;
const DAYS: u64 = 30;
const EXPONENT: f64 = 0.9;

/// splitmix64, as generator and as mixer.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

fn digits(line: &mut Vec<u8>, value: u64, width: usize) {
    let mut text = [b'0'; 20];
    let (mut at, mut left) = (20, value);
    while left > 0 || 20 - at < width {
        at -= 1;
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    line.extend_from_slice(&text[at..]);
}

fn symbols(line: &mut Vec<u8>, alphabet: &[u8; 32], random: &mut Random, count: usize) {
    let mut bits = 0;
    for at in 0..count {
        if at % 12 == 0 {
            bits = random.next();
        }
        line.push(alphabet[(bits & 31) as usize]);
        bits >>= 5;
    }
}

const UPPER: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MIXED: &[u8; 32] = b"aBcDeFgHiJkLmNoPqRsTuVwXyZ+/0123";

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let lines: u64 = arguments.next().and_then(|text| text.parse().ok()).expect("access_log LINES [SEED]");
    let seed: u64 = arguments.next().map_or(1, |text| text.parse().expect("SEED is a number"));
    let mut random = Random(seed);
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());

    // Seconds since 2026-11-01T00:00:00Z at which each hour begins to send, as a share of all lines.
    let weight = |hour: u64| 2.0 - ((hour % 24) as f64 / 24.0 * std::f64::consts::TAU).cos();
    let hours = DAYS * 24;
    let total: f64 = (0..hours).map(weight).sum();
    let (mut hour, mut sent, mut in_hour) = (0, 0, weight(0) / total * lines as f64);
    let mut before = 0.0;

    let owner = b"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let top = (OBJECTS as f64).powf(1.0 - EXPONENT) - 1.0;
    let mut line = Vec::with_capacity(1024);
    let mut key = Vec::with_capacity(128);
    while sent < lines {
        while hour + 1 < hours && sent as f64 >= before + in_hour {
            before += in_hour;
            hour += 1;
            in_hour = weight(hour) / total * lines as f64;
        }
        let within = ((sent as f64 - before) / in_hour * 3600.0).min(3599.0) as u64;
        let second = (hour * 3600 + within).saturating_sub(random.below(31));

        // Rank by Zipf's law (its continuous inverse), then an object that the rank does not tell.
        let rank = (top * random.unit() + 1.0).powf(1.0 / (1.0 - EXPONENT)) as u64 - 1;
        let object = (rank.min(OBJECTS - 1) * 2_654_435_761) % OBJECTS;
        let own = mix(object ^ 0x5eed);
        let bucket = own % BUCKETS;
        // Each bucket has twenty requesters that cause most of its load.
        let requester = if random.below(10) < 9 {
            (bucket * 10 + random.below(20)) % REQUESTERS
        } else {
            random.below(REQUESTERS)
        };
        let normal = (0..4).map(|at| ((own >> (at * 16)) & 0xffff) as f64 / 65_536.0).sum::<f64>() - 2.0;
        let size = (65_536.0 * (normal * 3.0_f64.sqrt() * 2.0).exp()) as u64 + 1;

        key.clear();
        key.extend_from_slice(
            [&b"events"[..], b"images", b"exports", b"models", b"backup"][(own >> 20) as usize % 5],
        );
        key.extend_from_slice(b"/dt%3D2026-");
        digits(&mut key, (own >> 24) % 12 + 1, 2);
        key.push(b'-');
        digits(&mut key, (own >> 32) % 28 + 1, 2);
        key.extend_from_slice(b"/part-");
        digits(&mut key, object, 8);
        key.extend_from_slice(b".snappy.parquet");

        let dice = random.below(1000);
        let (operation, verb) = match dice {
            0..780 => ("REST.GET.OBJECT", "GET"),
            780..900 => ("REST.PUT.OBJECT", "PUT"),
            900..980 => ("REST.HEAD.OBJECT", "HEAD"),
            980..990 => ("REST.DELETE.OBJECT", "DELETE"),
            _ => ("REST.COPY.OBJECT", "PUT"),
        };
        let (status, error) = match (verb, random.below(1000)) {
            (_, 0) => (503, "SlowDown"),
            (_, 1..4) => (403, "AccessDenied"),
            ("GET" | "HEAD", 4..12) => (404, "NoSuchKey"),
            ("GET", 12..30) => (304, "-"),
            ("GET", 30..130) => (206, "-"),
            ("DELETE", _) => (204, "-"),
            _ => (200, "-"),
        };

        line.clear();
        line.extend_from_slice(owner);
        line.extend_from_slice(b" example-bucket-");
        digits(&mut line, bucket, 2);
        line.extend_from_slice(b" [");
        digits(&mut line, second / 86_400 + 1, 2);
        line.extend_from_slice(b"/Nov/2026:");
        digits(&mut line, second / 3600 % 24, 2);
        line.push(b':');
        digits(&mut line, second / 60 % 60, 2);
        line.push(b':');
        digits(&mut line, second % 60, 2);
        line.extend_from_slice(b" +0000] 10.0.");
        digits(&mut line, requester / 16, 1);
        line.push(b'.');
        digits(&mut line, requester % 250 + 1, 1);
        if requester < 150 {
            line.extend_from_slice(b" arn:aws:sts::111122223333:assumed-role/example-role-");
            digits(&mut line, requester / 5, 2);
            line.extend_from_slice(b"/session-");
        } else {
            line.extend_from_slice(b" arn:aws:iam::111122223333:user/example-user-");
        }
        digits(&mut line, requester, 3);
        line.push(b' ');
        symbols(&mut line, UPPER, &mut random, 16);
        line.push(b' ');
        line.extend_from_slice(operation.as_bytes());
        line.push(b' ');
        line.extend_from_slice(&key);
        line.extend_from_slice(b" \"");
        line.extend_from_slice(verb.as_bytes());
        line.push(b' ');
        line.push(b'/');
        line.extend_from_slice(&key);
        line.extend_from_slice(b" HTTP/1.1\" ");
        digits(&mut line, status, 3);
        line.push(b' ');
        line.extend_from_slice(error.as_bytes());
        line.push(b' ');
        match (verb, status) {
            ("GET", 200) => digits(&mut line, size, 1),
            ("GET", 206) => digits(&mut line, size.div_ceil(4), 1),
            (_, 400..) => digits(&mut line, 243, 1),
            _ => line.push(b'-'),
        }
        line.push(b' ');
        if status < 400 {
            digits(&mut line, size, 1)
        } else {
            line.push(b'-')
        }
        line.push(b' ');
        let turnaround = 5 + random.below(40);
        digits(&mut line, turnaround + size / 100_000, 1);
        line.push(b' ');
        digits(&mut line, turnaround, 1);
        line.extend_from_slice(b" \"-\" \"aws-sdk-java/2.29.6 md/io#sync Linux/6.1 Java/21.0.5\" - ");
        symbols(&mut line, MIXED, &mut random, 75);
        line.extend_from_slice(b"= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader example-bucket-");
        digits(&mut line, bucket, 2);
        line.extend_from_slice(b".s3.eu-central-1.amazonaws.com TLSv1.3 - -\n");
        out.write_all(&line)?;
        sent += 1;
    }
    out.flush()
}
