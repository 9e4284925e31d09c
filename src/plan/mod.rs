//! The planner: which mode, which cache, which quota, what it costs, and why.
//!
//! [`plan`] takes a workload ([`Source`](crate::workload::Source)) and a [`Question`]: objectives, constraints, growth. It lists
//! candidates ([`Grid`]: mode × cache limits × scope × retries × quota), drops what arithmetic rules out ([`bounds`]),
//! simulates the rest side by side on one schedule, prices every run, and chooses with reasons. The [`Plan`] is data, and
//! renders as text, JSON and one HTML page. Every figure says how it is known ([`How`]).
//!
//! Same input, same bytes: threads decide nothing, candidates keep their order, and nothing reads a clock.
//!
//! [`Plan`]: crate::plan::Plan
//! [`Question`]: crate::plan::Question
//! [`Grid`]: crate::plan::Grid
//! [`How`]: crate::plan::How
//! [`bounds`]: crate::plan::bounds
//! [`plan`]: crate::plan::plan()

mod answer;
mod bound;
mod candidate;
mod choose;
mod count;
mod drill;
mod error;
mod figure;
mod gate;
mod growth;
mod inquiry;
mod load;
mod make;
mod objective;
mod page;
mod question;
mod region;
mod revocation;
mod search;
mod sensitivity;
mod setting;
mod solve;
mod text;
mod transition;

pub use answer::{Basis, Choice, Judged, Plan, VERSION, Verdict};
pub use bound::{Bounds, bounds};
pub use candidate::{Candidate, Grid, retry, scope};
pub use drill::{Drill, Drilled};
pub use error::PlanError;
pub use figure::{CountedFigures, Figure, Figures, How};
pub use gate::Gate;
pub use growth::Growth;
pub use load::Load;
pub use make::{Surroundings, plan};
pub use objective::{Custody, Demands, GrowthRate, Runner, WordError, usd};
pub use question::{HORIZON_DEFAULT, HORIZON_MAX, Question, QuestionError, REQUESTS_MAX_DEFAULT, twice};
pub use region::RegionOutcome;
pub use revocation::{BlastRadius, Revocation};
pub use sensitivity::Flip;
pub use setting::Setting;
pub use solve::{Solved, Unknown};
pub use transition::{Transition, Way};
