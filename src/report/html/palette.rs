//! Colours by day and by night. Tests compute their contrast (WCAG 2.2) and how far apart they stay for colour-blind eyes.

use std::fmt::Write;

/// The colours of one theme, as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Behind everything.
    pub ground: &'static str,
    /// Behind charts and tables.
    pub card: &'static str,
    /// Text.
    pub text: &'static str,
    /// Text that may be passed over.
    pub faint: &'static str,
    /// Text and marks of what went wrong.
    pub alarm: &'static str,
    /// Lines between things; carries no meaning.
    pub line: &'static str,
    /// KMS calls that were granted, and what else is neither good nor bad.
    pub calls: &'static str,
    /// The SSE modes in the order of `SseMode::ALL`; also parts of a bar.
    pub modes: [&'static str; 6],
}

/// By day.
pub const LIGHT: Theme = Theme {
    ground: "#f5f4f0",
    card: "#ffffff",
    text: "#18212d",
    faint: "#566072",
    alarm: "#b3261e",
    line: "#dcdad3",
    calls: "#6f94b8",
    modes: ["#5b8f97", "#c0350a", "#2b86e3", "#1f9d68", "#7b2d8b", "#1f2a33"],
};

/// By night.
pub const DARK: Theme = Theme {
    ground: "#11151b",
    card: "#1a1e25",
    text: "#e9edf3",
    faint: "#a5afbd",
    alarm: "#ff8a7a",
    line: "#323945",
    calls: "#6d94bd",
    modes: ["#8089a8", "#e8a13a", "#5b8cf5", "#2fa567", "#f0bdf0", "#f3efb0"],
};

/// Both themes as CSS variables, and the page's style.
pub(super) fn style() -> String {
    let variables = |theme: &Theme| {
        let Theme { ground, card, text, faint, alarm, line, calls, modes } = theme;
        let mut css = format!(
            "--ground:{ground};--card:{card};--text:{text};--faint:{faint};--alarm:{alarm};--line:{line};--calls:{calls};"
        );
        for (place, colour) in modes.iter().enumerate() {
            let _ = write!(css, "--m{place}:{colour};");
        }
        css
    };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n{}",
        variables(&LIGHT),
        variables(&DARK),
        include_str!("style.css")
    )
}
