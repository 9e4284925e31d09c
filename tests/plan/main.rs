//! The planner: stories with a known right answer, laws, and its promises kept by the live driver.

mod count;
mod desk;
mod drill;
mod gate;
mod law;
mod log;
mod region;
mod story;
mod transition;
