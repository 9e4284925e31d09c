//! A back end of plotters that writes SVG elements with CSS classes, so that a style sheet colours them for day and night,
//! and with titles, which browsers show on hover without a script.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

use maud::{Escaper, Markup, PreEscaped, html};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

/// Units of a sheet in a pixel at its natural size: plotters counts in whole units.
pub(super) const UNITS: u32 = 10;
/// What a digit takes of the height of its font; only the room for labels depends on it.
const ASPECT: f64 = 0.58;

#[derive(Debug, Default)]
struct Drawn {
    elements: String,
    classes: Vec<String>,
    title: Option<String>,
}

/// What draws on a sheet: colours are classes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pen(Rc<RefCell<Drawn>>);

impl Pen {
    /// The colour that stands for the CSS classes `class`.
    pub(super) fn ink(&self, class: &str) -> RGBColor {
        let mut drawn = self.0.borrow_mut();
        let place = drawn.classes.iter().position(|held| held == class).unwrap_or_else(|| {
            drawn.classes.push(class.into());
            drawn.classes.len() - 1
        });
        let [_, _, high, low] = u32::try_from(place).unwrap_or(0).to_be_bytes();
        RGBColor(0, high, low)
    }

    /// The next element has this title.
    pub(super) fn title(&self, title: String) {
        self.0.borrow_mut().title = Some(title);
    }

    fn element(&self, color: BackendColor, name: &str, attributes: std::fmt::Arguments<'_>, text: &str) {
        let mut drawn = self.0.borrow_mut();
        let place = usize::from(color.rgb.1) << 8 | usize::from(color.rgb.2);
        let class = drawn.classes.get(place).cloned().unwrap_or_default();
        let title = drawn.title.take();
        let out = &mut drawn.elements;
        let _ = write!(out, "<{name} class=\"{class}\"{attributes}>");
        let _ = Escaper::new(out).write_str(text);
        if let Some(title) = title {
            out.push_str("<title>");
            let _ = Escaper::new(out).write_str(&title);
            out.push_str("</title>");
        }
        let _ = write!(out, "</{name}>");
    }
}

/// A sheet of so many units.
pub(super) struct Sheet {
    pen: Pen,
    size: (u32, u32),
}

impl Sheet {
    pub(super) fn new(pen: &Pen, size: (u32, u32)) -> Self {
        Self { pen: pen.clone(), size }
    }
}

/// What `pen` has drawn as an image named `name`.
pub(super) fn svg(pen: &Pen, size: (u32, u32), name: &str) -> Markup {
    let drawn = pen.0.borrow();
    html! {
        svg viewBox={ "0 0 " (size.0) " " (size.1) } role="img" aria-label=(name) { (PreEscaped(&drawn.elements)) }
    }
}

type Done = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Sheet {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }

    fn present(&mut self) -> Done {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Done {
        self.draw_rect(point, point, &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Done {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, _: bool) -> Done {
        let (width, height) = (b.0.abs_diff(a.0).max(1), b.1.abs_diff(a.1).max(1));
        let (x, y) = (a.0.min(b.0), a.1.min(b.1));
        let attributes = format_args!(" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        self.pen.element(style.color(), "rect", attributes, "");
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Done {
        self.pen.element(style.color(), "path", format_args!(" d=\"{}\"", outline(path)), "");
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Done {
        self.pen.element(style.color(), "path", format_args!(" d=\"{}z\"", outline(path)), "");
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, at: BackendCoord, radius: u32, style: &S, _: bool) -> Done {
        let attributes = format_args!(" cx=\"{}\" cy=\"{}\" r=\"{radius}\"", at.0, at.1);
        self.pen.element(style.color(), "circle", attributes, "");
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Done {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        // Of the height of the font, how far its base line lies below the given height.
        let drop = match style.anchor().v_pos {
            VPos::Top => 0.8,
            VPos::Center => 0.35,
            VPos::Bottom => -0.15,
        };
        let attributes =
            format_args!(" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\" dy=\"{drop}em\"", at.0, at.1);
        self.pen.element(style.color(), "text", attributes, text);
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        #[expect(clippy::cast_precision_loss, reason = "a label has few characters")]
        let width = text.chars().count() as f64 * style.size() * ASPECT;
        Ok((whole(width), whole(style.size())))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length on a sheet: small and positive"
)]
fn whole(length: f64) -> u32 {
    length.ceil() as u32
}

fn outline(path: impl IntoIterator<Item = BackendCoord>) -> String {
    path.into_iter().enumerate().fold(String::new(), |mut d, (place, (x, y))| {
        let _ = write!(d, "{}{x} {y}", if place == 0 { "M" } else { "L" });
        d
    })
}
