//! The page as a browser draws it: as wide as the window, nothing cut off to the right, no large blank areas.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::rows::*;

/// A browser that is asked for a picture gives it in seconds; one that hangs for a minute and a half is not waited for.
const LOOKS_MAX: u32 = 900;
/// Between sections lie 44 pixels; more than this without a mark is a hole. Of the window's height where the page ends.
const BLANK_MAX: usize = 130;

struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

fn picture(browser: &str, folder: &Path, html: &str, width: u32, height: u32, dark: bool) -> Picture {
    let (page, shot) = (folder.join("page.html"), folder.join("page.png"));
    std::fs::write(&page, html).unwrap();
    let _ = std::fs::remove_file(&shot);
    let profile = tempfile::tempdir().unwrap();
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},{height}"))
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut looks = 0;
    while child.try_wait().unwrap().is_none() {
        looks += 1;
        if looks > LOOKS_MAX {
            let _ = child.kill();
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "waits for another program")]
        std::thread::sleep(Duration::from_millis(100));
    }
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&shot).expect("a picture")));
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let channels = info.color_type.samples();
    Picture {
        width: info.width as usize,
        height: info.height as usize,
        rgb: bytes.chunks(channels).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
    }
}

impl Picture {
    fn row(&self, y: usize) -> &[[u8; 3]] {
        &self.rgb[y * self.width..(y + 1) * self.width]
    }

    fn is_blank(&self, y: usize) -> bool {
        let row = self.row(y);
        row.iter().all(|pixel| *pixel == row[0])
    }

    /// The longest run of blank rows before the last row with a mark.
    fn hole(&self) -> usize {
        let last = (0..self.height).rev().find(|y| !self.is_blank(*y)).expect("a mark");
        let (mut longest, mut here) = (0, 0);
        for y in 0..=last {
            here = if self.is_blank(y) { here + 1 } else { 0 };
            longest = longest.max(here);
        }
        longest
    }
}

#[test]
fn a_browser_draws_the_page_whole_by_day_and_by_night_wide_and_narrow() {
    let Some(browser) = chromium() else {
        #[expect(clippy::print_stderr, reason = "a test that looks at nothing says so")]
        {
            eprintln!("no chromium here: the page was not looked at");
        }
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut long = planted();
    for run in &mut long.runs {
        for share in &mut run.attribution.bucket {
            share.name = Some("a-bucket-with-a-name-that-does-not-end-".repeat(20));
        }
    }
    long.machine = "m".repeat(1_024);
    for (which, report) in [("planted", planted()), ("long names", long)] {
        let html = report.to_html();
        for (width, dark) in [(1_280, false), (390, true)] {
            // Headless browsers make a window no narrower than 500; a frame of 390 in it is the phone.
            let framed = html.replace(
                "</head>",
                &format!("<style>html{{width:{width}px;overflow-x:clip}}</style></head>"),
            );
            let drawn = picture(browser, folder.path(), &framed, width, 3_000, dark);
            assert_eq!(drawn.height, 3_000, "{which} {width}");
            let ground = drawn.row(0)[0];
            let bright = ground.iter().map(|part| u32::from(*part)).sum::<u32>();
            assert_eq!(bright < 200, dark, "{which} {width}: the ground is {ground:?}");
            let marked = (0..drawn.height).filter(|y| !drawn.is_blank(*y)).count();
            assert!(marked > 1_800, "{which} {width}: {marked} rows with marks");
            assert!(drawn.hole() < BLANK_MAX, "{which} {width}: {} blank rows", drawn.hole());
            // The margin at the right is as empty as the one at the left: nothing sticks out.
            let edge = width as usize - 6;
            let sticks_out =
                (0..drawn.height).filter(|y| drawn.row(*y)[edge.min(drawn.width - 1)] != ground).count();
            assert!(sticks_out == 0, "{which} {width}: {sticks_out} rows stick out");
        }
    }
}
