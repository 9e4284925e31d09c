//! Writes lines of an S3 access log: `lines COUNT OBJECTS`, 2,000 a second, 13 reads to 3 writes, 1,024 requesters.

use std::io::{BufWriter, Write};

fn main() -> std::io::Result<()> {
    let mut figures = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let (count, objects) = (figures.next().expect("COUNT"), figures.next().expect("OBJECTS"));
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for n in 0..count {
        // xorshift64: which object, which requester.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (object, second) = (state % objects, n / 2_000);
        let (day, second) = (second / 86_400 % 28 + 1, second % 86_400);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let (verb, who, size) = (if state >> 60 < 3 { "PUT" } else { "GET" }, state >> 20 & 1_023, object % 999_983);
        writeln!(
            out,
            "79a5 archive [{day:02}/Jan/2026:{hour:02}:{minute:02}:{second:02} +0000] 192.0.2.3 arn:aws:iam::111122223333:user/u{who} \
             {n:016X} REST.{verb}.OBJECT p{:x}/{object:08x} \"{verb} /p/{object:08x} HTTP/1.1\" 200 - {size} {size} 20 10 \"-\" \"agent\" -",
            object >> 16
        )?;
    }
    out.flush()
}
